// SPDX-License-Identifier: Apache-2.0

package load

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/modhash/modhash/testdata/gen/vmlinux"
)

// rela is a table of one relocation.
func rela(at uint64, kind uint32) []byte {
	b := binary.LittleEndian.AppendUint64(nil, at)
	b = binary.LittleEndian.AppendUint64(b, uint64(kind)|1<<32)
	return binary.LittleEndian.AppendUint64(b, 0)
}

// with adds sections to a module of three: their numbers start at 3.
func with(sections ...vmlinux.Section) func(*vmlinux.File) {
	return func(f *vmlinux.File) { f.Sections = append(f.Sections, sections...) }
}

// set puts a number into the header of the first section of that type.
func set(kind uint32, at int, value uint64) func([]byte) []byte {
	return func(b []byte) []byte {
		table := binary.LittleEndian.Uint64(b[40:])
		for ; table+64 <= uint64(len(b)); table += 64 {
			if s := b[table:]; binary.LittleEndian.Uint32(s[4:]) == kind {
				if at == 0 || at == 4 || at == 40 || at == 44 {
					binary.LittleEndian.PutUint32(s[at:], uint32(value))
				} else {
					binary.LittleEndian.PutUint64(s[at:], value)
				}
				return b
			}
		}
		panic("no such section")
	}
}

// TestValidity: files that hardly are modules. What a kernel of Linux 6.12.117 answered
// and logged of modules changed like this, booted in an emulator.
func TestValidity(t *testing.T) {
	put := func(at int, bytes ...byte) func([]byte) []byte {
		return func(b []byte) []byte { copy(b[at:], bytes); return b }
	}
	fits := file{magic: "6.12.0 SMP preempt mod_unload "}
	edited := func(edit func(*vmlinux.File)) file { return file{magic: fits.magic, edit: edit} }
	text := vmlinux.Section{Name: ".text", Type: 1, Flags: 6, Data: make([]byte, 16)}
	nonzero := text
	nonzero.Data = append(make([]byte, 8), 1, 0, 0, 0, 0, 0, 0, 0)
	for _, test := range []struct {
		name string
		m    file
		edit func([]byte) []byte
		want Errno
		log  []string
	}{
		{"fits", fits, nil, success, nil},
		{"class is not looked at", fits, put(4, 1), success, nil},
		{"nor one that does not exist", fits, put(4, 77), success, nil},
		{"nor the byte order", fits, put(5, 2), success, nil},
		{"nor the version", fits, put(6, 9), success, nil},
		{"cut in the header", fits, func(b []byte) []byte { return b[:63] }, eNoExec, []string{"Invalid ELF header len 63"}},
		{"type", fits, put(16, 2), eNoExec, []string{"Invalid ELF header type: 2 != 1"}},
		{"machine", fits, put(18, 183), eNoExec, []string{"Invalid architecture in ELF header: 183"}},
		{"no sections", fits, put(60, 0, 0), eNoExec, []string{"Invalid ELF section name index: 5 || e_shstrndx (5) >= e_shnum (0)"}},
		{"table at the start", fits, put(40, 0, 0, 0, 0, 0, 0, 0, 0), eNoExec, []string{"ELF Spec violation: section 0 type(65794)!=SH_NULL or non-zero len or addr"}},
		{"name of section 0", fits, set(0, 0, 1<<31), success, nil},
		{"name of a section", fits, set(2, 0, 1<<31), eNoExec, []string{"Invalid ELF section name in module (section 3 type 2)"}},
		{"names not ended", edited(with(vmlinux.Section{Name: "x", Type: 1})), unended, eNoExec, []string{"ELF Spec violation: section name table isn't null terminated"}},
		{"section outside", fits, set(2, 24, 1<<40), eNoExec, []string{"Invalid ELF section in module (section 3 type 2)"}},
		{"no table of symbol names", fits, set(2, 40, 0), eNoExec, []string{"Invalid ELF sh_link!=SHN_UNDEF(0) or (sh_link(0) >= hdr->e_shnum(6)"}},
		{"names of symbols elsewhere", fits, set(2, 40, 1), eNoExec, []string{"Invalid ELF symbol string table type: 1"}},
		{"no symbols and no name", fits, set(2, 4, 1), eNoExec, []string{"(missing .modinfo section or name field): module has no symbols (stripped?)"}},
		{"written and executed", edited(with(vmlinux.Section{Name: ".text", Type: 1, Flags: 7, Data: []byte{0}})), nil, eNoExec, []string{"mod: section .text (index 3) has invalid WRITE|EXEC flags"}},
		{"written and executed, not loaded", edited(with(vmlinux.Section{Name: ".note", Type: 7, Flags: 5, Data: []byte{0}})), nil, eNoExec, []string{"mod: section .note (index 3) has invalid WRITE|EXEC flags"}},
		{"common", edited(func(f *vmlinux.File) { f.Symbols[0] = vmlinux.Symbol{Shndx: shnCommon} }), nil, eNoExec, []string{"mod: please compile with -fno-common"}},
		{"common of link-time optimisation", edited(func(f *vmlinux.File) { f.Symbols[0] = vmlinux.Symbol{Name: "__gnu_lto_v1", Shndx: shnCommon} }), nil, success, nil},
		{"common, and then unknown", edited(func(f *vmlinux.File) {
			f.Symbols = append([]vmlinux.Symbol{{Name: "c", Shndx: shnCommon}}, vmlinux.Symbol{Name: "nobody", Info: 0x10})
		}), nil, eNoEnt, []string{"mod: please compile with -fno-common", "mod: Unknown symbol nobody (err -2)"}},
		{"of no section", edited(func(f *vmlinux.File) { f.Symbols[0].Shndx = 99 }), nil, eNoExec, []string{"mod: Symbol init_module has an invalid section index 99 (max 5)"}},
		{"needs what it exports", file{name: "other_mod", magic: fits.magic, needs: []string{"spaced"}}, nil, eNoEnt, []string{"other_mod: Unknown symbol spaced (err -2)"}},
		{"unknown, and exported by another", file{magic: fits.magic, needs: []string{"nobody"}, exports: []string{"free_one"}}, nil, eNoEnt, []string{"mod: Unknown symbol nobody (err -2)"}},

		{"relocation", edited(with(text, vmlinux.Section{Name: ".rela.text", Type: shtRela, Data: rela(8, 11)})), set(shtRela, 44, 3), success, nil},
		{"unknown relocation", edited(with(text, vmlinux.Section{Name: ".rela.text", Type: shtRela, Data: rela(8, 9)})), set(shtRela, 44, 3), eNoExec, []string{"module: mod: Unknown rela relocation: 9"}},
		{"unknown relocation of what is not loaded", edited(with(vmlinux.Section{Name: ".debug", Type: 1, Data: text.Data}, vmlinux.Section{Name: ".rela.debug", Type: shtRela, Data: rela(8, 9)})), set(shtRela, 44, 3), success, nil},
		{"relocation where something is", edited(with(nonzero, vmlinux.Section{Name: ".rela.text", Type: shtRela, Data: rela(8, 2)})), set(shtRela, 44, 3), eNoExec, nil},
		{"relocation without addend", edited(with(text, vmlinux.Section{Name: ".rel.text", Type: shtRel, Data: make([]byte, 16)})), set(shtRel, 44, 3), eNoExec, []string{"module mod: REL relocation unsupported"}},
	} {
		k := open(t)
		k.Versions, k.Vermagic, k.order, k.bounds, k.StrictRWX = No, fits.magic, binary.LittleEndian, No, Yes
		b := test.m.bytes()
		if test.edit != nil {
			b = test.edit(b)
		}
		r := check(t, k, b, Request{Call: FinitModule}, Permissive)
		a := r.Answers[0]
		if a.Errno != test.want || (a.Loads == Yes) != (test.want == success) || !slices.Equal(a.Log, test.log) {
			t.Errorf("%s: %v %q %q, want %q %q\n%+v", test.name, a.Loads, a.Errno, a.Log, test.want, test.log, r.Steps)
		}
	}
}

// unended has the table of section names, which is the last of its type, end early.
func unended(b []byte) []byte {
	table := binary.LittleEndian.Uint64(b[40:])
	s := b[table+64*uint64(binary.LittleEndian.Uint16(b[62:])):]
	binary.LittleEndian.PutUint64(s[32:], binary.LittleEndian.Uint64(s[32:])-1)
	return b
}

// TestOddities: what depends on the kernel's source or configuration is unknown as long
// as these are.
func TestOddities(t *testing.T) {
	wx := file{crcs: right(), edit: with(vmlinux.Section{Name: ".text", Type: 1, Flags: 7, Data: []byte{0}})}.bytes()
	exports := file{crcs: right(), exports: []string{"own"}, edit: with(vmlinux.Section{Name: "__ksymtab", Type: 1, Flags: 2, Data: make([]byte, 12)})}.bytes()
	kcrctab := file{crcs: right(), exports: []string{"own"}, edit: with(vmlinux.Section{Name: "__ksymtab", Type: 1, Flags: 2, Data: make([]byte, 12)}, vmlinux.Section{Name: "__kcrctab", Type: 1, Flags: 2})}.bytes()
	data := vmlinux.Section{Name: ".data", Type: 1, Flags: 3, Data: []byte{1}}
	note := vmlinux.Section{Name: ".note", Type: 7, Data: []byte{1}}
	twice := file{crcs: right(), edit: with(note, note, data, data)}.bytes()
	symtab := file{crcs: right(), edit: with(vmlinux.Section{Name: ".symtab", Type: 1, Flags: 3, Data: []byte{1}})}.bytes()
	imports := file{crcs: right(), info: []string{"license=GPL", "intree=Y", "import_ns=SPACE", "import_ns=module:kvm"}}.bytes()
	extended := file{ext: right()}.bytes()
	for _, test := range []struct {
		name   string
		b      []byte
		kernel func(*Kernel, Fact)
		no     Errno // if the kernel does not
		maybe  Errno
		yes    Errno
	}{
		{"written and executed", wx, func(k *Kernel, f Fact) { k.StrictRWX = f }, success, unknown, eNoExec},
		{"flags of exported symbols", exports, func(k *Kernel, f Fact) { k.flags, k.ForceLoad = f, Yes }, success, success, eNoExec},
		{"exports without checksums", exports, func(k *Kernel, f Fact) { k.ForceLoad = f }, eNoExec, unknown, success},
		{"table of checksums, but empty", kcrctab, func(k *Kernel, f Fact) { k.ForceLoad = f }, success, success, success},
		{"two sections of a name", twice, func(k *Kernel, f Fact) { k.Kallsyms, k.Release = f, "6.12.117+deb12-amd64" }, success, unknown, eExist},
		{"two sections of a name, older kernel", twice, func(k *Kernel, f Fact) { k.Kallsyms, k.Release = f, "6.1.0" }, success, unknown, unknown},
		{"name of the table of symbols", symtab, func(k *Kernel, f Fact) { k.Kallsyms, k.Release = f, "7.2.13" }, success, unknown, eExist},
		{"namespace for certain modules", imports, func(k *Kernel, f Fact) { k.imports = f }, success, unknown, ePerm},
		{"extended versions", extended, func(k *Kernel, f Fact) { k.extended = f }, eNoExec, success, success},
	} {
		for f, want := range map[Fact]Errno{No: test.no, Maybe: test.maybe, Yes: test.yes} {
			k := open(t)
			k.Kallsyms = No
			test.kernel(k, f)
			if a := check(t, k, test.b, Request{Call: FinitModule}, Permissive).Answers[0]; a.Errno != want {
				t.Errorf("%s: %v: %q, want %q", test.name, f, a.Errno, want)
			}
		}
	}
}

// TestManyRelocations: tables that share their bytes, or those that they change, are not
// read again and again.
func TestManyRelocations(t *testing.T) {
	const tables = 1000
	text := vmlinux.Section{Name: ".text", Type: 1, Flags: 6, Data: make([]byte, 1<<20)}
	for n, want := range map[int]Errno{1: success, tables: unknown} {
		sections := []vmlinux.Section{text}
		for range n {
			sections = append(sections, vmlinux.Section{Name: ".rela.text", Type: shtRela, Data: rela(8, 11)})
		}
		b := file{crcs: right(), edit: with(sections...)}.bytes()
		table := binary.LittleEndian.Uint64(b[40:])
		for at := table; at+64 <= uint64(len(b)); at += 64 {
			if binary.LittleEndian.Uint32(b[at+4:]) == shtRela {
				binary.LittleEndian.PutUint32(b[at+44:], 4) // behind .modinfo, struct module and __versions
			}
		}
		if a := check(t, open(t), b, Request{Call: FinitModule}, Permissive).Answers[0]; a.Errno != want {
			t.Errorf("%d tables: %q, want %q", n, a.Errno, want)
		}
	}
}

// TestModinfoEnds: the first line counts, and the last one to its end, whatever size the
// section has.
func TestModinfoEnds(t *testing.T) {
	k := open(t)
	k.ForceLoad = Yes
	for size, want := range map[uint64]string{0: "OF", 12: "OF", 13: "F", 19: "F", 20: "F"} {
		b := file{crcs: right()}.bytes() // license=GPL, intree=Y, vermagic=…
		table := binary.LittleEndian.Uint64(b[40:])
		binary.LittleEndian.PutUint64(b[table+64+32:], size)
		if a := check(t, k, b, Request{Call: FinitModule}, Permissive).Answers[0]; a.Taint != orderTaints(want) {
			t.Errorf("%d bytes: %v %q, want %q", size, a.Loads, a.Taint, want)
		}
	}
}

// TestSymbolNames: kernels before Linux 6.13 do not look at the table of the names of
// symbols, and what they make of one that is none is not told.
func TestSymbolNames(t *testing.T) {
	outside := func(b []byte) []byte {
		table := binary.LittleEndian.Uint64(b[40:])
		for ; table+64 <= uint64(len(b)); table += 64 {
			if s := b[table:]; binary.LittleEndian.Uint32(s[4:]) == shtSymtab {
				binary.LittleEndian.PutUint32(b[binary.LittleEndian.Uint64(s[24:])+24:], 1<<20)
			}
		}
		return b
	}
	for bounds, want := range map[Fact]Errno{No: unknown, Maybe: unknown, Yes: eNoExec} {
		k := open(t)
		k.bounds = bounds
		a := check(t, k, outside(file{crcs: right()}.bytes()), Request{Call: FinitModule}, Permissive).Answers[0]
		if a.Errno != want {
			t.Errorf("%v: %q, want %q", bounds, a.Errno, want)
		}
		if log := []string{"symbol name out of bounds in string table"}; bounds == Yes && !slices.Equal(a.Log, log) {
			t.Errorf("%q, want %q", a.Log, log)
		}
	}
}
