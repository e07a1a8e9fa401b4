// SPDX-License-Identifier: Apache-2.0

package kmod

import (
	"encoding/binary"
	"fmt"

	"github.com/modhash/modhash/kbuild/internal/elfview"
)

// Arch returns machine, class and byte order as the manifest writes them:
// "x86_64 elf64 little". A machine without a name is "em-" and its number.
func Arch(f *elfview.File) string {
	order := "little"
	if f.Order == binary.BigEndian {
		order = "big"
	}
	return fmt.Sprintf("%s elf%d %s", elfview.MachineName(f.Machine), f.Bits, order)
}
