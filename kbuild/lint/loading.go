// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"slices"
	"strings"
)

var loadRules = []Rule{{
	ID:    "no-decompress",
	Why:   "the kernel cannot decompress modules itself: user space does it, with a decompressor that may read another content from a file than the kernel would, and policies that ask where a module comes from (LoadPin, IMA) refuse it",
	check: noDecompress,
}, {
	ID:    "decompress-other",
	Why:   "the kernel has the decompressor of the configured compression only; modules in another one are left to user space, or not loaded",
	check: decompressOther,
}, {
	ID:    "strip-mismatch",
	Why:   "hashes are computed over modules that were stripped as CONFIG_MODULE_INSTALL_STRIP says; if the installed ones are stripped otherwise, make stops or no module is loaded",
	check: stripMismatch,
}}

// compressions are the members of the choice, which CONFIG_MODULE_COMPRESS
// switches as of Linux 6.11 and MODULE_COMPRESS_NONE did before.
var compressions = [...]string{"gzip", "xz", "zstd"}

// compressed returns what installed modules are compressed with, and whether
// that is by the configuration.
func (r *run) compressed() (by string, all []string) {
	for _, c := range compressions {
		if r.is("MODULE_COMPRESS_" + strings.ToUpper(c)) {
			by = c
		}
	}
	all = slices.Clone(r.Compressions)
	if len(all) == 0 && by != "" {
		all = []string{by}
	}
	slices.Sort(all)
	return by, slices.Compact(all)
}

func noDecompress(r *run) {
	if !r.modules() || r.is("MODULE_DECOMPRESS") {
		return
	}
	if _, all := r.compressed(); len(all) > 0 {
		r.found(Warning, "MODULE_DECOMPRESS", "CONFIG_MODULE_DECOMPRESS=y", "%s, and modules are compressed with %s", r.says("MODULE_DECOMPRESS"), strings.Join(all, ", "))
	}
}

func decompressOther(r *run) {
	if !r.modules() || !r.is("MODULE_DECOMPRESS") {
		return
	}
	by, all := r.compressed()
	for _, c := range all {
		if c == by {
			continue
		}
		symbol := "MODULE_COMPRESS_" + strings.ToUpper(c)
		if !slices.Contains(compressions[:], c) {
			r.unknown("no kernel is known to decompress %s", quote(c))
			continue
		}
		r.found(Error, symbol, "CONFIG_"+symbol+"=y, or compress modules with "+by, "%s, but there are modules compressed with %s", r.says(symbol), c)
	}
}

func stripMismatch(r *run) {
	if !r.hashed() {
		return
	}
	if r.Env == nil {
		r.unknown("INSTALL_MOD_STRIP of the build is not known")
		return
	}
	want, _ := r.text("MODULE_INSTALL_STRIP")
	if got := r.Env.InstallModStrip; got != want {
		fix := "unset INSTALL_MOD_STRIP for `make modules_install`"
		if want != "" {
			fix = "INSTALL_MOD_STRIP=" + quote(want)
		}
		r.found(Error, "MODULE_INSTALL_STRIP", fix+"; or set it to what is wanted before Kconfig runs, and keep it to the end",
			"%s, but INSTALL_MOD_STRIP is %s", r.says("MODULE_INSTALL_STRIP"), quote(got))
	}
}
