// SPDX-License-Identifier: Apache-2.0

package units

import (
	"github.com/modhash/modhash/kbuild/internal/btf"
)

// types splits type information: a header, types, and their names. The Key of a type
// is its kind. What cannot be read is bytes.
func (f *File) types(dst []Unit, bl *Block) []Unit {
	s, err := btf.Parse(f.Bytes[bl.Off:bl.Off+bl.Len], f.Order)
	if err != nil {
		return append(dst, Unit{Off: bl.Off, Len: bl.Len, Kind: Bytes, Index: -1})
	}
	dst = append(dst, Unit{Off: bl.Off, Len: int64(s.Head), Kind: Bytes, Index: -1, Name: "header"})
	for i := range s.Len() {
		off, size := s.Type(i)
		dst = append(dst, Unit{bl.Off + int64(off), int64(size), Type, int32(i), uint64(s.Kind(i)), text(s.Name(i))})
	}
	names := Block{Off: bl.Off + int64(s.Names), Len: bl.Len - int64(s.Names)}
	return f.strings(dst, &names)
}
