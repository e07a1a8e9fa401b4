#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes sample.modhash, the manifest of the built-in sample build a, without
# modhash: by the text of its format and of the hashset's, in Python.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd ../.. && go run ./testdata/gen/mksample "$work")
python3 - "$work/a/usr/lib/modules/6.12.0-sample" >sample.modhash <<'PYTHON'
import hashlib, struct, sys

root = sys.argv[1] + "/"
marker = b"~Module signature appended~\n"
sha = lambda b: hashlib.sha256(b).digest()

def payload(name):
    b = open(root + name, "rb").read()
    assert b.endswith(marker)
    size, = struct.unpack(">I", b[-32:-28])
    return b[:-40 - size]

def image():
    b = open(root + "vmlinuz", "rb").read()
    coff = struct.unpack("<I", b[0x3c:0x40])[0] + 4
    checksum, table = coff + 20 + 64, coff + 20 + 112 + 4 * 8
    assert b[table:table + 8] == bytes(8)
    return sha(b[:checksum] + b[checksum + 4:table] + b[table + 8:] + bytes(-len(b) % 8))

names = open(root + "modules.order").read().splitlines()
row = [sha(b"\x01" + struct.pack(">I", i) + payload(n)) for i, n in enumerate(names)]
levels = 0
while len(row) > 1:
    row = [sha(b"\x02" + row[i] + row[min(i + 1, len(row) - 1)]) for i in range(0, len(row), 2)]
    levels += 1
print("# modhash manifest v1")
print("# release: 6.12.0-sample")
print("# arch: x86_64 elf64 little")
print("# digest: sha256")
print("# image: sha256", image().hex())
print("# modules:", len(names))
print("# hashset: merkle/1")
print("# root:", levels, row[0].hex())
for n in names:
    print(sha(payload(n)).hex() + "  " + n)
PYTHON
