// SPDX-License-Identifier: Apache-2.0

// Command ledgers tries the accounts of differing bytes on real modules.
//
//	ledgers mirror COUNT TREE-A TREE-B   the two trees' modules of one name, both ways round
//	ledgers tamper COUNT TREE            bytes of modules, changed where nothing benign is;
//	                                     and strings, names and symbols that change places
//
// COUNT modules, of mirror, or changes, of tamper, are chosen by a fixed seed.
// Every ledger must pass its own check; the account of a swapped pair must be the
// swapped account; a change must never be taken for a benign cause, neither alone
// nor beside another build id, salt and release.
package main

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/explain"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "ledgers:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 3 {
		return errors.New("usage: ledgers mirror COUNT TREE-A TREE-B | tamper COUNT TREE")
	}
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(20261122, 7))
	switch {
	case args[0] == "mirror" && len(args) == 4:
		return mirror(r, n, args[2], args[3])
	case args[0] == "tamper" && len(args) == 3:
		return tamper(r, n, args[2])
	}
	return fmt.Errorf("what is %q?", args[0])
}

// modules lists the module files of a tree by their path below kernel/, without
// the suffix of a compression.
func modules(tree string) (map[string]string, []string, error) {
	byName := map[string]string{}
	var names []string
	err := filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
		if _, name, ok := strings.Cut(path, "/kernel/"); ok && err == nil && d.Type().IsRegular() {
			if base, _, ok := strings.Cut(name, ".ko"); ok {
				byName[base] = path
				names = append(names, base) // WalkDir sorts
			}
		}
		return err
	})
	if err == nil && len(names) == 0 {
		err = fmt.Errorf("no modules below %s", tree)
	}
	return byName, names, err
}

// account compares two files.
func account(a, b string) (*compare.Account, error) {
	c, err := compare.ModuleFiles(context.Background(), a, b, &compare.Options{Explain: explain.Run, Detail: true})
	switch {
	case err != nil:
		return nil, err
	case len(c.Modules) == 0:
		return &compare.Account{}, nil
	case c.Modules[0].Account.Fault != "":
		return nil, fmt.Errorf("%s, %s: %s", a, b, c.Modules[0].Account.Fault)
	}
	return c.Modules[0].Account, nil
}

// sums adds up an account by layer and cause, swapped or not.
func sums(a *compare.Account, swap bool) map[string]compare.Tally {
	out := map[string]compare.Tally{}
	add := func(key string, t compare.Tally) {
		if swap {
			t.ChangedA, t.ChangedB = t.ChangedB, t.ChangedA
		}
		s := out[key]
		out[key] = compare.Tally{ChangedA: s.ChangedA + t.ChangedA, ChangedB: s.ChangedB + t.ChangedB, Moved: s.Moved + t.Moved}
	}
	for _, l := range a.Layers {
		add(l.Layer.String(), l.Tally)
	}
	for i := range a.Items {
		add(a.Items[i].Layer.String()+" "+a.Items[i].ID(), a.Items[i].Tally)
	}
	return out
}

func mirror(r *rand.Rand, n int, treeA, treeB string) error {
	inA, names, err := modules(treeA)
	if err != nil {
		return err
	}
	inB, _, err := modules(treeB)
	if err != nil {
		return err
	}
	done := 0
	for _, i := range r.Perm(len(names)) {
		a, b := inA[names[i]], inB[names[i]]
		if b == "" || done == n {
			continue
		}
		done++
		ab, err := account(a, b)
		if err != nil {
			return err
		}
		ba, err := account(b, a)
		if err != nil {
			return err
		}
		if x, y := fmt.Sprint(sums(ab, false)), fmt.Sprint(sums(ba, true)); x != y {
			return fmt.Errorf("%s: one way\n%s\nthe other way\n%s", names[i], x, y)
		}
	}
	fmt.Printf("%d pairs\n", done)
	return nil
}

func tamper(r *rand.Rand, n int, tree string) error {
	files, names, err := modules(tree)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "ledgers")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	const each = 50 // changes of one module
	seen := map[string]int{}
	for done := 0; done < n; {
		plain, err := os.ReadFile(files[names[r.IntN(len(names))]])
		if err != nil {
			return err
		}
		if len(plain) > 1<<20 {
			continue // to be quick
		}
		k, err := tamperOne(r, dir, plain, min(each, n-done), seen)
		if err != nil {
			return err
		}
		done += k
	}
	fmt.Printf("%d changes, by section: %v\n", n, seen)
	return nil
}

// place is where bytes are changed.
type place struct {
	section  string
	off, len uint64
}

// places are the sections in which a change is never benign: not those that say
// who built the module, and when.
func places(b []byte) ([]place, *elf.File, error) {
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		return nil, nil, err
	}
	var out []place
	for _, s := range f.Sections {
		switch {
		case s.Type == elf.SHT_NOBITS || s.Type == elf.SHT_NULL || s.Size == 0 || s.Type == elf.SHT_NOTE:
		case s.Name == ".modinfo" || s.Name == "__versions" || s.Name == ".comment":
		default:
			out = append(out, place{s.Name, s.Offset, s.Size})
		}
	}
	return out, f, nil
}

// benign changes what another build would: build id, salt and release.
func benign(r *rand.Rand, b []byte, f *elf.File) {
	if s := f.Section(".note.gnu.build-id"); s != nil {
		for i := s.Offset + 16; i < s.Offset+s.Size; i++ {
			b[i] = byte(r.IntN(256))
		}
	}
	for name, key := range map[string]string{".modinfo": "vermagic=", ".note.Linux": "\x00\x01\x00\x00Linux\x00\x00\x00"} {
		if s := f.Section(name); s != nil {
			if i := bytes.Index(b[s.Offset:s.Offset+s.Size], []byte(key)); i >= 0 {
				b[int(s.Offset)+i+len(key)]++ // the first digit of the release
			}
		}
	}
}

func tamperOne(r *rand.Rand, dir string, plain []byte, n int, seen map[string]int) (int, error) {
	where, f, err := places(plain)
	if err != nil {
		return 0, err
	}
	other := bytes.Clone(plain)
	benign(r, other, f)
	pa, pb := filepath.Join(dir, "a.ko"), filepath.Join(dir, "b.ko")
	if err := os.WriteFile(pa, plain, 0o600); err != nil {
		return 0, err
	}
	for i := range n + 1 {
		b := bytes.Clone(plain)
		if i%2 == 0 {
			b = bytes.Clone(other)
		}
		p := where[r.IntN(len(where))]
		off := p.off + r.Uint64N(p.len)
		size := min(uint64([]int{1, 1, 2, 4, 16}[r.IntN(5)]), p.off+p.len-off)
		switch x, y := pieces(r, plain, f); {
		case i == 0: // the first is without
		case i%5 == 0 && x != y:
			exchange(b, x, y)
			p.section, off, size = x.section+" and "+y.section, x.off, x.len
			seen["exchanged in "+x.section]++
		default:
			for k := range size {
				b[off+k] ^= byte(1 + r.IntN(255))
			}
			seen[p.section]++
		}
		if err := os.WriteFile(pb, b, 0o600); err != nil {
			return 0, err
		}
		acc, err := account(pa, pb)
		if err != nil {
			return 0, err
		}
		if acc.Explained() != (i == 0) {
			var ids []string
			for k := range acc.Items {
				ids = append(ids, acc.Items[k].ID()+" "+acc.Items[k].Subject)
			}
			return 0, fmt.Errorf("%v: %d bytes of %s at %#x changed (%d): explained %v by %q", modname(f), size, p.section, off, i, acc.Explained(), ids)
		}
	}
	return n, nil
}

// pieces chooses two pieces of one section that are as long, but not equal, and that
// something leads to: strings of code, names of symbols, or symbols that relocations are
// by. The two are the same if it finds none.
func pieces(r *rand.Rand, b []byte, f *elf.File) (x, y place) {
	name := []string{".rodata.str1.1", ".rodata.str1.8", "__ksymtab_strings", ".strtab", ".symtab"}[r.IntN(5)]
	s := f.Section(name)
	if s == nil {
		return x, y
	}
	var list []place
	text := b[s.Offset : s.Offset+s.Size]
	if name == ".symtab" {
		syms, _ := f.Symbols()
		for i, sym := range syms {
			if sym.Section == elf.SHN_UNDEF && sym.Name != "" { // without the first, which is empty
				list = append(list, place{name, s.Offset + 24*uint64(i+1), 24})
			}
		}
	} else {
		for at := 0; at < len(text); {
			n := bytes.IndexByte(text[at:], 0)
			if n > 1 && !bytes.HasPrefix(text[at:], []byte("__UNIQUE_ID_")) {
				list = append(list, place{name, s.Offset + uint64(at), uint64(n)})
			}
			at += max(n, 0) + 1
		}
	}
	if len(list) == 0 {
		return x, y
	}
	x = list[r.IntN(len(list))]
	for range 100 {
		y = list[r.IntN(len(list))]
		if y.len == x.len && !bytes.Equal(b[x.off:x.off+x.len], b[y.off:y.off+y.len]) {
			return x, y
		}
	}
	return x, x
}

// exchange puts each of two pieces in the other's place.
func exchange(b []byte, x, y place) {
	old := bytes.Clone(b[x.off : x.off+x.len])
	copy(b[x.off:x.off+x.len], b[y.off:y.off+y.len])
	copy(b[y.off:y.off+y.len], old)
}

// modname is what the module calls itself.
func modname(f *elf.File) string {
	s := f.Section(".modinfo")
	if s == nil {
		return "?"
	}
	b, _ := s.Data()
	_, rest, _ := bytes.Cut(b, []byte("\x00name="))
	name, _, _ := bytes.Cut(rest, []byte{0})
	return string(name)
}
