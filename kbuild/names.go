// SPDX-License-Identifier: Apache-2.0

package kbuild

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// suffixes of compressed modules. Kbuild uses the first three; a file that has
// another one is a finding, whatever is in it.
var suffixes = map[string]bool{
	".gz": true, ".xz": true, ".zst": true,
	".zstd": true, ".bz2": true, ".lzma": true, ".lz4": true, ".lzo": true,
}

// moduleName cuts the suffix of a compression off the name of a module file:
// "kernel/a.ko.xz" is "kernel/a.ko" with suffix ".xz". ok is false for a name
// that is not that of a module.
func moduleName(name string) (base, suffix string, ok bool) {
	ext := path.Ext(name)
	base = name
	if suffixes[ext] {
		base, suffix = strings.TrimSuffix(name, ext), ext
	}
	if path.Ext(base) != ".ko" || path.Base(base) == ".ko" {
		return "", "", false
	}
	return base, suffix, true
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
	has := map[folder]bool{} // those that hold a module or an index of modules
	for _, m := range s.Members() {
		if m.Area != "" || m.Mode.IsDir() {
			continue
		}
		_, _, isModule := moduleName(m.Name)
		for _, d := range modulesDirs {
			rest, _ := strings.CutPrefix(m.Name, d)
			rel, file, ok := strings.Cut(rest, "/")
			if ok && rest != m.Name && (isModule || file == "modules.order" || strings.HasPrefix(file, "modules.builtin")) {
				has[folder{src, rel, d + rel + "/"}] = true
			}
		}
	}
	if len(has) == 0 {
		return looseFolders(src, s)
	}
	return slices.Collect(maps.Keys(has))
}

// looseFolders finds modules outside of lib/modules: in a folder that is itself
// that of one release, or holds those of several.
func looseFolders(src int, s Source) []folder {
	has := map[folder]bool{}
	atTop, anywhere := false, false
	for _, m := range s.Members() {
		if m.Area != "" || m.Mode.IsDir() {
			continue
		}
		_, _, isModule := moduleName(m.Name)
		first, rest, _ := strings.Cut(m.Name, "/")
		switch {
		case m.Name == "modules.order", isModule && first == "kernel":
			atTop = true
		case rest == "modules.order", isModule && strings.HasPrefix(rest, "kernel/"):
			has[folder{src, first, first + "/"}] = true
		}
		anywhere = anywhere || isModule
	}
	switch {
	case atTop, len(has) == 0 && anywhere:
		return []folder{{src: src}}
	}
	return slices.Collect(maps.Keys(has))
}
