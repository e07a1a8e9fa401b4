// SPDX-License-Identifier: Apache-2.0

package prove

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild/internal/pool"
	"github.com/modhash/modhash/kbuild/outfile"
)

// Program does the work of the kernel's host program modules-merkle-tree: it
// reads modules.order of a build tree, hashes the modules as they lie there, and
// writes the root as C text and a sidecar beside each module.
type Program struct {
	Dir     string // the build tree; "" is the working directory
	CFile   string // to be written, relative to the working directory
	Suffix  string // of the module files: ".ko", or ".ko.stripped"
	Workers int
}

const (
	orderName = "modules.order"
	maxOrder  = 64 << 20 // bytes of modules.order
	pathMax   = 4096     // PATH_MAX, with the final NUL
	objectEnd = ".o"
)

// LineError says which line of modules.order is wrong, or leads to a file that
// cannot be hashed.
type LineError struct {
	Line int // counted from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("%s line %d: %v", orderName, e.Line, e.Err) }

func (e *LineError) Unwrap() error { return e.Err }

// Run writes the C file, then the sidecars, and returns the root and how many
// modules there are. As in the kernel's program every line of modules.order ends
// in ".o", one line feed is dropped, an empty module is an error, no trailer is
// looked for, and of a module that is listed twice the later sidecar stays. Other
// than there, nothing is written unless all modules could be read, and files are
// renamed into place.
func (p *Program) Run(ctx context.Context) (hashset.Root, int, error) {
	stems, err := p.readOrder()
	if err != nil {
		return hashset.Root{}, 0, err
	}
	leaves := make([]hashset.Digest, len(stems))
	start := func() *leafWorker {
		return &leafWorker{h: hashset.NewLeafHasher(0), buf: make([]byte, 128<<10)}
	}
	err = pool.Each(ctx, p.Workers, len(stems), start, func(*leafWorker) {}, func(w *leafWorker, i int) (err error) {
		if leaves[i], err = w.leaf(ctx, filepath.Join(p.Dir, stems[i]+p.Suffix), uint32(i)); err != nil {
			return &LineError{i + 1, fmt.Errorf("%s%s: %w", stems[i], p.Suffix, err)}
		}
		return nil
	})
	if err != nil {
		return hashset.Root{}, 0, err
	}
	tree := hashset.NewTree(leaves)
	text, err := (&hashset.CText{Version: hashset.CVersion5, Root: tree.Root()}).AppendTo(nil)
	if err != nil {
		return hashset.Root{}, 0, err
	}
	err = outfile.Write(p.CFile, outfile.Options{}, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
	if err != nil {
		return hashset.Root{}, 0, fmt.Errorf("writing %s: %w", p.CFile, err)
	}
	_, err = p.sidecars(stems, tree).write(ctx, p.Workers)
	return tree.Root(), len(stems), err
}

// readOrder returns the lines of modules.order without their ".o".
func (p *Program) readOrder() ([]string, error) {
	name := filepath.Join(p.Dir, orderName)
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, outfile.Bare(err))
	}
	defer f.Close() // read only
	data, err := io.ReadAll(io.LimitReader(f, maxOrder+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, outfile.Bare(err))
	}
	if len(data) > maxOrder {
		return nil, fmt.Errorf("reading %s: more than %d bytes", name, maxOrder)
	}
	var stems []string
	for line := range bytes.Lines(data) {
		s := strings.TrimSuffix(string(line), "\n")
		stem, ok := strings.CutSuffix(s, objectEnd)
		bad := ""
		switch {
		case !ok:
			bad = fmt.Sprintf("%.80q does not end in %q", s, objectEnd)
		case stem == "" || strings.HasSuffix(stem, "/") || strings.ContainsRune(s, 0):
			bad = fmt.Sprintf("%.80q is not the name of an object file", s)
		case len(stem)+max(len(p.Suffix), len(sidecarEnd)) >= pathMax || len(s) >= pathMax:
			bad = fmt.Sprintf("a name of %d bytes is too long", len(s))
		}
		if bad != "" {
			return nil, &LineError{len(stems) + 1, errors.New(bad)}
		}
		stems = append(stems, stem)
	}
	return stems, nil
}

// sidecars are those of all modules; of one that is listed twice the later.
func (p *Program) sidecars(stems []string, tree *hashset.Tree) *sidecars {
	w := &sidecars{tree, make([]string, len(stems))}
	last := make(map[string]int, len(stems))
	for i, s := range stems {
		name := filepath.Clean(s)
		if first, dup := last[name]; dup {
			w.paths[first] = ""
		}
		last[name] = i
		w.paths[i] = filepath.Join(p.Dir, s+sidecarEnd)
	}
	return w
}

type leafWorker struct {
	h   *hashset.Hasher
	buf []byte
}

// leaf hashes all bytes of a file.
func (w *leafWorker) leaf(ctx context.Context, path string, pos uint32) (hashset.Digest, error) {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return hashset.Digest{}, outfile.Bare(err)
	case !st.Mode().IsRegular(): // a pipe would be waited for
		return hashset.Digest{}, errors.New("it is not a regular file")
	case st.Size() == 0:
		return hashset.Digest{}, errors.New("the file is empty")
	}
	f, err := os.Open(path)
	if err != nil {
		return hashset.Digest{}, outfile.Bare(err)
	}
	defer f.Close() // read only
	w.h.Reset(pos)
	left := st.Size()
	for left > 0 {
		if err := ctx.Err(); err != nil {
			return hashset.Digest{}, err
		}
		n, err := io.ReadFull(f, w.buf[:min(left, int64(len(w.buf)))])
		w.h.Write(w.buf[:n])
		left -= int64(n)
		if err != nil {
			return hashset.Digest{}, fmt.Errorf("reading at offset %d: %w", st.Size()-left, err)
		}
	}
	_, leaf := w.h.Sum()
	return leaf, nil
}
