// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/internal/units"
)

const docModinst = "Documentation/kbuild/modules.rst; scripts/Makefile.modinst"

var (
	compressionFormat = compare.Cause{ID: "compression.format", Class: compare.Root, Local: true, Title: "compressed with another program, or on one side only",
		Mend: "set the same CONFIG_MODULE_COMPRESS_… and compress modules at one place only", Doc: docModinst}
	xzCheck = compare.Cause{ID: "compression.xz-check", Class: compare.Root, Local: true, Title: "another xz check",
		Mend: "xz --check=crc32, which the kernel needs", Doc: docModinst}
	xzDict = compare.Cause{ID: "compression.xz-dict", Class: compare.Root, Local: true, Title: "another xz dictionary size",
		Mend: "xz --lzma2=dict=1MiB, as the kernel's build does", Doc: docModinst}
	xzFilter = compare.Cause{ID: "compression.xz-filter", Class: compare.Root, Local: true, Title: "other xz filters",
		Mend: "no branch filter (--x86, --arm64 …), as the kernel's build does", Doc: docModinst}
	xzBlocks = compare.Cause{ID: "compression.xz-blocks", Class: compare.Root, Local: true, Title: "other xz blocks (single- or multi-threaded)",
		Mend: "the same xz version with the same -T; -T1 and -T2 write other headers", Doc: "xz(1), --threads"}
	gzipName = compare.Cause{ID: "compression.gzip-name", Class: compare.Root, Local: true, Title: "another file name in the gzip header",
		Mend: "gzip -n", Doc: "gzip(1)"}
	gzipTime = compare.Cause{ID: "compression.gzip-time", Class: compare.Root, Local: true, Title: "another time in the gzip header",
		Mend: "gzip -n", Doc: "gzip(1)"}
	gzipSystem = compare.Cause{ID: "compression.gzip-system", Class: compare.Root, Local: true, Title: "another system in the gzip header",
		Mend: "the same gzip implementation", Doc: "RFC 1952"}
	compressionLevel = compare.Cause{ID: "compression.level", Class: compare.Root, Local: true, Title: "another compression level",
		Mend: "the same level and version of the compressor", Doc: docModinst}
	zstdFrame = compare.Cause{ID: "compression.zstd-frame", Class: compare.Root, Local: true, Title: "another form of zstd frame (window, content size, checksum)",
		Mend: "the same zstd version and level, from a file and not from a pipe", Doc: "RFC 8878"}
	compressor = compare.Cause{ID: "compression.compressor", Class: compare.Root, Local: true, Title: "equal content, compressed otherwise",
		Mend: "the same program, version and level", Doc: docModinst}
	compressedContent = compare.Cause{ID: "compression.content", Class: compare.Unverified, Local: true, Title: "compressed bytes of content that differs"}
	compressionSums   = compare.Cause{ID: "compression.sums", Class: compare.Derived, Local: true, Title: "sizes and checksums of compressed data"}
)

var compressionCauses = []*compare.Cause{
	&compressionFormat, &xzCheck, &xzDict, &xzFilter, &xzBlocks, &gzipName, &gzipTime, &gzipSystem, &compressionLevel, &zstdFrame,
	&compressor, &compressedContent, &compressionSums,
}

// compression explains the stored bytes. Sizes and checksums were verified when
// the file was decoded, so that what differs in them follows from what they are
// of.
func compression(p *pair) {
	if p.Stored == nil || p.A.Module == nil || p.B.Module == nil {
		return
	}
	equal := p.Unit.Tally().IsZero()
	ca, cb := p.A.Module.Compression.String(), p.B.Module.Compression.String()
	p.each(p.Stored, func(x *place) {
		switch {
		case x.unit().Kind == units.Stream && x.both():
			switch {
			case !equal:
				p.claim(x, &compressedContent, "", "", "")
			case ca != cb:
				p.claim(x, &compressionFormat, "", ca, cb)
			default:
				p.claim(x, &compressor, ca, "", "")
			}
		case ca != cb:
			p.claim(x, &compressionFormat, "", ca, cb)
		case ca == "xz":
			p.xz(x)
		case ca == "gzip":
			p.gzip(x)
		case ca == "zstd":
			p.zstd(x)
		}
	})
}

func (p *pair) storedBytes(x *place) (a, b []byte) {
	return p.A.StoredBytes(compare.Range{Off: x.a.Off, Len: x.a.Len}), p.B.StoredBytes(compare.Range{Off: x.b.Off, Len: x.b.Len})
}

func (p *pair) xz(x *place) {
	a, b := p.storedBytes(x)
	switch name := x.unit().Name; name {
	case "flags", "footer flags":
		p.claim(x, &xzCheck, "", xzCheckName(a), xzCheckName(b))
	case "dictionary":
		p.claim(x, &xzDict, "", xzDictSize(a), xzDictSize(b))
	case "filter":
		p.claim(x, &xzFilter, "", "", "")
	case "packed size", "unpacked size", "header size", "block flags", "header padding":
		if !x.both() || name != "packed size" && name != "unpacked size" {
			p.claim(x, &xzBlocks, "", "", "")
			return
		}
		p.claim(x, &compressionSums, "", "", "")
	default:
		if !x.both() && x.unit().Kind == units.Stream {
			p.claim(x, &xzBlocks, "", "", "")
			return
		}
		p.claim(x, &compressionSums, "", "", "")
	}
}

func xzCheckName(b []byte) string {
	if len(b) < 2 {
		return ""
	}
	switch b[1] & 15 {
	case 0:
		return "none"
	case 1:
		return "crc32"
	case 4:
		return "crc64"
	case 10:
		return "sha256"
	}
	return fmt.Sprint(b[1] & 15)
}

// xzDictSize: two bits of mantissa, the rest exponent.
func xzDictSize(b []byte) string {
	if len(b) < 1 || b[0] > 40 {
		return ""
	}
	if b[0] == 40 {
		return "4 GiB"
	}
	n := uint64(2|b[0]&1) << (b[0]/2 + 11)
	if n >= 1<<20 && n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}

func (p *pair) gzip(x *place) {
	a, b := p.storedBytes(x)
	switch x.unit().Name {
	case "name", "flags":
		// The only flag that a module may have is that of the name.
		p.claim(x, &gzipName, "", "", "")
	case "time":
		p.claim(x, &gzipTime, "", gzipTimeText(a), gzipTimeText(b))
	case "xfl":
		p.claim(x, &compressionLevel, "gzip", fmt.Sprintf("% x", a), fmt.Sprintf("% x", b))
	case "os":
		p.claim(x, &gzipSystem, "", fmt.Sprintf("% x", a), fmt.Sprintf("% x", b))
	case "crc", "size":
		p.claim(x, &compressionSums, "", "", "")
	}
}

// gzipTimeText tells whether there is a time: the times themselves differ from
// module to module and would keep one cause from being told once.
func gzipTimeText(b []byte) string {
	if len(b) == 4 && binary.LittleEndian.Uint32(b) == 0 {
		return "none"
	}
	return "a time"
}

func (p *pair) zstd(x *place) {
	switch x.unit().Name {
	case "content size", "checksum":
		if x.both() && x.a.Len == x.b.Len {
			p.claim(x, &compressionSums, "", "", "")
			return
		}
		p.claim(x, &zstdFrame, "", "", "")
	case "descriptor", "window":
		p.claim(x, &zstdFrame, "", "", "")
	}
}

// cleanText: s can be shown as it is, and is text as builds write it.
func cleanText(s []byte) bool {
	return !bytes.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) && strings.ToValidUTF8(string(s), "") == string(s)
}
