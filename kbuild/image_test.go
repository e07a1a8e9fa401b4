// SPDX-License-Identifier: Apache-2.0

package kbuild

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild/image"
	"github.com/modhash/modhash/testdata/gen/ko"
	"github.com/modhash/modhash/testdata/gen/pe"
)

// TestImage finds the image in its places. The content of the one that is to be
// found is "the image".
func TestImage(t *testing.T) {
	const it, other = "the image", "another one"
	order := func(prefix string) file { return file{name: prefix + "modules.order", data: names[0] + "\n"} }
	module := func(prefix string) file { return file{name: prefix + names[0], data: string(payload(names[0]))} }
	root := []file{order(modulesDir), module(modulesDir)}
	loose := []file{order(""), module("")}
	tests := []struct {
		name  string
		files []file
		want  string // path, "" for no image, "several" for an ImagesError, "bad" for a link
	}{
		{"none", root, ""},
		{"in the folder", append(root, file{name: modulesDir + "vmlinuz", data: it}), modulesDir + "vmlinuz"},
		{"in the other folder", append(root, file{name: "usr/" + modulesDir + "vmlinuz", data: it}), "usr/" + modulesDir + "vmlinuz"},
		{"in boot", append(root, file{name: "boot/vmlinuz-" + release, data: it}), "boot/vmlinuz-" + release},
		{"unsigned", append(root, file{name: modulesDir + "vmlinuz.unsigned", data: it}), modulesDir + "vmlinuz.unsigned"},
		{"unsigned beside it", append(root, file{name: modulesDir + "vmlinuz.unsigned", data: other}, file{name: modulesDir + "vmlinuz", data: it}), modulesDir + "vmlinuz"},
		{"unsigned, and in boot", append(root, file{name: modulesDir + "vmlinuz.unsigned", data: other}, file{name: "boot/vmlinuz-" + release, data: it}), "boot/vmlinuz-" + release},
		{"uncompressed", append(root, file{name: "boot/vmlinux-" + release, data: it}), "boot/vmlinux-" + release},
		{"uncompressed beside it", append(root, file{name: "boot/vmlinux-" + release, data: other}, file{name: "boot/vmlinuz-" + release, data: it}), "boot/vmlinuz-" + release},
		{"twice the same", append(root, file{name: modulesDir + "vmlinuz", data: it}, file{name: "boot/vmlinuz-" + release, data: it}), modulesDir + "vmlinuz"},
		{"two", append(root, file{name: modulesDir + "vmlinuz", data: it}, file{name: "boot/vmlinuz-" + release, data: other}), "several"},
		{"two places of one folder", append(root, file{name: modulesDir + "vmlinuz", data: it}, file{name: "usr/" + modulesDir + "vmlinuz", data: other}), "several"},
		{"of another release", append(root, file{name: "boot/vmlinuz-6.12.0", data: other}, file{name: "boot/vmlinuz", data: other}, file{name: "vmlinuz", data: other}), ""},
		{"link", append(root, file{name: "boot/vmlinuz-" + release, link: "../etc/passwd"}, file{name: "boot/vmlinux-" + release, data: it}), "bad"},
		{"loose", append(loose, file{name: "vmlinuz", data: it}), "vmlinuz"},
		{"loose, unsigned", append(loose, file{name: "vmlinuz.unsigned", data: it}), "vmlinuz.unsigned"},
		{"loose, of an unknown release", append(loose, file{name: "boot/vmlinuz-", data: other}), ""},
	}
	want := imageDigest(t, []byte(it))
	for _, tt := range tests {
		for _, path := range []string{writeDir(t, tt.files), writeTar(t, "a.tar", tt.files)} {
			img, err := openBuild(t, nil, path).Image()
			var several *ImagesError
			switch {
			case tt.want == "several":
				if !errors.As(err, &several) || len(several.Found) != 2 || img != nil {
					t.Errorf("%s: %v, want an ImagesError", tt.name, err)
				} else if got := several.Error(); !strings.HasPrefix(got, "the build holds different kernel images: "+path) || strings.Count(got, "vmlinuz") != 2 {
					t.Error(got)
				}
			case tt.want == "bad":
				var bad *image.FormatError
				if !errors.As(err, &bad) || img != nil {
					t.Errorf("%s: %v, want a FormatError", tt.name, err)
				}
			case err != nil:
				t.Errorf("%s: %v", tt.name, err)
			case tt.want == "":
				if img != nil {
					t.Errorf("%s: %s, want none", tt.name, img.Path)
				}
			case img == nil || img.File.Member().Name != tt.want || "sha256 "+img.Digest.String() != want:
				t.Errorf("%s: %+v, want %s", tt.name, img, tt.want)
			}
		}
	}
}

// TestImageOfPackages: the image is in another package than the modules, or in
// two; signed and not it is the same one.
func TestImageOfPackages(t *testing.T) {
	modules := writeTar(t, "modules.tar", installed(modulesDir, ".xz", nil))
	signed := writeTar(t, "signed.tar", []file{{name: "./boot/vmlinuz-" + release, data: string(pe.Sign(bootImage, []byte("signature")))}})
	unsigned := writeTar(t, "unsigned.tar.zst", []file{{name: "usr/" + modulesDir + "vmlinuz", data: string(bootImage)}})
	want := wantManifest(imageDigest(t, bootImage))
	for _, paths := range [][]string{{modules, signed}, {unsigned, modules}, {modules, signed, unsigned}, {unsigned, signed, modules}} {
		if got := manifest(t, nil, paths...); got != want {
			t.Errorf("%q:\n%s", paths, got)
		}
	}
	for path, form := range map[string]image.Form{signed: image.PESigned, unsigned: image.PE} {
		img, err := openBuild(t, nil, modules, path).Image()
		if err != nil || img.Form != form {
			t.Errorf("%v, %v", img, err)
		}
	}
}

// TestNamedImage: a member or a file, whichever the name is of.
func TestNamedImage(t *testing.T) {
	files := append(installed(modulesDir, "", nil),
		file{name: "boot/vmlinuz-" + release, data: "found"}, file{name: "boot/other", data: "other"}, file{name: modulesDir + "vmlinuz", data: "found too, and different"},
		file{name: "boot/bad", data: string(bootImage[:200])})
	dir, archive := writeDir(t, files), writeTar(t, "a.tar", files)
	outside := filepath.Join(writeDir(t, []file{{name: "outside", data: "outside"}, {name: "bad", data: string(bootImage[:200])}}), "outside")
	for _, path := range []string{dir, archive} {
		for name, content := range map[string]string{"boot/other": "other", "/boot/other": "other", outside: "outside"} {
			s := summarize(t, &Options{Image: name}, path)
			if got := s.ImageDigest().String(); got != imageDigest(t, []byte(content)) {
				t.Errorf("%s: another image than %q: %+v", name, content, s.Image)
			}
			c, err := s.Image.Open()
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
			if err != nil || string(b) != content {
				t.Errorf("%s: %q, %v", name, b, err)
			}
			c.Close()
		}
		b := openBuild(t, &Options{Image: "boot/absent"}, path)
		if _, err := b.Image(); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "boot/absent") {
			t.Errorf("an image that is not there: %v", err)
		}
		if _, err := b.Summarize(t.Context(), hashset.Merkle, nil); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("an image that is not there: %v", err)
		}
		for _, name := range []string{"boot/bad", filepath.Join(filepath.Dir(outside), "bad")} {
			s := summarize(t, &Options{Image: name}, path)
			if got := told(s.Problems); got != "bad-image" || s.Image != nil {
				t.Errorf("%s: %s", name, got)
			}
		}
		if _, err := openBuild(t, &Options{Image: t.TempDir()}, path).Image(); err == nil {
			t.Error("a folder is an image")
		}
		// Two images without a name are trouble.
		if _, err := openBuild(t, nil, path).Summarize(t.Context(), hashset.Merkle, nil); err == nil {
			t.Error("two different images, and no error")
		}
	}
}

// TestNoImage: an image that is not wanted is not read.
func TestNoImage(t *testing.T) {
	bad := append(installed(modulesDir, "", nil), file{name: modulesDir + "vmlinuz", data: string(bootImage[:100])}, file{name: "boot/vmlinuz-" + release, data: "x"})
	for _, o := range []*Options{{NoImage: true}, {NoImage: true, Image: "absent"}} {
		if got := manifest(t, o, writeDir(t, bad)); got != wantManifest("not-covered") {
			t.Errorf("%s", got)
		}
		if img, err := openBuild(t, o, writeTar(t, "a.tar", bad)).Image(); img != nil || err != nil {
			t.Errorf("%v, %v", img, err)
		}
	}
}

// TestBuildTreeImage: what the makefiles call KBUILD_IMAGE.
func TestBuildTreeImage(t *testing.T) {
	const zboot = "CONFIG_MODULES=y\nCONFIG_EFI_ZBOOT=y\nCONFIG_EFI=y\n"
	tests := []struct {
		arch, conf, images string // images: paths below arch/ARCH/boot
		want               string
	}{
		{"x86", "", "bzImage vmlinux.bin compressed/vmlinux", "bzImage"},
		{"x86", zboot, "bzImage", "bzImage"},
		{"arm64", "", "Image Image.gz Image.bz2", "Image.gz"},
		{"arm64", "", "Image", "Image"},
		{"arm64", "# CONFIG_EFI_ZBOOT is not set\n", "vmlinuz.efi Image.gz", "Image.gz"},
		{"arm64", zboot, "Image Image.gz vmlinuz.efi", "vmlinuz.efi"},
		{"arm64", zboot, "Image Image.gz", ""},
		{"arm", "", "Image zImage", "zImage"},
		{"riscv", "", "Image Image.gz loader", "Image.gz"},
		{"riscv", zboot, "Image vmlinuz.efi", "vmlinuz.efi"},
		{"loongarch", "", "vmlinux.elf vmlinux.efi", "vmlinux.efi"},
		{"powerpc", "", "zImage", "zImage"},
		{"s390", "", "bzImage", "bzImage"},
		{"mips", "", "vmlinux.bin vmlinuz", "vmlinuz"},
		{"parisc", "", "bzImage", "bzImage"},
		{"sparc", "", "image zImage", "zImage"},
		{"x86", "", "", ""},
		{"unheard-of", "", "bzImage Image vmlinuz", ""},
	}
	for _, tt := range tests {
		boot := "arch/" + tt.arch + "/boot/"
		files := []file{{name: "include/config/auto.conf", data: "# generated\n" + tt.conf}, {name: "include/config/kernel.release", data: release + "\n"}, {name: "modules.order"}, {name: "vmlinux", data: "vmlinux"}}
		for _, n := range strings.Fields(tt.images) {
			files = append(files, file{name: boot + n, data: n})
		}
		img, err := openBuild(t, nil, writeDir(t, files)).Image()
		if err != nil {
			t.Error(err)
			continue
		}
		got := ""
		if img != nil {
			got = strings.TrimPrefix(img.File.Member().Name, boot)
		}
		if got != tt.want {
			t.Errorf("%s, %q: %q, want %q", tt.arch, tt.images, got, tt.want)
		}
	}
}

// TestImageForms: what a Summary says of images signed in the two ways.
func TestImageForms(t *testing.T) {
	key := testKey(t, 'a')
	raw := ko.Code("s390", 3000)
	for form, b := range map[image.Form][]byte{image.Raw: raw, image.Trailed: key.Sign(raw), image.PE: bootImage, image.PESigned: pe.Sign(bootImage, nil)} {
		s := summarize(t, nil, writeDir(t, append(installed(modulesDir, "", nil), file{name: modulesDir + "vmlinuz", data: string(b)})))
		if s.Image == nil || s.Image.Form != form || len(s.Problems) > 0 {
			t.Errorf("%v: %+v, %v", form, s.Image, s.Problems)
		}
	}
	for name, b := range map[string][]byte{"stacked": key.Sign(key.Sign(raw)), "junk": append(key.Sign(raw), 0), "empty": nil} {
		s := summarize(t, nil, writeDir(t, append(installed(modulesDir, "", nil), file{name: modulesDir + "vmlinuz", data: string(b)})))
		if got := told(s.Problems); got != "bad-image" {
			t.Errorf("%s: %q", name, got)
		}
		if !slices.ContainsFunc(s.Problems, func(p Problem) bool {
			return strings.Contains(p.Detail, "offset") && strings.Contains(p.Detail, "vmlinuz")
		}) {
			t.Errorf("%s: %v", name, s.Problems)
		}
	}
}
