// SPDX-License-Identifier: Apache-2.0

package rewrite

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func (t *tree) stat(name string) unix.Stat_t {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(t.path(name), &st); err != nil {
		t.Fatal(err)
	}
	return st
}

func TestMetadata(t *testing.T) {
	for _, noTemp := range []bool{false, true} {
		tr := newTree(t)
		tr.put("a.ko.xz", payload("metadata"))
		if err := os.Chmod(tr.path("a.ko.xz"), 0o440); err != nil {
			t.Fatal(err)
		}
		if os.Getuid() == 0 {
			if err := os.Chown(tr.path("a.ko.xz"), 1234, 4321); err != nil {
				t.Fatal(err)
			}
		}
		before := tr.stat("a.ko.xz")
		tr.run(always(Change{Trailer: proof(1)}), &Options{noTemp: noTemp}, "a.ko.xz")
		after := tr.stat("a.ko.xz")
		if after.Ino == before.Ino {
			t.Error("the same inode")
		}
		if after.Mode != before.Mode || after.Uid != before.Uid || after.Gid != before.Gid ||
			after.Mtim != before.Mtim || after.Atim != before.Atim {
			t.Errorf("got %+v, want %+v", after, before)
		}
		if after.Atim == after.Mtim || after.Mtim.Nsec == 0 {
			t.Error("the test does not tell the times apart")
		}
	}
}

// acl returns an access control list in the form of the kernel's attribute: the
// version, then for each entry tag, permissions and id.
func acl(user uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range []struct {
		tag, perm uint16
		id        uint32
	}{{1, 6, 1<<32 - 1}, {2, 4, user}, {4, 4, 1<<32 - 1}, {16, 4, 1<<32 - 1}, {32, 0, 1<<32 - 1}} {
		b = binary.LittleEndian.AppendUint16(b, e.tag)
		b = binary.LittleEndian.AppendUint16(b, e.perm)
		b = binary.LittleEndian.AppendUint32(b, e.id)
	}
	return b
}

func xattrs(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list, err := attributes(f)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]string{}
	for _, a := range list {
		m[a.name] = string(a.value)
	}
	return m
}

func TestAttributes(t *testing.T) {
	tr := newTree(t)
	tr.put("a.ko.zst", payload("attributes"))
	set := func(name, attr string, value []byte) bool {
		err := unix.Setxattr(tr.path(name), attr, value, 0)
		if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EPERM) {
			return false
		}
		if err != nil {
			t.Fatalf("%s: %v", attr, err)
		}
		return true
	}
	if !set("a.ko.zst", "user.modhash", []byte("value\x00with zero")) {
		t.Skip("the file system of the temporary folder has no extended attributes")
	}
	set("a.ko.zst", "user.empty", nil)
	set("a.ko.zst", "user.long", bytes.Repeat([]byte("x"), 2000))
	set("a.ko.zst", "system.posix_acl_access", acl(1000))
	capability := set("a.ko.zst", "security.capability", []byte("\x00\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	ima := set("a.ko.zst", "security.ima", append([]byte{4, 4}, make([]byte, 32)...))
	before := tr.stat("a.ko.zst")
	want := xattrs(t, tr.path("a.ko.zst"))
	// What the folder passes on must not be in the new file.
	set(".", "system.posix_acl_default", acl(2000))

	res := tr.run(always(Change{Trailer: proof(1)}), nil, "a.ko.zst")
	if ima {
		delete(want, "security.ima")
		if !slices.Equal(res[0].Dropped, []string{"security.ima"}) {
			t.Errorf("dropped: %q", res[0].Dropped)
		}
	} else if len(res[0].Dropped) != 0 {
		t.Errorf("dropped: %q", res[0].Dropped)
	}
	if got := xattrs(t, tr.path("a.ko.zst")); !maps.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if after := tr.stat("a.ko.zst"); after.Mode != before.Mode {
		t.Errorf("mode %o, want %o", after.Mode, before.Mode)
	}
	t.Logf("%d attributes; capability %v, ima %v", len(want), capability, ima)
	// And where the old one has no list, the folder's is not there either.
	tr.put("b.ko", payload("attributes"))
	if err := unix.Removexattr(tr.path("b.ko"), "system.posix_acl_access"); err != nil && !absent(err) && !errors.Is(err, unix.ENOTSUP) {
		t.Fatal(err)
	}
	before = tr.stat("b.ko")
	tr.run(always(Change{Trailer: proof(1)}), nil, "b.ko")
	if got := xattrs(t, tr.path("b.ko")); len(got) != 0 || tr.stat("b.ko").Mode != before.Mode {
		t.Errorf("attributes %q, mode %o, want %o", got, tr.stat("b.ko").Mode, before.Mode)
	}
}

func TestHardLinks(t *testing.T) {
	setUp := func(t *testing.T) *tree {
		tr := newTree(t)
		tr.put("kernel/a.ko.xz", payload("links"))
		tr.put("z.ko", payload("z"))
		for _, name := range []string{"kernel/b.ko.xz", "c.ko.xz"} {
			if err := os.Link(tr.path("kernel/a.ko.xz"), tr.path(name)); err != nil {
				t.Fatal(err)
			}
		}
		return tr
	}
	all := []string{"kernel/b.ko.xz", "z.ko", "c.ko.xz", "kernel/a.ko.xz"}
	want := join(payload("links"), proof(1))
	edit := always(Change{Trailer: proof(1)})

	t.Run("all", func(t *testing.T) {
		tr := setUp(t)
		for i, r := range tr.run(edit, &Options{Workers: 4}, all...) {
			if r.Outcome != Added || r.Name != all[i] {
				t.Errorf("%+v", r)
			}
		}
		a, b, c := tr.stat("kernel/a.ko.xz"), tr.stat("kernel/b.ko.xz"), tr.stat("c.ko.xz")
		if a.Ino != b.Ino || a.Ino != c.Ino || a.Nlink != 3 || len(tr.list()) != 4 || !bytes.Equal(tr.get("c.ko.xz"), want) {
			t.Errorf("%d %d %d, %d links, %v", a.Ino, b.Ino, c.Ino, a.Nlink, tr.list())
		}
		for i, r := range tr.run(edit, nil, all...) {
			if r.Outcome != Unchanged || r.Name != all[i] {
				t.Errorf("%+v", r)
			}
		}
	})
	t.Run("some", func(t *testing.T) {
		tr := setUp(t)
		before := tr.snapshot()
		res, err := Run(t.Context(), tr.root, files("kernel/b.ko.xz", "c.ko.xz"), edit, nil)
		if !errors.Is(err, ErrLinks) || res[0].Outcome != Failed || res[1].Outcome != Failed || tr.snapshot() != before {
			t.Errorf("%v, %v", res, err)
		}
		tr.run(edit, &Options{BreakLinks: true}, "kernel/b.ko.xz", "c.ko.xz")
		if b := tr.stat("kernel/b.ko.xz"); b.Ino != tr.stat("c.ko.xz").Ino || b.Nlink != 2 || tr.stat("kernel/a.ko.xz").Nlink != 1 {
			t.Error("links are not as they should be")
		}
		if !bytes.Equal(tr.get("kernel/a.ko.xz"), payload("links")) || !bytes.Equal(tr.get("c.ko.xz"), want) {
			t.Error("contents are not as they should be")
		}
	})
	t.Run("out", func(t *testing.T) {
		tr, out := setUp(t), newTree(t)
		tr.run(edit, &Options{Out: out.root}, all[:3]...)
		if b := out.stat("kernel/b.ko.xz"); b.Ino != out.stat("c.ko.xz").Ino || b.Nlink != 2 || len(out.list()) != 3 {
			t.Errorf("%v", out.list())
		}
	})
	t.Run("changed", func(t *testing.T) {
		tr := setUp(t)
		res, err := Run(t.Context(), tr.root, files(all...), func(_ context.Context, target *Target) (Change, error) {
			if target.Name == "kernel/b.ko.xz" {
				os.Remove(tr.path("c.ko.xz"))
				tr.put("c.ko.xz", payload("theirs"))
			}
			return Change{Trailer: proof(1)}, nil
		}, nil)
		// Taking a link away changes the inode, so it is noticed before anything
		// is done.
		if !errors.Is(err, ErrChanged) || res[0].Outcome != Failed || res[1].Outcome != Added || !bytes.Equal(tr.get("c.ko.xz"), payload("theirs")) {
			t.Errorf("%v, %v", res, err)
		}
	})
}

// TestTempLink: a temporary name that is a link to a finished file, left by a
// run that was killed between the two steps of making a link.
func TestTempLink(t *testing.T) {
	tr := newTree(t)
	tr.put("b/a.ko", payload("link"))
	tr.put("c/other.ko", payload("link"))
	if err := os.Link(tr.path("b/a.ko"), tr.path("c/"+TempName("other.ko"))); err != nil {
		t.Fatal(err)
	}
	tr.run(always(Change{Trailer: proof(1)}), nil, "b/a.ko", "c/other.ko")
	if want := []string{"b/a.ko", "c/other.ko"}; !slices.Equal(tr.list(), want) {
		t.Errorf("files: %q", tr.list())
	}
}

// TestTempNames: what a killed run left is removed, even if there is nothing
// else to do; only the name of the package's own pattern is.
func TestTempNames(t *testing.T) {
	for _, change := range []Change{{Trailer: proof(1)}, {Keep: true}} {
		for _, noTemp := range []bool{false, true} {
			tr := newTree(t)
			tr.put("d/a.ko", payload("temp"))
			tr.putRaw("d/"+TempName("a.ko"), []byte("half"))
			tr.putRaw("d/"+TempName("other.ko"), []byte("not ours"))
			tr.run(always(change), &Options{noTemp: noTemp}, "d/a.ko")
			if want := []string{"d/" + TempName("other.ko"), "d/a.ko"}; !slices.Equal(tr.list(), want) {
				t.Errorf("files: %q", tr.list())
			}
		}
	}
	long := strings.Repeat("x", 252) + ".ko"
	if n := len(TempName(long)); n > 255 || TempName(long) == TempName(long[:200]+"y"+long[201:]) {
		t.Errorf("%d bytes", n)
	}
	tr := newTree(t)
	tr.put(long, payload("long"))
	if res := tr.run(always(Change{Trailer: proof(1)}), &Options{noTemp: true}, long); res[0].Outcome != Added {
		t.Error(res[0].Outcome)
	}
}

// TestLock: who rewrites a file has it alone; any number may read it and write the
// new one elsewhere, and leave what lies beside the old one.
func TestLock(t *testing.T) {
	tr := newTree(t)
	tr.put("a.ko", payload("lock"))
	if err := os.WriteFile(tr.path(TempName("a.ko")), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(tr.path("a.ko"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	for _, c := range []struct {
		held      int
		elsewhere bool
		want      error
	}{
		{syscall.LOCK_EX, false, ErrBusy},
		{syscall.LOCK_EX, true, ErrBusy},
		{syscall.LOCK_SH, false, ErrBusy},
		{syscall.LOCK_SH, true, nil},
	} {
		if err := syscall.Flock(int(f.Fd()), c.held); err != nil {
			t.Fatal(err)
		}
		o := &Options{}
		if c.elsewhere {
			o.Out = out
		}
		if _, err := Run(t.Context(), tr.root, files("a.ko"), always(Change{Trailer: proof(1)}), o); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if _, err := os.Stat(tr.path(TempName("a.ko"))); err != nil {
		t.Error(err)
	}
}

func TestReadOnlyFolder(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write anywhere")
	}
	tr := newTree(t)
	tr.put("d/a.ko", payload("readonly"))
	before := tr.snapshot()
	if err := os.Chmod(tr.path("d"), 0o555); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(tr.path("d"), 0o755)
	_, err := Run(t.Context(), tr.root, files("d/a.ko"), always(Change{Trailer: proof(1)}), nil)
	if !errors.Is(err, unix.EACCES) || tr.snapshot() != before {
		t.Error(err)
	}
}

// TestManyWorkers: results do not depend on how many there are.
func TestManyWorkers(t *testing.T) {
	var want string
	for _, workers := range []int{1, 2, 16} {
		tr := newTree(t)
		var names []string
		for i := range 40 {
			names = append(names, fmt.Sprintf("kernel/m%02d.ko%s", i, suffixes[i%4]))
			tr.put(names[i], payload(names[i]))
		}
		tr.run(func(_ context.Context, target *Target) (Change, error) {
			return Change{Trailer: proof(byte(target.Index))}, nil
		}, &Options{Workers: workers, Unsynced: true}, names...)
		got := tr.snapshot()
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("%d workers: other files", workers)
		}
	}
}
