// SPDX-License-Identifier: Apache-2.0

package kconfig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// maxKconfig bounds what is read of one Kconfig file of a source tree, in bytes.
// The largest of Linux 6.12 has 100 KB.
const maxKconfig = 4 << 20

// Undeclared returns those of the symbols, in their order, that no Kconfig file
// of a kernel's source tree declares: what is set of these, Kconfig drops
// without a word. A symbol that only another architecture has counts as
// declared. All files in the tree with a name that begins with Kconfig are read,
// up to the one that declares the last missing symbol; a tree without any is an
// error that wraps [fs.ErrNotExist]. Links are not followed.
func Undeclared(ctx context.Context, tree fs.FS, symbols ...string) ([]string, error) {
	missing := slices.Clone(symbols)
	files := 0
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir // .git
		}
		if !d.Type().IsRegular() || !strings.HasPrefix(path.Base(name), "Kconfig") {
			return nil
		}
		files++
		text, err := readKconfig(tree, name)
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		if missing = without(missing, text); len(missing) == 0 {
			return fs.SkipAll
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if files == 0 {
		return nil, fmt.Errorf("no kernel source tree: no Kconfig file: %w", fs.ErrNotExist)
	}
	return missing, nil
}

// without returns the symbols that text does not declare.
func without(symbols []string, text string) []string {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if (len(words) == 2 || len(words) > 2 && strings.HasPrefix(words[2], "#")) && (words[0] == "config" || words[0] == "menuconfig") {
			symbols = slices.DeleteFunc(symbols, func(s string) bool { return s == words[1] })
		}
	}
	return symbols
}

func readKconfig(tree fs.FS, name string) (text string, err error) {
	f, err := tree.Open(name)
	if err != nil {
		return "", err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	b, err := io.ReadAll(io.LimitReader(f, maxKconfig+1))
	if err == nil && len(b) > maxKconfig {
		err = errors.New("it is too large to be a Kconfig file")
	}
	return string(b), err
}
