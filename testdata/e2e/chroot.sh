# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Small systems of other releases of the distribution, for tools that this machine
# does not have. Sourced after lib.sh.
#
# The cache keeps each as chroot/SUITE-PACKAGE-KEY.tar.zst, after the first package, KEY
# made of the versions of what is in it; when one of them changes, a new one takes its
# place. apt checks what goes
# in by the signed index of the mirror.

CHROOT_PACKAGES=(mmdebstrap tar util-linux zstd)

# chroot_unpack FOLDER SUITE PACKAGE…: such a system with these packages, in FOLDER.
chroot_unpack() {
	local folder=$1 suite=$2 name key archive tmp start=$SECONDS
	shift 2
	key=$(chroot_key "$suite" "$@")
	name=$suite-$1
	archive=$CACHE/chroot/$name-$key.tar.zst
	if [ ! -f "$archive" ]; then
		[ "$(id -u)" = 0 ] || die "a system of $suite can only be made by root"
		mkdir -p "$CACHE/chroot"
		scratch tmp
		chroot_sources "$suite" >"$tmp/sources.list"
		grep '^Acquire::' "$CACHE/apt/apt.conf" >"$tmp/apt.conf"
		printf '%s\n' 'Acquire::Check-Valid-Until "false";' 'APT::Install-Recommends "false";' >>"$tmp/apt.conf"
		# mmdebstrap may not look into our cache otherwise.
		chmod 755 "$tmp"
		retry 3 mmdebstrap --quiet --mode=root --variant=apt --format=tar --aptopt="$tmp/apt.conf" \
			--include="$(IFS=,; printf '%s' "$*")" "$suite" "$tmp/system.tar" "$tmp/sources.list" >&2 ||
			die "could not make a system of $suite with $*"
		zstd -q -T0 -3 "$tmp/system.tar" -o "$tmp/system.tar.zst"
		rm -f "$CACHE/chroot/$name"-*.tar.zst
		mv "$tmp/system.tar.zst" "$archive"
		say "making a system of $suite: $((SECONDS - start)) s"
	fi
	mkdir -p "$folder"
	tar --zstd --numeric-owner -xpf "$archive" -C "$folder"
}

# chroot_key SUITE PACKAGE…
chroot_key() {
	local suite=$1
	shift
	own_apt apt-cache madison "$@" | awk -F ' *[|] *' -v suite="$suite" '
		index($3, " " suite "/") || index($3, " " suite "-security/") { print $1, $2 }' |
		LC_ALL=C sort -u | sha256sum | cut -c 1-16
}

# chroot_sources SUITE: lines of a sources.list.
chroot_sources() {
	printf 'deb %s %s main\n' "$(mirror main)" "$1"
	[ "$1" = unstable ] || printf 'deb %s %s-security main\n' "$(mirror security)" "$1"
}

# in_chroot FOLDER COMMAND…: as root in there. The mounts go with the command.
in_chroot() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	unshare --mount --propagation private -- sh -c '
		mount -t proc proc "$1/proc" && root=$1 && shift && exec chroot "$root" env -i \
			PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C TZ=UTC "$@"' in_chroot "$@" 9>&-
}
