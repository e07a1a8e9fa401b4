// SPDX-License-Identifier: Apache-2.0

package kmod

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/modhash/modhash/kbuild/internal/elfview"
	"github.com/modhash/modhash/testdata/gen/ko"
)

// TestArch: the words are part of the manifest, and none may ever change.
func TestArch(t *testing.T) {
	named := map[uint16]string{
		3: "i386", 62: "x86_64", 40: "arm", 183: "aarch64", 243: "riscv", 258: "loongarch", 20: "ppc", 21: "ppc64",
		22: "s390", 8: "mips", 15: "parisc", 43: "sparc64",
		// No names: IA-64, SuperH, m68k, OpenRISC, ARC, Xtensa, the largest.
		50: "em-50", 42: "em-42", 4: "em-4", 92: "em-92", 195: "em-195", 94: "em-94", 0xffff: "em-65535",
	}
	op := opener(t, nil)
	for machine, name := range named {
		for _, bits := range []int{32, 64} {
			for _, big := range []bool{false, true} {
				want := fmt.Sprintf("%s elf%d %s", name, bits, map[bool]string{true: "big", false: "little"}[big])
				suffix := suffixes[(int(machine)+bits/32)%len(suffixes)]
				b := ko.Module{Name: "m", Machine: machine, Bits: bits, Big: big, Release: "6.1-" + name}.Bytes()
				info, err := mustOpen(t, op, ko.Compress(b, suffix)).Info()
				if err != nil || info.Arch != want || info.Release != "6.1-"+name {
					t.Errorf("machine %d%s: %+v, %v; want %s", machine, suffix, info, err, want)
				}
			}
		}
	}
	names := 0
	for machine := range 1 << 16 {
		if !strings.HasPrefix(elfview.MachineName(uint16(machine)), "em-") {
			names++
		}
	}
	if names != 12 {
		t.Errorf("%d machines have names, want the 12 of the manifest's format", names)
	}
}

func TestRelease(t *testing.T) {
	tests := []struct {
		name   string
		lines  []string // before the vermagic that Release makes
		magic  bool
		want   string
		reason string
	}{
		{"usual", nil, true, "6.12.0-sample", ""},
		{"first of two", []string{"vermagic=5.0 SMP "}, true, "5.0", ""},
		{"one word", []string{"vermagic=5.0"}, false, "5.0", ""},
		{"other key", []string{"xvermagic=5.0 SMP ", "vermagicx=5.1 SMP "}, false, "", "no vermagic"},
		{"key in a value", []string{"description=vermagic=5.0"}, false, "", "no vermagic"},
		{"none", nil, false, "", "no vermagic"},
		{"empty", []string{"vermagic="}, false, "", "no vermagic"},
		{"blank first", []string{"vermagic= 5.0"}, false, "", "no vermagic"},
	}
	op := opener(t, nil)
	for _, tt := range tests {
		b := ko.Module{Name: "m", Modinfo: tt.lines, NoMagic: !tt.magic}.Bytes()
		info, err := mustOpen(t, op, b).Info()
		if info.Release != tt.want || (err != nil) != (tt.reason != "") || err != nil && (!isFormat(err) || !strings.Contains(err.Error(), tt.reason)) {
			t.Errorf("%s: %+v, %v; want %q %s", tt.name, info, err, tt.want, tt.reason)
		}
	}
}

// TestLongRelease: no release is longer than the name of a folder can be.
func TestLongRelease(t *testing.T) {
	for _, n := range []int{255, 256, 1 << 20} {
		release := strings.Repeat("6", n)
		info, err := mustOpen(t, opener(t, nil), ko.Module{Name: "m", Release: release}.Bytes()).Info()
		if n <= 255 && (err != nil || info.Release != release) || n > 255 && (!isFormat(err) || info.Release != "" || len(err.Error()) > 200) {
			t.Errorf("%d characters: %.100v", n, err)
		}
	}
}

// TestInfoIsSmall: what is kept of a module does not hold its .modinfo.
func TestInfoIsSmall(t *testing.T) {
	b := ko.Module{Name: "m", Modinfo: []string{"parm=" + strings.Repeat("x", 4<<20)}}.Bytes()
	op := opener(t, nil)
	before := heap()
	var infos []Info
	for range 10 {
		info, err := mustOpen(t, op, b).Info()
		if err != nil {
			t.Fatal(err)
		}
		infos = append(infos, info)
	}
	if after := heap(); after > before+10<<20 {
		t.Errorf("%d modules of which %d MiB are kept", len(infos), (after-before)>>20)
	}
	runtime.KeepAlive(infos)
	runtime.KeepAlive(b)
}

// TestNoModule: ELF files that are no kernel modules open, and have no Info.
func TestNoModule(t *testing.T) {
	good := ko.Module{Name: "m"}.Bytes()
	for name, b := range map[string][]byte{
		"magic only":  []byte("\x7fELF"),
		"no .modinfo": bytes.Replace(good, []byte(".modinfo"), []byte(".modinfx"), 1),
		"cut":         good[:len(good)-1],
		"class 7":     append([]byte("\x7fELF\x07"), good[5:]...),
	} {
		m := mustOpen(t, opener(t, nil), b)
		if _, err := m.Info(); !isFormat(err) {
			t.Errorf("%s: %v, want a FormatError", name, err)
		}
		if !bytes.Equal(payload(t, m), b) {
			t.Errorf("%s: the payload is not the whole file", name)
		}
	}
}

// TestInfoOfPayload: sections that reach into the trailer are none of the
// payload's.
func TestInfoOfPayload(t *testing.T) {
	plain := ko.Module{Name: "m"}.Bytes()
	signed := key(t).Sign(plain[:len(plain)-1])
	m := mustOpen(t, opener(t, nil), signed)
	if _, err := m.Info(); !isFormat(err) {
		t.Errorf("%v, want a FormatError: the section table ends behind the payload", err)
	}
}
