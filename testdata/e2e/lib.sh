# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Shared by the scripts of this folder: messages, the cache folder, tools, and
# an apt of their own that needs no root and touches nothing of the machine's.
# Source it from bash after `set -euo pipefail`.
#
# The cache, ${MODHASH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/modhash}:
#
#   apt/         state, lists and settings of the scripts' own apt
#   deb/         packages as the distribution ships them
#   corpus.tsv   what deb/ holds: role, package, version, architecture, size in
#                bytes, SHA-256, file, state (newest, committed or older)
#   kernels/KEY/ what kernels.sh built, see there
#   pe/KEY/      the EFI image made by kernels.sh
#   tmp.*        work in progress; removed at the next start if left behind

# Names of files, sorting and dates must not depend on who runs this.
export LC_ALL=C
export TZ=UTC
unset MAKEFLAGS MAKELEVEL MFLAGS
umask 022

E2E_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT_DIR=$(cd "$E2E_DIR/../.." && pwd)
GOLDEN_DIR=$ROOT_DIR/testdata/golden/manifests
CACHE=${MODHASH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/modhash}
CORPUS=$CACHE/corpus.tsv
export ROOT_DIR GOLDEN_DIR CORPUS

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() {
	say "error: $*"
	exit 1
}

# Work in progress lies in folders listed here and goes when the script does.
SCRATCH=()
scratch_clean() {
	local d
	for d in ${SCRATCH[@]+"${SCRATCH[@]}"}; do
		# An unpacked package may hold folders without the write bit.
		chmod -R u+w "$d" 2>/dev/null || true
		rm -rf "$d"
	done
}
trap scratch_clean EXIT
trap 'say "hung up"; exit 129' HUP
trap 'say interrupted; exit 130' INT
trap 'say terminated; exit 143' TERM

# scratch VAR [PARENT]: make a folder that is removed at exit, its path in VAR.
# (A command substitution would lose the entry in SCRATCH.)
scratch() {
	local made
	made=$(mktemp -d "${2:-$CACHE}/tmp.modhash.XXXXXX")
	SCRATCH+=("$made")
	printf -v "$1" '%s' "$made"
}

# cache_open: make the cache and take its lock for the rest of the script, so
# that two runs at a time neither mix their files nor remove each other's.
cache_open() {
	mkdir -p "$CACHE/deb"
	command -v flock >/dev/null || die "flock is missing: install util-linux"
	exec 9>"$CACHE/lock"
	if ! flock -n 9; then
		say "waiting for another run to let go of $CACHE"
		flock -w 3600 9 || die "$CACHE has been locked for an hour"
	fi
	rm -rf "$CACHE"/tmp.modhash.*
}

# sha256_is FILE HEX
sha256_is() {
	local sum
	[ -f "$1" ] || return 1
	sum=$(sha256sum <"$1")
	[ "${sum%% *}" = "$2" ]
}

# retry N COMMAND…: run it until it succeeds, N times at most, pausing longer
# each time.
retry() {
	local n=$1 i
	shift
	for ((i = 1; ; i++)); do
		if "$@"; then return 0; fi
		[ "$i" -lt "$n" ] || return 1
		say "try $i of $n failed: $*"
		sleep $((i * 3))
	done
}

# need_packages PACKAGE…: install what is missing. What cannot be installed
# ends the script: a check that did not run must not look like one that passed.
need_packages() {
	local p missing=()
	for p in "$@"; do
		case $(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || true) in
		installed) ;;
		*) missing+=("$p") ;;
		esac
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" = 0 ] || die "these packages are missing, install them as root: ${missing[*]}"
	say "installing ${missing[*]}"
	retry 3 apt-get -qq -o DPkg::Lock::Timeout=300 update >&2 ||
		die "apt-get update failed; needed: ${missing[*]}"
	DEBIAN_FRONTEND=noninteractive retry 3 apt-get -qq -y --no-install-recommends \
		-o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install "${missing[@]}" \
		>"$CACHE/install.log" 2>&1 || {
		tail -n 20 "$CACHE/install.log" >&2
		die "could not install ${missing[*]}"
	}
}

# --- the scripts' own apt ---------------------------------------------------

# mirror KIND: the URI that this machine's apt has for the distribution's main
# archive (KIND main) or its security archive (KIND security).
mirror() {
	local found
	# shellcheck disable=SC2016 # apt fills these in, not the shell
	found=$(apt-get indextargets --no-release-info \
		--format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
		awk -v kind="$1" '
			kind == "security" && $2 ~ /-security$/ { print $1; exit }
			kind == "main" && $2 ~ /^(bookworm|trixie|forky|sid|oldstable|stable|testing|unstable)$/ { print $1; exit }')
	[ -n "$found" ] || die "no $1 archive of Debian among this machine's apt sources"
	printf '%s\n' "$found"
}

# apt_setup: write the settings. The machine's own apt.conf.d is left out on
# purpose (it may hold hooks that want root), except how to reach the mirror.
apt_setup() {
	local apt=$CACHE/apt keyring=/usr/share/keyrings/debian-archive-keyring.gpg main security
	[ -f "$keyring" ] || die "$keyring is missing: install debian-archive-keyring"
	main=$(mirror main)
	security=$(mirror security)
	mkdir -p "$apt/none" "$apt/state/lists/partial" "$apt/cache/archives/partial"
	cat >"$apt/apt.conf" <<-END
		Dir::Etc::main "/dev/null";
		Dir::Etc::parts "$apt/none";
		Dir::Etc::sourcelist "$apt/debian.sources";
		Dir::Etc::sourceparts "$apt/none";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "$apt/none";
		Dir::State "$apt/state";
		Dir::State::status "/dev/null";
		Dir::Cache "$apt/cache";
		APT::Architecture "amd64";
		APT::Architectures { "amd64"; "arm64"; };
		APT::Sandbox::User "$(id -un)";
		APT::Update::Error-Mode "any";
		Acquire::Languages "none";
		Acquire::Retries "3";
		Acquire::http::Timeout "30";
		Acquire::https::Timeout "30";
	END
	# Without APT_CONFIG: these are the machine's settings.
	apt-config dump | grep -Ei '^Acquire::(http|https|ftp|tor)::.*(proxy|verify|ca|ssl|user-agent)' \
		>>"$apt/apt.conf" || true
	# An unstable release goes unsigned in time (Valid-Until) long before it
	# stops being useful here; who signed it is checked all the same.
	cat >"$apt/debian.sources" <<-END
		Types: deb
		URIs: $main
		Suites: bookworm
		Components: main
		Architectures: amd64 arm64
		Signed-By: $keyring

		Types: deb
		URIs: $security
		Suites: bookworm-security
		Components: main
		Architectures: amd64 arm64
		Check-Valid-Until: no
		Signed-By: $keyring

		Types: deb
		URIs: $main
		Suites: unstable
		Components: main
		Architectures: amd64
		Check-Valid-Until: no
		Signed-By: $keyring

		Types: deb
		URIs: $main
		Suites: experimental
		Components: main
		Architectures: amd64
		Check-Valid-Until: no
		Signed-By: $keyring
	END
}

own_apt() {
	local tool=$1
	shift
	APT_CONFIG=$CACHE/apt/apt.conf "$tool" -qq "$@"
}

# index_update: fetch the signed indices and pick the kernel packages out of
# them, as INDEX: package, version, architecture, size, SHA-256, dependencies;
# and OpenSSL with what it needs. Kernels of "experimental" are left out.
# (One pass: asking apt-cache some fifty times takes half a second each.)
# Fails when the mirror does not answer.
INDEX=$CACHE/apt/linux.tsv
index_update() {
	retry 3 own_apt apt-get update >&2 || return 1
	{
		index_packages 'linux-.*' -v experimental
		index_packages 'openssl|libssl[0-9a-z]+|libc6|zlib1g|libzstd1' .
	} | sort -t $'\t' -k1,1 -k2,2rV -k3,3 -u >"$INDEX"
}

# index_packages REGEX GREP…: the packages with such names, out of the indices of
# the releases that grep finds.
index_packages() {
	local names=$1
	shift
	# shellcheck disable=SC2016 # apt fills this in, not the shell
	own_apt apt-get indextargets --format '$(RELEASE) $(FILENAME)' 'Created-By: Packages' |
		grep "$@" | cut -d ' ' -f 2- |
		APT_CONFIG=$CACHE/apt/apt.conf xargs -d '\n' /usr/lib/apt/apt-helper cat-file |
		awk -v RS= -F '\n' -v OFS='\t' -v names="^Package: ($names)\$" '
			$1 !~ names { next }
			{
				split("", field)
				for (i = 1; i <= NF; i++) {
					colon = index($i, ": ")
					field[substr($i, 1, colon - 1)] = substr($i, colon + 2)
				}
				print field["Package"], field["Version"], field["Architecture"],
					field["Size"], field["SHA256"], field["Depends"]
			}'
}

# index_names REGEX: names in the index that match, highest first.
index_names() { cut -f 1 "$INDEX" | grep -Ex "$1" | sort -ruV; }

# index_record PACKAGE ARCH [VERSION]: the line of INDEX, of the highest version
# unless one is given. Prints nothing when there is none.
index_record() {
	awk -F '\t' -v package="$1" -v arch="$2" -v version="${3:-}" '
		$1 == package && ($3 == arch || $3 == "all") && (version == "" || $2 == version) { print; exit }
		' "$INDEX"
}

# index_version PACKAGE ARCH
index_version() { index_record "$1" "$2" | cut -f 2; }

# fetch_row ROLE PACKAGE ARCH VERSION STATE: bring a package into deb/, unless
# it is there with the SHA-256 that the signed index names, and print its row
# for corpus.tsv.
fetch_row() {
	local role=$1 package=$2 arch=$3 version=$4 state=$5 size sum real file tmp
	IFS=$'\t' read -r _ _ real size sum _ < <(index_record "$package" "$arch" "$version") ||
		die "the index has no $package $version for $arch"
	file=${package}_${version//:/%3a}_$real.deb
	if ! sha256_is "$CACHE/deb/$file" "$sum"; then
		say "downloading $file, $size bytes"
		scratch tmp
		retry 3 download_into "$tmp" "$package:$arch=$version" "$file" "$sum" ||
			die "could not download $file"
		mv -f "$tmp/$file" "$CACHE/deb/$file"
	fi
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' \
		"$role" "$package" "$version" "$real" "$size" "$sum" "$file" "$state"
}

# download_into FOLDER NAME:ARCH=VERSION FILE SHA256
download_into() {
	rm -f "$1"/*
	(cd "$1" && own_apt apt-get download "$2") >&2 || return 1
	sha256_is "$1/$3" "$4" || {
		say "$3 is not what the signed index describes"
		return 1
	}
}

# --- reading corpus.tsv -----------------------------------------------------

# corpus_file ROLE: path of the newest package of that role.
corpus_file() {
	local file
	file=$(awk -F '\t' -v role="$1" '$1 == role && $8 == "newest" { print $7 }' "$CORPUS")
	[ -n "$file" ] || die "$CORPUS names no package for $1: run corpus.sh"
	printf '%s\n' "$CACHE/deb/$file"
}

# corpus_version ROLE
corpus_version() {
	awk -F '\t' -v role="$1" '$1 == role && $8 == "newest" { print $3 }' "$CORPUS"
}
