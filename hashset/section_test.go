// SPDX-License-Identifier: Apache-2.0

package hashset

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
)

const (
	hashOf3   = "4438e5251429c09faabf8294e2311e7a3bf4aea2dd63e630a159fab192bb5966"
	zeroHash  = "0000000000000000000000000000000000000000000000000000000000000000"
	flatA     = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
	flatB     = "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"
	flatC     = "2e7d2c03a9507ae265ecf5b5356885a53393a2029d241394997265a1a25aefc6"
	emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func digest(t testing.TB, s string) Digest {
	t.Helper()
	d, err := ParseDigest(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestParseSection(t *testing.T) {
	abc := []Digest{digest(t, flatA), digest(t, flatB), digest(t, flatC)}
	three := Section{Scheme: Merkle, Root: Root{2, digest(t, hashOf3)}}
	for name, tt := range map[string]struct {
		hex         string
		order       binary.ByteOrder
		want        Section
		placeholder bool
	}{
		"little endian":     {"02000000" + hashOf3, binary.LittleEndian, three, false},
		"big endian":        {"00000002" + hashOf3, binary.BigEndian, three, false},
		"32 levels":         {"00000020" + hashOf3, binary.BigEndian, Section{Scheme: Merkle, Root: Root{32, three.Root.Hash}}, false},
		"placeholder":       {"00000000" + zeroHash, binary.LittleEndian, Section{Scheme: Merkle}, true},
		"flat":              {flatA + flatB + flatC, binary.LittleEndian, Section{Scheme: Flat, Root: FlatRoot(abc), Digests: abc}, false},
		"flat, other order": {flatA + flatB + flatC, binary.BigEndian, Section{Scheme: Flat, Root: FlatRoot(abc), Digests: abc}, false},
		"flat, none":        {"", binary.BigEndian, Section{Scheme: Flat, Root: Root{0, digest(t, emptyHash)}, Digests: []Digest{}}, false},
		"flat, placeholder": {zeroHash + zeroHash, binary.BigEndian, Section{Scheme: Flat, Root: FlatRoot(make([]Digest, 2)), Digests: make([]Digest, 2)}, true},
	} {
		got, err := ParseSection(unhex(t, tt.hex), tt.order)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, tt.want)
			continue
		}
		if got.Placeholder() != tt.placeholder {
			t.Errorf("%s: placeholder %v", name, got.Placeholder())
		}
		if b := got.AppendTo([]byte("x"), tt.order); string(b) != "x"+string(unhex(t, tt.hex)) {
			t.Errorf("%s: written as %x", name, b)
		}
	}
	if (Section{}).Placeholder() || (Section{Scheme: None}).AppendTo(nil, binary.BigEndian) != nil {
		t.Error("no section: it has bytes")
	}
}

func TestParseSectionRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		hex    string
		offset int
		want   string
		inside Section // that the error carries; of a flat list only the scheme is compared
	}{
		"33 levels":        {"21000000" + hashOf3, 0, "33 levels", Section{Scheme: Merkle, Root: Root{33, digest(t, hashOf3)}}},
		"other order":      {"00000002" + hashOf3, 0, "33554432 levels", Section{Scheme: Merkle, Root: Root{2 << 24, digest(t, hashOf3)}}},
		"most levels":      {"ffffffff" + zeroHash, 0, "4294967295 levels", Section{Scheme: Merkle, Root: Root{1<<32 - 1, Digest{}}}},
		"0 levels":         {"00000000" + hashOf3, 0, "0 levels with", Section{Scheme: Merkle, Root: Root{0, digest(t, hashOf3)}}},
		"zero hash":        {"01000000" + zeroHash, 0, "1 levels with a hash of zeros", Section{Scheme: Merkle, Root: Root{1, Digest{}}}},
		"one zero digest":  {flatA + zeroHash + flatB, 32, "digest 1 is zero", Section{Scheme: Flat}},
		"first digest set": {zeroHash + flatB, 0, "digest 0 is zero", Section{Scheme: Flat}},
		"35 bytes":         {zeroHash + "000000", 35, "size of 35 bytes", Section{}},
		"37 bytes":         {zeroHash + "0000000000", 37, "size of 37 bytes", Section{}},
		"1 byte":           {"00", 1, "size of 1 bytes", Section{}},
	} {
		s, err := ParseSection(unhex(t, tt.hex), binary.LittleEndian)
		var bad *SectionError
		if !errors.As(err, &bad) || !reflect.DeepEqual(s, Section{}) {
			t.Errorf("%s: %+v, %v", name, s, err)
			continue
		}
		if bad.Offset != tt.offset || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want offset %d and %q", name, err, tt.offset, tt.want)
		}
		if bad.Section.Scheme != tt.inside.Scheme || tt.inside.Scheme == Merkle && bad.Section.Root != tt.inside.Root {
			t.Errorf("%s: the error carries %+v", name, bad.Section)
		}
	}
}

// TestSectionSizes tries every size up to that of 20 digests.
func TestSectionSizes(t *testing.T) {
	for n := range 641 {
		b := bytes.Repeat([]byte{1}, n)
		if n == 36 {
			b[0], b[1], b[2], b[3] = 1, 0, 0, 0
		}
		s, err := ParseSection(b, binary.LittleEndian)
		switch {
		case n == 36 && (err != nil || s.Scheme != Merkle),
			n%32 == 0 && (err != nil || s.Scheme != Flat || len(s.Digests) != n/32),
			n != 36 && n%32 != 0 && err == nil:
			t.Errorf("%d bytes: %+v, %v", n, s, err)
		}
	}
}

func FuzzParseSection(f *testing.F) {
	f.Add(lettersTree(3).Root().AppendTo(nil, binary.LittleEndian), false)
	f.Add(lettersTree(3).Root().AppendTo(nil, binary.BigEndian), true)
	f.Add(make([]byte, 36), false)
	f.Add(make([]byte, 64), false)
	f.Add(append(make([]byte, 32), unhex(f, flatA)...), true)
	f.Add([]byte{}, false)
	f.Fuzz(func(t *testing.T, data []byte, big bool) {
		var order binary.ByteOrder = binary.LittleEndian
		if big {
			order = binary.BigEndian
		}
		s, err := ParseSection(data, order)
		if (err == nil) != (s.Scheme != "") {
			t.Fatalf("%+v with error %v", s, err)
		}
		var bad *SectionError
		if errors.As(err, &bad) {
			s = bad.Section
		}
		if s.Scheme != "" && !bytes.Equal(s.AppendTo(nil, order), data) {
			t.Fatalf("written as %x", s.AppendTo(nil, order))
		}
		if s.Placeholder() && bytes.Count(data, []byte{0}) != len(data) {
			t.Fatal("a placeholder with bytes that are not zero")
		}
	})
}
