// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// MaxSymbols is the size in bytes above which a Module.symvers is not read. The
// largest of a distribution have 3 MB.
const MaxSymbols = 64 << 20

// Symbols are the exported symbols of a kernel and its modules, from one or more
// files Module.symvers. It must not be changed while it is used.
type Symbols struct {
	byName    map[string]symbol
	checksums bool // one of them is not zero
}

type symbol struct {
	crc       uint32
	owner     string // "vmlinux", or the path of a module without suffix
	gpl       bool
	namespace string
}

// A SymbolsError says why a file is no Module.symvers.
type SymbolsError struct {
	Line   int // counted from 1; 0 for the file as a whole
	Reason string
}

func (e *SymbolsError) Error() string {
	if e.Line == 0 {
		return "no Module.symvers: " + e.Reason
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Reason)
}

// Read adds the symbols of a file Module.symvers (Documentation/kbuild/modules.rst):
//
//	0xCRC<TAB>symbol<TAB>module<TAB>export type<TAB>namespace<LF>
//
// The CRC has up to 8 hex digits and is zero in kernels without
// CONFIG_MODVERSIONS. The export type is EXPORT_SYMBOL or EXPORT_SYMBOL_GPL, or one
// of their variants. The namespace, which kernels before 5.4 do not write, may be
// empty or absent. A line may end in CR LF.
//
// The error is a [*SymbolsError] or one of r. What was read before it stays.
func (s *Symbols) Read(r io.Reader) error {
	if s.byName == nil {
		s.byName = map[string]symbol{}
	}
	limited := &io.LimitedReader{R: r, N: MaxSymbols + 1}
	in := bufio.NewScanner(limited)
	in.Buffer(nil, 64<<10)
	tooLarge := &SymbolsError{0, fmt.Sprintf("more than %d MiB", MaxSymbols>>20)}
	line := 0
	for in.Scan() {
		if limited.N == 0 { // the last line may be cut off
			return tooLarge
		}
		line++
		if err := s.add(bytes.TrimSuffix(in.Bytes(), []byte("\r"))); err != nil {
			return &SymbolsError{line, err.Error()}
		}
	}
	switch err := in.Err(); {
	case limited.N == 0:
		return tooLarge
	case errors.Is(err, bufio.ErrTooLong):
		return &SymbolsError{line + 1, "longer than any line of a Module.symvers"}
	case err != nil:
		return err
	case line == 0:
		return &SymbolsError{0, "it is empty"}
	}
	return nil
}

func (s *Symbols) add(line []byte) error {
	f := strings.Split(string(line), "\t")
	if len(f) != 4 && len(f) != 5 {
		return fmt.Errorf("%d fields between tabs, want 4 or 5", len(f))
	}
	hex, ok := strings.CutPrefix(f[0], "0x")
	crc, err := strconv.ParseUint(hex, 16, 32)
	switch {
	case !ok || err != nil || strings.ContainsAny(hex, "_+-"):
		return fmt.Errorf("CRC %.20q, want 0x and up to 8 hex digits", f[0])
	case f[1] == "" || f[2] == "":
		return errors.New("symbol or module without a name")
	case !strings.HasPrefix(f[3], "EXPORT_"):
		return fmt.Errorf("export type %.30q, want EXPORT_SYMBOL or EXPORT_SYMBOL_GPL", f[3])
	case strings.ContainsRune(string(line), 0):
		return errors.New("a NUL byte")
	}
	x := symbol{crc: uint32(crc), owner: f[2], gpl: strings.Contains(f[3], "_GPL")}
	if len(f) == 5 {
		x.namespace = f[4]
	}
	if old, twice := s.byName[f[1]]; twice && old != x {
		return fmt.Errorf("symbol %.80q has another line with other values", f[1])
	}
	s.byName[f[1]] = x
	s.checksums = s.checksums || x.crc != 0
	return nil
}

// Len is the number of symbols.
func (s *Symbols) Len() int { return len(s.byName) }

// module is the name of the module that owns x, as the kernel has it: "vmlinux" is
// the kernel.
func (x *symbol) module() string {
	return strings.ReplaceAll(strings.TrimSuffix(x.owner[strings.LastIndexByte(x.owner, '/')+1:], ".ko"), "-", "_")
}
