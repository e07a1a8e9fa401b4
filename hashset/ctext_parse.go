// SPDX-License-Identifier: Apache-2.0

package hashset

import (
	"errors"
	"fmt"
	"strings"
)

// ParseCText reads the text of any version and refuses everything that
// [CText.AppendTo] would not have written, byte for byte, with a [*SyntaxError].
// There is no limit on the size; the result takes less memory than b.
func ParseCText(b []byte) (*CText, error) {
	p := &cParser{rest: string(b), line: 1}
	c := &CText{}
	if err := p.text(c); err != nil {
		return nil, &SyntaxError{Line: p.line, Err: err, what: "c text"}
	}
	return c, nil
}

// cParser takes the text from the front; line is where rest starts.
type cParser struct {
	rest string
	line int
}

// skip takes s off the rest and reports whether it was there.
func (p *cParser) skip(s string) bool {
	rest, ok := strings.CutPrefix(p.rest, s)
	if ok {
		p.rest = rest
		p.line += strings.Count(s, "\n")
	}
	return ok
}

func (p *cParser) want(s string) error {
	if p.skip(s) {
		return nil
	}
	// A fixed text of several lines is refused on the line that differs.
	for {
		first, more, ok := strings.Cut(s, "\n")
		if !ok || more == "" || !p.skip(first+"\n") {
			break
		}
		s = more
	}
	have := p.rest
	if line, _, ok := strings.Cut(p.rest, "\n"); ok {
		have = line + "\n"
	}
	if have == "" {
		return fmt.Errorf("want %q, the text ends here", s)
	}
	return fmt.Errorf("want %q, have %.100q", s, have)
}

func (p *cParser) text(c *CText) error {
	if err := p.want(cInclude); err != nil {
		return err
	}
	if p.skip(cFlatHead) {
		c.Version = CVersion3
		return p.flat(c)
	}
	for _, v := range []CVersion{CVersion4, CVersion5} {
		if t := merkleTextOf(v); p.skip(t.head) {
			c.Version = v
			return p.merkle(&c.Root, t)
		}
	}
	line, _, _ := strings.Cut(p.rest, "\n")
	return fmt.Errorf("declaration of no known version: %.100q", line)
}

func (p *cParser) merkle(r *Root, t merkleText) error {
	start := p.line
	if err := p.want("\t.levels = "); err != nil {
		return err
	}
	digits, _, _ := strings.Cut(p.rest, ",")
	n, err := parseNumber(digits)
	if err != nil {
		return err
	}
	r.Levels = uint32(n)
	p.rest = p.rest[len(digits):]
	if err := p.want(",\n"); err != nil {
		return err
	}
	if err := p.want(t.open); err != nil {
		return err
	}
	for i := range r.Hash {
		before, after := " ", ""
		if i%cPerLine == 0 {
			before = "\t\t"
		}
		if i%cPerLine == cPerLine-1 {
			after = "\n"
		}
		if r.Hash[i], err = p.item(before, after); err != nil {
			return err
		}
	}
	if err := p.want(t.close); err != nil {
		return err
	}
	if err := p.end(); err != nil {
		return err
	}
	if reason := r.fault(); reason != "" {
		p.line = start
		return errors.New(reason)
	}
	return nil
}

func (p *cParser) flat(c *CText) error {
	for !strings.HasPrefix(p.rest, cEnd) {
		start := p.line
		e, err := p.row()
		if err != nil {
			return err
		}
		if len(c.Entries) > 0 && (e.Digest == Digest{}) != (c.Entries[0].Digest == Digest{}) {
			p.line = start
			return fmt.Errorf("%s and the rows before it: one has a digest, the other reserves the place of one", e.Name)
		}
		c.Entries = append(c.Entries, e)
	}
	return p.end()
}

func (p *cParser) row() (e Entry, err error) {
	if err := p.want("\t/* "); err != nil {
		return e, err
	}
	line, _, _ := strings.Cut(p.rest, "\n")
	name, ok := strings.CutSuffix(line, " */")
	if !ok {
		return e, fmt.Errorf("want a name and the end of the comment, have %.100q", line)
	}
	if err := checkComment(name); err != nil {
		return e, err
	}
	e.Name = strings.Clone(name) // or it would keep all of the text
	p.rest = p.rest[len(line):]
	if err := p.want("\n"); err != nil {
		return e, err
	}
	if p.skip(cReserved + "\n") {
		return e, nil
	}
	if err := p.want("\t{"); err != nil {
		return e, err
	}
	for i := range e.Digest {
		if e.Digest[i], err = p.item(" ", ""); err != nil {
			return e, err
		}
	}
	if e.Digest == (Digest{}) {
		return e, fmt.Errorf("a digest of zeros, which is written %q", strings.TrimSpace(cReserved))
	}
	return e, p.want(" },\n\n")
}

// item takes what [appendItem] writes, with what stands before and after it.
func (p *cParser) item(before, after string) (byte, error) {
	const size = len("0x00,")
	s, ok := strings.CutPrefix(p.rest, before)
	if ok && len(s) >= size && s[:2] == "0x" && s[size-1] == ',' && strings.HasPrefix(s[size:], after) {
		hi, lo := strings.IndexByte(hexDigits, s[2]), strings.IndexByte(hexDigits, s[3])
		if hi >= 0 && lo >= 0 {
			p.skip(p.rest[:len(before)+size+len(after)])
			return byte(hi<<4 | lo), nil
		}
	}
	return 0, fmt.Errorf("want %q, two lower-case hex digits and %q, have %.12q", before+"0x", ","+after, p.rest)
}

// end takes the last line; nothing may follow it.
func (p *cParser) end() error {
	if err := p.want(cEnd); err != nil {
		return err
	}
	if p.rest != "" {
		return fmt.Errorf("%d bytes after the end of the declaration", len(p.rest))
	}
	return nil
}
