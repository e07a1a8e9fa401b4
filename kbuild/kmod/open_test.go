// SPDX-License-Identifier: Apache-2.0

package kmod

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/modhash/modhash/modsig/trailer"
	"github.com/modhash/modhash/testdata/gen/ko"
	"github.com/modhash/modhash/testdata/gen/sample"
)

// TestTools opens what gzip, xz and zstd made of a module of the sample build.
func TestTools(t *testing.T) {
	want := sample.Payload("kernel/lib/crc-itu-t.ko")
	signed := key(t).Sign(want)
	op := opener(t, nil)
	for suffix, format := range formats {
		file := signed
		if suffix != "" {
			var err error
			if file, err = os.ReadFile("testdata/crc-itu-t.ko" + suffix); err != nil {
				t.Fatal(err)
			}
		}
		m := mustOpen(t, op, file)
		if m.Compression != format || m.Stored != int64(len(file)) || m.Decoded != int64(len(signed)) {
			t.Errorf("%s: %v, %d bytes stored, %d decoded", suffix, m.Compression, m.Stored, m.Decoded)
		}
		if !bytes.Equal(payload(t, m), want) || !bytes.Equal(tail(t, m), signed[len(want):]) {
			t.Errorf("%s: other bytes than were compressed", suffix)
		}
	}
}

// TestTrailer opens every form of compression of every form of ending.
func TestTrailer(t *testing.T) {
	k := key(t)
	plain := ko.Module{Name: "m"}.Bytes()
	signed := k.Sign(plain)
	proven := trailer.Append(bytes.Clone(plain), bytes.Repeat([]byte{7}, 32), trailer.Merkle)
	legacy := legacyTrailer(plain, trailer.X509)
	const by = "signature by modhash throw-away test key a, serial "
	tests := []struct {
		name, file string
		state      trailer.State
		payload    int // length
		stacked    bool
		trailer    string // start of TrailerName
	}{
		{"unsigned", string(plain), trailer.None, len(plain), false, "none"},
		{"signed", string(signed), trailer.Valid, len(plain), false, by},
		{"proof", string(proven), trailer.Valid, len(plain), false, "proof"},
		{"legacy", string(legacy), trailer.Valid, len(plain), false, "legacy x509 signature"},
		{"signed twice", string(k.Sign(signed)), trailer.Valid, len(signed), true, "stacked"},
		{"proof, then signed", string(k.Sign(proven)), trailer.Valid, len(proven), true, "stacked"},
		{"signed after a marker", string(k.Sign([]byte(string(plain) + trailer.Marker))), trailer.Valid, len(plain) + 28, true, "stacked"},
		{"marker only", string(plain) + "no signature block" + trailer.Marker, trailer.Malformed, len(plain) + 18 + 28, false, "malformed"},
		{"a byte behind", string(signed) + "\n", trailer.Junk, len(signed) + 1, false, "junk"},
		{"unreadable message", string(trailer.Append(bytes.Clone(plain), []byte("no DER"), trailer.PKCS7)), trailer.Valid, len(plain), false, "signature that cannot be read"},
	}
	op := opener(t, nil)
	for _, tt := range tests {
		for _, suffix := range suffixes {
			m := mustOpen(t, op, ko.Compress([]byte(tt.file), suffix))
			s, err := m.Signer()
			if err != nil {
				t.Fatal(err)
			}
			name := m.TrailerName(s)
			if m.Compression != formats[suffix] || m.Trailer.State != tt.state || m.Stacked != tt.stacked || !bytes.HasPrefix([]byte(name), []byte(tt.trailer)) {
				t.Errorf("%s%s: %v, %v, stacked %v, %q", tt.name, suffix, m.Compression, m.Trailer.State, m.Stacked, name)
			}
			if got := payload(t, m); string(got) != tt.file[:tt.payload] {
				t.Errorf("%s%s: payload of %d bytes, want %d", tt.name, suffix, len(got), tt.payload)
			}
			if got := tail(t, m); string(got) != tt.file[tt.payload:] {
				t.Errorf("%s%s: tail of %d bytes, want %d", tt.name, suffix, len(got), len(tt.file)-tt.payload)
			}
		}
	}
}

// legacyTrailer has a signer's name of 3 bytes and a key id of 4.
func legacyTrailer(payload []byte, typ trailer.Type) []byte {
	b := append(bytes.Clone(payload), "SGNKEYIsignature"...)
	b = trailer.Block{Algo: 1, Hash: 4, Type: typ, SignerLen: 3, KeyIDLen: 4, SigLen: 9}.AppendTo(b)
	return append(b, trailer.Marker...)
}

// TestSignatureBits flips bits of the signature data: the payload stays what it
// is. In block and marker every flip makes it another one, or the trailer
// malformed.
func TestSignatureBits(t *testing.T) {
	plain := ko.Module{Name: "m"}.Bytes()
	for _, file := range [][]byte{
		key(t).Sign(plain),
		trailer.Append(bytes.Clone(plain), bytes.Repeat([]byte{7}, 64), trailer.Merkle),
		legacyTrailer(plain, trailer.PGP),
	} {
		op := opener(t, nil)
		end := len(file) - trailer.BlockSize - len(trailer.Marker)
		for i := len(plain); i < end; i++ {
			file[i] ^= 1 << (i % 8)
			if m := mustOpen(t, op, file); !bytes.Equal(payload(t, m), plain) {
				t.Fatalf("byte %d of the signature data changes the payload", i-len(plain))
			}
			file[i] ^= 1 << (i % 8)
		}
		for i := end; i < len(file); i++ {
			file[i] ^= 1 << (i % 8)
			m := mustOpen(t, op, file)
			legacyNumbers := m.Trailer.State == trailer.Valid && m.Trailer.Block.Type <= trailer.X509 && i-end < 8
			if bytes.Equal(payload(t, m), plain) && !legacyNumbers {
				t.Fatalf("byte %d of block and marker makes no difference", i-end)
			}
			file[i] ^= 1 << (i % 8)
		}
	}
}

// TestReader checks what is read from memory, from the file and from the
// buffer.
func TestReader(t *testing.T) {
	small := ko.Module{Name: "m"}.Bytes()
	large := ko.Module{Name: "m", Text: ko.Code("large", inMemory+12345)}.Bytes()
	for _, plain := range [][]byte{small, large} {
		signed := key(t).Sign(plain)
		for _, suffix := range []string{"", ".gz", ".zst"} {
			m := mustOpen(t, opener(t, nil), ko.Compress(signed, suffix))
			if len(plain) < 1<<16 {
				if err := iotest.TestReader(m.Payload(), plain); err != nil {
					t.Errorf("payload, %q: %v", suffix, err)
				}
			} else if !bytes.Equal(payload(t, m), plain) {
				t.Errorf("payload, %q: other bytes", suffix)
			}
			if err := iotest.TestReader(m.Tail(), signed[len(plain):]); err != nil {
				t.Errorf("tail, %q: %v", suffix, err)
			}
		}
	}
}

// TestReuse opens modules of all kinds with one Opener, good ones after bad
// ones and small ones after large ones.
func TestReuse(t *testing.T) {
	op := opener(t, nil)
	large := ko.Module{Name: "large", Text: make([]byte, 1<<20)}.Bytes()
	small := key(t).Sign(ko.Module{Name: "small"}.Bytes())
	for round := range 2 {
		for _, suffix := range suffixes {
			for _, b := range [][]byte{large, small, []byte("no module"), small, large} {
				file := b
				if len(b) > 20 {
					file = ko.Compress(b, suffix)
				}
				m, err := open(op, file)
				if len(b) < 20 {
					if !isFormat(err) {
						t.Fatal(err)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := payload(t, m); !bytes.HasPrefix(b, got) || len(got) < 1000 || len(got) == len(b) != (m.Trailer.State == trailer.None) {
					t.Fatalf("round %d, %q: %d of %d bytes", round, suffix, len(got), len(b))
				}
				if _, err := m.Info(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func TestSuffix(t *testing.T) {
	for suffix, format := range formats {
		if got := Suffix(format); got != suffix {
			t.Errorf("%v: %q, want %q", format, got, suffix)
		}
	}
	for c := Zstd + 1; c < 20; c++ {
		if got := Suffix(c); got != "" {
			t.Errorf("%v: %q, want none", c, got)
		}
	}
}

// TestLayers peels stacked trailers, outermost first, and stops at what is none.
func TestLayers(t *testing.T) {
	k := key(t)
	plain := ko.Module{Name: "m"}.Bytes()
	proof := bytes.Repeat([]byte{7}, 36)
	proven := trailer.Append(bytes.Clone(plain), proof, trailer.Merkle)
	twice := k.Sign(k.Sign(proven))
	marked := k.Sign([]byte(string(plain) + trailer.Marker))
	many := bytes.Clone(plain)
	for range MaxLayers + 5 {
		many = trailer.Append(many, proof, trailer.Merkle)
	}
	op := opener(t, nil)
	for name, tt := range map[string]struct {
		file   []byte
		layers string // first letter of state and type of each
	}{
		"none": {plain, ""}, "one": {proven, "v3"}, "three": {twice, "v2v2v3"}, "a marker below": {marked, "v2m0"},
		"junk": {append(bytes.Clone(twice), 'x'), "j0"}, "legacy": {legacyTrailer(plain, trailer.X509), "v1"},
		"more than are peeled": {many, strings.Repeat("v3", MaxLayers)},
	} {
		m := mustOpen(t, op, tt.file)
		layers, err := m.Layers()
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, l := range layers {
			got += fmt.Sprintf("%c%d", l.State.String()[0], l.Block.Type*trailer.Type(min(l.State&trailer.Valid, 1)))
			if l.State == trailer.Valid && int(l.Block.SigLen) != len(l.Signature) {
				t.Errorf("%s: %d bytes of signature, want %d", name, len(l.Signature), l.Block.SigLen)
			}
		}
		if got != tt.layers {
			t.Errorf("%s: %s, want %s", name, got, tt.layers)
		}
		if name == "three" && !bytes.Equal(layers[2].Signature, proof) {
			t.Errorf("proof: %x", layers[2].Signature)
		}
	}
}

// TestModinfo lists the entries as they stand in the file.
func TestModinfo(t *testing.T) {
	m := mustOpen(t, opener(t, nil), ko.Module{Name: "m", Modinfo: []string{"author=nobody", "alias=*", "alias=b"}}.Bytes())
	got, err := m.Modinfo()
	want := "license=GPL|depends=|intree=Y|name=m|author=nobody|alias=*|alias=b|vermagic=6.12.0-sample SMP preempt mod_unload "
	if err != nil || strings.Join(got, "|") != want {
		t.Errorf("%v, %q", err, got)
	}
}
