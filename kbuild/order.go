// SPDX-License-Identifier: Apache-2.0

package kbuild

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/modhash/modhash/hashset"
)

// Limits of a modules.order file and of what lies in modules folders. A kernel
// with everything it has as a module has about 10,000. What is kept of each is
// about a KiB, and a package with a million of them can be some MiB small.
const (
	maxModules    = 1 << 16
	maxOrderBytes = 64 << 20
)

// OrderError says which line of a modules.order file is not as Kbuild writes
// it. The order is what positions are counted by, so nothing is guessed.
type OrderError struct {
	File string
	Line int // counted from 1
	Err  error
}

func (e *OrderError) Error() string { return fmt.Sprintf("%s: line %d: %v", e.File, e.Line, e.Err) }

func (e *OrderError) Unwrap() error { return e.Err }

// ParseOrder reads a modules.order file: one path a line, in the order in which
// the build links its modules. file is its name for error messages.
//
// Three forms are in use, one for a whole file:
//
//	fs/ext4/ext4.o           build tree, since Linux 6.2
//	fs/ext4/ext4.ko          build tree, Linux 5.3 to 6.1
//	kernel/fs/ext4/ext4.ko   installed tree, and build tree before Linux 5.3
//
// The lines are returned as they stand. A carriage return, an empty line, a
// path that is absolute or not clean, a name that a manifest cannot hold and a
// mixture of .o and .ko lines are refused with an [*OrderError]. The last line
// may lack its line feed; a name may stand there twice.
func ParseOrder(file string, r io.Reader) ([]string, error) {
	in := &io.LimitedReader{R: r, N: maxOrderBytes + 1}
	sc := bufio.NewScanner(in)
	sc.Split(scanLines)
	sc.Buffer(make([]byte, 0, 64<<10), 64<<10)
	var lines []string
	var ext string
	fail := func(err error) ([]string, error) { return nil, &OrderError{file, len(lines) + 1, err} }
	for sc.Scan() {
		s := sc.Text()
		if err := checkOrderLine(s, &ext); err != nil {
			return fail(err)
		}
		if len(lines) == maxModules {
			return fail(fmt.Errorf("more than %d modules", maxModules))
		}
		lines = append(lines, s)
	}
	switch err := sc.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return fail(errors.New("the line is longer than a path can be"))
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", file, err)
	case in.N == 0:
		return fail(fmt.Errorf("the file is larger than %d bytes", maxOrderBytes))
	}
	return lines, nil
}

// scanLines is [bufio.ScanLines] without the removal of a carriage return.
func scanLines(data []byte, atEOF bool) (int, []byte, error) {
	for i, c := range data {
		if c == '\n' {
			return i + 1, data[:i], nil
		}
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

func checkOrderLine(s string, ext *string) error {
	switch {
	case s == "":
		return errors.New("empty line")
	case strings.HasSuffix(s, "\r"):
		return errors.New("the line ends in a carriage return")
	case path.IsAbs(s):
		return fmt.Errorf("absolute path %q", s)
	}
	e := path.Ext(s)
	switch {
	case e != ".o" && e != ".ko":
		return fmt.Errorf("%q ends neither in .o nor in .ko", s)
	case *ext != "" && e != *ext:
		return fmt.Errorf("%q among lines that end in %s", s, *ext)
	}
	*ext = e
	// Whether or not the line starts with kernel/, its name in a manifest will.
	return hashset.CheckName(inTree(s))
}

// inTree makes the name that a manifest has for a line of modules.order in one
// of the forms of a build tree.
func inTree(line string) string {
	if base, ok := strings.CutSuffix(line, ".o"); ok {
		line = base + ".ko"
	}
	return "kernel/" + line
}

// readOrder returns the lines of modules.order as names in a manifest, and the
// name of the file, "" if there is none.
func (b *Build) readOrder() (lines []string, file string, err error) {
	if err := b.checkCount(); err != nil {
		return nil, "", err
	}
	own, ownFile, err := b.ownOrder()
	var bad *OrderError
	if b.opt.Order != nil && errors.As(err, &bad) {
		own, ownFile, err = nil, "", nil // that is why another one was given
	}
	if err != nil || b.opt.Order == nil {
		return own, ownFile, err
	}
	file = cmp.Or(b.opt.OrderName, "the given modules.order")
	if lines, err = ParseOrder(file, bytes.NewReader(b.opt.Order)); err != nil {
		return nil, "", err
	}
	lines = b.canonical(lines)
	if ownFile != "" && !slices.Equal(own, lines) {
		return nil, "", fmt.Errorf("%s and %s differ: another order cannot take the place of the build's own", ownFile, file)
	}
	return lines, file, nil
}

// checkCount refuses modules folders that hold more modules, or links, than a
// build can have, before rows are made of them.
func (b *Build) checkCount() error {
	n := 0
	for _, d := range b.folders {
		for i := range b.sources[d.src].Members() {
			m := &b.sources[d.src].Members()[i]
			if m.Area != "" || !strings.HasPrefix(m.Name, d.prefix) {
				continue
			}
			if _, _, ok := moduleName(m.Name); ok || m.Mode.Type() == fs.ModeSymlink {
				n++
			}
		}
	}
	if n > maxModules {
		return fmt.Errorf("%s: %w: %d, at most %d are read", b.label(), ErrTooManyModules, n, maxModules)
	}
	return nil
}

// ErrTooManyModules is what [Open] wraps for a build that holds more modules than
// any kernel has.
var ErrTooManyModules = errors.New("more modules and links in the modules folders than any kernel has")

// ownOrder reads the modules.order of the build.
func (b *Build) ownOrder() (lines []string, file string, err error) {
	var first []byte
	for _, d := range b.folders {
		f := b.find(d.src, d.prefix+"modules.order")
		if f == nil {
			continue
		}
		data, err := f.read(maxOrderBytes)
		if err != nil {
			return nil, "", err
		}
		if file != "" {
			if !bytes.Equal(data, first) {
				return nil, "", fmt.Errorf("%s and %s differ: they are not of one build", file, f.Path())
			}
			continue
		}
		first, file = data, f.Path()
		if lines, err = ParseOrder(file, bytes.NewReader(data)); err != nil {
			return nil, "", err
		}
	}
	if i := b.strayLine(lines); i >= 0 {
		return nil, "", &OrderError{file, i + 1, fmt.Errorf("%q does not start with kernel/, other lines do", lines[i])}
	}
	return b.canonical(lines), file, nil
}

// strayLine finds a line of an installed modules.order that is not below
// kernel/ as the others are; -1 if there is none.
func (b *Build) strayLine(lines []string) int {
	if b.BuildTree {
		return -1
	}
	some, stray := false, -1
	for i, l := range lines {
		if strings.HasPrefix(l, "kernel/") {
			some = true
		} else if stray < 0 {
			stray = i
		}
	}
	if !some {
		return -1
	}
	return stray
}

// canonical makes the names of a manifest from the lines of a modules.order of
// any form: .o lines and, in a build tree, .ko lines lack "kernel/". A build
// tree of a kernel before Linux 5.3 has it on every line, without a folder
// kernel/ that would hold those modules.
func (b *Build) canonical(lines []string) []string {
	installed := !slices.ContainsFunc(lines, func(s string) bool {
		return !strings.HasPrefix(s, "kernel/") || path.Ext(s) == ".o"
	})
	if installed && b.BuildTree {
		listed := make(map[string]bool, len(lines))
		for _, l := range lines {
			listed[l] = true
		}
		for _, d := range b.folders {
			for _, m := range b.sources[d.src].Members() {
				if base, _, ok := moduleName(m.Name); ok && listed[base] {
					installed = false
				}
			}
		}
	}
	if installed {
		return lines
	}
	names := make([]string, len(lines))
	for i, s := range lines {
		names[i] = inTree(s)
	}
	return names
}
