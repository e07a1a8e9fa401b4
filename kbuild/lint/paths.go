// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"strconv"
	"strings"
)

var pathRules = []Rule{{
	ID:    "debug-paths",
	Why:   "debug information holds the path of the build folder, and the build id is computed over it: modules and image differ from those built in another folder, even after they were stripped",
	check: debugPaths,
}, {
	ID:    "rust-paths",
	Why:   "panic messages of Rust code hold the path of the source folder",
	check: rustPaths,
}, {
	ID:    "debug-efi",
	Why:   "the boot image holds the path of the vmlinux that an earlier build has left in the build folder, and none if there was no earlier one",
	check: debugEFI,
}, {
	ID:    "gcov",
	Why:   "the code holds the path of the file to which it writes what was covered, in the build folder",
	check: gcov,
}}

func debugPaths(r *run) {
	if !r.is("DEBUG_INFO") && !r.is("DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT") && !r.is("DEBUG_INFO_DWARF4") && !r.is("DEBUG_INFO_DWARF5") {
		return
	}
	if !r.env() {
		return
	}
	var lack []string
	for _, v := range []struct{ name, flags string }{{"KCFLAGS", r.Env.KCFLAGS}, {"KAFLAGS", r.Env.KAFLAGS}} {
		if !hasFlag(v.flags, "-fdebug-prefix-map=", "-ffile-prefix-map=") {
			lack = append(lack, v.name)
		}
	}
	if len(lack) == 0 {
		return
	}
	verb := " holds"
	if len(lack) > 1 {
		verb = " hold"
	}
	symbol := "DEBUG_INFO"
	for _, s := range []string{"DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT", "DEBUG_INFO_DWARF4", "DEBUG_INFO_DWARF5"} {
		if !r.is(symbol) && r.is(s) {
			symbol = s
		}
	}
	r.found(Warning, symbol, "build in one agreed folder, or give -fdebug-prefix-map=FOLDER=. in KCFLAGS and in KAFLAGS",
		"%s, and %s%s no -fdebug-prefix-map=", r.says(symbol), strings.Join(lack, " and "), verb)
}

// rustcRemaps is the first rustc with which kernels map the paths themselves, as
// Linux 7.2 does and 6.12 does not.
const rustcRemaps = 109500

func rustPaths(r *run) {
	if !r.is("RUST") {
		return
	}
	value, _ := r.Config.Get("RUSTC_VERSION")
	if v, err := strconv.Atoi(value.Text()); err == nil && v >= rustcRemaps && !before(r, 7, 2) {
		return
	}
	if r.env() && !strings.Contains(r.Env.KRUSTFLAGS, "--remap-path-prefix") {
		r.found(Warning, "RUST", "build in one agreed folder, or give --remap-path-prefix=FOLDER=. in KRUSTFLAGS", "%s, and KRUSTFLAGS holds no --remap-path-prefix", r.says("RUST"))
	}
}

func debugEFI(r *run) {
	if r.is("DEBUG_EFI") {
		r.found(Warning, "DEBUG_EFI", "\"# CONFIG_DEBUG_EFI is not set\", or build in one agreed folder", "%s", r.says("DEBUG_EFI"))
	}
}

// gcov looks for something that is compiled for it: all, or a part that has an
// option of its own. CONFIG_GCOV_KERNEL alone only offers these.
func gcov(r *run) {
	for name := range r.Config.All() {
		if strings.HasPrefix(name, "GCOV_PROFILE_") && r.is(name) {
			r.found(Warning, name, "\"# CONFIG_GCOV_KERNEL is not set\", or build in one agreed folder", "%s", r.says(name))
			return // one is enough: the fix is for all of them
		}
	}
}
