#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# usage: mirror.py AB.json BA.json
#
# Is the report of `diff A B` what `diff B A` says, seen from the other side? The
# sides are members named a and b, or NAME_a and NAME_b, and the values of "only".

import json
import sys

SWAP = {"a": "b", "b": "a"}


def other(key):
    if key in SWAP:
        return SWAP[key]
    if key[-2:] in ("_a", "_b"):
        return key[:-1] + SWAP[key[-1]]
    return key


def mirror(value):
    if isinstance(value, dict):
        return {other(key): SWAP[part] if key == "only" else mirror(part)
                for key, part in value.items()}
    if isinstance(value, list):
        return [mirror(part) for part in value]
    return value


def difference(want, got, where):
    """Names the first place at which two values differ; None if they do not."""
    if type(want) is not type(got):
        return "%s: %r, not %r" % (where, got, want)
    if isinstance(want, dict):
        if want.keys() != got.keys():
            return "%s: only one has %s" % (where, sorted(want.keys() ^ got.keys()))
        parts = [(key, want[key], got[key]) for key in want]
    elif isinstance(want, list):
        if len(want) != len(got):
            return "%s: %d entries, not %d" % (where, len(got), len(want))
        parts = [(i, want[i], got[i]) for i in range(len(want))]
    else:
        return None if want == got else "%s: %r, not %r" % (where, got, want)
    for key, left, right in parts:
        found = difference(left, right, "%s[%r]" % (where, key))
        if found:
            return found
    return None


def main():
    reports = []
    for path in sys.argv[1:3]:
        with open(path, encoding="utf-8") as file:
            reports.append(json.load(file))
    found = difference(mirror(reports[0]), reports[1], "report")
    if found:
        sys.exit("the swapped report differs: " + found)


main()
