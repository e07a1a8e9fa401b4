// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"testing"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/testdata/gen/vmlinux"
)

// TestLessKnown takes from a kernel what is known of it, one thing after the other:
// every answer stays what it is or becomes unknown. In particular no module loads
// that the kernel refuses.
func TestLessKnown(t *testing.T) {
	forget := map[string]func(*Kernel){
		"signatures": func(k *Kernel) { k.Signatures = Maybe },
		"hashes":     func(k *Kernel) { k.Hashes = Maybe },
		"both":       func(k *Kernel) { k.Signatures, k.Hashes = Maybe, Maybe },
		"keys":       func(k *Kernel) { k.Keyrings = nil },
		"hashset":    func(k *Kernel) { k.Hashset = nil },
		"force":      func(k *Kernel) { k.ForceLoad = Maybe },
		"versions":   func(k *Kernel) { k.Versions = Maybe },
		"vermagic":   func(k *Kernel) { k.Vermagic = "" },
		"release":    func(k *Kernel) { k.Vermagic, k.Release = "", "" },
		"decompress": func(k *Kernel) { k.Decompress, k.Decompressor = Maybe, kmod.None },
		"struct":     func(k *Kernel) { k.Struct = 0 },
		"others": func(k *Kernel) {
			k.Modules, k.Enforced, k.Lockdown, k.Livepatch, k.AnySpace = Maybe, Maybe, Maybe, Maybe, Maybe
		},
	}
	known, asked := 0, 0
	kernels := map[string]*Kernel{}
	for _, row := range table(t, "hashes/kernel-results.tsv") {
		file := vector(t, "hashes/cases/"+row["file"])
		flags, _ := strconv.Atoi(row["flags"])
		req := Request{Call(row["call"]), Flags(flags)}
		for _, kind := range []string{"sig+hashes", "hashes", "sig", "plain"} {
			if row[kind+".permissive"] == "-" {
				continue
			}
			if kernels[kind+row["root"]] == nil {
				kernels[kind+row["root"]] = small(t, kind, row["root"])
			}
			whole := check(t, kernels[kind+row["root"]], file, req)
			for what, f := range forget {
				k := *kernels[kind+row["root"]]
				if f(&k); kind == "plain" {
					k.Hashes = No
				}
				less := check(t, &k, file, req)
				for i, a := range less.Answers {
					w := whole.Answers[i]
					asked++
					if a.Loads != Maybe {
						known++
					}
					if a.Loads != Maybe && a.Loads != w.Loads || a.Errno != unknown && a.Errno != w.Errno || a.Loads == Yes && a.Taint != string(unknown) && a.Taint != w.Taint {
						t.Errorf("%s %s %s without %s, %s: %v %q %q, was %v %q %q", kind, row["root"], row["file"], what, a.Mode, a.Loads, a.Errno, a.Taint, w.Loads, w.Errno, w.Taint)
					}
				}
				if less.Authenticated != Maybe && less.Authenticated != whole.Authenticated {
					t.Errorf("%s %s %s without %s: authenticated: %v, was %v", kind, row["root"], row["file"], what, less.Authenticated, whole.Authenticated)
				}
			}
		}
	}
	if known < asked/2 {
		t.Errorf("only %d of %d answers are known", known, asked)
	}
}

// TestEveryBit: a proven or signed module of which any bit changed is authenticated
// by no kernel, and nothing but an ELF file without the change of meaning loads.
func TestEveryBit(t *testing.T) {
	for name, k := range map[string]*Kernel{"a1-valid": small(t, "hashes", "main"), "k02-ec-good": small(t, "sig", "main")} {
		file := vector(t, "hashes/cases/"+name)
		c := NewChecker(k, Options{Modes: []Mode{Enforcing, Lockdown}})
		defer c.Close()
		step := 1
		if name[0] == 'k' {
			step = 37 // a signature takes longer
		}
		for bit := 0; bit < len(file)*8; bit += step {
			b := bytes.Clone(file)
			b[bit/8] ^= 1 << (bit % 8)
			r, err := c.Check(bytes.NewReader(b), int64(len(b)), Request{Call: FinitModule})
			if err != nil {
				t.Fatal(err)
			}
			if r.Authenticated != No && !covered(file, b, name) || r.Answers[0].Loads != No && r.Authenticated != Yes {
				t.Fatalf("%s, bit %d: %v, %+v", name, bit, r.Authenticated, r.Answers)
			}
		}
	}
}

// covered: the digestAlgorithms of a message is not looked at by a kernel, so the
// signature stays valid.
func covered(old, changed []byte, name string) bool {
	return name[0] == 'k' && bytes.Equal(old[:len(old)-500], changed[:len(old)-500])
}

// TestFlatList: kernels with the first versions of the series.
func TestFlatList(t *testing.T) {
	listed, other := vector(t, "hashes/cases/b1-unsigned"), vector(t, "hashes/cases/k01-rsa-good")
	unsigned := vector(t, "hashes/cases/b9-marker-crlf")
	h := hashset.NewHasher(hashset.Flat, 0)
	h.Write(listed)
	digest, _ := h.Sum()
	for _, test := range []struct {
		name  string
		file  []byte
		sig   Fact
		want  string
		known Fact
	}{
		{"listed", listed, No, "0 0 0", Yes},
		{"listed", listed, Maybe, "0 0 0", Yes},
		{"signed", other, Yes, "0 0 0", Yes},
		{"signed", other, No, "ENOKEY ENOKEY ENOKEY", No},
		{"signed", other, Maybe, "unknown unknown unknown", Maybe},
		{"neither", unsigned, Yes, "0 EKEYREJECTED EPERM", No},
		{"neither", unsigned, No, "ENOKEY ENOKEY ENOKEY", No},
	} {
		k := small(t, "sig+hashes", "main")
		k.Signatures = test.sig
		k.Hashset = &hashset.Section{Scheme: hashset.Flat, Digests: []hashset.Digest{digest}}
		r := check(t, k, test.file, Request{})
		got := ""
		for i, a := range r.Answers {
			if i > 0 {
				got += " "
			}
			got += errnoText(a.Errno)
		}
		if got != test.want || r.Authenticated != test.known {
			t.Errorf("%s, signatures %v: %s, %v, want %s, %v", test.name, test.sig, got, r.Authenticated, test.want, test.known)
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, name := range []string{"a0-valid", "b1-unsigned", "k01-rsa-good", "l6-merkle-twice", "b6-marker-only", "e1-siglen-ffffffff"} {
		f.Add(vector(f, "hashes/cases/"+name), byte(0))
	}
	f.Add(file{crcs: right("free_one"), needs: []string{"free_one"}, exports: []string{"own"}}.bytes(), byte(1))
	f.Add(file{ext: right("free_one"), needs: []string{"free_one"}}.bytes(), byte(2))
	text := vmlinux.Section{Name: ".text", Type: 1, Flags: 6, Data: make([]byte, 16)}
	rest := with(text, vmlinux.Section{Name: ".rela.text", Type: shtRela, Data: rela(8, 11)}, vmlinux.Section{Name: ".BTF", Type: 1, Data: types(5, 1, 4<<24|1, 8, 104, 1, 0)},
		vmlinux.Section{Name: "__ksymtab", Type: 1, Flags: 2, Data: make([]byte, 12)}, vmlinux.Section{Name: "__kcrctab", Type: 1, Flags: 2, Data: make([]byte, 4)})
	f.Add(set(shtRela, 44, 3)(file{crcs: right(), edit: rest}.bytes()), byte(4))
	f.Add(set(shtRela, 4, shtRel)(file{crcs: right(), edit: rest}.bytes()), byte(4))
	f.Fuzz(func(t *testing.T, b []byte, kind byte) {
		k := open(t)
		if kind&4 != 0 {
			k.order, k.bounds, k.StrictRWX, k.Kallsyms, k.imports, k.wantsBTF, k.baseNames = binary.LittleEndian, factOf(kind&8 != 0), Yes, Yes, Yes, Yes, 100
		}
		if kind%3 > 0 {
			k = small(t, []string{"hashes", "plain"}[kind%3-1], "main")
		}
		k.Symbols = symbolsOf(t, exported)
		r := check(t, k, b, Request{Call: FinitModule})
		if len(r.Answers) != 3 {
			t.Fatal(r)
		}
		for _, a := range r.Answers {
			if (a.Loads == Yes) != (a.Errno == success) || a.Loads == Yes && r.Name == "" {
				t.Fatalf("%+v", r)
			}
		}
	})
}
