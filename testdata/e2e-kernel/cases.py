#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Module files for a test kernel, and the list that its init program reads.

usage: cases.py KIND FOLDER TREE MODLIB [NAME=VALUE]...

KIND all: every installed module, after those it depends on, and kept loaded.
KIND tampered: one module with a trailer that is right, and with many that are
not. KIND signed: signatures only. KIND outside: every installed module, and then
those from elsewhere in the folder outside=FOLDER, as they are, changed and
stripped. KIND versions: the module outside=FILE with other versions of symbols, and
other=FILE of another build; and a module of the build that is an odd ELF file. KIND compressed: one module in the ways that its compression can be. KIND
covert, one, zero, levels0, levels33, highbit: for a kernel with another root, which
is written to FOLDER/root as LEVELS HEX:

  covert    the tree of this build and one more leaf that no list of modules shows
  one       a tree of one module
  zero      the placeholder, never filled in
  levels0   no levels, and the module's leaf as the root
  levels33  more levels than the position has bits
  highbit   the tree of this build, but the module's leaf is of position + 2^31

TREE is the build tree, MODLIB its modules as installed (lib/modules/RELEASE).
The files go to FOLDER/m/ID, the list to FOLDER/cases; see init.c. Proofs other
than the build's own are computed here, from the format's description, so that
they agree with the kernel's and the program's by being right.

  module=NAME      the module to work on (crc7)
  strip=OPTIONS    how the modules were stripped that were hashed (none)
  sign-file=FILE   the kernel's program, for signatures as well
  trusted=KEY,CRT  files of a key that the kernel trusts, and of one
  unknown=KEY,CRT  that it does not
  ec=KEY,CRT       the same for P-384, trusted
  revoked=KEY,CRT  of one that it trusts and has revoked
  proofs=no        the modules are installed without
  compress=NAME    gzip, xz or zstd: how MODLIB is compressed

The names of cases are those of upstream's recorded answers where they are the
same thing. First letter: a valid, b no marker or forced, c too short, d unknown
type, e length, f fields that are zero, g length of the proof, h no match, k
signatures, l two trailers, o from elsewhere, v versions, w odd ELF files, z compression.
"""

import hashlib
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

MARKER = b"~Module signature appended~\n"
IGNORE_MODVERSIONS, IGNORE_VERMAGIC, COMPRESSED = 1, 2, 4
SUFFIX = {"": "", "gzip": ".gz", "xz": ".xz", "zstd": ".zst"}


# --- the tree ----------------------------------------------------------------

def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def rows(modules):
    """The rows of the tree, leaves first, the root's last."""
    row = [sha256(b"\1", struct.pack(">I", i), m) for i, m in enumerate(modules)]
    made = [row]
    while len(row) > 1 or len(made) == 1:
        row = [sha256(b"\2", row[i], row[min(i + 1, len(row) - 1)])
               for i in range(0, len(row), 2)]
        made.append(row)
    return made


def prove(modules, position):
    proof, i = struct.pack(">I", position), position
    for row in rows(modules)[:-1]:
        proof += row[i ^ 1] if i ^ 1 < len(row) else row[i]
        i >>= 1
    return proof


def block(length, kind=3, algo=0, digest=0, signer=0, key=0, pad=(0, 0, 0)):
    return bytes([algo, digest, kind, signer, key, *pad]) + struct.pack(">I", length)


def sidecar(proof, length=None, **fields):
    return proof + block(len(proof) if length is None else length, **fields) + MARKER


def flipped(data, offset):
    offset %= len(data)
    return data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1:]


def harmless_change(module):
    """A module that is another one, and loads as well."""
    return flipped(module, module.index(b"description=") + len(b"description="))


# --- programs ----------------------------------------------------------------

def run(*argv, data=None):
    return subprocess.run(argv, input=data, check=True, stdout=subprocess.PIPE).stdout


def in_file(data, *argv):
    """What a program makes of a file that it changes in place; @ is its name."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "module.ko")
        with open(path, "wb") as file:
            file.write(data)
        run(*[path if a == "@" else a for a in argv])
        with open(path, "rb") as file:
            return file.read()


def compress(name, data):
    return {
        "gzip": lambda: run("gzip", "-n", "-c", data=data),
        "xz": lambda: run("xz", "--check=crc32", "--lzma2=dict=1MiB", "-c", data=data),
        "zstd": lambda: run("zstd", "-q", "-c", data=data),
    }[name]()


# --- a build -----------------------------------------------------------------

class Build:
    def __init__(self, tree, modlib, options):
        with open(os.path.join(tree, "modules.order")) as file:
            self.names = [line[:-3] for line in file]
        self.modlib, self.options = modlib, options
        self.suffix = SUFFIX[options.get("compress", "")]
        self.payloads = []
        for name in self.names:
            with open(os.path.join(tree, name + ".ko"), "rb") as file:
                data = file.read()
            if options.get("strip"):
                data = in_file(data, "strip", *options["strip"].split(), "@")
            self.payloads.append(data)
        wanted = options.get("module", "crc7")
        self.position = [os.path.basename(n) for n in self.names].index(wanted)

    def installed(self, position):
        path = os.path.join(self.modlib, "kernel", self.names[position] + ".ko" + self.suffix)
        with open(path, "rb") as file:
            return file.read()

    def load_order(self):
        """Positions, so that what a module depends on comes before it."""
        by_name, needs = {}, []
        for i, data in enumerate(self.payloads):
            by_name[re.search(rb"\0name=([^\0]*)\0", data).group(1)] = i
            needs.append(re.search(rb"\0depends=([^\0]*)\0", data).group(1).split(b","))
        order = []

        def visit(i):
            if i not in order:
                for name in filter(None, needs[i]):
                    visit(by_name[name])
                order.append(i)

        for i in range(len(self.names)):
            visit(i)
        return order


class Cases:
    def __init__(self, folder):
        self.folder, self.lines, self.files = folder, [], {}
        shutil.rmtree(os.path.join(folder, "m"), ignore_errors=True)
        os.makedirs(os.path.join(folder, "m"))

    def add(self, name, data, flags=0, call="finit_module", keep=False):
        if self.files.setdefault(name, data) is not data:
            raise SystemExit(f"cases.py: two files for {name}")
        ident = name
        if flags & ~COMPRESSED:
            ident += f"+{flags}"
        if call != "finit_module":
            ident += f"+{call}"
        self.lines.append(f"{ident}\t{call}\t{flags}\t{int(keep)}\t/m/{name}\n")

    def write(self):
        for name, data in self.files.items():
            with open(os.path.join(self.folder, "m", name), "wb") as file:
                file.write(data)
        with open(os.path.join(self.folder, "cases"), "w") as file:
            file.writelines(self.lines)


# --- the kinds ---------------------------------------------------------------

def all_modules(build, cases):
    flags = COMPRESSED if build.suffix else 0
    for i in build.load_order():
        name = os.path.basename(build.names[i]) + ".ko" + build.suffix
        cases.add(name, build.installed(i), flags=flags, keep=True)


def unusable_markers(cases, module, valid):
    cases.add("b1-unsigned", module)
    cases.add("b2-last-byte-cut", valid[:-1])
    cases.add("b3-marker-damaged", flipped(valid, -10))
    cases.add("b4-newline-after-marker", valid + b"\n")
    cases.add("b5-nul-after-marker", valid + b"\0")
    cases.add("b6-marker-only", MARKER)
    cases.add("b7-marker-first-byte-cut", MARKER[1:])
    cases.add("b8-empty", b"")
    cases.add("b9-marker-crlf", valid[:-1] + b"\r\n")
    cases.add("b10-installed-then-stripped", in_file(valid, "strip", "-g", "@"))
    cases.add("c1-one-byte-and-marker", b"x" + MARKER)
    cases.add("c2-block-only", block(0) + MARKER)
    cases.add("c5-block-only-type-7", block(0, kind=7) + MARKER)
    cases.add("d1-13x-and-marker", 13 * b"x" + MARKER)


def forced(cases, valid):
    for flags in (IGNORE_MODVERSIONS, IGNORE_VERMAGIC, IGNORE_MODVERSIONS | IGNORE_VERMAGIC):
        cases.add("a1-valid", valid, flags=flags)


def malformed(cases, module, proof):
    def trailer(name, **fields):
        cases.add(name, module + sidecar(proof, **fields))

    side = sidecar(proof)
    cases.add("c3-sidecar-only", side)
    cases.add("c4-one-byte-and-sidecar", b"x" + side)
    for kind in (0, 1, 4, 255):
        trailer(f"d2-idtype-{kind:03}", kind=kind)
    trailer("d3-idtype-4-siglen-ffffffff", kind=4, length=0xffffffff)
    trailer("d4-idtype-4-algo-1", kind=4, algo=1)
    cases.add("d5-block-type-3-after-1-byte", b"x" + block(0) + MARKER)
    rest = len(module) + len(proof)
    trailer("e1-siglen-ffffffff", length=0xffffffff)
    trailer("e2-siglen-equals-rest", length=rest)
    trailer("e3-siglen-rest-minus-1", length=rest - 1)
    trailer("e4-siglen-top-byte-1", length=len(proof) + (1 << 24))
    trailer("e5-siglen-little-endian", length=int.from_bytes(len(proof).to_bytes(4, "big"), "little"))
    trailer("e6-siglen-80000000", length=0x80000000)
    trailer("e7-pkcs7-siglen-ffffffff", kind=2, length=0xffffffff)
    trailer("f1-algo-1", algo=1)
    trailer("f2-hash-4", digest=4)
    trailer("f3-signerlen-1", signer=1)
    trailer("f4-keyidlen-1", key=1)
    for i in range(3):
        trailer(f"f5-pad{i}", pad=tuple(int(i == k) for k in range(3)))
    cases.add("f6-algo-1-wrong-length", module + sidecar(proof[:-32], algo=1))
    for name, other in (
            ("g1-proof-32-longer", proof + bytes(32)), ("g2-proof-32-shorter", proof[:-32]),
            ("g3-proof-1-longer", proof + b"\0"), ("g4-proof-1-shorter", proof[:-1]),
            ("g5-proof-4-bytes", proof[:4]), ("g6-proof-3-bytes", proof[:3]),
            ("g7-proof-0-bytes", b"")):
        cases.add(name, module + sidecar(other))


def no_match(cases, build):
    mods, at = build.payloads, build.position
    module, proof = mods[at], prove(mods, at)
    other = at - 1 if at else 1
    levels = (len(proof) - 4) // 32

    def claims(name, changed):
        cases.add(name, module + sidecar(changed))

    cases.add("g8-deeper-tree", module + sidecar(prove(mods + [b"x"] * (1 << levels), at)))
    cases.add("g9-shallower-tree", module + sidecar(prove([module] * 2, at % 2)))
    changed_module = harmless_change(module)
    cases.add("h01-module-bit-flipped", changed_module + sidecar(proof))
    cases.add("h02-module-byte-more", module + b"\0" + sidecar(proof))
    cases.add("h03-module-byte-less", module[:-1] + sidecar(proof))
    cases.add("h04-stripped-then-old-trailer", in_file(module, "strip", "-g", "@") + sidecar(proof))
    claims("h05-proof-of-other-position", prove(mods, other))
    claims("h06-only-position-changed", struct.pack(">I", other) + proof[4:])
    claims("h07-position-little-endian", struct.pack("<I", at) + proof[4:])
    claims("h08-position-bit-31", struct.pack(">I", at | 1 << 31) + proof[4:])
    claims("h09-position-above-levels", struct.pack(">I", at | 1 << levels) + proof[4:])
    for k in range(levels):
        claims(f"h{10 + k}-sibling-{k}-flipped", flipped(proof, 4 + 32 * k))
    siblings = [proof[i:i + 32] for i in range(4, len(proof), 32)]
    claims("h20-siblings-reversed", proof[:4] + b"".join(reversed(siblings)))
    claims("h21-proof-all-zero", bytes(len(proof)))
    changed = list(mods)
    changed[other] += b"\0"
    claims("h22-stale-proof", prove(changed, at))
    cases.add("h23-not-in-tree", changed_module + sidecar(prove(mods + [changed_module], len(mods))))
    cases.add("h24-swapped-module", mods[other] + sidecar(proof))
    last = len(mods) - 1
    if last % 2 == 0:
        row = rows(mods)[0]
        claim = struct.pack(">I", last + 1) + row[last] + prove(mods, last)[36:]
        cases.add("h25-last-leaf-at-next-position", mods[last] + sidecar(claim))


def signed(build, cases):
    module, proof = build.payloads[build.position], prove(build.payloads, build.position)
    merkle = sidecar(proof)

    def sign(data, who, digest="sha256", *flags):
        key, crt = build.options[who].split(",")
        return in_file(data, build.options["sign-file"], *flags, digest, key, crt, "@")

    def retyped(data, kind):
        end = len(data) - len(MARKER) - 10
        return data[:end] + bytes([kind]) + data[end + 1:]

    good, unknown = sign(module, "trusted"), sign(module, "unknown")
    cut = len(module)
    cases.add("k01-rsa-good", good)
    cases.add("k03-unknown-key", unknown)
    cases.add("k04-rsa-module-changed", harmless_change(good))
    cases.add("k06-unknown-key-module-changed", harmless_change(unknown))
    cases.add("k07-signature-value-changed", flipped(good, -len(MARKER) - 13))
    cases.add("k08-der-garbage", module + sidecar(64 * b"\xff", kind=2))
    message = good[cut:-len(MARKER) - 12]
    cases.add("k09-der-truncated", module + sidecar(message[:-10], kind=2))
    cases.add("k10-digest-md5", sign(module, "trusted", "md5"))
    cases.add("k12-keyid-good", sign(module, "trusted", "sha256", "-k"))
    cases.add("k13-merkle-proof-as-type-2", module + sidecar(proof, kind=2))
    cases.add("k14-pkcs7-as-type-3", retyped(good, 3))
    cases.add("k15-pkcs7-algo-1", module + sidecar(message, kind=2, algo=1))
    cases.add("k16-pkcs7-empty", module + sidecar(b"", kind=2))
    cases.add("k17-rsa-sha512-good", sign(module, "trusted", "sha512"))
    if "ec" in build.options:
        good_ec = sign(module, "ec", "sha384")
        cases.add("k02-ec-good", good_ec)
        cases.add("k05-ec-module-changed", harmless_change(good_ec))
    if "revoked" in build.options:
        cases.add("k11-revoked-key", sign(module, "revoked"))
        cases.add("k18-revoked-key-by-id", sign(module, "revoked", "sha256", "-k"))
    cases.add("l1-merkle-then-pkcs7-known", sign(module + merkle, "trusted"))
    cases.add("l2-merkle-then-pkcs7-unknown", sign(module + merkle, "unknown"))
    cases.add("l3-merkle-then-pkcs7-of-bare-module", module + merkle + good[cut:])
    wrong = sidecar(flipped(proof, -1))
    cases.add("l4-wrong-merkle-then-pkcs7-known", sign(module + wrong, "trusted"))
    cases.add("l5-pkcs7-known-then-merkle", good + merkle)
    cases.add("l6-merkle-twice", module + merkle + merkle)
    cases.add("l7-pkcs7-known-then-unknown-type", good + sidecar(proof, kind=4))
    cases.add("l8-pkcs7-twice-known", sign(good, "trusted"))


def tampered(build, cases):
    at = build.position
    module, proof = build.payloads[at], prove(build.payloads, at)
    valid = module + sidecar(proof)
    if build.installed(at) != (module if build.options.get("proofs") == "no" else valid):
        raise SystemExit(f"cases.py: {build.names[at]}: not installed with the proof it should have")
    cases.add("a1-valid", valid)
    cases.add("a1-valid", valid, call="init_module")
    unusable_markers(cases, module, valid)
    for name in ("b1-unsigned", "b8-empty", "c1-one-byte-and-marker"):
        cases.add(name, cases.files[name], call="init_module")
    forced(cases, valid)
    malformed(cases, module, proof)
    no_match(cases, build)
    if "sign-file" in build.options:
        signed(build, cases)


def outside(build, cases):
    all_modules(build, cases)
    folder = build.options["outside"]
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            data = file.read()
        packed = name.endswith(".xz")
        flags = COMPRESSED if packed else 0
        plain = run("xz", "-dc", data=data) if packed else data

        def repacked(changed):
            return compress("xz", changed) if packed else changed

        cases.add(name, data, flags=flags)
        if plain.endswith(MARKER):
            cases.add(name.replace(".", "-changed.", 1), repacked(harmless_change(plain)), flags=flags)
            cases.add(name.replace(".", "-stripped.", 1), repacked(in_file(plain, "strip", "-g", "@")),
                      flags=flags)


def versions(build, cases):
    at = build.position
    with open(build.options["outside"], "rb") as file:
        module = file.read()
    with open(build.options["other"], "rb") as file:
        other = file.read()

    def entry(symbol):
        """Of struct modversion_info: 8 bytes of checksum, 56 of the name."""
        name = symbol.ljust(56, b"\0")
        if module.count(name) != 1:
            raise SystemExit(f"cases.py: no version of {symbol}")
        return module.index(name) - 8

    def asked(name, data, *flags):
        for each in flags:
            cases.add(name, data, flags=each)

    def everywhere(name, data):
        asked(name, data, 0, IGNORE_MODVERSIONS, IGNORE_VERMAGIC)

    cases.add("v01-needed-first", build.installed(at), keep=True)
    everywhere("v02-valid", module)
    everywhere("v03-other-layout", flipped(module, entry(b"module_layout")))
    everywhere("v04-other-symbol", flipped(module, entry(b"crc7_be")))
    everywhere("v05-symbol-not-listed", flipped(module, entry(b"crc7_be") + 8))
    everywhere("v06-layout-not-listed", flipped(module, entry(b"module_layout") + 8))
    everywhere("v07-no-versions", in_file(module, "objcopy", "--remove-section", "__versions", "@"))
    # Never IGNORE_VERMAGIC: that would load it, and its struct module has other fields.
    asked("v08-other-build", other, 0, IGNORE_MODVERSIONS)
    cases.add("v09-already-loaded", build.installed(at), keep=True)
    odd(build, cases)


class Elf:
    """A module's ELF file of 64 bits, in which single fields are changed."""

    HEADER = {"class": (4, "B"), "order": (5, "B"), "type": (16, "H"), "machine": (18, "H"),
              "table": (40, "Q"), "entry": (58, "H"), "num": (60, "H"), "strings": (62, "H")}
    SECTION = {"name": (0, "I"), "type": (4, "I"), "flags": (8, "Q"), "offset": (24, "Q"),
               "size": (32, "Q"), "link": (40, "I"), "info": (44, "I")}

    def __init__(self, data):
        self.data = data
        table, = self.get("<Q", 40)
        num, strings = self.get("<HH", 60)
        self.at = [table + 64 * i for i in range(num)]
        names = self.get("<Q", self.at[strings] + 24)[0]
        self.names = []
        for at in self.at:
            start = names + self.get("<I", at)[0]
            self.names.append(data[start:data.index(b"\0", start)].decode())

    def get(self, form, at):
        return struct.unpack_from(form, self.data, at)

    def put(self, form, at, value):
        data = bytearray(self.data)
        struct.pack_into(form, data, at, value)
        return bytes(data)

    def header(self, field, value):
        at, form = self.HEADER[field]
        return self.put("<" + form, at, value)

    def section(self, name, field, value):
        at, form = self.SECTION[field]
        return self.put("<" + form, self.at[self.names.index(name)] + at, value)

    def place(self, name):
        """Where the content of a section is."""
        return self.get("<Q", self.at[self.names.index(name)] + 24)[0]

    def symbol(self, wanted):
        """Where a symbol is."""
        at, names = self.place(".symtab"), self.place(".strtab")
        while True:
            start = names + self.get("<I", at)[0]
            if self.data[start:self.data.index(b"\0", start)] == wanted:
                return at
            at += 24


def odd(build, cases):
    """Nothing that the kernel does not refuse may harm it: these files load, or do not."""
    name = next(n for n in build.names if os.path.basename(n) == "crc4")
    elf = Elf(build.payloads[build.names.index(name)])
    symbol, relocation = elf.symbol(b"crc4"), elf.place(".rela.text")
    versions = elf.place("__versions")
    for ident, data in (
            ("as-built", elf.data),
            ("class-1", elf.header("class", 1)),
            ("class-77", elf.header("class", 77)),
            ("big-endian", elf.header("order", 2)),
            ("executable", elf.header("type", 2)),
            ("machine-183", elf.header("machine", 183)),
            ("table-at-0", elf.header("table", 0)),
            ("table-at-the-end", elf.header("table", len(elf.data) - 64)),
            ("entries-of-65", elf.header("entry", 65)),
            ("no-sections", elf.header("num", 0)),
            ("names-in-section-1", elf.header("strings", 1)),
            ("names-in-no-section", elf.header("strings", 0xffff)),
            ("cut-in-the-header", elf.data[:63]),
            ("cut", elf.data[:len(elf.data) // 2]),
            ("name-of-a-section", elf.section(".text", "name", 1 << 31)),
            ("names-not-ended", elf.section(".shstrtab", "size", 7)),
            ("section-outside", elf.section(".text", "size", 1 << 40)),
            ("two-modinfo", elf.section(".comment", "name", elf.get("<I", elf.at[elf.names.index(".modinfo")])[0])),
            ("symbols-named-in-text", elf.section(".symtab", "link", elf.names.index(".text"))),
            ("symbols-named-nowhere", elf.section(".symtab", "link", 99)),
            ("no-symbols", elf.section(".symtab", "type", 1)),
            ("written-and-executed", elf.section(".text", "flags", 7)),
            ("struct-module-not-loaded", elf.section(".gnu.linkonce.this_module", "flags", 1)),
            ("struct-module-without-bytes", elf.section(".gnu.linkonce.this_module", "type", 8)),
            ("common-symbol", elf.put("<H", symbol + 6, 0xfff2)),
            ("symbol-of-no-section", elf.put("<H", symbol + 6, 99)),
            ("needs-what-it-exports", elf.put("<H", symbol + 6, 0)),
            ("unknown-relocation", elf.put("<I", relocation + 8, 9)),
            ("relocations-without-addend", elf.section(".rela.text", "type", 9)),
            ("relocation-where-code-is", elf.put("<Q", relocation, 0)),
            ("no-table-of-checksums", elf.section("__kcrctab_gpl", "flags", 0)),
            ("versions-not-loaded", elf.section("__versions", "flags", 0)),
            ("version-of-33-bits", elf.put("<B", versions + 4, 1)),
            ("versions-cut", elf.section("__versions", "size", 63))):
        cases.add("w-" + ident, data)


def compressed(build, cases):
    how = build.options["compress"]
    at = build.position
    plain = build.payloads[at] + sidecar(prove(build.payloads, at))
    whole, suffix = build.installed(at), build.suffix
    cases.add("z01-plain", plain)
    cases.add("z02-plain-called-compressed", plain, flags=COMPRESSED)
    cases.add("z03-valid" + suffix, whole, flags=COMPRESSED)
    cases.add("z04-not-called-compressed" + suffix, whole)
    cases.add("z05-stale" + suffix, compress(how, flipped(plain, -50)), flags=COMPRESSED)
    cases.add("z06-unsigned" + suffix, compress(how, build.payloads[at]), flags=COMPRESSED)
    half = len(plain) // 2
    cases.add("z07-two-halves" + suffix,
              compress(how, plain[:half]) + compress(how, plain[half:]), flags=COMPRESSED)
    cases.add("z08-second-stream" + suffix,
              whole + compress(how, build.payloads[at - 1]), flags=COMPRESSED)
    cases.add("z09-unsigned-then-proof" + suffix,
              compress(how, build.payloads[at]) + compress(how, plain[len(build.payloads[at]):]),
              flags=COMPRESSED)
    cases.add("z10-bytes-behind" + suffix, whole + 16 * b"x", flags=COMPRESSED)
    cases.add("z11-nuls-behind" + suffix, whole + bytes(16), flags=COMPRESSED)
    cases.add("z12-cut" + suffix, whole[:-20], flags=COMPRESSED)
    cases.add("z13-proof-outside" + suffix,
              compress(how, build.payloads[at]) + plain[len(build.payloads[at]):], flags=COMPRESSED)
    for other in sorted(set(SUFFIX) - {"", how}):
        cases.add(f"z14-other-kind{SUFFIX[other]}", compress(other, plain), flags=COMPRESSED)
    if how == "xz":
        cases.add("z20-crc64.xz", run("xz", "--check=crc64", "-c", data=plain), flags=COMPRESSED)
        cases.add("z21-sha256.xz", run("xz", "--check=sha256", "-c", data=plain), flags=COMPRESSED)
        cases.add("z22-no-check.xz", run("xz", "--check=none", "-c", data=plain), flags=COMPRESSED)
        cases.add("z23-bcj.xz", run("xz", "--check=crc32", "--x86", "--lzma2=dict=1MiB", "-c",
                                    data=plain), flags=COMPRESSED)
        cases.add("z24-large-dictionary.xz",
                  run("xz", "--check=crc32", "--lzma2=dict=64MiB", "-c", data=plain), flags=COMPRESSED)
        cases.add("z25-blocks.xz", run("xz", "--check=crc32", "--block-size=4KiB", "-c", data=plain),
                  flags=COMPRESSED)
        cases.add("z26-damaged-header.xz", flipped(whole, 7), flags=COMPRESSED)
        cases.add("z27-damaged-header-of-block.xz", flipped(whole, 14), flags=COMPRESSED)
    if how == "zstd":
        skippable = b"\x50\x2a\x4d\x18" + struct.pack("<I", 4) + b"none"
        cases.add("z30-skippable-before.zst", skippable + whole, flags=COMPRESSED)
        cases.add("z31-skippable-behind.zst", whole + skippable, flags=COMPRESSED)
        frame = b"\x28\xb5\x2f\xfd"
        cases.add("z32-reserved-bit.zst", whole[:4] + bytes([whole[4] | 8]) + whole[5:], flags=COMPRESSED)
        cases.add("z33-dictionary.zst", frame + b"\x01\x58\x05\x01\0\0", flags=COMPRESSED)
        cases.add("z34-block-above-the-window.zst", frame + b"\0\0" + struct.pack("<I", 2000 << 3 | 1)[:3], flags=COMPRESSED)
        cases.add("z35-wrong-content.zst", flipped(whole, -2), flags=COMPRESSED)
    if how == "gzip":
        named = bytearray(whole)
        named[3] |= 8  # FNAME
        cases.add("z40-name.gz", bytes(named[:10]) + b"module.ko\0" + bytes(named[10:]),
                  flags=COMPRESSED)
        named[3] = 0x10  # FCOMMENT
        cases.add("z41-comment.gz", bytes(named[:10]) + b"comment\0" + bytes(named[10:]),
                  flags=COMPRESSED)


def covert(build, cases):
    extra = harmless_change(build.payloads[build.position])
    mods = build.payloads + [extra]
    for i in build.load_order():
        cases.add(os.path.basename(build.names[i]) + ".ko", mods[i] + sidecar(prove(mods, i)),
                  keep=i != build.position)
    cases.add("extra-leaf", extra + sidecar(prove(mods, len(mods) - 1)))
    cases.add("honest-proof", build.installed(build.position))
    return len(rows(mods)) - 1, rows(mods)[-1][0]


def one(build, cases):
    module = build.payloads[build.position]
    proof = prove([module], 0)
    cases.add("n1-m0", module + sidecar(proof))
    cases.add("n1-m0-level-0", module + sidecar(proof[:4]))
    cases.add("n1-m0-at-1", module + sidecar(struct.pack(">I", 1) + proof[4:]))
    cases.add("n1-other", build.payloads[build.position - 1] + sidecar(proof))
    return 1, rows([module])[-1][0]


def zero(build, cases):
    module = build.payloads[build.position]
    cases.add("a1-valid", build.installed(build.position))
    cases.add("b1-unsigned", module)
    cases.add("g5-proof-4-bytes", module + sidecar(prove(build.payloads, build.position)[:4]))
    return 0, bytes(32)


def levels0(build, cases):
    module, at = build.payloads[build.position], struct.pack(">I", build.position)
    cases.add("l0-m0", module + sidecar(at))
    cases.add("l0-m1", build.payloads[build.position - 1] + sidecar(at))
    cases.add("l0-proof-32-longer", module + sidecar(at + bytes(32)))
    return 0, sha256(b"\1", at, module)


def levels33(build, cases):
    module, at = build.payloads[build.position], 0xfffffffe
    proof, hashed = struct.pack(">I", at), sha256(b"\1", struct.pack(">I", at), module)
    for k in range(33):
        other = sha256(bytes([k]))
        hashed = sha256(b"\2", *((other, hashed) if at >> k & 1 else (hashed, other)))
        proof += other
    cases.add("l33-m0", module + sidecar(proof))
    cases.add("l33-last-sibling-flipped", module + sidecar(flipped(proof, -1)))
    return 33, hashed


def highbit(build, cases):
    mods, at = build.payloads, build.position
    claim = struct.pack(">I", at | 1 << 31)
    row = rows(mods)[0]
    row[at] = sha256(b"\1", claim, mods[at])
    path, hashed, i = b"", row, at
    while len(hashed) > 1:
        path += hashed[min(i ^ 1, len(hashed) - 1)]
        hashed = [sha256(b"\2", hashed[j], hashed[min(j + 1, len(hashed) - 1)])
                  for j in range(0, len(hashed), 2)]
        i >>= 1
    cases.add("hb-m1-position-80000001", mods[at] + sidecar(claim + path))
    cases.add("hb-m1-position-1", mods[at] + sidecar(struct.pack(">I", at) + path))
    return len(path) // 32, hashed[0]


KINDS = {f.__name__: f for f in (tampered, signed, outside, versions, compressed, covert, one, zero,
                                 levels0, levels33, highbit)}
KINDS["all"] = all_modules


def main():
    if len(sys.argv) < 5:
        raise SystemExit(__doc__)
    kind, folder, tree, modlib = sys.argv[1:5]
    options = dict(a.split("=", 1) for a in sys.argv[5:])
    build, cases = Build(tree, modlib, options), Cases(folder)
    root = KINDS[kind](build, cases)
    cases.write()
    if root:
        with open(os.path.join(folder, "root"), "w") as file:
            print(root[0], root[1].hex(), file=file)
    print(len(cases.lines))


main()
