// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/modhash/modhash/testdata/gen/boot"
	"github.com/modhash/modhash/testdata/gen/vmlinux"
)

// TestMalformed breaks one field at a time. All are refused with an offset
// within the file and a reason.
func TestMalformed(t *testing.T) {
	le := binary.LittleEndian
	put32 := func(at int, v uint32) func([]byte) []byte {
		return func(b []byte) []byte { le.PutUint32(b[at:], v); return b }
	}
	k := sample(t)
	k.Stripped = true
	elf := k.ELF()
	gz, xz := boot.Compress(elf, "gzip"), boot.Compress(elf, "xz")
	bz := boot.BzImage(xz, "xz", len(elf), "")
	bzgz := boot.BzImage(gz, "gzip", len(elf), "")
	zb := boot.ZBoot(0xaa64, xz, "xz", len(elf))
	uki := boot.PE(0x8664, boot.PESection{Name: ".a", Data: []byte("x")}, boot.PESection{Name: ".linux", Data: elf})
	const table = 0x58 + 112 + 16*8
	size := uint32(len(bz))
	for _, tt := range []struct {
		name   string
		b      []byte
		edit   func([]byte) []byte
		reason string
	}{
		{"bzimage, payload of 0 bytes", bz, put32(payloadLengthAt, 0), "payload of 0 bytes"},
		{"bzimage, payload leaves the file", bz, put32(payloadLengthAt, size), "the file has"},
		{"bzimage, payload behind the file", bz, put32(payloadOffsetAt, size), "the file has"},
		{"bzimage, offset overflows", bz, put32(payloadOffsetAt, 1<<32-1), "the file has"},
		{"bzimage, both overflow", bz, func(b []byte) []byte {
			return put32(payloadOffsetAt, 1<<32-1)(put32(payloadLengthAt, 1<<32-1)(b))
		}, "the file has"},
		{"bzimage, payload elsewhere", bz, put32(payloadOffsetAt, 0x41), "unknown compression"},
		{"bzimage, payload short", bz, put32(payloadLengthAt, uint32(len(xz)-100)), "larger than the limit"},
		{"bzimage, payload of 7 bytes", bz, put32(payloadLengthAt, 7), "payload of 7 bytes"},
		{"bzimage, setup of 255 sectors", bz, func(b []byte) []byte { b[0x1f1] = 255; return b }, "the file has"},
		{"bzimage, setup of other sectors", bz, func(b []byte) []byte { b[0x1f1] = 3; return b }, "unknown compression"},
		{"bzimage, header cut", bz, func(b []byte) []byte { return b[:0x240] }, "within the setup header"},
		{"bzimage, other size", bz, put32(boot.Setup+0x40+len(xz), uint32(len(elf)+1)), "payload decodes to"},
		{"bzimage, size above the limit", bz, put32(boot.Setup+0x40+len(xz), 1<<31), "larger than the limit"},
		{"bzimage, payload corrupt", bz, func(b []byte) []byte { b[boot.Setup+0x40+300] ^= 1; return b }, "xz: "},
		{"bzimage, gzip and more", bzgz, put32(payloadLengthAt, uint32(len(gz)+4)), "trailing data"},
		{"bzimage in a PE with a kernel", uki, func(b []byte) []byte {
			le.PutUint16(b[bootFlagAt:], 0xaa55)
			copy(b[setupMagicAt:], "HdrS")
			le.PutUint16(b[protocolAt:], 0x20f)
			b[0x1f1] = 1
			le.PutUint32(b[payloadOffsetAt:], 0)
			le.PutUint32(b[payloadLengthAt:], 100)
			return b
		}, "also has the header of a bzimage"},
		{"zboot, payload of 0 bytes", zb, put32(zbootSizeAt, 0), "payload of 0 bytes"},
		{"zboot, payload leaves the file", zb, put32(zbootSizeAt, uint32(len(zb))), "the file has"},
		{"zboot, payload in the header", zb, put32(zbootOffsetAt, 8), "bytes at offset 8, the file has"},
		{"zboot, offset overflows", zb, put32(zbootOffsetAt, 1<<32-1), "the file has"},
		{"zboot, payload elsewhere", zb, put32(zbootOffsetAt, 0x400), "xz: "},
		{"zboot, size too large", zb, put32(zbootSizeAt, uint32(len(xz)+4)), "xz: "},
		{"zboot, unknown name", zb, func(b []byte) []byte { copy(b[zbootNameAt:], "zip\x00"); return b }, `unknown compression "zip"`},
		{"zboot, name without an end", zb, func(b []byte) []byte {
			copy(b[zbootNameAt:], bytes.Repeat([]byte{'x'}, 32))
			return b
		}, "unknown compression"},
		{"uki, two kernels", uki, func(b []byte) []byte { copy(b[table:], ".linux\x00\x00"); return b }, "a second section .linux"},
		{"uki, kernel of 0 bytes", uki, put32(table+40+16, 0), "section .linux of 0 bytes"},
		{"uki, kernel leaves the file", uki, func(b []byte) []byte {
			return put32(table+40+8, 0)(put32(table+40+16, uint32(len(b)))(b))
		}, "the file has"},
		{"uki, kernel behind the file", uki, put32(table+40+20, 1<<32-1), "the file has"},
		{"uki, kernel elsewhere", uki, put32(table+40+20, 0x300), "it starts with"},
		{"uki, sections leave the file", uki, func(b []byte) []byte { le.PutUint16(b[0x46:], 0xffff); return b }, "headers of 65535 PE sections"},
		{"uki, optional header", uki, func(b []byte) []byte { le.PutUint16(b[0x54:], 0); return b }, "too short"},
		{"gzip, cut", gz, func(b []byte) []byte { return b[:len(b)-5] }, "gzip: input ends early"},
		{"gzip, twice", gz, func(b []byte) []byte { return append(b, b...) }, "second member"},
		{"gzip, trailing", gz, func(b []byte) []byte { return append(b, 0) }, "trailing data"},
		{"gzip of nothing", boot.Compress(nil, "gzip"), func(b []byte) []byte { return b }, "there are no bytes"},
		{"elf, class", elf, func(b []byte) []byte { b[4] = 9; return b }, "class 9"},
		{"elf, cut", elf, func(b []byte) []byte { return b[:len(b)-1] }, "the file has"},
		{"nothing", nil, func(b []byte) []byte { return nil }, "there are no bytes"},
	} {
		b := tt.edit(bytes.Clone(tt.b))
		im, err := open(t, b, nil)
		var fe *FormatError
		if im != nil || err == nil || !strings.Contains(err.Error(), tt.reason) || !errors.As(err, &fe) && !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.reason)
		} else if fe != nil && (fe.Offset < 0 || fe.Offset > int64(max(len(b), len(elf)))) {
			t.Errorf("%s: offset %d in a file of %d bytes", tt.name, fe.Offset, len(b))
		}
	}
}

// TestOpenTruncated cuts images of all kinds at many places: no panic, and
// nothing whole comes out.
func TestOpenTruncated(t *testing.T) {
	k := vmlinux.Kernel{Stripped: true, Certs: sample(t).Certs}
	elf := k.ELF()
	for _, name := range []string{"bzimage lz4", "bzimage zstd", "zboot gzip", "uki bzimage xz", "vmlinux lzma"} {
		b := wrap(k)[name]
		for n := 0; n < len(b); n += 1 + n/50 {
			im, err := Open(context.Background(), bytes.NewReader(b[:n]), int64(n), nil)
			if err != nil {
				var fe *FormatError
				if !errors.As(err, &fe) && !errors.Is(err, ErrUnknown) {
					t.Errorf("%s cut at %d: %v", name, n, err)
				}
				continue
			}
			got, err := io.ReadAll(im.Kernel())
			if err != nil || !bytes.Equal(got, elf) {
				t.Errorf("%s cut at %d of %d: a kernel of %d bytes, %v", name, n, len(b), len(got), err)
			}
			im.Close()
		}
	}
}

// TestContradictions: what can be read, but cannot be right, is reported.
func TestContradictions(t *testing.T) {
	k := sample(t)
	k.Stripped = true
	elf := k.ELF()
	other := boot.BzImage(boot.Compress(elf, "gzip"), "gzip", 0, "6.13.0 (user@host) #1")
	for name, tt := range map[string]struct {
		b      []byte
		reason string
	}{
		"release of the bzimage": {other, `says that it is release "6.13.0", the kernel in it "6.12.0-sample"`},
		"machine of the uki":     {boot.PE(0xaa64, boot.PESection{Name: ".linux", Data: elf}), "the uki is for aarch64"},
		"two banners":            {edited(t, elf, "# SMP Thu", "#2SMP Thu"), "a second banner"},
		"config cut":             {edited(t, elf, "IKCFG_ED", "IKCFG_XX"), "a config without an end"},
		"config corrupt":         {edited(t, elf, "IKCFG_ST\x1f\x8b\x08\x00", "IKCFG_ST\x1f\x8b\x08\xff"), "the config cannot be unpacked"},
		"note leaves the notes":  {edited(t, elf, "\x14\x00\x00\x00\x03\x00\x00\x00GNU", "\xf0\xff\xff\xff\x03\x00\x00\x00GNU"), "a note of 4 and 4294967280 bytes"},
		"no banner":              {edited(t, elf, " #1 ", " 11 "), "there is no banner"},
	} {
		im, err := open(t, tt.b, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(im.Problems) != 1 || !strings.Contains(im.Problems[0].Text, tt.reason) {
			t.Errorf("%s: problems %v, want one with %q", name, im.Problems, tt.reason)
		}
	}
}

// edited replaces the only place of a text by another one of its length.
func edited(t *testing.T, b []byte, old, new string) []byte {
	t.Helper()
	if n := bytes.Count(b, []byte(old)); n != 1 || len(old) != len(new) {
		t.Fatalf("%q is there %d times", old, n)
	}
	return bytes.Replace(b, []byte(old), []byte(new), 1)
}
