# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Rules about what goes into all code: compilers, debug information, BTF. Sourced
# after rows.sh. A switch has everything compiled again, so only some files are built,
# of small.config: with another one of these no build is the same.

SOME=(lib/crc7.ko kernel/fork.o kernel/softirq.o mm/page_alloc.o)

PLUGINS=(CONFIG_GCC_PLUGINS=y)

# Both trees make a seed; then the second one is given the first one's, as somebody
# who builds again would be.
cause_randstruct_seed() {
	local ON=("${PLUGINS[@]}" CONFIG_RANDSTRUCT_FULL=y) dir=small TARGETS=("${SOME[@]}") on said_on file
	local seed=scripts/basic/randstruct.seed
	rm -f "$TREES"/{one,two}/"$dir/$seed"
	forget_objects one "$dir"
	forget_objects two "$dir"
	state "$dir" "${ON[@]}"
	second_build "$dir" "${SOME[@]}"
	# Some seeds give struct module another size.
	BY_CHANCE=module-struct diffed "$dir" 12 'CONFIG_RANDSTRUCT_FULL with two seeds' 'change randstruct' changed lib/crc7.ko
	on=$RESULT
	lint_state randstruct-seed "$dir" "${ON[@]}"
	said_on=$LINT
	for file in "$seed" include/generated/randstruct_hash.h; do
		cp "$TREES/one/$dir/$file" "$TREES/two/$dir/$file"
	done
	forget_objects two "$dir"
	state "$dir" "${ON[@]}"
	second_build "$dir" "${SOME[@]}"
	LINT_ARGS=(--randstruct-seed "$(cat "$TREES/one/$dir/$seed")")
	lint_state randstruct-seed "$dir" "${ON[@]}"
	row randstruct-seed "$(words "${ON[@]}")" 'the same, with one published seed and its record' \
		"two builds: $(words "${SOME[@]##*/}")" error - different identical "$said_on" "$LINT" "$on" "$RESULT"
}

# forget_objects NAME DIR: Kbuild does not compile again for another seed.
forget_objects() {
	[ ! -d "$TREES/$1/$2" ] || find "$TREES/$1/$2" \( -path '*/scripts' -o -path '*/tools' \) -prune -o -name '*.[os]' -exec rm {} +
}

# Without its record make replaces a seed; a changed script gives the same to all.
cause_randstruct_script() {
	local ON=("${PLUGINS[@]}" CONFIG_RANDSTRUCT_FULL=y) dir=small TARGETS=("${SOME[@]}") on said_on name
	local seed=scripts/basic/randstruct.seed script=scripts/gen-randstruct-seed.sh
	cp "$TREES/one/$dir/$seed" "$TREES/two/$dir/$seed"
	rm -f "$TREES"/{one,two}/"$dir"/scripts/basic/.randstruct.seed.cmd
	LINT_ARGS=(--randstruct-seed "$(cat "$TREES/one/$dir/$seed")")
	lint_state randstruct-seed "$dir" "${ON[@]}"
	said_on=$LINT
	seeds "$dir"
	on=$RESULT
	for name in "${BUILDERS[@]}"; do
		change_source "$name" "$script"
		sed -i 's/^SEED=.*/SEED=0123456789abcdef/' "$TREES/$name/src/$script"
	done
	seeds "$dir"
	LINT_ARGS=()
	lint_state randstruct-seed "$dir" "${ON[@]}"
	row randstruct-seed "$(words "${ON[@]}"), a published seed without its record" 'a script that writes one seed' \
		"two builds: ${seed##*/}" error - different identical "$said_on" "$LINT" "$on" "$RESULT"
}

# seeds DIR: both make their seed.
seeds() {
	local name CONFIG_LINES VARIABLES=()
	for name in "${BUILDERS[@]}"; do tree_make "$name" "$1" scripts_basic || broken scripts_basic; done
	second_build "$1" scripts/basic/randstruct.seed
}

cause_latent_entropy() {
	local ON=("${PLUGINS[@]}" CONFIG_GCC_PLUGIN_LATENT_ENTROPY=y)
	local OFF=("${ON[@]}" KCFLAGS=-frandom-seed=modhash)
	local DIFF=(13 'CONFIG_GCC_PLUGIN_LATENT_ENTROPY, an object of the kernel' change changed kernel/fork.o)
	compared latent-entropy error small kernel/fork.o kernel/softirq.o mm/page_alloc.o
}

DEBUG=(CONFIG_DEBUG_KERNEL=y '# CONFIG_DEBUG_INFO_NONE is not set' CONFIG_DEBUG_INFO_DWARF5=y)

# mapped NAME: its folder is not named in debug information.
mapped() { printf '%s\n' "$1:KCFLAGS=-fdebug-prefix-map=$TREES/$1=." "$1:KAFLAGS=-fdebug-prefix-map=$TREES/$1=."; }

# A stripped module differs too, by its build id.
cause_debug_paths() {
	local DIFF=(26 'a kernel in another folder, with debug information' path.debug explained lib/crc7.ko)
	local ON=("${DEBUG[@]}") OFF LEAK=(path "$TREES/one" lib/crc7.ko)
	mapfile -t OFF < <(printf '%s\n' "${ON[@]}" && mapped one && mapped two)
	compared debug-paths warning small "${SOME[@]}" stripped:lib/crc7.ko
}

# What is profiled is all, or a part that has an option of its own.
cause_gcov() {
	local base=(CONFIG_DEBUG_KERNEL=y CONFIG_DEBUG_FS=y CONFIG_IO_URING=y CONFIG_GCOV_KERNEL=y) ON OFF
	OFF=("${base[@]}" '# CONFIG_GCOV_PROFILE_URING is not set')
	ON=("${base[@]}" CONFIG_GCOV_PROFILE_URING=y)
	compared gcov warning small io_uring/io_uring.o
	local LEAK=(path "$TREES/one/small" lib/crc7.ko)
	OFF=("${base[@]}" '# CONFIG_GCOV_PROFILE_ALL is not set')
	ON=("${base[@]}" CONFIG_GCOV_PROFILE_ALL=y)
	compared gcov warning small "${SOME[@]}"
}

# A race: the kernel is linked until its BTF is another, at most RACES times, and
# without threads as often as that took. How often it took is chance and stays out of
# the table; where it never was another, the table says that, and as_recorded in run.sh
# takes just that for an answer too.
RACES=20 RACES_LEAST=3
NOT_SEEN="not seen to differ in $RACES builds"
cause_pahole_parallel() {
	local btf=(CONFIG_BPF_SYSCALL=y CONFIG_DEBUG_INFO_BTF=y) ON OFF on said_on want=different TARGETS=(vmlinux)
	OFF=("${DEBUG[@]}" "${btf[@]}")
	ON=("${OFF[@]}" KBUILD_BUILD_TIMESTAMP=)
	race "$RACES" "${ON[@]}"
	on=$RESULT
	lint_state pahole-parallel small "${ON[@]}"
	said_on=$LINT
	say "with threads $on BTF after $TOOK links"
	[ "$on" != identical ] || on=$NOT_SEEN want=$NOT_SEEN
	race $((TOOK > RACES_LEAST ? TOOK : RACES_LEAST)) "${OFF[@]}"
	lint_state pahole-parallel small "${OFF[@]}"
	row pahole-parallel "$(words "${ON[@]}")" "$(words "${OFF[@]}")" "up to $RACES builds: section .BTF of vmlinux" \
		error - "$want" identical "$said_on" "$LINT" "$on" "$RESULT"
}

# race MOST SETTING…: RESULT is whether one of so many links gave another BTF than the
# first, TOOK how many there were.
TOOK=
race() {
	local CONFIG_LINES VARIABLES dir=$TREES/one/small most=$1
	shift
	tree_state one small "$@"
	settings_of one "$@"
	objcopy -O binary --only-section=.BTF --set-section-flags .BTF=alloc "$dir/vmlinux" "$WORK/first.btf"
	[ -s "$WORK/first.btf" ] || fail 'there is no BTF'
	RESULT=identical
	for ((TOOK = 1; ; TOOK++)); do
		rm -f "$dir/vmlinux"
		tree_make one small vmlinux || broken vmlinux
		objcopy -O binary --only-section=.BTF --set-section-flags .BTF=alloc "$dir/vmlinux" "$WORK/next.btf"
		cmp -s "$WORK/first.btf" "$WORK/next.btf" || {
			RESULT=different
			return 0
		}
		[ "$TOOK" -lt "$most" ] || return 0
	done
}

# Another architecture: only arm64 has the option. The path is that of the vmlinux of
# an earlier build; in a tree where nothing was built yet there is none.
cause_debug_efi() {
	local MAKE_ARGS=(ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu-) ON OFF name
	mapfile -t OFF < <(printf '%s\n' "${DEBUG[@]}" && mapped one && mapped two)
	ON=("${OFF[@]}" CONFIG_DEBUG_EFI=y)
	for name in "${BUILDERS[@]}"; do
		mkdir -p "$TREES/$name/arm64"
		touch "$TREES/$name/arm64/vmlinux"
	done
	compared debug-efi warning arm64 arch/arm64/kernel/head.o
}
