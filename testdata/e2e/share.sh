# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Packages made by the recipes of kbuild/share, with the machine's own makepkg,
# dpkg-buildpackage and rpmbuild. The source is Linux 6.12 with our patch as far as
# Kconfig needs it, so configuration is real; what compiling would make is handed out
# by share/GNUmakefile: the image with a hashset and the modules of kernels.sh. A whole
# build is that of ../e2e-kernel. Sourced after kconfig.sh, whose tree it takes.

SHARE_PACKAGES=(build-essential debhelper dpkg-dev fakeroot makepkg nix-bin pacman-package-manager openssl
	python3 rpm shellcheck tar util-linux xz-utils yamllint zstd)
SHARE=        # a folder that the builder may use
SHARE_RELEASE=
SHARE_RUN=()  # what runs a command as the builder
SHARE_VERSION=6.12.117 # that of the recipes

shared() {
	scratch SHARE /var/tmp
	share_sources
	check share/shellcheck share_shellcheck
	check share/yaml share_yaml
	check share/make share_make
	check share/certificate share_certificate
	check share/lint share_lint
	check share/arch share_arch
	check share/debian share_debian
	check share/rpm share_rpm
	check share/nix share_nix
	check share/modhash-kernel share_kernel
}

# share_sources: what a packager starts from, in SHARE/sources; what a build would make
# in SHARE/built.
share_sources() {
	local from=$WORK/kconfig-6.12 user=modhash-build
	# shellcheck disable=SC1091 # kernels.sh made it
	SHARE_RELEASE=$(. "$KERNEL/kernel.env" && printf '%s' "$RELEASE")
	mkdir -p "$SHARE/sources" "$SHARE/built/modules" "$SHARE/built/tree" "$SHARE/tmp"
	cp "$KERNEL/hashes/bzImage" "$SHARE/built/bzImage"
	cp "$KERNEL/hashes/vmlinux.root" "$SHARE/built/vmlinux"
	cp -R "$KERNEL/installed/none/lib/modules/$SHARE_RELEASE/." "$SHARE/built/modules/"
	rm -f "$SHARE/built/modules/vmlinuz" "$SHARE/built/modules/build"
	find "$SHARE/built/modules" -name '*.ko' -exec "${PROG[@]}" --quiet unsign {} + >"$WORK/log"
	cp -R "$KERNEL/build-stripped/." "$SHARE/built/tree/"
	# The image's own certificate takes the place of one for modules from elsewhere.
	openssl x509 -inform DER -in "$KERNEL/build/certs/signing_key.x509" -out "$SHARE/sources/oot.pem"
	cp "$KERNEL/build/.config" "$SHARE/sources/config"
	cp "$E2E_DIR/share/GNUmakefile" "$from/"
	# What "make olddefconfig" has left; of the rest, "make mrproper" wants more.
	find "$from/scripts" \( -name '*.o' -o -name '.*.cmd' -o -name '.*.d' -o -name fixdep -o -name conf \) -type f -delete
	rm -rf "$from/include/config" "$from/include/generated" "$from/arch/x86/include"
	rm -rf "$from"/.config* "$from/certs/oot.pem" "$from/certs/second.pem" "$from/certs/trusted-keys.pem"
	tar -C "${from%/*}" --transform "s,^${from##*/},linux-$SHARE_VERSION," --owner=0 --group=0 -c "${from##*/}" |
		xz -0 -T0 >"$SHARE/sources/linux-$SHARE_VERSION.tar.xz"
	# It is patched already.
	: >"$SHARE/sources/module-hashes-6.12.patch"
	cp -a "$WORK/dkms-installed" "$SHARE/installed"
	chmod 755 "$SHARE"
	if [ "$(id -u)" = 0 ]; then
		chown -R "$user:" "$SHARE"
		SHARE_RUN=(setpriv --reuid "$user" --regid "$user" --clear-groups --)
	fi
}

# packager FOLDER COMMAND…: as the builder, who has modhash installed.
packager() {
	local folder=$1
	shift
	(
		cd "$folder" || exit
		exec "${SHARE_RUN[@]}" env -i PATH="$SHARE/installed/usr/bin:/usr/sbin:/usr/bin:/sbin:/bin" HOME="$SHARE" \
			TMPDIR="$SHARE/tmp" LC_ALL=C TZ=UTC BUILT="$SHARE/built" RELEASE="$SHARE_RELEASE" "$@"
	) 9>&-
}

# share_folder NAME: an empty one of the builder.
share_folder() {
	rm -rf "${SHARE:?}/$1"
	mkdir -p "$SHARE/$1"
	[ "$(id -u)" != 0 ] || chown -R modhash-build: "$SHARE/$1"
}

# step NAME=VALUE… STEP: of modhash.mk, in the folder make.
share_step() {
	packager "$SHARE/make" env SOURCE_DATE_EPOCH=1767225600 make -f "$SHARE/installed/usr/share/modhash/kernel/modhash.mk" \
		KSOURCE="linux-$SHARE_VERSION" KOUTPUT=build CERTIFICATE="$SHARE/sources/oot.pem" "$@"
}

share_unpack() {
	share_folder make
	packager "$SHARE/make" tar -xf "$SHARE/sources/linux-$SHARE_VERSION.tar.xz"
	packager "$SHARE/make" install -D -m 644 "$SHARE/sources/config" build/.config
}

share_shellcheck() {
	shellcheck -x "$ROOT_DIR/kbuild/share/kernel/modhash-kernel" "$ROOT_DIR/kbuild/share/dkms/dkms-sign" \
		"$ROOT_DIR/kbuild/share/dkms/dkms-sign-file" "$ROOT_DIR/kbuild/share/arch/PKGBUILD" \
		"$ROOT_DIR/kbuild/share/ci/modhash-ci"
}

# share_yaml: what CI systems read is YAML, what they run in it is clean, and actionlint
# takes the action's steps and the workflow of the page. That it does its work is shown
# by the test script ci.txtar.
share_yaml() {
	local ci=$ROOT_DIR/kbuild/share/ci lint=$WORK/actionlint
	yamllint --strict -d '{extends: default, rules: {line-length: {max: 100}}}' "$ci/action.yml" "$ci/gitlab.yml"
	rm -rf "$lint"
	mkdir -p "$lint/.git" "$lint/.github/workflows" "$lint/ci"
	cp "$ci/action.yml" "$lint/ci/"
	python3 - "$ci" "$lint/.github/workflows" >"$WORK/steps.sh" <<-'END'
		import re, sys, yaml
		action = yaml.safe_load(open(sys.argv[1] + "/action.yml"))
		job = yaml.safe_load(open(sys.argv[1] + "/gitlab.yml"))[".modhash"]
		steps = action["runs"]["steps"]
		assert action["runs"]["using"] == "composite"
		assert all("shell" in s for s in steps if "run" in s)
		# An input in the text of a script would be a part of it.
		assert not any("${{" in s.get("run", "") for s in steps)
		used = " ".join(str(v) for s in steps for v in [*s.get("env", {}).values(), *s.get("with", {}).values()])
		assert all("inputs." + name + " " in used for name in action["inputs"]), used
		assert job["allow_failure"] == {"exit_codes": 3} and job["artifacts"]["when"] == "always"
		print("#!/bin/sh")
		print("\n".join(job["script"]))
		for s in steps:
		    print(s.get("run", ""))
		# actionlint reads workflows only: one of the action's steps, and that of the page.
		def workflow(name, on, job):
		    with open(sys.argv[2] + "/" + name, "w") as out:
		        yaml.safe_dump({"on": on, "jobs": {"reproducible": {"runs-on": "ubuntu-latest", **job}}}, out)
		inputs = {n: {"type": "string", **i} for n, i in action["inputs"].items()}
		outputs = {n: o["value"] for n, o in action["outputs"].items()}
		workflow("steps.yml", {"workflow_call": {"inputs": inputs}}, {"steps": steps, "outputs": outputs})
		page = open(sys.argv[1] + "/README.md").read()
		def example(title):
		    text = re.search("^## " + title + "\n(.*?)^## ", page, re.M | re.S).group(1)
		    return yaml.safe_load("".join(l[4:] + "\n" for l in text.split("\n") if l.startswith("    ")))
		steps = example("GitHub")["jobs"]["reproducible"]["steps"]
		steps[-1]["uses"] = re.sub("^modhash/modhash/kbuild/share/ci@.*", "./ci", steps[-1]["uses"])
		workflow("page.yml", "push", {"steps": steps})
		# GitLab takes no dates, which YAML makes of what looks like one.
		assert all(type(v) in (str, int) for v in example("GitLab")["reproducible"]["variables"].values())
	END
	shellcheck "$WORK/steps.sh"
	(cd "$lint" && retry 3 go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12)
	# It looks: an input that the action does not have is refused.
	sed -i 's/^\( *\)build: /\1builds: x\n&/' "$lint/.github/workflows/page.yml"
	refused 'input "builds" is not defined' sh -c 'cd "$1" && go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12' sh "$lint"
}

# share_make: all steps; what is installed is not signed, and has no key.
share_make() {
	share_unpack
	share_step config
	share_step build
	share_step install KROOT=root
	share_step headers HEADERS=headers
	cmp "$SHARE/sources/oot.pem" "$SHARE/make/headers/certs/oot.pem"
	share_step manifest PACKAGES=root MANIFEST=root.modhash >"$WORK/out"
	says 'verified: all ' '  admits  '
	cmp "$SHARE/make/root.modhash" "$SHARE/make/root/lib/modules/$SHARE_RELEASE/modhash.manifest"
	# A package with another image, a module less, or one that a packager has stripped once more.
	packager "$SHARE/make" cp -R root other
	cp "$KERNEL/installed/none/lib/modules/$SHARE_RELEASE/vmlinuz" "$SHARE/make/other/lib/modules/$SHARE_RELEASE/vmlinuz"
	refused 'the packages do not hold the image' share_step manifest PACKAGES=other MANIFEST=other.modhash
	cp "$SHARE/built/bzImage" "$SHARE/make/other/lib/modules/$SHARE_RELEASE/vmlinuz"
	rm "$(find "$SHARE/make/other" -name '*.ko' | head -n 1)"
	refused 'is not there\|missing' share_step manifest PACKAGES=other MANIFEST=other.modhash
	packager "$SHARE/make" rm -rf other
	packager "$SHARE/make" cp -R root other
	strip --strip-debug "$(find "$SHARE/make/other" -name '*.ko' | head -n 1)"
	refused '^modhash: error: proof: kernel/' share_step manifest PACKAGES=other MANIFEST=other.modhash
	[ ! -e "$SHARE/make/other.modhash" ]
}

# refused REGEX COMMAND…: it fails, and says so.
refused() {
	local regex=$1
	shift
	if "$@" >"$WORK/out" 2>&1; then fail "it did not fail: $*"; fi
	grep -q -e "$regex" "$WORK/out" || fail "it says: $(tail -n 3 "$WORK/out")"
}

# share_certificate: missing, another, with a key, in the headers: nothing goes on.
share_certificate() {
	local pair=$SHARE/make/pair.pem
	refused 'the certificate /nowhere.pem is missing: it is a source of this build, and is never made by it' \
		share_step config CERTIFICATE=/nowhere.pem
	refused 'is missing' share_step build CERTIFICATE=/nowhere.pem
	refused 'CERTIFICATE is not set' share_step config CERTIFICATE=
	cat "$ROOT_DIR/testdata/keys/throwaway-a.crt" "$ROOT_DIR/testdata/keys/throwaway-a.key" >"$pair"
	refused 'is not a PEM file of certificates and nothing else' share_step config CERTIFICATE="$pair"
	cp "$ROOT_DIR/testdata/keys/throwaway-a.crt" "$SHARE/make/other.pem"
	refused 'differ' share_step build CERTIFICATE="$SHARE/make/other.pem"
	refused 'NOT verified: .*certificate' share_step manifest PACKAGES=root MANIFEST=x.modhash CERTIFICATE="$SHARE/make/other.pem"
	cp "$pair" "$SHARE/make/headers/certs/signing_key.pem"
	refused 'the headers hold headers/certs/signing_key.pem, which may be a private key' share_step headers HEADERS=headers
	rm "$SHARE/make/headers/certs/signing_key.pem" "$pair"
	refused 'SOURCE_DATE_EPOCH is not set' share_step config SOURCE_DATE_EPOCH=
}

# share_lint: what cannot be built again is not built.
share_lint() {
	share_unpack
	refused 'randstruct\|gcc-plugin\|debug-info\|module-sig\|localversion\|warning\|error' \
		share_step config KEDITS='--set LOCALVERSION_AUTO=y'
}

share_arch() {
	local package
	share_folder arch
	cp "$SHARE"/sources/* "$ROOT_DIR/kbuild/share/arch/PKGBUILD" "$SHARE/arch/"
	packager "$SHARE/arch" makepkg --printsrcinfo >"$WORK/out"
	says 'pkgbase = linux-modhash' '	source = oot.pem' 'pkgname = linux-modhash-headers'
	# What updpkgsums does.
	share_makepkg --geninteg >"$WORK/sums"
	sed -i -e '/^sha256sums=()/{r '"$WORK/sums" -e 'd}' \
		-e "s,/usr/share/modhash,$SHARE/installed&," "$SHARE/arch/PKGBUILD"
	share_makepkg --nodeps
	package=linux-modhash-$SHARE_VERSION-1-x86_64.pkg.tar.zst
	packager "$SHARE/arch" make -f "$SHARE/installed/usr/share/modhash/kernel/modhash.mk" manifest \
		KSOURCE="src/linux-$SHARE_VERSION" CERTIFICATE=oot.pem PACKAGES="$package" >"$WORK/out"
	says 'verified: all ' '  admits  '
	tar -tf "$SHARE/arch/linux-modhash-headers-$SHARE_VERSION-1-x86_64.pkg.tar.zst" |
		grep -x "usr/lib/modules/$SHARE_RELEASE/build/certs/oot.pem" >/dev/null
	# The certificate is pinned.
	cp "$ROOT_DIR/testdata/keys/throwaway-a.crt" "$SHARE/arch/oot.pem"
	refused 'oot.pem ... FAILED' share_makepkg --nodeps --force
}

share_makepkg() {
	packager "$SHARE/arch" env PKGEXT=.pkg.tar.zst CARCH=x86_64 PACKAGER=modhash SOURCE_DATE_EPOCH=1767225600 makepkg "$@"
}

share_debian() {
	local dir=$SHARE/debian/linux-$SHARE_VERSION
	share_folder debian
	packager "$SHARE/debian" tar -xf "$SHARE/sources/linux-$SHARE_VERSION.tar.xz"
	mkdir -p "$dir/debian/certs"
	cp "$ROOT_DIR/kbuild/share/debian/rules" "$dir/debian/rules"
	cp "$SHARE/sources/config" "$dir/debian/config"
	cp "$SHARE/sources/oot.pem" "$dir/debian/certs/"
	printf '%s\n\n' "linux-own ($SHARE_RELEASE-1) unstable; urgency=low" '  * A build.' \
		' -- nobody <nobody@example.org>  Thu, 01 Jan 2026 00:00:00 +0000' >"$dir/debian/changelog"
	printf '%s\n' 'Source: linux-own' 'Maintainer: nobody <nobody@example.org>' 'Build-Depends: debhelper-compat (= 13), modhash' \
		'Rules-Requires-Root: no' '' "Package: linux-image-$SHARE_RELEASE" 'Architecture: amd64' 'Description: a kernel' '' \
		"Package: linux-headers-$SHARE_RELEASE" 'Architecture: amd64' 'Description: its headers' >"$dir/debian/control"
	[ "$(id -u)" != 0 ] || chown -R modhash-build: "$dir/debian"
	packager "$dir" env MODHASH_MK="$SHARE/installed/usr/share/modhash/kernel/modhash.mk" \
		dpkg-buildpackage -b -us -uc -d >"$WORK/out" 2>"$WORK/err" || fail "$(tail -n 5 "$WORK/out" "$WORK/err")"
	says 'verified: all ' '  admits  '
	expect 0 '^verified: all' mh verify "$SHARE/debian/linux-image-${SHARE_RELEASE}_$SHARE_RELEASE-1_amd64.modhash" \
		"$SHARE/debian/linux-image-${SHARE_RELEASE}_$SHARE_RELEASE-1_amd64.deb"
	dpkg-deb -c "$SHARE/debian/linux-headers-${SHARE_RELEASE}_$SHARE_RELEASE-1_amd64.deb" | grep '/build/certs/oot.pem$' >/dev/null # all is read
	rm "$dir/debian/certs/oot.pem"
	refused 'is missing: it is a source of this build' packager "$dir" \
		env MODHASH_MK="$SHARE/installed/usr/share/modhash/kernel/modhash.mk" dpkg-buildpackage -b -us -uc -d
}

share_rpm() {
	local spec=$ROOT_DIR/kbuild/share/rpm/kernel-modhash.spec package
	share_folder rpm/SOURCES
	cp "$SHARE"/sources/* "$SHARE/rpm/SOURCES/"
	cp "$spec" "$SHARE/rpm/"
	[ "$(id -u)" != 0 ] || chown -R modhash-build: "$SHARE/rpm"
	rpmspec -P "$spec" >"$WORK/out"
	says "make run-command KBUILD_RUN_COMMAND='\$(srctree)/scripts/package/install-extmod-build"
	share_rpmbuild -bb --noclean kernel-modhash.spec >"$WORK/out" 2>&1 || fail "$(tail -n 5 "$WORK/out")"
	package=RPMS/x86_64/kernel-modhash-$SHARE_VERSION-1.x86_64.rpm
	packager "$SHARE/rpm" make -f "$SHARE/installed/usr/share/modhash/kernel/modhash.mk" manifest \
		KSOURCE="BUILD/linux-$SHARE_VERSION" CERTIFICATE=SOURCES/oot.pem PACKAGES="$package" >"$WORK/out"
	says 'verified: all ' '  admits  '
	rpm -qlp "$SHARE/rpm/RPMS/x86_64/kernel-modhash-devel-$SHARE_VERSION-1.x86_64.rpm" | grep '/build/certs/oot.pem$' >/dev/null # all is read
	rm "$SHARE/rpm/SOURCES/oot.pem"
	refused 'oot.pem' share_rpmbuild -bb --noclean kernel-modhash.spec
}

share_rpmbuild() {
	packager "$SHARE/rpm" rpmbuild --nodeps --define "_topdir $SHARE/rpm" --define "_datadir $SHARE/installed/usr/share" \
		--define "krelease $SHARE_RELEASE" "$@"
}

# share_nix: Nix reads the derivation, and its phases are run without Nix.
share_nix() {
	local nix=$WORK/nix
	share_unpack
	rm -rf "$nix"
	mkdir "$nix"
	env HOME="$nix" NIX_STORE_DIR="$nix/store" NIX_STATE_DIR="$nix/state" NIX_LOG_DIR="$nix/log" NIX_CONF_DIR="$nix/etc" \
		nix-instantiate --eval --strict --json --argstr derivation "$ROOT_DIR/kbuild/share/nix/default.nix" \
		--argstr modhash "$SHARE/installed/usr" --argstr configfile "$SHARE/sources/config" \
		--argstr certificate "$SHARE/sources/oot.pem" "$E2E_DIR/share/phases.nix" 2>"$WORK/err" |
		python3 -c 'import json, sys; sys.stdout.write(json.load(sys.stdin))' >"$SHARE/make/phases.sh" || fail "$(tail -n 3 "$WORK/err")"
	packager "$SHARE/make/linux-$SHARE_VERSION" env out="$SHARE/make/out" dev="$SHARE/make/dev" NIX_BUILD_CORES=2 \
		bash -euo pipefail ../phases.sh >"$WORK/out"
	says 'verified: all ' '  admits  '
	cmp "$SHARE/sources/oot.pem" "$SHARE/make/dev/lib/modules/$SHARE_RELEASE/build/certs/oot.pem"
}

# share_kernel: three commands, and what they refuse.
share_kernel() {
	share_folder kernel
	cp "$SHARE"/sources/{config,oot.pem,linux-*.tar.xz} "$SHARE/kernel/"
	sed -e "s,^SOURCE=.*,SOURCE=linux-$SHARE_VERSION.tar.xz," -e 's,^PATCHES=.*,PATCHES=(),' \
		"$SHARE/installed/usr/share/modhash/kernel/kernel.conf" >"$SHARE/kernel/kernel.conf"
	refused 'there is no source yet: modhash-kernel update' packager "$SHARE/kernel" modhash-kernel build
	packager "$SHARE/kernel" modhash-kernel update
	refused 'there are no two equal builds yet: modhash-kernel build' packager "$SHARE/kernel" modhash-kernel package
	packager "$SHARE/kernel" modhash-kernel build >"$WORK/out"
	says 'identical: '
	packager "$SHARE/kernel" modhash-kernel package >"$WORK/out"
	says 'verified: all ' '  admits  ' "packages/linux-image-${SHARE_RELEASE}_1_amd64.deb.modhash"
	# One of the builds has become another.
	touch "$SHARE/built/differs"
	refused 'differ' packager "$SHARE/kernel" modhash-kernel build
	rm "$SHARE/built/differs"
	refused 'there are no two equal builds yet' packager "$SHARE/kernel" modhash-kernel package
	rm "$SHARE/kernel/oot.pem"
	refused 'is missing: it is a source of this build' packager "$SHARE/kernel" modhash-kernel update
}
