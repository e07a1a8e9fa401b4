#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares what three programs answer about changed links.

  judges.py CONSENSUS.json REPRO-THRESHOLD IN-TOTO-GOLANG

The first is by "modhash consensus", the others have lines "yes FILE" or "no FILE".
Prints how many of each combination there are. Fails if modhash counts what one of
the others refuses, or refuses, for another reason than a key that is there twice or
an escape, what both take.
"""

import collections
import json
import os
import sys


def lines(path):
    with open(path, encoding="ascii") as f:
        return {os.path.basename(name): word for word, name in (line.split() for line in f)}


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        doc = json.load(f)
    refused = {
        os.path.basename(r["source"]): r.get("detail", "")
        for r in doc["rejected"]
        if r["reason"] != "second-vote"  # it is good, and one was counted already
    }
    threshold, golang = lines(sys.argv[2]), lines(sys.argv[3])
    if threshold.keys() != golang.keys() or not refused.keys() <= golang.keys():
        sys.exit("not all were asked about the same links")
    count = collections.Counter()
    wrong = []
    for name in sorted(golang):
        ours = "no" if name in refused else "yes"
        all3 = (ours, threshold[name], golang[name])
        count[all3] += 1
        if ours == "yes" and "no" in all3:
            wrong.append(f"{name}: counted, repro-threshold says {all3[1]}, in-toto-golang {all3[2]}")
        if all3 == ("no", "yes", "yes") and "is there twice" not in refused[name] and "without escapes" not in refused[name]:
            wrong.append(f"{name}: refused, and taken by both others: {refused[name]}")
    for all3, n in sorted(count.items()):
        print("modhash %s, repro-threshold %s, in-toto-golang %s: %d" % (*all3, n))
    if not count["yes", "yes", "yes"] or not count["no", "no", "no"]:
        wrong.append("the links are not of both kinds")
    for line in wrong[:10]:
        print(line)
    print("all agree: %d" % (count["yes", "yes", "yes"] + count["no", "no", "no"]))
    sys.exit(bool(wrong))


main()
