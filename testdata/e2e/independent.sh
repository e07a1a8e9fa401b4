# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Manifests made without modhash: by the system's decompressors, cut-trailers.pl,
# sha256sum, modinfo, readelf, sbattach and openssl, and reference.py. Sourced
# by run.sh after lib.sh; SPARE is a folder that holds the key of throwaway_key.

# shellcheck disable=SC2034 # run.sh installs them
INDEPENDENT_PACKAGES=(binutils coreutils dpkg findutils gzip kmod openssl perl-base python3
	sbsigntool sed xz-utils zstd)

# throwaway_key DIR: an RSA key and its certificate, key.pem and cert.pem.
throwaway_key() {
	openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 3650 -subj '/CN=modhash e2e' \
		-keyout "$1/key.pem" -out "$1/cert.pem"
}

# unpack DIR DEB…: the packages' files, all in one folder.
unpack() {
	local dir=$1 deb
	shift
	mkdir "$dir"
	for deb in "$@"; do
		dpkg-deb -x "$deb" "$dir"
	done
}

# modules_dir TREE: the one folder that holds modules.order.
modules_dir() {
	local found
	found=$(find "$1" -name modules.order -path '*/lib/modules/*' | one_line modules.order)
	dirname "$found"
}

# plain TREE COPY: a copy whose modules are neither compressed nor signed. Prints
# how many signatures were cut off.
plain() {
	local jobs
	jobs=$(nproc)
	cp -a "$1" "$2"
	find "$2" -name '*.ko.gz' -print0 | xargs -0 -r -n 64 -P "$jobs" gzip -d
	find "$2" -name '*.ko.xz' -print0 | xargs -0 -r -n 64 -P "$jobs" xz -d
	find "$2" -name '*.ko.zst' -print0 | xargs -0 -r -n 64 -P "$jobs" zstd -q -d --rm
	find "$2" -name '*.ko' -print0 | "$E2E_DIR/cut-trailers.pl"
}

# names DIR: what modules.order lists, one a line, as files are called.
names() { sed 's/\.o$/.ko/' "$1/modules.order"; }

# one_line WHAT: standard input, which must be one line.
one_line() {
	local lines
	lines=$(cat)
	if [ -z "$lines" ] || [ "$(wc -l <<<"$lines")" != 1 ]; then
		printf 'not one %s, but: %s\n' "$1" "$lines" >&2
		return 1
	fi
	printf '%s\n' "$lines"
}

# signed_digest IMAGE: the digest that the first signature of an EFI program
# states, read out of the signature (SpcIndirectDataContent of the Authenticode
# format: behind the object id of SPC_PE_IMAGE_DATA, the algorithm, then the
# digest).
signed_digest() {
	local work
	work=$(mktemp -d "$SPARE/image.XXXXXX")
	sbattach --detach "$work/signature" "$1" >&2
	openssl asn1parse -inform DER -in "$work/signature" | awk '
		/OBJECT +:(1\.3\.6\.1\.4\.1\.311\.2\.1\.15|SPC_PE_IMAGE_DATA)/ { content = 1 }
		content && /OBJECT +:sha256$/ { sha256 = 1 }
		sha256 && !found && /OCTET STRING +\[HEX DUMP\]:/ {
			sub(/.*:/, "")
			print tolower($0)
			found = 1
		}'
	rm -r "$work"
}

# image_digest IMAGE: the same for any EFI program: one that carries no signature
# is signed first, with the key of throwaway_key in SPARE.
image_digest() {
	local image=$1
	case $(sbverify --list "$image" 2>&1 || true) in
	*'signature 1'*) ;;
	*)
		sbsign --key "$SPARE/key.pem" --cert "$SPARE/cert.pem" --output "$SPARE/image.signed" "$image" >&2
		image=$SPARE/image.signed
		;;
	esac
	signed_digest "$image" | one_line 'digest of an image'
}

# architecture DIR: the third header line's value, of modules that agree.
architecture() {
	names "$1" | (cd "$1" && xargs -d '\n' readelf -h) | awk '
		function set(what, value) {
			if (what in is && is[what] != value) exit 1
			is[what] = value
		}
		/^ *Class:/ { set("class", tolower($2)) }
		/^ *Data:/ { set("order", /little endian/ ? "little" : "big") }
		/^ *Machine:.*X86-64/ { set("machine", "x86_64"); known++ }
		/^ *Machine: *AArch64/ { set("machine", "aarch64"); known++ }
		/^ELF Header/ { files++ }
		END { if (known == files && files) print is["machine"], is["class"], is["order"] }' |
		one_line architecture
}

# release DIR: the second header line's value, of modules that agree.
release() {
	names "$1" | (cd "$1" && sed 's,^,./,' | xargs -d '\n' modinfo -F vermagic) | cut -d ' ' -f 1 | sort -u |
		one_line release
}

# independent_manifest TREE: of a tree made by plain, with an EFI image.
independent_manifest() {
	local dir rel image
	dir=$(modules_dir "$1")
	rel=$(release "$dir")
	for image in "$dir/vmlinuz" "$1/boot/vmlinuz-$rel"; do
		[ ! -f "$image" ] || break
	done
	printf '# modhash manifest v1\n'
	printf '# release: %s\n' "$rel"
	printf '# arch: %s\n' "$(architecture "$dir")"
	printf '# digest: sha256\n'
	printf '# image: sha256 %s\n' "$(image_digest "$image")"
	printf '# modules: %d\n' "$(names "$dir" | wc -l)"
	printf '# hashset: merkle/1\n'
	printf '# root: %s\n' "$(names "$dir" | python3 "$E2E_DIR/../vectors/hashes/reference.py" root "$dir")"
	names "$dir" | (cd "$dir" && xargs -d '\n' sha256sum)
}
