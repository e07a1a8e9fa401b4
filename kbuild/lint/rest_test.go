// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/internal/codec"
	"github.com/modhash/modhash/testdata/gen/vmlinux"
)

const told = "/home/bob/linux/a.c"

// compressedSection is an ELF file with a section that is compressed in that way.
func compressedSection(t *testing.T, kind uint32, bits int, big bool) []byte {
	t.Helper()
	text := []byte(strings.Repeat(told+"\x00", 100))
	var packed bytes.Buffer
	switch kind {
	case elfZlib:
		w := zlib.NewWriter(&packed)
		if _, err := w.Write(text); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
	case elfZstd:
		if err := codec.NewEncoder().Encode(&packed, bytes.NewReader(text), int64(len(text)), codec.Zstd); err != nil {
			t.Fatal(err)
		}
	default:
		packed.Write(text[:5])
	}
	var order binary.AppendByteOrder = binary.LittleEndian
	if big {
		order = binary.BigEndian
	}
	header := order.AppendUint32(nil, kind)
	if bits == 64 {
		header = order.AppendUint64(order.AppendUint64(order.AppendUint32(header, 0), uint64(len(text))), 1)
	} else {
		header = order.AppendUint32(order.AppendUint32(header, uint32(len(text))), 1)
	}
	f := vmlinux.File{Bits: bits, Big: big, Type: 1, Sections: []vmlinux.Section{
		{Name: ".debug_line_str", Type: 1, Flags: shfCompressed, Data: append(header, packed.Bytes()...)},
	}}
	return f.Bytes()
}

// TestCompressedSections: what is in compressed debug information is found too.
func TestCompressedSections(t *testing.T) {
	s := scanner(t, Needle{Path, "/home/bob/linux"})
	for _, kind := range []uint32{elfZlib, elfZstd} {
		for _, bits := range []int{32, 64} {
			for _, big := range []bool{false, true} {
				b := compressedSection(t, kind, bits, big)
				rep, err := s.File("m.ko", bytes.NewReader(b), int64(len(b)))
				if err != nil || len(rep.Findings) == 0 || len(rep.Unknown) != 0 {
					t.Fatalf("%d, %d bits: %v, %+v", kind, bits, err, rep)
				}
				// zstd keeps the first of equal strings as it is.
				last := rep.Findings[len(rep.Findings)-1].Found
				if want := `"/home/bob/linux" 100 times, first at offset 0 in section ".debug_line_str", unpacked: `; !strings.HasPrefix(last, want) {
					t.Errorf("%s, want %s", last, want)
				}
			}
		}
	}
	// What cannot be unpacked is said, and nothing more.
	whole := compressedSection(t, elfZlib, 64, false)
	at := bytes.Index(whole, []byte("\x78\x9c"))
	for name, b := range map[string][]byte{
		"another way": compressedSection(t, 7, 64, false),
		"damaged":     append(append(bytes.Clone(whole[:at+2]), 0xff, 0xff, 0xff), whole[at+5:]...),
		"no header":   append(bytes.Clone(whole[:at]), append([]byte{0, 0}, whole[at+2:]...)...),
	} {
		rep, err := s.File("m.ko", bytes.NewReader(b), int64(len(b)))
		if err != nil || len(rep.Unknown) != 1 || rep.Unknown[0].Rule != "leak" {
			t.Errorf("%s: %v, %+v", name, err, rep)
		}
	}
}

// TestRest: all of a package counts; of a folder what the build made.
func TestRest(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte(told)); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	const folder = "lib/modules/6.12.0/"
	files := map[string]string{
		folder + "modules.order": "", folder + "modules.builtin": "", folder + "config": told, folder + "changelog.gz": packed.String(),
		"boot/System.map-6.12.0": told, "boot/System.map-6.11.0": told, "boot/initrd.img-6.12.0": told, ".BUILDINFO": told,
		folder + "damaged.gz": "\x1f\x8b\x08\x00damaged", folder + "clean": "nothing",
	}
	dir, archive := t.TempDir(), filepath.Join(t.TempDir(), "a.tar")
	var out bytes.Buffer
	tw := tar.NewWriter(&out)
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/home/bob/linux", filepath.Join(dir, folder, "build")); err != nil {
		t.Fatal(err)
	}
	if err := tw.WriteHeader(&tar.Header{Name: folder + "build", Typeflag: tar.TypeSymlink, Linkname: "/home/bob/linux"}); err != nil {
		t.Fatal(err)
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(archive, out.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	inFolder := []string{"config", "changelog.gz", "System.map-6.12.0", "build (link)"}
	for path, want := range map[string][]string{
		dir:     inFolder,
		archive: append([]string{"System.map-6.11.0", "initrd.img-6.12.0", ".BUILDINFO"}, inFolder...),
	} {
		b, err := kbuild.Open(context.Background(), []string{path}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		rep, n, err := scanner(t, Needle{Path, "/home/bob/linux"}).Rest(context.Background(), b)
		if err != nil {
			t.Fatal(err)
		}
		if len(rep.Findings) != len(want) || n != len(want)+4 || len(rep.Unknown) != 1 || !strings.Contains(rep.Unknown[0].Reason, "was not looked at") {
			t.Errorf("%s: %d files, %+v", path, n, rep)
		}
		for _, name := range want {
			found := false
			for _, f := range rep.Findings {
				found = found || strings.HasSuffix(f.File, name)
			}
			if !found {
				t.Errorf("%s: nothing found in %s", path, name)
			}
		}
	}
}
