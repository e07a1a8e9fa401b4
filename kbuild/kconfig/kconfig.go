// SPDX-License-Identifier: Apache-2.0

// Package kconfig reads, edits and writes a kernel's .config file without
// touching what it was not asked to touch.
//
// # Format
//
// A .config is a sequence of lines, each ended by LF or CR LF; the last line may
// lack its end. NAME is the symbol's name without CONFIG_: letters, digits and
// "_". A line is one of
//
//	CONFIG_NAME=y             y, m or n of a bool or tristate symbol
//	# CONFIG_NAME is not set  n, as Kconfig writes it
//	CONFIG_NAME="TEXT"        a string; in it \ stands before each " and \
//	CONFIG_NAME=-1            an int: a sign or none, no leading zeros
//	CONFIG_NAME=0x1F          a hex number, with or without 0x
//	# TEXT                    a comment
//
// or empty. A file does not say which type a symbol has, so a line is read as
// Kconfig would read it if the symbol's type is the one that its value looks
// like: of y, m and n the first letter counts and what follows is ignored; what
// follows the closing quote of a string is ignored; a backslash makes the next
// character stand for itself. Of several lines of one symbol the last with a
// valid value counts. A line that Kconfig ignores or warns about is kept and
// told by [File.Problems].
//
// Older Kconfig (Linux 6.1) also takes a comment for "is not set" if more text
// follows these words, newer (Linux 6.12) does not: such a line does not count here,
// and is a problem.
//
// # Limits
//
// A file of more than [MaxSize] bytes, or with a NUL byte, is refused with a
// [*FormatError]. Everything else is a .config, if perhaps one with problems.
//
// Sources: scripts/kconfig/confdata.c (conf_read_simple, conf_set_sym_val,
// conf_write) and symbol.c (sym_string_valid) of Linux 6.1 and 6.12.
package kconfig

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
)

// MaxSize is the largest .config that is read, in bytes. The largest of a
// distribution have some 350 KB.
const MaxSize = 4 << 20

const prefix = "CONFIG_"

// FormatError says why a file is no .config.
type FormatError struct {
	Line   int // counted from 1; 0 for the file as a whole
	Reason string
}

func (e *FormatError) Error() string {
	if e.Line == 0 {
		return "not a kernel configuration: " + e.Reason
	}
	return fmt.Sprintf("not a kernel configuration: line %d: %s", e.Line, e.Reason)
}

// ErrInvalid is wrapped by what [File.Set] returns for a name or a value that
// cannot stand in a .config.
var ErrInvalid = errors.New("cannot be written to a .config")

// File is a .config. It is not safe for concurrent use while it is edited.
type File struct {
	text     string
	symbols  map[string]symbol
	problems []Problem
	dropped  int // problems above maxProblems
}

// symbol is where the lines of one symbol are.
type symbol struct {
	value    Value // "" if no line has a valid one
	line     int   // of the value, counted from 1
	last     span  // of the last line that names the symbol, valid or not
	lastLine int
}

// span is a line's place in the text: its content without the line end, and
// where the next line starts.
type span struct{ start, end, next int }

// Parse reads a .config that is in memory.
func Parse(b []byte) (*File, error) {
	if len(b) > MaxSize {
		return nil, &FormatError{Reason: fmt.Sprintf("it has more than %d bytes", MaxSize)}
	}
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return nil, &FormatError{1 + bytes.Count(b[:i], []byte("\n")), "NUL byte: the file is binary or damaged"}
	}
	f := &File{}
	f.index(string(b))
	return f, nil
}

// Read reads a .config, of which at most [MaxSize] bytes and one are read.
func Read(r io.Reader) (*File, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading a kernel configuration at offset %d: %w", len(b), err)
	}
	return Parse(b)
}

// Bytes returns the file's content. If nothing was changed, these are the bytes
// that were read.
func (f *File) Bytes() []byte { return []byte(f.text) }

// WriteTo writes the file's content.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, f.text)
	return int64(n), err
}

// Get returns the value of a symbol as Kconfig reads it; false if no line has a
// valid one, so that Kconfig's default counts. [No] with true means that the
// file says so.
func (f *File) Get(name string) (Value, bool) {
	s := f.symbols[name]
	return s.value, s.value != ""
}

// Line returns the number of the line that gives a symbol its value, counted
// from 1; 0 if there is none.
func (f *File) Line(name string) int { return f.symbols[name].line }

// Has reports whether any line names the symbol, also one that Kconfig ignores
// because of its value.
func (f *File) Has(name string) bool {
	_, ok := f.symbols[name]
	return ok
}

// All yields the symbols that have a value, in the order of the lines that
// give it.
func (f *File) All() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		no := 0
		for s := range f.lines() {
			no++
			e := parseLine(f.text[s.start:s.end])
			if sym := f.symbols[e.name]; e.name != "" && sym.line == no && !yield(e.name, sym.value) {
				return
			}
		}
	}
}

// Version returns the architecture and the kernel version of the header that
// Kconfig writes ("# Linux/x86 6.12.1 Kernel Configuration"); "" if there is
// none.
func (f *File) Version() (arch, version string) {
	n := 0
	for s := range f.lines() {
		line := f.text[s.start:s.end]
		if n++; n > 10 || line != "" && line[0] != '#' {
			break
		}
		rest, ok := strings.CutPrefix(line, "# Linux/")
		if !ok {
			continue
		}
		if fields := strings.Fields(rest); len(fields) == 4 && fields[2] == "Kernel" && fields[3] == "Configuration" {
			return fields[0], fields[1]
		}
	}
	return "", ""
}

// index reads text anew.
func (f *File) index(text string) {
	*f = File{text: text, symbols: make(map[string]symbol, len(text)/64)}
	no := 0
	for s := range f.lines() {
		no++
		e := parseLine(text[s.start:s.end])
		if e.problem != "" {
			f.report(Problem{no, e.problem, e.name, e.detail})
		}
		if e.name == "" {
			continue
		}
		sym := f.symbols[e.name]
		if e.value != "" {
			if sym.line != 0 {
				f.report(Problem{no, Duplicate, e.name, fmt.Sprintf("line %d said %s, and the last line counts: %s", sym.line, shorten(string(sym.value)), shorten(string(e.value)))})
			}
			sym.value, sym.line = e.value, no
		}
		sym.last, sym.lastLine = s, no
		f.symbols[e.name] = sym
	}
}

// lines yields the lines of the file. Kconfig takes a CR for a part of the line
// end only before an LF.
func (f *File) lines() iter.Seq[span] {
	text := f.text
	return func(yield func(span) bool) {
		for start := 0; start < len(text); {
			s := span{start, len(text), len(text)}
			if i := strings.IndexByte(text[start:], '\n'); i >= 0 {
				s.end, s.next = start+i, start+i+1
				if i > 0 && text[s.end-1] == '\r' {
					s.end--
				}
			}
			if !yield(s) {
				return
			}
			start = s.next
		}
	}
}

// entry is what one line says.
type entry struct {
	name    string // "" if the line names no symbol
	value   Value  // "" if it is not valid
	problem ProblemKind
	detail  string
}

func parseLine(line string) entry {
	const notSet = "is not set"
	if line == "" {
		return entry{}
	}
	if line[0] == '#' {
		name, tail, ok := strings.Cut(strings.TrimPrefix(line, "# "+prefix), " ")
		if !ok || !strings.HasPrefix(line, "# "+prefix) || !ValidName(name) || !strings.HasPrefix(tail, notSet) {
			return entry{}
		}
		if tail != notSet {
			return entry{name: name, problem: NotSetTail, detail: "text follows \"is not set\": older Kconfig (Linux 6.1) takes the line for a setting, newer (Linux 6.12) for a comment"}
		}
		return entry{name: name, value: No}
	}
	name, raw, ok := strings.Cut(strings.TrimPrefix(line, prefix), "=")
	if !ok || !strings.HasPrefix(line, prefix) || !ValidName(name) {
		return entry{problem: BadLine, detail: "neither a symbol's line nor a comment, Kconfig ignores it: " + shorten(line)}
	}
	e := entry{name: name}
	e.value, e.problem, e.detail = parseValue(raw)
	return e
}

// ValidName reports whether a symbol can have the name, which is without CONFIG_.
func ValidName(name string) bool {
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return name != ""
}
