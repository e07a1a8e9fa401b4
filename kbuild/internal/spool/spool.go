// SPDX-License-Identifier: Apache-2.0

// Package spool keeps contents that were unpacked from a stream and are needed
// again, in any order, in one temporary file.
//
// Contents are appended and then addressed by offset and length in bytes; the
// file has no structure of its own and the caller keeps the table. Names of any
// kind never come near it. The file is unlinked as soon as it is open, so that
// it is gone when the process ends, however it ends.
package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
)

// ErrLimit reports, through [errors.Is], that an append would have made the
// spool larger than the limit that was given to [New].
var ErrLimit = errors.New("spool file has reached its size limit")

// A Spool is an unlinked temporary file that grows at its end. All methods may
// be called concurrently; who appends one content in several writes must see to
// it that nobody else writes in between.
type Spool struct {
	dir string
	max int64

	mu     sync.RWMutex
	f      *os.File // nil until the first write
	size   int64
	closed bool
}

// New returns an empty Spool of at most max bytes in the folder dir; "" means
// [os.TempDir]. It touches no disk: the file is made by the first non-empty
// write, so a Spool that is never written to costs nothing and needs no folder.
func New(dir string, max int64) *Spool {
	if dir == "" {
		dir = os.TempDir()
	}
	return &Spool{dir: dir, max: max}
}

// Dir returns the folder of the file.
func (s *Spool) Dir() string { return s.dir }

// Size returns the number of bytes appended so far, which is also the offset
// at which the next write begins.
func (s *Spool) Size() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.size
}

// Write appends p. On an error nothing is appended, n is 0 and Size is what it
// was before. The error names the folder and, if the disk or a quota is full,
// what to do about it; it wraps [ErrLimit] if p does not fit below the limit
// and [os.ErrClosed] after Close.
func (s *Spool) Write(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return 0, fmt.Errorf("appending to spool file in %s: %w", s.dir, os.ErrClosed)
	case len(p) == 0:
		return 0, nil
	case int64(len(p)) > s.max-s.size:
		return 0, fmt.Errorf("%w of %d bytes", ErrLimit, s.max)
	}
	if s.f == nil {
		if s.f, err = create(s.dir); err != nil {
			return 0, s.explain("making", err)
		}
	}
	// At an explicit offset, so that a write that failed half way is
	// overwritten by the next one instead of shifting it.
	if _, err := s.f.WriteAt(p, s.size); err != nil {
		return 0, s.explain("appending to", err)
	}
	s.size += int64(len(p))
	return len(p), nil
}

// create makes the file and unlinks it.
func create(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "modhash-spool-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// explain names the folder and adds the way out to errors that another folder
// would not have met.
func (s *Spool) explain(doing string, err error) error {
	// The random file name inside a PathError tells nobody anything.
	var pe *os.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	err = fmt.Errorf("%s spool file in %s after %d bytes: %w", doing, s.dir, s.size, err)
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return fmt.Errorf("%w; choose a folder with more room with --tmpdir", err)
	case errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w; choose another folder with --tmpdir", err)
	}
	return err
}

// ReadAt implements [io.ReaderAt] over what has been appended: bytes of a write
// that has returned are visible, others are not. It returns an error that wraps
// [os.ErrClosed] after Close.
func (s *Spool) ReadAt(p []byte, off int64) (int, error) {
	// The read lock is held during the read so that Close cannot take the
	// descriptor away under it; readers do not hinder one another.
	s.mu.RLock()
	defer s.mu.RUnlock()
	switch {
	case s.closed:
		return 0, fmt.Errorf("reading spool file in %s: %w", s.dir, os.ErrClosed)
	case off < 0:
		return 0, fmt.Errorf("reading spool file in %s: negative offset %d", s.dir, off)
	case off >= s.size:
		return 0, io.EOF
	}
	short := int64(len(p)) > s.size-off
	if short {
		p = p[:s.size-off]
	}
	n, err := s.f.ReadAt(p, off)
	if err != nil {
		return n, fmt.Errorf("reading spool file in %s at offset %d: %w", s.dir, off, err)
	}
	if short {
		return n, io.EOF
	}
	return n, nil
}

// Section returns a reader over the n bytes at offset off. It does not check
// that they have been written: reading beyond the end gives [io.EOF].
func (s *Spool) Section(off, n int64) *io.SectionReader {
	return io.NewSectionReader(s, off, n)
}

// Close frees the disk space. Readers made by Section fail from then on. A
// second Close does nothing.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.f == nil {
		return nil
	}
	if err := s.f.Close(); err != nil {
		return fmt.Errorf("closing spool file in %s: %w", s.dir, err)
	}
	return nil
}
