# SPDX-License-Identifier: Apache-2.0
#
# said.py <REPORT: what modhash diff --format json says of two sides, as three fields
# separated by tabs: causes that are root, change or unexplained; whether all is
# explained; and what follows from these. Where no module differs, what is beside
# them: "file:" and what differs of files, "only-in-a" and "only-in-b" for modules,
# "package" for that file itself, and what is on record; this is listed, not explained.
# A change must be noted as consistent with each cause that reaches further than its
# bytes.

import json
import sys

RANK = ["identical", "listed", "explained", "changed", "unexplained"]

report = json.load(sys.stdin)
causes, follows = set(), set()
outcome = "identical" if report["verdict"] == "identical" else "listed"
modules = report["modules"]
reaching = {c["id"] for c in report.get("causes", []) if c["class"] == "root" and not c.get("local")}
for module in modules.get("list") or []:
    account = module.get("account")
    if account is None:
        continue
    for item in account["items"]:
        if item["class"] == "change" and item.get("subject"):
            missing = {"consistent-with: " + id for id in reaching} - set(item.get("notes") or [])
            if missing:
                sys.exit(f"{item['id']} of {item['subject']} is not {missing}")
        name = item.get("id") or item["class"]
        (follows if item["class"].startswith("derived") else causes).add(name)
    if account["explained"]:
        now = "explained"
    elif any(item["class"] == "unexplained" for item in account["items"]):
        now = "unexplained"
    else:
        now = "changed"
    outcome = max(outcome, now, key=RANK.index)
if modules["different"] == 0:
    causes |= {"only-in-" + side for side in "ab" if modules["only_" + side]}
    causes |= {record["id"] for record in report.get("records", [])}
    for file in (report.get("files") or {}).get("list") or []:
        causes |= {"file:" + change["field"] for change in file["changes"]}
    if any(p["verdict"] != "identical" for p in report.get("packages") or []):
        causes.add("package")
print(" ".join(sorted(causes)) or "-", outcome, " ".join(sorted(follows)) or "-", sep="\t")
