// SPDX-License-Identifier: Apache-2.0

package kbuild

import "testing"

func TestModuleFileName(t *testing.T) {
	tests := []struct{ name, base, suffix string }{ // base "": no module
		{"a.ko", "a.ko", ""},
		{"kernel/a.ko", "kernel/a.ko", ""},
		{"kernel/a.ko.gz", "kernel/a.ko", ".gz"},
		{"kernel/a.ko.xz", "kernel/a.ko", ".xz"},
		{"kernel/a.ko.zst", "kernel/a.ko", ".zst"},
		{"kernel/a.ko.zstd", "kernel/a.ko", ".zstd"},
		{"kernel/a.ko.bz2", "kernel/a.ko", ".bz2"},
		{"kernel/a.ko.lzma", "kernel/a.ko", ".lzma"},
		{"kernel/a.ko.lz4", "kernel/a.ko", ".lz4"},
		{"kernel/a.ko.lzo", "kernel/a.ko", ".lzo"},
		{"kernel/a.ko.ko", "kernel/a.ko.ko", ""},
		{"kernel/a.ko.xz.xz", "", ""},
		{"kernel/a.ko.debug", "", ""},
		{"kernel/a.ko.sig", "", ""},
		{"kernel/a.KO", "", ""},
		{"kernel/a.o", "", ""},
		{"kernel/a.xz", "", ""},
		{"kernel/ko", "", ""},
		{"kernel/.ko", "", ""},
		{"kernel/.ko.xz", "", ""},
		{".ko", "", ""},
		{"a.ko/b", "", ""},
		{"", "", ""},
	}
	for _, tt := range tests {
		base, suffix, ok := moduleName(tt.name)
		if base != tt.base || suffix != tt.suffix || ok != (tt.base != "") {
			t.Errorf("%q: %q, %q, %v; want %q, %q", tt.name, base, suffix, ok, tt.base, tt.suffix)
		}
	}
}

func TestModuleName(t *testing.T) {
	for path, want := range map[string]string{
		"a.ko": "a.ko", "/x/y/a.ko.xz": "a.ko", "./a.ko.zst": "a.ko", "/x/a": "a", "x/a.txt": "a.txt",
	} {
		if got := ModuleName(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

func TestModprobeName(t *testing.T) {
	for name, want := range map[string]string{
		"kernel/net/a-b_c.ko": "a_b_c", "updates/a_b-c.ko": "a_b_c", "a.ko": "a", "kernel/x-y/z.ko": "z",
	} {
		if got := ModprobeName(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
