#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# usage: other-root.sh LEVELS HEX FILE SUFFIX
#
# Stands in for the program that hashes the modules of a kernel build: writes the C
# file of a root that is given, and leaves the proofs alone.

set -eu
{
	echo '#include <linux/module_hashes.h>'
	echo
	echo 'const struct module_hashes_root module_hashes_root __module_hashes_section = {'
	echo "	.levels = $1,"
	echo "	.hash = {{ $(echo "$2" | sed 's/../0x&, /g')}},"
	echo '};'
} >"$3"
