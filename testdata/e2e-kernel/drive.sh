# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Checks of how a kernel with hashes is built and installed. Sourced after build.sh
# and packages.sh. They work in TREES/one/build, on the config of one/sig+hashes, and
# leave it as they found it.

# logged COMMAND…: run it with a log of its own, in WORK/log.
logged() {
	local LOG=$WORK/log
	: >"$LOG"
	"$@"
}

# as_before: the kernel is the one that was kept.
as_before() {
	cmp "$TREES/one/build/vmlinux" "$TREES/one/sig+hashes/vmlinux"
	cmp "$TREES/one/build/arch/x86/boot/bzImage" "$TREES/one/sig+hashes/bzImage"
}

# nothing_to_do: a second make hashes, links and packs nothing.
nothing_to_do() {
	logged kernel_make one all
	! grep -E '^  (LD|MERKLE|HASHES|BUILD|CC|AS) ' "$WORK/log" || fail "make did something again"
	as_before
}

# one_module: a changed module changes the root and nothing else in vmlinux; both
# make targets bring it there.
one_module() {
	local file=$TREES/one/src/lib/crc7.c build=$TREES/one/build differing
	cp -p "$file" "$WORK/crc7.c"
	sed -i 's/CRC7 calculations/CRC7 calculatiens/' "$file"
	logged kernel_make one all || true
	cp -p "$WORK/crc7.c" "$file"
	touch "$file"
	! grep -E '^  LD +vmlinux' "$WORK/log" || fail "vmlinux was linked again"
	differing=$({ cmp -l "$build/vmlinux" "$TREES/one/sig+hashes/vmlinux" || true; } | wc -l)
	[ "$differing" -gt 0 ] && [ "$differing" -le 32 ] || fail "$differing bytes of vmlinux differ"
	! cmp -s "$build/arch/x86/boot/bzImage" "$TREES/one/sig+hashes/bzImage" ||
		fail "the boot image did not notice"
	logged kernel_keep one changed
	expect 1 '^different: 19 modules, 1 different, 18 payload-identical' \
		mh diff "$(kernel_modlib sig+hashes)" "$(kernel_modlib changed)"
	says lib/crc7.ko
	logged kernel_make one modules
	cmp "$build/vmlinux" "$TREES/one/sig+hashes/vmlinux"
	logged kernel_make one all
	as_before
}

# refuses REGEX COMMAND…: it fails, and says why.
refuses() {
	local regex=$1
	shift
	! logged "$@" || fail "this should have failed: $*"
	grep -E -e "$regex" "$WORK/log" || fail "it failed, but says: $(tail -n 3 "$WORK/log")"
}

# strip_at_install: another INSTALL_MOD_STRIP than the build's; the modules are
# named, and what to do. The same by the package target that strips by default.
strip_at_install() {
	refuses 'None of these [0-9]+ modules would load: .*kernel/lib/crc7\.ko.* Set INSTALL_MOD_STRIP=1' \
		kernel_try one INSTALL_MOD_PATH="$TREES/one/none" INSTALL_MOD_STRIP=1 modules_install
	refuses 'None of these [0-9]+ modules would load: .*kernel/lib/crc7\.ko.* Set INSTALL_MOD_STRIP=1' \
		pack one bindeb-pkg
}

# changed_since: a module that somebody stripped in the build tree after it was hashed,
# which make does not notice, is no part of a package.
changed_since() {
	local module=$TREES/one/build/lib/crc7.ko
	rm -f "$TREES/one/build"/linux-*.tar
	touch -r "$module" "$WORK/when"
	strip --strip-debug "$module"
	touch -r "$WORK/when" "$module"
	own one "$module"
	refuses 'kernel/lib/crc7\.ko is not the module that was hashed: lib/crc7\.ko was changed after that.* Remove lib/crc7\.ko, and run make again' \
		pack one tar-pkg || {
		rm -f "$module"
		return 1
	}
	rm -f "$module"
	[ -z "$(find "$TREES/one/build" -maxdepth 1 -name 'linux-*.tar')" ] || fail 'there is a package'
	logged kernel_make one all
	as_before
}

# image_of_another_root: the image was not made again after the modules were hashed.
# The build tree has another root now, see kernel_root.
image_of_another_root() {
	refuses 'error: hashset: .*bzImage: it is ' \
		kernel_try one INSTALL_MOD_PATH="$TREES/one/none" DEPMOD=true modules_install
	grep -F 'take the image and the modules of one build' "$WORK/log"
	[ -z "$(find "$TREES/one/none" -name modhash.manifest)" ] || fail 'there is a manifest'
}

# changed_at_install: a module that is not what was hashed.
changed_at_install() {
	local module=$TREES/one/build/lib/crc7.ko
	cp -p "$module" "$WORK/crc7.ko"
	strip_differently >"$TREES/bin/strip"
	chmod 755 "$TREES/bin/strip"
	logged kernel_make one INSTALL_MOD_STRIP=1 all
	refuses 'kernel/[^ ]*\.ko is not the module that was hashed' \
		kernel_try one INSTALL_MOD_PATH="$TREES/one/none" INSTALL_MOD_STRIP=1 \
		STRIP="$TREES/bin/strip" modules_install
	logged kernel_make one all
	as_before
}

# A strip of another version: what it writes is not what the build's strip wrote.
strip_differently() {
	printf '%s\n' '#!/bin/sh' 'strip "$@" && for last; do :; done && printf x >>"$last"'
}

# no_certificate: the build ends, and makes no key instead.
no_certificate() {
	local file=$TREES/one/src/$CERTIFICATE
	mv "$file" "$WORK/certificate"
	refuses "No rule to make target '$CERTIFICATE'" kernel_try one all || {
		mv "$WORK/certificate" "$file"
		return 1
	}
	mv "$WORK/certificate" "$file"
	no_key one
	logged kernel_make one all
	as_before
}

# no_throwaway_key: the kernel's default, a key for each build.
no_throwaway_key() {
	local config=$TREES/one/build/.config
	cp "$config" "$WORK/config"
	sed -i 's,^CONFIG_MODULE_SIG_KEY=.*,CONFIG_MODULE_SIG_KEY="certs/signing_key.pem",' "$config"
	refuses 'without a private key: set CONFIG_MODULE_SIG_KEY=""' kernel_try one all || {
		cp "$WORK/config" "$config"
		return 1
	}
	cp "$WORK/config" "$config"
	no_key one
	logged kernel_make one all
	as_before
}
