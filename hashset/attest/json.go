// SPDX-License-Identifier: Apache-2.0

package attest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// MaxLink is the size in bytes above which a link is not read. One by rebuilderd
// has about 1,100.
const MaxLink = 1 << 20

// maxDepth is far above how deep any link is nested.
const maxDepth = 16

// FormatError says why bytes are no link.
type FormatError struct {
	Offset int64  // in bytes, into the document, or the payload within it; -1: not known
	Reason string // what is wrong, and where
}

func (e *FormatError) Error() string {
	if e.Offset < 0 {
		return "not a link: " + e.Reason
	}
	return fmt.Sprintf("not a link: byte %d: %s", e.Offset, e.Reason)
}

func malformed(format string, args ...any) error {
	return &FormatError{-1, fmt.Sprintf(format, args...)}
}

// object is a JSON object.
type object = map[string]any

// decodeJSON reads one JSON document of printable ASCII without escapes. Numbers
// stay as they are written; a key that is there twice is an error.
func decodeJSON(data []byte) (any, error) {
	if len(data) > MaxLink {
		return nil, malformed("more than %d bytes", MaxLink)
	}
	for i, c := range data {
		if (c < ' ' || c > '~') && !strings.ContainsRune("\t\n\r", rune(c)) || c == '\\' {
			return nil, &FormatError{int64(i), fmt.Sprintf("character %q; a link is plain ASCII without escapes", c)}
		}
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	v, err := decodeValue(dec, 0)
	if err == nil {
		if _, end := dec.Token(); end != io.EOF {
			err = malformed("more than one JSON document")
		}
	}
	if fe, ok := err.(*FormatError); ok && fe.Offset < 0 {
		fe.Offset = dec.InputOffset()
	}
	return v, err
}

func decodeValue(dec *json.Decoder, depth int) (any, error) {
	t, err := dec.Token()
	switch {
	case err != nil:
		return nil, malformed("%s", strings.TrimPrefix(err.Error(), "json: "))
	case depth > maxDepth:
		return nil, malformed("nested too deep")
	}
	d, ok := t.(json.Delim)
	if !ok {
		return t, nil
	}
	if d == '[' {
		list := []any{}
		for dec.More() {
			v, err := decodeValue(dec, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, syntax(err)
	}
	o := object{}
	for dec.More() {
		k, err := dec.Token()
		if err != nil {
			return nil, syntax(err)
		}
		key, ok := k.(string)
		if !ok {
			return nil, malformed("a key that is no string")
		}
		if _, twice := o[key]; twice {
			return nil, malformed("the key %q is there twice", key)
		}
		if o[key], err = decodeValue(dec, depth+1); err != nil {
			return nil, err
		}
	}
	_, err = dec.Token()
	return o, syntax(err)
}

func syntax(err error) error {
	if err == nil {
		return nil
	}
	return malformed("%s", strings.TrimPrefix(err.Error(), "json: "))
}

// asObject checks that v is an object with exactly these keys; one that ends in
// "?" may be missing, and "*" lets there be others.
func asObject(where string, v any, keys ...string) (object, error) {
	o, ok := v.(object)
	if !ok {
		return nil, malformed("%s is no object", where)
	}
	known := 0
	for _, k := range keys {
		if k == "*" {
			known = len(o)
			continue
		}
		k, optional := strings.CutSuffix(k, "?")
		if _, there := o[k]; there {
			known++
		} else if !optional {
			return nil, malformed("%s has no %q", where, k)
		}
	}
	if known < len(o) {
		for _, k := range sortedKeys(o) {
			if !slices.Contains(keys, k) && !slices.Contains(keys, k+"?") {
				return nil, malformed("%s has an unknown key %q", where, k)
			}
		}
	}
	return o, nil
}

// oneCase refuses a key that differs from a known one in its case only: there are
// readers who take it for that.
func oneCase(where string, o object, keys ...string) error {
	for _, k := range sortedKeys(o) {
		if !slices.Contains(keys, k) && slices.ContainsFunc(keys, func(known string) bool { return strings.EqualFold(k, known) }) {
			return malformed("%s has a key %q", where, k)
		}
	}
	return nil
}

func asString(where string, v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", malformed("%s is no string", where)
	}
	return s, nil
}

func asList(where string, v any, most int) ([]any, error) {
	l, ok := v.([]any)
	switch {
	case !ok:
		return nil, malformed("%s is no list", where)
	case len(l) > most:
		return nil, malformed("%s has %d elements, above %d", where, len(l), most)
	}
	return l, nil
}

func sortedKeys(o object) []string {
	keys := make([]string, 0, len(o))
	for k := range o {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
