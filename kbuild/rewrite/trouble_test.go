// SPDX-License-Identifier: Apache-2.0

package rewrite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/testdata/gen/ko"
)

// fullDisk takes left bytes.
type fullDisk struct {
	w    io.Writer
	left int
}

func (f *fullDisk) Write(p []byte) (int, error) {
	n, err := f.w.Write(p[:min(len(p), f.left)])
	f.left -= n
	if err == nil && n < len(p) {
		err = syscall.ENOSPC
	}
	return n, err
}

func TestFullDisk(t *testing.T) {
	for _, noTemp := range []bool{false, true} {
		for _, suffix := range suffixes {
			for _, room := range []int{0, 1, 300, 2000} {
				tr := newTree(t)
				tr.put("a.ko"+suffix, payload("full"))
				before := tr.snapshot()
				o := &Options{noTemp: noTemp, sink: func(w io.Writer) io.Writer { return &fullDisk{w, room} }}
				res, err := Run(t.Context(), tr.root, files("a.ko"+suffix), always(Change{Trailer: proof(1)}), o)
				if !errors.Is(err, syscall.ENOSPC) || res[0].Outcome != Failed || tr.snapshot() != before {
					t.Errorf("%s, %d: %v, %v", suffix, room, res[0].Outcome, err)
				}
			}
		}
	}
}

// flipping changes one bit on its way to the disk.
type flipping struct {
	w   io.Writer
	at  int
	bit byte
}

func (f *flipping) Write(p []byte) (int, error) {
	if f.at >= 0 && f.at < len(p) {
		p = bytes.Clone(p)
		p[f.at] ^= f.bit
	}
	f.at -= len(p)
	return f.w.Write(p)
}

// TestFlipped: no single wrong bit in what is written gets through.
func TestFlipped(t *testing.T) {
	body := ko.Module{Name: "flip", Text: []byte("code")}.Bytes()
	for _, suffix := range suffixes {
		tr := newTree(t)
		name := "a.ko" + suffix
		tr.put(name, body)
		tr.run(always(Change{Trailer: proof(1)}), &Options{Unsynced: true}, name)
		after := tr.raw(name)
		tr.put(name, body)
		before := tr.snapshot()
		for at := range after {
			o := &Options{Unsynced: true, sink: func(w io.Writer) io.Writer { return &flipping{w, at, 1 << (at % 8)} }}
			res, err := Run(t.Context(), tr.root, files(name), always(Change{Trailer: proof(1)}), o)
			if err == nil && bytes.Equal(tr.get(name), join(body, proof(1))) {
				// A bit that means nothing: the time in a gzip header, say.
				tr.put(name, body)
				continue
			}
			if !errors.Is(err, ErrVerify) || res[0].Outcome != Failed || tr.snapshot() != before {
				t.Fatalf("%s: offset %d: %v, %v", suffix, at, res[0].Outcome, err)
			}
		}
	}
}

// compressor is one that a test makes up.
type compressor func(dst io.Writer, src io.Reader, size int64, c kmod.Compression) error

func (f compressor) Compress(_ context.Context, dst io.Writer, src io.Reader, size int64, c kmod.Compression) error {
	return f(dst, src, size, c)
}

func TestCompressor(t *testing.T) {
	body := payload("compressor")
	good := compressor(func(dst io.Writer, src io.Reader, size int64, c kmod.Compression) error {
		b, err := io.ReadAll(src)
		if err != nil || int64(len(b)) != size {
			return fmt.Errorf("%d bytes, want %d: %v", len(b), size, err)
		}
		_, err = dst.Write(ko.Compress(b, kmod.Suffix(c)))
		return err
	})
	for _, suffix := range suffixes {
		tr := newTree(t)
		tr.put("a.ko"+suffix, body)
		tr.run(always(Change{Trailer: proof(1)}), &Options{Compressor: good}, "a.ko"+suffix)
		if got, want := tr.raw("a.ko"+suffix), ko.Compress(join(body, proof(1)), suffix); !bytes.Equal(got, want) {
			t.Errorf("%s: not what the compressor wrote", suffix)
		}
	}
	for name, bad := range map[string]compressor{
		"nothing": func(io.Writer, io.Reader, int64, kmod.Compression) error { return nil },
		"uncompressed": func(dst io.Writer, src io.Reader, _ int64, _ kmod.Compression) error {
			_, err := io.Copy(dst, src)
			return err
		},
		"payload only": func(dst io.Writer, _ io.Reader, _ int64, c kmod.Compression) error {
			_, err := dst.Write(ko.Compress(body, kmod.Suffix(c)))
			return err
		},
		"other payload": func(dst io.Writer, _ io.Reader, _ int64, c kmod.Compression) error {
			other := bytes.Clone(body)
			other[len(other)/2]++
			_, err := dst.Write(ko.Compress(join(other, proof(1)), kmod.Suffix(c)))
			return err
		},
		"two streams": func(dst io.Writer, _ io.Reader, _ int64, c kmod.Compression) error {
			_, err := dst.Write(join(ko.Compress(body, kmod.Suffix(c)), ko.Compress(proof(1), kmod.Suffix(c))))
			return err
		},
		"other format": func(dst io.Writer, _ io.Reader, _ int64, c kmod.Compression) error {
			other := ".gz"
			if c == kmod.Gzip {
				other = ".xz"
			}
			_, err := dst.Write(ko.Compress(join(body, proof(1)), other))
			return err
		},
	} {
		for _, suffix := range suffixes[1:] {
			tr := newTree(t)
			tr.put("a.ko"+suffix, body)
			before := tr.snapshot()
			_, err := Run(t.Context(), tr.root, files("a.ko"+suffix), always(Change{Trailer: proof(1)}), &Options{Compressor: bad})
			if !errors.Is(err, ErrVerify) || tr.snapshot() != before {
				t.Errorf("%s%s: %v", name, suffix, err)
			}
		}
	}
}

// TestCRC64: xz's own default check is one that the kernel does not know.
func TestCRC64(t *testing.T) {
	stored, err := os.ReadFile("testdata/crc64.ko.xz")
	if err != nil {
		t.Fatal(err)
	}
	tr := newTree(t)
	tr.putRaw("a.ko.xz", stored)
	crc64 := compressor(func(dst io.Writer, _ io.Reader, _ int64, _ kmod.Compression) error {
		_, err := dst.Write(stored)
		return err
	})
	before := tr.snapshot()
	_, err = Run(t.Context(), tr.root, files("a.ko.xz"), always(Change{Replace: true}), &Options{Compressor: crc64})
	if !errors.Is(err, ErrVerify) || !strings.Contains(err.Error(), "CRC32") || tr.snapshot() != before {
		t.Errorf("compressor: %v", err)
	}
	// In a file that is there already it is repaired on the way.
	tr.run(always(Change{Replace: true}), nil, "a.ko.xz")
	if b := tr.raw("a.ko.xz"); b[7] != 1 {
		t.Errorf("check %#x", b[7])
	}
}

func TestCancel(t *testing.T) {
	for _, suffix := range suffixes {
		tr := newTree(t)
		name := "a.ko" + suffix
		tr.put(name, join(payload("cancel"), make([]byte, 4<<20)))
		before := tr.snapshot()
		ctx, cancel := context.WithCancel(t.Context())
		edit := func(context.Context, *Target) (Change, error) {
			cancel()
			return Change{Trailer: proof(1)}, nil
		}
		res, err := Run(ctx, tr.root, files(name, "none.ko"), edit, nil)
		if !errors.Is(err, context.Canceled) || res[0].Outcome != Failed || tr.snapshot() != before {
			t.Errorf("%s: %v, %v", suffix, res[0].Outcome, err)
		}
		res, err = Run(ctx, tr.root, files(name), edit, nil)
		if !errors.Is(err, context.Canceled) || res[0].Outcome != Untried {
			t.Errorf("%s: %v, %v", suffix, res[0].Outcome, err)
		}
	}
}

// TestChanged: a file that somebody else changes meanwhile is left to him.
func TestChanged(t *testing.T) {
	for name, change := range map[string]func(p string) error{
		"replaced": func(p string) error {
			if err := os.WriteFile(p+".new", payload("theirs"), 0o644); err != nil {
				return err
			}
			return os.Rename(p+".new", p)
		},
		"removed": os.Remove,
		"written": func(p string) error {
			f, err := os.OpenFile(p, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return err
			}
			f.Write([]byte("theirs"))
			return f.Close()
		},
		"mode": func(p string) error { return os.Chmod(p, 0o600) },
	} {
		tr := newTree(t)
		tr.put("a.ko", payload("mine"))
		var after string
		_, err := Run(t.Context(), tr.root, files("a.ko"), func(context.Context, *Target) (Change, error) {
			if err := change(tr.path("a.ko")); err != nil {
				t.Error(err)
			}
			after = tr.snapshot()
			return Change{Trailer: proof(1)}, nil
		}, nil)
		if !errors.Is(err, ErrChanged) || tr.snapshot() != after {
			t.Errorf("%s: %v", name, err)
		}
	}
}
