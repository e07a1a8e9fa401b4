// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"
	"path"
	"strings"
	"time"

	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/internal/units"
)

var (
	pathString = compare.Cause{ID: "path.string", Class: compare.Root, Local: true, Title: "another build path in strings",
		Mend: "build in the same folder, or KCFLAGS=-ffile-prefix-map=OLD=NEW", Doc: docRepro}
	pathDebug = compare.Cause{ID: "path.debug", Class: compare.Root, Local: true, Title: "another build path in debug information",
		Mend: "build in the same folder, or KCFLAGS=-fdebug-prefix-map=OLD=NEW", Doc: docRepro}
	timestamp = compare.Cause{ID: "timestamp.string", Class: compare.Root, Local: true, Title: "another date or time in strings",
		Mend: "SOURCE_DATE_EPOCH, and no __DATE__ and __TIME__ in the sources (-Werror=date-time)", Doc: docRepro}
	releaseString = compare.Cause{ID: "version.string", Class: compare.Root, Local: true, Title: "another kernel release in strings",
		Mend: "the same version and CONFIG_LOCALVERSION", Doc: docRepro}
	compiler = compare.Cause{ID: "toolchain.compiler", Class: compare.Root, Title: "another compiler or linker",
		Mend: "the same versions of the toolchain", Doc: "Documentation/process/changes.rst"}
	stringOrder  = compare.Cause{ID: "layout.string-order", Class: compare.Derived, Local: true, Title: "the same strings in another order"}
	stringChange = compare.Cause{ID: "change.string", Class: compare.CodeChange, Title: "other strings"}
	nameChange   = compare.Cause{ID: "change.name", Class: compare.CodeChange, Title: "names of symbols and sections that came or went"}
)

var textCauses = []*compare.Cause{&pathString, &pathDebug, &timestamp, &releaseString, &compiler, &stringOrder, &stringChange, &nameChange}

// texts explains sections of strings. A string that differs is a change unless
// one rule accounts for each of its differing bytes.
func texts(p *pair) {
	relA, relB := p.releases()
	p.each(p.Unit, func(x *place) {
		u := x.unit()
		if u.Kind == units.Object && x.both() && x.Relation == compare.Changed {
			p.textObject(x, relA, relB)
			return
		}
		if u.Kind != units.String || x.block.Kind != units.Section {
			return
		}
		debug := strings.HasPrefix(x.block.Name, ".debug_")
		names := x.block.Name == ".strtab" || x.block.Name == ".shstrtab" || x.block.Name == "__version_ext_names"
		a, b := p.bytes(x)
		sa, sb := string(bytes.TrimRight(a, "\x00")), string(bytes.TrimRight(b, "\x00"))
		switch {
		case x.Relation == compare.Moved:
			p.claim(x, &stringOrder, "", "", "")
		case x.block.Name == ".comment" && isCompiler(sa) && isCompiler(sb):
			p.claim(x, &compiler, "", shown([]byte(sa)), shown([]byte(sb)))
		case names:
			p.claim(x, &nameChange, "", shown([]byte(sa)), shown([]byte(sb)))
		case debug && x.both() && p.produced(x, sa, sb):
		case x.both() && relA != relB && relA != "" && relB != "" && sa != sb && replaced(sa, sb, relA, relB):
			p.claim(x, &releaseString, "", relA, relB)
		case x.both() && p.moved(x, sa, sb, p.moves, debug):
		case x.both() && sameButTime(sa, sb):
			p.claim(x, &timestamp, "", "", "")
		default:
			p.claim(x, &stringChange, "string in "+x.block.Name, shown([]byte(sa)), shown([]byte(sb)))
		}
	}, units.String, units.Object)
}

// textObject explains an object that is one text with a NUL behind it, as a
// variable that holds a version or a date is.
func (p *pair) textObject(x *place, relA, relB string) {
	a, b := p.bytes(x)
	sa, okA := text(a)
	sb, okB := text(b)
	switch {
	case !okA || !okB:
	case relA != relB && relA != "" && relB != "" && sa != sb && replaced(sa, sb, relA, relB):
		p.claim(x, &releaseString, "", relA, relB)
	case sameButTime(sa, sb):
		p.claim(x, &timestamp, "", "", "")
	}
}

func text(b []byte) (string, bool) {
	t, ok := bytes.CutSuffix(b, []byte{0})
	return string(t), ok && cleanText(t)
}

// produced claims the name of another compiler, or of one with other options.
func (p *pair) produced(x *place, sa, sb string) bool {
	c, va, vb := p.otherProducer(sa, sb)
	if c != nil {
		p.claim(x, c, "", va, vb)
	}
	return c != nil
}

// isCompiler: what compilers and linkers write into .comment; "" is that of a side
// without it.
func isCompiler(s string) bool {
	for _, p := range []string{"GCC: (", "clang version ", "Linker: ", "rustc version ", "Debian clang version ", "Ubuntu clang version ", "GNU AS "} {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return s == ""
}

// replaced: sb is sa with every occurrence of old replaced.
func replaced(sa, sb, old, new string) bool {
	return strings.ReplaceAll(sa, old, new) == sb && strings.ReplaceAll(sb, new, old) == sa
}

// move is a folder that is another one on side B.
type move struct{ a, b string }

// seenMove is how often a folder was seen to be another one, and whether a source was in
// it.
type seenMove struct {
	times  int
	source bool
}

// and counts a string more, of side A.
func (s seenMove) and(m move, text string, debug bool) seenMove {
	return seenMove{s.times + 1, s.source || debug || inSource(text, m.a)}
}

// sourceNames are the ends of the names of files that __FILE__, and its like in other
// languages, can be.
var sourceNames = map[string]bool{".c": true, ".h": true, ".S": true, ".s": true, ".rs": true, ".cc": true, ".cpp": true, ".hpp": true, ".inc": true, ".y": true, ".l": true}

// inSource: the text holds the path of a source in a folder.
func inSource(text, folder string) bool {
	_, rest, ok := strings.Cut(text, folder+"/")
	return ok && sourceNames[path.Ext(cutToken(strings.TrimRight(rest, "\x00")))]
}

// maxFolders is how many folders can be others; a build has one or two.
const maxFolders = 256

// pathMoves finds the folders by which paths differ: those of pairs of strings
// that are equal but for the start of an absolute path. A folder has moved only if
// no string holds its old name on side B, nor its new one on side A; so a single
// path that was tampered with among others is none. Of several folders, each must
// be that of several strings. And one of these must name a source, or be debug
// information: what a module opens or starts is no path of a build. found are those that
// were seen elsewhere.
func (p *pair) pathMoves(found map[move]seenMove) map[move]bool {
	if found == nil {
		found = map[move]seenMove{}
	}
	p.each(p.Unit, func(x *place) {
		if x.unit().Kind != units.String || !x.both() || x.Relation != compare.Changed || x.block.Kind != units.Section {
			return
		}
		a, b := p.bytes(x)
		if m, ok := pathMove(string(bytes.TrimRight(a, "\x00")), string(bytes.TrimRight(b, "\x00"))); ok {
			found[m] = found[m].and(m, string(a), strings.HasPrefix(x.block.Name, ".debug_"))
		}
	}, units.String)
	moves := map[move]bool{}
	if len(found) > maxFolders {
		return moves
	}
	for m, n := range found {
		moves[m] = n.source && (n.times > 1 || len(found) == 1) && outnumbers(m, n.times, found) && !p.anyString(p.B.ELF, m.a) && !p.anyString(p.A.ELF, m.b)
	}
	return moves
}

// outnumbers: the folder is seen more often than each other one that it is a part of, or
// that is a part of it, on either side.
func outnumbers(m move, n int, found map[move]seenMove) bool {
	related := func(x, y string) bool { return strings.HasPrefix(x+"/", y+"/") || strings.HasPrefix(y+"/", x+"/") }
	for o, k := range found {
		if o != m && k.times >= n && (related(o.a, m.a) || related(o.b, m.b)) {
			return false
		}
	}
	return true
}

// anyString: a section of strings holds the folder, followed by a slash.
func (p *pair) anyString(f *units.File, folder string) bool {
	want := []byte(folder + "/")
	for i := range f.Sections {
		s := &f.Sections[i]
		if s.Flags&0x20 != 0 && bytes.Contains(f.Data(s), want) {
			return true
		}
	}
	return false
}

// pathMove finds how two strings differ if they do so in one absolute path, or in
// several in the same way, and only in whole folders at its start: the longest
// common end of both, from a slash on, stays.
func pathMove(sa, sb string) (move, bool) {
	pre := 0
	for pre < len(sa) && pre < len(sb) && sa[pre] == sb[pre] {
		pre++
	}
	start := strings.LastIndexAny(sa[:pre], " \t\"'=:(,") + 1
	ta, tb := cutToken(sa[start:]), cutToken(sb[start:])
	if len(ta) < 2 || len(tb) < 2 || ta[0] != '/' || tb[0] != '/' {
		return move{}, false
	}
	n := sameEnd(ta, tb)
	tail := ta[len(ta)-n:]
	slash := strings.IndexByte(tail, '/')
	if slash < 0 {
		if !strings.ContainsAny(ta, ".") && start == 0 && len(ta) == len(sa) && len(tb) == len(sb) {
			return move{ta, tb}, true // the folder of the build itself
		}
		return move{}, false
	}
	tail = tail[slash:]
	m := move{strings.TrimSuffix(ta, tail), strings.TrimSuffix(tb, tail)}
	ok := isFolder(m.a) && isFolder(m.b) && len(m.a) > 1 && len(m.b) > 1 && len(tail) > 1 && replaced(sa, sb, m.a+"/", m.b+"/")
	return m, ok
}

// isFolder: a clean path of the characters that folders of builds have.
func isFolder(s string) bool {
	return strings.Trim(s, "/abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+~-@:") == "" && path.Clean(s) == s
}

func cutToken(s string) string {
	if i := strings.IndexAny(s, " \t\"'=:(),\n"); i >= 0 {
		s = s[:i]
	}
	return s
}

func sameEnd(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return n
}

// moved claims a string of which one of the moves accounts for every difference.
func (p *pair) moved(x *place, sa, sb string, moves map[move]bool, debug bool) bool {
	m, ok := pathMove(sa, sb)
	if !ok || !moves[m] {
		return false
	}
	c := &pathString
	if debug {
		c = &pathDebug
	}
	p.claim(x, c, "", m.a, m.b)
	return true
}

// times are the layouts of __DATE__, __TIME__ and what people write by hand.
var times = []string{"Jan _2 2006", "15:04:05", "2006-01-02", "20060102", "2006/01/02", "Mon Jan _2 15:04:05 2006", "Mon Jan _2 15:04:05 MST 2006", "2006-01-02T15:04:05Z"}

// sameButTime: the two strings are equal but for dates and times, in the same
// layouts in the same places.
func sameButTime(a, b string) bool {
	if a == b {
		return false
	}
	for a != "" && b != "" {
		if n := timeAt(a, b); n > 0 {
			a, b = a[n:], b[n:]
			continue
		}
		if a[0] != b[0] {
			return false
		}
		a, b = a[1:], b[1:]
	}
	return a == b
}

// timeAt is the length of a time that both strings begin with, and that differs.
func timeAt(a, b string) int {
	if c := a[0]; !(c >= '0' && c <= '9' || c >= 'A' && c <= 'Z') {
		return 0
	}
	for _, layout := range times {
		n := len(layout)
		if len(a) < n || len(b) < n || a[:n] == b[:n] {
			continue
		}
		ta, errA := time.Parse(layout, a[:n])
		tb, errB := time.Parse(layout, b[:n])
		// Round trips leave out what the parser only tolerates.
		if errA == nil && errB == nil && ta.Format(layout) == a[:n] && tb.Format(layout) == b[:n] {
			return n
		}
	}
	return 0
}
