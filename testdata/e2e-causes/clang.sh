# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What only clang does to a kernel: link-time optimisation, and code by a profile. No
# rule of lint is about it, modhash diff is. Sourced after small.sh.

CLANG_PACKAGES=(clang lld llvm)

# A hash in the names of functions is of the names of the files too, which are absolute
# where the kernel is not built in the folder of its source. Without ThinLTO the folder is
# in no byte.
cause_thin_lto() {
	local MAKE_ARGS=(LLVM=1) TARGETS=(fs/minix/minix.ko)
	state clang CONFIG_LTO_CLANG_THIN=y
	diffed clang 36 'ThinLTO, a module of a kernel in another folder' thinlto.name explained "${TARGETS[0]}"
	state clang CONFIG_LTO_NONE=y
	second_build clang "${TARGETS[@]}"
	[ "$RESULT" = identical ] || fail 'the folder is in a module without ThinLTO'
	tree_state two clang CONFIG_LTO_CLANG_THIN=y
	diffed clang 9 'a module of a kernel with ThinLTO, and without' \
		'change layout.order layout.section-order lto' changed "${TARGETS[0]}"
}

# Two runs of a kernel have two profiles: in one an error was common.
cause_profile() {
	local MAKE_ARGS=(LLVM=1) TARGETS=(fs/minix/minix.ko)
	local by=(CONFIG_LTO_NONE=y {one,two}:KCFLAGS=-fprofile-sample-use="$TREES/profile")
	profile 1:100 7:100 8:100 9:100 11:0 18:0
	tree_state one clang "${by[@]}"
	profile 1:100 7:100 8:0 11:100 14:0 17:100 18:100 19:100 22:100
	tree_state two clang "${by[@]}"
	diffed clang 36 'code by two profiles (AutoFDO)' change changed "${TARGETS[0]}"
	rm -f "$TREES"/one/clang/fs/minix/*.o
	tree_state one clang "${by[@]}"
	second_build clang "${TARGETS[@]}"
	[ "$RESULT" = identical ] || fail 'by one profile the code is another'
}

# profile LINE:COUNT…: how often lines of a function ran, in LLVM's text form. Kbuild does
# not compile again for another profile.
profile() {
	echo 'minix_free_block:2000:100' >"$TREES/profile"
	printf ' %s\n' "${@/:/: }" >>"$TREES/profile"
	rm -f "$TREES"/{one,two}/clang/fs/minix/*.o
}
