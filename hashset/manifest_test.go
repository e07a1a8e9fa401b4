// SPDX-License-Identifier: Apache-2.0

package hashset

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// example is a manifest of the first n modules of the published vectors.
func example(n int, s Scheme) *Manifest {
	m := &Manifest{Release: "6.12.0-example", Arch: "x86_64 elf64 little", Scheme: s}
	if n == 0 {
		m.Arch = ArchNone
	}
	var digests []Digest
	for i := range n {
		h := NewHasher(s, uint32(i))
		h.Write([]byte(letters(i)))
		d, _ := h.Sum()
		digests = append(digests, d)
		m.Entries = append(m.Entries, Entry{Name: fmt.Sprintf("kernel/drivers/m%d.ko", i), Digest: d})
	}
	switch s {
	case Merkle:
		m.Root = lettersTree(n).Root()
	case Flat:
		m.Root = FlatRoot(digests)
	}
	return m
}

func text(t testing.TB, m *Manifest) string {
	t.Helper()
	var b bytes.Buffer
	if n, err := m.WriteTo(&b); err != nil || n != int64(b.Len()) {
		t.Fatalf("WriteTo: %d, %v", n, err)
	}
	return b.String()
}

// TestGolden holds the format fixed: these files must never change.
func TestGolden(t *testing.T) {
	withImage := example(3, Merkle)
	withImage.Image = ImageDigest{ImageSHA256, FlatRoot(nil).Hash}
	notCovered := example(1, None)
	notCovered.Image.State = ImageNotCovered
	for name, m := range map[string]*Manifest{
		"merkle": withImage, "flat": example(3, Flat), "none": notCovered,
		"empty-merkle": example(0, Merkle), "empty-flat": example(0, Flat), "empty-none": example(0, None),
	} {
		want, err := os.ReadFile("testdata/" + name + ".modhash")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), text(t, m)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		got, err := Parse(bytes.NewReader(want))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if m.Entries == nil {
			m.Entries = []Entry{}
		}
		if diff := cmp.Diff(m, got); diff != "" {
			t.Errorf("%s: parsed (-want +got):\n%s", name, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good := text(t, example(3, Merkle))
	flat := text(t, example(3, Flat))
	lines := strings.SplitAfter(good, "\n")
	edit := func(old, new string) string {
		if strings.Count(good, old) == 0 {
			t.Fatalf("%q is not in the manifest", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	drop := func(i int) string { return strings.Join(append(append([]string{}, lines[:i]...), lines[i+1:]...), "") }
	swap := func(i int) string {
		l := append([]string{}, lines...)
		l[i], l[i+1] = l[i+1], l[i]
		return strings.Join(l, "")
	}
	tests := []struct {
		name, text string
		line       int
		want       string
	}{
		{"empty", "", 1, "not a manifest"},
		{"another file", "hello\n", 1, "not a manifest"},
		{"another file without line feed", "hello", 1, "not a manifest"},
		{"version 2", edit("manifest v1", "manifest v2"), 1, `version "v2"`},
		{"version 1.0", edit("manifest v1", "manifest v1.0"), 1, "version"},
		{"only the first line", lines[0], 2, "too early"},
		{"no final line feed", strings.TrimSuffix(good, "\n"), 11, "no line feed"},
		{"empty line at the end", good + "\n", 12, "more lines than the 3"},
		{"bytes at the end", good + "x", 12, "no line feed"},
		{"CR", strings.ReplaceAll(good, "\n", "\r\n"), 1, "carriage return"},
		{"CR in one line", edit("m0.ko\n", "m0.ko\r\n"), 9, "carriage return"},
		{"no release line", drop(1), 2, "# release: "},
		{"header lines swapped", swap(1), 2, "# release: "},
		{"header line twice", edit("# arch", lines[2]+"# arch"), 4, "# digest: "},
		{"unknown header line", edit("# image", "# time: 0\n# image"), 5, "# image: "},
		{"two spaces after the colon", edit("release: ", "release:  "), 2, "0x20"},
		{"no space after the colon", edit("release: ", "release:"), 2, "# release: "},
		{"tab", edit("release: ", "release:\t"), 2, "# release: "},
		{"empty release", edit("6.12.0-example", ""), 2, "empty kernel release"},
		{"release with a slash", edit("6.12.0-example", "../x"), 2, "no folder's name"},
		{"arch none with modules", edit("x86_64 elf64 little", "none"), 3, "arch"},
		{"arch of two words", edit("x86_64 elf64 little", "x86_64 elf64"), 3, "arch"},
		{"arch with capitals", edit("x86_64 elf64 little", "X86 elf64 little"), 3, "arch"},
		{"digest algorithm", edit("digest: sha256", "digest: sha512"), 4, `digest "sha512"`},
		{"image word", edit("image: none", "image: None"), 5, "image"},
		{"image digest short", edit("image: none", "image: sha256 00"), 5, "digest has 2"},
		{"count too small", edit("modules: 3", "modules: 2"), 11, "more lines than the 2"},
		{"count too large", edit("modules: 3", "modules: 4"), 12, "ends after 3"},
		{"count huge", edit("modules: 3", "modules: 2147483647"), 12, "ends after 3"},
		{"count above 31 bits", edit("modules: 3", "modules: 2147483648"), 6, "number"},
		{"count with zero", edit("modules: 3", "modules: 03"), 6, "leading zeros"},
		{"count with sign", edit("modules: 3", "modules: +3"), 6, "number"},
		{"count negative", edit("modules: 3", "modules: -3"), 6, "number"},
		{"hashset", edit("merkle/1", "merkle/2"), 7, `"merkle/2"`},
		{"levels with zero", edit("root: 2", "root: 02"), 8, "leading zeros"},
		{"other levels", edit("root: 2", "root: 3"), 8, "3 modules make 2"},
		{"no levels", edit("root: 2 ", "root: "), 8, "want levels"},
		{"root in capitals", edit("root: 2 4438e5", "root: 2 4438E5"), 8, "'E'"},
		{"flat root of other digests", strings.Replace(flat, "ca978112", "ca978113", 1), 8, "listed digests make"},
		{"digest short", edit("\nca978112", "\na978112"), 9, "63 characters"},
		{"digest in capitals", edit("\nca978112", "\nCa978112"), 9, "'C'"},
		{"one space", edit("48bb  kernel", "48bb kernel"), 9, "two spaces"},
		{"three spaces", edit("48bb  kernel", "48bb   kernel"), 9, "want kernel/"},
		{"binary mode star", edit("48bb  kernel", "48bb *kernel"), 9, "two spaces"},
		{"name twice", edit("m1.ko", "m0.ko"), 10, "module 0 already"},
		{"name outside kernel", edit("kernel/drivers/m1.ko", "updates/m1.ko"), 10, "want kernel/"},
		{"absolute name", edit("kernel/drivers/m1.ko", "/kernel/m1.ko"), 10, "want kernel/"},
		{"name with ..", edit("kernel/drivers/m1.ko", "kernel/../m1.ko"), 10, "no clean path"},
		{"name with //", edit("kernel/drivers/m1.ko", "kernel//m1.ko"), 10, "no clean path"},
		{"compressed name", edit("m1.ko", "m1.ko.xz"), 10, "want kernel/"},
		{"name is the suffix", edit("m1.ko", ".ko"), 10, "want kernel/"},
		{"name with backslash", edit("m1.ko", `m\1.ko`), 10, "backslash"},
		{"name with blank", edit("m1.ko", "m 1.ko"), 10, "0x20"},
		{"name with control byte", edit("m1.ko", "m\x1b1.ko"), 10, "0x1b"},
		{"name above ASCII", edit("m1.ko", "mé.ko"), 10, "0xc3"},
		{"name with NUL", edit("m1.ko", "m\x001.ko"), 10, "0x00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := Parse(strings.NewReader(tt.text))
			var syn *SyntaxError
			if m != nil || !errors.As(err, &syn) {
				t.Fatalf("got %v, %v", m, err)
			}
			if syn.Line != tt.line || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v; want line %d, %q", err, tt.line, tt.want)
			}
		})
	}
}

// TestEveryByte changes each byte of a manifest in several ways. What is left
// may be a manifest, but never the same one.
func TestEveryByte(t *testing.T) {
	for _, s := range []Scheme{Merkle, Flat, None} {
		m := example(3, s)
		good := []byte(text(t, m))
		for i := range good {
			for _, x := range []byte{0x01, 0x02, 0x10, 0x20, 0x80, 0xff} {
				bad := bytes.Clone(good)
				bad[i] ^= x
				got, err := Parse(bytes.NewReader(bad))
				if (err == nil) != (got != nil) {
					t.Fatalf("offset %d: %v with error %v", i, got, err)
				}
				if err == nil && cmp.Equal(got, m) {
					t.Fatalf("offset %d ^ %02x: read as the unchanged manifest", i, x)
				}
			}
			if _, err := Parse(bytes.NewReader(good[:i])); err == nil {
				t.Fatalf("cut at %d: accepted", i)
			}
		}
	}
}

func TestWriteToRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*Manifest){
		"no scheme":    func(m *Manifest) { m.Scheme = "" },
		"release":      func(m *Manifest) { m.Release = "a b" },
		"long release": func(m *Manifest) { m.Release = strings.Repeat("6", 256) },
		"arch":         func(m *Manifest) { m.Arch = "" },
		"levels":       func(m *Manifest) { m.Root.Levels++ },
		"image":        func(m *Manifest) { m.Image.Digest[0]++ },
		"image state":  func(m *Manifest) { m.Image.State = 9 },
		"name twice":   func(m *Manifest) { m.Entries[1] = m.Entries[0] },
		"long name":    func(m *Manifest) { m.Entries[1].Name = "kernel/" + strings.Repeat("x", 5000) + ".ko" },
		"root":         func(m *Manifest) { m.Entries, m.Arch, m.Root.Levels = nil, ArchNone, 0 },
	} {
		m := example(3, Merkle)
		spoil(m)
		var b bytes.Buffer
		if _, err := m.WriteTo(&b); err == nil || b.Len() != 0 {
			t.Errorf("%s: error %v, %d bytes written", name, err, b.Len())
		}
	}
	m := example(2, None)
	m.Root.Levels = 1
	if err := m.Check(); err == nil {
		t.Error("scheme none with a root: accepted")
	}
}

func TestParseTooLarge(t *testing.T) {
	if _, err := Parse(strings.NewReader(strings.Repeat("x", MaxSize+1))); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []Scheme{Merkle, Flat, None} {
		f.Add([]byte(text(f, example(3, s))))
		f.Add([]byte(text(f, example(0, s))))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse(bytes.NewReader(data))
		if (err == nil) != (m != nil) {
			t.Fatalf("%v with error %v", m, err)
		}
		if err == nil && text(t, m) != string(data) {
			t.Fatal("a parsed manifest is not written as it was read")
		}
	})
}

func ExampleParse() {
	m, err := Parse(strings.NewReader(`# modhash manifest v1
# release: 6.12.0-example
# arch: x86_64 elf64 little
# digest: sha256
# image: none
# modules: 1
# hashset: merkle/1
# root: 1 71b20050572c5194708697f5bd03d9449beed0d882be1a9f0d802e81c0b7d3e3
ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  kernel/a.ko
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Release, len(m.Entries), m.Entries[0].Name)
	// Output: 6.12.0-example 1 kernel/a.ko
}
