// SPDX-License-Identifier: Apache-2.0

package kbuild

import (
	"io"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/modhash/modhash/hashset"
)

// fake is a source of empty files, but for modules.order.
type fake struct {
	members []Member
	order   string
}

func (s *fake) Path() string        { return "fake" }
func (s *fake) Archive() bool       { return true }
func (s *fake) Members() []Member   { return s.members }
func (s *fake) Problems() []Problem { return nil }
func (s *fake) Close() error        { return nil }

func (s *fake) Open(i int) (Content, error) {
	text := ""
	if path.Base(s.members[i].Name) == "modules.order" {
		text = s.order
	}
	return section{io.NewSectionReader(strings.NewReader(text), 0, int64(len(text)))}, nil
}

// FuzzArrange makes builds of any names and any order, one name a line. Every
// module file is in one place or told of, and what is told is sorted.
func FuzzArrange(f *testing.F) {
	order := strings.Join(names, "\n")
	for _, prefix := range []string{"", modulesDir, "usr/" + modulesDir, release + "/"} {
		f.Add(order, prefix+"modules.order\n"+prefix+strings.Join(names, "\n"+prefix), "")
		f.Add(order, prefix+"modules.order\n"+prefix+strings.Join(names, ".xz\n"+prefix), release)
	}
	f.Add("fs/a.o\nfs/a.o\n", "modules.order\nkernel/fs/a.ko\nkernel/fs/a.ko.gz\nupdates/a.ko\nkernel/b.ko", "")
	f.Add("", modulesDir+"a.ko\nlib/modules/5.0/b.ko\nlib/modules/c.ko", "5.0")
	f.Fuzz(func(t *testing.T, order, list, wanted string) {
		src := &fake{order: order}
		for name := range strings.SplitSeq(list, "\n") {
			src.members = append(src.members, Member{Name: name, Raw: name})
		}
		b := &Build{opt: Options{Release: wanted}, sources: []Source{src}}
		if err := b.arrange(); err != nil {
			return
		}
		told := map[string]bool{}
		for _, p := range b.Problems() {
			told[string(p.Kind)+" "+p.Name] = true
		}
		if !slices.IsSortedFunc(b.Problems(), compareProblems) {
			t.Fatalf("not sorted: %v", b.Problems())
		}
		seen := map[string]bool{}
		last := -1
		for _, m := range b.Modules() {
			if err := hashset.CheckName(m.Name); err != nil || m.Pos <= last || seen[m.Name] {
				t.Fatalf("%+v after position %d: %v", m, last, err)
			}
			if (m.File == nil) != told[string(Missing)+" "+m.Name] {
				t.Fatalf("%s: there %v, missing %v", m.Name, m.File != nil, m.File == nil)
			}
			seen[m.Name], last = true, m.Pos
		}
		for _, m := range b.Others() {
			if m.Pos != -1 || m.File == nil || seen[m.Name] {
				t.Fatalf("%+v", m)
			}
			if b.HasOrder && !told[string(Unlisted)+" "+m.Name] && !told[string(OutOfTree)+" "+m.Name] {
				t.Fatalf("%s is neither unlisted nor out of tree", m.Name)
			}
			seen[m.Name] = true
		}
		for _, c := range b.candidates() {
			if !seen[c.name] {
				t.Fatalf("%s is nowhere", c.name)
			}
		}
	})
}
