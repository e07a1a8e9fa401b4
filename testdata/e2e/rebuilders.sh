# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Checks of `modhash attest` and `modhash consensus`, against the programs of others:
# repro-threshold and rebuilderd as Debian has them, in a small system of its own
# without a network, and in-toto-golang. Sourced by run.sh after chroot.sh.

# shellcheck disable=SC2034 # for run.sh
REBUILDERS_PACKAGES=("${CHROOT_PACKAGES[@]}" dpkg-dev openssl python3 time)
REBUILDERS_ROOT=
INTOTO=
RSUBJECT=linux=6.12-1/amd64
RFILE=linux-6.12-1-amd64.modhash

# rebuilders_setup: the small system, in-toto-golang, keys, sample builds that are
# kernel packages signed with different keys, and links about their manifest.
rebuilders_setup() {
	local r=$WORK/rebuilders who
	mkdir -p "$r/trust" "$r/links"
	REBUILDERS_ROOT=$WORK/rebuilders-root
	chroot_unpack "$REBUILDERS_ROOT" unstable repro-threshold rebuilderd rebuilderd-worker rebuildctl busybox
	INTOTO=$r/intoto
	retry 3 go -C "$E2E_DIR/intoto" build -o "$INTOTO" . || die "in-toto-golang cannot be built"
	go -C "$ROOT_DIR" run ./testdata/gen/mksample "$r/sample" || die "there are no sample builds"
	printf 'Format: 1.0\n' >"$r/linux.buildinfo"
	mh generate "$r/sample/a" -o "$r/$RFILE"
	for who in alice bob carol; do
		(umask 077 && openssl genpkey -algorithm ed25519 -out "$r/$who.key")
		mh attest --key "$r/$who.key" --write-public-key "$r/trust/$who.pub" --subject "$RSUBJECT" \
			--input "$r/linux.buildinfo" -o "$r/links/$who.link" "$r/$RFILE" "$r/sample/b" >/dev/null
		printf '%s %s.pub\n' "$who" "$who" >>"$r/trust/rebuilders"
	done
	# What the small system sees of it.
	mkdir -p "$REBUILDERS_ROOT/srv/bin"
	cp "$MODHASH" "$REBUILDERS_ROOT/srv/bin/modhash"
	cp "$ROOT_DIR"/kbuild/share/rebuilderd/* "$E2E_DIR/rebuilderd-inside.sh" "$REBUILDERS_ROOT/srv/bin/"
}

# threshold N KEYS FILE LINK…: the answer of the real repro-threshold, "yes" or "no".
# KEYS are words; all paths are of the small system.
threshold() {
	local n=$1 keys=$2 file=$3 k args=()
	shift 3
	for k in $keys; do args+=(-S "$k"); done
	for k; do args+=(-A "$k"); done
	if in_chroot "$REBUILDERS_ROOT" repro-threshold plumbing verify -t "$n" "${args[@]}" "$file" >"$WORK/threshold.log" 2>&1; then
		echo yes
	else
		grep -qE 'Failed to (verify|read)' "$WORK/threshold.log" || fail "repro-threshold says: $(head -n 3 "$WORK/threshold.log")"
		echo no
	fi
}

# answers WANT COMMAND…
answers() {
	local want=$1 got
	shift
	got=$("$@")
	[ "$got" = "$want" ] || fail "the answer is $got instead of $want, of: $*"
}

# its_own_data: what repro-threshold's own tests accept and reject.
its_own_data() {
	local v=$ROOT_DIR/hashset/attest/testdata name=filesystem-2025.10.12-1-any
	rm -rf "$REBUILDERS_ROOT/srv/own"
	cp -r "$v" "$REBUILDERS_ROOT/srv/own"
	cp "$WORK/rebuilders/trust/alice.pub" "$REBUILDERS_ROOT/srv/own/"
	set -- /srv/own/reproducible-archlinux.pub "/srv/own/$name.pkg.tar.zst"
	answers yes threshold 1 "$1" "$2" "/srv/own/$name.in-toto.link"
	answers no threshold 1 "$1" "$2" "/srv/own/$name.INVALID.in-toto.link"
	answers no threshold 2 "$1" "$2" "/srv/own/$name.in-toto.link"
	answers no threshold 1 /srv/own/alice.pub "$2" "/srv/own/$name.in-toto.link"
	answers no threshold 1 "$1" /srv/own/README.md "/srv/own/$name.in-toto.link"
	[ "$("$INTOTO" verify "$v/reproducible-archlinux.pub" "$v/$name.pkg.tar.zst" "$v/$name.in-toto.link" "$v/$name.INVALID.in-toto.link" | cut -d ' ' -f 1 | tr '\n' ' ')" = "yes no " ] ||
		fail "in-toto-golang answers otherwise"
	# modhash takes them for what they are, but no package is a manifest.
	expect 1 '^NOT agreed' mh consensus --subject x=1/any --threshold 1 --rebuilder "arch $v/reproducible-archlinux.pub" \
		"$v/$name.in-toto.link" "$v/$name.INVALID.in-toto.link"
	says "other-file     $v/$name.in-toto.link by arch: it is about $name.pkg.tar.zst" "bad-signature  $v/$name.INVALID.in-toto.link"
}

# our_links: N of M by repro-threshold, for links by modhash.
our_links() {
	local r=$WORK/rebuilders in=/srv/links all
	rm -rf "$REBUILDERS_ROOT$in"
	cp -r "$r/links" "$REBUILDERS_ROOT$in"
	cp "$r/trust"/*.pub "$r/$RFILE" "$REBUILDERS_ROOT$in/"
	sed '$s/^./0/' "$r/$RFILE" >"$REBUILDERS_ROOT$in/other.modhash"
	cmp -s "$r/$RFILE" "$REBUILDERS_ROOT$in/other.modhash" && sed '$s/^./1/' "$r/$RFILE" >"$REBUILDERS_ROOT$in/other.modhash"
	all="$in/alice.pub $in/bob.pub $in/carol.pub"
	answers yes threshold 3 "$all" "$in/$RFILE" "$in/alice.link" "$in/bob.link" "$in/carol.link"
	answers no threshold 3 "$all" "$in/$RFILE" "$in/alice.link" "$in/bob.link" "$in/bob.link"
	answers yes threshold 2 "$all" "$in/$RFILE" "$in/alice.link" "$in/bob.link"
	answers no threshold 1 "$all" "$in/other.modhash" "$in/alice.link" "$in/bob.link" "$in/carol.link"
	answers no threshold 1 "$in/carol.pub" "$in/$RFILE" "$in/alice.link"
	[ "$("$INTOTO" verify "$r/trust/alice.pub" "$r/$RFILE" "$r/links/alice.link" "$r/links/bob.link" | cut -d ' ' -f 1 | tr '\n' ' ')" = "yes no " ] ||
		fail "in-toto-golang answers otherwise"
	expect 0 '^agreed: 3 of 3 rebuilders state one manifest, 3 needed; kernel image included$' \
		mh consensus --subject "$RSUBJECT" --threshold 3 --rebuilders "$r/trust/rebuilders" --manifest "$r/$RFILE" "$r/links"
}

# their_links: modhash and repro-threshold take a link by in-toto-golang, and the
# attestation framework takes DSSE by modhash.
their_links() {
	local r=$WORK/rebuilders out
	"$INTOTO" sign seed "$r/$RFILE" "$r/linux.buildinfo" "$r/theirs"
	expect 0 '^agreed: 1 of 1 rebuilder state' mh consensus --subject "$RSUBJECT" --threshold 1 --rebuilder "they $r/theirs.pub" --manifest "$r/$RFILE" "$r/theirs"
	cp "$r/theirs" "$r/theirs.pub" "$r/$RFILE" "$REBUILDERS_ROOT/srv/"
	answers yes threshold 1 /srv/theirs.pub "/srv/$RFILE" /srv/theirs
	SOURCE_DATE_EPOCH=1700000000 mh attest --key "$r/alice.key" --subject "$RSUBJECT" --input "$r/linux.buildinfo" --form dsse -o "$r/alice.dsse" "$r/$RFILE" "$r/sample/b" >/dev/null
	out=$("$INTOTO" statement "$r/trust/alice.pub" "$r/$RFILE" "$r/alice.dsse")
	[ "$out" = "https://in-toto.io/attestation/link/v0.3 $RFILE linux 6.12-1 amd64" ] || fail "the statement is $out"
	expect 1 '^different: ' mh attest --key "$r/alice.key" --subject "$RSUBJECT" --input "$r/linux.buildinfo" --disagreement "$r/alice.no" "$r/$RFILE" "$r/sample/c"
	"$INTOTO" statement "$r/trust/alice.pub" "$r/$RFILE" "$r/alice.no" | grep -q '/disagreement/v0.1 '
}

# three_judges N: N changed links. What modhash takes, both others take. What both
# others take and modhash does not has a key twice or an escape, nothing else.
three_judges() {
	local n=$1 r=$WORK/rebuilders m=$WORK/rebuilders/changed agreed
	rm -rf "$m" "$REBUILDERS_ROOT/srv/changed"
	mkdir "$m"
	"$INTOTO" mutate "$r/links/alice.link" "$m" "$n"
	[ "$(find "$m" -type f | wc -l)" = "$n" ] || fail "not $n changed links"
	(cd "$m" && "$INTOTO" verify "$r/trust/alice.pub" "$r/$RFILE" ./*.link) | sort -k 2 >"$r/golang"
	cp -r "$m" "$REBUILDERS_ROOT/srv/"
	cp "$r/trust/alice.pub" "$r/$RFILE" "$REBUILDERS_ROOT/srv/changed/"
	cat >"$REBUILDERS_ROOT/srv/bin/judge" <<-'END'
		file=$1
		shift
		for l; do
			if repro-threshold plumbing verify -t 1 -S alice.pub -A "$l" "$file" 2>/dev/null; then echo "yes $l"; else echo "no $l"; fi
		done
	END
	# shellcheck disable=SC2016 # expanded inside
	in_chroot "$REBUILDERS_ROOT" sh -c 'cd /srv/changed && printf "%s\n" ./*.link | xargs -P "$(nproc)" -n 100 sh /srv/bin/judge "$1"' sh "$RFILE" | sort -k 2 >"$r/threshold"
	(cd "$m" && mh consensus --format json --subject "$RSUBJECT" --threshold 1 --rebuilder "alice $r/trust/alice.pub" --manifest "$r/$RFILE" .) >"$r/changed.json" ||
		fail "none of the changed links counts"
	"$E2E_DIR/judges.py" "$r/changed.json" "$r/threshold" "$r/golang" | tee "$r/judged"
	agreed=$(sed -n 's/^all agree: //p' "$r/judged")
	[ "$agreed" -gt $((n * 9 / 10)) ] || fail "all three agree on $agreed of $n"
}

# rebuilderd_serves: see rebuilderd-inside.sh. The packages hold the modules of a
# kernel, signed by a throw-away key each.
rebuilderd_serves() {
	local r=$WORK/rebuilders srv=$REBUILDERS_ROOT/srv side modules
	mkdir -p "$srv/www" "$srv/built" "$srv/daemon" "$srv/worker"
	for side in www built; do
		rm -rf "$r/deb"
		mkdir -p "$r/deb/DEBIAN" "$r/deb/usr"
		cp -r "$KERNEL/installed/none/lib" "$r/deb/usr/"
		rm -f "$r"/deb/usr/lib/modules/*/build
		mh keys new --cn "Throw-away key of $side" "$r/$side" >/dev/null
		mh sign --quiet --replace --key "$r/$side/signing_key.pem" "$r/deb"
		printf '%s\n' 'Package: linux' 'Version: 6.12-1' 'Architecture: amd64' 'Maintainer: nobody <nobody@example.org>' 'Description: sample' >"$r/deb/DEBIAN/control"
		SOURCE_DATE_EPOCH=1700000000 dpkg-deb --root-owner-group -b "$r/deb" "$srv/$side/linux_6.12-1_amd64.deb" >/dev/null
	done
	mh generate "$srv/www/linux_6.12-1_amd64.deb" -o "$srv/www/$RFILE"
	modules=$(sed -n 's/^# modules: //p' "$srv/www/$RFILE")
	[ "$modules" -gt 20 ] || fail "the package has $modules modules"
	cp "$r/linux.buildinfo" "$srv/www/"
	cp "$r/trust/alice.pub" "$srv/"
	mh attest --quiet --key "$r/alice.key" --subject "$RSUBJECT" --input "$r/linux.buildinfo" -o "$srv/alice.link" "$srv/www/$RFILE" "$srv/built/linux_6.12-1_amd64.deb" >/dev/null
	# shellcheck disable=SC2016 # expanded by the inner shell
	unshare --net -- bash -c '. "$1" && in_chroot "$2" sh /srv/bin/rebuilderd-inside.sh' sh "$E2E_DIR/chroot.sh" "$REBUILDERS_ROOT"
	# The packages differ, by signature only; the manifest does not.
	grep -q '"name":"linux","has_diffoscope":false,"has_attestation":true,"status":"GOOD"' "$srv/artifacts"
	grep -q '"name":"linux-package-1","has_diffoscope":true,"has_attestation":false,"status":"BAD"' "$srv/artifacts"
	head -n 1 "$srv/diffoscope" | grep -q "^different: $modules modules, $modules payload-identical"
	head -n 1 "$srv/consensus" | grep -q '^agreed: 1 of 1 rebuilder state one manifest, 1 needed; kernel image included$'
	grep -qE '/api/v1/builds/[0-9]+/artifacts/[0-9]+/attestation$' "$srv/consensus"
	# One rebuilder with two keys has one vote; as two it would have two.
	head -n 1 "$srv/consensus-2" | grep -q '^NOT agreed: at most 1 of 2 '
	# A backend that does nothing.
	grep -q '"name":"nothing","has_diffoscope":false,"has_attestation":false,"status":"BAD"' "$srv/artifacts-2"
	head -n 1 "$srv/consensus-3" | grep -q '^NOT agreed: at most 0 of 1 '
	# A link by modhash that a worker hands in is served, with the daemon's signature.
	head -n 1 "$srv/consensus-4" | grep -q '^agreed: 2 of 2 rebuilders state one manifest, 2 needed'
	answers yes threshold 1 /srv/daemon.pub "/srv/www/$RFILE" /srv/served.link
	answers yes threshold 2 "/srv/daemon.pub /srv/alice.pub" "/srv/www/$RFILE" /srv/served-4.link
	"$INTOTO" verify "$srv/daemon.pub" "$srv/www/$RFILE" "$srv/served.link" | grep -q '^yes '
}

# twenty: a poll of 20 with manifests of 4,230 modules, and one of 100.
twenty() {
	local d=$WORK/rebuilders/twenty real i n used most=() golden port
	golden=$(find "$GOLDEN_DIR" -name 'linux-image-6.12.*_amd64.modhash' | sort | tail -n 1)
	real=$d/good/$RFILE
	mkdir -p "$d/good" "$d/bad" "$d/late"
	"$E2E_DIR/late-server.py" "$d/late" 2 >"$d/port" 9>&- &
	# shellcheck disable=SC2064 # that process
	trap "kill $!" EXIT
	for ((i = 0; i < 100; i++)); do
		[ ! -s "$d/port" ] || break
		sleep 0.1
	done
	port=$(cat "$d/port")
	cp "$golden" "$real"
	grep -q '^# modules: 4230$' "$real" || fail "that is not the manifest with 4,230 modules"
	for n in 20 100; do
		rm -rf "$d/links"
		mkdir "$d/links"
		: >"$d/rebuilders"
		for ((i = 0; i < n; i++)); do
			case $((i % 20)) in
			1[2-6]) # faulty, each in its own way
				mkdir -p "$d/bad/$i"
				sed "$((i + 20))s/^[0-9a-f]\{8\}/0000$((i + 1000))/" "$real" >"$d/bad/$i/$RFILE"
				"$INTOTO" sign "r$i" "$d/bad/$i/$RFILE" "$golden" "$d/links/r$i.link"
				;;
			17) # malicious: one thing here, another there
				"$INTOTO" sign "r$i" "$real" "$golden" "$d/links/r$i.link"
				"$INTOTO" sign "r$i" "$d/bad/12/$RFILE" "$golden" "$d/links/r$i-2.link"
				rm "$d/links/r$i-2.link.pub"
				;;
			18) # forged
				"$INTOTO" sign "r$i" "$real" "$golden" "$d/links/r$i.link"
				sed -i 's/"sig": "[0-9a-f]/"sig": "x/' "$d/links/r$i.link"
				;;
			19) # late: what its server has comes when nobody waits any more
				"$INTOTO" sign "r$i" "$real" "$golden" "$d/links/r$i.link"
				mv "$d/links/r$i.link" "$d/late/"
				;;
			*)
				"$INTOTO" sign "r$i" "$real" "$golden" "$d/links/r$i.link"
				;;
			esac
			printf 'r%02d links/r%d.link.pub' "$i" "$i" >>"$d/rebuilders"
			if [ $((i % 20)) = 3 ]; then # with two keys, and a duplicate
				"$INTOTO" sign "r$i daemon" "$real" "$golden" "$d/links/r$i-daemon.link"
				printf ' links/r%d-daemon.link.pub' "$i" >>"$d/rebuilders"
				cp "$d/links/r$i.link" "$d/links/r$i-again.link"
			fi
			[ ! -f "$d/late/r$i.link" ] || printf ' http://127.0.0.1:%s/r%d' "$port" "$i" >>"$d/rebuilders"
			echo >>"$d/rebuilders"
		done
		set --
		for i in "$d"/bad/*; do set -- "$@" --manifest "$i/$RFILE"; done
		expect 0 "^agreed: $((n * 12 / 20)) of $n rebuilders state one manifest, $((n / 2)) needed; kernel image included$" \
			env GOGC=50 /usr/bin/time -o "$d/time" -f '%U %M' "${PROG[@]}" consensus --timeout 1 --all --subject "$RSUBJECT" --threshold $((n / 2)) --rebuilders "$d/rebuilders" \
			--manifest "$real" "$@" "$d/links"
		says "modules     4,$(printf %03d $((230 - n / 4))) agreed, $((n / 4)) contested of 4,230"
		[ "$(grep -c '^    unreachable .* by r[0-9]*: .*the server took longer than 1s$' "$WORK/out")" = $((n / 20)) ] || fail "not $((n / 20)) are late"
		# GOGC, so that it is what is in use that is measured.
		used=$(tail -n 1 "$d/time")
		say "a poll of $n: ${used% *} s of processor time, ${used#* } KiB"
		most+=("${used#* }")
		[ "$n" != 20 ] || awk -v t="${used% *}" 'BEGIN { exit !(t < 1) }' || fail "it took ${used% *} s"
	done
	# They were late, and nothing else.
	expect 0 "^agreed: 65 of 100 " mh consensus --subject "$RSUBJECT" --threshold 50 --rebuilders "$d/rebuilders" --manifest "$real" "$d/links"
	[ "${most[1]}" -lt $((most[0] * 2)) ] || fail "${most[0]} KiB for 20, ${most[1]} KiB for 100"
}

# whole_chain: a package built twice by dpkg-buildpackage, by other users in other
# folders with other throw-away keys; three state what they got, one was tampered
# with.
whole_chain() {
	local there d who deb=linux-sample_6.12-1_amd64.deb subject=linux-sample=6.12-1/amd64
	scratch there /tmp
	chmod 755 "$there"
	d=$there/work
	mkdir -p "$d/src/debian/source" "$d/one" "$d/two/another/place" "$d/three" "$d/links" "$d/manifests"
	cp "$MODHASH" "$d/modhash"
	cp -r "$KERNEL/installed/none/lib" "$d/src/modules"
	"$E2E_DIR/rebuilders-source.sh" "$d/src" "$d/modhash"
	for who in one two/another/place three; do cp -r "$d/src" "$d/$who/linux-sample-6.12"; done
	chown -R 65534:65534 "$d/two"
	flip "$(find "$d/three" -name loop.ko)" 6000
	(cd "$d/one/linux-sample-6.12" && dpkg-buildpackage -d -b -us -uc) >"$d/one.log" 2>&1 || fail "$(tail -n 3 "$d/one.log")"
	(cd "$d/two/another/place/linux-sample-6.12" && HOME=$d/two setpriv --reuid 65534 --regid 65534 --clear-groups dpkg-buildpackage -d -b -us -uc) >"$d/two.log" 2>&1 ||
		fail "$(tail -n 3 "$d/two.log")"
	(cd "$d/three/linux-sample-6.12" && dpkg-buildpackage -d -b -us -uc) >"$d/three.log" 2>&1 || fail "$(tail -n 3 "$d/three.log")"
	if cmp -s "$d/one/$deb" "$d/two/another/place/$deb"; then fail "the packages are equal, the keys cannot have been two"; fi
	for who in one two/another/place three; do
		(umask 077 && openssl genpkey -algorithm ed25519 -out "$d/${who%%/*}.key")
		mkdir "$d/manifests/${who%%/*}"
		mh attest --key "$d/${who%%/*}.key" --write-public-key "$d/links/${who%%/*}.pub" --subject "$subject" --input "$(echo "$d/$who"/*.buildinfo)" \
			--write-manifest "$d/manifests/${who%%/*}/linux-sample-6.12-1-amd64.modhash" -o "$d/links/${who%%/*}.link" "$d/$who/$deb" >/dev/null
		printf '%s %s.pub\n' "${who%%/*}" "${who%%/*}" >>"$d/links/trust.pem"
	done
	expect 0 '^agreed: 2 of 3 rebuilders state one manifest, 2 needed; kernel image included$' mh consensus --subject "$subject" --threshold 2 \
		--rebuilders "$d/links/trust.pem" --manifest "$d/manifests/one" --manifest "$d/manifests/three" "$d/links"
	says 'outlier     three in 1 module, root' 'contested: 1 module' "$(cd "$d/src/modules/modules"/* && find kernel -name loop.ko): "
	# Against the first one's package, the second one states it, the third does not.
	expect 0 '^stated: ' mh attest --key "$d/two.key" --subject "$subject" --input "$(echo "$d"/two/another/place/*.buildinfo)" -o "$d/two.link" "$d/one/$deb" "$d/two/another/place/$deb"
	expect 1 '^different: ' mh attest --key "$d/three.key" --subject "$subject" --input "$(echo "$d"/three/*.buildinfo)" -o "$d/three.link" "$d/one/$deb" "$d/three/$deb"
	[ ! -e "$d/three.link" ] || fail "the third has stated it"
	# The package itself is stated by nobody, since it is not equal.
	expect 1 '^different: ' mh attest --key "$d/two.key" --package --input "$(echo "$d"/two/another/place/*.buildinfo)" "$d/one/$deb" "$d/two/another/place/$deb"
}

rebuilders() {
	rebuilders_setup
	check rebuilders/its-own-data its_own_data
	check rebuilders/our-links our_links
	check rebuilders/their-links their_links
	check rebuilders/three-judges three_judges 3200
	check rebuilders/rebuilderd rebuilderd_serves
	check rebuilders/twenty twenty
	check rebuilders/whole-chain whole_chain
}
