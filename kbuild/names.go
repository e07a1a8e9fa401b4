// SPDX-License-Identifier: Apache-2.0

package kbuild

import (
	"path"
	"strings"

	"github.com/modhash/modhash/kbuild/kmod"
)

// suffixes of compressed modules, with what their content should be. The last
// ones are not used by Kbuild; a file that has one is a finding.
var suffixes = map[string]kmod.Compression{
	".gz": kmod.Gzip, ".xz": kmod.XZ, ".zst": kmod.Zstd,
}

var foreignSuffixes = map[string]bool{".zstd": true, ".bz2": true, ".lzma": true, ".lz4": true, ".lzo": true}

// moduleName cuts the suffix of a compression off the name of a module file:
// "kernel/a.ko.xz" is "kernel/a.ko" with suffix ".xz". ok is false for a name
// that is not that of a module.
func moduleName(name string) (base, suffix string, ok bool) {
	ext := path.Ext(name)
	if ext == ".ko" {
		return name, "", path.Base(name) != ".ko"
	}
	if _, known := suffixes[ext]; known || foreignSuffixes[ext] {
		base, ok = strings.CutSuffix(name, ext)
		if ok && path.Ext(base) == ".ko" && path.Base(base) != ".ko" {
			return base, ext, true
		}
	}
	return "", "", false
}

// ModprobeName is the name by which modprobe knows a module: the file's name
// without folder and .ko, with "-" and "_" being the same.
func ModprobeName(name string) string {
	return strings.ReplaceAll(strings.TrimSuffix(path.Base(name), ".ko"), "-", "_")
}

// folder is where a source keeps the modules of one release: all its files
// below prefix ("" or ending in a slash).
type folder struct {
	src     int
	release string // "" if nothing names it
	prefix  string
}

// modulesDirs are the places of modules below a root.
var modulesDirs = []string{"lib/modules/", "usr/lib/modules/"}

// findFolders finds the folders of modules in a source that is no build tree.
func findFolders(src int, s Source) []folder {
	has := map[folder]bool{} // true if it holds a module or a modules.order
	top, topOrder := false, false
	for _, m := range s.Members() {
		if m.Area != "" || m.Mode.IsDir() {
			continue
		}
		_, _, isModule := moduleName(m.Name)
		inModulesDir := false
		for _, d := range modulesDirs {
			if rest, ok := strings.CutPrefix(m.Name, d); ok {
				inModulesDir = true
				if rel, file, ok := strings.Cut(rest, "/"); ok && (isModule || file == "modules.order" || strings.HasPrefix(file, "modules.builtin")) {
					has[folder{src, rel, d + rel + "/"}] = true
				}
			}
		}
		top = top || isModule && !inModulesDir
		topOrder = topOrder || m.Name == "modules.order"
	}
	if len(has) == 0 && (top || topOrder) {
		return looseFolders(src, s, topOrder)
	}
	return keys(has)
}

// looseFolders finds modules outside of lib/modules: in a folder that is itself
// that of one release, or holds those of several.
func looseFolders(src int, s Source, topOrder bool) []folder {
	has := map[folder]bool{}
	atTop := topOrder
	for _, m := range s.Members() {
		first, rest, ok := strings.Cut(m.Name, "/")
		switch {
		case m.Area != "":
		case ok && (rest == "modules.order" || strings.HasPrefix(rest, "kernel/")) && first != "kernel":
			has[folder{src, first, first + "/"}] = true
		case strings.HasPrefix(m.Name, "kernel/"):
			atTop = true
		}
	}
	if atTop || len(has) == 0 {
		return []folder{{src: src}}
	}
	return keys(has)
}

func keys(m map[folder]bool) []folder {
	var out []folder
	for f := range m {
		out = append(out, f)
	}
	return out
}
