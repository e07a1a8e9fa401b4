// SPDX-License-Identifier: Apache-2.0

package kbuild

import (
	"archive/tar"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/testdata/gen/ko"
)

// TestReleases: a build of several releases is refused unless one is named.
func TestReleases(t *testing.T) {
	const other = "5.10.0-other"
	files := installed(modulesDir, "", nil)
	old := ko.Module{Name: "old", Release: other}.Bytes()
	files = append(files,
		file{name: "lib/modules/" + other + "/modules.order", data: "kernel/old.ko\n"},
		file{name: "lib/modules/" + other + "/kernel/old.ko", data: string(old)},
		file{name: "boot/vmlinuz-" + other, data: "old image"},
		file{name: "boot/vmlinuz-" + release, data: string(bootImage)},
	)
	split := func() []string {
		return []string{writeTar(t, "a.tar", files[:3]), writeDir(t, files[3:])}
	}
	for _, paths := range [][]string{{writeDir(t, files)}, {writeTar(t, "a.tar", files)}, split(), {filepath.Join(writeDir(t, files), "lib/modules")}} {
		_, err := Open(t.Context(), paths, nil)
		var re *ReleasesError
		if !errors.As(err, &re) || re.Wanted != "" || !slices.Equal(re.Found, []string{other, release}) {
			t.Errorf("%v, want a ReleasesError", err)
		} else if got := re.Error(); got != "the build holds 2 releases: 5.10.0-other, 6.12.0-test" {
			t.Error(got)
		}
		_, err = Open(t.Context(), paths, &Options{Release: "4.19"})
		if !errors.As(err, &re) || re.Wanted != "4.19" || !slices.Equal(re.Found, []string{other, release}) {
			t.Errorf("%v, want a ReleasesError for 4.19", err)
		} else if got := re.Error(); got != "release 4.19 is not in the build, which holds 5.10.0-other, 6.12.0-test" {
			t.Error(got)
		}
		image := "none"
		if len(paths) > 1 || filepath.Base(paths[0]) != "modules" {
			image = imageDigest(t, bootImage)
		}
		if got := manifest(t, &Options{Release: release}, paths...); got != wantManifest(image) {
			t.Errorf("another manifest:\n%s", got)
		}
		s := summarize(t, &Options{Release: other}, paths...)
		if s.Release != other || len(s.Sums) != 1 || len(s.Problems) > 0 {
			t.Errorf("%s: %d modules, %v", s.Release, len(s.Sums), s.Problems)
		}
	}
}

// TestReleaseOption: the release that was asked for is the one that modules must
// have, also where no name tells of a release.
func TestReleaseOption(t *testing.T) {
	dir := writeDir(t, installed("", "", nil))
	if s := summarize(t, &Options{Release: release}, dir); len(s.Problems) > 0 || s.Release != release {
		t.Errorf("%s, %v", s.Release, s.Problems)
	}
	s := summarize(t, &Options{Release: "5.0"}, dir)
	if got := told(s.Problems); got != "other-release "+names[0] {
		t.Errorf("modules of %s, asked for 5.0: %q", release, got)
	}
}

// TestReleaseOfNames: a folder or kernel.release that says another release than
// the modules is a finding; the manifest has that of the modules.
func TestReleaseOfNames(t *testing.T) {
	tree := with(buildTree(".o", "", nil), "kernel.release", "5.0\n")
	for name, paths := range map[string]string{
		"directory":         writeDir(t, installed("lib/modules/5.0/", "", nil)),
		"the folder itself": filepath.Join(writeDir(t, installed("modules/5.0/", "", nil)), "modules/5.0"),
		"link to it":        linkTo(t, filepath.Join(writeDir(t, installed("modules/5.0/", "", nil)), "modules/5.0")),
		"package":           writeTar(t, "a.tar", installed("usr/lib/modules/5.0/", ".xz", nil)),
		"package, loose":    writeTar(t, "a.tar", installed("5.0/", ".xz", nil)),
		"build tree":        writeDir(t, tree),
	} {
		s := summarize(t, nil, paths)
		if got := told(s.Problems); got != "other-release "+names[0] || s.Release != release {
			t.Errorf("%s: %q, release %s", name, got, s.Release)
		}
	}
}

func linkTo(t *testing.T, target string) string {
	t.Helper()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	return link
}

// TestNoModules: a modules.order that is there and empty is a build without
// modules. Its release is that of the folder.
func TestNoModules(t *testing.T) {
	zero := strings.Repeat("0", 64)
	want := "# modhash manifest v1\n# release: " + release + "\n# arch: none\n# digest: sha256\n# image: none\n# modules: 0\n# hashset: merkle/1\n# root: 0 " + zero + "\n"
	tree := []file{{name: "include/config/kernel.release", data: release + "\n"}, {name: "modules.order"}}
	for name, path := range map[string]string{
		"installed":          writeDir(t, []file{{name: modulesDir + "modules.order"}}),
		"the folder itself":  filepath.Join(writeDir(t, []file{{name: modulesDir + "modules.order"}}), modulesDir),
		"lib/modules itself": filepath.Join(writeDir(t, []file{{name: modulesDir + "modules.order"}}), "lib/modules"),
		"package":            writeTar(t, "a.tar", []file{{name: "./" + modulesDir + "modules.order"}}),
		"package, loose":     writeTar(t, "a.tar", []file{{name: release + "/modules.order"}}),
		"build tree":         writeDir(t, tree),
	} {
		if got := manifest(t, nil, path); got != want {
			t.Errorf("%s:\n%s", name, got)
		}
	}
	// Without a name there is no release to be had.
	s := summarize(t, nil, writeDir(t, []file{{name: "modules.order"}}))
	if m, err := s.Manifest(); err == nil {
		t.Errorf("a manifest without a release: %+v", m)
	}
}

func TestNoBuild(t *testing.T) {
	dir := writeDir(t, []file{{name: "text", data: "no package"}, {name: "module.ko", data: string(payload("a.ko"))}, {name: "empty"}})
	for name, want := range map[string]error{"text": ErrNotBuild, "module.ko": ErrNotBuild, "empty": ErrNotBuild, "absent": os.ErrNotExist} {
		if _, err := Open(t.Context(), []string{filepath.Join(dir, name)}, nil); !errors.Is(err, want) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	if _, err := Open(t.Context(), nil, nil); err == nil {
		t.Error("no path is a build")
	}
	// The first error by position.
	for range 10 {
		_, err := Open(t.Context(), []string{dir, filepath.Join(dir, "absent"), filepath.Join(dir, "text")}, &Options{Workers: 7})
		if !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("%v, want the error of the second path", err)
		}
	}
	if got := told(summarize(t, nil, t.TempDir()).Problems); got != "no-order" {
		t.Errorf("an empty folder: %s", got)
	}
}

// TestOrderOption: the order comes from elsewhere, in any of the forms.
func TestOrderOption(t *testing.T) {
	want := wantManifest("none")
	bare := writeDir(t, without(installed(modulesDir, ".zst", nil), "modules.order"))
	var objects, inTree []string
	for _, n := range names {
		in := strings.TrimPrefix(n, "kernel/")
		inTree = append(inTree, in)
		objects = append(objects, strings.TrimSuffix(in, ".ko")+".o")
	}
	for _, lines := range [][]string{names, objects, inTree} {
		for _, name := range []string{"some/order", ""} {
			o := &Options{Order: []byte(strings.Join(lines, "\n")), OrderName: name}
			if got := manifest(t, o, bare); got != want {
				t.Errorf("order %q named %q:\n%s", lines, name, got)
			}
		}
	}
	// It stands in for the build's own, even if that one cannot be read.
	bad := writeDir(t, with(installed(modulesDir, "", nil), "modules.order", "\r\n"))
	o := &Options{Order: []byte(strings.Join(names, "\n")), OrderName: "some/order"}
	if got := manifest(t, o, bad); got != want {
		t.Errorf("another manifest:\n%s", got)
	}
	var oe *OrderError
	if _, err := Open(t.Context(), []string{bare}, &Options{Order: []byte("a.ko\n\n"), OrderName: "some/order"}); !errors.As(err, &oe) || oe.File != "some/order" || oe.Line != 2 {
		t.Errorf("%v, want an OrderError in some/order", err)
	}
	// An empty one is one.
	b := openBuild(t, &Options{Order: []byte{}, OrderName: "some/order"}, bare)
	if !b.HasOrder || len(b.Modules()) != 0 || len(b.Others()) != len(names) {
		t.Errorf("an empty order: %v, %d modules, %d others", b.HasOrder, len(b.Modules()), len(b.Others()))
	}
}

// TestOrderErrors: an order that cannot be read is trouble.
func TestOrderErrors(t *testing.T) {
	good := installed(modulesDir, "", nil)
	crlf := with(good, "modules.order", strings.Join(names, "\r\n"))
	for name, path := range map[string]string{"directory": writeDir(t, crlf), "tar": writeTar(t, "a.tar", crlf)} {
		_, err := Open(t.Context(), []string{path}, nil)
		var oe *OrderError
		if !errors.As(err, &oe) || oe.Line != 1 || !strings.HasPrefix(oe.File, path) || !strings.HasSuffix(oe.File, "modules.order") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// One of 64 MiB and a byte, most of it a hole, is not read.
	large := writeDir(t, good)
	if err := os.Truncate(filepath.Join(large, modulesDir, "modules.order"), maxOrderBytes+1); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), []string{large}, nil); err == nil || !strings.Contains(err.Error(), "at most 67108864 are read") {
		t.Errorf("a large order: %v", err)
	}
	two := []string{writeTar(t, "a.tar", good), writeTar(t, "b.tar", []file{{name: "usr/" + modulesDir + "modules.order", data: "kernel/a.ko\n"}})}
	if _, err := Open(t.Context(), two, nil); err == nil || !strings.Contains(err.Error(), "differ") {
		t.Errorf("two orders that differ: %v", err)
	}
	// Of two in one archive, unpacking leaves the last; that there are two is told.
	dup := writeTar(t, "a.tar", append([]file{{name: modulesDir + "modules.order", data: "kernel/a.ko\n"}}, good...))
	if got := told(summarize(t, nil, dup).Problems); got != "duplicate-name "+modulesDir+"modules.order" {
		t.Errorf("two orders in one archive: %s", got)
	}
}

// TestSetOrder gives positions to a build without an order.
func TestSetOrder(t *testing.T) {
	files := append(without(installed(modulesDir, "", nil), "modules.order"),
		file{name: modulesDir + "updates/ext4.ko", data: string(payload("ext4.ko"))},
		file{name: modulesDir + "kernel/more.ko", data: string(payload("more.ko"))},
		file{name: "/boot/a", typ: tar.TypeReg})
	b := openBuild(t, nil, writeTar(t, "a.tar", files))
	if len(b.Modules()) != 0 || len(b.Others()) != len(names)+2 {
		t.Fatalf("%d modules, %d others", len(b.Modules()), len(b.Others()))
	}
	if got := told(b.Problems()); got != "no-order\nshadow updates/ext4.ko\nabsolute-name boot/a\n(out-of-tree updates/ext4.ko)" {
		t.Errorf("before:\n%s", got)
	}
	for range 2 {
		b.SetOrder(append(slices.Clone(names), "kernel/gone.ko"))
		if len(b.Modules()) != len(names)+1 || len(b.Others()) != 2 || b.HasOrder {
			t.Fatalf("%d modules, %d others", len(b.Modules()), len(b.Others()))
		}
		want := "no-order\nmissing kernel/gone.ko\nshadow updates/ext4.ko\nunlisted kernel/more.ko\nabsolute-name boot/a\n(out-of-tree updates/ext4.ko)"
		if got := told(b.Problems()); got != want {
			t.Errorf("after:\n%s", got)
		}
	}
	s, err := b.Summarize(t.Context(), hashset.Merkle, nil)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := s.Manifest(); err == nil {
		t.Errorf("a manifest of a build without an order: %+v", m)
	}
}

// TestSourceErrors: what is wrong with a package is trouble, and names it.
func TestSourceErrors(t *testing.T) {
	path := writeTar(t, "a.tar.gz", installed(modulesDir, "", nil))
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b[:len(b)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), []string{path}, nil); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a package that is cut: %v", err)
	}
	path = writeTar(t, "a.tar.xz", installed(modulesDir, "", nil))
	if _, err := Open(t.Context(), []string{path}, &Options{MaxUnpacked: 1000}); err == nil || !strings.Contains(err.Error(), "1000") {
		t.Errorf("a package above the limit: %v", err)
	}
	if _, err := Open(t.Context(), []string{path}, &Options{TempDir: filepath.Join(t.TempDir(), "absent")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder for temporary files: %v", err)
	}
	s := summarize(t, &Options{MaxModule: 500}, writeDir(t, installed(modulesDir, ".zst", nil)))
	if got := strings.Count(told(s.Problems), "corrupt"); got != len(names) {
		t.Errorf("modules above the limit: %s", told(s.Problems))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, p := range []string{path, writeDir(t, installed(modulesDir, "", nil))} {
		if _, err := Open(ctx, []string{p}, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", p, err)
		}
	}
}

func TestDescribeMode(t *testing.T) {
	for mode, want := range map[fs.FileMode]string{
		0o644: "regular file", fs.ModeDir | 0o755: "folder", fs.ModeSymlink: "symbolic link", fs.ModeDevice | fs.ModeCharDevice: "character device",
		fs.ModeDevice: "block device", fs.ModeNamedPipe: "named pipe", fs.ModeSocket: "socket", fs.ModeIrregular: "file of an unknown type",
	} {
		if got := describeMode(mode); got != want {
			t.Errorf("%v: %s, want %s", mode, got, want)
		}
	}
}

// TestLoose: modules count wherever they are, but for those of another release.
func TestLoose(t *testing.T) {
	elsewhere := []file{
		{name: "a.ko", data: string(payload("a.ko"))},
		{name: "opt/deep/b.ko", data: string(payload("b.ko"))},
		{name: "debian/c.ko", data: string(payload("c.ko"))},
		{name: ".git/d.ko", data: string(payload("d.ko"))},
		{name: "boot/e.ko", data: string(payload("e.ko"))},
		{name: "proc/g.ko", data: string(payload("g.ko"))},
	}
	const outside = ".git/d.ko a.ko boot/e.ko debian/c.ko opt/deep/b.ko proc/g.ko"
	other := file{name: "lib/modules/other/kernel/x.ko", data: string(payload("x.ko"))}
	for name, tt := range map[string]struct {
		files []file
		o     Options
		want  string // not listed
	}{
		"root":       {slices.Concat(installed(modulesDir, "", nil), elsewhere), Options{Loose: true}, outside},
		"not loose":  {slices.Concat(installed(modulesDir, "", nil), elsewhere), Options{}, ""},
		"releases":   {slices.Concat(installed(modulesDir, "", nil), elsewhere, []file{other}), Options{Loose: true, Release: release}, outside},
		"folder":     {slices.Concat([]file{{name: "z/kernel/f.ko", data: string(payload("f.ko"))}}, elsewhere), Options{Loose: true}, ".git/d.ko a.ko boot/e.ko debian/c.ko kernel/f.ko opt/deep/b.ko proc/g.ko"},
		"build tree": {slices.Concat([]file{{name: autoConf, data: "x"}}, elsewhere), Options{Loose: true}, "kernel/.git/d.ko kernel/a.ko kernel/boot/e.ko kernel/debian/c.ko kernel/opt/deep/b.ko kernel/proc/g.ko"},
	} {
		paths := []string{writeDir(t, tt.files)}
		if name != "build tree" { // is never packed
			paths = append(paths, writeTar(t, "a.tar", tt.files))
		}
		for _, path := range paths {
			var got []string
			for _, r := range openBuild(t, &tt.o, path).Others() {
				got = append(got, r.Name)
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("%s, %s: %v, want %s", name, filepath.Base(path), got, tt.want)
			}
		}
	}
}

// TestPlantedTree: files of a build tree do not make one of installed modules.
func TestPlantedTree(t *testing.T) {
	planted := file{name: modulesDir + autoConf, data: "x"}
	dir := writeDir(t, append(installed(modulesDir, "", nil), planted, file{name: autoConf, data: "x"}))
	for _, path := range []string{dir, filepath.Join(dir, modulesDir)} {
		if openBuild(t, nil, path).BuildTree {
			t.Errorf("%s is taken for a build tree", path)
		}
	}
}
