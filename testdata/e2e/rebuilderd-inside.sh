# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# What rebuilders.sh does with rebuilderd, inside of the small system, where there is
# no network but the loopback interface. Answers are left in /srv.

set -eu
export REBUILDERD_COOKIE_PATH=/srv/daemon/cookie
URL=http://127.0.0.1:8484
FILE=linux-6.12-1-amd64.modhash

busybox ip link set lo up
busybox httpd -f -p 127.0.0.1:8000 -h /srv/www &
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT

# wait_for URL PATTERN FILE: ask until the answer is so.
wait_for() {
	for _ in $(seq 150); do
		if busybox wget -q -O "$3" "$1" 2>/dev/null && grep -q "$2" "$3"; then return 0; fi
		sleep 0.2
	done
	echo "no $2 from $1"
	tail -n 3 /srv/daemon/log /srv/worker/log
	exit 1
}

consensus() { /srv/bin/modhash consensus --manifest "/srv/www/$FILE" "$@"; }

cat >/srv/daemon/rebuilderd.conf <<END
[http]
bind_addr = "127.0.0.1:8484"
endpoint = "$URL"
[auth]
[worker]
signup_secret = "throw-away"
END
cat >/srv/worker/worker.conf <<END
endpoint = "$URL"
signup_secret = "throw-away"
[build]
[diffoscope]
enabled = true
timeout = 60
[backend."debian-modhash"]
path = "/srv/bin/modhash-backend"
END
# The distribution's own backend: what it builds was built already.
cat >/srv/bin/own-backend <<'END'
#!/bin/sh
case $1 in
*/nothing.buildinfo) exit 0 ;;
esac
cp /srv/built/*.deb "$REBUILDERD_OUTDIR/"
END
chmod 755 /srv/bin/*
cp /srv/www/linux.buildinfo /srv/www/nothing.buildinfo
cp "/srv/www/$FILE" /srv/www/nothing-6.12-1-amd64.modhash

cd /srv/daemon
HOME=/srv/daemon rebuilderd -v -c rebuilderd.conf >log 2>&1 &
wait_for $URL/api/v1/meta/public-keys 'BEGIN PUBLIC KEY' keys.json
sed 's/.*\["//; s/"\].*//; s/\\r\\n/\n/g' keys.json >/srv/daemon.pub
/srv/bin/modhash-report debian-modhash amd64 sid main >report.json <<END
linux 6.12-1 amd64 http://127.0.0.1:8000/linux.buildinfo http://127.0.0.1:8000/$FILE http://127.0.0.1:8000/linux_6.12-1_amd64.deb
nothing 6.12-1 amd64 http://127.0.0.1:8000/nothing.buildinfo http://127.0.0.1:8000/nothing-6.12-1-amd64.modhash http://127.0.0.1:8000/linux_6.12-1_amd64.deb
END
rebuildctl -c rebuilderd.conf pkgs sync-stdin <report.json

cd /srv/worker
PATH=/srv/bin:$PATH MODHASH_BACKEND=/srv/bin/own-backend MODHASH=/srv/bin/modhash \
	rebuilderd-worker -v -n worker -c worker.conf connect >log 2>&1 &
wait_for "$URL/api/v1/packages/binary?name=linux&version=6.12-1&architecture=amd64" '"artifact_id":[0-9]' /srv/search
wait_for "$URL/api/v1/packages/binary?name=nothing&version=6.12-1&architecture=amd64" '"artifact_id":[0-9]' /srv/search-2

# number FIELD FILE: the number of that name in an answer. Which of the two is built
# first is the daemon's choice.
number() {
	n=$(busybox tr '{' '\n' <"$2" | sed -n "s/.*\"$1\":\([0-9][0-9]*\).*/\1/p" | busybox tail -n 1)
	echo "${n:?no $1 in $2}"
}
build=$(number build_id /srv/search)
artifact=$(number artifact_id /srv/search)
busybox wget -q -O /srv/artifacts "$URL/api/v1/builds/$build/artifacts"
busybox wget -q -O /srv/artifacts-2 "$URL/api/v1/builds/$(number build_id /srv/search-2)/artifacts"
busybox wget -q -O /srv/served.link "$URL/api/v1/builds/$build/artifacts/$artifact/attestation"
busybox tr '{' '\n' </srv/artifacts | grep '"name":"linux-package-1"' >/srv/package
busybox wget -q -O /srv/diffoscope "$URL/api/v1/builds/$build/artifacts/$(number id /srv/package)/diffoscope"

consensus --subject linux=6.12-1/amd64 --threshold 1 --rebuilder "one /srv/daemon.pub $URL" >/srv/consensus
# The worker's key is in its own folder.
busybox find /var/lib/rebuilderd-worker -name rebuilder.v2.key | head -n 1 | xargs -I KEY cp KEY /srv/worker.key
/srv/bin/modhash attest --quiet --key /srv/worker.key --write-public-key /srv/worker.pub --subject linux=6.12-1/amd64 \
	--input /srv/www/linux.buildinfo "/srv/www/$FILE" /srv/built/linux_6.12-1_amd64.deb >/srv/worker.link
consensus --subject linux=6.12-1/amd64 --threshold 2 --rebuilder "one /srv/daemon.pub /srv/worker.pub $URL" \
	--rebuilder 'two /srv/alice.pub' /srv/worker.link >/srv/consensus-2 || true
consensus --subject nothing=6.12-1/amd64 --threshold 1 --rebuilder "one /srv/daemon.pub $URL" >/srv/consensus-3 || true

# A worker of another distribution that hands in a link by modhash: what
# rebuilderd-worker sends, by hand.
post() {
	busybox wget -q -O - --header 'X-Worker-Key: by-hand' --header 'X-Signup-Secret: throw-away' \
		--header 'Content-Type: application/json' --post-data "$2" "$URL/api/v1/$1"
}
/srv/bin/modhash-report debian-handed amd64 >/srv/daemon/handed.json <<END
linux 6.12-1 amd64 http://127.0.0.1:8000/linux.buildinfo http://127.0.0.1:8000/$FILE
END
rebuildctl -c /srv/daemon/rebuilderd.conf pkgs sync-stdin </srv/daemon/handed.json
post workers '{"name":"by-hand"}'
post queue/pop '{"supported_backends":["debian-handed"],"architecture":"amd64","supported_architectures":["amd64"]}' >/srv/job
id=$(sed 's/.*"job":{"id":\([0-9]*\),.*/\1/' /srv/job)
bytes() { busybox od -A n -v -t u1 "$1" | tr -s ' \n' ',' | sed 's/^,//; s/,$//'; }
post builds "{\"queue_id\":$id,\"built_at\":\"2026-01-02T03:04:05\",\"build_log\":[10],\"status\":\"GOOD\",\"artifacts\":[{\"name\":\"linux\",\"diffoscope\":null,\"attestation\":[$(bytes /srv/alice.link)],\"status\":\"GOOD\"}]}"
busybox wget -q -O /srv/served-4.link "$URL/api/v1/builds/3/artifacts/5/attestation"
consensus --subject linux=6.12-1/amd64 --threshold 2 --rebuilder "one /srv/daemon.pub /srv/worker.pub $URL" \
	--rebuilder 'two /srv/alice.pub' >/srv/consensus-4 || true
