#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prints what date(1) makes of a time, as usr/gen_initramfs.sh of the kernel asks
# it: in UTC, in Tokyo, and the text; "-" where it cannot read it. The columns
# are separated by tabs. Times that change with each run are printed as "now".
export LC_ALL=C
now=$(date +%s)
ask() {
	t=$(TZ=$1 date -d"$2" +%s 2>/dev/null) || t=-
	if [ "$t" != - ] && [ "$t" -gt $((now - 864000)) ] && [ "$t" -lt $((now + 864000)) ]; then t=now; fi
	printf '%s' "$t"
}
while IFS= read -r text; do
	printf '%s\t%s\t%s\n' "$(ask UTC0 "$text")" "$(ask JST-9 "$text")" "$text"
done <<'LIST'
@1767225600
@1767225600.5
Thu Jan  1 00:00:00 UTC 2026
Thu Jan  1 00:00:00 2026
Thu Jan 1 09:00:00 JST 2026
Thu, 01 Jan 2026 00:00:00 +0000
Thu, 01 Jan 2026 00:00:00
Thu, 1 Jan 2026 01:00:00 +0100
2026-01-01
2026-01-01 00:00
2026-01-01 00:00:00
2026-01-01 00:00:00 UTC
2026-01-01 00:00:00 +00:00
2026-01-01 00:00:00-05:00
2026-01-01 00:00:00 GMT
2026-01-01 00:00:00 CET
2026-01-01 00:00:00 EST
2026-01-01T00:00:00
2026-01-01T00:00:00Z
2026-01-01T00:00Z
2026-01-01T00:00:00+01:00
2026-01-01T00:00:00.123Z
20260101
20260101 000000
1 Jan 2026
January 1, 2026
Jan 1 2026 00:00 Z
Jan 1 2026 12am utc
now
today
yesterday
tomorrow UTC
last monday
2 days ago
next week UTC
1767225600
#1 SMP PREEMPT_DYNAMIC Debian 6.12.117-1 (2026-01-01)
Debian 6.12.117-1 (2026-01-01)
6.12.117-1 2026-01-01
sometime
reproducible
LIST
