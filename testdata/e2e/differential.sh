# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Checks of signatures that were changed at random, by the hundred thousand, against
# the kernel's own code and against OpenSSL. Sourced by run.sh after images.sh, which
# leaves the sources of the distribution's kernel in WORK/ksrc.

# shellcheck disable=SC2034 # run.sh installs them
DIFFERENTIAL_PACKAGES=(gcc libc6-dev libssl-dev linux-libc-dev perl)

# oracles: the kernel's own parser, verification and trust as a program, and OpenSSL's.
oracles() {
	local source=$ROOT_DIR/modsig/testdata/oracle
	sh "$source/build.sh" "$WORK/ksrc" "$WORK/oracle"
	gcc -O1 -Wall -o "$WORK/cms" "$source/cms.c" -lcrypto
}

# modsig_test NAME VARIABLE…: a test of package modsig. It must have run.
modsig_test() {
	local name=$1
	shift
	env "$@" go -C "$ROOT_DIR" test -count=1 -run "^$name\$" -v ./modsig >"$WORK/out" || {
		cut -c 1-200 "$WORK/out" | tail -n 20
		fail "$name failed"
	}
	grep -q -e "^--- PASS: $name " "$WORK/out" || fail "$name did not run"
	cut -c 1-200 "$WORK/out"
}

differential() {
	check differential/setup oracles
	check differential/kernel modsig_test TestOracle MODHASH_ORACLE="$WORK/oracle" MODHASH_ORACLE_RELEASE=6.12
	check differential/kernel/directed modsig_test TestDirected MODHASH_ORACLE="$WORK/oracle" MODHASH_ORACLE_RELEASE=6.12
	check differential/openssl modsig_test TestOpenSSL MODHASH_CMS="$WORK/cms"
}
