#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Downloads real kernels, as Debian ships them, into the cache (see lib.sh),
# through apt, without root. What is newest on the mirror is looked up, never
# written down; a new version is followed, and the older files stay.
#
# Roles in corpus.tsv:
#
#   amd64-6.1    amd64-6.1-unsigned     Debian 12's own kernel, plain .ko
#   amd64-6.12   amd64-6.12-unsigned    the newer one, .ko.xz
#   arm64-6.12                          another architecture
#   amd64-split-{image,base,binary,modules}, amd64-split-binary-unsigned
#                                       unstable: one kernel in several packages
#   kbuild-6.12                         the distribution's sign-file
#   source-6.12                         the kernel's source, for kernels.sh
#   openssl, openssl-{libssl,libc6,zlib1g,libzstd1}
#                                       the newest that Debian has, to be run
#                                       beside the machine's
#   source-6.1, source-split            that of the others, for kconfig.sh
#
# Packages whose manifest is committed (testdata/golden/manifests) are fetched
# too while the mirror has them; their state is "committed".
#
# Without a mirror, a cache that is complete by its corpus.tsv is good enough.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ARCHES='amd64|arm64'

# twins REGEX ARCH OTHER…: the highest package name matching REGEX for which
# the index also has NAME with each of the endings OTHER, in the same version.
# A signed package is published after its unsigned twin, so the highest name
# alone may have none yet.
twins() {
	local regex=$1 arch=$2 name version ending
	shift 2
	while read -r name; do
		version=$(index_version "$name" "$arch")
		[ -n "$version" ] || continue
		for ending in "$@"; do
			[ "$(index_version "$name$ending" "$arch")" = "$version" ] || continue 2
		done
		printf '%s %s\n' "$name" "$version"
		return 0
	done < <(index_names "$regex")
	die "the index has no package $regex for $arch"
}

# parts PACKAGE ARCH VERSION: packages that belong to this one, by its own word:
# those it depends on in its own version.
parts() {
	index_record "$1" "$2" "$3" | cut -f 6 | tr ',' '\n' |
		sed -n "s/^ *\(linux-[^ ]*\) (= \(.*\)) *\$/\1 \2/p" |
		awk -v version="$3" '$2 == version { print $1 }'
}

# whole ROLE PACKAGE ARCH VERSION STATE: rows of a kernel and its parts. The
# role of a part is ROLE and the part's kind: linux-modules-… is ROLE-modules.
whole() {
	local role=$1 package=$2 arch=$3 version=$4 state=$5 part kind list
	list=$(parts "$package" "$arch" "$version")
	fetch_row "$role${list:+-image}" "$package" "$arch" "$version" "$state"
	for part in $list; do
		kind=${part#linux-}
		fetch_row "$role-${kind%%-*}" "$part" "$arch" "$version" "$state"
	done
}

select_newest() {
	local name version
	read -r name version < <(twins 'linux-image-6\.1\.0-[0-9]+-amd64' amd64 -unsigned)
	fetch_row amd64-6.1 "$name" amd64 "$version" newest
	fetch_row amd64-6.1-unsigned "$name-unsigned" amd64 "$version" newest

	read -r name version < <(twins 'linux-image-6\.12\.[0-9]+\+deb12-amd64' amd64 -unsigned)
	fetch_row amd64-6.12 "$name" amd64 "$version" newest
	fetch_row amd64-6.12-unsigned "$name-unsigned" amd64 "$version" newest
	name=${name#linux-image-}
	fetch_row kbuild-6.12 "linux-kbuild-${name%-amd64}" amd64 "$version" newest

	read -r name version < <(twins 'linux-image-6\.12\.[0-9]+\+deb12-arm64' arm64)
	fetch_row arm64-6.12 "$name" arm64 "$version" newest

	read -r name version < <(twins 'linux-modules-[0-9][0-9.]*(~rc[0-9]+)?\+deb[0-9]+-amd64' amd64)
	name=${name#linux-modules-}
	whole amd64-split "linux-image-$name" amd64 "$version" newest
	fetch_row amd64-split-binary-unsigned "linux-binary-unsigned-$name" amd64 "$version" newest
	[[ $name =~ ^[0-9]+\.[0-9]+ ]]
	fetch_row source-split "linux-source-${BASH_REMATCH[0]}" amd64 "$version" newest

	read -r name version < <(twins linux-source-6.1 amd64)
	fetch_row source-6.1 "$name" amd64 "$version" newest

	read -r name version < <(twins linux-source-6.12 amd64)
	fetch_row source-6.12 "$name" amd64 "$version" newest

	select_openssl
}

# select_openssl: the program, the library that it says it needs, and the C
# library that this was built for.
select_openssl() {
	local version name
	version=$(index_version openssl amd64)
	fetch_row openssl openssl amd64 "$version" newest
	name=$(index_record openssl amd64 "$version" | cut -f 6 | grep -Eo 'libssl[0-9a-z]+')
	fetch_row openssl-libssl "$name" amd64 "$version" newest
	for name in libc6 zlib1g libzstd1; do
		fetch_row "openssl-$name" "$name" amd64 "$(index_version "$name" amd64)" newest
	done
}

# role_of PACKAGE ARCH VERSION: the role that an image package would have.
role_of() {
	case $1 in
	linux-image-6.1.*) printf '%s-6.1\n' "$2" ;;
	linux-image-6.12.*) printf '%s-6.12\n' "$2" ;;
	*) printf '%s-split\n' "$2" ;;
	esac
}

# select_committed NEWEST: rows of packages with a committed manifest that are
# not among the rows of the file NEWEST.
select_committed() {
	local manifest base name version arch
	for manifest in "$GOLDEN_DIR"/*.modhash; do
		[ -f "$manifest" ] || continue
		base=$(basename "$manifest" .modhash)
		[[ $base =~ ^([^_]+)_([^_]+)_($ARCHES)$ ]] ||
			die "$manifest is not named NAME_VERSION_ARCH.modhash"
		name=${BASH_REMATCH[1]} version=${BASH_REMATCH[2]} arch=${BASH_REMATCH[3]}
		if awk -F '\t' -v n="$name" -v v="$version" -v a="$arch" \
			'$2 == n && $3 == v && $4 == a { found = 1 } END { exit !found }' "$1"; then
			continue
		fi
		if [ -z "$(index_record "$name" "$arch" "$version")" ]; then
			say "the mirror no longer has $name $version"
			continue
		fi
		whole "$(role_of "$name" "$arch")" "$name" "$arch" "$version" committed
	done
}

# select_older ROWS: the previous corpus.tsv's rows whose file is still there
# and that ROWS does not name.
select_older() {
	local role package version arch size sum file
	[ -f "$CORPUS" ] || return 0
	while IFS=$'\t' read -r role package version arch size sum file _; do
		if [ ! -f "$CACHE/deb/$file" ] ||
			awk -F '\t' -v f="$file" '$7 == f { found = 1 } END { exit !found }' "$1"; then
			continue
		fi
		printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\tolder\n' \
			"$role" "$package" "$version" "$arch" "$size" "$sum" "$file"
	done <"$CORPUS"
}

# complete: is every package that corpus.tsv calls newest there and intact?
complete() {
	local role package version arch size sum file state n=0
	[ -f "$CORPUS" ] || return 1
	while IFS=$'\t' read -r role package version arch size sum file state; do
		[ "$state" = newest ] || continue
		sha256_is "$CACHE/deb/$file" "$sum" || {
			say "$file is missing or damaged"
			return 1
		}
		n=$((n + 1))
	done <"$CORPUS"
	[ "$n" -gt 0 ]
}

main() {
	local work
	cache_open
	command -v apt-get >/dev/null || die "apt-get is missing: this needs a Debian system"
	apt_setup
	if ! index_update; then
		complete || die "the mirror does not answer and the cache is not complete"
		say "the mirror does not answer: using the packages named in $CORPUS"
		return 0
	fi
	scratch work
	select_newest >"$work/newest"
	select_committed "$work/newest" >"$work/committed"
	cat "$work/newest" "$work/committed" >"$work/rows"
	select_older "$work/rows" >"$work/older"
	{
		printf '# role\tpackage\tversion\tarchitecture\tsize\tsha256\tfile\tstate\n'
		cat "$work/rows" "$work/older"
	} >"$work/corpus.tsv"
	mv -f "$work/corpus.tsv" "$CORPUS"
	awk -F '\t' '$8 == "newest" { n++; bytes += $5 }
		END { printf "corpus.sh: %d packages, %.0f MB\n", n, bytes / 1e6 }' "$CORPUS" >&2
}

main "$@"
