// SPDX-License-Identifier: Apache-2.0

package kbuild

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild/image"
)

// Image is a build's kernel image.
type Image struct {
	Path   string // for messages
	File   *File  // nil if the image was named and lies outside of the sources
	Digest hashset.Digest
	Form   image.Form
}

// Open opens the image file.
func (i *Image) Open() (Content, error) {
	if i.File != nil {
		return i.File.Open()
	}
	return openFile(i.Path)
}

// ImagesError is what [Build.Image] returns for a build with several images of
// unequal digests.
type ImagesError struct{ Found []string }

func (e *ImagesError) Error() string {
	return fmt.Sprintf("the build holds different kernel images: %s", list(e.Found))
}

// Image finds the kernel image and computes its digest; nil if the sources hold
// none, or Options.NoImage is set. A malformed image is an
// [*image.FormatError].
//
// Installed builds have it as [usr/]lib/modules/RELEASE/vmlinuz or
// boot/vmlinuz-RELEASE. If there is neither, it is vmlinuz.unsigned in the
// folder of modules, as in the packages that Debian signs later, or
// boot/vmlinux-RELEASE, as on architectures that boot an uncompressed kernel.
// In a build tree it is the image that the architecture's makefile builds by
// default.
func (b *Build) Image() (*Image, error) {
	switch {
	case b.opt.NoImage:
		return nil, nil
	case b.opt.Image != "":
		img, err := b.namedImage(b.opt.Image)
		if err != nil || img.File != nil {
			return img, err
		}
		// One from outside may not take the place of another one in the build.
		own, err := b.ownImage()
		var several *ImagesError
		switch {
		case errors.As(err, &several):
			return img, nil // that is why one was named
		case err != nil:
			return nil, err
		case own == nil:
			return img, nil
		case b.opt.ImageBeside:
			return own, nil
		case own.Digest != img.Digest:
			return nil, &ImagesError{[]string{own.Path, img.Path}}
		}
		return img, nil
	}
	return b.ownImage()
}

// NamedImage is the image that Options.Image names, whatever else the build
// holds.
func (b *Build) NamedImage() (*Image, error) { return b.namedImage(b.opt.Image) }

// ownImage looks for the image in the sources.
func (b *Build) ownImage() (*Image, error) {
	var files []*File
	for _, names := range b.imageNames() {
		for i := range b.sources {
			for _, n := range names {
				f, err := b.imageFile(i, n)
				if err != nil {
					return nil, err
				}
				if f != nil {
					files = append(files, f)
				}
			}
		}
		if len(files) > 0 {
			break
		}
	}
	var first *Image
	var found []string
	for _, f := range files {
		img, err := digestImage(&Image{Path: f.Path(), File: f})
		if err != nil {
			return nil, err
		}
		if first == nil {
			first = img
		}
		found = append(found, img.Path)
		if img.Digest != first.Digest {
			return nil, &ImagesError{found}
		}
	}
	return first, nil
}

// imageFile finds a file that can be the image. A link in its place is refused:
// what boots is then not what was looked at.
func (b *Build) imageFile(src int, name string) (*File, error) {
	for _, m := range b.sources[src].Members() {
		if m.Area == "" && m.Name == name && !m.Mode.IsRegular() {
			return nil, fmt.Errorf("%s: %s: %w", b.sources[src].Path(), name,
				&image.FormatError{Offset: 0, Reason: "it is a " + describeMode(m.Mode) + ", not a file of the build; --image names the file"})
		}
	}
	return b.find(src, name), nil
}

// imageNames lists where the image can be: groups in order of preference.
func (b *Build) imageNames() [][]string {
	if b.BuildTree {
		return b.bootImages()
	}
	var inFolder, unsigned []string
	for _, d := range b.folders {
		inFolder = append(inFolder, d.prefix+"vmlinuz")
	}
	if b.Release != "" {
		for _, d := range modulesDirs {
			inFolder = append(inFolder, d+b.Release+"/vmlinuz")
		}
	}
	slices.Sort(inFolder)
	inFolder = slices.Compact(inFolder)
	for _, n := range inFolder {
		unsigned = append(unsigned, n+".unsigned")
	}
	if b.Release == "" {
		return [][]string{inFolder, unsigned}
	}
	return [][]string{append(inFolder, "boot/vmlinuz-"+b.Release), unsigned, {"boot/vmlinux-" + b.Release}}
}

// archImages gives, for each folder below arch/, what its makefile builds by
// default (KBUILD_IMAGE), best first. zboot is what CONFIG_EFI_ZBOOT makes; config
// is set for the architecture, so that images left by another one do not count.
var archImages = []struct{ arch, config, zboot, image string }{
	{"x86", "X86", "", "bzImage"},
	{"arm64", "ARM64", "vmlinuz.efi", "Image.gz Image"},
	{"arm", "ARM", "", "zImage Image"},
	{"riscv", "RISCV", "vmlinuz.efi", "Image.gz Image"},
	{"loongarch", "LOONGARCH", "vmlinuz.efi", "vmlinux.efi vmlinux.elf"},
	{"powerpc", "PPC", "", "zImage"},
	{"s390", "S390", "", "bzImage"},
	{"mips", "MIPS", "", "vmlinuz vmlinux.bin"},
	{"parisc", "PARISC", "", "bzImage"},
	{"sparc", "SPARC", "", "zImage image"},
}

// isBootImage reports whether a name in a build tree is that of a boot image.
func isBootImage(name string) bool {
	rest, ok := strings.CutPrefix(name, "arch/")
	if !ok {
		return false
	}
	arch, file, ok := strings.Cut(rest, "/boot/")
	if !ok {
		return false
	}
	for _, a := range archImages {
		if a.arch == arch {
			return file == a.zboot || slices.Contains(strings.Fields(a.image), file)
		}
	}
	return false
}

// bootImages lists the boot images of a build tree, one group each.
func (b *Build) bootImages() [][]string {
	var conf []byte
	for _, d := range b.folders {
		if f := b.find(d.src, autoConf); f != nil {
			data, err := f.read(16 << 20)
			if err == nil {
				conf = append(append(conf, '\n'), data...)
			}
		}
	}
	set := func(option string) bool { return bytes.Contains(conf, []byte("\nCONFIG_"+option+"=y\n")) }
	zboot := set("EFI_ZBOOT")
	known := false
	for _, a := range archImages {
		known = known || set(a.config)
	}
	var groups [][]string
	for _, a := range archImages {
		if known && !set(a.config) {
			continue
		}
		boot := "arch/" + a.arch + "/boot/"
		if zboot && a.zboot != "" {
			groups = append(groups, []string{boot + a.zboot})
			continue
		}
		for _, n := range strings.Fields(a.image) {
			groups = append(groups, []string{boot + n})
		}
	}
	return groups
}

func (b *Build) namedImage(name string) (*Image, error) {
	for i := range b.sources {
		if f := b.find(i, strings.TrimPrefix(name, "/")); f != nil {
			return digestImage(&Image{Path: f.Path(), File: f})
		}
	}
	return digestImage(&Image{Path: name})
}

// digestImage fills in digest and form.
func digestImage(i *Image) (*Image, error) {
	c, err := i.Open()
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", i.Path, err)
	}
	defer c.Close() // read only
	if i.Digest, i.Form, err = image.Digest(c, c.Size()); err != nil {
		return nil, fmt.Errorf("image %s: %w", i.Path, err)
	}
	return i, nil
}
