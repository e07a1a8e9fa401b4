# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The table: what lint says of a state, what became of it, and whether the two agree.
# Sourced after trees.sh.
#
# A line of the table is
#
#   rule  switch on  switch off  shown by  lint on  lint off  result on  result off  kernel  compiler
#
# separated by tabs. Lint is the severity of what the rule says, "-" if nothing.

ROWS=     # the table of this run, without the lines that say what it is
RESULT=   # what the last look at a state found
LINT=     # what lint said of it

# What as_builder gives every builder, as lint is told.
STANDARD=(KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 2026' KBUILD_BUILD_USER=modhash
	KBUILD_BUILD_HOST=modhash KBUILD_BUILD_VERSION=1)

# lint_says RULE ARGUMENT…: LINT is what the rule says.
lint_says() {
	local rule=$1 rc=0
	shift
	mh lint --no-env --all "$@" >"$WORK/lint" 2>"$WORK/lint.err" || rc=$?
	[ "$rc" -le 3 ] && [ ! -s "$WORK/lint.err" ] || fail "lint: $(cat "$WORK/lint.err")"
	LINT=$(sed -nE "s/^(error|warning|note|unknown): ${rule}[ :].*/\1/p" "$WORK/lint" | sed -n 1p)
	LINT=${LINT:--}
}

# lint_environment SETTING…: options for what lint knows of the environment, in
# LINT_ENV.
lint_environment() {
	local CONFIG_LINES VARIABLES variable
	settings_of one "$@"
	LINT_ENV=()
	for variable in "${STANDARD[@]}" "${VARIABLES[@]}"; do
		case $variable in
		KBUILD_BUILD_* | KCFLAGS=* | KAFLAGS=* | KRUSTFLAGS=* | INSTALL_MOD_STRIP=* | PAHOLE_FLAGS=*)
			LINT_ENV+=(--env "$variable")
			;;
		esac
	done
}

# lint_state RULE DIR SETTING…: LINT is what the rule says of that state, which the
# first builder has built; LINT_ARGS are options besides.
LINT_ARGS=()
lint_state() {
	local rule=$1 dir=$2 LINT_ENV
	shift 2
	lint_environment "$@"
	lint_says "$rule" "${LINT_ENV[@]}" --tree "$TREES/one/$dir" --tree "$TREES/one/src" \
		"${LINT_ARGS[@]}" "$TREES/one/$dir/.config"
}

# row RULE ON OFF SHOWN-BY WANT-LINT-ON WANT-LINT-OFF WANT-ON WANT-OFF LINT-ON LINT-OFF
# RESULT-ON RESULT-OFF: a line of the table. It fails if one is not what is wanted.
row() {
	printf '%s\t' "$1" "$2" "$3" "$4" "${@:9}" >>"$ROWS"
	printf '%s\n' "$KERNEL_AND_COMPILER" >>"$ROWS"
	[ "${*:5:4}" = "${*:9:4}" ] || fail "$1: with ${2:-the switch on}: lint ${9}, ${11}; with $3: lint ${10}, ${12}"
}

# The words of a state, for the table; the folders of a run have no fixed name.
words() {
	local text
	text=$(printf '%s; ' "$@")
	text=${text%; }
	text=${text//$TREES/TREES}
	printf '%s' "${text:--}"
}

# compared RULE SEVERITY DIR FILE…: the builders' FILEs, and nothing else, are built; they
# are different in the state ON, with what lint says there, and identical in the state OFF, where it says OFF_LINT.
# Files named in FORGET are made again. If LEAK is KIND TEXT FILE, the first builder's
# FILE holds that text with ON, and does not with OFF.
# DIFF is the arguments of diffed, for what is said of the state ON.
ON=() OFF=() FORGET=() OFF_LINT=- LEAK=() DIFF=()
compared() {
	local rule=$1 severity=$2 dir=$3 by said_on result_on leak_on leak_lint_on result_off said_off
	shift 3
	local TARGETS=("${@#stripped:}")
	by="two builds: $(words "${@##*/}")"
	compared_state ON "$@"
	[ ${#DIFF[@]} = 0 ] || diffed "$dir" "${DIFF[@]}"
	result_on=$RESULT said_on=$LINT
	leak "$dir"
	leak_on=$RESULT leak_lint_on=$LINT
	compared_state OFF "$@"
	result_off=$RESULT said_off=$LINT
	leak "$dir"
	if [ ${#LEAK[@]} -gt 0 ]; then
		row "leak-${LEAK[0]}" "$(words "${ON[@]}")" "$(words "${OFF[@]}")" "grep ${LEAK[2]}" \
			error - 'holds it' 'does not' "$leak_lint_on" "$LINT" "$leak_on" "$RESULT"
	fi
	row "$rule" "$(words "${ON[@]}")" "$(words "${OFF[@]}")" "$by" \
		"$severity" "$OFF_LINT" different identical "$said_on" "$said_off" "$result_on" "$result_off"
}

# compared_state ON|OFF FILE…: build that state of dir, and look at it by rule.
compared_state() {
	local -n settings=$1
	local name file
	shift
	for name in "${BUILDERS[@]}"; do
		for file in ${FORGET[@]+"${FORGET[@]}"}; do rm -f "$TREES/$name/$dir/$file"; done
	done
	state "$dir" "${settings[@]}"
	second_build "$dir" "$@"
	lint_state "$rule" "$dir" "${settings[@]}"
}

# diffed DIR NUMBER HOW CAUSES OUTCOME FILE: what diff says of a file of both builders, as
# a row of diffs.tsv, whose lines are as those of ../e2e/causes.tsv.
diffed() { cause "${@:2:4}" "$TREES/one/$1/$6" "$TREES/two/$1/$6"; }

# leak DIR: RESULT is whether LEAK is in the file, LINT what lint says. A date is
# that of the file.
leak() {
	[ ${#LEAK[@]} -gt 0 ] || return 0
	local kind=${LEAK[0]} text=${LEAK[1]} file=$TREES/one/$1/${LEAK[2]}
	[ "$kind" != date ] || text=$(date -r "$file" "$text")
	RESULT='does not'
	! grep -qaF -e "$text" "$file" || RESULT='holds it'
	lint_says "leak-$kind" --leak "$kind=$text" "$TREES/one/$1/.config" "$file"
}
