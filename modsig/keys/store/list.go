// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modhash/modhash/modsig/certlist"
	"github.com/modhash/modhash/modsig/keys"
)

// Entry is a key of a store.
type Entry struct {
	Name        string // of the folder
	Current     bool
	Certificate certlist.Certificate
	Hash        string      // what is to be signed with, "" if it is not said
	Private     bool        // the private key is there
	Exposed     string      // a file with the private key that others than its owner may use; "" if there is none
	Mode        fs.FileMode // of Exposed
	Fault       error       // why Certificate is not known
}

// List returns the keys in a folder, the oldest first. It locks nothing.
func List(dir string) ([]Entry, error) {
	names, err := folders(dir)
	if err != nil {
		return nil, err
	}
	current, err := currentName(dir)
	if err != nil && !errors.Is(err, ErrDangling) {
		return nil, err
	}
	var out []Entry
	for _, name := range names {
		e := read(dir, name)
		e.Current = name == current
		out = append(out, e)
	}
	return out, nil
}

// CurrentKey returns the current key of a folder; nil if there never was one. The error
// wraps [ErrDangling] if it is gone.
func CurrentKey(dir string) (*Entry, error) {
	name, err := currentName(dir)
	if err != nil || name == "" {
		return nil, err
	}
	e := read(dir, name)
	e.Current = true
	return &e, nil
}

// currentName is the folder that the link leads to; "" if there is no link.
func currentName(dir string) (string, error) {
	path := filepath.Join(dir, Current)
	target, err := os.Readlink(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("%s is no link", path)
	}
	name := filepath.Clean(target)
	if !folderName.MatchString(name) {
		return "", fmt.Errorf("%s leads to %q, which is no folder of a key beside it", path, target)
	}
	st, err := os.Lstat(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) || err == nil && !st.IsDir() {
		return "", fmt.Errorf("%s: %w (%s)", path, ErrDangling, name)
	}
	return name, err
}

// folders are the names of the keys, the oldest first.
func folders(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && folderName.MatchString(e.Name()) {
			names = append(names, e.Name())
		}
	}
	slices.SortFunc(names, byAge)
	return names, nil
}

// byAge compares the names of two folders: by time, then by number.
func byAge(a, b string) int {
	key := func(s string) (string, string) {
		parts := strings.SplitN(s, "-", 3)
		n := ""
		if len(parts) == 3 {
			n = strings.TrimLeft(parts[2], "0")
		}
		return parts[0] + (parts[1] + "00")[:6], n
	}
	at, an := key(a)
	bt, bn := key(b)
	if at != bt {
		return strings.Compare(at, bt)
	}
	if len(an) != len(bn) {
		return len(an) - len(bn)
	}
	return strings.Compare(an, bn)
}

// maxHash is above the length of any digest's name.
const maxHash = 64

func read(dir, name string) Entry {
	e := Entry{Name: name}
	folder := filepath.Join(dir, name)
	for _, file := range []string{BothPEM, PrivatePEM} {
		st, err := os.Stat(filepath.Join(folder, file))
		if err != nil {
			continue
		}
		e.Private = true
		if st.Mode().Perm()&0o077 != 0 && e.Exposed == "" {
			e.Exposed, e.Mode = filepath.Join(folder, file), st.Mode().Perm()
		}
	}
	if st, err := os.Stat(filepath.Join(folder, HashFile)); err == nil && st.Mode().IsRegular() && st.Size() <= maxHash {
		if text, err := os.ReadFile(filepath.Join(folder, HashFile)); err == nil {
			e.Hash = strings.TrimSpace(string(text))
		}
	}
	der, err := keys.ReadCertificate(context.Background(), filepath.Join(folder, CertificateDER))
	if err != nil {
		e.Fault = err
		return e
	}
	if e.Certificate = certlist.ParseOne(der); e.Certificate.Err != nil {
		e.Fault = fmt.Errorf("%s: %w", filepath.Join(folder, CertificateDER), e.Certificate.Err)
	}
	return e
}
