// SPDX-License-Identifier: Apache-2.0

package genkey

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Request is what a file asks of a certificate.
type Request struct {
	Bits       int         // of an RSA key; 0: the file does not say
	Digest     string      // of the signature, as the file calls it; "": it does not say
	Subject    []Attribute // at least one
	Extensions []Extension // in the order of the file
}

// Attribute is one part of a name.
type Attribute struct {
	OID   []int
	Kind  StringKind
	Value string
	// Joined says that it belongs to the same set as the one before it (a name with
	// + before it).
	Joined bool
}

// StringKind is the ASN.1 type that OpenSSL writes an attribute in.
type StringKind int

// The types. UTF8 is that of all attributes that need no other one.
const (
	UTF8 StringKind = iota
	Printable
	IA5
)

// Extension is a line of the section of extensions.
type Extension struct {
	Name     string // as in the file: "keyUsage"
	Critical bool
	Value    string // without "critical,"
	Line     int
}

// Request reads what "openssl req -x509 -utf8 -batch -nodes" would take from the
// file. The error is an [*Error].
func (c *Config) Request() (*Request, error) {
	const section = "req"
	if _, ok := c.Section(section); !ok {
		return nil, &Error{0, "there is no section [ req ]"}
	}
	if p, _ := c.Get(section, "prompt"); p.Value != "no" {
		return nil, &Error{p.Line, "want prompt = no in section [ req ]"}
	}
	if p, ok := c.Get(section, "string_mask"); ok && p.Value != "utf8only" {
		return nil, &Error{p.Line, "want string_mask = utf8only in section [ req ]"}
	}
	if p, ok := c.Get(defaultSection, "oid_section"); ok {
		return nil, &Error{p.Line, "oid_section is not supported: write the identifier with its numbers"}
	}
	r := &Request{}
	var err error
	if r.Bits, err = c.bits(section); err != nil {
		return nil, err
	}
	if p, ok := c.Get(section, "default_md"); ok && p.Value != "default" {
		r.Digest = p.Value
	}
	if err := c.subject(r, section); err != nil {
		return nil, err
	}
	return r, c.extensions(r, section)
}

func (c *Config) bits(section string) (int, error) {
	p, ok := c.Get(section, "default_bits")
	if !ok {
		return 0, nil
	}
	n, err := strconv.Atoi(p.Value)
	if err != nil || n < 1 {
		return 0, &Error{p.Line, fmt.Sprintf("default_bits = %.20q, want a number", p.Value)}
	}
	return n, nil
}

func (c *Config) subject(r *Request, section string) error {
	at, ok := c.Get(section, "distinguished_name")
	if !ok {
		return &Error{0, "there is no distinguished_name in section [ req ]"}
	}
	pairs, ok := c.Section(at.Value)
	if !ok {
		return &Error{at.Line, fmt.Sprintf("there is no section %.40q", at.Value)}
	}
	for _, p := range pairs {
		a, err := attribute(p)
		if err != nil {
			return &Error{p.Line, err.Error()}
		}
		a.Joined = a.Joined && len(r.Subject) > 0
		r.Subject = append(r.Subject, a)
	}
	if len(r.Subject) == 0 {
		return &Error{at.Line, fmt.Sprintf("section %.40q names no subject", at.Value)}
	}
	return nil
}

// attribute reads a line. What is before the first of . , : is for telling
// several lines of one kind apart; a dotted identifier needs that too.
func attribute(p Pair) (Attribute, error) {
	kind := p.Name
	if i := strings.IndexAny(kind, ":,."); i >= 0 && i+1 < len(kind) {
		kind = kind[i+1:]
	}
	kind, joined := strings.CutPrefix(kind, "+")
	t, ok := attributeTypes[kind]
	if !ok {
		oid, isOID := ParseOID(kind)
		if !isOID {
			return Attribute{}, fmt.Errorf("no part of a name is known as %.40q", kind)
		}
		if t = attributeType(oid); t.oid == "" {
			t.oid = kind
		}
	}
	a := Attribute{Kind: t.kind, Value: p.Value, Joined: joined}
	a.OID, _ = ParseOID(t.oid)
	if err := a.Check(); err != nil {
		return a, fmt.Errorf("%s: %w", kind, err)
	}
	return a, nil
}

// Check says whether the value is one that the attribute can have.
func (a *Attribute) Check() error {
	t := attributeType(a.OID)
	n := utf8.RuneCountInString(a.Value)
	switch {
	case !utf8.ValidString(a.Value):
		return errors.New("it is not in UTF-8")
	case n < max(1, t.min):
		return fmt.Errorf("it has %d characters, want %d or more", n, max(1, t.min))
	case t.max > 0 && n > t.max:
		return fmt.Errorf("it has %d characters, want %d at most", n, t.max)
	case !a.Kind.takes(a.Value):
		return errors.New("it has a character that is not allowed in it")
	}
	return nil
}

func (k StringKind) takes(s string) bool {
	for _, r := range s {
		letter := r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
		if k == IA5 && r > 127 || k == Printable && !letter && !strings.ContainsRune(" '()+,-./:=?", r) {
			return false
		}
	}
	return true
}

// ParseOID reads an object identifier in numbers: at least two, the first one 0 to
// 2, the second one below 40 unless the first one is 2, none above 2³¹ - 1.
func ParseOID(s string) ([]int, bool) {
	var oid []int
	for _, part := range strings.Split(s, ".") {
		n, err := strconv.ParseInt(part, 10, 32)
		if err != nil || strconv.FormatInt(n, 10) != part || n < 0 || len(oid) == 64 {
			return nil, false
		}
		oid = append(oid, int(n))
	}
	ok := len(oid) >= 2 && oid[0] <= 2 && (oid[0] == 2 || oid[1] < 40)
	return oid, ok
}

func (c *Config) extensions(r *Request, section string) error {
	at, ok := c.Get(section, "x509_extensions")
	if !ok {
		return nil
	}
	pairs, ok := c.Section(at.Value)
	if !ok {
		return &Error{at.Line, fmt.Sprintf("there is no section %.40q", at.Value)}
	}
	for _, p := range pairs {
		e := Extension{Name: p.Name, Value: p.Value, Line: p.Line}
		if e.Value, e.Critical = strings.CutPrefix(e.Value, "critical,"); e.Critical {
			e.Value = strings.TrimLeft(e.Value, " \t\n\v\f\r")
		}
		r.Extensions = append(r.Extensions, e)
	}
	return nil
}
