# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# How the test kernels are configured and built. Sourced after source.sh.
#
# The builders are ordinary users with nothing of our environment, each with a
# folder, a name, a host, a time and a time zone of its own. What a kernel can be told not to
# take from those is fixed: KBUILD_BUILD_TIMESTAMP, _USER, _HOST, _VERSION.
#
# A build tree cannot be copied: kbuild's own programs know its path, are built
# anew in the copy, and then all else is. So the kernels of a builder are built one
# after the other in the same tree, where a change of the config compiles little,
# and what came of each is kept.

JOBS=$(nproc)

# The packages that the scripts of this folder need.
KERNEL_PACKAGES=(bc binutils bison build-essential cpio flex kmod libelf-dev libssl-dev make
	openssl patch perl python3 qemu-system-x86 tar util-linux xz-utils zstd)

# builder_of NAME: the user that builds TREES/NAME.
builder_of() { printf 'modhash-build-%s\n' "$1"; }

builder_make() {
	local user
	user=$(builder_of "$1")
	if [ "$(id -u)" != 0 ] || id "$user" >/dev/null 2>&1; then return 0; fi
	useradd --system --user-group --no-create-home --home-dir /nonexistent \
		--shell /usr/sbin/nologin "$user"
}

# as_builder NAME COMMAND…: run it in TREES/NAME. Its output goes to LOG.
as_builder() {
	local name=$1 user who=() zone=UTC
	[ "$1" != two ] || zone=JST-9
	shift
	user=$(builder_of "$name")
	if [ "$(id -u)" = 0 ]; then
		# shellcheck disable=SC2016 # expanded by the inner shell
		who=(unshare --uts -- bash -c 'hostname "$1" && shift && exec "$@"' builder "host-$name"
			setpriv --reuid "$user" --regid "$user" --clear-groups --)
	fi
	(
		cd "$TREES/$name"
		exec "${who[@]}" env -i PATH="/usr/sbin:/usr/bin:/sbin:/bin" HOME="$TREES/$name" \
			LC_ALL=C TZ=$zone \
			KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 2026' \
			KBUILD_BUILD_USER=modhash KBUILD_BUILD_HOST=modhash KBUILD_BUILD_VERSION=1 \
			MODHASH="$TREES/bin/modhash" "${KERNEL_ENV[@]}" "$@"
	) >>"$LOG" 2>&1 9>&-
}

# Settings of the environment that a build gets besides: the kernel's own make
# variables MODULES_MERKLE_TREE, MODULES_MANIFEST, INSTALL_MOD_STRIP.
KERNEL_ENV=()
for variable in MODULES_MERKLE_TREE MODULES_MANIFEST; do
	[ -z "${!variable+set}" ] || KERNEL_ENV+=("$variable=${!variable}")
done

# kernel_try NAME ARGUMENT…: make in TREES/NAME/build. Returns its result.
kernel_try() {
	local name=$1
	shift
	as_builder "$name" make -C build -j "$JOBS" "$@"
}

# kernel_make NAME ARGUMENT…: the same; a failure ends the script.
kernel_make() {
	local start=$SECONDS
	if ! kernel_try "$@"; then
		tail -n 40 "$LOG" >&2
		die "make ${*:2} of $1 failed, see $LOG"
	fi
	say "$1: make ${*:2}: $((SECONDS - start)) s"
}

# config_checks sig+hashes|hashes|sig|none|keys: settings for a kernel that checks
# these. sig is the decision as it is without the patch; none does not look at what
# a module ends in, but at the versions of symbols. keys is sig+hashes with
# more certificates: for RSA, for P-384, and one that is revoked.
config_checks() {
	case $1 in
	*hashes | keys) printf '%s\n' CONFIG_MODULE_HASHES=y ;;
	*) printf '%s\n' '# CONFIG_MODULE_HASHES is not set' ;;
	esac
	case $1 in
	sig*) config_signatures "$CERTIFICATE" ;;
	keys)
		config_signatures "$CERTIFICATES"
		printf '%s\n' CONFIG_CRYPTO_ECDSA=y CONFIG_SYSTEM_BLACKLIST_KEYRING=y \
			CONFIG_SYSTEM_REVOCATION_LIST=y "CONFIG_SYSTEM_REVOCATION_KEYS=\"$REVOKED\""
		;;
	*) printf '%s\n' '# CONFIG_MODULE_SIG is not set' 'CONFIG_SYSTEM_TRUSTED_KEYS=""' ;;
	esac
	# There is no lockdown without one of the two; nor is there anything to compute.
	[ "$1" != none ] || printf '%s\n' '# CONFIG_SECURITY is not set' '# CONFIG_SECURITYFS is not set' \
		'# CONFIG_SECURITY_LOCKDOWN_LSM is not set' 'CONFIG_LSM=""' \
		'# CONFIG_CRYPTO_MANAGER_DISABLE_TESTS is not set' '# CONFIG_CRYPTO_SHA512 is not set'
}

# config_base CHECKS: kernel.config. For none, which is compiled by itself, with few
# of the modules and without what the others need.
config_base() {
	if [ "$1" = none ]; then
		sed '/^# Modules: /,$d' "$KERNEL_DIR/kernel.config"
		printf '%s\n' CONFIG_MODVERSIONS=y CONFIG_CRC4=m CONFIG_CRC7=m CONFIG_CRC8=m
	else
		cat "$KERNEL_DIR/kernel.config"
	fi
}

# config_signatures FILE: the certificates to trust.
config_signatures() {
	printf '%s\n' CONFIG_MODULE_SIG=y '# CONFIG_MODULE_SIG_ALL is not set' \
		CONFIG_MODULE_SIG_SHA256=y 'CONFIG_MODULE_SIG_KEY=""' \
		"CONFIG_SYSTEM_TRUSTED_KEYS=\"$1\""
}

# last_of_each: of several lines for an option the last.
last_of_each() {
	tac | awk '
		/^CONFIG_/ { name = $1; sub(/=.*/, "", name) }
		/^# CONFIG_.* is not set$/ { name = $2 }
		!/^(# )?CONFIG_/ || !seen[name]++' | tac
}

# config_compression none|gzip|xz|zstd
config_compression() {
	if [ "$1" = none ]; then
		printf '%s\n' '# CONFIG_MODULE_COMPRESS is not set'
	else
		printf '%s\n' CONFIG_MODULE_COMPRESS=y CONFIG_MODULE_COMPRESS_ALL=y \
			CONFIG_MODULE_DECOMPRESS=y "CONFIG_MODULE_COMPRESS_${1^^}=y"
	fi
}

# kernel_configure NAME CHECKS COMPRESSION: by kernel.config and these. Fails if the
# kernel does not accept a line of it. A config that says the same as before is
# left alone.
kernel_configure() {
	local name=$1 dir=$TREES/$1/build wanted line
	wanted=$(
		config_base "$2"
		# Offered, and then on by default, where the compiler's own headers are installed.
		echo '# CONFIG_GCC_PLUGINS is not set'
		config_checks "$2"
		config_compression "$3"
	)
	wanted=$(last_of_each <<<"$wanted")
	if [ -f "$dir/wanted.config" ] && [ "$(cat "$dir/wanted.config")" = "$wanted" ]; then return 0; fi
	mkdir -p "$dir"
	printf '%s\n' "$wanted" >"$dir/wanted.new"
	own "$name" "$dir"
	if ! as_builder "$name" make -C src O="$dir" KCONFIG_ALLCONFIG="$dir/wanted.new" allnoconfig; then
		tail -n 20 "$LOG" >&2
		die "configuring $name failed"
	fi
	while read -r line; do
		case $line in
		CONFIG_*'=""') ;; # absent is as good
		CONFIG_* | '# CONFIG_'*' is not set')
			grep -qxF -e "$line" "$dir/.config" || absent_is_no "$line" "$dir/.config" ||
				die "the kernel does not accept $line"
			;;
		esac
	done <"$dir/wanted.new"
	mv "$dir/wanted.new" "$dir/wanted.config"
}

# absent_is_no LINE CONFIG: an option that the config does not offer is not set.
absent_is_no() {
	local name
	[[ $1 = '# '* ]] || return 1
	name=${1#\# }
	! grep -q "^${name%% *}=" "$2"
}

# own NAME PATH: give it to the builder.
own() { [ "$(id -u)" != 0 ] || chown -R "$(builder_of "$1"):" "$2"; }

# kernel_build NAME AS CHECKS COMPRESSION: build that config in TREES/NAME/build, and
# keep what came of it in TREES/NAME/AS: bzImage, vmlinux, config, modules.order,
# Module.symvers, System.map, the modules and their proofs, sign-file, and in root
# the modules as installed.
# The program under test hashes again, whatever an earlier run left.
kernel_build() {
	local name=$1 as=$2
	kernel_configure "$name" "$3" "$4"
	rm -f "$TREES/$name/build/.tmp_module_hashes.c"
	kernel_make "$name" all
	kernel_keep "$name" "$as"
}

# kernel_keep NAME AS [NAME=VALUE…]: the settings are for modules_install.
kernel_keep() {
	local name=$1 from=$TREES/$1/build to=$TREES/$1/$2
	shift 2
	rm -rf "$to"
	mkdir -p "$to/root"
	cp "$from/arch/x86/boot/bzImage" "$from/vmlinux" "$from/modules.order" \
		"$from/Module.symvers" "$from/System.map" "$to/"
	# Which is made for the kernels that look at trailers.
	[ ! -f "$from/scripts/sign-file" ] || cp "$from/scripts/sign-file" "$to/"
	cp "$from/.config" "$to/config"
	# What an earlier run packed is no module of this build.
	(cd "$from" && find . \( -path ./debian -o -path ./tar-install -o -path ./rpmbuild \) -prune -o \( -name '*.ko' -o -name '*.ko.stripped' -o -name '*.merkle' \) \
		-exec cp --parents -t "$to" {} +)
	own "$name" "$to"
	kernel_make "$name" INSTALL_MOD_PATH="$to/root" DEPMOD=true modules_install "$@"
}

# kernel_root NAME AS LEVELS HEX: keep the image of the build with another root, in
# TREES/NAME/AS. The modules have their own proofs. Nothing is compiled or linked.
kernel_root() {
	local name=$1 to=$TREES/$1/$2
	install -m 755 "$KERNEL_DIR/other-root.sh" "$TREES/bin/other-root.sh"
	kernel_make "$name" MODULES_MERKLE_TREE="$TREES/bin/other-root.sh $3 $4" bzImage
	mkdir -p "$to"
	cp "$TREES/$name/build/arch/x86/boot/bzImage" "$TREES/$name/build/vmlinux" "$to/"
}

# kernel_kept AS: the folder of that kernel, of whichever builder made it.
kernel_kept() {
	local name
	for name in one two three; do
		if [ -f "$TREES/$name/$1/bzImage" ]; then
			printf '%s\n' "$TREES/$name/$1"
			return 0
		fi
	done
	die "no kernel $1 was built"
}

# kernel_modlib AS: its modules as installed, lib/modules/RELEASE.
kernel_modlib() { modlib_of "$(kernel_kept "$1")"; }

# modlib_of FOLDER: the same of a folder that kernel_keep made.
modlib_of() {
	local found=("$1"/root/lib/modules/*)
	printf '%s\n' "${found[0]}"
}
