# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Asks a kernel what it thinks of module files: boots it in an emulator with
# init.c as its only program. Sourced after build.sh; WORK is a scratch folder.

# What a boot may take, in seconds; usually it is a tenth of that.
BOOT_LIMIT=180

declare -A MODE_OPTIONS=(
	[permissive]=''
	[sig_enforce]='module.sig_enforce=1'
	[lockdown]='lockdown=integrity'
)
MODES=(permissive sig_enforce lockdown)

init_build() {
	gcc -std=gnu11 -Wall -Wextra -Werror -Os -static -o "$WORK/init" "$KERNEL_DIR/init.c"
}

# cases_make FOLDER KIND AS [NAME=VALUE…]: see cases.py. The modules are those of the
# kernel AS.
cases_make() { cases_of "$1" "$2" "$(kernel_kept "$3")" "$(kernel_modlib "$3")" "${@:4}"; }

# cases_of FOLDER KIND TREE MODLIB [NAME=VALUE…]
cases_of() {
	local folder=$1 kind=$2
	shift 2
	mkdir -p "$folder"
	python3 "$KERNEL_DIR/cases.py" "$kind" "$folder" "$@" >"$folder/count"
	cp "$WORK/init" "$folder/init"
	(cd "$folder" && find init cases m | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) \
		>"$folder.cpio"
}

# boot IMAGE FOLDER MODE LOG: the emulator's serial line goes to LOG. On a machine that is
# busy the emulated timer is so late that the kernel would take it for broken.
boot() {
	local image=$1 folder=$2 mode=$3 log=$4
	timeout -k 5 "$BOOT_LIMIT" qemu-system-x86_64 -accel tcg -cpu qemu64 -m 256 -smp 1 \
		-nodefaults -no-user-config -display none -no-reboot -serial "file:$log" \
		-kernel "$image" -initrd "$folder.cpio" \
		-append "console=ttyS0 panic=-1 reboot=t no_timer_check ${MODE_OPTIONS[$mode]}" </dev/null 9>&- ||
		fail "the emulator gave up on $mode: $(tail -n 3 "$log" 2>/dev/null | tr -d '\r')"
	tr -d '\r' <"$log" >"$log.lines"
	! grep -q '^@trouble' "$log.lines" || fail "$mode: $(grep -m 3 '^@trouble' "$log.lines")"
	grep -qx "@end	$(cat "$folder/count")" "$log.lines" ||
		fail "$mode: the kernel did not get to the end: $(tail -n 3 "$log.lines")"
}

# ask KERNEL IMAGE FOLDER: boot once a mode and write FOLDER.tsv, a line a case:
#
#   kernel id call flags said permissive sig_enforce lockdown taint
#
# The three modes hold errno names, 0 for loaded; taint is what /proc/modules
# shows in the permissive run. said is what the log called it in the enforcing
# run: ENODATA (unsigned module), ENOPKG (unsupported crypto), ENOKEY (unavailable
# key), or - if it called it nothing.
ask() {
	local kernel=$1 image=$2 folder=$3 mode
	for mode in "${MODES[@]}"; do
		boot "$image" "$folder" "$mode" "$folder.$mode"
	done
	awk -F '\t' -v OFS='\t' -v kernel="$kernel" '
		FNR == 1 { file++ }
		file == 1 { order[++n] = $1; call[$1] = $2; flags[$1] = $3; next }
		$1 == "@log" && file == 3 {
			if ($3 ~ /Loading of unsigned module is rejected/) said[$2] = "ENODATA"
			if ($3 ~ /Loading of module with unsupported crypto is rejected/) said[$2] = "ENOPKG"
			if ($3 ~ /Loading of module with unavailable key is rejected/) said[$2] = "ENOKEY"
		}
		$1 == "@result" {
			answer[$2, file] = $3
			if (file == 2) taint[$2] = $4
		}
		END {
			for (i = 1; i <= n; i++) {
				id = order[i]
				print kernel, id, call[id], flags[id], (id in said) ? said[id] : "-",
					answer[id, 2], answer[id, 3], answer[id, 4], taint[id]
			}
		}' "$folder/cases" "$folder.permissive.lines" "$folder.sig_enforce.lines" \
		"$folder.lockdown.lines" >"$folder.tsv"
}
