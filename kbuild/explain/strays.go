// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"
	"slices"
	"strings"

	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/internal/elfview"
	"github.com/modhash/modhash/kbuild/internal/units"
)

var stringSection = compare.Cause{ID: "layout.string-section", Class: compare.Derived, Local: true, Title: "the same strings in another section of strings"}

var strayCauses = []*compare.Cause{&stringSection}

// stray is a string that one section has on side A only, and another one on side B:
// compilers align long strings, so that one which holds a longer path changes from
// .rodata.str1.1 to .rodata.str1.8.
type stray struct {
	text   string
	family string
	sec    [2]string // on either side its section, "" on the other
	at     int64     // where it begins
	taken  bool
}

// notLoaded is the family of strings of debug information.
const notLoaded = "not loaded"

// maxStrays is more than any module has; above it none is looked for.
const maxStrays = 1 << 16

// strays matches strings that are in another section on the other side: those of equal
// text, the n-th with the n-th, and those of which a folder accounts for the whole
// difference, if that folder is another one in all paths. What leads to them is told by
// the relocations.
func strays(p *pair) {
	list := p.collectStrays()
	if len(list) == 0 {
		return
	}
	p.stray = map[int64]int64{}
	owners := map[*stray]*compare.Owner{}
	pairUp := func(a, b *stray, c *compare.Cause, va, vb string) {
		a.taken, b.taken = true, true
		p.stray[a.at] = b.at
		o := p.owner(c, "", va, vb)
		owners[a], owners[b] = o, o
	}
	candidates(list, func(s *stray) string { return s.text }, func(a, b *stray) bool {
		pairUp(a, b, p.unlessEdited(&stringSection), "", "")
		return true
	})
	moves := p.folders(list)
	candidates(list, lastName, func(a, b *stray) bool {
		m, ok := pathMove(a.text, b.text)
		if ok = ok && moves[m]; ok {
			c := &pathString
			if a.family == notLoaded {
				c = &pathDebug
			}
			pairUp(a, b, p.unlessEdited(c), m.a, m.b)
		}
		return ok
	})
	at := map[int64]*compare.Owner{}
	for s, o := range owners {
		at[s.key()] = o
	}
	p.each(p.Unit, func(x *place) {
		if o := at[key(x)]; o != nil && isStray(x) {
			x.ledger.Claim(x.number, o)
		}
	})
}

// unlessEdited: under one build id nothing is what a build does otherwise.
func (p *pair) unlessEdited(c *compare.Cause) *compare.Cause {
	if p.edited {
		return &edited
	}
	return c
}

// key tells strings of both sides apart by where they begin.
func (s *stray) key() int64 {
	if s.sec[0] == "" {
		return -1 - s.at
	}
	return s.at
}

func key(x *place) int64 {
	if x.a.Len == 0 {
		return -1 - x.b.Off
	}
	return x.a.Off
}

func isStray(x *place) bool {
	return x.unit().Kind == units.String && x.Relation == compare.Changed && !x.both() && x.block.Kind == units.Section &&
		x.block.SectionA >= 0 && x.block.SectionB >= 0
}

// collectStrays lists the strings that one side lacks, of sections that a linker may
// merge and that a module has on both sides.
func (p *pair) collectStrays() []*stray {
	var list []*stray
	p.each(p.Unit, func(x *place) {
		if !isStray(x) || len(list) > maxStrays {
			return
		}
		side, f, n, r := 0, p.A.ELF, x.block.SectionA, x.A
		if x.a.Len == 0 {
			side, f, n, r = 1, p.B.ELF, x.block.SectionB, x.B
		}
		sec := &f.Sections[n]
		const mergeStrings = 0x30
		if sec.Flags&mergeStrings != mergeStrings || sec.Flags&elfview.SHFWrite != 0 {
			return
		}
		b := f.Bytes[r.Off:r.End()]
		text, ended := bytes.CutSuffix(b, []byte{0})
		if !ended {
			return
		}
		s := &stray{text: string(text), family: "loaded", at: r.Off}
		if sec.Flags&elfview.SHFAlloc == 0 {
			s.family = notLoaded
		}
		s.sec[side] = x.block.String()
		list = append(list, s)
	})
	if len(list) > maxStrays {
		return nil
	}
	return list
}

// candidates calls f with strings of both sides that have one key, each with those in
// turn that are not taken, until it takes one. A string of another text may be in the
// same section: linkers sort what they merge.
func candidates(list []*stray, key func(*stray) string, f func(a, b *stray) bool) {
	const most = 16 // of one key, so that many do not cost the square
	inB := map[string][]*stray{}
	for _, s := range list {
		if k := key(s); s.sec[1] != "" && k != "" && !s.taken {
			inB[k] = append(inB[k], s)
		}
	}
	for _, a := range list {
		if a.sec[0] == "" || a.taken {
			continue
		}
		tries := 0
		left := inB[key(a)]
		for i, b := range left {
			if b.family != a.family || b.sec[1] == a.sec[0] && b.text == a.text {
				continue
			}
			if tries++; f(a, b) {
				inB[key(a)] = slices.Delete(left, i, i+1)
				break
			}
			if tries == most {
				break
			}
		}
	}
}

// lastName is the last part of a path, "" for what is none.
func lastName(s *stray) string {
	i := strings.LastIndexByte(s.text, '/')
	if i < 0 || s.text[0] != '/' {
		return ""
	}
	return s.text[i:]
}

// folders are the folders that are others on side B, by the strings in their places and
// by those of the list.
func (p *pair) folders(list []*stray) map[move]bool {
	more := map[move]int{}
	candidates(list, lastName, func(a, b *stray) bool {
		if m, ok := pathMove(a.text, b.text); ok {
			more[m]++
		}
		return false
	})
	return p.pathMoves(more)
}

// strayPlace: an offset in a section of A and one in a section of B are the starts of
// one stray string.
func (p *pair) strayPlace(sa *elfview.Section, a uint64, sb *elfview.Section, b uint64) bool {
	if a >= sa.Size || b >= sb.Size {
		return false
	}
	at, ok := p.stray[int64(sa.Offset+a)]
	return ok && at == int64(sb.Offset+b)
}
