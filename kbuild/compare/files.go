// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/internal/pool"
)

// What a file is, besides its metadata: the contents of modules and of the
// kernel image are compared elsewhere.
type role uint8

const (
	plain role = iota
	module
	imageFile
)

// entry is one row of a side's table of files.
type entry struct {
	key  string
	file *kbuild.File
	role role
	at   int // place in the order of its archive
}

// place identifies a file of a build.
type place struct {
	src kbuild.Source
	i   int
}

// table lists the files of a build under the names by which they are matched:
// those in the modules folder without the folder, the release as {release}
// elsewhere, modules without the suffix of their compression, and the second of
// two equal names with a number behind it. shared tells which entries of one
// folder are one; how many were left out for it is told too.
func table(b *kbuild.Build, img *kbuild.Image, shared func(first, again *folder) bool) (out []entry, left int) {
	names := map[place]string{}
	seen := map[string]int{}
	for _, refs := range [][]kbuild.Ref{b.Modules(), b.Others()} {
		for _, r := range refs {
			if r.File != nil {
				names[place{r.File.Source, r.File.Index}] = r.Name
				seen[modulesFolder+r.Name] = 1 // another file of that name is no match for it
			}
		}
	}
	folders := map[string]*folder{}
	for si, s := range b.Sources() {
		for i := range s.Members() {
			m := &s.Members()[i]
			e := entry{file: &kbuild.File{Source: s, Index: i}, at: len(out)}
			if name, ok := names[place{s, i}]; ok {
				e.role, e.key = module, modulesFolder+name
			} else {
				e.key = key(b, s, si, m)
			}
			if img != nil && img.File != nil && img.File.Source == s && img.File.Index == i {
				e.role, e.key = imageFile, mark+"image"
			}
			if m.Mode.IsDir() && m.Area == "" {
				f := &folder{m, si}
				if first := folders[e.key]; first != nil && shared(first, f) {
					left++
					continue
				}
				folders[e.key] = f
			}
			if e.role == plain {
				seen[e.key]++
				if n := seen[e.key]; n > 1 {
					e.key += mark + strconv.Itoa(n)
				}
			}
			out = append(out, e)
		}
	}
	return out, left
}

// folder is an entry of a folder and the number of the source that holds it.
type folder struct {
	*kbuild.Member
	source int
}

// alike: what unpacking makes of the two entries is one folder, as far as a
// comparison with a directory can tell.
func alike(first, again *folder) bool {
	return mode(first.Member) == mode(again.Member) && owner(first.Member) == owner(again.Member)
}

// A key holds, beside names from the input, texts of ours that start with this
// byte, which no name has, so that no name can pass for another key.
const mark = "\x00"

const (
	modulesFolder = mark + "modules/"
	releaseMark   = mark + "release" + mark
)

// shown is a key as people read it.
func shown(key string) string {
	key = strings.ReplaceAll(key, releaseMark, "{release}")
	if rest, ok := strings.CutPrefix(key, modulesFolder); ok {
		key = "{modules}/" + rest
	}
	if name, n, ok := strings.Cut(key, mark); ok {
		key = name + " (" + n + ")"
	}
	return key
}

func key(b *kbuild.Build, s kbuild.Source, index int, m *kbuild.Member) string {
	name := m.Name
	if name == "" {
		name = strconv.QuoteToASCII(m.Raw) // it may hold the byte of mark
	}
	if m.Area != "" {
		// Each package of a build has members of these names.
		return fmt.Sprintf("%s%s:%d:%s", mark, m.Area, index, name)
	}
	if rel, ok := b.Rel(s, name); ok {
		return modulesFolder + rel
	}
	if b.Release != "" {
		name = strings.ReplaceAll(name, b.Release, releaseMark)
	}
	return name
}

// scope says which files of two builds can be compared, and how closely.
type scope struct {
	metadata bool // owner, time, order and what only archives have
	notes    []string
	keepA    func(*entry) bool
	keepB    func(*entry) bool
	shared   func(first, again *folder) bool // see table
}

// scopeOf decides by the kinds of the two sides.
func scopeOf(a, b *kbuild.Build) scope {
	archA, archB := archives(a), archives(b)
	all := func(*entry) bool { return true }
	sc := scope{metadata: archA && archB, keepA: all, keepB: all, shared: alike}
	switch {
	case sc.metadata && len(a.Sources()) == len(b.Sources()):
		sc.shared = func(_, _ *folder) bool { return false }
		return sc
	case sc.metadata:
		// Packages of one build hold the same folders, and here they cannot be
		// matched package by package.
		sc.shared = func(first, again *folder) bool { return first.source != again.source && alike(first, again) }
		return sc
	}
	sc.notes = append(sc.notes, "owners, times, extended attributes and the order of files are not compared: a side is a directory")
	if a.BuildTree != b.BuildTree {
		sc.notes = append(sc.notes, "a build tree has other files than an installed build: only modules, image and modules.builtin{,.modinfo,.ranges} are compared")
		sc.keepA, sc.keepB = inBuildTreeToo, inBuildTreeToo
		return sc
	}
	// The area of control files exists in packages only; a directory has no
	// entry for its own root.
	sc.keepA, sc.keepB = installed, installed
	if archA || archB {
		sc.notes = append(sc.notes, "control files and headers of the package have no counterpart in a directory")
	}
	return sc
}

func archives(b *kbuild.Build) bool {
	return !slices.ContainsFunc(b.Sources(), func(s kbuild.Source) bool { return !s.Archive() })
}

func installed(e *entry) bool { m := e.file.Member(); return m.Area == "" && m.Name != "." }

func inBuildTreeToo(e *entry) bool {
	switch strings.TrimPrefix(e.key, modulesFolder) {
	case "modules.builtin", "modules.builtin.modinfo", "modules.builtin.ranges":
		return true // the rest is made by depmod
	}
	return e.role != plain
}

// filePair is one key on either side.
type filePair struct {
	key  string
	a, b *entry
	// recompressed: a module whose two files are compressed differently; their
	// names then differ by that, which is told with the module.
	recompressed bool
}

func pairFiles(a, b []entry) []filePair {
	byKey := map[string]*filePair{}
	var keys []string
	add := func(es []entry, set func(*filePair, *entry)) {
		for i := range es {
			p := byKey[es[i].key]
			if p == nil {
				p = &filePair{key: es[i].key}
				byKey[p.key] = p
				keys = append(keys, p.key)
			}
			set(p, &es[i])
		}
	}
	add(a, func(p *filePair, e *entry) { p.a = e })
	add(b, func(p *filePair, e *entry) { p.b = e })
	slices.Sort(keys)
	pairs := make([]filePair, len(keys))
	for i, k := range keys {
		pairs[i] = *byKey[k]
	}
	return pairs
}

// files compares all files but the contents of modules and image.
func (c *Comparison) files(ctx context.Context, a, b *kbuild.Build, imgA, imgB *kbuild.Image, o *Options) error {
	sc := scopeOf(a, b)
	c.Notes = append(c.Notes, sc.notes...)
	ta, leftA := table(a, imgA, sc.shared)
	tb, leftB := table(b, imgB, sc.shared)
	if sc.metadata && leftA+leftB > 0 {
		c.Notes = append(c.Notes, "of a folder that several packages hold, the first entry is compared")
	}
	ta = slices.DeleteFunc(ta, func(e entry) bool { return !sc.keepA(&e) })
	tb = slices.DeleteFunc(tb, func(e entry) bool { return !sc.keepB(&e) })
	pairs := pairFiles(ta, tb)
	c.markRecompressed(pairs)
	keep := map[string]bool{}
	if sc.metadata {
		var common []placed
		for _, p := range pairs {
			if p.a != nil && p.b != nil {
				common = append(common, placed{p.key, p.a.at, p.b.at})
			}
		}
		keep = inOrder(common)
	}
	out := make([]*File, len(pairs))
	type bufs struct{ a, b []byte }
	start := func() bufs { return bufs{make([]byte, 128<<10), make([]byte, 128<<10)} }
	err := pool.Each(ctx, o.Workers, len(pairs), start, func(bufs) {}, func(w bufs, i int) (err error) {
		p := &pairs[i]
		if out[i], err = compareFile(p, sc.metadata, w.a, w.b); err != nil {
			return err
		}
		if p.a != nil && p.b != nil && sc.metadata && !keep[p.key] {
			if out[i] == nil {
				out[i] = describe(p)
			}
			out[i].Moved = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, f := range out {
		p := &pairs[i]
		if p.a != nil && p.b != nil && unreadable(p.a) && unreadable(p.b) {
			c.Unread++
		}
		if p.a != nil && p.b != nil && p.a.role == plain && !p.a.file.Member().Mode.IsDir() {
			c.FilesCompared++
			if f == nil {
				c.FilesEqual++
			}
		}
		if f != nil {
			c.Files = append(c.Files, *f)
		}
	}
	if c.Unread > 0 {
		c.Notes = append(c.Notes, fmt.Sprintf("the content of %d members of an unknown type is NOT compared", c.Unread))
	}
	return nil
}

// unreadable: an entry of a type that nobody knows can have a content, which
// no reader of packages finds.
func unreadable(e *entry) bool { return e.file.Member().Mode.Type() == fs.ModeIrregular }

func (c *Comparison) markRecompressed(pairs []filePair) {
	other := map[string]bool{}
	for _, m := range c.Modules {
		other[modulesFolder+m.Name] = m.A != nil && m.B != nil && m.A.Compression != m.B.Compression
	}
	for i := range pairs {
		pairs[i].recompressed = other[pairs[i].key]
	}
}

// describe makes the row of a pair.
func describe(p *filePair) *File {
	e := p.a
	if e == nil {
		e = p.b
	}
	f := &File{Name: shown(p.key), Area: e.file.Member().Area}
	switch {
	case e.role == imageFile, f.Area != "":
		if f.Name = e.file.Member().Name; f.Name == "" {
			f.Name = e.file.Member().Raw
		}
	}
	switch {
	case p.a == nil:
		f.Only = OnlyB
	case p.b == nil:
		f.Only = OnlyA
	}
	return f
}

// compareFile returns nil for a pair without any difference, and for a module
// or image that is on one side only, which is told elsewhere.
func compareFile(p *filePair, metadata bool, bufA, bufB []byte) (*File, error) {
	f := describe(p)
	if p.a == nil || p.b == nil {
		if p.a != nil && p.a.role != plain || p.b != nil && p.b.role != plain {
			return nil, nil
		}
		return f, nil
	}
	ma, mb := p.a.file.Member(), p.b.file.Member()
	change := func(field, a, b string) {
		if a != b {
			f.Changes = append(f.Changes, Change{field, a, b})
		}
	}
	change("type", kind(ma), kind(mb))
	if hasContent(ma) && hasContent(mb) && p.a.role == plain && p.b.role == plain {
		a, b, err := contents(p, bufA, bufB)
		if err != nil {
			return nil, err
		}
		change("content", a, b)
	}
	change("link", ma.Link, mb.Link)
	if metadata || ma.Mode.Type() != fs.ModeSymlink || mb.Mode.Type() != fs.ModeSymlink {
		// In a directory the mode of a link means nothing.
		change("mode", mode(ma), mode(mb))
	}
	change("device", device(ma), device(mb))
	if metadata {
		if spelling(ma) != spelling(mb) {
			change("stored name", ma.Raw, mb.Raw)
		}
		change("owner", owner(ma), owner(mb))
		change("time", ma.MTime.UTC().Format(time.RFC3339Nano), mb.MTime.UTC().Format(time.RFC3339Nano))
		change("xattrs", xattrs(ma), xattrs(mb))
	}
	if p.a.role == module && !p.recompressed {
		change("name", path.Base(ma.Name), path.Base(mb.Name))
	}
	if len(f.Changes) == 0 {
		return nil, nil
	}
	return f, nil
}

// hasContent: an rpm lists files that it owns without holding them ("ghost").
func hasContent(m *kbuild.Member) bool { return m.Area != "ghost" && (m.Mode.IsRegular() || m.Hard) }

// contents compares two files and describes what differs, the same text twice
// if nothing does.
func contents(p *filePair, bufA, bufB []byte) (string, string, error) {
	ca, err := open(p.a.file)
	if err != nil {
		return "", "", err
	}
	defer ca.Close() // read only, as below
	cb, err := open(p.b.file)
	if err != nil {
		return "", "", err
	}
	defer cb.Close()
	equal, err := equalContent(ca, cb, bufA, bufB)
	if err != nil {
		return "", "", fmt.Errorf("comparing %s with %s: %w", p.a.file.Path(), p.b.file.Path(), err)
	}
	if equal {
		return "", "", nil
	}
	a, err := digest(ca)
	if err != nil {
		return "", "", fmt.Errorf("reading %s: %w", p.a.file.Path(), err)
	}
	b, err := digest(cb)
	if err != nil {
		return "", "", fmt.Errorf("reading %s: %w", p.b.file.Path(), err)
	}
	return a, b, nil
}

func kind(m *kbuild.Member) string {
	if m.Hard {
		return "hard link"
	}
	switch m.Mode.Type() {
	case 0:
		return "file"
	case fs.ModeDir:
		return "folder"
	case fs.ModeSymlink:
		return "symbolic link"
	}
	return m.Mode.Type().String()
}

// spelling is how the name is stored apart from what it says, as "./…/" for a
// folder, so that files whose names differ by the release can be compared. A
// name that is not clean in its middle stands for itself.
func spelling(m *kbuild.Member) string {
	before, after, ok := strings.Cut(m.Raw, m.Name)
	if !ok || m.Name == "" {
		return m.Raw
	}
	return before + mark + after
}

// mode leaves out the type.
func mode(m *kbuild.Member) string {
	bits := uint32(m.Mode.Perm())
	for _, b := range []struct {
		mode fs.FileMode
		bit  uint32
	}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}} {
		if m.Mode&b.mode != 0 {
			bits |= b.bit
		}
	}
	return fmt.Sprintf("%04o", bits)
}

func owner(m *kbuild.Member) string {
	return fmt.Sprintf("%d:%d %s:%s", m.UID, m.GID, m.User, m.Group)
}

func device(m *kbuild.Member) string { return fmt.Sprintf("%d:%d", m.Major, m.Minor) }

func xattrs(m *kbuild.Member) string {
	var b strings.Builder
	for _, x := range m.Xattrs {
		fmt.Fprintf(&b, "%s=%q ", x.Name, x.Value)
	}
	return strings.TrimSuffix(b.String(), " ")
}
