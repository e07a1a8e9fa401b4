#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares what a kernel answered with what the program predicts.

usage: predict.py PROGRAM IMAGE CONFIG SYMVERS FOLDER ANSWERS [OPTION]...

FOLDER is one that cases.py made, ANSWERS the lines that `ask` of boot.sh wrote for
it. For every case the answers in all three modes and the taint must be those of
`modhash check-load OPTION...`; a prediction of "unknown" is none. Prints how many cells
agree; exits 1 if one does not.
"""

import json
import subprocess
import sys

FLAGS = {1: "ignore-modversions", 2: "ignore-vermagic", 4: "compressed"}
MODES = "permissive,enforcing,lockdown"


def predict(check, image, call, flags, files, alone):
    command = check + ["--format", "json", "--mode", MODES, "--call", call]
    names = [name for bit, name in FLAGS.items() if flags & bit]
    if names:
        command += ["--flags", ",".join(names)]
    if alone:
        command.append("--alone")
    run = subprocess.run(command + [image] + files, capture_output=True, text=True, check=False)
    if not run.stdout:
        sys.exit("%s: %s" % (" ".join(command[:2]), run.stderr))
    return json.loads(run.stdout)["modules"]


def cells(module):
    """The predicted answers by mode, and the taint as /proc/modules shows it."""
    answers = [answer["errno"] for answer in module["answers"]]
    first = module["answers"][0]
    taint = (first["taint"] or "none") if first["loads"] == "yes" else "-"
    return answers + [taint]


def main(program, image, config, symvers, folder, answers, *options):
    check = [program, "check-load", "--config", config, "--symvers", symvers, *options]
    said = {}
    with open(answers, encoding="utf-8") as lines:
        for line in lines:
            fields = line.rstrip("\n").split("\t")
            said[fields[1]] = fields[5:9]
    groups = {}
    with open(folder + "/cases", encoding="utf-8") as lines:
        for line in lines:
            case, call, flags, keep, path = line.rstrip("\n").split("\t")
            groups.setdefault((call, int(flags), keep), []).append((case, folder + path))
    good = bad = 0
    for (call, flags, keep), members in groups.items():
        files = [path for _, path in members]
        modules = predict(check, image, call, flags, files, keep == "0")
        for (case, _), module in zip(members, modules, strict=True):
            have, want = cells(module), said[case]
            good += sum(a == b for a, b in zip(have, want))
            if have != want:
                bad += 1
                steps = "; ".join("%s: %s %s" % (s["name"], s["text"], s["result"]) for s in module["steps"])
                print("%s: predicted %s, the kernel says %s (%s)" % (case, have, want, steps))
    print("%d cells agree, %d cases do not" % (good, bad))
    return 1 if bad or not good else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
