// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/kbuild/load"
)

// Loading is what a kernel would do with some modules.
type Loading struct {
	Image   string // path
	Kernel  *load.Kernel
	Modes   []load.Mode
	Modules []LoadedModule
}

// LoadedModule is the answer about one file.
type LoadedModule struct {
	Path string
	*load.Result
}

// LoadVerdict is the whole in one word.
type LoadVerdict string

// The verdicts, the best first.
const (
	Loads     LoadVerdict = "loads"      // every module is authenticated and loads in every mode
	NotLoaded LoadVerdict = "not-loaded" // a module is not authenticated, or does not load in a mode
	NotKnown  LoadVerdict = "unknown"    // what was given does not tell
)

// Verdict is the worst of the modules' verdicts.
func (l *Loading) Verdict() LoadVerdict {
	v := Loads
	for i := range l.Modules {
		switch m := l.Modules[i].verdict(); {
		case m == NotKnown:
			return NotKnown
		case m == NotLoaded:
			v = NotLoaded
		}
	}
	return v
}

func (m *LoadedModule) verdict() LoadVerdict {
	switch {
	case m.Unknown():
		return NotKnown
	case m.Passes() == load.Yes:
		return Loads
	}
	return NotLoaded
}

// Load writes the answers as text. Modules that pass are only counted unless there
// is but one, or all are wanted.
func Load(w io.Writer, l *Loading, s Style) error {
	p := &page{style: s}
	counts := map[LoadVerdict]int{}
	for i := range l.Modules {
		counts[l.Modules[i].verdict()]++
	}
	var modes []string
	for _, m := range l.Modes {
		modes = append(modes, string(m))
	}
	of := fmt.Sprintf("%s of %s", count(counts[NotLoaded]), plural(len(l.Modules), "module"))
	switch l.Verdict() {
	case Loads:
		p.line("%s", s.paint(good, fmt.Sprintf("loads: %s authenticated and loaded (%s)", plural(len(l.Modules), "module"), strings.Join(modes, ", "))))
	case NotLoaded:
		p.line("%s", s.paint(bad, "NOT loaded: "+of+" not authenticated, or refused in a mode"))
	default:
		p.line("%s", s.paint(bad, fmt.Sprintf("UNKNOWN: what is given does not tell for %s of %s", count(counts[NotKnown]), plural(len(l.Modules), "module"))))
	}
	p.loadKernel(l)
	for i := range l.Modules {
		if m := &l.Modules[i]; s.All || len(l.Modules) == 1 || m.verdict() != Loads {
			p.loadModule(m)
		}
	}
	return p.writeTo(w)
}

func (p *page) loadKernel(l *Loading) {
	k := l.Kernel
	p.line("%s: kernel %s, %s, rules of %s", Safe(l.Image), found(Safe(k.Release)), found(Safe(k.Arch)), rulesWords(k.Rules))
	p.field("signatures", "%s%s", authWords(k.Signatures), keysWords(k))
	p.field("hashes", "%s%s", authWords(k.Hashes), optional(", ", hashesWords(k.Hashset)))
	p.field("vermagic", "%s", found(Safe(strings.TrimRight(k.Vermagic, " "))))
	if k.Rules == load.Hashes {
		p.field("log", "%s", logWords(k.Words))
	}
	if k.Lockdown == load.No && slices.ContainsFunc(l.Modes, func(m load.Mode) bool { return m == load.Lockdown || m == load.Both }) {
		p.field("lockdown", "this kernel cannot be locked down")
	}
	if k.Symbols == nil {
		p.field("symbols", "not known")
	} else {
		p.field("symbols", "%s exported", count(k.Symbols.Len()))
	}
}

func logWords(w load.Words) string {
	switch w {
	case load.PatchWords:
		return "in the words of modhash's patch, which are in the image"
	case load.SeriesWords:
		return "in the words of version 5 of the series, which are in the image"
	}
	return "in the words of version 5 of the series; the image does not tell whose it has"
}

func rulesWords(r load.Rules) string {
	if r == load.Hashes {
		return "the module hashes series"
	}
	return "mainline"
}

func authWords(f load.Fact) string {
	switch f {
	case load.Yes:
		return "checked"
	case load.No:
		return "not checked"
	}
	return "not known whether they are checked"
}

func keysWords(k *load.Kernel) string {
	switch {
	case k.Signatures == load.No:
		return ""
	case len(k.Keyrings) == 0:
		return ", trusted keys not known"
	}
	s := ", " + plural(len(k.Keyrings[0].Keys()), "trusted key")
	if k.Listing != nil {
		s += ", " + plural(k.Listing.Len(), "listed key")
	}
	return s
}

func hashesWords(s *hashset.Section) string {
	switch {
	case s == nil:
		return ""
	case s.Scheme == hashset.Flat:
		return "flat list of " + plural(len(s.Digests), "digest")
	case s.Root == hashset.Root{}:
		return "root never written into the image"
	}
	return fmt.Sprintf("Merkle root %d %s", s.Root.Levels, s.Root.Hash)
}

func (p *page) loadModule(m *LoadedModule) {
	what := ""
	if m.Compression != kmod.None && kmod.Suffix(m.Compression) != "" {
		what = ", " + m.Compression.String()
	}
	p.line("%s: module%s%s", Safe(m.Path), optional(" ", Safe(m.Name)), what)
	for _, s := range m.Steps {
		text := Safe(s.Text)
		if !s.Passed() && len(s.Errno) > 0 && s.Name != "policy" {
			text += " [" + errnoWords(s.Errno) + "]"
		}
		p.field(s.Name, "%s", text)
	}
	for _, a := range m.Answers {
		p.field(string(a.Mode), "%s", p.answerWords(&a))
		for _, line := range a.Log {
			p.field("", "log: %s", Safe(line))
		}
	}
}

func (p *page) answerWords(a *load.Answer) string {
	switch {
	case a.Loads == load.No:
		return p.style.paint(bad, "refused: "+string(a.Errno))
	case a.Loads == load.Maybe:
		return p.style.paint(bad, "unknown")
	case a.Taint == "":
		return p.style.paint(good, "loads")
	}
	return p.style.paint(fair, "loads, taint "+a.Taint)
}

// errnoWords lists what a step can answer.
func errnoWords(errnos []load.Errno) string {
	var w []string
	for _, e := range errnos {
		w = append(w, errnoName(e))
	}
	return strings.Join(w, " or ")
}

// errnoName is the name of an errno; success is "0", as in the kernel.
func errnoName(e load.Errno) string {
	if e == "" {
		return "0"
	}
	return string(e)
}
