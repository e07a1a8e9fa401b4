// SPDX-License-Identifier: Apache-2.0

package kconfig

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestSet(t *testing.T) {
	const sig = "# head\nCONFIG_MODULE_SIG=y\nCONFIG_MODULE_COMPRESS=y\n"
	for _, c := range []struct {
		name, text, symbol string
		value              Value
		want               string
	}{
		{"as it is", "CONFIG_A=y\nCONFIG_B=y", "A", Yes, "CONFIG_A=y\nCONFIG_B=y"},
		{"on", "# CONFIG_A is not set\n# x\n", "A", Yes, "CONFIG_A=y\n# x\n"},
		{"off", "CONFIG_A=y\n", "A", No, "# CONFIG_A is not set\n"},
		{"off as n is off already", "CONFIG_A=n\n", "A", No, "CONFIG_A=n\n"},
		{"module", "CONFIG_A=y\n", "A", Mod, "CONFIG_A=m\n"},
		{"string over is not set", "# CONFIG_A is not set\n", "A", String(`a"\b`), `CONFIG_A="a\"\\b"` + "\n"},
		{"string written otherwise", `CONFIG_A="\a"` + "\n", "A", String("a"), `CONFIG_A="\a"` + "\n"},
		{"empty string", "CONFIG_A=\"a\"\n", "A", String(""), "CONFIG_A=\"\"\n"},
		{"int", "CONFIG_A=1\n", "A", Int(-2), "CONFIG_A=-2\n"},
		{"hex", "CONFIG_A=0X1\n", "A", Hex(255), "CONFIG_A=0xff\n"},
		{"CR LF kept", "CONFIG_A=y\r\nCONFIG_B=y\r\n", "A", No, "# CONFIG_A is not set\r\nCONFIG_B=y\r\n"},
		{"mixed line ends kept", "CONFIG_A=y\nCONFIG_B=y\r\n", "A", No, "# CONFIG_A is not set\nCONFIG_B=y\r\n"},
		{"no last line end", "CONFIG_A=y", "A", No, "# CONFIG_A is not set"},
		{"the last of two", "CONFIG_A=y\n#\nCONFIG_A=m\n", "A", Yes, "CONFIG_A=y\n#\nCONFIG_A=y\n"},
		{"the one that counted was not the last line", "CONFIG_A=y\nCONFIG_A=\"x\n", "A", Yes, "CONFIG_A=y\nCONFIG_A=y\n"},
		{"unterminated is mended", "CONFIG_A=\"x\nCONFIG_B=y\n", "A", String("x"), "CONFIG_A=\"x\"\nCONFIG_B=y\n"},
		{"not set with a tail", "CONFIG_A=y\n# CONFIG_A is not set here\n", "A", Yes, "CONFIG_A=y\nCONFIG_A=y\n"},
		{"bad lines kept", ">>>\nCONFIG_A=y\n ?\n", "A", No, ">>>\n# CONFIG_A is not set\n ?\n"},
		{"name that begins alike", "CONFIG_AB=y\n", "A", Yes, "CONFIG_AB=y\nCONFIG_A=y\n"},
		{"to an empty file", "", "A", Yes, "CONFIG_A=y\n"},
		{"at the end", "CONFIG_B=y\n", "A", No, "CONFIG_B=y\n# CONFIG_A is not set\n"},
		{"at the end without line end", "CONFIG_B=y", "A", Yes, "CONFIG_B=y\nCONFIG_A=y\n"},
		{"at the end with CR LF", "CONFIG_B=y\r\n", "A", Yes, "CONFIG_B=y\r\nCONFIG_A=y\r\n"},
		{"at the end, of CR LF, without line end", "CONFIG_B=y\r\n#", "A", Yes, "CONFIG_B=y\r\n#\r\nCONFIG_A=y\r\n"},
		{"behind a neighbour", sig, "MODULE_SIG_ALL", No, "# head\nCONFIG_MODULE_SIG=y\n# CONFIG_MODULE_SIG_ALL is not set\nCONFIG_MODULE_COMPRESS=y\n"},
		{"before a neighbour", "# head\r\nCONFIG_SYSTEM_TRUSTED_KEYRING=y\r\n", "MODULE_SIG_KEY", String(""), "# head\r\nCONFIG_MODULE_SIG_KEY=\"\"\r\nCONFIG_SYSTEM_TRUSTED_KEYRING=y\r\n"},
		{"before the first line", "CONFIG_SYSTEM_TRUSTED_KEYRING=y\r\n", "MODULE_SIG_KEY", String(""), "CONFIG_MODULE_SIG_KEY=\"\"\r\nCONFIG_SYSTEM_TRUSTED_KEYRING=y\r\n"},
		{"behind a neighbour without line end", "CONFIG_MODULE_SIG=y", "MODULE_HASHES", Yes, "CONFIG_MODULE_SIG=y\nCONFIG_MODULE_HASHES=y\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := parse(t, c.text)
			if err := f.Set(c.symbol, c.value); err != nil {
				t.Fatal(err)
			}
			if got := string(f.Bytes()); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			checkSet(t, f, c.symbol, c.value)
		})
	}
}

// checkSet checks what holds after each Set.
func checkSet(t testing.TB, f *File, symbol string, v Value) {
	t.Helper()
	if got, ok := f.Get(symbol); !ok || got != v {
		t.Errorf("%s is %s, was set to %s", symbol, got, v)
	}
	once := f.Bytes()
	if err := f.Set(symbol, v); err != nil || !bytes.Equal(f.Bytes(), once) {
		t.Errorf("a second edit changed the file, or failed: %v", err)
	}
	again := parse(t, string(once))
	if got, _ := again.Get(symbol); got != v || again.Line(symbol) != f.Line(symbol) {
		t.Errorf("read again %s is %s in line %d", symbol, got, again.Line(symbol))
	}
}

func TestSetRefused(t *testing.T) {
	for _, c := range []struct {
		symbol string
		value  Value
	}{
		{"", Yes}, {"CONFIG_A=y\nCONFIG_B", Yes}, {"A B", Yes}, {"A-B", Yes}, {"Ä", Yes},
		{"A", ""}, {"A", "x"}, {"A", "yes"}, {"A", "Y"}, {"A", "\"a"}, {"A", "\"a\"b"}, {"A", "y\nCONFIG_B=y"}, {"A", "'a'"}, {"A", " y"},
		{"A", String("a\nb")}, {"A", String("\x00")}, {"A", `"\a"`}, {"A", "1 "}, {"A", "0x"}, {"A", String(strings.Repeat("x", MaxSize))},
	} {
		f := parse(t, "CONFIG_A=y\n")
		if err := f.Set(c.symbol, c.value); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q=%.40q: got %v", c.symbol, c.value, err)
		}
		if string(f.Bytes()) != "CONFIG_A=y\n" {
			t.Errorf("%q=%.40q changed the file", c.symbol, c.value)
		}
	}
}

func TestDelete(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"CONFIG_A=y\nCONFIG_B=y\n", "CONFIG_B=y\n"},
		{"CONFIG_B=y\nCONFIG_A=y", "CONFIG_B=y\n"},
		{"CONFIG_A=y\n#\n# CONFIG_A is not set\nCONFIG_A=\"\r\nCONFIG_A=m", "#\n"},
		{"# CONFIG_A is not set, no\nCONFIG_AA=y\n", "CONFIG_AA=y\n"},
		{"CONFIG_B=y", "CONFIG_B=y"},
	} {
		f := parse(t, c.text)
		f.Delete("A")
		if got := string(f.Bytes()); got != c.want || f.Has("A") {
			t.Errorf("%q: got %q, want %q", c.text, got, c.want)
		}
	}
}

func TestChoose(t *testing.T) {
	hashes := []string{"MODULE_SIG_SHA256", "MODULE_SIG_SHA384", "MODULE_SIG_SHA512"}
	for _, c := range []struct{ text, member, want string }{
		{"CONFIG_MODULE_SIG_SHA256=y\n# CONFIG_MODULE_SIG_SHA512 is not set\n", "MODULE_SIG_SHA512", "# CONFIG_MODULE_SIG_SHA256 is not set\nCONFIG_MODULE_SIG_SHA512=y\n"},
		{"CONFIG_MODULE_SIG_SHA256=y\n#\n", "MODULE_SIG_SHA384", "# CONFIG_MODULE_SIG_SHA256 is not set\nCONFIG_MODULE_SIG_SHA384=y\n#\n"},
		{"CONFIG_MODULE_SIG_SHA256=y\n", "MODULE_SIG_SHA256", "CONFIG_MODULE_SIG_SHA256=y\n"},
	} {
		f := parse(t, c.text)
		if err := f.Choose(c.member, hashes...); err != nil {
			t.Fatal(err)
		}
		if got := string(f.Bytes()); got != c.want {
			t.Errorf("%q: got %q, want %q", c.text, got, c.want)
		}
	}
	f := parse(t, "CONFIG_X1=y\n#\n")
	if err := f.Choose("X2", "X1", "X2"); err != nil || string(f.Bytes()) != "# CONFIG_X1 is not set\nCONFIG_X2=y\n#\n" {
		t.Errorf("a choice that the package does not know: %q, %v", f.Bytes(), err)
	}
	if err := f.Choose("A B", "X1"); !errors.Is(err, ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

// TestRealEdits sets each symbol of the real files that menus names, and looks
// at which lines changed.
func TestRealEdits(t *testing.T) {
	for name, text := range real(t) {
		for _, menu := range menus {
			for _, symbol := range menu {
				f := parse(t, text)
				v := String(symbol)
				had := f.Has(symbol)
				if err := f.Set(symbol, v); err != nil {
					t.Fatal(err)
				}
				added := "CONFIG_" + symbol + "=\"" + symbol + "\"\n"
				before, after, ok := strings.Cut(string(f.Bytes()), added)
				if !ok {
					t.Fatalf("%s: %s was not written", name, symbol)
				}
				gone := text[len(before) : len(text)-len(after)]
				if text[:len(before)] != before || !strings.HasSuffix(text, after) ||
					had != (gone != "") || had && (strings.Count(gone, "\n") != 1 || !strings.Contains(gone, "CONFIG_"+symbol)) {
					t.Errorf("%s: %s: in the place of %q", name, symbol, gone)
				}
				if after == "" {
					t.Errorf("%s: %s went to the end", name, symbol)
				}
			}
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add(readFile(f, "testdata/oracle/in.config"), "STRING_042", "y")
	f.Add(readFile(f, "testdata/oracle/out-6.1.config")+"CONFIG_A=\"\\\r\n", "A", `"\\"`)
	f.Add("CONFIG_A=y\r\n# CONFIG_A is not set", "A", "n")
	f.Add("", "MODULE_SIG_KEY", "\"\"")
	f.Fuzz(func(t *testing.T, text, symbol, value string) {
		file, err := Parse([]byte(text))
		if (file == nil) != (err != nil) {
			t.Fatal("result and error")
		}
		if err != nil {
			return
		}
		if string(file.Bytes()) != text {
			t.Fatal("other bytes")
		}
		had := file.Has(symbol)
		if err := file.Set(symbol, Value(value)); err != nil {
			if string(file.Bytes()) != text {
				t.Fatal("changed in spite of the error")
			}
			return
		}
		checkSet(t, file, symbol, Value(value))
		if n := strings.Count(text, "\n") - strings.Count(string(file.Bytes()), "\n"); n > 0 || n < -2 || had && n != 0 {
			t.Fatalf("%d lines lost", n)
		}
		file.Delete(symbol)
		if _, ok := file.Get(symbol); ok || file.Has(symbol) {
			t.Fatal("not deleted")
		}
		if !had {
			if rest := string(file.Bytes()); rest != text && rest != text+"\n" && rest != text+"\r\n" {
				t.Fatalf("adding and deleting changed %q to %q", text, rest)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	text := []byte(readFile(b, "testdata/real/config-7.2.13+deb14-amd64.gz"))
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}
