// SPDX-License-Identifier: Apache-2.0

// Package schema checks JSON against a JSON Schema (2020-12), for tests. It knows the
// keywords that our schemas use and refuses all others, so that none is passed over.
//
// It is stricter than the schemas say: a property that a schema does not list is an
// error. The published schemas permit such, since properties may be added later; what
// this tree writes must be listed.
package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Check reports the first thing in doc that is not as schema says.
func Check(schema, doc []byte) error {
	s, err := decode(schema)
	if err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	root, ok := s.(map[string]any)
	if !ok {
		return errors.New("schema: no object")
	}
	d, err := decode(doc)
	if err != nil {
		return err
	}
	return (&checker{root}).check(root, d, "$")
}

func decode(b []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("more than one JSON value")
	}
	return v, nil
}

type checker struct{ root map[string]any }

// check checks the value at a place. Keywords are taken in the order of their names,
// so that errors do not vary.
func (c *checker) check(s map[string]any, v any, at string) error {
	for _, k := range slices.Sorted(maps.Keys(s)) {
		if err := c.keyword(s, k, v, at); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) keyword(s map[string]any, k string, v any, at string) error {
	switch k {
	case "$schema", "$id", "$comment", "$defs", "title", "description":
		return nil
	case "$ref":
		name, ok := strings.CutPrefix(s[k].(string), "#/$defs/")
		defs, _ := c.root["$defs"].(map[string]any)
		def, found := defs[name].(map[string]any)
		if !ok || !found {
			return fmt.Errorf("%s: schema: no %s", at, s[k])
		}
		return c.check(def, v, at)
	case "type":
		if got := typeOf(v); got != s[k] {
			return fmt.Errorf("%s: %s, want %s", at, got, s[k])
		}
	case "const":
		if !reflect.DeepEqual(v, s[k]) {
			return fmt.Errorf("%s: %v, want %v", at, v, s[k])
		}
	case "enum":
		if !slices.ContainsFunc(s[k].([]any), func(w any) bool { return reflect.DeepEqual(v, w) }) {
			return fmt.Errorf("%s: %v, want one of %v", at, v, s[k])
		}
	case "pattern":
		if str, ok := v.(string); ok && !regexp.MustCompile(s[k].(string)).MatchString(str) {
			return fmt.Errorf("%s: %q does not match %s", at, str, s[k])
		}
	case "minimum":
		if n, ok := v.(json.Number); ok && number(n).Cmp(number(s[k].(json.Number))) < 0 {
			return fmt.Errorf("%s: %s is less than %s", at, n, s[k])
		}
	case "items":
		list, _ := v.([]any)
		for i, e := range list {
			if err := c.check(s[k].(map[string]any), e, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	case "required":
		m, _ := v.(map[string]any)
		for _, name := range s[k].([]any) {
			if _, ok := m[name.(string)]; !ok {
				return fmt.Errorf("%s: no %s", at, name)
			}
		}
	case "properties":
		return c.properties(s[k].(map[string]any), v, at)
	default:
		return fmt.Errorf("%s: schema: unknown keyword %s", at, k)
	}
	return nil
}

func (c *checker) properties(props map[string]any, v any, at string) error {
	m, _ := v.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(m)) {
		p, ok := props[name].(map[string]any)
		if !ok {
			return fmt.Errorf("%s: %s is not in the schema", at, name)
		}
		if err := c.check(p, m[name], at+"."+name); err != nil {
			return err
		}
	}
	return nil
}

func typeOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	case json.Number:
		if number(v).IsInt() {
			return "integer"
		}
	}
	return "number"
}

func number(n json.Number) *big.Rat {
	r, ok := new(big.Rat).SetString(n.String())
	if !ok {
		panic("schema: a number of JSON that is none: " + n.String())
	}
	return r
}
