// SPDX-License-Identifier: Apache-2.0

package hashset

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// abc are the texts over the modules a, b and c of one byte.
func abc(t testing.TB) map[string]*CText {
	root := lettersTree(3).Root()
	names := []string{"drivers/a.ko", "drivers/b.ko", "drivers/c.ko"}
	full, reserved := make([]Entry, 3), make([]Entry, 3)
	for i, d := range []string{flatA, flatB, flatC} {
		full[i] = Entry{Name: names[i], Digest: digest(t, d)}
		reserved[i] = Entry{Name: names[i]}
	}
	return map[string]*CText{
		"v3":         {Version: CVersion3, Entries: full},
		"v3-reserve": {Version: CVersion3, Entries: reserved},
		"v4":         {Version: CVersion4, Root: root},
		"v5":         {Version: CVersion5, Root: root},
	}
}

// TestCTextDigests holds the texts to the published vectors; for versions 4 and 5
// the generators of the kernel series wrote the same.
func TestCTextDigests(t *testing.T) {
	texts := abc(t)
	for name, want := range map[string]struct {
		size   int
		digest string
	}{
		"v3":         {772, "64d6f839998f26002d6f395736152312f72b598fde8b8feeeb873651ad648270"},
		"v3-reserve": {196, "fa23181da1008a01661a3c6309619b4650f788701e0a7962971ceb252e640107"},
		"v4":         {345, "c9f9ee80ff718e29e6ad047b5b13b7c71ccc54a1b7644bea1ad17dece8b1716d"},
		"v5":         {347, "891f0895ea28b733612f8b5cac72a5432e630698c9b894ebf16fd793181d6b3f"},
	} {
		b := mustText(t, texts[name])
		if got := fmt.Sprintf("%x", sha256.Sum256(b)); len(b) != want.size || got != want.digest {
			t.Errorf("%s: %d bytes, %s; want %d, %s", name, len(b), got, want.size, want.digest)
		}
	}
}

// TestCTextGolden shows the texts themselves, and those of no module.
func TestCTextGolden(t *testing.T) {
	texts := abc(t)
	texts["v3-none"] = &CText{Version: CVersion3}
	texts["v5-none"] = &CText{Version: CVersion5}
	for name, c := range texts {
		want, err := os.ReadFile("testdata/" + name + ".c.txt")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(mustText(t, c))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		got, err := ParseCText(want)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(c, got); diff != "" {
			t.Errorf("%s: parsed (-want +got):\n%s", name, diff)
		}
	}
}

func TestCTextTenLevels(t *testing.T) {
	c := &CText{Version: CVersion5, Root: Root{13, Digest{1}}}
	b := mustText(t, c)
	if len(b) != 348 || !strings.Contains(string(b), "\t.levels = 13,\n") {
		t.Errorf("%d bytes:\n%s", len(b), b)
	}
	if got, err := ParseCText(b); err != nil || !reflect.DeepEqual(got, c) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestCTextWriterRefuses(t *testing.T) {
	row := func(name string) *CText {
		return &CText{Version: CVersion3, Entries: []Entry{{Name: name, Digest: Digest{1}}}}
	}
	mixed := abc(t)["v3"]
	mixed.Entries[1].Digest = Digest{}
	for want, c := range map[string]*CText{
		"unknown version \"v1\"":  {Version: "v1"},
		"unknown version \"\"":    {},
		"flat list with a root":   {Version: CVersion3, Root: Root{1, Digest{1}}},
		"with 1 digests":          {Version: CVersion5, Root: Root{1, Digest{1}}, Entries: make([]Entry, 1)},
		"33 levels":               {Version: CVersion5, Root: Root{33, Digest{1}}},
		"0 levels with a hash":    {Version: CVersion4, Root: Root{0, Digest{1}}},
		"a hash of zeros":         {Version: CVersion4, Root: Root{1, Digest{}}},
		"does not end in .ko":     row("drivers/a.o"),
		"\"a*/b.ko\" cannot":      row("a*/b.ko"),
		`"a\\b.ko" cannot`:        row(`a\b.ko`),
		"the byte 0x0a":           row("a\nb.ko"),
		"the byte 0x20":           row("a b.ko"),
		"module 1: drivers/b.ko ": mixed,
	} {
		if b, err := c.AppendTo([]byte("x")); err == nil || !strings.Contains(err.Error(), want) || string(b) != "x" {
			t.Errorf("%d bytes, %v; want %q", len(b), err, want)
		}
	}
}

func TestParseCTextRefuses(t *testing.T) {
	texts := map[string]string{}
	for name, c := range abc(t) {
		texts[name] = string(mustText(t, c))
	}
	edit := func(name, old, new string) string {
		if !strings.Contains(texts[name], old) {
			t.Fatalf("%s does not hold %q", name, old)
		}
		return strings.Replace(texts[name], old, new, 1)
	}
	for _, tt := range []struct {
		name, text string
		line       int
		want       string
	}{
		{"empty", "", 1, "the text ends here"},
		{"another file", "int main;\n", 1, `have "int main;\n"`},
		{"no empty line", edit("v5", "\n\n", "\n"), 2, `want "\n"`},
		{"CR", strings.ReplaceAll(texts["v5"], "\n", "\r\n"), 1, "want"},
		{"only the include", "#include <linux/module_hashes.h>\n\n", 3, "no known version"},
		{"another declaration", edit("v5", "const struct\n", "struct\n"), 3, "no known version"},
		{"text between v4 and v5", edit("v4", "const struct ", "const struct\n"), 6, `want "\t.hash = {{\n"`},
		{"v4 with double braces", edit("v4", "{\n\t\t", "{{\n\t\t"), 5, `want "\t.hash = {\n"`},
		{"v5 with one brace closed", edit("v5", "}},", "},"), 11, "want"},
		{"levels with zero", edit("v5", "= 2,", "= 02,"), 5, "leading zeros"},
		{"levels in hex", edit("v5", "= 2,", "= 0x2,"), 5, "number"},
		{"33 levels", edit("v5", "= 2,", "= 33,"), 5, "33 levels"},
		{"0 levels", edit("v5", "= 2,", "= 0,"), 5, "0 levels with"},
		{"capital hex", edit("v5", "0xe5", "0xE5"), 7, "lower-case"},
		{"not hex", edit("v5", "0xe5", "0xg5"), 7, "lower-case"},
		{"blank at the end of a line", edit("v5", "0x9f,\n", "0x9f, \n"), 7, "want"},
		{"seven on a line", edit("v5", " 0x9f,\n", "\n"), 7, "want"},
		{"cut in the hash", texts["v5"][:200], 8, "want"},
		{"no final line feed", strings.TrimSuffix(texts["v5"], "\n"), 12, `want "};\n"`},
		{"line at the end", texts["v5"] + "\n", 13, "1 bytes after the end"},
		{"flat: v1 row", edit("v3", "0xbb, },", "0xbb,  },"), 5, "want"},
		{"flat: 31 bytes", edit("v3", "0xca, ", ""), 5, "want"},
		{"flat: 33 bytes", edit("v3", "0xca, ", "0xca, 0xca, "), 5, "want"},
		{"flat: no empty line", edit("v3", "},\n\n", "},\n"), 6, "want"},
		{"flat: no comment", edit("v3", "\t/* drivers/b.ko */\n", ""), 7, "want"},
		{"flat: comment ends early", edit("v3", "drivers/b.ko", "*/x.ko"), 7, "cannot stand"},
		{"flat: .o", edit("v3", "drivers/b.ko", "drivers/b.o"), 7, "does not end in .ko"},
		{"flat: blank in the name", edit("v3", "drivers/b.ko", "drivers/ b.ko"), 7, "0x20"},
		{"flat: comment not closed", edit("v3", "b.ko */", "b.ko"), 7, "end of the comment"},
		{"flat: one reserved row", edit("v3-reserve", "\t{ },", "\t{ "+strings.Repeat("0x01, ", 32)+"},"), 7, "b.ko and the rows before"},
		{"flat: digest of zeros", edit("v3-reserve", "\t{ },", "\t{ "+strings.Repeat("0x00, ", 32)+"},"), 5, "digest of zeros"},
		{"flat: no end", strings.TrimSuffix(texts["v3"], "};\n"), 13, "the text ends here"},
		{"flat: bytes after the end", texts["v3"] + "int x;\n", 14, "7 bytes after"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := ParseCText([]byte(tt.text))
			var syn *SyntaxError
			if c != nil || !errors.As(err, &syn) {
				t.Fatalf("%+v, %v", c, err)
			}
			if syn.Line != tt.line || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "c text line ") {
				t.Errorf("%v; want line %d, %q", err, tt.line, tt.want)
			}
		})
	}
}

// TestCTextEveryByte changes and cuts each byte of each text: what is still read
// is not the same, and is written as it was read.
func TestCTextEveryByte(t *testing.T) {
	for name, c := range abc(t) {
		good := mustText(t, c)
		for i := range good {
			if got, err := ParseCText(good[:i]); err == nil {
				t.Fatalf("%s cut at %d: %+v", name, i, got)
			}
			for _, x := range []byte{0x01, 0x02, 0x04, 0x10, 0x20, 0x80} {
				good[i] ^= x
				if got, err := ParseCText(good); err == nil {
					if back := mustText(t, got); string(back) != string(good) || reflect.DeepEqual(got, c) {
						t.Fatalf("%s offset %d ^ %02x: read as %+v", name, i, x, got)
					}
				}
				good[i] ^= x
			}
		}
	}
}

func FuzzParseCText(f *testing.F) {
	for _, c := range abc(f) {
		f.Add(mustText(f, c))
	}
	f.Add(mustText(f, &CText{Version: CVersion3}))
	f.Add(mustText(f, &CText{Version: CVersion5}))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseCText(data)
		if (err == nil) != (c != nil) {
			t.Fatalf("%+v with error %v", c, err)
		}
		if err == nil && string(mustText(t, c)) != string(data) {
			t.Fatal("a text is not written as it was read")
		}
	})
}
