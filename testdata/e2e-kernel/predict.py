#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares what a kernel answered with what the program predicts.

usage: predict.py PROGRAM IMAGE CONFIG SYMVERS FOLDER ANSWERS [OPTION]...

FOLDER is one that cases.py made, ANSWERS the lines that `ask` of boot.sh wrote for
it, which left what each boot said in FOLDER.MODE.lines. For every case the answers in
all three modes and the taint must be those of `modhash check-load OPTION...`, and in
every mode the lines that the kernel logged; a prediction of "unknown" is none. Prints
how many cells and lines agree; exits 1 if one does not.
"""

import collections
import json
import re
import subprocess
import sys

FLAGS = {1: "ignore-modversions", 2: "ignore-vermagic", 4: "compressed"}
# As check-load and as boot.sh call them.
MODES = {"permissive": "permissive", "enforcing": "sig_enforce", "lockdown": "lockdown"}

# What a kernel logs once: of the first module only.
ONCE = re.compile(r".*(: kernel tainted\.|taints kernel\.| - tainting kernel)$")
# What it logs of ten modules in five seconds.
RATELIMITED, BURST = re.compile(r"Lockdown: .* is restricted; "), 10
# What check-load says not to tell: what init functions log, the kernel's parser of
# signatures, what follows from a taint, and lines with addresses.
UNTOLD = re.compile(r"(brd|loop): module loaded$|modhash_test: loaded$|romfs: ROMFS |outside: crc7 is |PKCS7: |Unsupported digest algo: |"
                    r"Disabling lock debugging due to kernel taint$|lockdown: .* callbacks suppressed$|"
                    r"module: x86/modules: Invalid relocation target, ")


def predict(check, image, call, flags, files, alone):
    command = check + ["--format", "json", "--mode", ",".join(MODES), "--call", call]
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


def escaped(line):
    """As /dev/kmsg shows it."""
    return "".join(c if " " <= c <= "~" and c != "\\" else "\\x%02x" % ord(c) for c in line)


def logged(path):
    """The lines that the kernel logged, by case."""
    lines = collections.defaultdict(list)
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            fields = line.rstrip("\n").split("\t", 2)
            if fields[0] == "@log" and not UNTOLD.match(fields[2]):
                lines[fields[1]].append(fields[2])
    return lines


def as_logged(mode, order, predicted, have):
    """Compares the lines of one boot; how many agree, and what does not."""
    good, bad, once, limited = 0, [], set(), 0
    for case in order:
        answer = predicted[case][mode]
        want = []
        for line in answer["log"]:
            # The modules are loaded by the first process of the system.
            line = escaped(line.replace("Lockdown: modprobe:", "Lockdown: init:"))
            kind = line.rsplit(": ", 1)[-1]
            if ONCE.match(line):
                if kind in once:
                    continue
                once.add(kind)
            if RATELIMITED.match(line):
                limited += 1
                if limited > BURST and line not in have[case]:
                    continue
            want.append(line)
        if answer["errno"] == "unknown" or want == have[case]:
            good += len(want)
        else:
            bad.append("%s, %s: predicted log %s, the kernel's is %s" % (case, mode, want, have[case]))
    return good, bad


def main(program, image, config, symvers, folder, answers, *options):
    check = [program, "check-load", "--config", config, "--symvers", symvers, *options]
    said = {}
    with open(answers, encoding="utf-8") as lines:
        for line in lines:
            fields = line.rstrip("\n").split("\t")
            said[fields[1]] = fields[5:9]
    groups, order, predicted = {}, [], {}
    with open(folder + "/cases", encoding="utf-8") as lines:
        for line in lines:
            case, call, flags, keep, path = line.rstrip("\n").split("\t")
            groups.setdefault((call, int(flags), keep), []).append((case, folder + path))
            order.append(case)
    good = bad = 0
    for (call, flags, keep), members in groups.items():
        files = [path for _, path in members]
        modules = predict(check, image, call, flags, files, keep == "0")
        for (case, _), module in zip(members, modules, strict=True):
            predicted[case] = {answer["mode"]: answer for answer in module["answers"]}
            have, want = cells(module), said[case]
            good += sum(a == b for a, b in zip(have, want))
            if have != want:
                bad += 1
                steps = "; ".join("%s: %s %s" % (s["name"], s["text"], s["result"]) for s in module["steps"])
                print("%s: predicted %s, the kernel says %s (%s)" % (case, have, want, steps))
    lines = 0
    for mode, name in MODES.items():
        agree, differ = as_logged(mode, order, predicted, logged("%s.%s.lines" % (folder, name)))
        lines += agree
        for text in differ:
            print(text)
        bad += len(differ)
    print("%d cells and %d lines of the log agree, %d do not" % (good, lines, bad))
    return 1 if bad or not good else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
