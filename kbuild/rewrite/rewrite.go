// SPDX-License-Identifier: Apache-2.0

// Package rewrite changes what module files end in: it adds, replaces and
// removes trailers, through compression, in place or into another folder.
//
// What trailer a module gets is the caller's business (see [Edit]). This package
// sees to it that nothing else changes:
//
//   - The payload stays as it is, byte for byte, and the new file ends in exactly
//     one trailer, or none. That is checked on the new file, opened and decoded
//     again, before it takes the place of the old one. Trailers are never stacked.
//   - A compressed file is compressed again with the same format, as the kernel's
//     build does; the compressed bytes before the trailer usually change.
//   - Mode, owner, access and modification time (in nanoseconds) and extended
//     attributes, access control lists among them, are kept; failing to set one is
//     an error, unless the file system does not know it. security.ima and
//     security.evm are left out, since they are over the old contents.
//   - Names that are hard links to one file stay that, if all of them are given;
//     otherwise the file is refused, unless [Options.BreakLinks] is set.
//   - A file that is as wanted is not touched.
//
// # Interruption
//
// Killed at any moment, each name is the old file or the new one, whole. The
// new file has no name until it is complete, verified and on the disk (O_TMPFILE
// of Linux), then for a moment a temporary one in the same folder, [TempName],
// until it is renamed. Only a kill within that moment leaves the temporary name
// behind; [RemoveStale] removes it, and so does the next run that is given the same name. Where the file
// system has no O_TMPFILE the temporary name exists all the time. Killed between
// two names of one file, these are no longer links to each other.
//
// Two runs at once exclude each other, file by file, through flock(2), unless both
// write elsewhere ([Options.Out]).
//
// Names are relative to an [os.Root]: no link leads out of it. A name that is
// itself a symbolic link is refused.
package rewrite

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/modsig/trailer"
)

// Errors that say why a file was left as it is; they come wrapped, with what is
// wrong in detail.
var (
	// ErrTrailer: another trailer is in the way, and [Change.Replace] is not set.
	ErrTrailer = errors.New("the module already ends in another trailer")
	// ErrMalformed: the file ends in something that is no trailer, so that
	// nobody can say where the payload ends.
	ErrMalformed = errors.New("what the module ends in is no trailer")
	// ErrLinks: the file has names that were not given.
	ErrLinks = errors.New("the file has other names (hard links) that would keep the old contents")
	// ErrBusy: another run holds the file.
	ErrBusy = errors.New("the file is being rewritten by another process")
	// ErrChanged: the file changed while it was worked on.
	ErrChanged = errors.New("the file changed while it was being rewritten")
	// ErrVerify: the new file is not what was wanted. It is a fault of the
	// compressor or of the memory, or the trailer is none.
	ErrVerify = errors.New("the new file failed its check; the old one is kept")
)

// Edit says what a module shall end in. It is called once for every file, by
// several goroutines at the same time. An error leaves the file alone.
type Edit func(ctx context.Context, t *Target) (Change, error)

// Change is what an [Edit] wants.
type Change struct {
	// Trailer is the whole trailer that shall follow the payload: signature,
	// block and marker, as [trailer.Append] makes them. Empty: none.
	Trailer []byte
	// Replace allows to take away what trailers the module has. Without it, a
	// module is refused that has another one than Trailer, with [ErrTrailer].
	Replace bool
	// Keep leaves the file as it is, whatever else but Fit is set.
	Keep bool
	// Fit compresses a file again that ends in what is wanted, but is compressed
	// in a way that a kernel's own decompressor may not take.
	Fit bool
}

// Target is a module file as an [Edit] sees it, valid during the call.
type Target struct {
	Index  int          // in the files given to Run
	Name   string       // the name of that file
	Module *kmod.Module // compression, outermost trailer, who signed
	// Layers are the trailers, the outermost first. There is more than one if
	// some program stacked them; Change.Replace takes all of them away.
	Layers []trailer.Trailer
	// size is that of the payload beneath all layers.
	size int64
}

// Payload returns a reader of what lies beneath all trailers, which the new one
// is to follow. Its size is in bytes.
func (t *Target) Payload() *io.SectionReader {
	return io.NewSectionReader(t.Module.Payload(), 0, t.size)
}

// WritePayload writes the same to w.
func (t *Target) WritePayload(w io.Writer) error {
	if len(t.Layers) <= 1 {
		return t.Module.WritePayload(w)
	}
	_, err := io.Copy(w, t.Payload())
	return err
}

// File names a file to be rewritten.
type File struct {
	Name string // with slashes, relative to the root
	// Out is the name below [Options.Out]; "" is the same as Name. Without
	// Options.Out it must be empty.
	Out string
}

// Compressor compresses in another way than the built-in one, for example by
// running a program. What it writes is checked like everything else.
type Compressor interface {
	// Compress writes to dst the size bytes of src, encoded as c: one gzip
	// member, xz stream (with CRC32) or zstd frame. It is called by several
	// goroutines at the same time.
	Compress(ctx context.Context, dst io.Writer, src io.Reader, size int64, c kmod.Compression) error
}

// Options of [Run]. The zero value is ready for use.
type Options struct {
	// Out is where the new files go; their folders are made. Unchanged files
	// are copied there. Owner and attributes that the user may not set are left
	// out. nil: in place.
	Out *os.Root
	// BreakLinks: a file with other names than the given ones is rewritten, and
	// those keep the old contents.
	BreakLinks bool
	// Stop: begin no further file after the first that fails.
	Stop bool
	// Unsynced: do not wait until the new file is on the disk before it is
	// renamed. A killed process still leaves whole files, a loss of power
	// perhaps not.
	Unsynced bool
	// Workers is how many files are worked on at once; 0 is 1. Each also waits for the
	// disk, so there can be more than processors; of these as many compress, with about
	// 30 MiB for each one in xz.
	Workers int
	// Compressor, nil: the built-in one, whose output is the same everywhere.
	Compressor Compressor
	// Open says how large modules may be, and what memory is shared.
	Open kmod.Options
	// Done is called after every file, by one goroutine at a time. The Result
	// of a file whose names are in several places comes once for each.
	Done func(i int, r *Result)

	// sink wraps what the new file is written to, in tests.
	sink func(io.Writer) io.Writer
	// noTemp does without O_TMPFILE, in tests.
	noTemp bool
}

// Outcome is what became of a file.
type Outcome uint8

const (
	// Untried: nothing was done, because of an error elsewhere or of an end.
	Untried Outcome = iota
	// Failed: see [Result.Err].
	Failed
	// Unchanged: the file already ended in exactly this trailer, or had none
	// that could be removed, or the Edit wanted it kept.
	Unchanged
	Added    // had no trailer, has one
	Replaced // has another one
	Removed  // had one or more, has none
	// Recompressed: payload and trailer are as they were.
	Recompressed
)

func (o Outcome) String() string {
	names := [...]string{"untried", "failed", "unchanged", "added", "replaced", "removed", "recompressed"}
	if int(o) < len(names) {
		return names[o]
	}
	return "unknown"
}

// Result is what became of one name.
type Result struct {
	Name        string
	Outcome     Outcome
	Err         error // why it Failed
	Compression kmod.Compression
	Before      int64 // size in bytes of the file before
	After       int64 // and after
	// Dropped are the extended attributes that were not kept, because they are
	// over the old contents, or, with [Options.Out], not allowed to be set.
	Dropped []string
}
