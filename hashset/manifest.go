// SPDX-License-Identifier: Apache-2.0

package hashset

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// MaxSize is the size in bytes above which a manifest is refused: about two
// hundred thousand modules with the longest names in use.
const MaxSize = 32 << 20

// Entry is one module of a manifest.
type Entry struct {
	Name   string // "kernel/fs/ext4/ext4.ko"
	Digest Digest // of the payload
}

// ImageState says what a manifest states about the kernel image.
type ImageState uint8

const (
	ImageNone       ImageState = iota // the build holds no image
	ImageNotCovered                   // the maker of the manifest left it out
	ImageSHA256                       // the digest is given
)

// ImageDigest is what a manifest says about the kernel image: the SHA-256 of
// the boot image as shipped, without its PE signature.
type ImageDigest struct {
	State  ImageState
	Digest Digest // for ImageSHA256
}

// String returns the value of the manifest's image line.
func (d ImageDigest) String() string {
	switch d.State {
	case ImageSHA256:
		return "sha256 " + d.Digest.String()
	case ImageNotCovered:
		return "not-covered"
	}
	return "none"
}

// MarshalText is [ImageDigest.String] for encoding/json.
func (d ImageDigest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// ArchNone is the arch of a build without modules.
const ArchNone = "none"

// Manifest is the list of a build's modules with what binds them together.
type Manifest struct {
	Release string // "6.12.0-example"
	Arch    string // "x86_64 elf64 little", or ArchNone
	Image   ImageDigest
	Scheme  Scheme
	Root    Root // zero for None
	Entries []Entry
}

const magicLine = "# modhash manifest v1"

// WriteTo writes the canonical text. It refuses, with the error that [Parse]
// would give, a Manifest that has none; nothing is written then.
func (m *Manifest) WriteTo(w io.Writer) (int64, error) {
	if err := m.Check(); err != nil {
		return 0, err
	}
	n, err := io.WriteString(w, m.text())
	return int64(n), err
}

func (m *Manifest) text() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line(magicLine)
	line("# release: %s", m.Release)
	line("# arch: %s", m.Arch)
	line("# digest: sha256")
	line("# image: %s", m.Image)
	line("# modules: %d", len(m.Entries))
	line("# hashset: %s", m.Scheme)
	switch m.Scheme {
	case Merkle:
		line("# root: %d %s", m.Root.Levels, m.Root.Hash)
	case Flat:
		line("# root: %s", m.Root.Hash)
	}
	for _, e := range m.Entries {
		b.WriteString(e.Digest.String())
		b.WriteString("  ")
		b.WriteString(e.Name)
		b.WriteByte('\n')
	}
	return b.String()
}

// Check reports what keeps m from being a manifest: a malformed release, arch
// or name, a name twice, an unknown scheme, a root that cannot belong to that
// many modules, or a flat root that is not that of the digests. A Merkle root
// cannot be recomputed from digests, because leaves cover positions.
func (m *Manifest) Check() error {
	if err := CheckRelease(m.Release); err != nil {
		return err
	}
	if err := checkArch(m.Arch, len(m.Entries)); err != nil {
		return err
	}
	if _, err := ParseScheme(string(m.Scheme)); err != nil {
		return err
	}
	if m.Image.State > ImageSHA256 || m.Image.State != ImageSHA256 && m.Image.Digest != (Digest{}) {
		return errors.New("image digest without its state")
	}
	seen := make(map[string]int, len(m.Entries))
	for i, e := range m.Entries {
		if err := CheckName(e.Name); err != nil {
			return fmt.Errorf("module %d: %w", i, err)
		}
		if first, dup := seen[e.Name]; dup {
			return fmt.Errorf("module %d: %s is module %d already", i, e.Name, first)
		}
		seen[e.Name] = i
	}
	return m.checkRoot()
}

func (m *Manifest) checkRoot() error {
	var want Root
	switch m.Scheme {
	case Merkle:
		if want.Levels = Levels(len(m.Entries)); want.Levels != m.Root.Levels {
			return fmt.Errorf("root has %d levels, %d modules make %d", m.Root.Levels, len(m.Entries), want.Levels)
		}
		if len(m.Entries) == 0 && m.Root != want {
			return errors.New("root of no modules is not zero")
		}
		return nil
	case Flat:
		digests := make([]Digest, len(m.Entries))
		for i, e := range m.Entries {
			digests[i] = e.Digest
		}
		want = FlatRoot(digests)
	}
	if m.Root != want {
		return fmt.Errorf("root is %s, the listed digests make %s", m.Root.Hash, want.Hash)
	}
	return nil
}

// CheckRelease reports whether s can be a kernel release: 1 to 255 printable
// ASCII characters without blank or slash, not starting with a dot.
func CheckRelease(s string) error {
	switch {
	case s == "":
		return errors.New("empty kernel release")
	case len(s) > 255:
		return fmt.Errorf("kernel release of %d characters, at most 255 are possible", len(s))
	case s[0] == '.' || strings.Contains(s, "/"):
		return fmt.Errorf("kernel release %q is no folder's name", s)
	}
	return printable("kernel release", s)
}

func printable(what, s string) error {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x21 || s[i] > 0x7e {
			return fmt.Errorf("%s %q has the byte 0x%02x", what, s, s[i])
		}
	}
	return nil
}

// CheckName reports whether s can be the name of an in-tree module.
func CheckName(s string) error {
	switch {
	case len(s) > 4095:
		return fmt.Errorf("module name of %d bytes, longer than a path can be", len(s))
	case !strings.HasPrefix(s, "kernel/") || !strings.HasSuffix(s, ".ko") || path.Base(s) == ".ko":
		return fmt.Errorf("module name %q, want kernel/….ko", s)
	case path.Clean(s) != s:
		return fmt.Errorf("module name %q is no clean path", s)
	case strings.Contains(s, `\`):
		return fmt.Errorf("module name %q has a backslash", s)
	}
	return printable("module name", s)
}

// checkArch accepts what kbuild writes: a machine name, a class, a byte order.
func checkArch(s string, modules int) error {
	if (s == ArchNone) != (modules == 0) {
		return fmt.Errorf("arch %q with %d modules", s, modules)
	}
	if s == ArchNone {
		return nil
	}
	machine, rest, _ := strings.Cut(s, " ")
	class, order, _ := strings.Cut(rest, " ")
	ok := machine != "" && (class == "elf32" || class == "elf64") && (order == "little" || order == "big")
	for i := 0; i < len(machine); i++ {
		c := machine[i]
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-')
	}
	if !ok || len(machine) > 32 {
		return fmt.Errorf("arch %q, want a machine, elf32 or elf64, and little or big", s)
	}
	return nil
}
