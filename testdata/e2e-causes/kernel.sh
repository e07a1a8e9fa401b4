# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What is shown of the kernel side and of check-load, not of a lint rule, and takes too
# long for ../e2e-kernel. These make no lines of the table. Sourced after load.sh.

# predicts CODE MODE ANSWER FILE OPTION…: the exit code of check-load for the kernel of
# one_state, and its answer in that mode, as check-load calls it.
predicts() {
	local code=$1 mode=$2 answer=$3 file=$4 rc=0
	shift 4
	mh check-load --format json --mode "$mode" --config "$TREES/one/build/.config" \
		--symvers "$TREES/one/build/Module.symvers" --call finit_module "$@" "$KERNEL" "$file" >"$WORK/out" || rc=$?
	[ "$rc" = "$code" ] || fail "check-load ends with $rc, not $code: $(cat "$WORK/out")"
	grep -qF "\"errno\": \"$answer\"" "$WORK/out" || fail "check-load does not say $answer: $(cat "$WORK/out")"
}

# A module with BTF is hashed with it: it loads by its proof, and a second make does
# nothing. What its BTF builds upon is the kernel without the root.
cause_btf_modules() {
	local state=("${DEBUG[@]}" CONFIG_BPF_SYSCALL=y CONFIG_DEBUG_INFO_BTF=y CONFIG_DEBUG_INFO_BTF_MODULES=y)
	one_state "${state[@]}"
	readelf -SW "$INSTALLED" >"$WORK/sections"
	grep -qF ' .BTF ' "$WORK/sections" || fail "no BTF in ${INSTALLED##*/}"
	answers "$KERNEL" sig_enforce 0 "$INSTALLED"
	[ "$RESULT" = loads ] || fail "with BTF: $RESULT"
	predicts 0 enforcing 0 "$INSTALLED"
	expect 0 '^verified: the kernel admits all 3 modules' mh verify --image "$KERNEL" \
		--keys "$KEYS_DIR/throwaway-a.crt" "$TREES/one/root"
	cp "$TREES/one/build/vmlinux" "$WORK/vmlinux"
	local LOG=$WORK/log
	: >"$LOG"
	tree_state one build "${state[@]}"
	! grep -E '^  (LD|BTF|MERKLE|HASHES|BUILD) ' "$LOG" || fail 'make did something again'
	cmp "$WORK/vmlinux" "$TREES/one/build/vmlinux"
}

# A list of forbidden hashes in the kernel: a signed module that stands there is refused,
# also by a permissive kernel; one with a proof is not looked up. check-load does not
# know the list.
cause_blacklisted_hash() {
	local state=(CONFIG_SYSTEM_BLACKLIST_KEYRING=y 'CONFIG_SYSTEM_BLACKLIST_HASH_LIST="../blacklist"')
	local list=$TREES/one/blacklist MAKE_ARGS=(AWK=gawk) # as the kernel's own check of the list wants it
	printf '"bin:%064d"\n' 0 >"$list"
	one_state "${state[@]}"
	"$TREES/one/build/scripts/sign-file" sha256 "$KEYS_DIR/throwaway-a.key" "$KEYS_DIR/throwaway-a.crt" \
		"$MODULE" "$WORK/signed"
	cp "$INSTALLED" "$WORK/proven"
	asked_of_list loads loads
	predicts 2 permissive unknown "$WORK/signed"
	predicts 0 permissive 0 "$WORK/signed" --revoked none
	# Of the whole files, with what they end in.
	cat <(sha256sum <"$WORK/signed") <(sha256sum <"$WORK/proven") | sed 's/ .*/"/; s/^/"bin:/; 1s/$/,/' >"$list"
	one_state "${state[@]}"
	cmp "$INSTALLED" "$WORK/proven"
	asked_of_list EKEYREJECTED loads
	predicts 2 permissive unknown "$WORK/signed"
	predicts 0 permissive 0 "$WORK/proven"
}

# asked_of_list SIGNED PROVEN: what the kernel says to the two.
asked_of_list() {
	answers "$KERNEL" permissive 0 "$WORK/signed"
	[ "$RESULT" = "$1" ] || fail "the signed module: $RESULT, not $1"
	answers "$KERNEL" permissive 0 "$WORK/proven"
	[ "$RESULT" = "$2" ] || fail "the module with a proof: $RESULT, not $2"
}

# The targets that make source packages too: the binary package has what make installs,
# and the source the patch.
cause_source_packages() {
	local file
	git_tree one .
	source_package rpm-pkg LOCALVERSION=
	for file in "$TREES"/one/build/rpmbuild/RPMS/*/kernel-[0-9]*.rpm; do carries "$file"; done
	file=$(find "$TREES/one/build/rpmbuild/SRPMS" -name 'kernel-*.src.rpm')
	rm -rf "$WORK/source"
	mkdir "$WORK/source"
	rpm2cpio "$file" | (cd "$WORK/source" && cpio -id --quiet)
	patched "$WORK/source/linux.tar.gz"
	grep -qx 'CONFIG_MODULE_HASHES=y' "$WORK/source/config"
	source_package deb-pkg LOCALVERSION= INSTALL_MOD_STRIP=1
	for file in "$TREES"/one/linux-image-*.deb; do carries "$file"; done
	[ -f "$(find "$TREES/one" -maxdepth 1 -name 'linux-upstream_*.dsc')" ] || fail 'no source of a Debian package'
	patched "$(find -L "$TREES/one" -maxdepth 1 -name 'linux-upstream_*.orig.tar.gz')"
}

# source_package TARGET SETTING…: of the state of these settings.
source_package() {
	local target=$1
	local CONFIG_LINES VARIABLES
	shift
	# The second package of a tree would be of release 2, which the image says too.
	rm -rf "$TREES"/one/linux-* "$TREES"/one/build/{rpmbuild,debian,.version}
	one_state "$@"
	settings_of one "$@" DEBFULLNAME=modhash DEBEMAIL=modhash@example.org KDEB_CHANGELOG_DIST=unstable \
		DEB_BUILD_PROFILES=pkg.linux-upstream.nokernelheaders RPMOPTS='--without devel'
	tree_make one build "$target" || broken "$target"
}

# carries PACKAGE: the modules as one_state installed them.
carries() {
	expect 0 '^verified' mh verify --require-trailer proof "$(kernel_modlib_of one)/modhash.manifest" "$1"
}

# patched ARCHIVE
patched() {
	tar -tzf "$1" >"$WORK/names"
	grep -qx 'linux/kernel/module/hashes.c' "$WORK/names" || fail "${1##*/} is not the patched source"
}
