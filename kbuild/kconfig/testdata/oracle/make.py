#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes Kconfig and in.config: one symbol a case, so that the kernel's own
conf shows what it reads from each line. See README.md."""
T, B, S, I, H = "tristate", "bool", "string", "int", "hex"
default = {T: "y", B: "y", S: '"default"', I: "77", H: "0x77"}
cases = [  # type and lines, in which @ is the symbol with CONFIG_
    (B, "@=y"), (B, "@=n"), (B, "# @ is not set"), (B, "#@ is not set"), (B, "#  @ is not set"),
    (B, "# @ is not set "), (B, "# @ is not set, sorry"), (B, "# @ is not  set"), (B, "# @ is not"),
    (B, " @=n"), (B, "@ =n"), (B, "@= n"), (B, "@=no"), (B, "@=n "), (B, "@=N"), (B, "@=m"), (B, '@="n"'), (B, "@="), (B, "@"),
    (B, "@=n\r"), (B, "# @ is not set\r"), (B, "@=n\r\r"), (B, "# @ is not set\r\r"),
    (B, "@=n\n@=y"), (B, "@=y\n@=n"), (B, "@=n\n@=junk"), (B, "@=n\n@="), (B, "@=n\n# @ is not set later\n@=y"),
    (B, "# @=y"), (B, "@=n # comment"), (B, "\t@=n"), (B, "export @=n"), (B, "@:=n"), (B, "@=1"),
    (T, "@=m"), (T, "@=n"), (T, "# @ is not set"), (T, "@=module"), (T, "@=M"), (T, "@=m\n# @ is not set"),
    (S, '@=""'), (S, '@="a b"'), (S, r'@="a\"b"'), (S, r'@="a\\b"'), (S, r'@="a\nb"'), (S, r'@="a\\"'), (S, '@="a"b"'), (S, '@="a" '),
    (S, '@="a'), (S, r'@="a\"'), (S, '@='), (S, '@=a'), (S, "@='a'"), (S, '@="a#b=c"'), (S, '@="a"\r'), (S, '@="a\r"'),
    (S, '@="one"\n@="two"'), (S, '@="one"\n@="two'), (S, "# @ is not set"), (S, '@="one"\n# @ is not set'), (S, '@= "a"'),
    (S, '@="\tä€\x7f\x01"'), (S, '@="$(pwd)`id`${HOME}"'), (S, '@="CONFIG_X=y"'), (S, '@="' + "x" * 5000 + '"'),
    (S, '@="multi\nline"'),
    (I, "@=0"), (I, "@=42"), (I, "@=-1"), (I, "@=007"), (I, "@=+1"), (I, "@=1 "), (I, "@="), (I, "@=1\n@=2"), (I, "@=1\n@=x"), (I, "@=-"),
    (I, "@=99999999999999999999"), (I, "@=1\r"), (I, '@="1"'), (I, "# @ is not set"), (I, "@=12a"),
    (H, "@=0x10"), (H, "@=0X1f"), (H, "@=ff"), (H, "@=FF"), (H, "@=0x"), (H, "@=0xg"), (H, "@=10"), (H, "@=0x1 "), (H, "@=1\n@=0x2"), (H, "@=-1"),
]
with open("Kconfig", "w", newline="") as k, open("in.config", "w", newline="") as c:
    k.write('mainmenu "oracle"\n\nconfig MODULES\n\tbool "modules"\n\tmodules\n\tdefault y\n\n')
    c.write("CONFIG_MODULES=y\n")
    for n, (t, lines) in enumerate(cases):
        name = f"{t.upper()}_{n:03}"
        k.write(f'config {name}\n\t{t} "{name}"\n\tdefault {default[t]}\n\n')
        c.write(lines.replace("@", "CONFIG_" + name) + "\n")
