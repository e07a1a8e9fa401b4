#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# usage: merkle-root.py FOLDER <NAMES
#
# Prints "LEVELS ROOT" of the Merkle tree over the payloads NAMES, one a line, in
# FOLDER. A second opinion, so it shares nothing with the program it checks.
#
#   leaf   SHA-256 of: 01, the line's number from 0 in 4 bytes big endian, payload
#   node   SHA-256 of: 02, left, right; an odd last one is paired with itself
#   levels 0 and a root of zeros for no payload, 1 for one, else ceil(log2 n)

import hashlib
import os
import struct
import sys


def leaf(number, path):
    with open(path, "rb") as file:
        payload = file.read()
    return hashlib.sha256(b"\x01" + struct.pack(">I", number) + payload).digest()


def pairs(level):
    if len(level) % 2:
        level = level + level[-1:]
    return [hashlib.sha256(b"\x02" + left + right).digest()
            for left, right in zip(level[::2], level[1::2])]


def root(leaves):
    if not leaves:
        return 0, bytes(32)
    level, levels = pairs(leaves), 1
    while len(level) > 1:
        level, levels = pairs(level), levels + 1
    return levels, level[0]


def main():
    folder = sys.argv[1]
    names = sys.stdin.read().splitlines()
    levels, digest = root([leaf(number, os.path.join(folder, name))
                           for number, name in enumerate(names)])
    print(levels, digest.hex())


main()
