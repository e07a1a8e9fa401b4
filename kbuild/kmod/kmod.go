// SPDX-License-Identifier: Apache-2.0

// Package kmod reads one kernel module file: what it is compressed with, where
// its payload ends, what trailer it carries and what it says about itself.
//
// A module file is recognised by its content, never by its name: ELF, gzip, xz
// or zstd. A compressed module is one gzip member, xz stream or zstd frame and
// nothing else, because decompressors disagree on what follows and the file
// could then hold two modules.
package kmod

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild/internal/codec"
	"github.com/modhash/modhash/kbuild/internal/elfview"
	"github.com/modhash/modhash/kbuild/internal/spool"
	"github.com/modhash/modhash/modsig/trailer"
)

// Compression is what a module file is compressed with.
type Compression = codec.Format

// The compressions that kernel builds use for modules.
const (
	None = codec.Plain
	Gzip = codec.Gzip
	XZ   = codec.XZ
	Zstd = codec.Zstd
)

// Suffix is what Kbuild appends to the name of a module that is compressed
// with c; "" for an uncompressed one and for what Kbuild does not use.
func Suffix(c Compression) string {
	switch c {
	case Gzip:
		return ".gz"
	case XZ:
		return ".xz"
	case Zstd:
		return ".zst"
	}
	return ""
}

// DefaultMaxSize is the decompressed size in bytes above which a module is
// refused. The largest modules with full debug information stay below it.
const DefaultMaxSize = 2 << 30

// FormatError says that a file is no module, or a corrupt one. It is a finding
// about the file; every other error of this package is trouble with reading it.
type FormatError struct{ Err error }

func (e *FormatError) Error() string { return e.Err.Error() }

func (e *FormatError) Unwrap() error { return e.Err }

// Module is an opened module file. It is valid until its Opener opens another.
type Module struct {
	Compression Compression
	Stored      int64 // size in bytes of the file
	Decoded     int64 // size in bytes after decompression
	// Trailer is the outermost trailer; Trailer.Payload is the payload's size.
	Trailer trailer.Trailer
	// Stacked: the payload itself ends in a marker, so at least one more
	// trailer lies beneath the outermost one.
	Stacked bool

	src io.ReaderAt // the decoded bytes
	mem []byte      // the same, if they are in one piece in memory
	buf *spool.Buffer
	elf *elfview.Parser
	// chunk is the Opener's buffer for what is read piecewise.
	chunk *[chunkSize]byte
}

// Options of an [Opener]. The zero value is ready for use.
type Options struct {
	MaxSize int64         // decompressed size limit in bytes; 0 is DefaultMaxSize
	TempDir string        // where what does not fit into memory goes; "" is the system's folder
	Budget  *spool.Budget // memory shared by all Openers of a job; nil: a budget of its own
	// Piecewise: a small module that is not compressed is not read at once, for those
	// who look at little of it.
	Piecewise bool
}

// Opener opens module files one after the other and reuses its memory. It must
// not be used concurrently.
type Opener struct {
	max     int64
	pieces  bool
	dec     *codec.Decoder
	buf     *spool.Buffer
	scratch []byte
	decoded []byte // what is small enough to be in one piece
	elf     elfview.Parser
	chunk   [chunkSize]byte
}

// NewOpener returns an Opener. Close frees it.
func NewOpener(o *Options) *Opener {
	if o == nil {
		o = &Options{}
	}
	op := &Opener{max: o.MaxSize, pieces: o.Piecewise, dec: codec.NewDecoder(), buf: spool.NewBuffer(o.Budget, o.TempDir)}
	if op.max <= 0 {
		op.max = DefaultMaxSize
	}
	return op
}

// Close frees the Opener and the module opened last.
func (o *Opener) Close() error { return o.buf.Close() }

// inMemory is the size up to which a plain module is read at once instead of
// piecewise; most are smaller.
const inMemory = 1 << 20

// chunkSize is the size of the pieces, which should not leave the processor's
// cache before they are hashed.
const chunkSize = 64 << 10

// Open reads the module file in the first size bytes of r, which must stay
// readable as long as the Module is used.
func (o *Opener) Open(r io.ReaderAt, size int64) (*Module, error) {
	m := &Module{Stored: size, elf: &o.elf, chunk: &o.chunk}
	first := make([]byte, 0, 16)
	if size <= inMemory && !(o.pieces && o.isPlain(r, size)) {
		if cap(o.scratch) < int(size) {
			o.scratch = make([]byte, 0, max(int(size)*5/4, 64<<10))
		}
		m.mem = o.scratch[:size]
		if err := readFull(r, m.mem); err != nil {
			return nil, err
		}
		first = m.mem[:min(size, 16)]
		m.src = memReader(m.mem)
	} else {
		first = first[:min(size, 16)]
		if err := readFull(r, first); err != nil {
			return nil, err
		}
		m.src = io.NewSectionReader(r, 0, size)
	}
	m.Compression = codec.Sniff(first)
	if err := sniff(first, m.Compression); err != nil {
		return nil, err
	}
	if m.Compression != None {
		if err := o.decode(m, size); err != nil {
			return nil, err
		}
		return m, m.split()
	}
	if m.Decoded = size; size > o.max {
		return nil, &FormatError{fmt.Errorf("module of %d bytes, at most %d are accepted", size, o.max)}
	}
	return m, m.split()
}

// isPlain: the file is not compressed. One that cannot be read is told by who reads it.
func (o *Opener) isPlain(r io.ReaderAt, size int64) bool {
	first := o.chunk[:min(size, 16)]
	return readFull(r, first) == nil && codec.Sniff(first) == None
}

// Sniff reports why a file is no module file, looking at its first bytes only;
// nil if it could be one.
func Sniff(r io.ReaderAt, size int64) error {
	first := make([]byte, min(size, 16))
	if err := readFull(r, first); err != nil {
		return err
	}
	return sniff(first, codec.Sniff(first))
}

func sniff(first []byte, c Compression) error {
	switch {
	case len(first) == 0:
		return &FormatError{errors.New("the file is empty")}
	case c == None && !strings.HasPrefix(string(first), "\x7fELF"):
		return &FormatError{errors.New("neither an ELF file nor compressed with gzip, xz or zstd")}
	case c != None && Suffix(c) == "":
		return &FormatError{fmt.Errorf("compressed with %v, which kernels do not use for modules", c)}
	}
	return nil
}

// keepStored is the size in bytes of a compressed module above which the
// Decoder, which holds it in memory, is not used again.
const keepStored = 1 << 20

// onePiece is the decoded size in bytes up to which a module is decoded at once into
// memory, and keepDecoded that above which the memory is not used again. All but a
// few are smaller.
const (
	onePiece    = 8 << 20
	keepDecoded = 2 << 20
	// likelyRatio is how much larger than its file a module mostly is at the most; one
	// that would not be in one piece then is not begun so.
	likelyRatio = 6
)

// decodeMemory decodes a module that is in memory; done is false if it is too large.
func (o *Opener) decodeMemory(m *Module) (done bool, err error) {
	if cap(o.decoded) > keepDecoded {
		o.decoded = nil
	}
	out, err := o.dec.DecodeBytes(o.decoded[:0], m.mem, m.Compression, min(o.max, onePiece))
	switch {
	case err == nil:
		o.decoded, m.mem, m.src, m.Decoded = out, out, memReader(out), int64(len(out))
		return true, nil
	case errors.Is(err, codec.ErrTooLarge) && o.max > onePiece:
		return false, nil
	case errors.Is(err, codec.ErrTooLarge):
		err = fmt.Errorf("%w; the limit is %d bytes", err, o.max)
	}
	return true, &FormatError{err}
}

func (o *Opener) decode(m *Module, size int64) error {
	if m.mem != nil && size*likelyRatio <= onePiece {
		if done, err := o.decodeMemory(m); done {
			return err
		}
	}
	in := &errReader{r: io.NewSectionReader(m.src, 0, size), left: size}
	o.buf.Reset()
	n, err := o.dec.Decode(o.buf, in, m.Compression, o.max)
	if size > keepStored {
		o.dec = codec.NewDecoder()
	}
	switch {
	case err == nil:
		m.Decoded, m.src, m.mem, m.buf = n, o.buf, nil, o.buf
		return nil
	case in.err != nil:
		return fmt.Errorf("reading: %w", in.err)
	case o.buf.Err() != nil:
		return o.buf.Err()
	case errors.Is(err, codec.ErrTooLarge):
		err = fmt.Errorf("%w; the limit is %d bytes", err, o.max)
	}
	return &FormatError{err}
}

func (m *Module) split() (err error) {
	if m.Trailer, err = trailer.Split(m.src, m.Decoded); err != nil {
		return fmt.Errorf("reading: %w", err)
	}
	if m.Trailer.State == trailer.Valid {
		m.Stacked, err = trailer.EndsInMarker(m.src, m.Trailer.Payload)
	}
	return err
}

// WritePayload writes the payload to w, in large pieces.
func (m *Module) WritePayload(w io.Writer) error {
	n := m.Trailer.Payload
	var err error
	switch {
	case m.mem != nil:
		_, err = w.Write(m.mem[:n])
	case m.buf != nil:
		err = m.buf.WriteRange(w, 0, n)
	default:
		b := m.chunk[:]
		for off := int64(0); off < n && err == nil; off += int64(len(b)) {
			b = b[:min(int64(len(b)), n-off)]
			if got, rerr := m.src.ReadAt(b, off); got < len(b) {
				return fmt.Errorf("reading at offset %d: %w", off, rerr)
			}
			_, err = w.Write(b)
		}
	}
	return err
}

// Payload returns a reader of the payload.
func (m *Module) Payload() *io.SectionReader {
	return io.NewSectionReader(m.src, 0, m.Trailer.Payload)
}

// Tail returns a reader of what follows the payload: the trailer, or nothing.
func (m *Module) Tail() *io.SectionReader {
	return io.NewSectionReader(m.src, m.Trailer.Payload, m.Decoded-m.Trailer.Payload)
}

// Whole returns a reader of all decoded bytes.
func (m *Module) Whole() *io.SectionReader { return io.NewSectionReader(m.src, 0, m.Decoded) }

// Load brings all decoded bytes into one piece in memory, if they are not there yet,
// and returns them. If it needs memory it takes dst, grown as needed, which is the
// Module's from then on; grown is dst then, and nil if it was not needed.
func (m *Module) Load(dst []byte) (all, grown []byte, err error) {
	if m.mem != nil {
		return m.mem, nil, nil
	}
	dst = slices.Grow(dst[:0], int(m.Decoded))[:m.Decoded]
	if err := readFull(m.src, dst); err != nil {
		return nil, nil, err
	}
	m.mem, m.src = dst, memReader(dst)
	if m.buf != nil {
		m.buf.Close() // nothing is written that could be lost
		m.buf = nil
	}
	return dst, dst, nil
}

// maxModinfo is above the largest .modinfo section by three orders of magnitude.
const maxModinfo = 16 << 20

// Info is what the ELF file says about itself.
type Info struct {
	Arch    string // "x86_64 elf64 little"
	Release string // first word of the vermagic, fit for [hashset.CheckRelease]
}

// Info reads the ELF header and the vermagic. A payload without either is a
// [*FormatError].
func (m *Module) Info() (Info, error) {
	info, b, err := m.modinfoSection()
	if err != nil {
		return info, err
	}
	release, _, _ := bytes.Cut(modinfo(b, "vermagic"), []byte(" "))
	if len(release) == 0 {
		return info, &FormatError{errors.New("no vermagic in .modinfo: not a kernel module")}
	}
	if err := hashset.CheckRelease(string(release)); err != nil {
		return info, &FormatError{fmt.Errorf("vermagic in .modinfo: %w", err)}
	}
	info.Release = string(release)
	return info, nil
}

// Relocatable reports whether the payload is a relocatable ELF file, as modules
// are; a linked kernel is not. What is no ELF file is a [*FormatError].
func (m *Module) Relocatable() (bool, error) {
	f, err := m.elf.Parse(m.src, m.Trailer.Payload)
	if err != nil {
		return false, format(err)
	}
	return f.Type == 1, nil // ET_REL
}

// SectionNames returns the names of the sections of the ELF file.
func (m *Module) SectionNames() ([]string, error) {
	f, err := m.elf.Parse(m.src, m.Trailer.Payload)
	if err != nil {
		return nil, format(err)
	}
	names := make([]string, len(f.Sections))
	for i := range f.Sections {
		names[i] = f.Sections[i].Name
	}
	return names, nil
}

// modinfoSection reads the ELF header and the section .modinfo.
func (m *Module) modinfoSection() (Info, []byte, error) {
	f, s, err := m.elf.Find(m.src, m.Trailer.Payload, ".modinfo")
	if err != nil {
		return Info{}, nil, format(err)
	}
	info := Info{Arch: Arch(f)}
	if s == nil {
		return info, nil, &FormatError{errors.New("no .modinfo section: not a kernel module")}
	}
	b, err := f.Data(s, maxModinfo)
	if err != nil {
		return info, nil, format(fmt.Errorf("section .modinfo: %w", err))
	}
	return info, b, nil
}

// modinfo returns the first value of a key, as the kernel's get_modinfo does:
// the section is a sequence of NUL-terminated strings "key=value".
func modinfo(b []byte, key string) []byte {
	prefix := []byte(key + "=")
	for len(b) > 0 {
		var s []byte
		s, b, _ = bytes.Cut(b, []byte{0})
		if v, ok := bytes.CutPrefix(s, prefix); ok {
			return v
		}
	}
	return nil
}

// format makes a FormatError of what elfview says about the bytes and leaves
// read errors alone.
func format(err error) error {
	var fe *elfview.FormatError
	if errors.As(err, &fe) || errors.Is(err, elfview.ErrNotELF) {
		return &FormatError{err}
	}
	return err
}

func readFull(r io.ReaderAt, b []byte) error {
	if n, err := r.ReadAt(b, 0); n < len(b) {
		return fmt.Errorf("reading: %w", err)
	}
	return nil
}

// memReader is a ReaderAt that elfview can look into.
type memReader []byte

func (m memReader) Slice(off, n int64) []byte { return m[off : off+n : off+n] }

func (m memReader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off > int64(len(m)) {
		return 0, io.EOF
	}
	n := copy(p, m[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// errReader remembers a read error, so that it is not taken for corrupt data. An
// end before left bytes were read is one: the file has shrunk.
type errReader struct {
	r    io.Reader
	left int64
	err  error
}

func (e *errReader) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	e.left -= int64(n)
	if err == io.EOF && e.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && err != io.EOF {
		e.err = err
	}
	return n, err
}
