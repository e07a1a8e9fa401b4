#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""genkey.py MODHASH OPENSSL STYLE KEY FOLDER COUNT: makes certificates by files
x509.genkey that are put together at random, always the same ones, and compares them.

The same certificate must come out, or OpenSSL must refuse the file too. modhash may
refuse more, and the last line says how often. The files are those of any shape that
the format has: quotes, variables, comments, continued lines, several sections, all
kinds of names and extensions, half of them with something wrong.
"""

import os
import random
import subprocess
import sys

NAMES = """CN O OU 0.OU 1.OU x.OU L ST C emailAddress +CN 0.+L DC serialNumber title UID z.1.2.3.4 name GN SN commonName
street dnQualifier 2.CN 3.O 4.L""".split()
WORDS = ["a", "Ex ample", '"q # x"', "'s'", "b\\#c", "$v", "${v}", "$(v)", "${default::v}", "\\\\", "x\\", '"un', "`b`", "é",
         "日本", "DE", "a@b.c", "a,b", "a;b", "a=b", "a[b]", "$", "a\\nb", "\\", "#c", " x ", "a#b", "A" * 64, "*", "_", "~",
         "%", "${dn::CN}", "${req::prompt}", "c d"]
ODD = ["; semicolon", "# comment", "a", "= x", "dn::CN = put there", "[bad", "[ two words ]", "req::x509_extensions = ext",
       "a\\\n=b", "", '"a" = b']
EXTENSIONS = {
    "basicConstraints": ["CA:FALSE", "critical,CA:TRUE", "critical, CA:false , pathlen:3", "CA", "CA:", "pathlen:x",
                         "critical", "CA:TRUE,CA:FALSE", "CA:Yes", "CA:yes,pathlen:0x20", "CA:TRUE:x"],
    "keyUsage": ["digitalSignature", "critical,digitalSignature,cRLSign", "keyCertSign, decipherOnly", "Digital Signature",
                 "bad", "encipherOnly", "critical,", "nonRepudiation,,cRLSign", "digitalSignature, digitalSignature"],
    "extendedKeyUsage": ["codeSigning", "1.2.3", "serverAuth,clientAuth", "critical,codeSigning", "nope", "2.5.29.37.0",
                         "a:codeSigning", "0.1", "3.1", "1.40"],
    "subjectKeyIdentifier": ["hash", "none", "01:02", "0102", "critical,hash", "", "zz", "1", "HASH", "0x01", "hash "],
    "authorityKeyIdentifier": ["keyid", "keyid,issuer", "keyid:always", "issuer", "issuer:always", "none",
                               "keyid:always,issuer:always", "critical,keyid", "keyid , issuer", "x", "keyid,keyid:always"],
    "nsComment": ["hi", '"a b"', "critical,x", "", "$v"],
    "subjectAltName": ["DNS:a", "email:a@b", "DNS:a,URI:http://x/y", "critical,DNS:z", "RID:1.2", "DNS:", "dns:a", "DNS:a:b"],
    "1.2.3.4": ["DER:0500", "DER:05:00", "critical,DER:0401aa", "x", "DER:", "DER:0"],
}


def blank(r):
    return r.choice(["", " ", "  ", "\t"])


def line(r, name, value):
    return name + blank(r) + "=" + blank(r) + value


def genkey(r):
    lines = [line(r, "v", r.choice(["val", '"x y"', "1"])), r.choice(["[req]", "[ req ]", "[req ] junk", "[ req ] # c"]),
             "prompt = no", line(r, "distinguished_name", "dn")]
    if r.random() < 0.9:
        lines.append("x509_extensions = ext")
    if r.random() < 0.1:
        lines.append(r.choice(ODD))
    lines.append("[dn]")
    for _ in range(r.randint(1, 4)):
        lines.append(line(r, r.choice(NAMES), "".join(r.choice(WORDS) for _ in range(r.randint(1, 2)))))
    lines.append("[ext]")
    for name in r.sample(sorted(EXTENSIONS), r.randint(0, 4)):
        lines.append(line(r, name, r.choice(EXTENSIONS[name])))
    end = "\r\n" if r.random() < 0.1 else "\n"
    return end.join(lines) + r.choice(["", end])


def certificate(out, command):
    if os.path.exists(out):
        os.remove(out)
    if subprocess.run(command + [out], capture_output=True).returncode != 0:
        return None
    with open(out, "rb") as f:
        return f.read()


def main():
    modhash, openssl, style, key, folder, count = sys.argv[1:]
    config, fixed = os.path.join(folder, "x509.genkey"), ["20260101000000Z", "21260101000000Z"]
    r = random.Random(20261122)
    same = refused = 0
    for n in range(int(count)):
        text = genkey(r)
        with open(config, "w", newline="") as f:
            f.write(text)
        theirs = certificate(os.path.join(folder, "theirs.der"),
                             [openssl, "req", "-new", "-x509", "-utf8", "-nodes", "-batch", "-sha256", "-config", config, "-key", key,
                              "-set_serial", "0x0102", "-not_before", fixed[0], "-not_after", fixed[1], "-outform", "DER", "-out"])
        ours = certificate(os.path.join(folder, "ours.der"),
                           [modhash, "-q", "keys", "new", "--openssl", style, "--genkey", config, "--key", key, "--hash", "sha256",
                            "--serial", "0102", "--not-before", fixed[0], "--not-after", fixed[1], "--der"])
        if ours is not None and ours != theirs:
            sys.exit(f"file {n}: {'another certificate' if theirs else 'openssl refuses it'}: {text!r}")
        if ours is not None:
            same += 1
        elif theirs is not None:
            refused += 1
    print(f"{count} files: {same} same certificates, {refused} refused by modhash alone")
    if same < int(count) // 5 or refused > int(count) // 4:
        sys.exit("too few to tell")


main()
