// SPDX-License-Identifier: Apache-2.0

package hashset

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// SyntaxError says where a manifest or a C text is not as it must be.
type SyntaxError struct {
	Line int // counted from 1
	Err  error
	what string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s line %d: %v", e.what, e.Line, e.Err) }

func (e *SyntaxError) Unwrap() error { return e.Err }

// ErrNotManifest is what [Parse] wraps when the first line is not that of a
// manifest of any version.
var ErrNotManifest = errors.New("not a manifest")

// IsManifest reports whether head, the first bytes of a file, starts a manifest
// of any version.
func IsManifest(head []byte) bool { return bytes.HasPrefix(head, []byte("# modhash manifest v")) }

// Parse reads a manifest and refuses everything that [Manifest.WriteTo] would
// not have written, byte for byte. The error is a read error of r or a
// [*SyntaxError].
func Parse(r io.Reader) (*Manifest, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading manifest: %w", err)
	}
	if len(data) > MaxSize {
		return nil, fmt.Errorf("manifest is larger than %d bytes", MaxSize)
	}
	p := &parser{rest: string(data)}
	m := &Manifest{}
	if err := p.manifest(m); err != nil {
		return nil, &SyntaxError{Line: p.line, Err: err, what: "manifest"}
	}
	// All else is checked at once: what does not come out again as it went in
	// was not canonical.
	if err := m.Check(); err != nil {
		return nil, &SyntaxError{Line: p.blame(m), Err: err, what: "manifest"}
	}
	if text := m.text(); text != string(data) {
		return nil, &SyntaxError{Line: firstDifference(text, string(data)), Err: errors.New("not in canonical form"), what: "manifest"}
	}
	return m, nil
}

type parser struct {
	rest string
	line int // of the line last read
	head int // lines of the header
}

func (p *parser) next() (string, error) {
	p.line++
	s, rest, ok := strings.Cut(p.rest, "\n")
	switch {
	case !ok && s == "":
		return "", errors.New("the manifest ends here, too early")
	case !ok:
		return "", errors.New("the last line has no line feed")
	case strings.HasSuffix(s, "\r"):
		return "", errors.New("the line ends in a carriage return")
	}
	p.rest = rest
	return s, nil
}

func (p *parser) header(key string) (string, error) {
	s, err := p.next()
	if err != nil {
		return "", err
	}
	v, ok := strings.CutPrefix(s, "# "+key+": ")
	if !ok {
		return "", fmt.Errorf("want a line that starts with %q, have %.80q", "# "+key+": ", s)
	}
	return v, nil
}

func (p *parser) manifest(m *Manifest) error {
	switch s, err := p.next(); {
	case err != nil && !IsManifest([]byte(s+p.rest)):
		return ErrNotManifest
	case err != nil:
		return err
	case IsManifest([]byte(s)) && s != magicLine:
		return fmt.Errorf("manifest version %.20q, this program reads v1", strings.TrimPrefix(s, "# modhash manifest "))
	case s != magicLine:
		return ErrNotManifest
	}
	count := 0
	fields := []struct {
		key string
		set func(string) error
	}{
		{"release", func(v string) error { m.Release = v; return CheckRelease(v) }},
		{"arch", func(v string) error { m.Arch = v; return nil }},
		{"digest", func(v string) error {
			if v != "sha256" {
				return fmt.Errorf("digest %.40q, this program knows sha256", v)
			}
			return nil
		}},
		{"image", func(v string) (err error) { m.Image, err = parseImage(v); return err }},
		{"modules", func(v string) (err error) { count, err = parseNumber(v); return err }},
		{"hashset", func(v string) (err error) { m.Scheme, err = ParseScheme(v); return err }},
	}
	for _, f := range fields {
		v, err := p.header(f.key)
		if err != nil {
			return err
		}
		if err := f.set(v); err != nil {
			return err
		}
	}
	if m.Scheme != None {
		v, err := p.header("root")
		if err != nil {
			return err
		}
		if m.Root, err = parseRoot(m.Scheme, v); err != nil {
			return err
		}
	}
	p.head = p.line
	return p.entries(m, count)
}

func (p *parser) entries(m *Manifest, count int) error {
	// The count is a claim; do not allocate more than the text can hold.
	const shortest = 2*len(Digest{}) + len("  kernel/x.ko\n")
	m.Entries = make([]Entry, 0, min(count, len(p.rest)/shortest+1))
	for p.rest != "" {
		s, err := p.next()
		if err != nil {
			return err
		}
		if len(m.Entries) == count {
			return fmt.Errorf("more lines than the %d modules that the header counts", count)
		}
		hex, name, ok := strings.Cut(s, "  ")
		if !ok {
			return fmt.Errorf("want a digest, two spaces and a name, have %.80q", s)
		}
		d, err := ParseDigest(hex)
		if err != nil {
			return err
		}
		m.Entries = append(m.Entries, Entry{Name: name, Digest: d})
	}
	if len(m.Entries) != count {
		p.line++
		return fmt.Errorf("the list ends after %d modules, the header counts %d", len(m.Entries), count)
	}
	return nil
}

// blame finds the line that [Manifest.Check] complains about.
func (p *parser) blame(m *Manifest) int {
	seen := make(map[string]bool, len(m.Entries))
	for i, e := range m.Entries {
		if CheckName(e.Name) != nil || seen[e.Name] {
			return p.head + 1 + i
		}
		seen[e.Name] = true
	}
	if checkArch(m.Arch, len(m.Entries)) != nil {
		return 3
	}
	return p.head
}

func parseImage(v string) (ImageDigest, error) {
	switch v {
	case "none":
		return ImageDigest{State: ImageNone}, nil
	case "not-covered":
		return ImageDigest{State: ImageNotCovered}, nil
	}
	hex, ok := strings.CutPrefix(v, "sha256 ")
	if !ok {
		return ImageDigest{}, fmt.Errorf("image %.80q, want \"sha256 \" and a digest, none or not-covered", v)
	}
	d, err := ParseDigest(hex)
	return ImageDigest{State: ImageSHA256, Digest: d}, err
}

func parseRoot(s Scheme, v string) (r Root, err error) {
	if s == Merkle {
		levels, hex, ok := strings.Cut(v, " ")
		if !ok {
			return Root{}, fmt.Errorf("root %.80q, want levels, one space and a digest", v)
		}
		n, err := parseNumber(levels)
		if err != nil {
			return Root{}, err
		}
		r.Levels, v = uint32(n), hex
	}
	r.Hash, err = ParseDigest(v)
	return r, err
}

// parseNumber reads a decimal number without sign or leading zeros, below 2^31.
func parseNumber(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, fmt.Errorf("number %.20q, want decimal digits without leading zeros", s)
	}
	return int(n), nil
}

func firstDifference(a, b string) int {
	line := 1
	for i := 0; i < len(a) && i < len(b) && a[i] == b[i]; i++ {
		if a[i] == '\n' {
			line++
		}
	}
	return line
}
