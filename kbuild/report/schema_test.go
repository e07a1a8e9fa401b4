// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/testdata/gen/schema"
)

// TestDiffSchema: the published schema lists the properties that are written, no
// others, and requires those that are never left out.
func TestDiffSchema(t *testing.T) {
	var root map[string]any
	if err := json.Unmarshal([]byte(DiffJSONSchema), &root); err != nil {
		t.Fatal(err)
	}
	defs := root["$defs"].(map[string]any)
	used := map[string]bool{}
	var walk func(at string, s map[string]any, typ reflect.Type)
	walk = func(at string, s map[string]any, typ reflect.Type) {
		if r, ok := s["$ref"].(string); ok {
			name := strings.TrimPrefix(r, "#/$defs/")
			used[name] = true
			s = defs[name].(map[string]any)
		}
		switch {
		case typ.Kind() == reflect.Pointer:
			walk(at, s, typ.Elem())
		case typ.Kind() == reflect.Slice:
			walk(at+"[]", s["items"].(map[string]any), typ.Elem())
		case typ.Kind() == reflect.Struct:
			fields, required := map[string]reflect.Type{}, []string{}
			for _, f := range reflect.VisibleFields(typ) {
				if f.Anonymous {
					continue
				}
				name, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
				fields[name] = f.Type
				if rest != "omitempty" {
					required = append(required, name)
				}
			}
			props, _ := s["properties"].(map[string]any)
			if diff := cmp.Diff(slices.Sorted(maps.Keys(fields)), slices.Sorted(maps.Keys(props))); diff != "" {
				t.Errorf("%s: properties (-written +schema):\n%s", at, diff)
				return
			}
			var says []string
			for _, r := range s["required"].([]any) {
				says = append(says, r.(string))
			}
			slices.Sort(required)
			slices.Sort(says)
			if diff := cmp.Diff(required, says); diff != "" {
				t.Errorf("%s: required (-written +schema):\n%s", at, diff)
			}
			for name, f := range fields {
				walk(at+"."+name, props[name].(map[string]any), f)
			}
		}
	}
	walk("$", root, reflect.TypeFor[diffDoc]())
	for name := range defs {
		if !used[name] {
			t.Errorf("$defs/%s is not used", name)
		}
	}
	if got := root["properties"].(map[string]any)["schema"].(map[string]any)["const"]; got != DiffSchema {
		t.Errorf("the schema is of %v, what is written is %v", got, DiffSchema)
	}
	if got := root["title"]; got != DiffSchema {
		t.Errorf("the schema is called %v, what is written is %v", got, DiffSchema)
	}
}

// TestDiffSchemaEmpty: the zero comparison too is as the schema says, and its mirror.
func TestDiffSchemaEmpty(t *testing.T) {
	c := &compare.Comparison{A: compare.Side{Kind: "module"}, B: compare.Side{Kind: "module"}}
	for range 2 {
		var b bytes.Buffer
		if err := DiffJSON(&b, c); err != nil {
			t.Fatal(err)
		}
		if err := schema.Check([]byte(DiffJSONSchema), b.Bytes()); err != nil {
			t.Error(err)
		}
		c = c.Mirror()
	}
}
