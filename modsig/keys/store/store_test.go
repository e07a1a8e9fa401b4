// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var when = time.Date(2026, 11, 22, 12, 45, 1, 0, time.FixedZone("", 3600))

func material(t *testing.T) *Material {
	t.Helper()
	der, err := os.ReadFile("../../../testdata/vectors/signing/ecp384.der")
	if err != nil {
		t.Fatal(err)
	}
	return &Material{Key: []byte("key\n"), Certificate: der, PEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), Hash: "sha512", Type: "ec"}
}

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func add(t *testing.T, s *Store, at time.Time) string {
	t.Helper()
	p, err := s.Prepare(at, material(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := p.Abort(); err != nil {
		t.Fatal(err)
	}
	return p.Name
}

func names(t *testing.T, dir string) (list []string, current string) {
	t.Helper()
	entries, err := List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Fault != nil || !e.Private || e.Exposed != "" || e.Hash != "sha512" {
			t.Errorf("%+v", e)
		}
		list = append(list, e.Name)
		if e.Current {
			current = e.Name
		}
	}
	return list, current
}

// TestRotate: names, order, modes, what is current, and what is pruned.
func TestRotate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a/keys")
	s := open(t, dir)
	if e, err := CurrentKey(dir); e != nil || err != nil {
		t.Fatal(e, err)
	}
	for i, want := range []string{"20261122-114501", "20261122-114501-2", "20261122-114501-3"} {
		if got := add(t, s, when); got != want {
			t.Errorf("folder %d is %s", i, got)
		}
	}
	for i := range 9 {
		add(t, s, when.Add(-time.Duration(9-i)*time.Hour))
	}
	list, current := names(t, dir)
	if len(list) != 12 || list[0] != "20261122-024501" || list[11] != "20261122-114501-3" || current != "20261122-104501" {
		t.Errorf("%v, current %s", list, current)
	}
	for file, perm := range map[string]os.FileMode{BothPEM: 0o600, PrivatePEM: 0o600, CertificateDER: 0o644, CertificatePEM: 0o644, HashFile: 0o644, TypeFile: 0o644} {
		st, err := os.Stat(filepath.Join(dir, Current, file))
		if err != nil || st.Mode().Perm()&0o777&^0o022 != perm&^0o022 || perm == 0o600 && st.Mode().Perm() != perm {
			t.Errorf("%s: %v %v", file, st, err)
		}
	}
	removed, err := s.Prune(2)
	if list, current := names(t, dir); err != nil || len(removed) != 10 || !slices.Equal(list, []string{"20261122-104501", "20261122-114501-3"}) || current != "20261122-104501" {
		t.Errorf("%v %v: %v, current %s", removed, err, list, current)
	}
	if _, err := s.Prune(0); err != nil {
		t.Fatal(err)
	}
	if list, _ := names(t, dir); len(list) != 1 || list[0] != current {
		t.Errorf("left %v", list)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestPruneForeign: a folder with something else in it is left.
func TestPruneForeign(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	old := add(t, s, when)
	add(t, s, when.Add(time.Second))
	if err := os.WriteFile(filepath.Join(dir, old, "notes"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prune(1); err == nil || !strings.Contains(err.Error(), "notes") {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, old, BothPEM)); err != nil {
		t.Error(err)
	}
}

// TestInterrupted: whatever a run leaves before the link is renamed, the old key
// stays current, and the next run cleans up.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	old := add(t, s, when)
	p, err := s.Prepare(when.Add(time.Hour), material(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, current := names(t, dir); current != old {
		t.Errorf("%s is current before it is committed", current)
	}
	if err := p.Abort(); err != nil {
		t.Fatal(err)
	}
	if list, current := names(t, dir); len(list) != 1 || current != old {
		t.Errorf("after it was given up: %v, %s", list, current)
	}
	for _, left := range []string{".new-key", ".new-old-20200101-000000"} {
		if err := os.MkdirAll(filepath.Join(dir, left), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, ".new-key", BothPEM), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, ".new-current")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 { // the key, the link, the lock
		t.Errorf("%v %v", entries, err)
	}
	add(t, s, when)
}

// TestCommitFails: the link cannot be made.
func TestCommitFails(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	old := add(t, s, when)
	p, err := s.Prepare(when, material(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, newLink), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := p.Commit(); err == nil {
		t.Error("no error")
	}
	if err := p.Abort(); err != nil {
		t.Error(err)
	}
	if list, current := names(t, dir); len(list) != 1 || current != old {
		t.Errorf("%v, %s", list, current)
	}
}

// TestLocked: a second process waits, and gives up when it is told to.
func TestLocked(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := Open(ctx, dir); !errors.Is(err, ErrBusy) {
		t.Errorf("opened while it is locked: %v", err)
	}
	time.AfterFunc(50*time.Millisecond, func() { s.Close() })
	open(t, dir)
}

func TestCurrent(t *testing.T) {
	for target, want := range map[string]string{
		"20200101-000000": "leads to nothing", "../20200101-000000": "no folder of a key", "/etc": "no folder of a key",
		"20200101-0000/": "leads to nothing", ".": "no folder of a key", "keys": "no folder of a key",
	} {
		dir := t.TempDir()
		if err := os.Symlink(target, filepath.Join(dir, Current)); err != nil {
			t.Fatal(err)
		}
		if _, err := CurrentKey(dir); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(want, "nothing") != errors.Is(err, ErrDangling) {
			t.Errorf("%s: %v", target, err)
		}
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, Current), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := CurrentKey(dir); err == nil || !strings.Contains(err.Error(), "no link") {
		t.Error(err)
	}
	if _, err := open(t, dir).Prepare(when, material(t)); err == nil || !strings.Contains(err.Error(), "no link") {
		t.Error(err)
	}
}

// TestFaults: what is wrong with a folder is said of it, and hides no other one.
func TestFaults(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for range 3 {
		add(t, s, when)
	}
	list, _ := names(t, dir)
	if err := os.Chmod(filepath.Join(dir, list[0], PrivatePEM), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, list[1], CertificateDER), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	entries, err := List(dir)
	if err != nil || len(entries) != 3 || filepath.Base(entries[0].Exposed) != PrivatePEM || entries[0].Mode != 0o640 || entries[1].Fault == nil || entries[2].Fault != nil {
		t.Errorf("%+v %v", entries, err)
	}
}

func TestPeriod(t *testing.T) {
	made := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	for s, end := range map[string]time.Time{
		"1s": made.Add(time.Second), "90 sec": made.Add(90 * time.Second), "5min": made.Add(5 * time.Minute), "1h": made.Add(time.Hour),
		"7d": made.AddDate(0, 0, 7), "2 weeks": made.AddDate(0, 0, 14), "1mo": time.Date(2024, 3, 29, 12, 0, 0, 0, time.UTC),
		"6months": time.Date(2024, 8, 29, 12, 0, 0, 0, time.UTC), "1y": time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC), "10 years": time.Date(2034, 3, 1, 12, 0, 0, 0, time.UTC),
		"always": made.Add(-time.Hour),
	} {
		p, err := ParsePeriod(s)
		if err != nil || !p.Over(made, end) || s != "always" && p.Over(made, end.Add(-time.Nanosecond)) {
			t.Errorf("%s: %+v %v", s, p, err)
		}
	}
	if p, err := ParsePeriod("never"); err != nil || p.Over(made, made.AddDate(5000, 0, 0)) {
		t.Error("never", err)
	}
	for _, s := range []string{"", "7", "d", "0d", "-1d", "1m", "1M", "1 fortnight", "10001d", "1.5d", "7dd", "1  d", "d7", "99999999999999999999d", "Always", "1D"} {
		if p, err := ParsePeriod(s); err == nil {
			t.Errorf("%q is %+v", s, p)
		}
	}
}
