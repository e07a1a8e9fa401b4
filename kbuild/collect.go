// SPDX-License-Identifier: Apache-2.0

package kbuild

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// candidate is a file of the build with the name of a module.
type candidate struct {
	name string // as in a manifest
	file *File
}

// candidates lists the module files of the chosen folders, by name and path, so
// that neither the order of files in a source nor that of the sources matters.
func (b *Build) candidates() []candidate {
	var out []candidate
	for _, d := range b.folders {
		s := b.sources[d.src]
		for i := range s.Members() {
			m := &s.Members()[i]
			rel, ok := strings.CutPrefix(m.Name, d.prefix)
			if !ok || m.Area != "" {
				continue
			}
			name, _, ok := moduleName(rel)
			if !ok {
				continue
			}
			if b.BuildTree {
				name = "kernel/" + name
			}
			out = append(out, candidate{name, &File{s, i}})
		}
	}
	if b.opt.Loose {
		out = append(out, b.elsewhere()...)
	}
	slices.SortStableFunc(out, func(a, c candidate) int {
		if d := cmp.Compare(a.name, c.name); d != 0 {
			return d
		}
		return cmp.Compare(a.file.Path(), c.file.Path())
	})
	return out
}

// elsewhere lists the module files that are in no modules folder.
func (b *Build) elsewhere() (out []candidate) {
	for src, s := range b.sources {
		for i := range s.Members() {
			m := &s.Members()[i]
			name, _, ok := moduleName(m.Name)
			if !ok || m.Area != "" || slices.ContainsFunc(slices.Concat(b.folders, b.passed), func(f folder) bool {
				return f.src == src && strings.HasPrefix(m.Name, f.prefix)
			}) {
				continue
			}
			out = append(out, candidate{name, &File{s, i}})
		}
	}
	return out
}

// collect matches the module files with the lines of modules.order.
func (b *Build) collect(lines []string) {
	pos := make(map[string]int, len(lines))
	b.modules = make([]Ref, 0, len(lines))
	for i, name := range lines {
		if first, dup := pos[name]; dup {
			b.problem(ListedTwice, name, "lines %d and %d of modules.order", first+1, i+1)
			continue
		}
		pos[name] = i
		b.modules = append(b.modules, Ref{Pos: i, Name: name})
	}
	index := make(map[string]int, len(b.modules))
	for i, m := range b.modules {
		index[m.Name] = i
	}
	others := map[string]int{}
	links := map[string]string{}
	for _, c := range b.candidates() {
		if m := c.file.Member(); !m.Mode.IsRegular() {
			if m.Mode&fs.ModeSymlink != 0 && !strings.HasPrefix(c.name, "kernel/") {
				// As in weak-updates/, where other kernels' modules are linked to.
				links[c.name] = m.Link
				continue
			}
			b.problem(NotRegular, c.name, "%s is a %s", c.file.Path(), describeMode(m.Mode))
			continue
		}
		ref := b.slot(c.name, index, others)
		if ref.File != nil {
			first, second := ref.File.Path(), c.file.Path()
			b.problem(PresentTwice, c.name, "%s and %s", first, second)
			if first != second {
				continue
			}
			// Of one name twice in an archive, unpacking leaves the last.
		}
		ref.File = c.file
	}
	b.linkedFolders()
	slices.SortFunc(b.others, func(a, c Ref) int { return cmp.Compare(a.Name, c.Name) })
	b.judge(links)
	slices.SortFunc(b.problems, compareProblems)
	b.problems = slices.Compact(b.problems)
}

// slot returns the listed module of that name, or a new one that is not listed.
func (b *Build) slot(name string, index, others map[string]int) *Ref {
	if i, ok := index[name]; ok {
		return &b.modules[i]
	}
	i, ok := others[name]
	if !ok {
		i = len(b.others)
		others[name] = i
		b.others = append(b.others, Ref{Pos: -1, Name: name})
	}
	return &b.others[i]
}

// judge reports the modules that are missing, not listed or out of tree; links
// are those out of tree that are symbolic links, with their targets.
func (b *Build) judge(links map[string]string) {
	inTree := make(map[string]string, len(b.modules))
	for _, m := range b.others {
		if strings.HasPrefix(m.Name, "kernel/") {
			inTree[ModprobeName(m.Name)] = m.Name
		}
	}
	for _, m := range b.modules {
		inTree[ModprobeName(m.Name)] = m.Name
		if m.File == nil {
			b.problem(Missing, m.Name, "line %d of modules.order", m.Pos+1)
		}
	}
	for _, m := range b.others {
		switch {
		case len(b.modules) == 0 && !b.HasOrder && strings.HasPrefix(m.Name, "kernel/"):
			// Nothing is listed; that is told once.
		case !strings.HasPrefix(m.Name, "kernel/"):
			b.outOfTree(m.Name, "", inTree)
		case b.BuildTree:
			// Left over from another configuration: it is not installed.
			b.problem(Unlisted, m.Name, "not in modules.order, so modules_install leaves it out").Note = true
		default:
			b.problem(Unlisted, m.Name, "%s is not in modules.order", m.File.Path())
		}
	}
	for name, target := range links { // problems are sorted afterwards
		b.outOfTree(name, fmt.Sprintf("a symbolic link to %s", target), inTree)
	}
}

// linkedFolders reports links in the modules folder, and one in its place:
// depmod follows them, and modules behind them are not looked at. Links of
// modules are told elsewhere; build and source lead to where it was built.
func (b *Build) linkedFolders() {
	for _, d := range b.folders {
		if b.BuildTree {
			return
		}
		for _, m := range b.sources[d.src].Members() {
			rel, ok := strings.CutPrefix(m.Name, d.prefix)
			if m.Name != "" && m.Name+"/" == d.prefix {
				rel, ok = ".", true
			}
			if !ok || m.Area != "" || m.Mode&fs.ModeSymlink == 0 || rel == "build" || rel == "source" {
				continue
			}
			if _, _, module := moduleName(rel); !module && rel != "vmlinuz" {
				b.problem(NotRegular, rel, "a symbolic link to %s in the modules folder: what it leads to is not looked at", m.Link)
			}
		}
	}
}

func (b *Build) outOfTree(name, detail string, inTree map[string]string) {
	b.problem(OutOfTree, name, "%s", detail).Note = true
	if twin, ok := inTree[ModprobeName(name)]; ok {
		b.problem(Shadow, name, "modprobe can load it in place of %s", twin)
	}
}
