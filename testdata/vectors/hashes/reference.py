#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A second opinion on the kernel's module hashes.

It shares nothing with the program it checks: every node of the tree is worked
out from the definition, top down, where the program builds rows bottom up.

  reference.py table [LAST]               one line for each number of modules from 0
                                          to LAST (300): number, levels, root, and the
                                          SHA-256 of everything else (see below)
  reference.py modules N FOLDER           write N modules and modules.order
  reference.py tree VERSION C_FILE SUFFIX
                                          in the current folder, read modules.order and
                                          write the C file and, if VERSION is v4 or v5
                                          and not v3, the sidecars
  reference.py reserve C_FILE             the same for the v3 text without digests
  reference.py root FOLDER <NAMES         "LEVELS ROOT" of the payloads NAMES, one a line
  reference.py section FORM FOLDER <NAMES >FILE
                                          .module_hashes: FORM is flat, little or big

Module number i holds the letter a + i mod 26, i div 26 + 1 times, and is called
drivers/m<i>.ko. The last column of the table covers, in this order: the C texts
v3, v3 without digests, v4, v5; the sections flat, little, big; all sidecars.
"""

import functools
import hashlib
import os
import struct
import sys


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


class Tree:
    """The tree over payloads; node(0, i) is the leaf of payload i."""

    def __init__(self, payloads):
        self.count = len(payloads)
        self.levels = 0 if self.count == 0 else 1
        while 2 ** self.levels < self.count:
            self.levels += 1
        leaves = [sha256(b"\x01", struct.pack(">I", i), p) for i, p in enumerate(payloads)]

        @functools.lru_cache(maxsize=None)
        def node(row, i):
            if row == 0:
                return leaves[i]
            last = self.width(row - 1) - 1
            return sha256(b"\x02", node(row - 1, 2 * i), node(row - 1, min(2 * i + 1, last)))

        self.node = node
        self.root = node(self.levels, 0) if self.count else bytes(32)

    def width(self, row):
        return -(-self.count // 2 ** row)

    def proof(self, i):
        parts = [struct.pack(">I", i)]
        for row in range(self.levels):
            sibling = (i >> row) ^ 1
            if sibling == self.width(row):
                sibling -= 1
            parts.append(self.node(row, sibling))
        return b"".join(parts)

    def sidecar(self, i):
        proof = self.proof(i)
        block = struct.pack(">BBBBB3xI", 0, 0, 3, 0, 0, len(proof))
        return proof + block + b"~Module signature appended~\n"

    def section(self, order):
        return struct.pack({"little": "<I", "big": ">I"}[order], self.levels) + self.root


def merkle_text(version, tree):
    items = ["0x%02x," % byte for byte in tree.root]
    lines = ["\t\t" + " ".join(items[at:at + 8]) for at in range(0, 32, 8)]
    between, left, right = {"v4": (" ", "{", "}"), "v5": ("\n", "{{", "}}")}[version]
    return "\n".join([
        "#include <linux/module_hashes.h>",
        "",
        "const struct" + between
        + "module_hashes_root module_hashes_root __module_hashes_section = {",
        "\t.levels = %d," % tree.levels,
        "\t.hash = " + left,
        *lines,
        "\t" + right + ",",
        "};",
        ""]).encode()


def flat_text(rows):
    """rows: pairs of a name and a digest, which may be empty."""
    text = "#include <linux/module_hashes.h>\n\n"
    text += "const u8 module_hashes[][MODULE_HASHES_HASH_SIZE] __module_hashes_section = {\n"
    for name, digest in rows:
        items = "".join("0x%02x, " % byte for byte in digest)
        text += "\t/* %s */\n\t{ %s},\n\n" % (name, items)
    return (text + "};\n").encode()


def letters(i):
    return (chr(ord("a") + i % 26) * (i // 26 + 1)).encode()


def name_of(i):
    return "drivers/m%d.ko" % i


def table(last):
    for count in range(last + 1):
        payloads = [letters(i) for i in range(count)]
        names = [name_of(i) for i in range(count)]
        digests = [sha256(p) for p in payloads]
        tree = Tree(payloads)
        rest = sha256(
            flat_text(zip(names, digests)),
            flat_text((name, b"") for name in names),
            merkle_text("v4", tree),
            merkle_text("v5", tree),
            b"".join(digests),
            tree.section("little"),
            tree.section("big"),
            *(tree.sidecar(i) for i in range(count)))
        print(count, tree.levels, tree.root.hex(), rest.hex())


def write(path, content):
    with open(path, "wb") as file:
        file.write(content)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def stems():
    """The lines of modules.order without .o."""
    with open("modules.order", encoding="ascii") as file:
        lines = file.read().splitlines()
    assert all(line.endswith(".o") for line in lines)
    return [line[:-2] for line in lines]


def modules(count, folder):
    os.makedirs(os.path.join(folder, "drivers"), exist_ok=True)
    names = [name_of(i) for i in range(count)]
    for i, name in enumerate(names):
        write(os.path.join(folder, name), letters(i))
    order = "".join(name[:-len(".ko")] + ".o\n" for name in names)
    write(os.path.join(folder, "modules.order"), order.encode())


def build(version, c_file, suffix):
    payloads = [read(stem + suffix) for stem in stems()]
    if version == "v3":
        names = [stem + ".ko" for stem in stems()]
        write(c_file, flat_text(zip(names, map(sha256, payloads))))
        return
    tree = Tree(payloads)
    write(c_file, merkle_text(version, tree))
    for i, stem in enumerate(stems()):
        write(stem + ".merkle", tree.sidecar(i))


def named(folder):
    return [read(os.path.join(folder, name)) for name in sys.stdin.read().splitlines()]


def main(verb, *args):
    if verb == "table" and len(args) <= 1:
        table(int(args[0]) if args else 300)
    elif verb == "modules" and len(args) == 2:
        modules(int(args[0]), args[1])
    elif verb == "tree" and len(args) == 3 and args[0] in ("v3", "v4", "v5"):
        build(*args)
    elif verb == "reserve" and len(args) == 1:
        write(args[0], flat_text((stem + ".ko", b"") for stem in stems()))
    elif verb == "root" and len(args) == 1:
        tree = Tree(named(args[0]))
        print(tree.levels, tree.root.hex())
    elif verb == "section" and len(args) == 2 and args[0] in ("flat", "little", "big"):
        payloads = named(args[1])
        sys.stdout.buffer.write(
            b"".join(map(sha256, payloads)) if args[0] == "flat" else Tree(payloads).section(args[0]))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(*(sys.argv[1:] or [""]))
