// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/modhash/modhash/kbuild/image"
	"github.com/modhash/modhash/kbuild/kconfig"
)

// rejected is a format that only the check of signatures (kernel/module/signing.c)
// has; in kernels with module hashes it is in the part that both checks share. A
// kernel without it may have been built without messages.
const rejected = "Loading of %s is rejected"

// Formats of messages that only one of the kernels with module hashes has.
const (
	patchFormat  = "trailer of type %u: this kernel has no check for it"
	seriesFormat = "not signed with expected signature"
)

// seriesTaint is what the series and the patch log of a taint, whether the kernel
// has module hashes or not.
const seriesTaint = "%s: module authentication failed: "

// loaderText is a message of the loader that all kernels with messages have, and
// loaderTexts are those that only some have, each with what it tells.
const loaderText = "Invalid ELF section header overflow"

func (k *Kernel) loaderTexts() map[string]*Fact {
	return map[string]*Fact{
		"symbol string table isn't NUL terminated":          &k.bounds,
		"extended version crc+name presence does not match": &k.extended,
		"failed to validate module [":                       &k.wantsBTF,
		"module tries to import module namespace":           &k.imports,
		"no flags for exported symbols":                     &k.flags,
		"has invalid WRITE|EXEC flags":                      &k.StrictRWX,
	}
}

// maxVermagic is above any vermagic in bytes.
const maxVermagic = 512

// scan looks for strings in the kernel that tell what it was built with.
func (k *Kernel) scan(img *image.Image) error {
	magic := []byte(k.Release + " ")
	found := map[string]bool{}
	text, loader := false, false
	told := map[*Fact]bool{}
	err := windows(img.Kernel(), maxVermagic, func(b []byte, last bool) {
		text = text || bytes.Contains(b, []byte(rejected))
		loader = loader || bytes.Contains(b, []byte(loaderText))
		for text, fact := range k.loaderTexts() {
			told[fact] = told[fact] || bytes.Contains(b, []byte(text))
		}
		k.series = k.series || bytes.Contains(b, []byte(seriesTaint))
		if k.Rules == Hashes {
			switch {
			case bytes.Contains(b, []byte(patchFormat)):
				k.Words = PatchWords
			case bytes.Contains(b, []byte(seriesFormat)):
				k.Words = SeriesWords
			}
		}
		if k.Release == "" {
			return
		}
		for at := 0; ; {
			i := bytes.Index(b[at:], magic)
			if i < 0 {
				return
			}
			at += i + len(magic)
			if start := at - len(magic); start > 0 && b[start-1] == 0 {
				if s := vermagicAt(b[start:]); s != "" {
					found[s] = true
				}
			}
		}
	})
	if err != nil {
		return fmt.Errorf("reading the kernel in the image: %w", err)
	}
	k.refuses = text
	for fact, has := range told {
		if has || loader {
			*fact = factOf(has)
		}
	}
	if text && k.Rules == Mainline && k.Signatures == Maybe {
		k.Signatures = Yes
	}
	if len(found) == 1 { // several: one is not the kernel's
		for s := range found {
			k.Vermagic = s
		}
	}
	return nil
}

// vermagicAt is the string at the start of b if it can be a vermagic: words of
// letters, digits and a few signs, one blank behind each but the last one, which
// may go without.
func vermagicAt(b []byte) string {
	end := bytes.IndexByte(b, 0)
	if end < 0 || end > maxVermagic {
		return ""
	}
	s := string(b[:end])
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune(" ._-+~", r):
		default:
			return ""
		}
	}
	if strings.Contains(s, "  ") {
		return ""
	}
	return s
}

// windows calls f with all of r in pieces that overlap by so many bytes.
func windows(r *io.SectionReader, overlap int, f func(b []byte, last bool)) error {
	buf := make([]byte, 1<<20)
	kept := 0
	for off := int64(0); off < r.Size(); {
		n, err := r.ReadAt(buf[kept:], off)
		off += int64(n)
		if err != nil && off < r.Size() {
			return err
		}
		f(buf[:kept+n], off >= r.Size())
		keep := min(overlap, kept+n)
		copy(buf, buf[kept+n-keep:kept+n])
		kept = keep
	}
	return nil
}

// configuredVermagic makes the vermagic of a kernel that was built with cfg; "" for
// what cannot be told from it.
func configuredVermagic(cfg *kconfig.File, arch, release string) string {
	tail, ok := map[string]string{"x86_64": "", "aarch64": "aarch64", "riscv": "riscv"}[arch]
	if !ok || release == "" {
		return ""
	}
	is := func(name string) bool { v, _ := cfg.Get(name); return v == kconfig.Yes }
	if is("RANDSTRUCT") || is("GCC_PLUGIN_RANDSTRUCT") {
		return "" // holds a hash of the seed
	}
	s := release + " "
	if is("SMP") {
		s += "SMP "
	}
	switch {
	case is("PREEMPT_RT"):
		s += "preempt_rt "
	case is("PREEMPT_BUILD"):
		s += "preempt "
	}
	if is("MODULE_UNLOAD") {
		s += "mod_unload "
	}
	if is("MODVERSIONS") {
		s += "modversions "
	}
	return s + tail
}
