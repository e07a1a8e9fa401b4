// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/modhash/modhash/testdata/gen/boot"
	"github.com/modhash/modhash/testdata/gen/vmlinux"
)

// FuzzOpen: an image is read or refused with an error of this package, and what
// is found lies in the kernel.
func FuzzOpen(f *testing.F) {
	k := sample(f)
	k.Stripped = true
	for name, b := range wrap(k) {
		if !strings.HasPrefix(name, "compressed") {
			f.Add(b)
		}
	}
	for _, form := range forms {
		f.Add(formOf(form, sample(f)).ELF())
	}
	f.Add(boot.Flat(sample(f).Flat(), arm64Magic))
	f.Add([]byte("\x7fELF"))
	f.Fuzz(func(t *testing.T, b []byte) {
		im, err := Open(context.Background(), bytes.NewReader(b), int64(len(b)), &Options{Limit: 1 << 20, TmpDir: t.TempDir()})
		if err != nil {
			var fe *FormatError
			if im != nil || !errors.As(err, &fe) && !errors.Is(err, ErrUnknown) || fe != nil && fe.Offset < 0 {
				t.Fatalf("%v", err)
			}
			return
		}
		defer im.Close()
		kernel, err := io.ReadAll(im.Kernel())
		if err != nil || int64(len(kernel)) != im.Layers[len(im.Layers)-1].Size {
			t.Fatalf("a kernel of %d bytes, %v; layers %v", len(kernel), err, im.Layers)
		}
		checkFound(t, im, kernel)
	})
}

func checkFound(t *testing.T, im *Image, kernel []byte) {
	within := func(what string, off int64, data []byte) {
		if off < 0 || off+int64(len(data)) > int64(len(kernel)) || !bytes.Equal(kernel[off:off+int64(len(data))], data) {
			t.Fatalf("%s of %d bytes is not at offset %d of %d", what, len(data), off, len(kernel))
		}
	}
	if im.Arch == "" || im.Order == nil || im.Bits != 32 && im.Bits != 64 {
		t.Fatalf("%q, %v, %d", im.Arch, im.Order, im.Bits)
	}
	if !bytes.Contains(kernel, []byte(im.Banner)) || !strings.Contains(im.Banner, im.Release) || !strings.HasSuffix(im.Banner, im.Version) {
		t.Fatalf("%q, %q, %q", im.Banner, im.Release, im.Version)
	}
	if im.Hashset != nil {
		within("hashset", im.Hashset.Offset, im.Hashset.Data)
	}
	for _, l := range []*CertificateList{im.Trusted, im.Revoked} {
		if l == nil {
			continue
		}
		if l.ModuleSize < 0 || l.ModuleSize > l.Size {
			t.Fatalf("%+v", l)
		}
		for _, c := range l.Certificates {
			within("certificate", l.Offset+c.Offset, c.Raw)
		}
	}
}

// FuzzSystemMap: a map is read or refused.
func FuzzSystemMap(f *testing.F) {
	f.Add(vmlinux.Kernel{Hashes: make([]byte, 36)}.SystemMap())
	f.Add("ffffffffffffffff B The real System.map is elsewhere\n")
	f.Fuzz(func(t *testing.T, text string) {
		syms, err := parseSystemMap(strings.NewReader(text), wantedSymbols)
		if err != nil && syms != nil || err == nil && syms == nil {
			t.Fatalf("%v, %v", syms, err)
		}
		for name := range syms {
			if !strings.Contains(text, name) {
				t.Fatalf("%s is not in the map", name)
			}
		}
	})
}
