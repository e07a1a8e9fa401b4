// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// Tree is what a source or build tree says.
type Tree struct {
	// Seed is the content of scripts/basic/randstruct.seed without the line
	// end; "" if there is none.
	Seed string
	// SeedKept: the tree has a record of how the seed was made, so that make
	// does not make another.
	SeedKept bool
	// SeedFixed: scripts/gen-randstruct-seed.sh does not read random bytes.
	SeedFixed bool
	// Pahole is the script that has pahole's flags, and PaholeFile its name; ""
	// if there is none.
	Pahole, PaholeFile string
	// BuildVersion is the number of the last build in .version; "" if there was
	// none.
	BuildVersion string
}

// maxTreeFile bounds what is read of a file of a tree, in bytes. The largest of
// them has 4 KiB.
const maxTreeFile = 1 << 20

// ReadTree reads a tree, or a build tree and its source tree: a file is taken
// from the first that has it. An error is trouble with reading, or a file that
// is too large to be what its name says.
func ReadTree(trees ...fs.FS) (*Tree, error) {
	t := &Tree{}
	var script, record string
	for _, f := range []struct {
		name string
		text *string
	}{
		{"scripts/basic/randstruct.seed", &t.Seed},
		{"scripts/basic/.randstruct.seed.cmd", &record},
		{"scripts/gen-randstruct-seed.sh", &script},
		{"scripts/Makefile.btf", &t.Pahole},
		{"scripts/pahole-flags.sh", &t.Pahole},
		{".version", &t.BuildVersion},
	} {
		if *f.text != "" {
			continue // pahole's flags are in one of two places
		}
		text, err := readFirst(f.name, trees)
		if err != nil {
			return nil, err
		}
		*f.text = strings.TrimSpace(text)
		if f.text == &t.Pahole && t.Pahole != "" {
			t.PaholeFile = f.name
		}
	}
	t.SeedKept = record != ""
	t.SeedFixed = script != "" && !makesRandom(script)
	return t, nil
}

// makesRandom reports whether a script seems to make something random. When in
// doubt it does.
func makesRandom(script string) bool {
	for line := range strings.Lines(strings.ToLower(script)) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		line = strings.ReplaceAll(line, "randstruct", "")
		for _, source := range []string{"rand", "uuid", "date", "$$"} {
			if strings.Contains(line, source) {
				return true
			}
		}
	}
	return false
}

func readFirst(name string, trees []fs.FS) (string, error) {
	for _, tree := range trees {
		text, err := readSmall(tree, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("reading %s: %w", name, err)
		}
		return text, nil
	}
	return "", nil
}

func readSmall(tree fs.FS, name string) (text string, err error) {
	info, err := fs.Stat(tree, name) // first: a named pipe would be waited for
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("not a regular file")
	}
	f, err := tree.Open(name)
	if err != nil {
		return "", err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	b, err := io.ReadAll(io.LimitReader(f, maxTreeFile+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxTreeFile {
		return "", fmt.Errorf("it has more than %d bytes", maxTreeFile)
	}
	return string(b), nil
}
