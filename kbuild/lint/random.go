// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"strconv"
	"strings"
)

var randomRules = []Rule{{
	ID:    "randstruct-seed",
	Why:   "the layout of structures follows a random seed that each tree makes for itself; with another seed all code and the vermagic of all modules differ",
	check: randstructSeed,
}, {
	ID:    "latent-entropy",
	Why:   "the compiler plugin puts random numbers into code and data, others in each build",
	check: latentEntropy,
}, {
	ID:    "pahole-parallel",
	Why:   "pahole numbers the types in the order in which its threads come to them, so that BTF differs from build to build, in the kernel and in each module",
	check: paholeParallel,
}}

func randstructSeed(r *run) {
	symbol := ""
	for _, s := range []string{"RANDSTRUCT_FULL", "RANDSTRUCT_PERFORMANCE", "RANDSTRUCT", "GCC_PLUGIN_RANDSTRUCT"} {
		if r.is(s) {
			symbol = s
			break
		}
	}
	if symbol == "" {
		return
	}
	const fix = "CONFIG_RANDSTRUCT_NONE=y, or let scripts/gen-randstruct-seed.sh write a published seed"
	switch t := r.Tree; {
	case t == nil:
		r.found(Error, symbol, fix, "%s, and no tree was given that holds a fixed seed", r.says(symbol))
	case t.SeedFixed:
	case t.Seed == "":
		r.found(Error, symbol, fix, "%s, and there is no seed in the tree, so the build makes one", r.says(symbol))
	case !t.SeedKept:
		// if_changed runs a command again of which it has no record.
		r.found(Error, symbol, fix+"; a seed file of an earlier build is kept only together with .randstruct.seed.cmd beside it and include/generated/randstruct_hash.h",
			"%s, and scripts/basic/randstruct.seed will be replaced: the record of how it was made is missing", r.says(symbol))
	case r.Env != nil && r.Env.RandstructSeed != "":
		if strings.TrimSpace(r.Env.RandstructSeed) != t.Seed {
			r.found(Error, symbol, fix, "%s, and scripts/basic/randstruct.seed is not the expected one", r.says(symbol))
		}
	default:
		r.found(Error, symbol, fix+"; or say which seed is the published one", "%s, and the seed in the tree is one that the tree has made", r.says(symbol))
	}
}

func latentEntropy(r *run) {
	if !r.is("GCC_PLUGIN_LATENT_ENTROPY") || !r.env() {
		return
	}
	if !hasFlag(r.Env.KCFLAGS, "-frandom-seed=") {
		r.found(Error, "GCC_PLUGIN_LATENT_ENTROPY", "\"# CONFIG_GCC_PLUGIN_LATENT_ENTROPY is not set\", or a fixed -frandom-seed= in KCFLAGS",
			"%s, and KCFLAGS holds no -frandom-seed=", r.says("GCC_PLUGIN_LATENT_ENTROPY"))
	}
}

// Versions of pahole, as CONFIG_PAHOLE_VERSION has them.
const (
	paholeParallelSince     = 122 // encodes BTF with threads
	paholeReproducibleSince = 127 // has --btf_features=reproducible_build
	paholeOrderedSince      = 129 // gives the same order with any number of threads
)

func paholeParallel(r *run) {
	if !r.is("DEBUG_INFO_BTF") {
		return
	}
	value, ok := r.Config.Get("PAHOLE_VERSION")
	v, err := strconv.Atoi(value.Text())
	if !ok || err != nil || v == 0 {
		r.unknown("CONFIG_PAHOLE_VERSION does not say which pahole is used: run the kernel's `make olddefconfig`")
		return
	}
	if v < paholeParallelSince || v >= paholeOrderedSince || before(r, 5, 17) {
		return
	}
	fix := "pahole 1.29 or later, or make PAHOLE_FLAGS= without -j"
	if r.Env != nil && r.Env.PaholeFlags != "" {
		if parallel(r.Env.PaholeFlags) && (v < paholeReproducibleSince || !strings.Contains(r.Env.PaholeFlags, "reproducible_build")) {
			r.found(Error, "PAHOLE_VERSION", fix, "%s, and PAHOLE_FLAGS is %s", r.says("PAHOLE_VERSION"), quote(r.Env.PaholeFlags))
		}
		return
	}
	if r.Tree == nil || r.Tree.Pahole == "" {
		r.found(Warning, "PAHOLE_VERSION", fix, "%s: kernels run this pahole with threads, unless the tree has been changed; no tree was given that tells", r.says("PAHOLE_VERSION"))
		return
	}
	paholeByTree(r, v, fix)
}

// paholeByTree judges by the script of the tree. Some have the build's time
// decide: a build that gives it wants to be reproducible.
func paholeByTree(r *run, v int, fix string) {
	script := r.Tree.Pahole
	if !parallel(script) {
		return
	}
	if !strings.Contains(script, "KBUILD_BUILD_TIMESTAMP") {
		r.found(Error, "PAHOLE_VERSION", fix, "%s, and %s runs it with threads", r.says("PAHOLE_VERSION"), r.Tree.PaholeFile)
		return
	}
	switch {
	case r.Env == nil:
		r.unknown("%s has KBUILD_BUILD_TIMESTAMP decide, and the environment of the build is not known", r.Tree.PaholeFile)
	case strings.TrimSpace(r.Env.Timestamp) == "":
		r.found(Error, "PAHOLE_VERSION", "set KBUILD_BUILD_TIMESTAMP, or: "+fix, "%s, and %s runs it with threads while KBUILD_BUILD_TIMESTAMP is unset or empty", r.says("PAHOLE_VERSION"), r.Tree.PaholeFile)
	case v == 126: // the version for which those scripts give -j in any case
		r.found(Error, "PAHOLE_VERSION", fix, "%s, and %s runs it with threads", r.says("PAHOLE_VERSION"), r.Tree.PaholeFile)
	}
}

// parallel reports whether a script or a list of flags gives pahole threads.
func parallel(flags string) bool {
	for word := range strings.FieldsSeq(strings.NewReplacer(`"`, " ", "'", " ", ")", " ").Replace(flags)) {
		n, ok := strings.CutPrefix(word, "--jobs")
		if !ok {
			n, ok = strings.CutPrefix(word, "-j")
		}
		if n = strings.TrimPrefix(n, "="); ok && n != "1" && strings.Trim(n, "0123456789$(JOBS") == "" {
			return true
		}
	}
	return false
}

// before reports whether the header names a kernel before major.minor.
func before(r *run, major, minor int) bool {
	_, version := r.Config.Version()
	a, rest, _ := strings.Cut(version, ".")
	b, _, _ := strings.Cut(rest, ".")
	x, errX := strconv.Atoi(a)
	y, errY := strconv.Atoi(strings.SplitN(b, "-", 2)[0])
	return errX == nil && errY == nil && (x < major || x == major && y < minor)
}

// hasFlag reports whether one of the flags begins with one of the prefixes and
// says more.
func hasFlag(flags string, prefixes ...string) bool {
	for word := range strings.FieldsSeq(flags) {
		for _, p := range prefixes {
			if len(word) > len(p) && strings.HasPrefix(word, p) {
				return true
			}
		}
	}
	return false
}
