// SPDX-License-Identifier: Apache-2.0

package prove

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"

	"fmt"
	"io"
	"os"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild/image"
	"github.com/modhash/modhash/kbuild/outfile"
)

// EmbedOptions say what [Embed] writes, and where.
type EmbedOptions struct {
	Section hashset.Section
	// Output is the file to be written in place of the given one; "" is that.
	Output string
	// Replace another hashset.
	Replace bool
}

// Embedded says what [Embed] did.
type Embedded string

// What there is to do for Embed.
const (
	EmbeddedNew  Embedded = "embedded" // zeros, or another hashset, were there
	EmbeddedSame Embedded = "unchanged"
)

// OtherHashsetError says that an image holds another hashset.
type OtherHashsetError struct {
	Path   string
	Offset int64 // of the section in the file
}

func (e *OtherHashsetError) Error() string {
	return fmt.Sprintf("%s holds another hashset already, at offset %d; nothing was written", e.Path, e.Offset)
}

// Embed writes a hashset into the section .module_hashes of the ELF file at
// path, a linked vmlinux, in the file's byte order. The file is copied, changed
// and renamed into place: it is the old one or the new one whenever it is looked
// at, with the same mode and owner, and every byte outside of the section is the
// same. A file with several names is refused ([ErrLinks]).
//
// It is an error if the file is no ELF file or has no such section, or one of
// another size; an [*OtherHashsetError] if there is something else than zeros or
// the same hashset.
func Embed(ctx context.Context, path string, o *EmbedOptions) (done Embedded, err error) {
	in, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, outfile.Bare(err))
	}
	defer in.Close() // read only
	st, err := in.Stat()
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, outfile.Bare(err))
	}
	if !st.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", path)
	}
	at, err := image.HashsetRange(in, st.Size(), int64(len(o.Section.AppendTo(nil, binary.LittleEndian))))
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	want, have := o.Section.AppendTo(nil, at.Order), at.Data
	same := bytes.Equal(have, want)
	if same && o.Output == "" {
		return EmbeddedSame, nil
	}
	if !same && !o.Replace && len(bytes.Trim(have, "\x00")) > 0 {
		return "", &OtherHashsetError{path, at.Offset}
	}
	write := func(out io.Writer) error { return copyWith(ctx, out, in, at.Offset, want) }
	if o.Output != "" {
		if err := outfile.Write(o.Output, outfile.Options{}, write); err != nil {
			return "", fmt.Errorf("writing %s: %w", o.Output, err)
		}
		return EmbeddedNew, nil
	}
	if n := outfile.Links(st); n > 1 {
		return "", fmt.Errorf("%s: %w: %d names", path, ErrLinks, n)
	}
	if err := outfile.Write(path, outfile.Options{}, write); err != nil {
		return "", fmt.Errorf("writing %s: %w", path, err)
	}
	return EmbeddedNew, nil
}

// ErrLinks says that the image has other names, which would keep the old content.
var ErrLinks = errors.New("the file is a hard link")

// copyWith copies a file with other bytes at off.
func copyWith(ctx context.Context, out io.Writer, in io.ReaderAt, off int64, b []byte) error {
	const all = 1<<63 - 1
	for _, part := range []io.Reader{
		io.NewSectionReader(in, 0, off), bytes.NewReader(b), io.NewSectionReader(in, off+int64(len(b)), all-off-int64(len(b))),
	} {
		if _, err := io.Copy(out, &reader{ctx, part}); err != nil {
			return err
		}
	}
	return nil
}

// reader ends with its context.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
