// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	const s = `{"type":"object","required":["v"],"properties":{
		"v":{"const":"x/1"},"n":{"type":"integer","minimum":-1},"e":{"enum":["a","b"]},"h":{"type":"string","pattern":"^[0-9a-f]+$"},
		"l":{"type":"array","items":{"$ref":"#/$defs/p"}},"f":{"format":"date"},"r":{"$ref":"#/$defs/absent"}},
		"$defs":{"p":{"type":"object","required":["q"],"properties":{"q":{"type":"boolean"}}}}}`
	for doc, want := range map[string]string{
		`{"v":"x/1","n":-1,"e":"b","h":"0f","l":[{"q":true}]}`: "",
		`{}`:                      "$: no v",
		`[]`:                      "$: no v",
		`{"v":"x/2"}`:             "$.v: x/2, want x/1",
		`{"v":"x/1","z":1}`:       "$: z is not in the schema",
		`{"v":"x/1","n":-2}`:      "$.n: -2 is less than -1",
		`{"v":"x/1","n":0.5}`:     "$.n: number, want integer",
		`{"v":"x/1","n":null}`:    "$.n: null, want integer",
		`{"v":"x/1","e":"c"}`:     "$.e: c, want one of",
		`{"v":"x/1","h":"0F"}`:    "$.h: \"0F\" does not match",
		`{"v":"x/1","l":[{}]}`:    "$.l[0]: no q",
		`{"v":"x/1","l":[{"q":0}`: "EOF",
		`{"v":"x/1"} {}`:          "more than one",
		`{"v":"x/1","f":""}`:      "unknown keyword format",
		`{"v":"x/1","r":""}`:      "schema: no #/$defs/absent",
	} {
		err := Check([]byte(s), []byte(doc))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", doc, err, want)
		}
	}
}
