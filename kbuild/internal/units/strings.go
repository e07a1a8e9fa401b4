// SPDX-License-Identifier: Apache-2.0

package units

import (
	"bytes"
	"slices"
)

// cut splits a block at its NULs: unit is called with each string, without its
// NUL, and zeros between strings become a Gap.
func (f *File) cut(dst []Unit, bl *Block, unit func(s []byte) Unit) []Unit {
	b := f.Bytes[bl.Off : bl.Off+bl.Len]
	dst = slices.Grow(dst, countStrings(b))
	for at := 0; at < len(b); {
		if b[at] == 0 {
			n := 1
			for at+n < len(b) && b[at+n] == 0 {
				n++
			}
			dst = append(dst, Unit{Off: bl.Off + int64(at), Len: int64(n), Kind: Gap, Index: -1})
			at += n
			continue
		}
		n := bytes.IndexByte(b[at:], 0)
		end := n + 1
		if n < 0 {
			n, end = len(b)-at, len(b)-at
		}
		u := unit(b[at : at+n])
		u.Off, u.Len, u.Index = bl.Off+int64(at), int64(end), -1
		dst = append(dst, u)
		at += end
	}
	return dst
}

// countStrings is how many units cut makes.
func countStrings(b []byte) int {
	n := 0
	for at := 0; at < len(b); n++ {
		if b[at] != 0 {
			end := bytes.IndexByte(b[at:], 0)
			if end < 0 {
				return n + 1
			}
			at += end + 1
			continue
		}
		for at < len(b) && b[at] == 0 {
			at++
		}
	}
	return n
}

func (f *File) strings(dst []Unit, bl *Block) []Unit {
	if f.Sections[bl.Index].Type == shtStrtab && namesHashes(f.Bytes[bl.Off:bl.Off+bl.Len]) {
		return f.cut(dst, bl, func(s []byte) Unit {
			name, _ := Promoted(text(s))
			return Unit{Kind: String, Name: name}
		})
	}
	return f.cut(dst, bl, func(s []byte) Unit { return Unit{Kind: String, Name: text(s)} })
}

// VermagicWords names what follows the release in an entry vermagic of .modinfo, with
// the blank between the two. It is a unit of its own: the one says which kernel, the other
// how it was configured.
const VermagicWords = "vermagic words"

func (f *File) modinfo(dst []Unit, bl *Block) []Unit {
	n := len(dst)
	dst = f.cut(dst, bl, func(s []byte) Unit {
		key, _, _ := bytes.Cut(s, []byte("="))
		return Unit{Kind: Modinfo, Name: text(key)}
	})
	for i := n; i < len(dst); i++ {
		u := &dst[i]
		at := int64(bytes.IndexByte(f.Bytes[u.Off:u.Off+u.Len], ' '))
		if u.Kind != Modinfo || u.Name != "vermagic" || at <= 0 {
			continue
		}
		words := Unit{Off: u.Off + at, Len: u.Len - at, Kind: Modinfo, Index: -1, Name: VermagicWords}
		u.Len = at
		dst = slices.Insert(dst, i+1, words)
		break // a module has one
	}
	return dst
}

// notes reads {namesz, descsz, type}, name and descriptor, both padded to four
// bytes. What is no note is bytes.
func (f *File) notes(dst []Unit, bl *Block) []Unit {
	b := f.Bytes[bl.Off : bl.Off+bl.Len]
	up := func(n uint64) uint64 { return (n + 3) &^ 3 }
	for at := uint64(0); at < uint64(len(b)); {
		left := uint64(len(b)) - at
		rest := Unit{Off: bl.Off + int64(at), Len: int64(left), Kind: Bytes, Index: -1}
		if left < 12 {
			return append(dst, rest)
		}
		namesz, descsz := uint64(f.Order.Uint32(b[at:])), uint64(f.Order.Uint32(b[at+4:]))
		n := 12 + up(namesz) + up(descsz)
		if 12+up(namesz)+descsz > left {
			return append(dst, rest)
		}
		n = min(n, left) // the last one's padding may be missing
		name, _, _ := bytes.Cut(b[at+12:at+12+namesz], []byte{0})
		dst = append(dst, Unit{rest.Off, int64(n), Note, -1, uint64(f.Order.Uint32(b[at+8:])), text(name)})
		at += n
	}
	return dst
}

// versions reads struct modversion_info: 64 bytes, of which a CRC of the size of
// a long, and a name.
func (f *File) versions(dst []Unit, bl *Block) []Unit {
	long := int64(f.Bits / 8)
	at := bl.Off
	for i := int32(0); bl.Off+bl.Len-at >= 64; i++ {
		name, _, _ := bytes.Cut(f.Bytes[at+long:at+64], []byte{0})
		dst = append(dst, Unit{at, 64, CRC, i, 0, text(name)})
		at += 64
	}
	return f.rest(dst, bl, at)
}

// extCRCs are numbers of 32 bits; their names are the strings of the section
// __version_ext_names, in the same order.
func (f *File) extCRCs(dst []Unit, bl *Block) []Unit {
	names := f.Data(f.Section("__version_ext_names"))
	at := bl.Off
	for i := int32(0); bl.Off+bl.Len-at >= 4; i++ {
		var name []byte
		name, names, _ = bytes.Cut(names, []byte{0})
		dst = append(dst, Unit{at, 4, CRC, i, 0, text(name)})
		at += 4
	}
	return f.rest(dst, bl, at)
}

// rest adds what is left of a block behind its entries.
func (f *File) rest(dst []Unit, bl *Block, at int64) []Unit {
	if end := bl.Off + bl.Len; at < end {
		dst = append(dst, Unit{Off: at, Len: end - at, Kind: Bytes, Index: -1, Name: "rest"})
	}
	return dst
}
