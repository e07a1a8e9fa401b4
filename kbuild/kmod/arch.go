// SPDX-License-Identifier: Apache-2.0

package kmod

import (
	"encoding/binary"
	"fmt"

	"github.com/modhash/modhash/kbuild/internal/elfview"
)

// machines names the e_machine values of architectures that Linux builds
// modules for (include/uapi/linux/elf-em.h). The names are part of the
// manifest: none may ever change.
var machines = map[uint16]string{
	3:   "i386",
	8:   "mips",
	15:  "parisc",
	20:  "ppc",
	21:  "ppc64",
	22:  "s390",
	40:  "arm",
	43:  "sparc64",
	62:  "x86_64",
	183: "aarch64",
	243: "riscv",
	258: "loongarch",
}

// Arch returns machine, class and byte order as the manifest writes them:
// "x86_64 elf64 little". A machine without a name is "em-" and its number.
func Arch(f *elfview.File) string {
	name, ok := machines[f.Machine]
	if !ok {
		name = fmt.Sprintf("em-%d", f.Machine)
	}
	order := "little"
	if f.Order == binary.BigEndian {
		order = "big"
	}
	return fmt.Sprintf("%s elf%d %s", name, f.Bits, order)
}
