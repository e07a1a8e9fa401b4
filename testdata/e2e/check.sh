# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# How run.sh checks. Sourced after lib.sh. WORK is its folder for all that is
# temporary, PROG the program under test with what runs it.

WORK=
PROG=() # set in run.sh and generate.sh
PASSED=0
FAILED=0

# check NAME COMMAND…: one line of the report. The command runs in a shell of
# its own, where the first thing to fail ends it; what it prints is the reason.
check() {
	local name=$1 log rc start=$SECONDS
	shift
	log=$WORK/check.log
	set +e
	(
		set -eE -o pipefail
		trap 'failed_at "$BASH_COMMAND"' ERR
		"$@"
	) >"$log" 2>&1 </dev/null
	rc=$?
	set -e
	if [ "$rc" = 0 ]; then
		PASSED=$((PASSED + 1))
		printf 'ok %s\n' "$name"
	else
		FAILED=$((FAILED + 1))
		printf 'FAIL %s: %s\n' "$name" "$(reason "$log" "$rc")"
		tail -n 30 "$log" | sed 's/^/    /' >&2
	fi
	if [ -n "${MODHASH_E2E_TIMES:-}" ]; then say "$name: $((SECONDS - start)) s"; fi
}

# failed_at COMMAND: its first line.
failed_at() { printf 'failed: %s\n' "${1%%$'\n'*}"; }

# reason LOG CODE: the end of what a failed check printed, as one line.
reason() {
	local text
	text=$(tail -n 2 "$1" | tr '\n' ' ' | sed "s,$WORK/,,g; s/ *$//" | cut -c 1-400)
	printf '%s' "${text:-exit code $2}"
}

# fail TEXT…: end the check with a reason.
fail() {
	printf '%s\n' "$*"
	exit 1
}

# mh ARGUMENT…: run the program. What it leaves in its folder for temporary files
# is noticed at the end of run.sh.
mh() { TMPDIR=$WORK/tmp "${PROG[@]}" "$@"; }

# expect CODE REGEX COMMAND…: the exit code, and the verdict: the first line of
# standard output. The output stays in WORK/out and WORK/err.
expect() {
	local code=$1 verdict=$2 rc=0 first
	shift 2
	"$@" >"$WORK/out" 2>"$WORK/err" || rc=$?
	first=$(sed -n 1p "$WORK/out")
	if [ "$rc" != "$code" ]; then
		tail -n 5 "$WORK/err"
		fail "exit code $rc instead of $code, verdict: $first, of: $*"
	fi
	[[ $first =~ $verdict ]] || fail "the verdict is: $first, it should match: $verdict, of: $*"
	[ "$code" != 0 ] || [ ! -s "$WORK/err" ] || fail "exit code 0, but it says: $(cat "$WORK/err")"
}

# says TEXT…: each of them is in the output of the last expect.
says() {
	local text
	for text in "$@"; do
		grep -qF -e "$text" "$WORK/out" || fail "the report does not say: $text"
	done
}

# generates MANIFEST ARGUMENT…: generate writes just that.
generates() {
	local want=$1
	shift
	expect 0 '^# modhash manifest v1$' mh generate "$@"
	cmp "$want" "$WORK/out"
}
