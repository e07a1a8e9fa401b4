# SPDX-License-Identifier: Apache-2.0
#
# agree.py MODINFO INSPECT: what modinfo printed of a signed module and the JSON that
# modhash inspect printed say the same: signer, serial, hash, and the signature's value.

import json
import re
import sys

text = re.sub(r"\n\s+", "", open(sys.argv[1], encoding="utf-8").read())  # folded lines
fields = dict(re.split(r":\s*", line, maxsplit=1) for line in text.splitlines() if ":" in line)
trailers = json.load(open(sys.argv[2], encoding="utf-8"))["module"]["trailers"]
assert len(trailers) == 1 and trailers[0]["kind"] == "signature", trailers
signer = trailers[0]["signer"]


def plain(s):
    return s.replace(":", "").lower()


assert fields["sig_id"] == "PKCS#7", fields
assert fields["signer"] == signer["name"], (fields["signer"], signer["name"])
assert plain(fields["sig_key"]).lstrip("0") == signer["serial"].lstrip("0"), (fields["sig_key"], signer["serial"])
assert fields["sig_hashalgo"] == signer["digest"], (fields["sig_hashalgo"], signer["digest"])
assert plain(fields["signature"]) == signer["value"], (fields["signature"], signer["value"])
