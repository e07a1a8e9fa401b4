// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"
	"slices"
	"strings"

	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/internal/units"
)

var (
	release = compare.Cause{ID: "version.release", Class: compare.Root, Local: true, Title: "another kernel release",
		Mend: "the same version, CONFIG_LOCALVERSION and a clean source tree (CONFIG_LOCALVERSION_AUTO off)", Doc: docRepro}
	vermagicFlags = compare.Cause{ID: "modinfo.vermagic-flags", Class: compare.Root, Title: "another preemption, SMP or modversions setting",
		Mend: "the same .config (CONFIG_PREEMPT…, CONFIG_SMP, CONFIG_MODVERSIONS)", Doc: "include/linux/vermagic.h"}
	randstruct = compare.Cause{ID: "randstruct", Class: compare.Root, Title: "structures laid out by another random seed",
		Mend: "keep the seed (scripts/basic/randstruct.seed), or CONFIG_RANDSTRUCT_NONE", Doc: docRepro}
	srcversion = compare.Cause{ID: "modinfo.srcversion", Class: compare.Root, Local: true, Title: "another checksum of the sources",
		Mend: "the same sources; only comments and blanks do not count", Doc: "scripts/mod/sumversion.c"}
	modinfoFlag = compare.Cause{ID: "modinfo.flag", Class: compare.Root, Local: true, Title: "another flag of the build in modinfo",
		Mend: "build in one way: in the tree or outside of it, with the same options", Doc: "scripts/mod/modpost.c"}
	modinfoOrder = compare.Cause{ID: "modinfo.order", Class: compare.Root, Local: true, Title: "modinfo in another order",
		Mend: "the same compiler, linker and modpost", Doc: "scripts/mod/modpost.c"}
	modinfoChange = compare.Cause{ID: "change.modinfo", Class: compare.CodeChange, Title: "modinfo of another content"}
)

var modinfoCauses = []*compare.Cause{&release, &vermagicFlags, &randstruct, &srcversion, &modinfoFlag, &modinfoOrder, &modinfoChange}

// buildFlags are keys that the build writes and that say nothing about what the
// module does, with all the values that there are.
var buildFlags = map[string]string{"intree": "Y", "retpoline": "Y", "staging": "Y"}

// modinfo explains the section .modinfo.
func modinfo(p *pair) {
	p.each(p.Unit, func(x *place) {
		u := x.unit()
		switch {
		case u.Kind != units.Modinfo:
		case x.Relation == compare.Moved:
			p.claim(x, &modinfoOrder, "", "", "")
		case u.Name == units.VermagicWords:
			a, b := p.bytes(x)
			p.vermagicWords(x, string(a), string(b))
		case x.both():
			a, b := p.bytes(x)
			p.modinfoValue(x, u.Name, value(a), value(b))
		case buildFlags[u.Name] != "":
			a, b := p.bytes(x)
			if v := string(value(slices.Concat(a, b))); v == buildFlags[u.Name] {
				c := &modinfoFlag
				if u.Name == "retpoline" {
					c = &hardening
				}
				p.claim(x, c, u.Name, string(value(a)), string(value(b)))
				return
			}
			p.claim(x, &modinfoChange, u.Name, string(value(a)), string(value(b)))
		default:
			a, b := p.bytes(x)
			p.claim(x, &modinfoChange, u.Name, shown(value(a)), shown(value(b)))
		}
	}, units.Modinfo)
}

// value is what follows the key.
func value(b []byte) []byte {
	_, v, _ := bytes.Cut(bytes.TrimRight(b, "\x00"), []byte("="))
	return v
}

// shown is a value as an owner quotes it.
func shown(b []byte) string {
	if len(b) > 100 {
		return string(b[:100]) + "…"
	}
	return string(b)
}

func (p *pair) modinfoValue(x *place, key string, a, b []byte) {
	switch {
	case key == "vermagic" && isRelease(a) && isRelease(b):
		p.claim(x, &release, "", string(a), string(b))
	case key == "srcversion" && isSrcversion(a) && isSrcversion(b):
		p.claim(x, &srcversion, "", "", "")
	default:
		p.claim(x, &modinfoChange, key, shown(a), shown(b))
	}
}

// isRelease: the release of a kernel, as it names a folder.
func isRelease(b []byte) bool {
	const chars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+_~-"
	return len(b) > 0 && len(b) <= 64 && b[0] >= '0' && b[0] <= '9' && len(bytes.Trim(b, chars)) == 0
}

// isSrcversion: 23 upper-case hex digits, as modpost writes an MD4.
func isSrcversion(b []byte) bool {
	return len(b) == 23 && len(bytes.Trim(b, "0123456789ABCDEF")) == 0
}

// magicWords are those that a kernel's build can put behind the release.
var magicWords = map[string]bool{
	"SMP": true, "preempt": true, "preempt_rt": true, "mod_unload": true, "modversions": true, "aarch64": true, "p2v8": true, "ARMv6": true, "ARMv7": true,
	"MIPS32_R1": true, "MIPS32_R2": true, "MIPS64_R2": true, "RISCV": true, "riscv": true, "relocatable": true, "686": true,
}

// vermagicWords accounts for all of the words of two vermagics, or for nothing: each must
// be one that a build writes, once, with one blank between two.
func (p *pair) vermagicWords(x *place, a, b string) {
	wordsA, randA, okA := cutWords(a)
	wordsB, randB, okB := cutWords(b)
	switch {
	case !okA || !okB:
		p.claim(x, &modinfoChange, "vermagic", shown([]byte(strings.Trim(a, " \x00"))), shown([]byte(strings.Trim(b, " \x00"))))
	case randA != randB:
		p.claim(x, &randstruct, "", randA, randB)
	default:
		p.claim(x, &vermagicFlags, "", wordsA, wordsB)
	}
}

// cutWords splits the words of a vermagic, of which that of RANDSTRUCT is one apart.
func cutWords(s string) (words, rand string, ok bool) {
	s, ended := strings.CutSuffix(s, "\x00")
	s, begun := strings.CutPrefix(strings.TrimSuffix(s, " "), " ")
	if !begun || !ended {
		return "", "", false
	}
	seen := map[string]bool{}
	for w := range strings.SplitSeq(s, " ") {
		seed, is := strings.CutPrefix(w, "RANDSTRUCT_")
		switch {
		case seen[w]:
			return "", "", false
		case is && rand == "" && seed != "" && strings.Trim(seed, "0123456789abcdef") == "":
			rand = w
		case !magicWords[w]:
			return "", "", false
		default:
			words += w + " "
		}
		seen[w] = true
	}
	return words, rand, true
}

// releases are the two kernel releases by the vermagics; "" if unknown.
func (p *pair) releases() (a, b string) {
	a, _, _ = strings.Cut(modinfoOf(p.A.ELF, "vermagic"), " ")
	b, _, _ = strings.Cut(modinfoOf(p.B.ELF, "vermagic"), " ")
	return a, b
}

// modinfoOf is the first value of a key; "" without one.
func modinfoOf(f *units.File, key string) string {
	if f == nil {
		return ""
	}
	for e := range bytes.SplitSeq(f.Data(f.Section(".modinfo")), []byte{0}) {
		if v, ok := bytes.CutPrefix(e, []byte(key+"=")); ok {
			return string(v)
		}
	}
	return ""
}
