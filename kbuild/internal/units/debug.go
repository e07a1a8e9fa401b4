// SPDX-License-Identifier: Apache-2.0

package units

// contributions are sections of debug information (DWARF, versions 2 to 5) that are made
// of one piece after the other, each of which begins with its length: 32 bits, or all of
// them set and then 64.
var contributions = map[string]bool{
	".debug_info": true, ".debug_types": true, ".debug_line": true, ".debug_aranges": true, ".debug_frame": true,
	".debug_rnglists": true, ".debug_loclists": true, ".debug_addr": true, ".debug_str_offsets": true,
}

// minContribution is below what any of them has, so that pieces are fewer than bytes.
const minContribution = 16

// debug splits a section of debug information by compilation unit. The Key of a unit is
// its length, by which those that did not change are recognised where others came or
// went. What does not add up is one piece.
func (f *File) debug(dst []Unit, bl *Block) []Unit {
	n := len(dst)
	whole := Unit{Off: bl.Off, Len: bl.Len, Kind: Bytes, Index: -1}
	if !contributions[bl.Name] {
		return append(dst, whole)
	}
	b := f.Bytes[bl.Off : bl.Off+bl.Len]
	for at := uint64(0); at < uint64(len(b)); {
		left := uint64(len(b)) - at
		if left < 4 {
			return append(dst[:n], whole)
		}
		head, size := uint64(4), uint64(f.Order.Uint32(b[at:]))
		if size == 0xffffffff && left >= 12 {
			head, size = 12, f.Order.Uint64(b[at+4:])
		}
		if size > left-min(head, left) {
			return append(dst[:n], whole)
		}
		if size += head; size < minContribution {
			return append(dst[:n], whole)
		}
		dst = append(dst, Unit{Off: bl.Off + int64(at), Len: int64(size), Kind: Bytes, Index: -1, Key: size})
		at += size
	}
	return dst
}
