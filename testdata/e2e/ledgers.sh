# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Checks of how `modhash diff` accounts for differing bytes. Sourced by run.sh,
# after the trees of generate.sh are made.

# resigned TREE COPY: with the modules signed by the throw-away key.
resigned() {
	copy "$1" "$2"
	mh sign --replace --break-links --hash sha256 --key "$SPARE/key.pem" --cert "$SPARE/cert.pem" "$2" >"$WORK/resigned.log"
}

# one_cause A B ID: all modules differ by one cause, and by what follows from it;
# the report says so in its first KiB.
one_cause() {
	local rc=0
	mh diff "$1" "$2" >"$WORK/report" || rc=$?
	[ "$rc" = 1 ] || fail "exit code $rc"
	head -c 1024 "$WORK/report" | sed '/^$/q' >"$WORK/start"
	grep -Eq '^why: ([0-9,]+) of \1 modules explained without any change of content$' "$WORK/start" || fail "$(sed -n 4,6p "$WORK/report")"
	[ "$(grep -Ec '^ {1,8}[0-9,]+  [a-z.-]+: ' "$WORK/start")" = 1 ] || fail "not one cause: $(sed -n 4,9p "$WORK/report")"
	grep -Eq "^ +[0-9,]+  $3: " "$WORK/start" || fail "$(sed -n 5p "$WORK/report")"
}

# accounted: real modules both ways round, tampered with by the thousand, and
# signed again.
accounted() {
	go -C "$ROOT_DIR" build -trimpath -buildvcs=false -o "$WORK/ledgers" ./testdata/e2e/ledgers
	check ledgers/mirror "$WORK/ledgers" mirror 400 "$WORK/amd64-6.1/tree" "$WORK/amd64-6.12/tree"
	check ledgers/tamper "$WORK/ledgers" tamper 10000 "$WORK/amd64-6.1/tree"
	check ledgers/resigned resigned "$WORK/amd64-6.1/tree" "$WORK/resigned"
	check ledgers/one-cause one_cause "$WORK/amd64-6.1/tree" "$WORK/resigned" signature.key
	rm -rf "$WORK/resigned"
}
