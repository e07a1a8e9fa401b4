// SPDX-License-Identifier: Apache-2.0

package hashset

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// CVersion names the text of a C file by the posting of the kernel series that
// it is from.
type CVersion string

// The texts that this package writes and reads.
const (
	CVersion3 CVersion = "v3" // flat list; version 2 has the same text
	CVersion4 CVersion = "v4" // Merkle root, hash in single braces
	CVersion5 CVersion = "v5" // Merkle root, hash in double braces
)

// CText is the content of the C file that a build makes, .tmp_module_hashes.c.
type CText struct {
	Version CVersion
	Root    Root // for versions 4 and 5
	// Entries are for version 3: the names as the build has them
	// ("fs/ext4/ext4.ko") and the digests. A zero digest reserves the place of
	// one; then all are zero.
	Entries []Entry
}

// The fixed lines of the texts.
const (
	cInclude    = "#include <linux/module_hashes.h>\n\n"
	cFlatHead   = "const u8 module_hashes[][MODULE_HASHES_HASH_SIZE] __module_hashes_section = {\n"
	cMerkleHead = "module_hashes_root module_hashes_root __module_hashes_section = {\n"
	cEnd        = "};\n"
	cReserved   = "\t{ },\n"

	cPerLine  = 8 // bytes of a Merkle root on a line
	hexDigits = "0123456789abcdef"
)

// merkleText is where versions 4 and 5 differ.
type merkleText struct{ head, open, close string }

func merkleTextOf(v CVersion) merkleText {
	if v == CVersion4 {
		return merkleText{"const struct " + cMerkleHead, "\t.hash = {\n", "\t},\n"}
	}
	return merkleText{"const struct\n" + cMerkleHead, "\t.hash = {{\n", "\t}},\n"}
}

// AppendTo appends the text, byte for byte as the kernel's own build writes it.
// It refuses an unknown version, a root of no tree, a name that cannot stand in
// the comment above a digest, and zero digests among others.
func (c *CText) AppendTo(b []byte) ([]byte, error) {
	if err := c.check(); err != nil {
		return b, err
	}
	b = append(b, cInclude...)
	if c.Version == CVersion3 {
		b = append(b, cFlatHead...)
		for i := range c.Entries {
			b = appendRow(b, &c.Entries[i])
		}
		return append(b, cEnd...), nil
	}
	t := merkleTextOf(c.Version)
	b = append(b, t.head...)
	b = append(b, "\t.levels = "...)
	b = strconv.AppendUint(b, uint64(c.Root.Levels), 10)
	b = append(b, ",\n"...)
	b = append(b, t.open...)
	for i, x := range c.Root.Hash {
		if i%cPerLine == 0 {
			b = append(b, "\t\t"...)
		} else {
			b = append(b, ' ')
		}
		b = appendItem(b, x)
		if i%cPerLine == cPerLine-1 {
			b = append(b, '\n')
		}
	}
	b = append(b, t.close...)
	return append(b, cEnd...), nil
}

// appendRow appends one module of the flat list: its name in a comment, its
// digest, an empty line.
func appendRow(b []byte, e *Entry) []byte {
	b = append(b, "\t/* "...)
	b = append(b, e.Name...)
	b = append(b, " */\n"...)
	if e.Digest == (Digest{}) {
		return append(b, cReserved+"\n"...)
	}
	b = append(b, "\t{ "...)
	for _, x := range e.Digest {
		b = appendItem(b, x)
		b = append(b, ' ')
	}
	return append(b, "},\n\n"...)
}

// appendItem appends one byte as C: two lower-case hex digits and a comma.
func appendItem(b []byte, x byte) []byte {
	return append(b, '0', 'x', hexDigits[x>>4], hexDigits[x&15], ',')
}

// check reports why c has no text.
func (c *CText) check() error {
	switch c.Version {
	case CVersion3:
		if c.Root != (Root{}) {
			return errors.New("c text of a flat list with a root")
		}
		return checkRows(c.Entries)
	case CVersion4, CVersion5:
		if len(c.Entries) > 0 {
			return fmt.Errorf("c text of a Merkle root with %d digests", len(c.Entries))
		}
		if reason := c.Root.fault(); reason != "" {
			return fmt.Errorf("c text of a root of %s", reason)
		}
		return nil
	}
	return fmt.Errorf("unknown version %q of the c text, want %s, %s or %s", string(c.Version), CVersion3, CVersion4, CVersion5)
}

func checkRows(entries []Entry) error {
	digests := make([]Digest, len(entries))
	for i, e := range entries {
		if err := checkComment(e.Name); err != nil {
			return fmt.Errorf("module %d: %w", i, err)
		}
		digests[i] = e.Digest
	}
	if i, mixed := mixedZero(digests); mixed {
		return fmt.Errorf("module %d: %s has a zero digest, others have not", i, entries[i].Name)
	}
	return nil
}

// checkComment accepts the names that neither end the comment nor, with a
// backslash, hide what follows it from the compiler.
func checkComment(name string) error {
	switch {
	case !strings.HasSuffix(name, ".ko"):
		return fmt.Errorf("module name %q does not end in .ko", name)
	case strings.Contains(name, "*/") || strings.Contains(name, `\`):
		return fmt.Errorf("module name %q cannot stand in a C comment", name)
	}
	return printable("module name", name)
}
