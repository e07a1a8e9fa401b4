#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What "make run" does: the main job, on the built-in sample builds or on BUILD
# and OTHER. modhash is the first one on PATH.
#
# usage: run.sh [BUILD [OTHER]]

set -euo pipefail

build=${1:-} other=${2:-}

step() { printf '\n$ modhash %s\n' "$*"; }

# say COMMAND…: runs modhash, shows the call, and passes its exit code on.
say() {
	local code=0
	step "$*"
	modhash "$@" || code=$?
	printf '(exit code %d)\n' "$code"
	return "$code"
}

# expect CODE COMMAND…: fails unless the exit code is the one.
expect() {
	local want=$1 code=0
	shift
	say "$@" || code=$?
	[ "$code" -eq "$want" ] || { echo "run: exit code $code, want $want" >&2; exit 1; }
}

# answer COMMAND…: any exit code but that of trouble is an answer.
answer() { say "$@" || [ $? -ne 2 ]; }

if [ -n "$build" ]; then
	mkdir -p .build
	say generate "$build" -o .build/run.modhash
	head -8 .build/run.modhash
	answer verify .build/run.modhash "$build"
	if [ -n "$other" ]; then
		answer diff "$build" "$other"
	fi
	exit
fi

rm -rf .build/run
mkdir -p .build/run
go run ./testdata/gen/mksample .build/run/sample
cd .build/run

echo 'Three builds of one small kernel:'
echo '  sample/a  plain modules, signed with a throw-away key'
echo '  sample/b  the same modules, compressed, signed with another throw-away key'
echo '  sample/c  as a, but one byte of code differs in one module'

expect 0 generate sample/a -o a.modhash
head -10 a.modhash
expect 0 generate sample/b -o b.modhash
cmp a.modhash b.modhash
echo 'a.modhash and b.modhash are the same bytes.'
expect 0 verify a.modhash sample/b
expect 1 verify a.modhash sample/c
expect 1 diff sample/a sample/b
expect 1 diff sample/a sample/c
