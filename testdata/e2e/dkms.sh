# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# dkms itself builds a module of ours (folder dkms/) with the distribution's kernel
# headers, and signs it through modhash in each of the ways of kbuild/share/dkms. It
# runs in a small system of the release that has it (chroot.sh). Sourced after
# chroot.sh and check.sh.
#
# That the modules load where the kernel trusts the key is asked of check-load here, and
# of a kernel that is booted by ../e2e-kernel/walk-arch.sh.

DKMS_PACKAGES=("${CHROOT_PACKAGES[@]}" kmod openssl python3)
DKMS_ROOT=    # the system
DKMS_RELEASE= # of the kernel
DKMS_HEADERS=
DKMS_IMAGE=

# release_of ROLE: of a package linux-KIND-RELEASE_VERSION_ARCH.deb.
release_of() {
	local file
	file=$(basename "$(corpus_file "$1")")
	file=${file#linux-*-}
	printf '%s\n' "${file%%_*}"
}

# with_dkms: both versions, in all ways.
with_dkms() {
	make_installed
	dkms_system 3.0 bookworm amd64-6.1 amd64-6.1
	dkms_ways 3.0
	dkms_system 3.2 unstable amd64-split-binary amd64-split-modules
	dkms_ways 3.2
	check dkms-3.2/post-transaction dkms_post_transaction
}

# make_installed: what `make install` installs, with the program under test.
make_installed() {
	make -s -C "$ROOT_DIR" install DESTDIR="$WORK/dkms-installed" PREFIX=/usr >"$WORK/log" 2>&1 ||
		die "make install: $(tail -n 3 "$WORK/log")"
	cp "$MODHASH" "$WORK/dkms-installed/usr/bin/modhash"
}

# dkms_system VERSION SUITE ROLE ROLE: a system with dkms of that version, and the
# kernel whose image and modules are in the packages of these roles.
dkms_system() {
	local version=$1 suite=$2 image=$3 modules=$4 lib name
	DKMS_RELEASE=$(release_of "$image")
	dkms_chroot "$version" "$suite" "linux-headers-$DKMS_RELEASE"
	DKMS_HEADERS=$DKMS_ROOT/usr/src/linux-headers-$DKMS_RELEASE
	cp -a "$WORK/dkms-installed/." "$DKMS_ROOT/"
	for name in a b; do
		install -D -m 600 "$ROOT_DIR/testdata/keys/throwaway-$name.key" "$DKMS_ROOT/etc/modhash/$name.key"
		install -D -m 644 "$ROOT_DIR/testdata/keys/throwaway-$name.crt" "$DKMS_ROOT/etc/modhash/$name.crt"
	done
	ln -s a.key "$DKMS_ROOT/etc/modhash/oot.key"
	ln -s a.crt "$DKMS_ROOT/etc/modhash/oot.crt"

	# A few of the kernel's own modules: by them dkms sees how they are compressed.
	mkdir "$WORK/dkms-modules-$version"
	dpkg-deb --fsys-tarfile "$(corpus_file "$modules")" |
		tar -x -C "$WORK/dkms-modules-$version" --wildcards '*/kernel/lib/*crc*'
	lib=$DKMS_ROOT/lib/modules/$DKMS_RELEASE/kernel/lib
	mkdir -p "$lib"
	find "$WORK/dkms-modules-$version" -name '*.ko*' -exec cp -t "$lib" {} +
	unxz -q "$lib"/*.xz 2>/dev/null || true # or they are plain

	DKMS_IMAGE=$WORK/dkms-vmlinuz-$version
	dpkg-deb --fsys-tarfile "$(corpus_file "$image")" | tar -xO --wildcards '*/vmlinuz*' >"$DKMS_IMAGE"
}

# dkms_chroot VERSION SUITE HEADERS: a system of that release with its dkms and a
# package of headers, and our module's source. One list of packages is for all who
# use it, since one such system is kept: causes.sh builds with the other compiler.
dkms_chroot() {
	local other=()
	[ "$2" != bookworm ] || other=(gcc-11)
	DKMS_ROOT=$WORK/dkms-$1
	chroot_unpack "$DKMS_ROOT" "$2" dkms "$3" kmod xz-utils zstd make bison flex gcc libc6-dev openssl "${other[@]}"
	[[ $(in_chroot "$DKMS_ROOT" dkms --version) == "dkms-$1."* ]] ||
		die "$2 has $(in_chroot "$DKMS_ROOT" dkms --version), not dkms $1"
	mkdir -p "$DKMS_ROOT/usr/src/modhash-test-1.0"
	cp "$E2E_DIR"/dkms/{Makefile,dkms.conf,modhash_test.c} "$DKMS_ROOT/usr/src/modhash-test-1.0/"
}

# dkms_compression gz|xz|zst|"": of the kernel's modules.
dkms_compression() {
	local lib=$DKMS_ROOT/lib/modules/$DKMS_RELEASE/kernel/lib
	unxz -q "$lib"/*.xz 2>/dev/null || true
	unzstd -q --rm "$lib"/*.zst 2>/dev/null || true
	case $1 in
	xz) xz --check=crc32 "$lib"/*.ko ;;
	zst) zstd -q --rm "$lib"/*.ko ;;
	esac
	# dkms 3.0 looks in modules.dep, where what it installed before is too.
	rm -rf "$DKMS_ROOT/lib/modules/$DKMS_RELEASE/updates"
	in_chroot "$DKMS_ROOT" depmod "$DKMS_RELEASE" 2>"$WORK/log" || die "depmod: $(tail -n 3 "$WORK/log")"
}

# dkms_ways VERSION
dkms_ways() {
	local version=$1 suffix way
	for suffix in .xz .zst ''; do
		dkms_compression "${suffix#.}"
		for way in dkms-sign-file sign-file hook both; do
			if [ -z "$suffix" ] && [ $way != both ]; then continue; fi
			check "dkms-$version/${suffix:-.ko}/$way" dkms_way $way "$suffix"
		done
	done
	dkms_compression xz
	check "dkms-$version/signed-by-its-makefile" dkms_self_signed
	check "dkms-$version/another-key" dkms_another_key
	check "dkms-$version/no-key" dkms_no_key
}

# dkms_settings WAY: as the page says.
dkms_settings() {
	local conf=$DKMS_ROOT/etc/dkms/framework.conf.d/modhash.conf share=$DKMS_ROOT/usr/share/modhash/dkms
	mkdir -p "${conf%/*}"
	rm -f "$DKMS_ROOT/etc/dkms/modhash-test.conf"
	case $1 in
	dkms-sign-file) cp "$share/framework.conf" "$conf" ;;
	sign-file) sed 's,^sign_file=.*,sign_file="/usr/lib/modhash/sign-file",' "$share/framework.conf" >"$conf" ;;
	hook) sed 's,^sign_file=.*,sign_file="/nonexistent",' "$share/framework.conf" >"$conf" ;;
	both) sed '/^sign_file=/d' "$share/framework.conf" >"$conf" ;; # the kernel's own program
	esac
	case $1 in hook | both) ln -s ../../usr/share/modhash/dkms/module.conf "$DKMS_ROOT/etc/dkms/modhash-test.conf" ;; esac
}

# dkms_build [NAME=VALUE…]: from the start.
dkms_build() {
	rm -rf "$DKMS_ROOT"/var/lib/dkms/modhash-test "$DKMS_ROOT/lib/modules/$DKMS_RELEASE/updates"
	in_chroot "$DKMS_ROOT" dkms add modhash-test/1.0
	in_chroot "$DKMS_ROOT" env "$@" dkms build modhash-test/1.0 -k "$DKMS_RELEASE" >"$WORK/dkms.log" 2>&1 || {
		cat "$WORK/dkms.log" "$DKMS_ROOT"/var/lib/dkms/modhash-test/1.0/build/make.log
		fail "dkms build"
	}
	in_chroot "$DKMS_ROOT" dkms install modhash-test/1.0 -k "$DKMS_RELEASE" >>"$WORK/dkms.log" 2>&1 || {
		cat "$WORK/dkms.log"
		fail "dkms install"
	}
}

dkms_module() { printf '%s\n' "$DKMS_ROOT/lib/modules/$DKMS_RELEASE/updates/dkms/modhash_test.ko$1"; }

# dkms_way WAY SUFFIX
dkms_way() {
	dkms_settings "$1"
	dkms_build
	case $1 in
	hook) grep -qi "modules won't be signed" "$WORK/dkms.log" ;;
	*) ! grep -qi "modules won't be signed" "$WORK/dkms.log" ;;
	esac
	dkms_signed "$2" a
}

# dkms_signed SUFFIX KEY: the installed module is signed, once, by that key, and
# everybody says so.
dkms_signed() {
	local module cert=$ROOT_DIR/testdata/keys/throwaway-$2.crt plain=$WORK/dkms.ko size length hash
	module=$(dkms_module "$1")
	case $1 in
	.xz) xz -dc "$module" >"$plain" ;;
	.zst) zstd -qdc "$module" >"$plain" ;;
	'') cp "$module" "$plain" ;;
	esac
	[ "$(grep -aoF '~Module signature appended~' "$plain" | wc -l)" = 1 ] || fail "there is not one signature"
	hash=$(sed -n 's/^CONFIG_MODULE_SIG_HASH="\(.*\)"$/\1/p' "$DKMS_HEADERS/.config")

	# By OpenSSL.
	size=$(stat -c %s "$plain")
	length=$((16#$(tail -c 32 "$plain" | head -c 4 | od -An -tx1 | tr -d ' \n')))
	head -c $((size - 40 - length)) "$plain" >"$WORK/dkms.payload"
	tail -c $((length + 40)) "$plain" | head -c "$length" >"$WORK/dkms.p7s"
	openssl cms -verify -binary -inform DER -in "$WORK/dkms.p7s" -content "$WORK/dkms.payload" \
		-certfile "$cert" -noverify -out /dev/null

	# By modinfo and by us.
	in_chroot "$DKMS_ROOT" modinfo "${module#"$DKMS_ROOT"}" >"$WORK/modinfo"
	field() { sed -n "s/^$1: *//p" "$WORK/modinfo"; }
	mh inspect --format json "$module" >"$WORK/inspect.json"
	python3 "$E2E_DIR/dkms/agree.py" "$WORK/modinfo" "$WORK/inspect.json"
	[ "$(field sig_hashalgo)" = "$hash" ] || fail "it is signed with $(field sig_hashalgo), the kernel is configured for $hash"
	[ "$(field signer)" = "modhash throw-away test key $2" ] || fail "the signer is $(field signer)"
	expect 0 '' mh check-load --keyring "$cert" --revoked none --config "$DKMS_HEADERS/.config" \
		--symvers "$DKMS_HEADERS/Module.symvers" "$DKMS_IMAGE" "$module"

	expect 0 '^verified: ' mh verify --keys "$cert" "$module"
	expect 1 '^NOT verified: 1 unknown-key$' mh verify --keys "$ROOT_DIR/testdata/vectors/signing/unknown.crt" "$module"

	# By us: nothing is signed again. dkms 3.0 has xz write the checksum that it likes
	# best, which is none that kernels read; that is mended once.
	dkms_resign "^0 modules signed, (2 were|0 were, 2 recompressed so that kernels can read them); $hash, modhash throw-away test key $2\$" "$2"
	# By dkms, and once more by us: there is nothing to do.
	in_chroot "$DKMS_ROOT" dkms status >"$WORK/out"
	grep -q '^modhash-test.* installed$' "$WORK/out" || fail "dkms status: $(cat "$WORK/out")"
	dkms_resign "^0 modules signed, 2 were; $hash, modhash throw-away test key $2\$" "$2"
}

# dkms_resign REGEX KEY
dkms_resign() {
	expect 0 "$1" in_chroot "$DKMS_ROOT" modhash sign --dkms "$DKMS_RELEASE" \
		--key "/etc/modhash/$2.key" --cert "/etc/modhash/$2.crt"
}

# dkms_self_signed: the module's makefile has signed it, with another key, and says
# STRIP=no, which would take that away.
dkms_self_signed() {
	local conf=$DKMS_ROOT/usr/src/modhash-test-1.0/dkms.conf
	dkms_settings dkms-sign-file
	cp "$conf" "$WORK/dkms.conf"
	echo 'STRIP[0]="no"' >>"$conf"
	# shellcheck disable=SC2310 # the file is put back first
	dkms_build SELF_SIGN='/usr/lib/modhash/sign-file sha256 /etc/modhash/b.key /etc/modhash/b.crt' || {
		cp "$WORK/dkms.conf" "$conf"
		return 1
	}
	cp "$WORK/dkms.conf" "$conf"
	dkms_signed .xz a
}

# dkms_another_key: everything for the kernel is signed again, dkms's tree too.
dkms_another_key() {
	dkms_settings both
	dkms_build
	dkms_resign '^2 modules signed, 0 were; .* test key b$' b
	dkms_signed .xz b
	dkms_settings hook
	expect 0 '^2 modules signed, 0 were; .* test key a$' in_chroot "$DKMS_ROOT" \
		/usr/lib/modhash/dkms-sign "$DKMS_RELEASE"
	dkms_signed .xz a
}

# dkms_no_key: dkms would make one where one is missing; the hook does not.
dkms_no_key() {
	dkms_settings hook
	mv "$DKMS_ROOT/etc/modhash/oot.crt" "$WORK/oot.crt"
	expect 1 '^$' in_chroot "$DKMS_ROOT" /usr/lib/modhash/dkms-sign "$DKMS_RELEASE" || {
		mv "$WORK/oot.crt" "$DKMS_ROOT/etc/modhash/oot.crt"
		return 1
	}
	mv "$WORK/oot.crt" "$DKMS_ROOT/etc/modhash/oot.crt"
	grep -q 'the certificate /etc/modhash/oot.crt is missing' "$WORK/err"
}

# dkms_post_transaction: dkms signs nothing, and calls us when it is done.
dkms_post_transaction() {
	dkms_settings hook
	rm "$DKMS_ROOT/etc/dkms/modhash-test.conf"
	sed -i 's/^#post_transaction=/post_transaction=/' "$DKMS_ROOT/etc/dkms/framework.conf.d/modhash.conf"
	dkms_build
	dkms_signed .xz a
}
