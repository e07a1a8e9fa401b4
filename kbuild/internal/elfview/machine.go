// SPDX-License-Identifier: Apache-2.0

package elfview

import "fmt"

// machines names the e_machine values of architectures that Linux builds
// modules for (include/uapi/linux/elf-em.h), in the words of the manifest:
// none may ever change.
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

// MachineName returns the name of an e_machine value, "em-" and the number if
// it has none here.
func MachineName(machine uint16) string {
	if name, ok := machines[machine]; ok {
		return name
	}
	return fmt.Sprintf("em-%d", machine)
}
