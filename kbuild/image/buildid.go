// SPDX-License-Identifier: Apache-2.0

package image

import "fmt"

const (
	shtNote      = 7
	ntGNUBuildID = 3
	maxNotes     = 1 << 20
)

// readBuildID finds the note with the build id: in the kernel's note sections,
// or between the symbols around them. Notes elsewhere, such as those of the
// vDSO inside of a flat kernel, are not the kernel's.
func (im *Image) readBuildID(k *kernel) error {
	if start, ok := k.syms[symNotesStart]; ok {
		stop := k.syms[symNotesStop]
		if stop < start || stop-start > maxNotes {
			return badf(0, "notes from address 0x%x to 0x%x", start, stop)
		}
		b, off, err := k.at(start, stop-start)
		if err != nil {
			return fmt.Errorf("reading notes: %w", err)
		}
		im.notes(k, b, off)
	}
	if k.elf == nil || im.BuildID != nil {
		return nil
	}
	for i := range k.elf.Sections {
		s := &k.elf.Sections[i]
		if s.Type != shtNote {
			continue
		}
		b, err := k.elf.Data(s, maxNotes)
		if err != nil {
			return fromPart(0, "notes, ", err)
		}
		im.notes(k, b, int64(s.Offset))
	}
	return nil
}

// notes walks over notes (gABI, chapter 5, "Note Section"): three words for
// the sizes of name and description and for the type, then both, each filled up to
// a multiple of 4.
func (im *Image) notes(k *kernel, b []byte, off int64) {
	for at := 0; len(b)-at >= 12; {
		w := func(i int) int64 { return int64(k.order.Uint32(b[at+i:])) }
		name, desc, typ := w(0), w(4), w(8)
		nameEnd := int64(at) + 12 + name
		descAt := (nameEnd + 3) &^ 3
		if descAt+desc > int64(len(b)) {
			im.problem(off+int64(at), "a note of %d and %d bytes, %d are left", name, desc, len(b)-at-12)
			return
		}
		if typ == ntGNUBuildID && string(b[at+12:nameEnd]) == "GNU\x00" && desc > 0 {
			id := append([]byte{}, b[descAt:descAt+desc]...)
			if im.BuildID == nil {
				im.BuildID = id
			} else if string(id) != string(im.BuildID) {
				im.problem(off+int64(at), "a second build id, %x", id)
			}
		}
		at = int((descAt + desc + 3) &^ 3)
	}
}
