# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Rules about what Kconfig makes of a .config: nothing is built. Sourced after rows.sh.

# kconfig_reads LINE…: RESULT is what Kconfig makes of CONFIG_$SYMBOL in a .config of
# the base and these lines; "n" if the line is gone. The file as given is TREES/one/given.
kconfig_reads() {
	local dir=$TREES/one/kconfig CONFIG_LINES=() VARIABLES=()
	mkdir -p "$dir"
	grep -v "CONFIG_${SYMBOL}[= ]" "$CAUSES_DIR/build.config" >"$TREES/one/given"
	printf '%s\n' "$@" >>"$TREES/one/given"
	cp "$TREES/one/given" "$dir/.config"
	own one "$dir"
	as_builder one make -C src O="$dir" olddefconfig || broken olddefconfig
	RESULT=$(sed -n "s/^CONFIG_$SYMBOL=//p" "$dir/.config")
	RESULT=$SYMBOL=${RESULT:-n}
}

# read_as RULE SEVERITY WANT-ON WANT-OFF: with the lines ON and OFF.
read_as() {
	local rule=$1 severity=$2 want_on=$3 want_off=$4 on said_on LINT_ENV
	lint_environment
	kconfig_reads "${ON[@]}"
	on=$RESULT
	lint_says "$rule" "${LINT_ENV[@]}" "$TREES/one/given"
	said_on=$LINT
	kconfig_reads "${OFF[@]}"
	lint_says "$rule" "${LINT_ENV[@]}" "$TREES/one/given"
	row "$rule" "$(words "${ON[@]}")" "$(words "${OFF[@]}")" 'make olddefconfig' \
		"$severity" - "$SYMBOL=$want_on" "$SYMBOL=$want_off" "$said_on" "$LINT" "$on" "$RESULT"
}

# Each kind of line that is not what it looks like.
cause_config_line() {
	local SYMBOL=CRC7 ON OFF=(CONFIG_CRC7=m)
	ON=('CONFIG_CRC7 =m')
	read_as config-line warning n m
	ON=(CONFIG_CRC7=on)
	read_as config-line warning n m
	ON=(CONFIG_CRC7=y CONFIG_CRC7=m) OFF=(CONFIG_CRC7=y)
	read_as config-line warning m y
	SYMBOL=LOCALVERSION OFF=('CONFIG_LOCALVERSION="-modhash"')
	ON=('CONFIG_LOCALVERSION="-modhash')
	read_as config-line warning '""' '"-modhash"'
	ON=('CONFIG_LOCALVERSION="-modhash"-more') OFF=('CONFIG_LOCALVERSION="-modhash-more"')
	read_as config-line warning '"-modhash"' '"-modhash-more"'
	SYMBOL=PRINTK OFF=('# CONFIG_PRINTK is not set')
	ON=('# CONFIG_PRINTK is not set, as it should be')
	read_as config-line warning y n
}

# What excludes MODULE_HASHES.
cause_hashes_sig_all() {
	local SYMBOL=MODULE_HASHES
	local ON=(CONFIG_MODULE_HASHES=y CONFIG_MODULE_SIG_ALL=y) OFF=(CONFIG_MODULE_HASHES=y)
	read_as hashes-sig-all error n y
}

cause_hashes_modsig() {
	local SYMBOL=MODULE_HASHES
	local ima=(CONFIG_SECURITY=y CONFIG_INTEGRITY=y CONFIG_IMA=y CONFIG_IMA_APPRAISE=y CONFIG_INTEGRITY_SIGNATURE=y
		CONFIG_INTEGRITY_ASYMMETRIC_KEYS=y)
	local ON=("${ima[@]}" CONFIG_MODULE_HASHES=y CONFIG_IMA_APPRAISE_MODSIG=y)
	local OFF=("${ima[@]}" CONFIG_MODULE_HASHES=y '# CONFIG_IMA_APPRAISE_MODSIG is not set')
	read_as hashes-modsig error n y
}
