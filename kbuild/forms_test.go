// SPDX-License-Identifier: Apache-2.0

package kbuild

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modhash/modhash/testdata/gen/ko"
	"github.com/modhash/modhash/testdata/gen/pe"
	"github.com/modhash/modhash/testdata/gen/sample"
)

// TestSample compares with the manifest that testdata/make.sh made of the
// built-in sample builds by other means.
func TestSample(t *testing.T) {
	want, err := os.ReadFile("testdata/sample.modhash")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := sample.Write(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if got := manifest(t, nil, filepath.Join(dir, name)); got != string(want) {
			t.Errorf("build %s: another manifest:\n%s", name, got)
		}
	}
	if got := manifest(t, nil, filepath.Join(dir, "c")); got == string(want) {
		t.Error("build c has the manifest of build a")
	}
}

// wantManifest writes the manifest of the tests' build by hand.
func wantManifest(image string) string {
	sum := func(parts ...string) string {
		d := sha256.Sum256([]byte(strings.Join(parts, "")))
		return string(d[:])
	}
	var list strings.Builder
	var row []string
	for i, n := range names {
		p := string(payload(n))
		fmt.Fprintf(&list, "%x  %s\n", sum(p), n)
		row = append(row, sum("\x01", string(binary.BigEndian.AppendUint32(nil, uint32(i))), p))
	}
	levels := 0
	for ; len(row) > 1; levels++ {
		var up []string
		for i := 0; i < len(row); i += 2 {
			up = append(up, sum("\x02", row[i], row[min(i+1, len(row)-1)]))
		}
		row = up
	}
	return fmt.Sprintf("# modhash manifest v1\n# release: %s\n# arch: x86_64 elf64 little\n# digest: sha256\n# image: %s\n"+
		"# modules: %d\n# hashset: merkle/1\n# root: %d %x\n%s", release, image, len(names), levels, row[0], list.String())
}

// TestForms: one build in every form that it can be given in has one manifest.
func TestForms(t *testing.T) {
	a, b := testKey(t, 'a'), testKey(t, 'b')
	image := imageDigest(t, bootImage)
	vmlinuz := file{name: "vmlinuz", data: string(bootImage)}
	signed := file{name: "boot/vmlinuz-" + release, data: string(pe.Sign(bootImage, []byte("a signature")))}
	at := func(prefix string, files []file) []file {
		out := slices.Clone(files)
		for i := range out {
			out[i].name = prefix + out[i].name
		}
		return out
	}
	tests := []struct {
		name  string
		paths []string
	}{
		{"plain", []string{writeDir(t, append(installed(modulesDir, "", nil), signed))}},
		{"plain, key a", []string{writeDir(t, append(installed(modulesDir, "", a), signed))}},
		{"plain, key b", []string{writeDir(t, append(installed(modulesDir, "", b), signed))}},
		{"gzip, key a", []string{writeDir(t, append(installed(modulesDir, ".gz", a), signed))}},
		{"xz, key b", []string{writeDir(t, append(installed(modulesDir, ".xz", b), signed))}},
		{"zstd, key a", []string{writeDir(t, append(installed(modulesDir, ".zst", a), signed))}},
		{"xz, no key", []string{writeDir(t, append(installed(modulesDir, ".xz", nil), signed))}},
		{"usr/lib/modules", []string{writeDir(t, append(installed("usr/"+modulesDir, ".zst", a), signed))}},
		{"usr/lib/modules, link", []string{writeDir(t, append(installed("usr/"+modulesDir, "", a), signed, file{name: "lib", link: "usr/lib"}))}},
		{"the folder itself", []string{filepath.Join(writeDir(t, at(modulesDir, append(installed("", "", a), vmlinuz))), modulesDir)}},
		{"lib/modules itself", []string{filepath.Join(writeDir(t, at(modulesDir, append(installed("", "", a), vmlinuz))), "lib/modules")}},
		{"a folder of another place", []string{writeDir(t, append(installed("", ".xz", a), vmlinuz))}},
		{"build tree, objects", []string{writeDir(t, buildTree(".o", "", a))}},
		{"build tree, modules", []string{writeDir(t, buildTree(".ko", "", nil))}},
		{"build tree before 5.3", []string{writeDir(t, buildTree(".ko", "kernel/", nil))}},
		{"tar", []string{writeTar(t, "a.tar", append(installed(modulesDir, "", a), signed))}},
		{"tar.gz, with ./", []string{writeTar(t, "a.tar.gz", at("./", append(installed(modulesDir, "", a), signed)))}},
		{"tar.xz", []string{writeTar(t, "a.tar.xz", append(installed("usr/"+modulesDir, ".xz", b), signed))}},
		{"tar.zst", []string{writeTar(t, "a.tar.zst", append(installed(modulesDir, ".zst", b), signed))}},
		{"deb", []string{writeDeb(t, append(installed(modulesDir, "", nil)[:2], installed("lib/modules/5.0/", "", nil)...), append(installed(modulesDir, ".xz", b), signed))}},
		{"tar of the folder's files", []string{writeTar(t, "a.tar", append(installed("", ".gz", b), vmlinuz))}},
		{"tar of the folder", []string{writeTar(t, "a.tar", at(release+"/", append(installed("", ".gz", b), vmlinuz)))}},
		{"order in another package", []string{
			writeTar(t, "modules.tar", without(installed(modulesDir, ".xz", a), "modules.order")),
			writeTar(t, "base.tar.zst", []file{find(installed(modulesDir, "", nil), "modules.order"), signed}),
		}},
		{"order in another package and place", []string{
			writeTar(t, "base.tar", []file{find(installed("usr/"+modulesDir, "", nil), "modules.order")}),
			writeTar(t, "modules.tar.gz", append(without(installed(modulesDir, "", a), "modules.order"), signed)),
		}},
		{"three packages", []string{
			writeTar(t, "modules.tar", installed(modulesDir, "", a)[:3]),
			writeTar(t, "image.tar", []file{signed}),
			writeTar(t, "extra.tar", installed(modulesDir, ".zst", b)[3:]),
		}},
		{"package and directory", []string{
			writeTar(t, "modules.tar", installed(modulesDir, "", a)[:4]),
			writeDir(t, append(installed(modulesDir, ".zst", b)[4:], signed)),
		}},
		{"order in both packages", []string{
			writeTar(t, "modules.tar", installed(modulesDir, "", a)[:3]),
			writeTar(t, "extra.tar", append(installed(modulesDir, "", a)[3:], installed(modulesDir, "", a)[0], signed)),
		}},
	}
	want := wantManifest(image)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := manifest(t, nil, tt.paths...); got != want {
				t.Errorf("another manifest:\n%s\nwant:\n%s", got, want)
			}
			if len(tt.paths) > 1 {
				back := slices.Clone(tt.paths)
				slices.Reverse(back)
				if got := manifest(t, nil, back...); got != want {
					t.Errorf("another manifest with the sources in another order:\n%s", got)
				}
			}
		})
	}
}

// buildTree is the build before it is installed, with the lines of modules.order
// in one of the forms.
func buildTree(ext, prefix string, key *ko.Key) []file {
	var order strings.Builder
	files := []file{
		{name: "include/config/kernel.release", data: release + "\n"},
		{name: "include/config/auto.conf", data: "CONFIG_MODULES=y\nCONFIG_X86=y\n"},
		{name: "arch/x86/boot/bzImage", data: string(bootImage)},
		{name: "arch/x86_64/boot/bzImage", link: "../../x86/boot/bzImage"},
		{name: "arch/x86/boot/compressed/vmlinux.bin", data: "no image"},
		{name: "vmlinux", data: "no image"},
		{name: "kernel/fork.o", data: "no module"},
	}
	for _, n := range names {
		in := strings.TrimPrefix(n, "kernel/")
		b := payload(n)
		if key != nil {
			b = key.Sign(b)
		}
		files = append(files, file{name: in, data: string(b)}, file{name: strings.TrimSuffix(in, ".ko") + ".o", data: "no module"})
		order.WriteString(prefix + strings.TrimSuffix(in, ".ko") + ext + "\n")
	}
	return append(files, file{name: "modules.order", data: order.String()})
}

// TestControl: what is in a package but is not installed is not of the build.
func TestControl(t *testing.T) {
	control := append(installed(modulesDir, "", nil), file{name: modulesDir + "vmlinuz", data: "no image"})
	s := summarize(t, nil, writeDeb(t, control, without(installed(modulesDir, "", nil), "modules.order")))
	if got := told(s.Problems); got != "no-order" || s.Image != nil || len(s.Sums) != len(names) {
		t.Errorf("%q, image %v, %d modules", got, s.Image, len(s.Sums))
	}
}
