# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Checks of what is left behind when `modhash generate` cannot finish. Sourced by
# run.sh.

# on_small_disk SCRIPT ARGUMENT…: run it in a 64 KiB file system on WORK/disk,
# which goes away with the script. The script gets the folder as $1.
on_small_disk() {
	local script=$1 user=()
	shift
	[ "$(id -u)" = 0 ] || user=(--user --map-root-user)
	mkdir -p "$WORK/disk"
	unshare "${user[@]}" --mount --propagation private bash -euc "
		mount -t tmpfs -o size=64k none \"\$1\"
		head -c 20000 /dev/zero | tr '\\0' o >\"\$1/out\"
		$script
		[ \"\$(ls -A \"\$1\")\" = out ] || { echo \"left behind:\" \$(ls -A \"\$1\"); exit 1; }
		head -c 20000 /dev/zero | tr '\\0' o | cmp - \"\$1/out\"
	" disk "$WORK/disk" "$@"
	[ -z "$(ls -A "$WORK/disk")" ] || fail "something was written below the small disk"
}

# shellcheck disable=SC2016 # expanded by the inner shell
full_disk() {
	on_small_disk '
		rc=0
		TMPDIR=$3 "$2" generate -o "$1/out" "$4" || rc=$?
		[ "$rc" = 2 ] || { echo "exit code $rc"; exit 1; }
	' "$MODHASH" "$WORK/tmp" "$WORK/amd64-6.1/tree"
}

# shellcheck disable=SC2016 # expanded by the inner shell
full_tmpdir() {
	on_small_disk '
		rc=0
		"$2" generate --tmpdir "$1" -o "$1/out" "$3" || rc=$?
		[ "$rc" = 2 ] || { echo "exit code $rc"; exit 1; }
	' "$MODHASH" "$(corpus_file amd64-6.1)"
}

# full_stdout: an output that cannot be written is not a success.
full_stdout() {
	local rc=0
	mh generate "$KERNEL/installed/none" >/dev/full || rc=$?
	[ "$rc" = 2 ] || fail "exit code $rc"
}

# has_spooled PID: has it unpacked 32 MiB of the package?
has_spooled() {
	local fd size
	for fd in /proc/"$1"/fd/*; do
		[[ $(readlink "$fd") == "$WORK/tmp/"* ]] || continue
		size=$(stat -L -c %s "$fd") || continue
		[ "$size" -lt $((32 << 20)) ] || return 0
	done
	return 1
}

# has_worked PID: has it used half a second of processor time? The whole takes
# some seconds.
has_worked() {
	local stat
	stat=$(<"/proc/$1/stat") || return 1
	read -r -a stat <<<"${stat##*) }"
	# Fields 14 and 15 of the file; the first of these is field 3.
	[ $((stat[11] + stat[12])) -ge $(($(getconf CLK_TCK) / 2)) ]
}

# interrupted READY OUT BUILD: SIGINT as soon as READY PID holds.
interrupted() {
	local ready=$1 out=$2 build=$3 pid rc=0 i
	# A job of its own: other background commands ignore SIGINT.
	set -m
	TMPDIR=$WORK/tmp "$MODHASH" generate -o "$out" "$build" &
	pid=$!
	set +m
	for ((i = 0; i < 3000; i++)); do
		if "$ready" "$pid" 2>/dev/null; then break; fi
		kill -0 "$pid" || fail "it ended before it could be interrupted"
		sleep 0.02
	done
	kill -INT "$pid"
	wait "$pid" || rc=$?
	[ "$rc" = 2 ] || fail "exit code $rc"
	[ -z "$(ls -A "$WORK/tmp")" ] || fail "left behind: $(ls -A "$WORK/tmp")"
}

# interrupted_twice READY BUILD: with and without a file to be replaced.
interrupted_twice() {
	local dir=$WORK/interrupted
	rm -rf "$dir"
	mkdir "$dir"
	interrupted "$1" "$dir/out" "$2"
	[ -z "$(ls -A "$dir")" ] || fail "left behind: $(ls -A "$dir")"
	echo old >"$dir/out"
	interrupted "$1" "$dir/out" "$2"
	[ "$(ls -A "$dir")" = out ] || fail "left behind: $(ls -A "$dir")"
	[ "$(cat "$dir/out")" = old ] || fail "the old file is gone"
}

troubled() {
	check trouble/full-disk full_disk
	check trouble/full-tmpdir full_tmpdir
	check trouble/full-stdout full_stdout
	check trouble/interrupted-package interrupted_twice has_spooled "$(corpus_file amd64-6.1)"
	check trouble/interrupted-tree interrupted_twice has_worked "$WORK/amd64-6.12/tree"
}
