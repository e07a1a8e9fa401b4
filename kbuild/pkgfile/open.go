// SPDX-License-Identifier: Apache-2.0

package pkgfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/modhash/modhash/kbuild/internal/codec"
	"github.com/modhash/modhash/kbuild/internal/spool"
)

// Open reads the package or archive at path from beginning to end and returns
// its table. What the file is follows from its content, as [Sniff] tells.
//
// The errors are *[FormatError] for a file that is no archive or a broken one,
// *[LimitError], the context's error if it is cancelled, an error that wraps
// [fs.ErrInvalid] if path is not a regular file, and errors of the file system;
// those of the temporary file name its folder.
func Open(ctx context.Context, path string, o *Options) (*Archive, error) {
	f, size, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	return openFile(ctx, path, f, size, o)
}

// file is what an archive is read from.
type file interface {
	io.ReaderAt
	io.Closer
}

// openFile reads an archive of the given size. It closes f if it fails.
func openFile(ctx context.Context, path string, f file, size int64, o *Options) (*Archive, error) {
	op := newOpener(ctx, path, f, size, o)
	kind, err := op.read()
	if err != nil {
		// Errors of closing add nothing for who has no archive.
		f.Close()
		op.spool.Close()
		return nil, err
	}
	return &Archive{
		path:     path,
		kind:     kind,
		file:     f,
		spool:    op.spool,
		members:  op.members,
		contents: op.contents,
		problems: op.sorted(),
	}, nil
}

// openRegular opens a file that can be read at any offset. It looks before it
// opens, because opening a pipe waits for a writer.
func openRegular(path string) (*os.File, int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if err := refuseIrregular(path, info); err != nil {
		return nil, 0, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	if info, err = f.Stat(); err == nil {
		err = refuseIrregular(path, info)
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

func refuseIrregular(path string, info fs.FileInfo) error {
	switch {
	case info.Mode().IsRegular():
		return nil
	case info.IsDir():
		return fmt.Errorf("%s is a folder, not a package: %w", path, fs.ErrInvalid)
	case info.Mode()&fs.ModeNamedPipe != 0:
		return fmt.Errorf("%s is a pipe, and a package is read in any order; save it to a file first: %w", path, fs.ErrInvalid)
	}
	return fmt.Errorf("%s is not a regular file: %w", path, fs.ErrInvalid)
}

// opener is the state while an archive is being read.
type opener struct {
	*table
	ctx   context.Context
	file  io.ReaderAt
	size  int64
	spool *spool.Spool

	maxUnpacked int64
	unpacked    int64 // by all compressed layers so far
	buf         []byte
	fatal       fatal
}

func newOpener(ctx context.Context, path string, f io.ReaderAt, size int64, o *Options) *opener {
	opt := Options{}
	if o != nil {
		opt = *o
	}
	if opt.MaxUnpacked <= 0 {
		opt.MaxUnpacked = defaultMaxUnpacked
	}
	if opt.MaxMembers <= 0 {
		opt.MaxMembers = defaultMaxMembers
	}
	return &opener{
		table:       newTable(path, opt.MaxMembers),
		ctx:         ctx,
		file:        f,
		size:        size,
		spool:       spool.New(opt.TempDir, opt.MaxUnpacked),
		maxUnpacked: opt.MaxUnpacked,
		buf:         make([]byte, 128<<10),
	}
}

func (o *opener) read() (Kind, error) {
	s, err := sniff(o, o.size)
	if err != nil {
		return 0, o.broken("file", 0, "cannot be read", err)
	}
	switch s.kind {
	case Deb:
		return Deb, o.readDeb()
	case RPM:
		return RPM, o.readRPM()
	case Tar, Cpio:
		l, err := o.open(s.format.String(), s.kind.String(), 0, o.size, s.format)
		if err != nil {
			return 0, err
		}
		if s.kind == Tar {
			return Tar, l.done(o.readTar(l, ""))
		}
		return Cpio, l.done(o.readCpio(l, nil))
	}
	if s.err != nil {
		return 0, &FormatError{Path: o.path, Layer: s.format.String(), Reason: "compressed stream cannot be unpacked", Err: s.err}
	}
	reason := "no deb, rpm, tar or cpio archive"
	if s.format != codec.Plain {
		reason = s.format.String() + " stream that holds no tar or cpio archive"
	}
	return 0, &FormatError{Path: o.path, Layer: "file", Reason: reason}
}
