# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Pages of `diff --format html` in a real browser: used by keyboard and mouse, with its
# policy in force, in light and dark, and one of two whole kernels. Sourced by run.sh.

PAGES_PACKAGES=(chromium fonts-dejavu-core)
PAGES=

pages() {
	PAGES=$WORK/pages
	rm -rf "$PAGES"
	mkdir -p "$PAGES/home"
	(cd "$ROOT_DIR" && go run ./testdata/gen/mksample "$PAGES/sample")
	check pages/used pages_used
	check pages/policy pages_policy
	check pages/looks pages_looks
	check pages/large pages_large
}

# browser ARGUMENT… PAGE: without a network, and without a sandbox, which root cannot have.
browser() {
	local page=${*: -1}
	HOME=$PAGES/home timeout 120 chromium --headless --no-sandbox --disable-gpu --hide-scrollbars \
		--disable-dev-shm-usage --user-data-dir="$PAGES/home/data" --virtual-time-budget=10000 \
		--proxy-server=127.0.0.1:9 "${@:1:$#-1}" "file://$page" 2>"$WORK/log"
}

# page A B: a page of what differs, whose names want to be elements.
page() {
	"${PROG[@]}" diff --format html "$1" "$2" || [ $? = 1 ]
}

pages_used() {
	(cd "$PAGES/sample" && page a c) >"$PAGES/page.html"
	# The driver is not of the page, so the policy must go.
	sed -e 's,<meta http-equiv="Content-Security-Policy"[^>]*>,,' \
		-e '$s,.*,<script src="page-driver.js"></script>\n&,' "$PAGES/page.html" >"$PAGES/driven.html"
	cp "$E2E_DIR/page-driver.js" "$PAGES/"
	browser --dump-dom "$PAGES/driven.html" >"$PAGES/dom"
	sed -n '/<pre id="driver">/,/<\/pre>/p' "$PAGES/dom" | sed '1d;$d' >"$PAGES/said"
	diff - "$PAGES/said" <<-'END'
		shown: 1 of 24 shown
		all: 24
		search: kernel/fs/ext4/ext4.ko
		sorted: true descending
		arrow: true
		map: true
		enter: detail true
		escape: true map
		strip: 2 .text: 1,500 bytes in A, 1,500 bytes in B; 1 / 1 differ
		filter: 1 true
		alien: 0
	END
}

# pages_policy: the page's own script runs, that of a name and one put into the page do
# not.
pages_policy() {
	local folder=$PAGES/evil/usr/lib/modules/6.12.0-sample name
	cp -R "$PAGES/sample/a" "$PAGES/evil"
	for name in '<img src=x onerror="document.title=1">' '<script>document.title=1;' $'\xff\n"'; do
		: >"$folder/$name"
	done
	page "$PAGES/sample/a" "$PAGES/evil" | sed '$s,.*,<script>document.title=1</script><img src=x onerror="document.title=1">&,' >"$PAGES/evil.html"
	browser --dump-dom "$PAGES/evil.html" >"$PAGES/dom"
	grep -q '<output id="shown">24 of 24 shown</output>' "$PAGES/dom"
	grep -q '<title>modhash diff: different</title>' "$PAGES/dom"
	[ "$(grep -o '<img' "$PAGES/dom" | wc -l)" = 1 ] # the one put in
}

# pages_looks: the picture is another in the dark.
pages_looks() {
	local scheme
	for scheme in 0 1; do # dark, light
		browser --blink-settings=preferredColorScheme=$scheme --window-size=1300,1000 --screenshot="$PAGES/$scheme.png" "$PAGES/page.html"
		[ "$(head -c 4 "$PAGES/$scheme.png" | tail -c 3)" = PNG ]
		[ "$(stat -c %s "$PAGES/$scheme.png")" -gt 20000 ]
	done
	! cmp -s "$PAGES/0.png" "$PAGES/1.png"
}

# pages_large: two kernels, by their manifests.
pages_large() {
	local manifests=("$ROOT_DIR"/testdata/golden/manifests/linux-image-6.1*-amd64_*.modhash)
	page "${manifests[0]}" "${manifests[1]}" >"$PAGES/large.html"
	[ "$(stat -c %s "$PAGES/large.html")" -lt 2000000 ]
	browser --dump-dom "$PAGES/large.html" >"$PAGES/dom"
	grep -qE '<output id="shown">4,[0-9]{3} of 4,[0-9]{3} shown</output>' "$PAGES/dom"
}
