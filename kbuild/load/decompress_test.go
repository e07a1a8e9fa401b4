// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/modhash/modhash/kbuild/internal/codec"
	"github.com/modhash/modhash/kbuild/internal/spool"
	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/testdata/gen/ko"
)

func compressed(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/compressed/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decompressing is a kernel that decompresses itself.
func decompressing(t testing.TB, name string) *Kernel {
	k := small(t, "hashes", "main")
	for suffix, c := range map[string]kmod.Compression{".xz": kmod.XZ, ".gz": kmod.Gzip, ".zst": kmod.Zstd} {
		if strings.HasSuffix(name, suffix) {
			k.Decompressor = c
		}
	}
	k.branch = map[byte]Fact{4: Yes, 7: No}
	return k
}

// TestKernelDecompressors: what other programs read, the kernel may not.
func TestKernelDecompressors(t *testing.T) {
	const loads, einval, other = "0", "EINVAL", "unknown"
	xz := compressed(t, "crc32.xz")
	gz, zst := compressed(t, "plain.gz"), compressed(t, "plain.zst")
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	skippable := []byte("\x50\x2a\x4d\x18\x04\x00\x00\x00none")
	badTail := bytes.Clone(gz)
	badTail[len(badTail)-6] ^= 1 // CRC32, which the kernel does not look at
	plain := vector(t, "hashes/cases/a1-valid")
	for _, test := range []struct {
		name string // its suffix is what the kernel decompresses
		file []byte
		want string
	}{
		{"crc32.xz", nil, loads}, {"none.xz", nil, loads}, {"blocks.xz", nil, loads}, {"dict64.xz", nil, loads}, {"x86.xz", nil, loads},
		{"crc64.xz", nil, einval}, {"sha256.xz", nil, einval}, {"delta.xz", nil, einval},
		{"dict192.xz", nil, other},
		{"second stream.xz", join(xz, compressed(t, "crc64.xz")), loads},
		{"bytes behind.xz", join(xz, []byte("xxxxxxx")), loads},
		{"nuls behind.xz", join(xz, make([]byte, 16)), loads},
		{"stream before.xz", join(compressed(t, "crc64.xz"), xz), einval},
		{"cut.xz", xz[:len(xz)-20], einval}, {"header only.xz", xz[:13], einval}, {"flipped.xz", flip(xz, 100), einval},
		{"flipped header.xz", flip(xz, 8), einval},
		{"gzip instead.xz", gz, einval}, {"plain instead.xz", plain, einval},
		{"plain.gz", nil, loads}, {"named.gz", nil, loads}, {"comment.gz", nil, einval},
		{"second member.gz", join(gz, gz), loads}, {"wrong checksum.gz", badTail, loads}, {"cut.gz", gz[:len(gz)/2], einval},
		{"cut tail.gz", gz[:len(gz)-8], loads}, {"name without end.gz", []byte("\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03name"), einval},
		{"xz instead.gz", xz, einval}, {"short.gz", gz[:5], einval},
		{"plain.zst", nil, loads}, {"long27.zst", nil, loads}, {"long28.zst", nil, einval},
		{"second frame.zst", join(zst, zst), loads}, {"skippable behind.zst", join(zst, skippable), loads},
		{"skippable before.zst", join(skippable, zst), einval}, {"cut.zst", zst[:len(zst)-20], "ENOEXEC"}, {"checksum cut.zst", zst[:len(zst)-2], loads},
		{"reserved bit.zst", flip3(zst, 4), einval}, {"block larger than the window.zst", block(0, 2000<<3), einval}, {"type of block.zst", block(0x58, 3<<1|1), einval},
		{"with a dictionary.zst", []byte("\x28\xb5\x2f\xfd\x01\x58\x05\x01\x00\x00"), einval}, {"with dictionary 0.zst", []byte("\x28\xb5\x2f\xfd\x01\x58\x00\x01\x00\x00"), "ENOEXEC"},
		{"header only.zst", zst[:5], einval}, {"flipped.zst", flip(zst, 40), einval},
	} {
		file := test.file
		if file == nil {
			file = compressed(t, test.name)
		}
		r := check(t, decompressing(t, test.name), file, Request{Call: FinitModule, Flags: CompressedFile})
		for _, a := range r.Answers[:1] {
			got := errnoText(a.Errno)
			if got != test.want || a.Loads != map[string]Fact{loads: Yes, einval: No, "ENOEXEC": No, other: Maybe}[test.want] {
				t.Errorf("%s, %s: %v, %s, want %s: %+v", test.name, a.Mode, a.Loads, got, test.want, r.Steps)
			}
		}
	}
	r := check(t, decompressing(t, "x.xz"), xz, Request{})
	if r.Passes() != Yes || r.Compression != kmod.XZ {
		t.Errorf("as modprobe does: %+v", r)
	}
}

// flip3 is b with the reserved bit in the byte at i.
func flip3(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 8
	return b
}

// block is a frame that ends behind the header of its first block.
func block(window byte, header uint32) []byte {
	return append([]byte("\x28\xb5\x2f\xfd\x00"), window, byte(header), byte(header>>8), byte(header>>16))
}

// TestDecompressLog: what the kernel logs of a file that it cannot decompress, as Linux
// 6.12.117 did in an emulator.
func TestDecompressLog(t *testing.T) {
	zst, xz := compressed(t, "plain.zst"), compressed(t, "crc32.xz")
	for _, test := range []struct {
		name string
		file []byte
		want string
	}{
		{"content.zst", flip(zst, len(zst)-2), "ZSTD-decompression failed with status 22"},
		{"dictionary.zst", []byte("\x28\xb5\x2f\xfd\x01\x58\x05\x01\x00\x00"), "ZSTD-decompression failed with status 32"},
		{"window.zst", []byte("\x28\xb5\x2f\xfd\x00\xb1\x01\x00\x00"), "ZSTD-compressed data has an incomplete frame header"},
		{"checksum.xz", compressed(t, "sha256.xz"), "decompression failed with status 6"},
		{"header.xz", flip(xz, 7), "decompression failed with status 7"},
		{"header of a block.xz", flip(xz, 14), "decompression failed with status 7"},
	} {
		r := check(t, decompressing(t, test.name), test.file, Request{Call: FinitModule, Flags: CompressedFile})
		if log := r.Answers[0].Log; len(log) != 1 || !strings.HasSuffix(log[0], test.want) {
			t.Errorf("%s: %q, want %q", test.name, log, test.want)
		}
	}
}

// TestCutZstd: of a frame that is cut short the kernel keeps the complete blocks.
func TestCutZstd(t *testing.T) {
	data := ko.Code("cut", 300_000)
	var whole bytes.Buffer
	if err := codec.NewEncoder().Encode(&whole, bytes.NewReader(data), int64(len(data)), codec.Zstd); err != nil {
		t.Fatal(err)
	}
	k, dec := decompressing(t, ".zst"), codec.NewDecoder()
	dst := spool.NewBuffer(nil, t.TempDir())
	defer dst.Close()
	lengths := map[int64]bool{}
	for n := whole.Len(); n > 16; n -= 1 + whole.Len()/40 {
		dst.Reset()
		got, err := k.kernelDecode(dec, dst, whole.Bytes()[:n], 1<<20)
		if err != nil || got.errno != success {
			t.Fatalf("%d bytes: %v, %+v", n, err, got)
		}
		out := make([]byte, dst.Size())
		if _, err := dst.ReadAt(out, 0); err != nil && len(out) > 0 || !bytes.HasPrefix(data, out) {
			t.Fatalf("%d bytes: %v, not what was encoded", n, err)
		}
		lengths[dst.Size()] = true
	}
	if !lengths[0] || !lengths[int64(len(data))] || len(lengths) < 4 {
		t.Errorf("decoded lengths %v", lengths)
	}
}

func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

// TestModprobe: who decompresses depends on the kernel.
func TestModprobe(t *testing.T) {
	crc64, crc32 := compressed(t, "crc64.xz"), compressed(t, "crc32.xz")
	twice := append(bytes.Clone(crc32), crc32...)
	for _, test := range []struct {
		name       string
		file       []byte
		decompress Fact
		kind       kmod.Compression
		flags      Flags
		want       Fact
	}{
		{"kernel", crc32, Yes, kmod.XZ, 0, Yes},
		{"kernel refuses", crc64, Yes, kmod.XZ, 0, No},
		{"kernel knows another", crc64, Yes, kmod.Zstd, 0, Yes},
		{"modprobe", crc64, No, kmod.None, 0, Yes},
		{"either", crc32, Maybe, kmod.None, 0, Yes},
		{"either, the kernel would refuse", crc64, Maybe, kmod.None, 0, Maybe},
		{"kernel of which the kind is not known", crc32, Yes, kmod.None, 0, Maybe},
		{"modprobe, two streams", twice, No, kmod.None, 0, Maybe},
		{"either, two streams", twice, Maybe, kmod.None, 0, Maybe},
		{"kernel, two streams", twice, Yes, kmod.XZ, 0, Yes},
		{"modprobe forces", crc32, No, kmod.None, IgnoreVermagic, Maybe},
	} {
		k := small(t, "hashes", "main")
		k.Decompress, k.Decompressor = test.decompress, test.kind
		r := check(t, k, test.file, Request{Flags: test.flags})
		for _, a := range r.Answers {
			if a.Loads != test.want {
				t.Errorf("%s, %s: %v, want %v: %+v", test.name, a.Mode, a.Loads, test.want, r.Steps)
			}
		}
	}
	k := small(t, "hashes", "main")
	k.Decompress = No
	if a := check(t, k, crc32, Request{Call: FinitModule, Flags: CompressedFile}).Answers[0]; a.Errno != eNotSup {
		t.Errorf("kernel without a decompressor: %v", a)
	}
	k.Decompress = Maybe
	if a := check(t, k, crc32, Request{Call: FinitModule, Flags: CompressedFile}).Answers[0]; a.Loads != Maybe {
		t.Errorf("kernel with or without a decompressor: %v", a)
	}
}

func FuzzDecompress(f *testing.F) {
	for _, name := range []string{"crc32.xz", "x86.xz", "blocks.xz", "plain.gz", "named.gz", "plain.zst", "long27.zst"} {
		f.Add(compressed(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, name := range []string{".xz", ".gz", ".zst"} {
			k := decompressing(t, name)
			c := NewChecker(k, Options{MaxSize: 1 << 20})
			defer c.Close()
			r, err := c.Check(bytes.NewReader(b), int64(len(b)), Request{Call: FinitModule, Flags: CompressedFile})
			if err != nil || len(r.Answers) != 3 {
				t.Fatal(r, err)
			}
		}
	})
}
