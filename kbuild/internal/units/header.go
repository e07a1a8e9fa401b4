// SPDX-License-Identifier: Apache-2.0

package units

// field is one field of a header: name, offset and size in bytes.
type field struct {
	name      string
	off, size int64
}

var ehdr64 = []field{
	{"e_ident", 0, 16}, {"e_type", 16, 2}, {"e_machine", 18, 2}, {"e_version", 20, 4}, {"e_entry", 24, 8}, {"e_phoff", 32, 8}, {"e_shoff", 40, 8},
	{"e_flags", 48, 4}, {"e_ehsize", 52, 2}, {"e_phentsize", 54, 2}, {"e_phnum", 56, 2}, {"e_shentsize", 58, 2}, {"e_shnum", 60, 2}, {"e_shstrndx", 62, 2},
}

var ehdr32 = []field{
	{"e_ident", 0, 16}, {"e_type", 16, 2}, {"e_machine", 18, 2}, {"e_version", 20, 4}, {"e_entry", 24, 4}, {"e_phoff", 28, 4}, {"e_shoff", 32, 4},
	{"e_flags", 36, 4}, {"e_ehsize", 40, 2}, {"e_phentsize", 42, 2}, {"e_phnum", 44, 2}, {"e_shentsize", 46, 2}, {"e_shnum", 48, 2}, {"e_shstrndx", 50, 2},
}

// SectionFields are the fields of an entry of the section table; the Key of a
// [SectionField] is an index into it.
var SectionFields = [...]string{"sh_name", "sh_type", "sh_flags", "sh_addr", "sh_offset", "sh_size", "sh_link", "sh_info", "sh_addralign", "sh_entsize"}

// The sizes of these fields.
var (
	shdr64 = [...]int64{4, 4, 8, 8, 8, 8, 4, 4, 8, 8}
	shdr32 = [...]int64{4, 4, 4, 4, 4, 4, 4, 4, 4, 4}
)

func (f *File) headerFields(dst []Unit) []Unit {
	fields := ehdr64
	if f.Bits == 32 {
		fields = ehdr32
	}
	for _, x := range fields {
		dst = append(dst, Unit{Off: x.off, Len: x.size, Kind: Header, Index: -1, Name: x.name})
	}
	return dst
}

// sectionFields: the name of a unit is that of its section, so that fields of
// sections of one name are told apart by their order.
func (f *File) sectionFields(dst []Unit) []Unit {
	sizes := shdr64
	if f.Bits == 32 {
		sizes = shdr32
	}
	at := f.Table.Off
	for i := range f.Sections {
		for k, n := range sizes {
			dst = append(dst, Unit{Off: at, Len: n, Kind: SectionField, Index: int32(i), Key: uint64(k), Name: f.Sections[i].Name})
			at += n
		}
	}
	return dst
}
