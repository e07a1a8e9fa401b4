// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/testdata/gen/vmlinux"
)

// file describes a module with what the kernel looks at.
type file struct {
	name    string   // default "mod"
	info    []string // default: free and in-tree
	magic   string   // vermagic; default that of the kernel, "-" for none
	crcs    map[string]uint32
	ext     map[string]uint32
	needs   []string // a name that begins with "?" is weak
	exports []string
	size    int // of struct module
	edit    func(*vmlinux.File)
}

const magic = "6.12.0 SMP preempt mod_unload modversions "

func (m file) bytes() []byte {
	if m.name == "" {
		m.name = "mod"
	}
	if m.info == nil {
		m.info = []string{"license=GPL", "intree=Y"}
	}
	if m.magic == "" {
		m.magic = magic
	}
	if m.size == 0 {
		m.size = 1024
	}
	lines := append([]string{}, m.info...)
	if m.magic != "-" {
		lines = append(lines, "vermagic="+m.magic)
	}
	this := make([]byte, m.size)
	copy(this[24:], m.name)
	f := vmlinux.File{Type: etRel, Sections: []vmlinux.Section{
		{Name: ".modinfo", Type: 1, Flags: 2, Data: []byte(strings.Join(lines, "\x00") + "\x00")},
		{Name: moduleSection, Type: 1, Flags: 3, Data: this},
	}}
	if m.crcs != nil {
		f.Sections = append(f.Sections, vmlinux.Section{Name: "__versions", Type: 1, Flags: 2, Data: versions(m.crcs)})
	}
	if m.ext != nil {
		crcs, names := []byte{}, []byte{}
		for name, crc := range m.ext {
			crcs = binary.LittleEndian.AppendUint32(crcs, crc)
			names = append(append(names, name...), 0)
		}
		f.Sections = append(f.Sections, vmlinux.Section{Name: "__version_ext_crcs", Type: 1, Flags: 2, Data: crcs}, vmlinux.Section{Name: "__version_ext_names", Type: 1, Flags: 2, Data: names})
	}
	f.Symbols = []vmlinux.Symbol{{Name: "init_module", Info: 0x12, Shndx: 2}}
	for _, name := range m.needs {
		weak, ok := strings.CutPrefix(name, "?")
		info := byte(0x10)
		if ok {
			info = 0x20
		}
		f.Symbols = append(f.Symbols, vmlinux.Symbol{Name: weak, Info: info})
	}
	for _, name := range m.exports {
		f.Symbols = append(f.Symbols, vmlinux.Symbol{Name: "__ksymtab_" + name, Info: 0x10, Shndx: 2})
	}
	if m.edit != nil {
		m.edit(&f)
	}
	return f.Bytes()
}

func versions(crcs map[string]uint32) (b []byte) {
	for name, crc := range crcs {
		entry := binary.LittleEndian.AppendUint64(nil, uint64(crc))
		entry = append(entry, name...)
		b = append(b, append(entry, make([]byte, 64-len(entry))...)...)
	}
	return b
}

const exported = "0x00000011\tmodule_layout\tvmlinux\tEXPORT_SYMBOL\t\n" +
	"0x00000022\tfree_one\tvmlinux\tEXPORT_SYMBOL\t\n" +
	"0x00000033\tgpl_one\tvmlinux\tEXPORT_SYMBOL_GPL\t\n" +
	"0x00000044\tspaced\tdrivers/a/other-mod\tEXPORT_SYMBOL_GPL\tSPACE\n" +
	"0x00000055\tfor_few\tvmlinux\tEXPORT_SYMBOL_FOR_MODULES\tmodule:kvm,mo-d*\n"

func symbolsOf(t testing.TB, text string) *Symbols {
	t.Helper()
	s := &Symbols{}
	if err := s.Read(strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	return s
}

// open is a kernel that takes every module which fits.
func open(t testing.TB) *Kernel {
	return &Kernel{Rules: Mainline, Modules: Yes, Signatures: No, Hashes: No, ForceLoad: No, Versions: Yes, Livepatch: No, AnySpace: No,
		Decompress: No, Arch: "x86_64", Bits: 64, Release: "6.12.0", Vermagic: magic, Struct: 1024, Symbols: symbolsOf(t, exported)}
}

// right are the checksums that the kernel has.
func right(names ...string) map[string]uint32 {
	all := map[string]uint32{"module_layout": 0x11, "free_one": 0x22, "gpl_one": 0x33, "spaced": 0x44, "for_few": 0x55}
	out := map[string]uint32{"module_layout": 0x11}
	for _, n := range names {
		out[n] = all[n]
	}
	return out
}

// TestCompatibility: what stops a module that nothing else stops.
func TestCompatibility(t *testing.T) {
	off := func(k *Kernel) { k.Versions = No; k.Vermagic = strings.Replace(magic, "modversions ", "", 1) }
	force := func(k *Kernel) { k.ForceLoad = Yes }
	const plain = "6.12.0 SMP preempt mod_unload "
	for _, test := range []struct {
		name   string
		m      file
		kernel func(*Kernel)
		flags  Flags
		want   Errno
		taint  string
	}{
		{"fits", file{crcs: right()}, nil, 0, success, ""},
		{"needs", file{crcs: right("free_one", "gpl_one"), needs: []string{"free_one", "gpl_one", "?nobody", "_GLOBAL_OFFSET_TABLE_"}}, nil, 0, success, ""},
		{"no checksums in the kernel", file{magic: plain, needs: []string{"free_one"}}, off, 0, success, ""},
		{"not exported", file{crcs: right(), needs: []string{"nobody"}}, nil, 0, eNoEnt, ""},
		{"proprietary", file{info: []string{"license=Secret", "intree=Y"}, crcs: right("free_one"), needs: []string{"free_one"}}, nil, 0, success, "P"},
		{"proprietary, needs a free symbol", file{info: []string{"license=Secret"}, crcs: right("gpl_one"), needs: []string{"gpl_one"}}, nil, 0, eNoEnt, ""},
		{"no licence, weak need of a free symbol", file{info: []string{"intree=Y"}, crcs: right(), needs: []string{"?gpl_one"}}, nil, 0, success, "P"},
		{"other checksum", file{crcs: map[string]uint32{"module_layout": 0x11, "free_one": 1}, needs: []string{"free_one"}}, nil, 0, modsig.EINVAL, ""},
		{"no checksum", file{crcs: right(), needs: []string{"free_one"}}, nil, 0, modsig.EINVAL, ""},
		{"other layout", file{crcs: map[string]uint32{"module_layout": 0x12}}, nil, 0, eNoExec, ""},
		{"no layout", file{crcs: map[string]uint32{}}, nil, 0, eNoExec, ""},
		{"no versions", file{}, nil, 0, eNoExec, ""},
		{"no versions, forced", file{}, force, 0, success, "F"},
		{"ignored, not allowed", file{crcs: right()}, nil, IgnoreModversions, eNoExec, ""},
		{"ignored", file{crcs: map[string]uint32{}}, force, IgnoreModversions, success, "F"},
		{"ignored where there are none", file{magic: plain}, off, IgnoreModversions, success, ""},
		{"extended", file{ext: right("free_one"), needs: []string{"free_one", "gpl_one"}}, nil, 0, success, ""},
		{"extended, other checksum", file{ext: map[string]uint32{"free_one": 1}, needs: []string{"free_one"}}, nil, 0, modsig.EINVAL, ""},
		{"namespace", file{crcs: right("spaced"), needs: []string{"spaced"}}, nil, 0, modsig.EINVAL, ""},
		{"namespace imported", file{info: []string{"license=GPL", "intree=Y", "import_ns=SPACE"}, crcs: right("spaced"), needs: []string{"spaced"}}, nil, 0, success, ""},
		{"namespace, any", file{crcs: right("spaced"), needs: []string{"spaced"}}, func(k *Kernel) { k.AnySpace = Yes }, 0, success, ""},
		{"granted", file{name: "mo_d2", crcs: right("for_few"), needs: []string{"for_few"}}, nil, 0, success, ""},
		{"not granted", file{name: "kvm2", crcs: right("for_few"), needs: []string{"for_few"}}, nil, 0, modsig.EINVAL, ""},
		{"last one counts", file{crcs: right("spaced"), needs: []string{"nobody", "spaced"}}, nil, 0, modsig.EINVAL, ""},
		{"exports another's", file{crcs: right(), exports: []string{"free_one"}}, nil, 0, eNoExec, ""},
		{"exports its own", file{name: "other_mod", crcs: right(), exports: []string{"spaced"}}, nil, 0, success, ""},
		{"exports another module's", file{crcs: right(), exports: []string{"spaced"}}, nil, 0, unknown, ""},

		{"other release, checksums compared", file{magic: "6.12.1 SMP preempt mod_unload modversions ", crcs: right()}, nil, 0, success, ""},
		{"other release", file{magic: "6.12.1 SMP preempt mod_unload "}, off, 0, eNoExec, ""},
		{"other release, extended only", file{magic: "6.12.1 SMP preempt mod_unload modversions ", ext: right()}, nil, 0, eNoExec, ""},
		{"other switches", file{magic: "6.12.0 SMP mod_unload modversions ", crcs: right()}, nil, 0, eNoExec, ""},
		{"other end", file{magic: magic[:len(magic)-1], crcs: right()}, nil, 0, eNoExec, ""},
		{"no vermagic", file{magic: "-", crcs: right()}, nil, 0, eNoExec, ""},
		{"no vermagic, forced", file{magic: "-", crcs: right()}, force, 0, success, "F"},
		{"ignored vermagic", file{magic: "1 2", crcs: right()}, force, IgnoreVermagic, success, "F"},
		{"switches not known", file{crcs: right()}, func(k *Kernel) { k.Vermagic = "" }, 0, unknown, ""},
		{"other release, switches not known", file{magic: "6.12.1 SMP "}, func(k *Kernel) { off(k); k.Vermagic = "" }, 0, eNoExec, ""},
		{"symbols not known", file{crcs: right(), needs: []string{"free_one"}}, func(k *Kernel) { k.Symbols = nil }, 0, unknown, ""},
		{"symbols not known, none needed", file{magic: plain, needs: []string{"?a"}}, func(k *Kernel) { off(k); k.Symbols = nil }, 0, success, ""},
		{"versions not known", file{crcs: right()}, func(k *Kernel) { k.Versions = Maybe }, 0, unknown, ""},
		{"force not known", file{magic: "-", crcs: right()}, func(k *Kernel) { k.ForceLoad = Maybe }, 0, unknown, ""},

		{"livepatch", file{info: []string{"license=GPL", "intree=Y", "livepatch=Y"}, crcs: right()}, nil, 0, eNoExec, ""},
		{"livepatch taken", file{info: []string{"license=GPL", "intree=Y", "livepatch=Y"}, crcs: right()}, func(k *Kernel) { k.Livepatch = Yes }, 0, success, "K"},
		{"all taints", file{info: []string{"staging=Y", "test=Y"}, crcs: right()}, nil, 0, success, "PCON"},
		{"no modules", file{crcs: right()}, func(k *Kernel) { k.Modules = No }, 0, eNoSys, ""},

		{"other struct module", file{crcs: right(), size: 1088}, nil, 0, eNoExec, ""},
		{"short struct module", file{crcs: right(), size: 40}, func(k *Kernel) { k.Struct = 0 }, 0, eNoExec, ""},
		{"stripped", file{crcs: right(), edit: func(f *vmlinux.File) { f.Symbols = nil }}, nil, 0, eNoExec, ""},
		{"linked", file{crcs: right(), edit: func(f *vmlinux.File) { f.Type = 2 }}, nil, 0, eNoExec, ""},
		{"other machine", file{crcs: right(), edit: func(f *vmlinux.File) { f.Machine = 183 }}, nil, 0, eNoExec, ""},
		{"two of .modinfo", file{crcs: right(), edit: func(f *vmlinux.File) { f.Sections = append(f.Sections, f.Sections[0]) }}, nil, 0, eNoExec, ""},
		{"two of struct module", file{crcs: right(), edit: func(f *vmlinux.File) { f.Sections = append(f.Sections, f.Sections[1]) }}, nil, 0, eNoExec, ""},
		{"struct module not loaded", file{crcs: right(), edit: func(f *vmlinux.File) { f.Sections[1].Flags = 0 }}, nil, 0, eNoExec, ""},
		{"struct module without bytes", file{crcs: right(), edit: func(f *vmlinux.File) { f.Sections[1].Type = 8 }}, nil, 0, eNoExec, ""},
		{"common symbol", file{crcs: right(), edit: func(f *vmlinux.File) { f.Symbols[0].Shndx = shnCommon }}, nil, 0, eNoExec, ""},
		{"symbol of no section", file{crcs: right(), edit: func(f *vmlinux.File) { f.Symbols[0].Shndx = 99 }}, nil, 0, eNoExec, ""},
		{"another section", file{crcs: right(), edit: func(f *vmlinux.File) {
			f.Sections = append(f.Sections, vmlinux.Section{Name: ".note", Type: 7, Flags: 2, Data: []byte("cut off")})
		}}, nil, 0, success, ""},
		{"no name", file{crcs: right(), edit: func(f *vmlinux.File) { copy(f.Sections[1].Data[24:], "\x00") }}, nil, 0, modsig.EINVAL, ""},
	} {
		k := open(t)
		if test.kernel != nil {
			test.kernel(k)
		}
		r := check(t, k, test.m.bytes(), Request{Call: FinitModule, Flags: test.flags}, Permissive)
		a := r.Answers[0]
		if a.Errno != test.want || a.Taint != test.taint || (a.Loads == Yes) != (test.want == success) {
			t.Errorf("%s: %v %q %q, want %q %q\n%+v", test.name, a.Loads, a.Errno, a.Taint, test.want, test.taint, r.Steps)
		}
		if k.Modules == Yes && r.Authenticated != No {
			t.Errorf("%s: authenticated by a kernel that does not: %v", test.name, r.Authenticated)
		}
	}
}

// TestSectionOutside: a section that leaves the file is refused whatever its use.
func TestSectionOutside(t *testing.T) {
	b := file{crcs: right(), edit: func(f *vmlinux.File) {
		f.Sections = append(f.Sections, vmlinux.Section{Name: ".note", Type: 7, Flags: 2, Data: []byte("cut off")})
	}}.bytes()
	table := binary.LittleEndian.Uint64(b[40:])
	for i := table; i+64 <= uint64(len(b)); i += 64 {
		if binary.LittleEndian.Uint32(b[i+4:]) == 7 {
			binary.LittleEndian.PutUint64(b[i+32:], uint64(len(b)))
		}
	}
	if a := check(t, open(t), b, Request{}).Answers[0]; a.Errno != eNoExec {
		t.Errorf("%+v", a)
	}
}

// TestDuplicates: a name is loaded once, and in each mode by itself.
func TestDuplicates(t *testing.T) {
	k := small(t, "hashes", "main")
	c := NewChecker(k, Options{})
	defer c.Close()
	load := func(file string) (out []string) {
		t.Helper()
		b := vector(t, "hashes/cases/"+file)
		r, err := c.Check(bytes.NewReader(b), int64(len(b)), Request{})
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range r.Answers {
			out = append(out, errnoText(a.Errno))
		}
		return out
	}
	for _, test := range []struct{ file, want string }{
		{"a0-valid", "0 0 0"},
		{"a0-valid", "EEXIST EEXIST EEXIST"},
		{"b1-unsigned", "0 EKEYREJECTED EPERM"}, // m1
		{"a1-valid", "EEXIST 0 0"},
		{"a2-valid", "0 0 0"},
		{"b1-unsigned", "EEXIST EKEYREJECTED EPERM"},
	} {
		if got := strings.Join(load(test.file), " "); got != test.want {
			t.Errorf("%s: %s, want %s", test.file, got, test.want)
		}
	}
	c.Forget()
	if got := strings.Join(load("a0-valid"), " "); got != "0 0 0" {
		t.Errorf("after forgetting: %s", got)
	}
}
