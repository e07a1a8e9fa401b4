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

// stray is a string that is not where the other side has it. Compilers align long
// strings, so that one which holds a longer path changes from .rodata.str1.1 to
// .rodata.str1.8; and linkers put those of debug information into the order of their
// hashes.
type stray struct {
	text   string
	debug  bool
	sec    [2]string // on either side its section, "" on the other
	at     int64     // where it begins
	region int64     // see key
	owner  *compare.Owner
}

// maxStrays is more than any module has; above it none is looked for.
const maxStrays = 1 << 16

// strays matches strings that are in another place on the other side: those of equal
// text in another section, the n-th with the n-th; those of which a folder accounts for
// the whole difference, if that folder is another one in all paths; and the names of
// compilers. What leads to them is told by the relocations.
func strays(p *pair) {
	inPlace := p.pathMoves(nil)
	p.moves = inPlace
	list := p.collectStrays(inPlace)
	if len(list) == 0 {
		return
	}
	p.stray, p.strayB = map[int64]int64{}, map[int64]bool{}
	pairUp := func(a, b *stray, c *compare.Cause, va, vb string) bool {
		if p.edited && fromBuild[c] {
			c = &edited
		}
		a.owner = p.owner(c, "", va, vb)
		b.owner = a.owner
		p.stray[a.at], p.strayB[b.at] = b.at, true
		return true
	}
	candidates(list, func(s *stray) string { return s.text }, func(a, b *stray) bool {
		return pairUp(a, b, &stringSection, "", "")
	})
	moves := p.folders(list)
	p.moves = moves
	candidates(list, lastName, func(a, b *stray) bool {
		m, ok := pathMove(a.text, b.text)
		if !ok || !moves[m] {
			return false
		}
		if a.debug {
			return pairUp(a, b, &pathDebug, m.a, m.b)
		}
		return pairUp(a, b, &pathString, m.a, m.b)
	})
	itself := func(s *stray) string { // the folder alone
		key := "" // the same whatever the order of a map is
		for m, ok := range moves {
			if k := m.a + "\x00" + m.b; ok && (s.sec[0] != "" && s.text == m.a || s.sec[1] != "" && s.text == m.b) && k > key {
				key = k
			}
		}
		return key
	}
	candidates(list, itself, func(a, b *stray) bool {
		if a.debug {
			return pairUp(a, b, &pathDebug, a.text, b.text)
		}
		return pairUp(a, b, &pathString, a.text, b.text)
	})
	candidates(list, language, func(a, b *stray) bool {
		c, va, vb := p.otherProducer(a.text, b.text)
		return c != nil && pairUp(a, b, c, va, vb)
	})
	at := map[int64]*compare.Owner{}
	for _, s := range list {
		if o, seen := at[s.region]; seen && (o == nil || s.owner == nil) {
			at[s.region] = nil // one of two strings is not accounted for
		} else if !seen || o.Cause.Class == compare.Derived {
			at[s.region] = s.owner
		}
	}
	whole := map[string]bool{} // sections of one side that are accounted for by such strings
	p.eachOf(p.Unit, hasStrings, func(x *place) {
		switch o := at[key(x)]; {
		case o == nil:
		case oneSidedStrings(x):
			whole[x.block.Name] = true
			fallthrough
		case p.isStray(x, inPlace):
			x.ledger.Claim(x.number, o)
		}
	})
	if len(whole) > 0 {
		p.straySections(whole)
	}
}

// hasStrings: by its name a section holds strings, of code or of debug information.
func hasStrings(bl *compare.Block) bool {
	return bl.Kind == units.Section && (strings.HasPrefix(bl.Name, ".rodata") || strings.HasPrefix(bl.Name, ".debug_") || strings.Contains(bl.Name, ".str"))
}

// straySections claims the headers, the names and the symbols of sections that one side
// lacks because all their strings are elsewhere there.
func (p *pair) straySections(whole map[string]bool) {
	p.each(p.Unit, func(x *place) {
		u := x.unit()
		if x.both() || x.Relation != compare.Changed || !whole[u.Name] {
			return
		}
		switch {
		case u.Kind == units.SectionField, u.Kind == units.String && x.block.Name == ".shstrtab", u.Kind == units.Symbol && u.Key == 3:
			p.claim(x, &stringSection, "", "", "")
		}
	})
}

// oneSidedStrings: the place is a whole section of strings that the other side lacks, with
// a header as compilers write it.
func oneSidedStrings(x *place) bool {
	return x.block.Kind == units.Section && strings.HasPrefix(x.block.Name, ".rodata.str") && x.block.Ordinal == 0 &&
		x.block.A.Len*x.block.B.Len == 0 && x.Relation == compare.Changed
}

func plainStrings(s *elfview.Section) bool {
	const allocMergeStrings = 0x32
	return s.Type == elfview.SHTProgbits && s.Flags == allocMergeStrings && s.Addr == 0 && s.Link == 0 && s.Info == 0 && s.Entsize == 1 && s.Addralign <= 64
}

// cutStrings lists the strings of such a section. Between them may be as many zeros as
// their alignment takes; what is left over is a string that nothing accounts for.
func cutStrings(sec *elfview.Section, b []byte, add func(text string, at int64)) {
	at := 0
	for at < len(b) {
		n := bytes.IndexByte(b[at:], 0)
		switch {
		case n < 0 || !plainStrings(sec):
			add("", int64(at))
			return
		case n > 0:
			add(string(b[at:at+n]), int64(at))
			at += n + 1
		case uint64(at)%max(sec.Addralign, 1) == 0:
			add("", int64(at)) // an empty one, or too much
			return
		default:
			at++
		}
	}
}

// key tells regions apart by where they begin.
func key(x *place) int64 {
	if x.a.Len == 0 {
		return -1 - x.b.Off
	}
	return x.a.Off
}

// isStray: the string is on one side only, or debug information has another one in its
// place, of which none of the folders is all that differs.
func (p *pair) isStray(x *place, moves map[move]bool) bool {
	if x.unit().Kind != units.String || x.Relation != compare.Changed || x.block.Kind != units.Section || x.block.SectionA < 0 || x.block.SectionB < 0 {
		return false
	}
	if !x.both() {
		return true
	}
	a, b := p.bytes(x)
	m, ok := pathMove(string(bytes.TrimRight(a, "\x00")), string(bytes.TrimRight(b, "\x00")))
	return !(ok && moves[m]) && strings.HasPrefix(x.block.Name, ".debug_")
}

// collectStrays lists such strings, of sections that a linker may merge.
func (p *pair) collectStrays(moves map[move]bool) []*stray {
	var list []*stray
	p.eachOf(p.Unit, hasStrings, func(x *place) {
		whole := oneSidedStrings(x)
		if len(list) > maxStrays || !whole && !p.isStray(x, moves) {
			return
		}
		for side, f := range []*units.File{p.A.ELF, p.B.ELF} {
			n, u := []int{x.block.SectionA, x.block.SectionB}[side], []*units.Unit{&x.a, &x.b}[side]
			if n < 0 {
				continue
			}
			sec := &f.Sections[n]
			if whole {
				cutStrings(sec, f.Bytes[u.Off:u.Off+u.Len], func(text string, at int64) {
					s := &stray{text: text, at: u.Off + at, region: key(x)}
					s.sec[side] = x.block.String()
					list = append(list, s)
				})
				continue
			}
			const mergeStrings = 0x30
			if u.Len == 0 || sec.Flags&mergeStrings != mergeStrings || sec.Flags&elfview.SHFWrite != 0 {
				continue
			}
			text, ended := bytes.CutSuffix(f.Bytes[u.Off:u.Off+u.Len], []byte{0})
			if !ended {
				continue
			}
			s := &stray{text: string(text), debug: sec.Flags&elfview.SHFAlloc == 0, at: u.Off, region: key(x)}
			s.sec[side] = x.block.String()
			list = append(list, s)
		}
	})
	if len(list) > maxStrays {
		return nil
	}
	return list
}

// candidates calls f with strings of both sides that have one key and are in different
// sections, or in debug information, each with those in turn that are not taken, until it takes one.
func candidates(list []*stray, key func(*stray) string, f func(a, b *stray) bool) {
	const most = 16 // of one key, so that many do not cost the square
	inB := map[string][]*stray{}
	for _, s := range list {
		if k := key(s); s.sec[1] != "" && k != "" && s.owner == nil {
			inB[k] = append(inB[k], s)
		}
	}
	for _, a := range list {
		if a.sec[0] == "" || a.owner != nil {
			continue
		}
		tries := 0
		left := inB[key(a)]
		for i, b := range left {
			if b.debug != a.debug || b.sec[1] == a.sec[0] && !a.debug {
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

// language is what a compiler calls itself before its version, "" for what is none.
func language(s *stray) string {
	n, ok := parseProducer(s.text)
	if !ok || !s.debug {
		return ""
	}
	return strings.TrimRight(n.language, "0123456789")
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
	more := map[move]seenMove{}
	candidates(list, lastName, func(a, b *stray) bool {
		if m, ok := pathMove(a.text, b.text); ok {
			more[m] = more[m].and(m, a.text, a.debug)
		}
		return false
	})
	return p.pathMoves(more)
}

// strayPlace: two places are the starts of one such string; known is false if neither is
// that of any.
func (p *pair) strayPlace(a, b int64) (same, known bool) {
	at, ok := p.stray[a]
	return ok && at == b, ok || p.strayB[b]
}
