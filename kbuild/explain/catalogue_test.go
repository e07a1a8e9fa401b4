// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/modsig/trailer"
)

func packed(t testing.TB, name string) []byte { return testFile(t, "packed", name) }

// signed is base.ko with a message that openssl made.
func signed(t testing.TB, name string) []byte {
	return trailer.Append(built(t, "base"), testFile(t, "signed", name+".p7s"), trailer.PKCS7)
}

// proven is base.ko with a proof of as many bytes as a small hashset's has.
func proven(t testing.TB, fill byte) []byte {
	return trailer.Append(built(t, "base"), append([]byte{0, 0, 0, 5}, bytes.Repeat([]byte{fill}, 96)...), trailer.Merkle)
}

func testFile(t testing.TB, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// cases are pairs in which one thing differs, by the catalogue of causes of differing
// builds. Made says by what: a compiler, a compressor, openssl; or that the pair was
// constructed.
var cases = []struct {
	name, made string
	a, b       func(t testing.TB) []byte
	want       []string
	explained  bool
}{
	{"ECDSA nonce", "openssl", sig("nonce"), sig("nonce-2"), []string{"signature.nonce"}, true},
	{"signing time", "openssl", sig("time"), sig("time-2"), []string{"signature.nonce"}, true},
	{"attributes", "openssl", sig("rsa"), sig("time"), []string{"signature.form", "trailer.size"}, true},
	{"signer by key id", "openssl", sig("rsa"), sig("keyid"), []string{"signature.form", "trailer.size"}, true},
	{"digest of the signature", "openssl", sig("rsa"), sig("hash"), []string{"signature.hash"}, true},
	{"algorithm", "openssl", sig("rsa"), sig("nonce"), []string{"signature.algorithm", "trailer.size"}, true},
	{"RSA-PSS, which no kernel takes", "openssl", sig("rsa"), sig("pss"), []string{"trailer.size", "unexplained"}, false},
	{"Merkle proof", "constructed", func(t testing.TB) []byte { return proven(t, 1) }, func(t testing.TB) []byte { return proven(t, 2) }, []string{"proof"}, true},
	{"proof or signature", "constructed", func(t testing.TB) []byte { return proven(t, 1) }, sig("rsa"), []string{"trailer.kind"}, true},

	{"build path in the build id", "gcc", mod("id-one"), mod("id-two"), []string{"build-id"}, true},
	{"LTO", "gcc", mod("lto-0"), mod("lto-1"), []string{"lto", "build-id"}, true},
	{"struct module", "gcc", mod("struct-16"), mod("struct-24"), []string{"build-id", "change.data", "layout.offsets", "layout.symbol", "module-struct"}, false},
	{"path in debug information", "gcc", mod("debug"), mod("debug-path"), []string{"build-id", "path.debug", "path.string"}, true},
	{"longer path in debug information", "gcc", mod("debug"), mod("debug-long"),
		[]string{"build-id", "path.debug", "path.string", "layout.offsets", "layout.padding", "layout.relocation", "layout.string-section", "layout.symbol"}, true},
	{"option of the compiler", "gcc", mod("debug"), mod("debug-options"),
		[]string{"build-id", "layout.offsets", "layout.relocation", "layout.string-order", "toolchain.options"}, true},
	{"zlib in debug information", "objcopy", mod("debug"), mod("debug-zlib"), []string{"compression.debug", "layout.offsets", "layout.padding"}, true},
	{"zstd in debug information", "objcopy", mod("debug-zlib"), mod("debug-zstd"), []string{"compression.debug", "layout.offsets", "layout.padding"}, true},
	{"types in another order", "pahole", typed("base"), typed("threads"), []string{"btf.order"}, true},
	{"string in another section", "gcc", table("base"), table("path"),
		[]string{"build-id", "layout.offsets", "layout.padding", "layout.relocation", "layout.section-order", "layout.string-order", "path.string"}, true},
	{"compiler", "constructed", mod("base"), otherCompiler, []string{"build-id", "toolchain.compiler"}, true},
	{"properties of the code", "constructed", properties(1), properties(2), []string{"toolchain.property"}, true},
	{"debug link", "constructed", mod("link-1"), mod("link-2"), []string{"debug-link"}, true},
	{"debug link on one side", "constructed", mod("base"), mod("link-1"), []string{"layout.offsets", "layout.padding", "strip"}, true},

	{"line numbers", "kernel headers", kernel("base"), kernel("lines"), []string{"build-id", "line-numbers"}, true},
	{"modinfo order", "kernel headers", kernel("base"), kernel("modinfo-order"), []string{"build-id", "layout.numbered-name", "modinfo.order"}, true},
	{"flag of modinfo", "kernel headers", kernel("base"), kernel("intree"),
		[]string{"build-id", "layout.numbered-name", "layout.offsets", "layout.padding", "layout.relocation", "layout.symbol", "modinfo.flag"}, true},
	{"date in an object", "kernel headers", kernel("base"), kernel("date"), []string{"build-id", "timestamp.string"}, true},
	{"mitigations", "kernel headers", kernel("base"), kernel("retpoline"), []string{"build-id", "change.code", "change.imports", "change.name",
		"change.relocation", "change.symbol", "layout.code-table", "layout.numbered-name", "layout.offsets", "layout.orc", "layout.padding", "layout.relocation",
		"layout.symbol", "toolchain.hardening"}, false},
	{"unneeded symbols", "strip", kernel("base"), kernel("unneeded"),
		[]string{"layout.offsets", "layout.relocation", "layout.symbol", "strip"}, true},

	{"xz threads", "xz", pack("plain.xz"), pack("threads.xz"), []string{"compression.sums", "compression.xz-blocks"}, true},
	{"xz check", "xz", pack("plain.xz"), pack("check.xz"), []string{"compression.sums", "compression.xz-check"}, true},
	{"xz dictionary", "xz", pack("plain.xz"), pack("dict.xz"), []string{"compression.sums", "compression.xz-dict"}, true},
	{"xz branch filter", "xz", pack("plain.xz"), pack("x86.xz"), []string{"compression.compressor", "compression.sums", "compression.xz-blocks", "compression.xz-filter"}, true},
	{"xz effort", "xz", pack("plain.xz"), pack("effort.xz"), []string{"compression.compressor", "compression.sums"}, true},
	{"zstd level", "zstd", pack("plain.zst"), pack("level.zst"), []string{"compression.compressor"}, true},
	{"zstd from a pipe", "zstd", pack("plain.zst"), pack("pipe.zst"), []string{"compression.compressor", "compression.zstd-frame"}, true},
	{"gzip of another system", "constructed", pack("plain.gz"), func(t testing.TB) []byte {
		b := packed(t, "plain.gz")
		b[9] = 255 // unknown
		return b
	}, []string{"compression.gzip-system"}, true},
	{"gzip level", "gzip", pack("plain.gz"), pack("level.gz"), []string{"compression.compressor", "compression.level"}, true},
	{"gzip name", "gzip", pack("plain.gz"), pack("name.gz"), []string{"compression.gzip-name", "compression.gzip-time"}, true},
	{"gzip time", "gzip", pack("name.gz"), pack("time.gz"), []string{"compression.gzip-time"}, true},
}

// properties is base.ko with a note of such properties where its build id was.
func properties(fill byte) func(testing.TB) []byte {
	return func(t testing.TB) []byte {
		b := built(t, "base")
		at := bytes.Index(b, []byte("\x14\x00\x00\x00\x03\x00\x00\x00GNU\x00"))
		b[at+4] = noteProperty
		b[at+12] = fill
		return b
	}
}

// otherCompiler is base.ko as another compiler would have signed it.
func otherCompiler(t testing.TB) []byte {
	b := bytes.ReplaceAll(built(t, "base"), []byte("12.2.0"), []byte("12.3.0"))
	b[bytes.Index(b, []byte("\x14\x00\x00\x00\x03\x00\x00\x00GNU\x00"))+12] ^= 1 // of the build id
	return b
}

func sig(name string) func(testing.TB) []byte {
	return func(t testing.TB) []byte { return signed(t, name) }
}
func mod(name string) func(testing.TB) []byte {
	return func(t testing.TB) []byte { return built(t, name) }
}
func pack(name string) func(testing.TB) []byte {
	return func(t testing.TB) []byte { return packed(t, name) }
}

// TestCases: each pair has exactly those causes, in both directions.
func TestCases(t *testing.T) {
	for _, tt := range cases {
		a, b := tt.a(t), tt.b(t)
		for _, way := range []string{"", ", mirrored"} {
			acc := explained(t, a, b)
			got := ids(acc)
			slices.Sort(got)
			want := slices.Sorted(slices.Values(tt.want))
			if diff := cmp.Diff(want, got); diff != "" || acc.Explained() != tt.explained {
				t.Errorf("%s (%s)%s: explained %v, causes (-want +got):\n%s", tt.name, tt.made, way, acc.Explained(), diff)
			}
			a, b = b, a
		}
	}
}

// TestCasesTampered changes a byte of side B beside what differs anyway: nothing of
// that kind is acquitted. What remains explained must be in bytes that say nothing
// else, or leave the content as it is.
func TestCasesTampered(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	base := built(t, "base")
	for _, tt := range cases {
		if !tt.explained {
			continue
		}
		a, b := tt.a(t), tt.b(t)
		elf := b[0] == 0x7f
		at := func(int) string { return "" }
		if elf {
			at = sectionAt(t, b)
		}
		for range 40 {
			off := r.IntN(len(b))
			x := bytes.Clone(b)
			x[off] ^= byte(1 + r.IntN(255))
			acc := explained(t, a, x)
			switch in := at(off); {
			case !acc.Explained():
			case benign[in] != "", in == ".gnu_debuglink", in == ".debug_str": // another path, another producer
			case !elf && onlyBuildID(acc): // another compression of equal content
			case slices.Contains(ids(acc), "path.string") && !slices.Contains(tt.want, "path.string"): // of the one path that there is
			case off >= len(base) && bytes.Equal(b[:len(base)], base) && ids(acc)[0] != "trailer.size": // another trailer
			default:
				t.Errorf("%s: byte %#x in %q: only %v", tt.name, off, in, ids(acc))
			}
		}
	}
}

// onlyBuildID: the decompressed bytes are equal but for the build id.
func onlyBuildID(acc *compare.Account) bool {
	return !slices.ContainsFunc(acc.Items, func(it compare.Item) bool { return it.Layer == compare.LayerUnit && it.ID() != "build-id" })
}

// TestOneSidedHeader: what strip removes has a header that gives it no place in
// memory. A section of such a name that is loaded is no debug information.
func TestOneSidedHeader(t *testing.T) {
	base, link := built(t, "base"), built(t, "link-1")
	f, err := elf.NewFile(bytes.NewReader(link))
	if err != nil {
		t.Fatal(err)
	}
	table := int(binary.LittleEndian.Uint64(link[40:]))
	n := slices.IndexFunc(f.Sections, func(s *elf.Section) bool { return s.Name == ".gnu_debuglink" })
	for field, name := range map[int]string{4: "type", 8: "flags", 16: "address", 40: "link", 44: "info", 48: "alignment", 56: "entry size"} {
		x := bytes.Clone(link)
		x[table+64*n+field] ^= 2
		if acc := explained(t, base, x); acc.Explained() {
			t.Errorf("another %s: only %v", name, ids(acc))
		}
	}
}

// TestRelocationsOfDebug: relocations that go with debug information are for it. Those
// that a kernel would apply to code are no debug information, whatever they are called;
// nor is a symbol that needs another module that of a source file.
func TestRelocationsOfDebug(t *testing.T) {
	base, debug := built(t, "base"), built(t, "debug")
	f, err := elf.NewFile(bytes.NewReader(debug))
	if err != nil {
		t.Fatal(err)
	}
	table := int(binary.LittleEndian.Uint64(debug[40:]))
	number := func(name string) int {
		return slices.IndexFunc(f.Sections, func(s *elf.Section) bool { return s.Name == name })
	}
	code, debugInfo := uint32(number(".text")), number(".rela.debug_info")
	x := bytes.Clone(debug)
	binary.LittleEndian.PutUint32(x[table+64*debugInfo+44:], code)
	syms, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	file := 1 + slices.IndexFunc(syms, func(y elf.Symbol) bool { return elf.ST_TYPE(y.Info) == elf.STT_FILE })
	off, _ := sectionRange(t, debug, ".symtab")
	y := bytes.Clone(debug)
	y[off+24*file+6], y[off+24*file+7] = 0, 0 // SHN_UNDEF
	for name, b := range map[string][]byte{"relocations of code": x, "symbol of nothing": y} {
		if acc := explained(t, base, b); acc.Explained() {
			t.Errorf("%s: only %q", name, found(acc))
		}
		if acc := explained(t, b, base); acc.Explained() {
			t.Errorf("%s, mirrored: only %q", name, found(acc))
		}
	}
}
