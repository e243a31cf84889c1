#!/usr/bin/env python3
"""Checks the bill of materials in an unpacked archive: release/bill.py FOLDER

It fits the schema of CycloneDX, its edges lead to what it lists, and the licences cover all of it.
"""

import json
import pathlib
import re
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    text = (folder / "forecast-export.cdx.json").read_text(encoding="utf-8")
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if problem:
        sys.exit(f"error: the bill of materials does not fit the schema: {problem}")
    bill = json.loads(text)
    components = bill["components"]
    listed = {bill["metadata"]["component"]["bom-ref"], *(component["bom-ref"] for component in components)}
    edges = {edge["ref"]: set(edge["dependsOn"]) for edge in bill["dependencies"]}
    if set(edges) != listed or not set().union(*edges.values()) <= listed:
        sys.exit("error: the edges of the bill of materials lead elsewhere than to what it lists")
    reached = set()
    waiting = [bill["metadata"]["component"]["bom-ref"]]
    while waiting:
        ref = waiting.pop()
        if ref not in reached:
            reached.add(ref)
            waiting += edges[ref]
    if reached != listed:
        sys.exit(f"error: nothing leads to {', '.join(sorted(listed - reached))}")

    licences = (folder / "LICENSES-THIRD-PARTY.txt").read_text(encoding="utf-8")
    head, *_ = licences.split("\n\n=", 1)
    # NAME VERSION (LICENCES): WHERE
    covered = {(name, version) for name, version, where in re.findall(r"^(\S+) (\S+) \(.*\): (.+)$", head, re.MULTILINE)}
    missing = {(component["name"], component["version"]) for component in components} ^ covered
    if missing:
        sys.exit(f"error: only one of bill of materials and licences has {', '.join(' '.join(both) for both in sorted(missing))}")
    print(f"{len(components)} components, each with its licence")


if __name__ == "__main__":
    main()
