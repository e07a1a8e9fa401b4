// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modhash/modhash/modsig/certlist"
	"github.com/modhash/modhash/testdata/gen/boot"
	"github.com/modhash/modhash/testdata/gen/ko"
	"github.com/modhash/modhash/testdata/gen/vmlinux"
)

// tlv is an element of DER.
func tlv(tag byte, content []byte) []byte {
	switch n := len(content); {
	case n < 0x80:
		return append([]byte{tag, byte(n)}, content...)
	case n < 0x100:
		return append([]byte{tag, 0x81, byte(n)}, content...)
	default:
		return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, content...)
	}
}

// split returns what is in the TBSCertificate of a certificate with two bytes of
// length, and what follows it.
func split(cert []byte) (tbs, rest []byte) {
	end := 8 + int(binary.BigEndian.Uint16(cert[6:]))
	return cert[8:end], cert[end:]
}

// version1 is the certificate without a version and extensions.
func version1(t *testing.T, cert []byte) []byte {
	tbs, rest := split(cert)
	ext := bytes.Index(tbs, []byte{0xa3, 0x3c})
	if ext < 0 || ext+2+0x3c != len(tbs) {
		t.Fatal("no extensions at the end")
	}
	return tlv(0x30, slices.Concat(tlv(0x30, tbs[5:ext]), rest))
}

// small is the certificate with an empty issuer and without extensions, such that the
// length of its TBSCertificate takes one byte.
func small(t *testing.T, cert []byte) []byte {
	tbs, rest := split(cert)
	at := 0
	element := func() []byte {
		start := at
		at += 2 + int(tbs[at+1])
		return tbs[start:at]
	}
	version, serial, alg, _, validity, _, key := element(), element(), element(), element(), element(), element(), element()
	name := tlv(0x30, nil)
	out := tlv(0x30, slices.Concat(tlv(0x30, slices.Concat(version, serial, alg, name, validity, name, key)), rest))
	if out[1] != 0x82 || out[5] != 0x81 {
		t.Fatalf("% x", out[:8])
	}
	return out
}

// TestForms finds certificates in all forms that a kernel takes, wherever they are.
func TestForms(t *testing.T) {
	rsa, ec := read(t, "rsa2048.der"), read(t, "ecp384.der")
	tbs, rest := split(rsa)
	for name, tt := range map[string]struct {
		cert      []byte
		malformed bool // in DER, but not for a kernel
	}{
		"version 3":          {rsa, false},
		"version 1":          {version1(t, rsa), false},
		"small":              {small(t, ec), false},
		"more length bytes":  {tlv(0x30, slices.Concat([]byte{0x30, 0x83, 0, byte(len(tbs) >> 8), byte(len(tbs))}, tbs, rest)), true},
		"indefinite":         {tlv(0x30, slices.Concat([]byte{0x30, 0x80}, tbs, []byte{0, 0}, rest)), true},
		"not constructed":    {append([]byte{0x30, 0x82, rsa[2], rsa[3], 0x10}, rsa[5:]...), true},
		"bad signature":      {rsa[:len(rsa)-len(rest)+1], true},
		"indefinite version": {tlv(0x30, slices.Concat(tlv(0x30, slices.Concat([]byte{0xa0, 0x80, 2, 1, 2, 0, 0}, tbs[5:])), rest)), true},
	} {
		if name == "bad signature" {
			tt.cert = bytes.Clone(tt.cert)
			binary.BigEndian.PutUint16(tt.cert[2:], uint16(len(tt.cert)-4))
		}
		check := func(where string, im *Image, n int) {
			t.Helper()
			if im.Trusted == nil || len(im.Trusted.Certificates) != n || im.Revoked != nil {
				t.Errorf("%s, %s: %v, %v, want %d trusted", name, where, im.Trusted != nil, im.Revoked != nil, n)
				return
			}
			i := slices.IndexFunc(im.Trusted.Certificates, func(c certlist.Certificate) bool { return bytes.Equal(c.Raw, tt.cert) })
			if i < 0 || (im.Trusted.Certificates[i].Err != nil) != tt.malformed {
				t.Errorf("%s, %s: number %d", name, where, i)
			}
		}
		for _, form := range forms {
			for _, stripped := range []bool{false, true} {
				k := formOf(form, vmlinux.Kernel{Certs: [][]byte{tt.cert}, Stripped: stripped})
				check(fmt.Sprint("alone, stripped ", stripped), mustOpen(t, k.ELF(), nil), 1)
				k.Certs = [][]byte{tt.cert, read(t, "mldsa65.der")}
				check(fmt.Sprint("first, stripped ", stripped), mustOpen(t, k.ELF(), nil), 2)
			}
		}
		b := ko.Code("before", 2*scanChunk)
		for _, at := range []int{100, 101, 107, scanChunk - 4, scanChunk - 1, scanChunk + 1, len(b) - len(tt.cert)} {
			b := bytes.Clone(b)
			copy(b[at:], tt.cert)
			im := mustOpen(t, boot.Flat(b, arm64Magic), nil)
			check(fmt.Sprint("flat, at ", at), im, 1)
			if im.Trusted != nil && im.Trusted.Offset != int64(at) {
				t.Errorf("%s: at %d, want %d", name, im.Trusted.Offset, at)
			}
		}
	}
}

// TestDisguised hides a list in other ways than by the form of its certificates.
func TestDisguised(t *testing.T) {
	rsa, ec := read(t, "rsa2048.der"), read(t, "ecp384.der")
	k := vmlinux.Kernel{Certs: [][]byte{rsa}}
	file := func(edit func(f *vmlinux.File)) []byte {
		f := k.File()
		f.Segments = true
		edit(&f)
		return f.Bytes()
	}
	rename := func(f *vmlinux.File, names ...string) {
		for i := range f.Symbols {
			if slices.Contains(names, f.Symbols[i].Name) {
				f.Symbols[i].Name = "x"
			}
		}
	}
	holder := func(f *vmlinux.File) *vmlinux.Section {
		for i := range f.Sections {
			if bytes.Contains(f.Sections[i].Data, rsa) {
				return &f.Sections[i]
			}
		}
		panic("no list")
	}
	all := []string{symTrusted, symTrustedSize, symModuleSize}
	for name, edit := range map[string]func(f *vmlinux.File){
		"symbols without the list": func(f *vmlinux.File) { rename(f, all...) },
		"only the size's symbol":   func(f *vmlinux.File) { rename(f, symTrusted) },
		"code":                     func(f *vmlinux.File) { f.Symbols = nil; holder(f).Flags = 6 },
		"not loaded":               func(f *vmlinux.File) { f.Symbols = nil; holder(f).Flags = 0 },
		"code, and no symbols": func(f *vmlinux.File) {
			rename(f, all...)
			holder(f).Flags = 6
		},
		"no size behind": func(f *vmlinux.File) {
			f.Symbols = nil
			s := holder(f)
			s.Data = s.Data[:bytes.Index(s.Data, rsa)+len(rsa)]
		},
	} {
		im := mustOpen(t, file(edit), nil)
		checkList(t, name, im, im.Trusted, [][]byte{rsa})
		if im.Revoked != nil || len(im.Problems) > 0 {
			t.Errorf("%s: %v, %v", name, im.Revoked, im.Problems)
		}
	}
	// Only a list of revoked ones.
	im := mustOpen(t, vmlinux.Kernel{Revoked: [][]byte{ec}}.ELF(), nil)
	checkList(t, "revoked", im, im.Revoked, [][]byte{ec})
	if im.Trusted != nil {
		t.Errorf("trusted: %+v", im.Trusted)
	}
	// What no program header loads is not there.
	b := file(func(f *vmlinux.File) { f.Symbols = nil })
	im = mustOpen(t, append(b, ec...), nil)
	checkList(t, "behind the end", im, im.Trusted, [][]byte{rsa})
	// A certificate of which the end is not loaded.
	cut := file(func(f *vmlinux.File) {
		f.Symbols = nil
		s := holder(f)
		s.Data = s.Data[:bytes.Index(s.Data, rsa)+len(rsa)-9]
	})
	im = mustOpen(t, cut, nil)
	if im.Trusted == nil || len(im.Trusted.Certificates) != 1 || im.Trusted.Certificates[0].Err == nil {
		t.Errorf("cut short: %+v", im.Trusted)
	}
}

// TestDecoy: which list is trusted is not told by what it looks like, and what
// only a scan finds is not revoked.
func TestDecoy(t *testing.T) {
	rsa, ec, revoked := read(t, "rsa2048.der"), read(t, "ecp384.der"), read(t, "revoked.der")
	k := vmlinux.Kernel{Certs: [][]byte{rsa}, Revoked: [][]byte{revoked}}
	f := k.File()
	decoy := append(bytes.Clone(ec), make([]byte, 8-len(ec)%8)...)
	for range 2 {
		decoy = binary.LittleEndian.AppendUint64(decoy, uint64(len(ec)))
	}
	f.Sections = append(f.Sections, vmlinux.Section{Name: ".data", Type: 1, Flags: 3, Addr: 0x82000000, Data: decoy})
	im := mustOpen(t, f.Bytes(), nil)
	checkList(t, "trusted", im, im.Trusted, [][]byte{rsa, ec})
	checkList(t, "revoked", im, im.Revoked, k.Revoked)
	for i, want := range []bool{true, false} {
		if c := &im.Trusted.Certificates[i]; im.Trusted.Listed(c) != want || im.Trusted.OfBuild(c) != want {
			t.Errorf("%d: listed %v, of the build %v", i, im.Trusted.Listed(c), im.Trusted.OfBuild(c))
		}
	}
	for _, noModule := range []bool{false, true} {
		k.NoModule = noModule
		g := k.File()
		g.Sections = append(g.Sections, f.Sections[len(f.Sections)-1])
		g.Symbols = nil
		im = mustOpen(t, g.Bytes(), nil)
		if im.Trusted == nil || im.Revoked != nil || len(im.Trusted.Certificates) != 3 || len(im.Problems) > 0 {
			t.Fatalf("%+v, %+v, %v", im.Trusted, im.Revoked, im.Problems)
		}
		// Both lists look like the trusted one, or only the decoy does.
		for i := range im.Trusted.Certificates {
			c := &im.Trusted.Certificates[i]
			if want := noModule && bytes.Equal(c.Raw, ec); im.Trusted.OfBuild(c) != want {
				t.Errorf("no module %v, certificate %d: of the build %v", noModule, i, !want)
			}
		}
	}
}

// TestSignature: the certificates of a PE signature are not the kernel's, but what
// only claims to be a signature is looked through.
func TestSignature(t *testing.T) {
	rsa, ec := read(t, "rsa2048.der"), read(t, "ecp384.der")
	kernel := boot.PE(0xaa64, boot.PESection{Name: ".text", Data: ec})
	copy(kernel[flatMagicAt:], arm64Magic)
	entry := func(kind byte, content []byte) []byte {
		n := 8 + len(content)
		b := binary.LittleEndian.AppendUint32(nil, uint32(n))
		return append(append(append(b, 0, 2, kind, 0), content...), make([]byte, -n&7)...)
	}
	pkcs7 := tlv(0x30, rsa)
	for name, tt := range map[string]struct {
		table []byte
		want  [][]byte
	}{
		"one":           {entry(2, pkcs7), [][]byte{ec}},
		"two":           {append(entry(2, pkcs7), entry(2, pkcs7)...), [][]byte{ec}},
		"another kind":  {entry(1, pkcs7), [][]byte{ec, rsa}},
		"no sequence":   {entry(2, append([]byte{0}, rsa...)), [][]byte{ec, rsa}},
		"more behind":   {append(entry(2, pkcs7), rsa...), [][]byte{ec, rsa, rsa}},
		"leaves":        {append([]byte{0xff, 0xff}, entry(2, pkcs7)[2:]...), [][]byte{ec, rsa}},
		"nothing in it": {append([]byte{0, 0}, entry(2, pkcs7)[2:]...), [][]byte{ec, rsa}},
		"large":         {append(entry(2, append(pkcs7, make([]byte, 65500)...)), entry(2, pkcs7)...), [][]byte{ec, rsa, rsa}},
	} {
		b := bytes.Clone(kernel)
		const directory = 0x58 + 112 + 8*certificateIdx // see boot.PE
		binary.LittleEndian.PutUint32(b[directory:], uint32(len(b)))
		binary.LittleEndian.PutUint32(b[directory+4:], uint32(len(tt.table)))
		im := mustOpen(t, append(b, tt.table...), nil)
		checkList(t, name, im, im.Trusted, tt.want)
	}
}

// TestNoCertificate: what a kernel would not take for a certificate is not taken
// for one.
func TestNoCertificate(t *testing.T) {
	rsa := read(t, "rsa2048.der")
	for name, edit := range map[string]func(b []byte){
		"not a sequence":  func(b []byte) { b[0] = 0x31 },
		"a short length":  func(b []byte) { b[1] = 0x81 },
		"no inner one":    func(b []byte) { b[4] = 0x31 },
		"no serial":       func(b []byte) { b[13] = 3 },
		"version in half": func(b []byte) { b[9] = 2 },
		"no algorithm":    func(b []byte) { b[35] = 2 },
		"no identifier":   func(b []byte) { b[37] = 5 },
	} {
		b := bytes.Clone(rsa)
		edit(b)
		k := vmlinux.Kernel{Certs: [][]byte{b}, Stripped: true}
		if im := mustOpen(t, k.ELF(), nil); im.Trusted != nil || im.Revoked != nil {
			t.Errorf("%s: %d", name, len(im.Trusted.Certificates))
		}
	}
}

// TestManyFound: a kernel full of certificates, or of what looks like them, costs
// a bounded time and is not passed over in silence.
func TestManyFound(t *testing.T) {
	ec := read(t, "ecp384.der")
	nested := bytes.Clone(ec)
	nested[2], nested[3] = 0xff, 0xff
	for name, b := range map[string][]byte{
		"heads":        bytes.Repeat([]byte("\x30\x82\x00\x0c\x30\x82\x00\x08"), 1<<17),
		"certificates": bytes.Repeat(ec, maxFound+2),
		"large ones":   bytes.Repeat(nested, 2000),
	} {
		start := time.Now()
		im := mustOpen(t, boot.Flat(b, arm64Magic), nil)
		told := slices.ContainsFunc(im.Problems, func(p Problem) bool { return strings.Contains(p.Text, "examined") })
		if took := time.Since(start); !told || took > 5*time.Second {
			t.Errorf("%s: %v after %v", name, im.Problems, took)
		}
		if im.Trusted != nil && len(im.Trusted.Certificates) > maxFound {
			t.Errorf("%s: %d found", name, len(im.Trusted.Certificates))
		}
	}
}
