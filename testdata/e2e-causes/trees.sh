# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Builds a kernel in two places with one setting or another. Sourced after
# ../e2e-kernel/build.sh.
#
# A state is a list of settings: lines of a config ("CONFIG_X=y", "# CONFIG_X is not
# set") and variables of make's environment ("NAME=VALUE"), on top of what the
# folder has anyway. A setting that begins with "one:" or "two:" is of that builder
# only. The two builders have folders, names and hosts of their own; what else they
# have is what as_builder gives them, and the state.
#
#   TREES/NAME/src           the source, as in ../e2e-kernel
#   TREES/NAME/DIR           a build tree of it, made by DIR.config of this folder
#
# DIR is "build", a kernel that boots; "small", "arm64" or "clang", of which only some files
# are built.

CAUSES_DIR=$ROOT_DIR/testdata/e2e-causes
BUILDERS=(one two)

# settings_of NAME SETTING…: those of this builder, into LINES and VARIABLES.
settings_of() {
	local name=$1 setting
	shift
	CONFIG_LINES=() VARIABLES=()
	for setting in "$@"; do
		case $setting in
		"$name":*) setting=${setting#*:} ;;
		one:* | two:*) continue ;;
		esac
		case $setting in
		CONFIG_* | '# CONFIG_'*) CONFIG_LINES+=("$setting") ;;
		*=*) VARIABLES+=("$setting") ;;
		*) die "what is the setting $setting?" ;;
		esac
	done
}

# tree_configure NAME DIR LINE…: by DIR.config and these. Fails if the kernel does
# not accept one of them. A config that is there already is left alone.
tree_configure() {
	local name=$1 dir=$TREES/$1/$2 from=$CAUSES_DIR/$2.config wanted line
	shift 2
	wanted=$(cat "$from" && printf '%s\n' "$@")
	if [ -f "$dir/wanted.config" ] && [ "$(cat "$dir/wanted.config")" = "$wanted" ]; then return 0; fi
	mkdir -p "$dir"
	rm -f "$dir/wanted.config"
	printf '%s\n' "$wanted" >"$dir/wanted.new"
	own "$name" "$dir"
	as_builder "$name" make -C src O="$dir" "${MAKE_ARGS[@]}" KCONFIG_ALLCONFIG="$dir/wanted.new" allnoconfig ||
		broken "configuring $dir"
	for line in "$@"; do
		grep -qxF -e "$line" "$dir/.config" || absent_is_no "$line" "$dir/.config" ||
			fail "the kernel does not accept $line"
	done
	mv "$dir/wanted.new" "$dir/wanted.config"
}

# broken WHAT: end the check with what make said.
broken() {
	tail -n 20 "$LOG"
	fail "$1 failed, see $LOG"
}

# What make gets besides, for another architecture.
MAKE_ARGS=()

# tree_make NAME DIR TARGET…: with the VARIABLES. Returns its result. A module that is
# built alone finds no symbols, which is an error only if they have versions.
tree_make() {
	local name=$1 dir=$2 KERNEL_ENV=(KBUILD_MODPOST_WARN=1 "${VARIABLES[@]}")
	shift 2
	as_builder "$name" make -C "$dir" -j "$JOBS" "${MAKE_ARGS[@]}" "$@"
}

# What is built of a state. A file is built without what comes after it: a module
# without vmlinux.
TARGETS=(all)

# tree_state NAME DIR SETTING…: that builder builds this state.
tree_state() {
	local name=$1 dir=$2 start=$SECONDS CONFIG_LINES VARIABLES
	shift 2
	settings_of "$name" "$@"
	tree_configure "$name" "$dir" "${CONFIG_LINES[@]}"
	tree_make "$name" "$dir" "${TARGETS[@]}" || broken "make of $name/$dir with ${*:-nothing}"
	say "$name/$dir: ${*:-as it is}: $((SECONDS - start)) s"
}

# state DIR SETTING…: both build this state.
state() {
	local name
	for name in "${BUILDERS[@]}"; do tree_state "$name" "$@"; done
}

# second_build DIR FILE…: RESULT is whether the second builder's files are the first
# one's. Of "stripped:FILE" the stripped one counts.
second_build() {
	local dir=$1 file a b
	shift
	RESULT=identical
	for file in "$@"; do
		a=$TREES/one/$dir/${file#stripped:} b=$TREES/two/$dir/${file#stripped:}
		[ -f "$a" ] || fail "there is no $file in $dir"
		if [[ $file = stripped:* ]]; then
			strip --strip-debug -o "$WORK/a.stripped" "$a"
			strip --strip-debug -o "$WORK/b.stripped" "$b"
			a=$WORK/a.stripped b=$WORK/b.stripped
		fi
		cmp -s "$a" "$b" || {
			say "$dir: $file differs"
			RESULT=different
		}
	done
}

# change_source NAME FILE: a check is about to change a file of the source. It is put back
# when the check ends, and if that was killed, when the next run begins.
change_source() {
	local kept=$TREES/$1/changed/$2
	trap put_back EXIT
	mkdir -p "${kept%/*}"
	cp -p "$TREES/$1/src/$2" "$kept.part"
	mv "$kept.part" "$kept"
}

# git_tree NAME PATH…: that builder's source is a git tree that holds these, until the
# check ends.
git_tree() {
	local dir=$TREES/$1
	shift
	trap put_back EXIT
	rm -rf "$dir/src/.git"
	git init -q "$dir/src"
	git -C "$dir/src" add -f "$@"
	git -C "$dir/src" -c user.name=modhash -c user.email=modhash@example.org commit -q -m source
	printf '[safe]\n\tdirectory = *\n' >"$dir/.gitconfig"
}

# put_back: what change_source and git_tree did to the sources.
put_back() {
	local name kept
	for name in "${BUILDERS[@]}"; do
		rm -rf "$TREES/$name/src/.git" "$TREES/$name/.gitconfig"
		[ -d "$TREES/$name/changed" ] || continue
		find "$TREES/$name/changed" -name '*.part' -delete
		(cd "$TREES/$name/changed" && find . -type f) | while read -r kept; do
			mv "$TREES/$name/changed/$kept" "$TREES/$name/src/$kept"
		done
		rm -rf "$TREES/$name/changed"
	done
}

IMAGE=arch/x86/boot/bzImage
