// SPDX-License-Identifier: Apache-2.0

package units

import (
	"bytes"
	"strings"
)

// promotion stands between a name and the hash behind it.
const promotion = ".llvm."

// Promoted takes the hash out of a name that ThinLTO made. A function or object that
// one source file keeps for itself becomes visible to the others under its name,
// ".llvm.", and a number of 64 bits in decimal, the hash of that file's compiled form
// (getGlobalNameForLocal in LLVM's ModuleSummaryIndex.h): of "get_block.llvm.336" the
// name is "get_block.llvm" and the hash "336". The hash is "" if the name has none.
func Promoted(raw string) (name, hash string) {
	i := strings.LastIndex(raw, promotion)
	if i <= 0 {
		return raw, ""
	}
	at := i + len(promotion)
	end := at
	for end < len(raw) && '0' <= raw[end] && raw[end] <= '9' {
		end++
	}
	if n := end - at; n == 0 || n > 20 || end < len(raw) && raw[end] != '.' {
		return raw, ""
	}
	name = raw[:at-1]
	if end < len(raw) { // a part that the compiler cut off, ".cold"
		name += raw[end:]
	}
	return name, raw[at:end]
}

// nameSections takes the hashes out of the names of sections.
func (f *File) nameSections() {
	f.hashes = nil
	for i := range f.Sections {
		s := &f.Sections[i]
		name, hash := Promoted(s.Name)
		if hash == "" {
			continue
		}
		if f.hashes == nil {
			f.hashes = map[int]string{}
		}
		s.Name, f.hashes[i] = name, hash
	}
}

// Hash is what [Promoted] took out of the name of a section.
func (f *File) Hash(sec int) string { return f.hashes[sec] }

// namesHashes: a table of names has some with a hash.
func namesHashes(names []byte) bool { return bytes.Contains(names, []byte(promotion)) }
