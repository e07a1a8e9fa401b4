// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"compress/zlib"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/internal/codec"
	"github.com/modhash/modhash/kbuild/internal/elfview"
)

// maxUnpacked is the size in bytes that no more is looked at of what is compressed.
const maxUnpacked = 8 << 30

// Rest scans what an installed build has beside its modules and its image: the other
// files of packages, and what their makers say of them; of a folder the other files
// beside the modules, and config-RELEASE, System.map-RELEASE and vmlinux-RELEASE in
// boot. Compressed ones are unpacked; of symbolic links the target counts. It returns
// in how many it looked. A build tree is not installed, and has none. What is
// compressed and cannot be unpacked is named in Report.Unknown. An error is trouble
// with reading.
func (s *Scanner) Rest(ctx context.Context, b *kbuild.Build) (*Report, int, error) {
	rep := &Report{}
	if b.BuildTree {
		return rep, 0, nil
	}
	done, err := scanned(b)
	if err != nil {
		return nil, 0, err
	}
	n := 0
	for _, src := range b.Sources() {
		for i := range src.Members() {
			file := kbuild.File{Source: src, Index: i}
			if done[file] || !ofBuild(b, &file) {
				continue
			}
			if err := ctx.Err(); err != nil {
				return nil, 0, err
			}
			looked, err := s.member(&file, rep)
			if err != nil {
				return nil, 0, fmt.Errorf("reading %s: %w", file.Path(), err)
			}
			n += looked
		}
	}
	return rep, n, nil
}

// scanned are the files that are looked into otherwise.
func scanned(b *kbuild.Build) (map[kbuild.File]bool, error) {
	done := map[kbuild.File]bool{}
	for _, ref := range slices.Concat(b.Modules(), b.Others()) {
		if ref.File != nil {
			done[*ref.File] = true
		}
	}
	img, err := b.Image()
	if err != nil {
		return nil, err
	}
	if img != nil && img.File != nil {
		done[*img.File] = true
	}
	return done, nil
}

// ofBuild reports whether the file was made by the build: a folder may have boot with
// the files of others, and what the machine itself has made.
func ofBuild(b *kbuild.Build, file *kbuild.File) bool {
	m := file.Member()
	name := m.Name
	if file.Source.Archive() {
		// What is not in the package, and what holds the files that are looked into.
		return m.Area != "ghost" && m.Area != "ar" && (m.Area != "header" || m.Raw != "payload")
	}
	if _, ok := b.Rel(file.Source, name); ok {
		return true
	}
	for _, kind := range []string{"config", "System.map", "vmlinux"} {
		if b.Release != "" && path.Base(name) == kind+"-"+b.Release {
			return true
		}
	}
	return false
}

// member looks into one file, or at the target of one link; 0 if it is neither.
func (s *Scanner) member(file *kbuild.File, rep *Report) (int, error) {
	m := file.Member()
	name := file.Path()
	if m.Area != "" {
		name += " (" + m.Area + ")"
	}
	switch {
	case m.Mode.Type() != 0 && m.Link != "" && !m.Hard:
		leaks, err := s.Scan(strings.NewReader(m.Link))
		rep.addLeaks(name+" (link)", leaks, make([]string, len(leaks)))
		return 1, err
	case !m.Mode.IsRegular() || m.Hard:
		return 0, nil
	}
	c, err := file.Open()
	if err != nil {
		return 0, err
	}
	defer c.Close() // read only
	head := make([]byte, min(c.Size(), 16))
	if n, err := c.ReadAt(head, 0); n < len(head) {
		return 0, err
	}
	if f := codec.Sniff(head); f != codec.Plain {
		return 1, s.packed(rep, name, io.NewSectionReader(c, 0, c.Size()), f)
	}
	found, err := s.File(name, c, c.Size())
	if err == nil {
		rep.Join(found)
	}
	return 1, err
}

// packed looks into a compressed file.
func (s *Scanner) packed(rep *Report, name string, r *io.SectionReader, f codec.Format) error {
	in, err := codec.NewReaderAt(r, r.Size(), f)
	if err == nil {
		defer in.Close()
		limited := &io.LimitedReader{R: in, N: maxUnpacked}
		var leaks []Leak
		leaks, err = s.Scan(limited)
		rep.addLeaks(name, leaks, slices.Repeat([]string{" (unpacked)"}, len(leaks)))
		if err == nil && limited.N > 0 {
			return nil
		}
	}
	reason := fmt.Sprintf("it unpacks to more than %d bytes", int64(maxUnpacked))
	if err != nil {
		reason = err.Error()
	}
	rep.Unknown = append(rep.Unknown, Unknown{"leak", name, "what is packed in it was not looked at: " + reason})
	return nil
}

// Sections that are compressed (gABI, Section Compression).
const (
	shfCompressed = 0x800
	elfZlib       = 1
	elfZstd       = 2
)

// compressed looks into the compressed sections of an ELF file, in which the scan of
// the file itself finds nothing: debug information, with CONFIG_DEBUG_INFO_COMPRESSED.
func (s *Scanner) compressed(rep *Report, name string, r io.ReaderAt, size int64) {
	f, err := elfview.Parse(r, size)
	if err != nil {
		return // it has no sections
	}
	for i := range f.Sections {
		x := &f.Sections[i]
		if x.Flags&shfCompressed == 0 || x.Type == elfview.SHTNobits || x.Size == 0 {
			continue
		}
		in, err := openSection(f, x, r, size)
		if err == nil {
			var leaks []Leak
			leaks, err = s.Scan(in)
			rep.addLeaks(name, leaks, slices.Repeat([]string{" in section " + quote(x.Name) + ", unpacked"}, len(leaks)))
			if err == nil && in.N == 0 {
				err = fmt.Errorf("it unpacks to more than %d bytes", int64(maxUnpacked))
			}
		}
		if err != nil {
			rep.Unknown = append(rep.Unknown, Unknown{"leak", name, "section " + quote(x.Name) + " was not looked at: " + err.Error()})
		}
	}
}

// openSection is the content of a compressed section.
func openSection(f *elfview.File, x *elfview.Section, r io.ReaderAt, size int64) (*io.LimitedReader, error) {
	header := uint64(24) // ch_type, reserved, ch_size, ch_addralign
	if f.Bits == 32 {
		header = 12
	}
	if x.Offset > uint64(size) || x.Size > uint64(size)-x.Offset || x.Size < header {
		return nil, fmt.Errorf("its %d bytes at %d leave the file, or are less than a header", x.Size, x.Offset)
	}
	var kind [4]byte
	if n, err := r.ReadAt(kind[:], int64(x.Offset)); n < len(kind) {
		return nil, err
	}
	var order binary.ByteOrder = f.Order
	in := io.NewSectionReader(r, int64(x.Offset+header), int64(x.Size-header))
	var out io.Reader
	var err error
	switch k := order.Uint32(kind[:]); k {
	case elfZlib:
		out, err = zlib.NewReader(in)
	case elfZstd:
		out, err = codec.NewReader(in, codec.Zstd)
	default:
		err = fmt.Errorf("compressed in a way of number %d", k)
	}
	return &io.LimitedReader{R: out, N: maxUnpacked}, err
}
