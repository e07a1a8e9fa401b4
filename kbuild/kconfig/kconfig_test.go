// SPDX-License-Identifier: Apache-2.0

package kconfig

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func parse(t testing.TB, text string) *File {
	t.Helper()
	f, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(path, ".gz") {
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if b, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	return string(b)
}

// TestOracle compares with what Kconfig itself reads from odd lines. The name of
// a symbol there says its type; Kconfig writes the default if it reads nothing.
func TestOracle(t *testing.T) {
	defaults := map[string]Value{"TRISTATE": Yes, "BOOL": Yes, "STRING": `"default"`, "INT": "77", "HEX": "0x77"}
	in := parse(t, readFile(t, "testdata/oracle/in.config"))
	for _, version := range []string{"6.1", "6.12"} {
		out := parse(t, readFile(t, "testdata/oracle/out-"+version+".config"))
		if ps := out.Problems(); len(ps) != 0 {
			t.Errorf("%s: problems in what Kconfig wrote: %v", version, ps)
		}
		n := 0
		for name, want := range out.All() {
			kind, _, _ := strings.Cut(name, "_")
			if kind == "MODULES" {
				continue
			}
			n++
			got, ok := in.Get(name)
			if kind == "BOOL" && got == Mod || kind == "INT" && !isInt(string(got)) || kind == "HEX" && !isHex(string(got)) {
				ok = false // a value of another type than the symbol's
			}
			if got, ok = ofType(kind, got, ok); !ok {
				got = defaults[kind]
			}
			if version == "6.1" && hasProblem(in, name, NotSetTail) {
				continue // where the versions differ: checked below
			}
			if got != want && name != "STRING_059" { // a string, and then "is not set": only the type tells
				t.Errorf("%s: %s is %s, Kconfig reads %s", version, name, got, want)
			}
		}
		if n < 90 {
			t.Fatalf("only %d symbols", n)
		}
	}
	old, now := parse(t, readFile(t, "testdata/oracle/out-6.1.config")), parse(t, readFile(t, "testdata/oracle/out-6.12.config"))
	for name, v := range old.All() {
		if w, _ := now.Get(name); v != w && !hasProblem(in, name, NotSetTail) {
			t.Errorf("%s: Kconfig of 6.1 reads %s, of 6.12 %s, and no problem tells", name, v, w)
		}
	}
}

func ofType(kind string, v Value, ok bool) (Value, bool) {
	tristate := v == Yes || v == Mod || v == No
	switch kind {
	case "STRING":
		return v, ok && v.IsString()
	case "INT", "HEX":
		return v, ok && !v.IsString() && !tristate
	}
	return v, ok && tristate
}

func hasProblem(f *File, name string, kind ProblemKind) bool {
	for _, p := range f.Problems() {
		if p.Symbol == name && p.Kind == kind {
			return true
		}
	}
	return false
}

// TestOracleProblems: each line that Kconfig warns about is a problem, except
// where only the symbol's type makes the value wrong.
func TestOracleProblems(t *testing.T) {
	f := parse(t, readFile(t, "testdata/oracle/in.config"))
	have := map[int]bool{}
	for _, p := range f.Problems() {
		have[p.Line] = true
	}
	n := 0
	for line := range strings.Lines(readFile(t, "testdata/oracle/warnings-6.12.txt")) {
		no, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		i, err := strconv.Atoi(no)
		if err != nil {
			t.Fatal(err)
		}
		n++
		byType := []string{"'m' invalid for BOOL", `'"n"' invalid for BOOL`, "'1' invalid for BOOL", "invalid for INT_069", "'\"1\"' invalid for INT", "'n' invalid for INT", "'12a' invalid for INT", "'-1' invalid for HEX"}
		skip := false
		for _, s := range byType {
			skip = skip || strings.Contains(text, s)
		}
		if !have[i] && !skip {
			t.Errorf("no problem in line %d, of which Kconfig says: %s", i, text)
		}
	}
	if n < 40 {
		t.Fatalf("only %d warnings", n)
	}
}

func TestProblems(t *testing.T) {
	for _, c := range []struct {
		text string
		want []Problem
	}{
		{"", nil},
		{"\n\r\n# a comment\n#\n", nil},
		{"CONFIG_A=y\r\n# CONFIG_B is not set\r\nCONFIG_C=\"c\"", nil},
		{"A=y\n", []Problem{{1, BadLine, "", `neither a symbol's line nor a comment, Kconfig ignores it: "A=y"`}}},
		{"CONFIG_=y\n", []Problem{{1, BadLine, "", `neither a symbol's line nor a comment, Kconfig ignores it: "CONFIG_=y"`}}},
		{"\n<<<<<<< \x1b[31m\n", []Problem{{2, BadLine, "", `neither a symbol's line nor a comment, Kconfig ignores it: "<<<<<<< \x1b[31m"`}}},
		{"CONFIG_A=\"x\n", []Problem{{1, Unterminated, "A", `the string lacks its closing quote, Kconfig ignores the line: "\"x"`}}},
		{"CONFIG_A=yes\n", []Problem{{1, Junk, "A", `Kconfig takes the line for y and ignores what follows: "es"`}}},
		{"CONFIG_A=z\n", []Problem{{1, BadValue, "A", `neither y, m, n, a string in quotes nor a number, Kconfig ignores the line: "z"`}}},
		{"CONFIG_A=y\n\nCONFIG_A=y\n", []Problem{{3, Duplicate, "A", `line 1 said "y", and the last line counts: "y"`}}},
		{"CONFIG_A=\"" + strings.Repeat("é", 60) + "\n", []Problem{{1, Unterminated, "A", "the string lacks its closing quote, Kconfig ignores the line: \"\\\"" + strings.Repeat(`\u00e9`, 29) + `\xc3"...`}}},
	} {
		if d := cmp.Diff(c.want, parse(t, c.text).Problems()); d != "" {
			t.Errorf("%q: (-want +got)\n%s", c.text, d)
		}
	}
	many := parse(t, strings.Repeat("x\n", 1000)).Problems()
	if len(many) != maxProblems+1 || many[maxProblems] != (Problem{Kind: More, Detail: "800 more lines"}) {
		t.Errorf("%d problems, the last %v", len(many), many[len(many)-1])
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"CONFIG_A=y\n\x7fELF\x00", "not a kernel configuration: line 2: NUL byte: the file is binary or damaged"},
		{"\x00", "not a kernel configuration: line 1: NUL byte: the file is binary or damaged"},
		{strings.Repeat("#", MaxSize+1), "not a kernel configuration: it has more than 4194304 bytes"},
	} {
		for i, read := range []func() (*File, error){
			func() (*File, error) { return Parse([]byte(c.text)) },
			func() (*File, error) { return Read(strings.NewReader(c.text)) },
		} {
			f, err := read()
			var fe *FormatError
			if f != nil || !errors.As(err, &fe) || err.Error() != c.want {
				t.Errorf("%d: got %v, want %s", i, err, c.want)
			}
		}
	}
	if f, err := Parse([]byte(strings.Repeat("#", MaxSize))); err != nil || len(f.Bytes()) != MaxSize {
		t.Errorf("a file of the largest size: %v", err)
	}
	if _, err := Read(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("CONFIG_A=y\n")))); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("got %v", err)
	}
	// More than the limit is never read.
	n := &counter{}
	if _, err := Read(n); err == nil || n.n > MaxSize+1 {
		t.Errorf("%d bytes read, error %v", n.n, err)
	}
}

// counter is an endless file of comments.
type counter struct{ n int }

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '#'
	}
	c.n += len(p)
	return len(p), nil
}

// real returns the distributions' configurations by name.
func real(t testing.TB) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("testdata/real/*.gz")
	if err != nil || len(paths) != 3 {
		t.Fatalf("found %d configurations: %v", len(paths), err)
	}
	m := map[string]string{}
	for _, p := range paths {
		m[strings.TrimSuffix(filepath.Base(p), ".gz")] = readFile(t, p)
	}
	return m
}

func TestReal(t *testing.T) {
	for name, c := range map[string]struct {
		arch, version, hash string
		symbols             int
		get                 map[string]Value
	}{
		"config-6.1.0-56-amd64":       {"x86", "6.1.192", "sha256", 8777, map[string]Value{"CRYPTO_SHA512": Mod, "PAHOLE_VERSION": "124", "MODULE_COMPRESS_NONE": Yes}},
		"config-6.12.117+deb12-amd64": {"x86", "6.12.117", "sha256", 9502, map[string]Value{"CRYPTO_SHA512": Yes, "LOCALVERSION": `""`, "MODULE_DECOMPRESS": Yes}},
		"config-7.2.13+deb14-amd64":   {"x86", "7.2.13", "sha256", 9884, map[string]Value{"CRYPTO_SHA3": Mod, "PAHOLE_VERSION": "132", "PHYSICAL_START": "0x1000000", "IKCONFIG": No}},
	} {
		text := real(t)[name]
		f := parse(t, text)
		if string(f.Bytes()) != text {
			t.Errorf("%s: other bytes", name)
		}
		if ps := f.Problems(); len(ps) != 0 {
			t.Errorf("%s: %v", name, ps)
		}
		if arch, version := f.Version(); arch != c.arch || version != c.version {
			t.Errorf("%s: version %s %s", name, arch, version)
		}
		if v, _ := f.Get("MODULE_SIG_HASH"); v.Text() != c.hash {
			t.Errorf("%s: hash %s", name, v)
		}
		for sym, want := range c.get {
			if got, ok := f.Get(sym); !ok || got != want {
				t.Errorf("%s: %s is %s, want %s", name, sym, got, want)
			}
		}
		n, last := 0, 0
		for sym := range f.All() {
			n++
			if l := f.Line(sym); l <= last {
				t.Fatalf("%s: %s in line %d, after line %d", name, sym, l, last)
			} else {
				last = l
			}
		}
		// The count is that of: grep -cE '^(# )?CONFIG_[A-Za-z0-9_]+(=| is not set$)'
		if n != c.symbols {
			t.Errorf("%s: %d symbols, want %d", name, n, c.symbols)
		}
	}
}

func TestVersion(t *testing.T) {
	for text, want := range map[string]string{
		"#\n# Automatically generated file; DO NOT EDIT.\n# Linux/arm64 6.12.0 Kernel Configuration\n#\n": "arm64 6.12.0",
		"# Linux/x86 7.0 Kernel Configuration\r\n":                                                        "x86 7.0",
		"CONFIG_A=y\n# Linux/x86 7.0 Kernel Configuration\n":                                              " ",
		"# Linux/x86 7.0\n": " ",
		"":                  " ",
		strings.Repeat("#\n", 10) + "# Linux/x86 7.0 Kernel Configuration\n": " ",
	} {
		arch, version := parse(t, text).Version()
		if got := arch + " " + version; got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"":                              "",
		"certs/key.pem":                 "certs/key.pem",
		"pkcs11:a?pin-value=1234&x=y":   "pkcs11:a?pin-value=[hidden]",
		"pkcs11:a?PIN-VALUE=1;\xffx":    "pkcs11:a?PIN-VALUE=[hidden]",
		"İKKKKKKKKKKKK pin-value=1":     "İKKKKKKKKKKKK pin-value=[hidden]", // other lengths in lower case
		"pkcs11:a?pin-source=file:/x y": "pkcs11:a?pin-source=file:/x y",
	} {
		if got := Redact(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	const pin = "s3cr3t"
	for _, p := range parse(t, "pin-value="+pin+"\nCONFIG_A=\"pin-value="+pin+"\"\nCONFIG_A=\"?pin-value="+pin+"\n").Problems() {
		if strings.Contains(p.String(), pin) {
			t.Errorf("%s", p)
		}
	}
}

// TestAll yields a symbol once, where its value is.
func TestAll(t *testing.T) {
	f := parse(t, "CONFIG_A=y\nCONFIG_B=\"b\"\n# CONFIG_A is not set\nCONFIG_C=\"\nCONFIG_B=\"\nCONFIG_D=1\n")
	var got []string
	for name, v := range f.All() {
		got = append(got, name+"="+string(v))
	}
	if d := cmp.Diff([]string{`B="b"`, "A=n", "D=1"}, got); d != "" {
		t.Error(d)
	}
	for name := range f.All() {
		if name != "B" {
			t.Error("it goes on after the loop has ended")
		}
		break
	}
}
