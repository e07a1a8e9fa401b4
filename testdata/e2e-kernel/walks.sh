# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Walks: what people with keys of their own type, from start to end, and what the
# kernels that they built say to their modules. Sourced after outside.sh and drive.sh;
# the walks are walk-arch.sh, walk-auxiliary.sh and walk-token.sh, where the lines
# between "person" and END are those that are typed.
#
# The person is the builder two, whose home TREES/two has the kernel's source in src
# and a build tree in build, of which a walk builds again what it changes. All that is
# made of keys and certificates goes at the end, and before the next run.

# shellcheck source-path=SCRIPTDIR source=walk-arch.sh
. "$KERNEL_DIR/walk-arch.sh"
# shellcheck source-path=SCRIPTDIR source=walk-auxiliary.sh
. "$KERNEL_DIR/walk-auxiliary.sh"
# shellcheck source-path=SCRIPTDIR source=walk-token.sh
. "$KERNEL_DIR/walk-token.sh"

# What the walks need besides.
WALK_PACKAGES=(libengine-pkcs11-openssl opensc softhsm2)

# The person's home.
WALKER=

# walks_clean: nothing is left of walks.
walks_clean() {
	local home=$TREES/two
	rm -rf "$home/private" "$home/split" "$home/token" "$home/outside" "$home/given" "$home/typed" \
		"$home/headers" "$home"/root.* "$home/src/certs-local" "$home"/src/config.*
	rm -f "$home"/src/certs/{trusted-keys,revoked-keys,auxiliary,token}.pem "$home"/build/certs/{signing_key.pem,x509.genkey}
	token_restore
}

# walk_begin CHECKS: a walk starts with the source as it was unpacked, which is the
# person's own now, and with a kernel's config, see config_checks.
walk_begin() {
	walks_clean
	kernel_configure two "$1" none
	# What the walk makes of it is none that run.sh knows.
	rm -f "$TREES/two/build/wanted.config"
	[ "$(id -u)" != 0 ] || chown "$(builder_of two):" "$TREES/two/src" "$TREES/two/src/certs"
	mkdir "$TREES/two/given"
	install -D -m 755 "$MODHASH" "$TREES/bin/person/modhash"
	cp -r "$KERNEL_DIR/outside" "$KERNEL_DIR/walk" "$TREES/two/"
	own two "$TREES/two/outside"
	own two "$TREES/two/given"
}

# person [NAME=VALUE…]: what standard input says is typed, at home. What is typed and
# what is answered stays in WORK/log.
person() {
	cat >"$TREES/two/typed"
	logged as_builder two env PATH="$TREES/bin/person:/usr/sbin:/usr/bin:/sbin:/bin" MAKEFLAGS="-j$JOBS" \
		DEB_BUILD_OPTIONS="parallel=$JOBS terse" DEBFULLNAME=modhash DEBEMAIL=modhash@example.org "$@" \
		bash -euxo pipefail typed </dev/null || {
		tail -n 30 "$WORK/log"
		fail "this did not work: $(grep '^+' "$WORK/log" | tail -n 1)"
	}
}

# told LINE…: a line of the last answers begins so.
told() {
	local line
	for line in "$@"; do
		awk -v line="$line" 'index($0, line) == 1 { found = 1 } END { exit !found }' "$WORK/log" ||
			fail "it does not say: $line"
	done
}

# given NAME [KEY CERTIFICATE]: the module from elsewhere among those that the kernel
# is given, signed by that key.
given() {
	local file=$WALKER/given/$1.ko
	cp "$WALKER/outside/outside.ko" "$file"
	[ $# = 1 ] || {
		install -m 600 "$2" "$WORK/key"
		mh -q sign --hash sha256 --no-sync --key "$WORK/key" --cert "$3" "$file"
	}
}

# walk_boots KERNEL IMAGE MODLIB: what the kernel says to the modules of MODLIB, and
# then to those that it is given, in each mode; check-load says the same. What is in
# its /proc/keys stays in WORK/KERNEL.keys.
walk_boots() {
	local kernel=$1 image=$2 folder=$WORK/$1 build=$WALKER/build
	cases_of "$folder" outside "$build" "$3" outside="$WALKER/given"
	ask "$kernel" "$image" "$folder"
	sed -n 's/^@key\t//p' "$folder.sig_enforce.lines" >"$folder.keys"
	python3 "$KERNEL_DIR/predict.py" "$MODHASH" "$image" "$build/.config" "$build/Module.symvers" \
		"$folder" "$folder.tsv" --system-map "$build/System.map"
}

# answered KERNEL COUNT REGEX ERRNO: the kernel that enforces said so to each of COUNT
# modules with such names.
answered() {
	awk -F '\t' -v want="$4" -v count="$2" -v name="^($3)\$" '
		$2 !~ name { next }
		{ n++ }
		$7 != want { print "not", want ":", $0; bad = 1 }
		END {
			if (n != count) { print n + 0, "modules, not", count; bad = 1 }
			exit bad
		}' "$WORK/$1.tsv"
}

# The names of the kernel's own modules; those that are given begin with o-.
IN_TREE='[^o].*[.]ko'

walk_checks() {
	WALKER=$TREES/two
	arch_walk
	auxiliary_walk
	token_walk
	walks_clean
}
