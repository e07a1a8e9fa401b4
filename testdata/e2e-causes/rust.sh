# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The rule about Rust. Sourced after small.sh. The distribution has a compiler that
# kernels accept, but no such bindgen: that comes from its next releases, with the C
# library that it was built for.

RUST_PACKAGES=(libclang1-16 rust-web-src rustc-web)

# bindgen_fetch: TREES/bin/bindgen. Asks the mirror, so it comes while the cache is ours.
bindgen_fetch() {
	local dir=$TREES/bin/bindgen.d deb
	[ ! -x "$TREES/bin/bindgen" ] || return 0
	rm -rf "$dir"
	mkdir -p "$dir"
	[ -f "$CACHE/apt/apt.conf" ] || apt_setup
	retry 3 own_apt apt-get update
	(cd "$WORK" && retry 3 own_apt apt-get download bindgen/unstable libc6/unstable libgcc-s1/unstable)
	for deb in "$WORK"/{bindgen,libc6,libgcc-s1}_*.deb; do dpkg-deb -x "$deb" "$dir"; done
	cat >"$TREES/bin/bindgen" <<-END
		#!/bin/sh
		export LIBCLANG_PATH=/usr/lib/llvm-16/lib
		lib=$dir/usr/lib/x86_64-linux-gnu
		exec "\$lib/ld-linux-x86-64.so.2" --library-path "\$lib:\$LIBCLANG_PATH:/usr/lib/x86_64-linux-gnu" \\
			$dir/usr/bin/bindgen "\$@"
	END
	chmod 755 "$TREES/bin/bindgen"
}

# In a tree of its own the build knows its source by an absolute path.
cause_rust_paths() {
	local DIFF=(24 'CONFIG_RUST, an object of the kernel' path.string explained rust/kernel.o)
	local ON=(CONFIG_RUST=y) OFF
	local MAKE_ARGS=(RUSTC=/usr/bin/rustc BINDGEN="$TREES/bin/bindgen")
	OFF=("${ON[@]}" "one:KRUSTFLAGS=--remap-path-prefix=$TREES/one=." "two:KRUSTFLAGS=--remap-path-prefix=$TREES/two=.")
	compared rust-paths warning small rust/kernel.o
}
