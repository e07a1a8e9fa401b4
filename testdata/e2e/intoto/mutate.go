// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
)

// mutator changes a link, by chance but the same in each run.
type mutator struct {
	link []byte
	rng  *rand.Rand
	ways []way
}

type way struct {
	name string
	do   func(m *mutator) []byte
}

func newMutator(link []byte) *mutator {
	return &mutator{link: link, rng: rand.New(rand.NewPCG(6, 12)), ways: []way{
		{"bit", (*mutator).bit}, {"bit", (*mutator).bit}, {"bit", (*mutator).bit},
		{"byte", (*mutator).replace}, {"delete", (*mutator).remove}, {"insert", (*mutator).insert},
		{"repeat", (*mutator).repeat}, {"swap", (*mutator).swap}, {"end", (*mutator).truncate},
		{"digit", (*mutator).digit}, {"case", (*mutator).turnCase}, {"same", (*mutator).same}, {"same", (*mutator).same},
		{"tree", (*mutator).tree}, {"tree", (*mutator).tree}, {"text", (*mutator).text},
	}}
}

func (m *mutator) next(i int) (string, []byte) {
	w := m.ways[i%len(m.ways)]
	return w.name, w.do(m)
}

func (m *mutator) at() int { return m.rng.IntN(len(m.link)) }

func (m *mutator) bit() []byte {
	b := bytes.Clone(m.link)
	b[m.at()] ^= 1 << m.rng.IntN(8)
	return b
}

func (m *mutator) replace() []byte {
	b := bytes.Clone(m.link)
	b[m.at()] = byte(m.rng.IntN(256))
	return b
}

func (m *mutator) remove() []byte {
	i := m.at()
	return append(bytes.Clone(m.link[:i]), m.link[min(len(m.link), i+1+m.rng.IntN(8)):]...)
}

func (m *mutator) insert() []byte {
	const alphabet = "\"{}[],:\\ \n0aAfx\x00\xff"
	i := m.at()
	b := append(bytes.Clone(m.link[:i]), alphabet[m.rng.IntN(len(alphabet))])
	return append(b, m.link[i:]...)
}

func (m *mutator) repeat() []byte {
	i := m.at()
	j := min(len(m.link), i+1+m.rng.IntN(200))
	return append(bytes.Clone(m.link[:j]), m.link[i:]...)
}

func (m *mutator) swap() []byte {
	b := bytes.Clone(m.link)
	i, j := m.at(), m.at()
	b[i], b[j] = b[j], b[i]
	return b
}

func (m *mutator) truncate() []byte { return bytes.Clone(m.link[:m.at()]) }

// digit changes one hex digit of a signature, key id or digest.
func (m *mutator) digit() []byte {
	b := bytes.Clone(m.link)
	for {
		i := m.at()
		if at := strings.IndexByte("0123456789abcdef", b[i]); at >= 0 {
			b[i] = "123456789abcdef0"[at]
			return b
		}
	}
}

// turnCase changes the case of one letter.
func (m *mutator) turnCase() []byte {
	b := bytes.Clone(m.link)
	for {
		i := m.at()
		if c := b[i] | 0x20; c >= 'a' && c <= 'z' {
			b[i] ^= 0x20
			return b
		}
	}
}

// same writes the link in another way that means the same.
func (m *mutator) same() []byte {
	var b bytes.Buffer
	switch m.rng.IntN(3) {
	case 0:
		_ = json.Indent(&b, m.link, "", strings.Repeat(" ", m.rng.IntN(4)))
		return b.Bytes()
	case 1:
		var v any
		_ = json.Unmarshal(m.link, &v)
		out, _ := json.Marshal(v) // keys sorted
		return out
	}
	return []byte(" \n" + string(m.link) + "\t\r\n")
}

// tree changes one thing in the document as it was read.
func (m *mutator) tree() []byte {
	var doc map[string]any
	_ = json.Unmarshal(m.link, &doc)
	signed := doc["signed"].(map[string]any)
	sig := doc["signatures"].([]any)[0].(map[string]any)
	values := []any{nil, 1, "x", []any{}, map[string]any{}, "rebuild ", []any{"a"}, map[string]any{"a": "b"}, true, -1, 1.5}
	v := values[m.rng.IntN(len(values))]
	keys := []string{"_type", "name", "materials", "products", "environment", "byproducts", "command", "other"}
	k := keys[m.rng.IntN(len(keys))]
	switch m.rng.IntN(6) {
	case 0:
		signed[k] = v
	case 1:
		delete(signed, k)
	case 2:
		sig[[]string{"keyid", "sig", "method"}[m.rng.IntN(3)]] = v
	case 3:
		doc[[]string{"signed", "signatures", "more"}[m.rng.IntN(3)]] = v
	case 4: // another one has signed too, or the same again
		other := map[string]any{"keyid": sig["keyid"], "sig": sig["sig"]}
		if m.rng.IntN(3) > 0 {
			other["keyid"] = fmt.Sprintf("%064x", m.rng.Uint64())
		}
		doc["signatures"] = append(doc["signatures"].([]any), other)
	case 5:
		ps := signed[[]string{"materials", "products"}[m.rng.IntN(2)]].(map[string]any)
		for name := range ps {
			ps[name+"x"] = ps[name]
			if m.rng.IntN(2) == 0 {
				delete(ps, name)
			}
			break
		}
	}
	out, _ := json.Marshal(doc)
	return out
}

// text replaces a piece of text by one that is like it.
func (m *mutator) text() []byte {
	pairs := []string{
		`"link"`, `"\u006cink"`, `"link"`, `"layout"`, `rebuild `, `rebuild  `, `"command":[]`, `"command":null`, `"environment":null`, `"environment":{}`,
		`"byproducts":{}`, `"byproducts":{"return-value":0}`, `sha256`, `sha1`, `"signed":`, `"signed":{},"signed":`, `"sig":"`, `"sig":"00`, `"keyid":"`, `"keyid":" `,
		`"_type":"link",`, ``, `"signatures":[`, `"signatures":[{},`, `"signatures":[`, `"signatures":[null,`, `}}`, `}}}`, `modhash`, "modh\u00e4sh", `"command"`, `"Command"`,
	}
	i := 2 * m.rng.IntN(len(pairs)/2)
	return bytes.Replace(m.link, []byte(pairs[i]), []byte(pairs[i+1]), 1)
}
