// SPDX-License-Identifier: Apache-2.0

package certlist

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestResembles: lengths may be written in all ways that the kernel reads.
func TestResembles(t *testing.T) {
	for name, b := range all(t) {
		if !Resembles(b) || !Resembles(b[:60]) {
			t.Errorf("%s does not", name)
		}
		for n := range 20 {
			if Resembles(b[:n]) {
				t.Errorf("%d bytes of %s do", n, name)
			}
		}
	}
	const alg = " 30 0d 06 09 2a"
	for head, want := range map[string]bool{
		"30820400 30820300 a003020102 020101" + alg:                   true,
		"30820400 30820300 020101" + alg:                              true, // version 1
		"30820400 3081f0 020101" + alg:                                true,
		"30820400 3070 020101" + alg:                                  true,
		"30820400 3080 020101" + alg:                                  true, // indefinite
		"30820400 30830000f0 020101" + alg:                            true, // more bytes than needed
		"30820400 308800000000000000f0 020101" + alg:                  true,
		"30820400 10820300 020101" + alg:                              true, // not constructed
		"30820400 10820300 8003020102 020101 100d06":                  true,
		"30820400 30820300 a080020102 0000 020101" + alg:              true,
		"30820400 30820300 a00502830000 0102 020101" + alg:            true,
		"30820400 30820300 0281 03010203" + alg:                       true,
		"30820400 30820300 a080020102 0001 020101" + alg:              false,
		"30820400 30820300 a080030102 0000 020101" + alg:              false,
		"30820400 30820300 a003020102" + alg:                          false, // no serial number
		"30820400 30820300 020101 3106":                               false,
		"30820400 30820300 020101 300d05":                             false,
		"30820400 30820300 020101 300d":                               false,
		"30820400 30820300 020180" + alg[:3]:                          false,
		"30820400 30820300 0280 0000" + alg:                           false,
		"30820400 31820300 020101" + alg:                              false,
		"10820400 30820300 020101" + alg:                              false, // the loader compares these
		"30830400 30820300 020101" + alg:                              false,
		"30820400 3089000000000000000001 020101" + alg:                false,
		"30820400 3088ffffffffffffffff 020101" + alg:                  false,
		"30820400 30820300 a088ffffffffffffffff 020102 020101" + alg:  false,
		"30820400 30820300 a08400000003020102 0284 00000001 01" + alg: true,
	} {
		b, err := hex.DecodeString(strings.ReplaceAll(head, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		if Resembles(b) != want {
			t.Errorf("%s: %v", head, !want)
		}
	}
	// Of random bytes that start like one, almost none does.
	r := rand.New(rand.NewPCG(1, 2))
	n := 0
	for range 1 << 20 {
		b := []byte{0x30, 0x82, 4, 0, 0x30}
		for range 6 {
			b = append(b, byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()))
		}
		if Resembles(b) {
			n++
		}
	}
	if n > 8 {
		t.Errorf("%d of random bytes", n)
	}
}

// FuzzResembles: what parses resembles, if the kernel could find its end.
func FuzzResembles(f *testing.F) {
	for _, b := range all(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		saved := bytes.Clone(b)
		certs, _ := Parse(b)
		for _, c := range certs {
			if c.Err == nil && !Resembles(c.Raw) {
				t.Fatalf("% x", c.Raw[:min(len(c.Raw), 64)])
			}
		}
		if Resembles(b); !bytes.Equal(b, saved) {
			t.Fatal("changed")
		}
	})
}
