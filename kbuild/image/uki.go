// SPDX-License-Identifier: Apache-2.0

package image

import (
	"io"

	"github.com/modhash/modhash/kbuild/internal/codec"
)

// ukiKernel is the section of a unified kernel image that holds the kernel.
const ukiKernel = ".linux"

// readUKI returns nil and no error if the file is not a PE file with a section
// .linux. Such a file must have one of them only: which kernel the stub would
// start if there were two depends on the profile that is chosen at boot.
func readUKI(r io.ReaderAt, size int64) (*wrapper, error) {
	p, err := readPE(r, size)
	if p == nil || err != nil {
		return nil, err
	}
	sections, err := p.readSections(r, size)
	if err != nil {
		return nil, err
	}
	kernel := -1
	for i, s := range sections {
		if s.Name != ukiKernel {
			continue
		}
		at := p.tableAt() + int64(i)*peSectionSize
		switch {
		case kernel >= 0:
			return nil, badf(at, "a second section %s", ukiKernel)
		case s.Size == 0 || s.Offset+s.Size > size:
			return nil, badf(at, "section %s of %d bytes at offset %d, the file has %d", ukiKernel, s.Size, s.Offset, size)
		}
		kernel = i
	}
	if kernel < 0 {
		return nil, nil
	}
	w := plainWrapper(UKI, size)
	w.payload(sections[kernel].Offset, sections[kernel].Size, codec.Plain)
	w.arch = p.machineName()
	w.sections = sections
	return w, nil
}
