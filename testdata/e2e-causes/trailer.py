#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Changes a module that ends in a signature with ML-DSA.

usage: trailer.py CHANGE FROM TO

CHANGE payload: one bit of the module's description is another one. signature: one
bit of the signature. cut: the signature lacks its last byte, and all lengths say so.
algorithm: it is called by the name of another ML-DSA. digest: SHA-512 is called
SHA-256, wherever it is named.
"""

import struct
import sys

MARKER = b"~Module signature appended~\n"
BLOCK = 12  # with the length of the message, big endian, in its last four bytes
ALGORITHM = bytes.fromhex("06096086480165030403")  # and 17, 18 or 19
SHA512 = bytes.fromhex("0609608648016503040203")
SHA256 = bytes.fromhex("0609608648016503040201")


def head(message, at):
    """How long the tag and length of the element at an offset are, and its content."""
    size, length = message[at + 1], 2
    if size & 0x80:
        length += size & 0x7F
        size = int.from_bytes(message[at + 2:at + length], "big")
    return length, size


def after(message, at):
    return at + sum(head(message, at))


def inside(message, at):
    return at + head(message, at)[0]


def shorten(message, at):
    """The element at an offset says that it is one byte shorter."""
    length, size = head(message, at)
    assert length == 4, "lengths around the signature have two bytes"
    message[at + 2:at + 4] = struct.pack(">H", size - 1)


def cut(message):
    at = 0
    shorten(message, at)  # ContentInfo
    at = after(message, inside(message, at))
    shorten(message, at)  # what it holds
    at = inside(message, at)
    shorten(message, at)  # SignedData
    at = inside(message, at)
    for _ in range(3):  # version, digests, content
        at = after(message, at)
    shorten(message, at)  # the signers
    at = inside(message, at)
    shorten(message, at)  # the only one
    at = inside(message, at)
    for _ in range(3):  # version, name, digest
        at = after(message, at)
    if message[at] == 0xA0:  # attributes
        at = after(message, at)
    at = after(message, at)  # algorithm
    assert message[at] == 4 and after(message, at) == len(message)
    shorten(message, at)
    return message[:-1]


def algorithm(message):
    at = message.rindex(ALGORITHM) + len(ALGORITHM)
    message[at] = 0x11 if message[at] == 0x13 else message[at] + 1
    return message


def digest(message):
    assert message.count(SHA512) == 2
    return message.replace(SHA512, SHA256)


def signature(message):
    message[-100] ^= 1
    return message


def main(change, source, target):
    with open(source, "rb") as file:
        data = bytearray(file.read())
    assert data.endswith(MARKER)
    end = len(data) - len(MARKER) - BLOCK
    size = int.from_bytes(data[end + 8:end + 12], "big")
    payload, message, block = data[:end - size], data[end - size:end], data[end:end + 8]
    if change == "payload":
        payload[payload.index(b"description=") + len("description=")] ^= 1
    else:
        message = {"cut": cut, "algorithm": algorithm, "digest": digest, "signature": signature}[change](message)
    with open(target, "wb") as file:
        file.write(payload + message + block + struct.pack(">I", len(message)) + MARKER)


if __name__ == "__main__":
    main(*sys.argv[1:])
