// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/modhash/modhash/kbuild/kconfig"
)

// editable makes a file whose MODULES became n in memory.
func editable(t *testing.T, dir, name string) *kconfigFile {
	t.Helper()
	const text = "CONFIG_MODULES=y\n"
	c := &kconfigFile{path: filepath.Join(dir, name)}
	if err := os.WriteFile(c.path, []byte(text), 0o604); err != nil {
		t.Fatal(err)
	}
	var err error
	if c.info, err = os.Stat(c.path); err != nil {
		t.Fatal(err)
	}
	for _, f := range []**kconfig.File{&c.old, &c.now} {
		if *f, err = kconfig.Parse([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.now.Unset("MODULES"); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestWriteConfigs: all files are changed, or none.
func TestWriteConfigs(t *testing.T) {
	for name, spoil := range map[string]func(*kconfigFile, context.CancelFunc) error{
		"nothing is wrong": nil,
		"changed by somebody else": func(c *kconfigFile, _ context.CancelFunc) error {
			return os.WriteFile(c.path, []byte("CONFIG_MODULES=m\n"), 0o600)
		},
		"gone":        func(c *kconfigFile, _ context.CancelFunc) error { return os.Remove(c.path) },
		"interrupted": func(_ *kconfigFile, cancel context.CancelFunc) error { cancel(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var files []*kconfigFile
			for _, name := range []string{"a", "b", "c"} {
				files = append(files, editable(t, dir, name))
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			want := "# CONFIG_MODULES is not set\n"
			if spoil != nil {
				want = "CONFIG_MODULES=y\n"
				if err := spoil(files[2], cancel); err != nil {
					t.Fatal(err)
				}
			}
			last := 0 // what makes a new key the current one
			if err := (&kconfigRun{}).write(ctx, files, func() error { last++; return nil }); (err != nil) != (spoil != nil) || (last == 1) != (spoil == nil) {
				t.Errorf("error %v; the last step was taken %d times", err, last)
			}
			for _, c := range files[:2] {
				got, err := os.ReadFile(c.path)
				if err != nil || string(got) != want {
					t.Errorf("%s: %q, %v", c.path, got, err)
				}
				if st, err := os.Stat(c.path); err != nil || st.Mode().Perm() != 0o604 {
					t.Errorf("%s: %v, %v", c.path, st.Mode(), err)
				}
			}
			left, err := filepath.Glob(filepath.Join(dir, ".*"))
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestKeepOwner needs the right to give files away.
func TestKeepOwner(t *testing.T) {
	c := editable(t, t.TempDir(), "a")
	if err := os.Chown(c.path, 1234, 2345); err != nil {
		t.Skip(err)
	}
	var err error
	if c.info, err = os.Stat(c.path); err != nil {
		t.Fatal(err)
	}
	if err := writeConfigs([]*kconfigFile{c}, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(c.path)
	if err != nil {
		t.Fatal(err)
	}
	if sys := st.Sys().(*syscall.Stat_t); sys.Uid != 1234 || sys.Gid != 2345 || st.Mode().Perm() != 0o604 {
		t.Errorf("owner %d:%d, mode %v", sys.Uid, sys.Gid, st.Mode())
	}
}

// TestKconfigReal edits configurations of distributions: what is printed is what
// changed, nothing else did, and a second run changes nothing.
func TestKconfigReal(t *testing.T) {
	const dir = "../../kbuild/kconfig/testdata/real"
	packed, err := filepath.Glob(filepath.Join(dir, "*.gz"))
	if err != nil || len(packed) == 0 {
		t.Fatal("no configurations", err)
	}
	for _, p := range packed {
		path := filepath.Join(t.TempDir(), "config")
		before := gunzip(t, p)
		if err := os.WriteFile(path, before, 0o600); err != nil {
			t.Fatal(err)
		}
		args := []string{"-q", "kconfig", "--sig-hash", "sha512", "--compress", "xz", "--set", "MODULE_SIG_FORCE=y", "--hashes", path}
		var out, errs bytes.Buffer
		if c := run(context.Background(), args, nil, &out, &errs); c != 0 {
			t.Fatalf("%s: exit code %d: %s", p, c, errs.String())
		}
		after, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		told := map[string]bool{}
		for line := range strings.Lines(out.String()) {
			if fields := strings.Split(line, ": "); len(fields) == 3 {
				told[fields[1]] = true
			}
		}
		old, now := lineSet(before), lineSet(after)
		for _, d := range []struct{ in, out map[string]bool }{{old, now}, {now, old}} {
			for line := range d.in {
				name, _, _ := strings.Cut(strings.TrimPrefix(line, "# "), " ")
				name, _, _ = strings.Cut(name, "=")
				if !d.out[line] && !told[name] {
					t.Errorf("%s: %q was changed and not told", p, line)
				}
			}
		}
		out.Reset()
		if c := run(context.Background(), args, nil, &out, &errs); c != 0 || out.String() != "nothing to change in 1 file\n" {
			t.Errorf("%s: a second run: exit code %d, %s", p, c, out.String())
		}
	}
}

func lineSet(b []byte) map[string]bool {
	set := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		set[strings.TrimSuffix(line, "\n")] = true
	}
	return set
}

func gunzip(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // read only
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
