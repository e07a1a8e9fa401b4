// SPDX-License-Identifier: Apache-2.0

// Package store keeps signing keys in folders, one for each key, of which one is
// the current one.
//
// # Layout
//
//	DIR/20261122-124501/   a key, by the time (UTC) at which it was made; a second
//	                       one in the same second gets -2
//	    signing_key.pem    private key (PKCS #8) and certificate, PEM, mode 0600
//	    signing_prv.pem    the private key alone, mode 0600
//	    signing_crt.crt    the certificate, DER
//	    signing_crt.pem    the certificate, PEM
//	    khash              the digest to sign with, "sha512"
//	    ktype              the key's type, "ec", "rsa" or "mldsa65"
//	DIR/current            a link to one of the folders
//	DIR/.lock              locked while keys are changed
//
// Names and content are those of Arch-SKM's certs-local, so that each reads what the
// other wrote. A key becomes current by the rename of a link, after all its files
// are on the disk: whatever fails before that, the old one stays current. What a
// killed run leaves is removed by the next one. The package reads no clock.
package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The files of a folder, and the link.
const (
	BothPEM        = "signing_key.pem"
	PrivatePEM     = "signing_prv.pem"
	CertificateDER = "signing_crt.crt"
	CertificatePEM = "signing_crt.pem"
	HashFile       = "khash"
	TypeFile       = "ktype"
	Current        = "current"
)

const (
	lockFile  = ".lock"
	newPrefix = ".new-"
	newLink   = ".new-current"
)

// Errors of a store; they come wrapped.
var (
	// ErrDangling: the link leads nowhere.
	ErrDangling = errors.New("the link to the current key leads to nothing")
	// ErrBusy: another process holds the lock.
	ErrBusy = errors.New("another process is changing these keys")
)

var folderName = regexp.MustCompile(`^[0-9]{8}-[0-9]{4}([0-9]{2})?(-[0-9]+)?$`)

// Store is a locked store.
type Store struct {
	dir  string
	lock *os.File
}

// Open makes the folder of a store if there is none, and locks it. It waits for
// another process until ctx is done; then the error wraps [ErrBusy].
func Open(ctx context.Context, dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	for lock(f) != nil {
		wait := time.NewTimer(20 * time.Millisecond)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return nil, errors.Join(fmt.Errorf("%s: %w", dir, ErrBusy), f.Close())
		}
	}
	s := &Store{dir: dir, lock: f}
	if err := s.removeStale(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close unlocks the store.
func (s *Store) Close() error { return s.lock.Close() }

// removeStale removes what a killed run left.
func (s *Store) removeStale() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), newPrefix) {
			if err := os.RemoveAll(filepath.Join(s.dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// Material is what a folder holds. It is written as it is.
type Material struct {
	Key         []byte // PEM
	Certificate []byte // DER
	PEM         []byte // of the certificate
	Hash        string
	Type        string
}

// Pending is a key that is not current yet.
type Pending struct {
	s    *Store
	Name string // of its folder
	done bool
}

// Prepare writes a key that was made at a time. Its folder gets its name when it is
// complete and on the disk.
func (s *Store) Prepare(at time.Time, m *Material) (p *Pending, err error) {
	if err := s.replaceable(); err != nil {
		return nil, err
	}
	tmp := filepath.Join(s.dir, newPrefix+"key")
	if err := os.Mkdir(tmp, 0o777); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(tmp))
		}
	}()
	if err := m.Write(tmp); err != nil {
		return nil, err
	}
	name, err := s.freeName(at)
	if err != nil {
		return nil, err
	}
	if err := os.Rename(tmp, filepath.Join(s.dir, name)); err != nil {
		return nil, err
	}
	return &Pending{s: s, Name: name}, syncDir(s.dir)
}

// freeName is the name of a folder that sorts behind all others of the same second.
func (s *Store) freeName(at time.Time) (string, error) {
	names, err := folders(s.dir)
	if err != nil {
		return "", err
	}
	base := at.UTC().Format("20060102-150405")
	n := 0
	for _, name := range names {
		rest, ok := strings.CutPrefix(name, base)
		switch number, err := strconv.Atoi(strings.TrimPrefix(rest, "-")); {
		case !ok:
		case rest == "":
			n = max(n, 1)
		case err == nil && number < 1<<30:
			n = max(n, number)
		}
	}
	if n == 0 {
		return base, nil
	}
	return fmt.Sprintf("%s-%d", base, n+1), nil
}

// replaceable refuses what is called as the link is, and is none.
func (s *Store) replaceable() error {
	path := filepath.Join(s.dir, Current)
	st, err := os.Lstat(path)
	if err == nil && st.Mode()&fs.ModeSymlink == 0 {
		return fmt.Errorf("%s is no link", path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Write writes the files of a folder, all or none. One that is there already is an
// error that wraps [fs.ErrExist]. Whoever may read the folder reads the certificate;
// the keys are the owner's from the first byte on.
func (m *Material) Write(dir string) (err error) {
	var written []string
	defer func() {
		for _, path := range written {
			if err != nil {
				err = errors.Join(err, os.Remove(path))
			}
		}
	}()
	for _, f := range []struct {
		name string
		perm fs.FileMode
		data []byte
	}{
		{BothPEM, 0o600, slices.Concat(m.Key, m.PEM)}, {PrivatePEM, 0o600, m.Key},
		{CertificateDER, 0o666, m.Certificate}, {CertificatePEM, 0o666, m.PEM},
		{HashFile, 0o666, []byte(m.Hash + "\n")}, {TypeFile, 0o666, []byte(m.Type + "\n")},
	} {
		path := filepath.Join(dir, f.name)
		if err := writeFile(path, f.perm, f.data); err != nil {
			return err
		}
		written = append(written, path)
	}
	return syncDir(dir)
}

func writeFile(path string, perm fs.FileMode, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// syncDir makes what happened to the names in a folder durable. That a file system
// cannot do it is no failure.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	_ = d.Sync()
	return d.Close()
}

// Commit makes the key the current one.
func (p *Pending) Commit() error {
	link := filepath.Join(p.s.dir, newLink)
	if err := os.Symlink(p.Name, link); err != nil {
		return err
	}
	if err := os.Rename(link, filepath.Join(p.s.dir, Current)); err != nil {
		return errors.Join(err, os.Remove(link))
	}
	p.done = true
	return syncDir(p.s.dir)
}

// Abort removes the key, unless it became the current one.
func (p *Pending) Abort() error {
	if p.done {
		return nil
	}
	return os.RemoveAll(filepath.Join(p.s.dir, p.Name))
}

// Prune removes the oldest folders and keeps n, at least one, and the current one.
// It returns the names of those removed. A folder that holds anything else than a
// key's files is no key's folder, and left.
func (s *Store) Prune(n int) ([]string, error) {
	names, err := folders(s.dir)
	if err != nil {
		return nil, err
	}
	current, err := currentName(s.dir)
	if err != nil {
		return nil, err
	}
	var old []string
	left := max(1, n)
	if slices.Contains(names, current) {
		left--
	}
	for i := len(names) - 1; i >= 0; i-- {
		switch {
		case names[i] == current:
		case left > 0:
			left--
		default:
			old = append(old, names[i])
		}
	}
	slices.Sort(old)
	var removed []string
	for _, name := range old {
		if err := s.remove(name); err != nil {
			return removed, err
		}
		removed = append(removed, name)
	}
	return removed, nil
}

// remove removes a key. It is renamed first, so that a half of one never has a name.
func (s *Store) remove(name string) error {
	dir := filepath.Join(s.dir, name)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	known := []string{BothPEM, PrivatePEM, CertificateDER, CertificatePEM, HashFile, TypeFile}
	for _, e := range entries {
		if !slices.Contains(known, e.Name()) {
			return fmt.Errorf("%s is not removed, because %s in it is no file of a key", dir, e.Name())
		}
	}
	gone := filepath.Join(s.dir, newPrefix+"old-"+name)
	if err := os.Rename(dir, gone); err != nil {
		return err
	}
	return os.RemoveAll(gone)
}
