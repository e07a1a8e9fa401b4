// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/modsig/trailer"
	"github.com/modhash/modhash/testdata/gen/ko"
	"github.com/modhash/modhash/testdata/gen/pe"
)

func digest(b []byte) (hashset.Digest, Form, error) {
	return Digest(bytes.NewReader(b), int64(len(b)))
}

func mustDigest(t testing.TB, b []byte, want Form) hashset.Digest {
	t.Helper()
	d, form, err := digest(b)
	if err != nil {
		t.Fatal(err)
	}
	if form != want {
		t.Fatalf("form %v, want %v", form, want)
	}
	return d
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestAuthenticode compares with the digests that osslsigncode computes of what
// it and sbsign signed.
func TestAuthenticode(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(string(read(t, "digests"))), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d digests, want 4", len(lines))
	}
	for _, line := range lines {
		hex, name, _ := strings.Cut(line, "  ")
		if d := mustDigest(t, read(t, name), PESigned); d.String() != hex {
			t.Errorf("%s: %v, want %s", name, d, hex)
		}
		width, _, _ := strings.Cut(name, ".")
		if d := mustDigest(t, read(t, width+".efi"), PE); d.String() != hex {
			t.Errorf("%s.efi: %v, want %s", width, d, hex)
		}
	}
}

// TestSigned: for every length modulo 8, signing makes no difference and any
// other byte does.
func TestSigned(t *testing.T) {
	for n := range 17 {
		img := pe.Image(ko.Code("body", 100+n))
		want := mustDigest(t, img, PE)
		for _, cert := range []string{"", "x", "12345678", strings.Repeat("certificate", 300)} {
			if got := mustDigest(t, pe.Sign(img, []byte(cert)), PESigned); got != want {
				t.Errorf("%d bytes, certificate of %d: %v, want %v", len(img), len(cert), got, want)
			}
		}
	}
}

// TestEveryByte changes each byte of an unsigned and a signed image: only the
// checksum, the table's place and the table itself make no difference.
func TestEveryByte(t *testing.T) {
	img := pe.Image(ko.Code("body", 43))
	want := mustDigest(t, img, PE)
	signed := pe.Sign(img, []byte("certificate"))
	table := (len(img) + 7) / 8 * 8
	for i := range signed {
		signed[i] ^= 0x01
		d, _, err := digest(signed)
		free := i >= pe.Checksum && i < pe.Checksum+4 || i >= table
		switch inEntry := i >= pe.CertDir && i < pe.CertDir+8; {
		case inEntry && err == nil:
			t.Errorf("signed, byte %d of the table's entry: no error", i-pe.CertDir)
		case !inEntry && free && (err != nil || d != want):
			t.Errorf("signed, byte %d: %v, %v; want no difference", i, d, err)
		case !inEntry && !free && err == nil && d == want:
			t.Errorf("signed, byte %d: no difference", i)
		}
		signed[i] ^= 0x01
	}
	for i := range img {
		img[i] ^= 0x01
		d, _, err := digest(img)
		free := i >= pe.Checksum && i < pe.Checksum+4
		inEntry := i >= pe.CertDir && i < pe.CertDir+8
		if inEntry && err == nil || !inEntry && (err == nil && d == want) != free {
			t.Errorf("unsigned, byte %d: %v, %v", i, d, err)
		}
		img[i] ^= 0x01
	}
}

// TestCovered spells out which bytes are hashed.
func TestCovered(t *testing.T) {
	img := pe.Image([]byte("0123456789abc"))
	var in []byte
	in = append(in, img[:pe.Checksum]...)
	in = append(in, img[pe.Checksum+4:pe.CertDir]...)
	in = append(in, img[pe.CertDir+8:]...)
	for n := len(img); n%8 != 0; n++ {
		in = append(in, 0)
	}
	if d := mustDigest(t, img, PE); d != sha256.Sum256(in) {
		t.Error("other bytes are hashed")
	}
	// A directory of 4 entries has none for a certificate table.
	for _, count := range []uint32{0, 1, 4} {
		le := binary.LittleEndian
		img := bytes.Clone(img)
		le.PutUint32(img[optional+108:], count)
		le.PutUint32(img[pe.CertDir:], 0xdeadbeef)
		in := append(bytes.Clone(img[:pe.Checksum]), img[pe.Checksum+4:]...)
		for n := len(img); n%8 != 0; n++ {
			in = append(in, 0)
		}
		if d := mustDigest(t, img, PE); d != sha256.Sum256(in) {
			t.Errorf("%d entries: other bytes are hashed", count)
		}
	}
}

// optional is where the optional header of [pe.Image] starts.
const optional = pe.Checksum - 64

// TestMalformedPE: each is refused with an offset within the file.
func TestMalformedPE(t *testing.T) {
	le := binary.LittleEndian
	img := pe.Image(ko.Code("body", 96))
	signed := pe.Sign(img, []byte("certificate"))
	entry := func(off, n uint32) func([]byte) []byte {
		return func(b []byte) []byte {
			le.PutUint32(b[pe.CertDir:], off)
			le.PutUint32(b[pe.CertDir+4:], n)
			return b
		}
	}
	size := uint32(len(signed))
	table := uint32(len(img))
	tests := []struct {
		name   string
		edit   func(b []byte) []byte
		reason string
	}{
		{"a byte behind the table", func(b []byte) []byte { return append(b, 0) }, "not with the file"},
		{"table cut", func(b []byte) []byte { return b[:len(b)-1] }, "not with the file"},
		{"table before the end", entry(table-8, size-table), "not with the file"},
		{"table without bytes", entry(size, 0), "certificate table of 0 bytes"},
		{"no table, but bytes", entry(0, size), "bytes at offset 0"},
		{"table is the file", entry(8, size-8), "bytes at offset 8"},
		{"table in the headers", entry(pe.CertDir, size-pe.CertDir), "bytes at offset"},
		{"table behind the file", entry(size+8, 8), "not with the file"},
		{"lengths overflow", entry(0xfffffff8, 16), "not with the file"},
		{"both overflow", entry(0xffffffff, 0xffffffff), "not with the file"},
		{"optional header of kind 0", func(b []byte) []byte { le.PutUint16(b[optional:], 0); return b }, "kind 0x0"},
		{"ROM image", func(b []byte) []byte { le.PutUint16(b[optional:], 0x107); return b }, "kind 0x107"},
		{"optional header of 0 bytes", func(b []byte) []byte { le.PutUint16(b[optional-4:], 0); return b }, "too short"},
		{"optional header of 111 bytes", func(b []byte) []byte { le.PutUint16(b[optional-4:], 111); return b }, "too short"},
		{"optional header leaves the file", func(b []byte) []byte { le.PutUint16(b[optional-4:], 0xffff); return b }, "leaves the file"},
		{"directory leaves the header", func(b []byte) []byte { le.PutUint16(b[optional-4:], 112+5*8-1); return b }, "leaves the optional header"},
		{"sections in the table", func(b []byte) []byte { le.PutUint16(b[optional-18:], 3); return b }, "overlaps the headers of 3 sections"},
		{"a section in the table", section(96, int(table)-95), "PE section 1 ends at offset"},
		{"a section is the table", section(int(size-table), int(table)), "PE section 1 ends at offset"},
		{"a section overflows", section(0xffffffff, 0xffffffff), "PE section 1 ends at offset"},
	}
	for _, tt := range tests {
		b := tt.edit(bytes.Clone(signed))
		d, _, err := digest(b)
		var fe *FormatError
		if d != (hashset.Digest{}) || !errors.As(err, &fe) || !strings.Contains(err.Error(), tt.reason) {
			t.Errorf("%s: %v, want a FormatError with %q", tt.name, err, tt.reason)
		} else if fe.Offset < 0 || fe.Offset > int64(len(b)) {
			t.Errorf("%s: offset %d in a file of %d bytes", tt.name, fe.Offset, len(b))
		}
	}
	// The same place in the file, without harm.
	for _, edit := range []func([]byte) []byte{section(0, 0), section(0, int(size)), section(16, int(table)-16)} {
		if _, form, err := digest(edit(bytes.Clone(signed))); err != nil || form != PESigned {
			t.Errorf("%v, %v", form, err)
		}
	}
}

// section announces two sections, the headers of which are the first 80 bytes
// of the body; the second one has size bytes at offset off.
func section(size, off int) func([]byte) []byte {
	return func(b []byte) []byte {
		le := binary.LittleEndian
		headers := b[pe.CertDir+12*8:]
		clear(headers[:80])
		le.PutUint16(b[optional-18:], 2)
		le.PutUint32(headers[40+16:], uint32(size))
		le.PutUint32(headers[40+20:], uint32(off))
		return b
	}
}

// TestTruncated cuts images of all forms at every byte. What is left is refused
// or has another digest, unless just the trailer was cut.
func TestTruncated(t *testing.T) {
	img := pe.Image([]byte("body that ends in x"))
	for name, b := range map[string][]byte{
		"unsigned": img, "signed": pe.Sign(img, []byte("certificate")), "32 bit": read(t, "tiny32.sbsign.efi"),
		"trailer": trailer.Append([]byte("payload"), []byte("signature"), trailer.PKCS7),
	} {
		want, _, err := digest(b)
		if err != nil {
			t.Fatal(err)
		}
		for n := range b {
			d, _, err := digest(b[:n])
			var fe *FormatError
			switch {
			case err == nil && (d == want) != (name == "trailer" && n == len("payload")):
				t.Errorf("%s, cut at %d of %d: the digest is %v", name, n, len(b), d)
			case err != nil && (!errors.As(err, &fe) || fe.Offset < 0 || fe.Offset > int64(n)):
				t.Errorf("%s, cut at %d: %v", name, n, err)
			}
		}
	}
}

// TestTrailer: images as s390 and powerpc have them.
func TestTrailer(t *testing.T) {
	body := ko.Code("s390", 5000)
	sign := func(b []byte) []byte { return trailer.Append(bytes.Clone(b), []byte("signature"), trailer.PKCS7) }
	if d := mustDigest(t, sign(body), Trailed); d != sha256.Sum256(body) {
		t.Error("the digest is not that of the bytes before the trailer")
	}
	if d := mustDigest(t, body, Raw); d != sha256.Sum256(body) {
		t.Error("the digest is not that of the file")
	}
	for name, b := range map[string][]byte{
		"stacked":            sign(sign(body)),
		"marker only":        append(bytes.Clone(body), trailer.Marker...),
		"nothing but marker": []byte(trailer.Marker),
		"nothing but block":  []byte(strings.Repeat("\x02", 12) + trailer.Marker),
		"a byte behind":      append(sign(body), 0),
		"marker near":        append(append(bytes.Clone(body), trailer.Marker...), make([]byte, 36)...),
	} {
		d, form, err := digest(b)
		var fe *FormatError
		if d != (hashset.Digest{}) || form != Trailed || !errors.As(err, &fe) || fe.Offset < 0 || fe.Offset > int64(len(b)) {
			t.Errorf("%s: %v, %v", name, form, err)
		}
	}
}

// TestRaw: everything else counts whole, also what only starts like a PE file.
func TestRaw(t *testing.T) {
	le := binary.LittleEndian
	mz := func(at uint32, n int) []byte {
		b := make([]byte, n)
		copy(b, "MZ")
		if n >= 64 {
			le.PutUint32(b[0x3c:], at)
		}
		return b
	}
	for name, b := range map[string][]byte{
		"a byte":             {0},
		"gzip":               ko.Compress([]byte("Image"), ".gz"),
		"ELF":                ko.Module{Name: "vmlinux"}.Bytes(),
		"MZ":                 []byte("MZ"),
		"63 bytes":           mz(0, 63),
		"no PE there":        mz(64, 100),
		"PE behind the file": mz(97, 100),
		"PE far away":        mz(0xffffffff, 100),
		"PE at the start":    mz(0, 100),
	} {
		if d := mustDigest(t, b, Raw); d != sha256.Sum256(b) {
			t.Errorf("%s: the digest is not that of the file", name)
		}
	}
	for _, size := range []int64{0, -1} {
		var fe *FormatError
		if _, _, err := Digest(strings.NewReader(""), size); !errors.As(err, &fe) {
			t.Errorf("%d bytes: %v, want a FormatError", size, err)
		}
	}
}

type failing struct {
	b    []byte
	from int
}

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if int(off)+len(p) <= f.from {
		return copy(p, f.b[off:]), nil
	}
	return 0, syscall.EIO
}

// TestReadError: an error of the disk, or a file that shrinks, is not the
// image's fault and gives no digest.
func TestReadError(t *testing.T) {
	img := pe.Image(ko.Code("body", 5000))
	headers := section(16, 400)(pe.Sign(img, nil))
	for name, b := range map[string][]byte{
		"unsigned": img, "signed": headers,
		"trailer": trailer.Append(ko.Code("x", 100_000), []byte("signature"), trailer.PKCS7), "raw": ko.Code("x", 100_000),
	} {
		for _, from := range []int{0, 10, 63, 64, 70, 100, 200, 300, 400, len(b) / 2, len(b) - 70, len(b) - 64, len(b) - 17} {
			var fe *FormatError
			if d, _, err := Digest(failing{b, from}, int64(len(b))); !errors.Is(err, syscall.EIO) || errors.As(err, &fe) || d != (hashset.Digest{}) {
				// What lies in the certificate table is never read.
				if name != "signed" || from < len(img) {
					t.Errorf("%s, from offset %d: %v, want EIO", name, from, err)
				}
			}
		}
		for _, n := range []int{0, 63, 64, 100, len(b) / 2, len(b) - 17} {
			d, _, err := Digest(bytes.NewReader(b[:n]), int64(len(b)))
			if (err == nil || d != (hashset.Digest{})) && (name != "signed" || n < len(img)) {
				t.Errorf("%s, %d bytes are left: %v, %v", name, n, d, err)
			}
		}
	}
}

func TestForm(t *testing.T) {
	for f, want := range map[Form]string{Raw: "raw", PE: "pe", PESigned: "pe-signed", Trailed: "trailer"} {
		if f.String() != want {
			t.Errorf("%d: %s, want %s", f, f, want)
		}
	}
}

// FuzzDigest checks that an image has a digest or a finding, and that signing
// what has the form of an unsigned PE file does not change it.
func FuzzDigest(f *testing.F) {
	for _, n := range []int{0, 1, 100} {
		img := pe.Image(ko.Code("body", n))
		f.Add(img)
		f.Add(pe.Sign(img, []byte("certificate")))
		f.Add(trailer.Append(img[1:], []byte("signature"), trailer.Merkle))
	}
	for _, name := range []string{"tiny64.efi", "tiny64.sbsign.efi", "tiny32.efi", "tiny32.osslsigncode.efi"} {
		f.Add(read(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, form, err := digest(b)
		var fe *FormatError
		if err != nil {
			if d != (hashset.Digest{}) || !errors.As(err, &fe) || fe.Offset < 0 || fe.Offset > int64(len(b)) {
				t.Fatalf("%v, %v", d, err)
			}
			return
		}
		if form != PE || len(b) < pe.CertDir+8 || !sameHeaders(b) {
			return
		}
		signed, _, err := digest(pe.Sign(b, []byte("certificate")))
		if errors.As(err, &fe) && strings.Contains(err.Error(), "section") {
			return // the unsigned file announced sections behind its own end
		}
		if err != nil || signed != d {
			t.Fatalf("signed: %v, %v; want %v", signed, err, d)
		}
	})
}

// sameHeaders reports whether the headers of b are where [pe.Sign] has them.
func sameHeaders(b []byte) bool {
	le := binary.LittleEndian
	return le.Uint32(b[0x3c:])+24 == optional && le.Uint16(b[optional:]) == 0x20b && le.Uint32(b[optional+108:]) > 4
}
