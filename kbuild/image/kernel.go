// SPDX-License-Identifier: Apache-2.0

package image

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/modhash/modhash/kbuild/internal/codec"
	"github.com/modhash/modhash/kbuild/internal/elfview"
)

// Names of symbols in a kernel.
const (
	symBanner      = "linux_banner"                     // init/version-timestamp.c
	symTrusted     = "system_certificate_list"          // certs/system_certificates.S
	symTrustedSize = "system_certificate_list_size"     // unsigned long
	symModuleSize  = "module_cert_size"                 // unsigned long
	symRevoked     = "revocation_certificate_list"      // certs/revocation_certificates.S
	symRevokedSize = "revocation_certificate_list_size" // unsigned long
	symHashesRoot  = "module_hashes_root"               // Merkle tree
	symHashesStart = "__start_module_hashes"            // flat list
	symHashesStop  = "__stop_module_hashes"
	symConfig      = "kernel_config_data" // kernel/configs.c
	symConfigEnd   = "kernel_config_data_end"
	symNotesStart  = "__start_notes"
	symNotesStop   = "__stop_notes"
)

var wantedSymbols = []string{
	symBanner, symTrusted, symTrustedSize, symModuleSize, symRevoked, symRevokedSize, symHashesRoot, symHashesStart,
	symHashesStop, symConfig, symConfigEnd, symNotesStart, symNotesStop,
}

// baseSymbols are names of the first byte of a flat kernel: the lowest of those
// that there are, since some architectures have headers before the code.
var baseSymbols = []string{"_text", "_start", "_head"}

// kernel is the innermost layer as an address space.
type kernel struct {
	r    io.ReaderAt
	size int64

	elf   *elfview.File // nil: a flat binary
	arch  string
	order binary.ByteOrder
	bits  int

	syms   map[string]uint64 // nil: not known
	origin Origin            // of syms
	base   uint64            // address of the first byte of a flat binary

	finds  *finds // nil: not looked for
	ranges []span // in which they were looked for
}

// found returns what a scan finds; the first call makes it.
func (k *kernel) found() (*finds, error) {
	if k.finds == nil {
		f, err := k.scan()
		if err != nil {
			return nil, err
		}
		k.finds = f
	}
	return k.finds, nil
}

// newKernel reads what there is of symbols.
func newKernel(r io.ReaderAt, size int64, w *wrapper, systemMap io.Reader) (*kernel, error) {
	k := &kernel{r: r, size: size, arch: w.arch, order: w.order, bits: w.bits}
	if w.Kind == ELF {
		f, err := elfview.Parse(r, size)
		if err != nil {
			return nil, fromPart(0, "", err)
		}
		k.elf, k.order, k.bits, k.arch = f, f.Order, f.Bits, elfview.MachineName(f.Machine)
		k.syms, err = f.Symbols(wantedSymbols...)
		switch {
		case err == nil:
			k.origin = FromSymbol
			return k, nil
		case !errors.Is(err, elfview.ErrNoSymbols):
			return nil, fromPart(0, "", err)
		}
	}
	if systemMap == nil {
		return k, nil
	}
	syms, err := parseSystemMap(systemMap, append(baseSymbols, wantedSymbols...))
	if err != nil {
		return nil, err
	}
	k.syms, k.origin = syms, FromSystemMap
	return k, k.fit()
}

// fit checks that the system map is that of the kernel.
func (k *kernel) fit() error {
	if k.elf == nil {
		found := false
		for _, name := range baseSymbols {
			if v, ok := k.syms[name]; ok && (!found || v < k.base) {
				k.base, found = v, true
			}
		}
		if !found {
			return errors.New("system map: it has no symbol for the start of the kernel; is it a whole one?")
		}
	}
	at, ok := k.syms[symBanner]
	if !ok {
		return fmt.Errorf("system map: it lacks the symbol %s; is it a whole one?", symBanner)
	}
	b, _, err := k.at(at, uint64(len(bannerStart)))
	var fe *FormatError
	switch {
	case err != nil && !errors.As(err, &fe):
		return err
	case err != nil || string(b) != bannerStart:
		return fmt.Errorf("system map: there is no banner at the address of %s, 0x%x: it is that of another kernel", symBanner, at)
	}
	return nil
}

// offset returns where the n bytes at an address are.
func (k *kernel) offset(addr, n uint64) (int64, error) {
	if k.elf != nil {
		off, err := k.elf.FileOffset(addr, n)
		return off, fromPart(0, "", err)
	}
	if size := uint64(k.size); addr < k.base || n > size || addr-k.base > size-n {
		return 0, badf(0, "%d bytes at address 0x%x are not in the kernel, which begins at 0x%x", n, addr, k.base)
	}
	return int64(addr - k.base), nil
}

// at returns the n bytes at an address, and their offset.
func (k *kernel) at(addr, n uint64) ([]byte, int64, error) {
	off, err := k.offset(addr, n)
	if err != nil {
		return nil, 0, err
	}
	b, err := k.bytes(off, int64(n))
	return b, off, err
}

// bytes returns n bytes at off, which are in the kernel.
func (k *kernel) bytes(off, n int64) ([]byte, error) {
	if off < 0 || n < 0 || off > k.size || n > k.size-off {
		return nil, badf(min(max(off, 0), k.size), "%d bytes at %d, the kernel has %d", n, off, k.size)
	}
	b := make([]byte, n)
	if got, err := k.r.ReadAt(b, off); int64(got) < n {
		return nil, fmt.Errorf("reading kernel at offset %d: %w", off, err)
	}
	return b, nil
}

// view is bytes for who does not keep or change them.
func (k *kernel) view(off, n int64) ([]byte, error) {
	if m, ok := k.r.(elfview.Memory); ok && off >= 0 && n >= 0 && off <= k.size && n <= k.size-off {
		return m.Slice(off, n), nil
	}
	return k.bytes(off, n)
}

// long returns the unsigned long at the start of b.
func (k *kernel) long(b []byte) uint64 {
	if k.bits == 32 {
		return uint64(k.order.Uint32(b))
	}
	return k.order.Uint64(b)
}

func (k *kernel) wordSize() int64 { return int64(k.bits / 8) }

// longAt returns the unsigned long at a symbol.
func (k *kernel) longAt(symbol string) (uint64, error) {
	b, _, err := k.at(k.syms[symbol], uint64(k.wordSize()))
	if err != nil {
		return 0, fmt.Errorf("reading %s: %w", symbol, err)
	}
	return k.long(b), nil
}

// readELFLayer recognizes the ELF file that decompresses the kernel on x86
// (arch/x86/boot/compressed/vmlinux) by the section that holds the payload.
func readELFLayer(r io.ReaderAt, size int64) (*wrapper, error) {
	f, err := elfview.Parse(r, size)
	if err != nil {
		return nil, fromPart(0, "", err)
	}
	w := plainWrapper(ELF, size)
	s := f.Section(".rodata..compressed")
	if s == nil || s.Type == elfview.SHTNobits {
		return w, nil
	}
	if s.Offset > uint64(size) || s.Size > uint64(size)-s.Offset || s.Size < 16 {
		return nil, badf(int64(min(s.Offset, uint64(size))), "section %s of %d bytes, the file has %d", s.Name, s.Size, size)
	}
	head := make([]byte, 16)
	if n, err := r.ReadAt(head, int64(s.Offset)); n < len(head) {
		return nil, fmt.Errorf("reading image at offset %d: %w", s.Offset, err)
	}
	format := codec.Sniff(head)
	n := int64(s.Size)
	switch format {
	case codec.Plain:
		return nil, badf(int64(s.Offset), "section %s starts with % x", s.Name, head[:8])
	case codec.Gzip:
	default:
		n -= 4 // the decoded size
	}
	w.payload(int64(s.Offset), n, format)
	return w, nil
}
