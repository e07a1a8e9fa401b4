// SPDX-License-Identifier: Apache-2.0

package kbuild

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/testdata/gen/ko"
)

// TestBuildTree: what a build tree is, and what is taken from it.
func TestBuildTree(t *testing.T) {
	files := append(buildTree(".o", "", nil),
		file{name: "drivers/old/leftover.ko", data: string(payload("leftover.ko"))},
		file{name: ".git/x.ko", data: "no module"},
		file{name: "drivers/.git/x.ko", data: "no module"},
		// What the kernel's own targets for packages leave behind: copies.
		file{name: "debian/linux-image-" + release + "/" + modulesDir + names[0], data: "no module"},
		file{name: "tar-install/" + modulesDir + names[0], data: "no module"},
		file{name: "pacman/linux-upstream/pkg/linux-upstream/usr/" + modulesDir + names[0], data: "no module"},
		file{name: "rpmbuild/BUILD/" + names[0], data: "no module"},
		file{name: "snap/x.ko", data: "no module"},
		file{name: "drivers/snap/snap.ko", data: string(payload("snap.ko"))},
		file{name: "Documentation/index.rst", data: "text"})
	for _, all := range []bool{false, true} {
		b := openBuild(t, &Options{AllFiles: all}, writeDir(t, files))
		if !b.BuildTree || b.Release != release || !b.HasOrder {
			t.Errorf("build tree %v, release %s, order %v", b.BuildTree, b.Release, b.HasOrder)
		}
		if got := told(b.Problems()); got != "(unlisted kernel/drivers/old/leftover.ko)\n(unlisted kernel/drivers/snap/snap.ko)" {
			t.Errorf("%s", got)
		}
		for _, m := range b.Sources()[0].Members() {
			if strings.HasSuffix(m.Name, ".o") || strings.HasSuffix(m.Name, ".rst") || strings.Contains(m.Name, ".git") || strings.Contains(m.Name, "compressed") {
				t.Errorf("%s is listed", m.Name)
			}
		}
	}
	for name, marks := range map[string][]file{
		"release":   {{name: "include/config/kernel.release", data: release + "\n"}},
		"auto.conf": {{name: "include/config/auto.conf"}},
		"sources":   {{name: "Kbuild"}, {name: "scripts/Makefile.modinst"}},
	} {
		if b := openBuild(t, nil, writeDir(t, append(marks, file{name: "modules.order"}))); !b.BuildTree {
			t.Errorf("%s: no build tree", name)
		}
	}
	if b := openBuild(t, nil, writeDir(t, []file{{name: "Kbuild"}, {name: "modules.order"}})); b.BuildTree {
		t.Error("Kbuild alone makes a build tree")
	}
}

// TestOldBuildTree: before Linux 5.3 every line starts with kernel/, later none
// does by rule, but those of modules in the folder kernel/ do.
func TestOldBuildTree(t *testing.T) {
	tree := func(order string, modules ...string) []file {
		files := []file{{name: "include/config/kernel.release", data: release + "\n"}, {name: "modules.order", data: order}}
		for _, m := range modules {
			files = append(files, file{name: m, data: string(payload(m))})
		}
		return files
	}
	tests := []struct {
		name  string
		files []file
		want  []string // names, "!" in front of a missing one
	}{
		{"old", tree("kernel/kernel/configs.ko\nkernel/fs/a.ko\n", "kernel/configs.ko", "fs/a.ko"), []string{"kernel/kernel/configs.ko", "kernel/fs/a.ko"}},
		{"old, kernel/ only", tree("kernel/kernel/configs.ko\n", "kernel/configs.ko"), []string{"kernel/kernel/configs.ko"}},
		{"new", tree("kernel/configs.ko\nfs/a.ko\n", "kernel/configs.ko", "fs/a.ko"), []string{"kernel/kernel/configs.ko", "kernel/fs/a.ko"}},
		{"new, kernel/ only", tree("kernel/configs.ko\nkernel/b.ko\n", "kernel/configs.ko", "kernel/b.ko"), []string{"kernel/kernel/configs.ko", "kernel/kernel/b.ko"}},
		{"new, kernel/ only, first missing", tree("kernel/configs.ko\nkernel/b.ko\n", "kernel/b.ko"), []string{"!kernel/kernel/configs.ko", "kernel/kernel/b.ko"}},
		{"objects, kernel/ only", tree("kernel/configs.o\n", "kernel/configs.ko"), []string{"kernel/kernel/configs.ko"}},
		{"old, first missing", tree("kernel/fs/a.ko\nkernel/fs/b.ko\n", "fs/b.ko"), []string{"!kernel/fs/a.ko", "kernel/fs/b.ko"}},
	}
	for _, tt := range tests {
		var got []string
		for _, m := range openBuild(t, nil, writeDir(t, tt.files)).Modules() {
			name := m.Name
			if m.File == nil {
				name = "!" + name
			}
			got = append(got, name)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestDirMembers: what is listed of which directory.
func TestDirMembers(t *testing.T) {
	root := []file{
		{name: modulesDir + "modules.order"}, {name: modulesDir + "kernel/a.ko"}, {name: modulesDir + "build", link: "/usr/src/linux"},
		{name: "boot/vmlinuz-1"}, {name: "boot/grub/grub.cfg"}, {name: "etc/passwd"}, {name: "home/x.ko"},
	}
	tests := []struct {
		name  string
		files []file
		sub   string
		all   bool
		want  string
	}{
		{"root", root, "", false, "boot/vmlinuz-1 M/build M/kernel/a.ko M/modules.order"},
		{"root, all", root, "", true, "boot/grub/grub.cfg boot/vmlinuz-1 etc/passwd home/x.ko M/build M/kernel/a.ko M/modules.order"},
		{"lib/modules", root, "lib/modules", false, release + "/build " + release + "/kernel/a.ko " + release + "/modules.order"},
		{"folder", root, modulesDir, false, "build kernel/a.ko modules.order"},
		{"boot only", root[3:], "", false, "boot/vmlinuz-1"},
		{"something else", root[5:], "", false, "etc/passwd home/x.ko"},
		{"lib leads to usr/lib", append(slices.Clone(root[3:]), file{name: "usr/" + modulesDir + "modules.order"}, file{name: "lib", link: "usr/lib"}), "", false,
			"boot/vmlinuz-1 usr/M/modules.order"},
		{"lib leads out", append(slices.Clone(root[3:]), file{name: "lib", link: "/usr/lib"}), "", false, "boot/vmlinuz-1"},
	}
	for _, tt := range tests {
		var got []string
		for _, m := range openBuild(t, &Options{AllFiles: tt.all}, filepath.Join(writeDir(t, tt.files), tt.sub)).Sources()[0].Members() {
			if !m.Mode.IsDir() {
				got = append(got, strings.Replace(m.Name, strings.TrimSuffix(modulesDir, "/"), "M", 1))
			}
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s: %s\nwant %s", tt.name, s, tt.want)
		}
	}
}

// TestLinksDoNotLeadOut: a folder on the way to a module is replaced by a link
// that leads out of the directory after it was listed.
func TestLinksDoNotLeadOut(t *testing.T) {
	outside := writeDir(t, []file{{name: "ext4.ko", data: string(payload("elsewhere.ko"))}})
	dir := writeDir(t, installed("", "", nil))
	b := openBuild(t, nil, dir)
	if err := os.RemoveAll(filepath.Join(dir, "kernel/fs/ext4")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "kernel/fs/ext4")); err != nil {
		t.Fatal(err)
	}
	if sums, err := b.Sums(t.Context(), hashset.Flat, nil); err == nil || !strings.Contains(err.Error(), "ext4.ko") {
		t.Errorf("%v, %v; want an error", sums[0].Payload, err)
	}
}

// TestRel and FindInFolder see through the places of a modules folder.
func TestRel(t *testing.T) {
	for _, prefix := range []string{"", modulesDir, "usr/" + modulesDir} {
		for _, path := range []string{writeDir(t, installed(prefix, "", nil)), writeTar(t, "a.tar", installed(prefix, "", nil))} {
			b := openBuild(t, nil, path)
			src := b.Sources()[0]
			if rel, ok := b.Rel(src, prefix+names[0]); !ok || rel != names[0] {
				t.Errorf("%s: %q, %v", prefix, rel, ok)
			}
			if rel, ok := b.Rel(src, "boot/vmlinuz"); prefix != "" && ok {
				t.Errorf("%s: %q is in the modules folder", prefix, rel)
			}
			if _, ok := b.Rel(nil, prefix+names[0]); ok {
				t.Errorf("%s: another source has the folder", prefix)
			}
			f := b.FindInFolder("modules.order")
			if f == nil || f.Member().Name != prefix+"modules.order" || f.Path() == "" || b.FindInFolder("absent") != nil || b.FindInFolder("kernel") != nil {
				t.Errorf("%s: %v", prefix, f)
			}
		}
	}
}

// TestModuleFile opens one module outside of a build.
func TestModuleFile(t *testing.T) {
	dir := writeDir(t, []file{{name: "ext4.ko.xz", data: string(ko.Compress(payload(names[0]), ".xz"))}, {name: "link.ko", link: "ext4.ko.xz"}})
	for _, name := range []string{"ext4.ko.xz", "link.ko"} {
		path := filepath.Join(dir, name)
		r, err := ModuleFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if r.Pos != -1 || r.Name != ModuleName(path) || r.File.Path() != path {
			t.Errorf("%+v, %s", r, r.File.Path())
		}
		c, err := r.File.Open()
		if err != nil || c.Size() != r.File.Member().Size {
			t.Fatalf("%v", err)
		}
		c.Close()
	}
	if _, err := ModuleFile(dir); err == nil {
		t.Error("a folder is a module")
	}
	if _, err := ModuleFile(filepath.Join(dir, "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
