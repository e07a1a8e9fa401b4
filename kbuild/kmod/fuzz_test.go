// SPDX-License-Identifier: Apache-2.0

package kmod

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/modhash/modhash/kbuild/internal/spool"
	"github.com/modhash/modhash/modsig/trailer"
	"github.com/modhash/modhash/testdata/gen/ko"
)

// FuzzOpen checks that a file is a module or a finding, that payload and
// trailer make up the decoded bytes, and that the result does not depend on
// what the Opener did before nor on whether the bytes are in memory.
func FuzzOpen(f *testing.F) {
	k := key(f)
	plain := ko.Module{Name: "m", Text: ko.Code("m", 64)}.Bytes()
	big := ko.Module{Name: "b", Bits: 32, Big: true, Machine: 20}.Bytes()
	for _, suffix := range suffixes {
		for _, b := range [][]byte{plain, big, k.Sign(plain), k.Sign(k.Sign(plain)), legacyTrailer(plain, trailer.X509),
			[]byte(string(plain) + trailer.Marker), append(k.Sign(plain), '\n')} {
			f.Add(ko.Compress(b, suffix))
		}
	}
	tools, err := filepath.Glob("testdata/*.ko.*")
	if err != nil || len(tools) != 3 {
		f.Fatalf("%v, %v", tools, err)
	}
	for _, name := range tools {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	const limit = 4 << 20
	used := opener(f, &Options{MaxSize: limit})
	spilling := opener(f, &Options{MaxSize: limit, TempDir: f.TempDir(), Budget: spool.NewBudget(0)})
	f.Fuzz(func(t *testing.T, b []byte) {
		fresh := opener(t, &Options{MaxSize: limit})
		m, err := open(fresh, b)
		for _, op := range []*Opener{used, spilling} {
			again, aerr := open(op, b)
			if (err == nil) != (aerr == nil) || err != nil && err.Error() != aerr.Error() {
				t.Fatalf("%v, and the next time %v", err, aerr)
			}
			if err == nil && !bytes.Equal(payload(t, m), payload(t, again)) {
				t.Fatal("another payload the next time")
			}
		}
		if err != nil {
			if m != nil || !isFormat(err) {
				t.Fatalf("%v with %v: no FormatError, and there is no read error", m, err)
			}
			return
		}
		n := int64(len(payload(t, m)))
		if n != m.Trailer.Payload || n+int64(len(tail(t, m))) != m.Decoded || m.Decoded > limit || m.Stored != int64(len(b)) {
			t.Fatalf("payload of %d, tail of %d, decoded %d, stored %d", n, len(tail(t, m)), m.Decoded, m.Stored)
		}
		if info, err := m.Info(); err != nil && !isFormat(err) || err == nil && (info.Arch == "" || info.Release == "") {
			t.Fatalf("%+v, %v", info, err)
		}
		s, err := m.Signer()
		if err != nil || m.TrailerName(s) == "" {
			t.Fatalf("trailer %q, %v", m.TrailerName(s), err)
		}
	})
}
