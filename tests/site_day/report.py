#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes docs/quota.md's table from site_day's CSV.

The table replaces the text between the markers in the document; a document without
the markers is an error.

    site_day | report.py DOCUMENT
"""
from __future__ import annotations

import csv
import sys
from pathlib import Path

BEGIN, END = "<!-- simulated: begin -->", "<!-- simulated: end -->"

Day = dict[str, float]


def read(lines: list[str]) -> dict[str, list[Day]]:
    """The days by arrangement. The arrangements are in the order of their first rows."""
    days: dict[str, list[Day]] = {}
    for row in csv.DictReader(lines):
        name = row.pop("arrangement")
        days.setdefault(name, []).append({key: float(value) for key, value in row.items()})
    return days


def mean(days: list[Day], key: str) -> float:
    return sum(day[key] for day in days) / len(days)


def most(days: list[Day], key: str) -> float:
    return max(day[key] for day in days)


def duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def cells(name: str, days: list[Day]) -> list[str]:
    return [name,
            f"{mean(days, 'pulls_counted'):.0f}",
            f"{mean(days, 'refused'):.1f}",
            f"{mean(days, 'link_bytes') / 1e9:.1f} GB",
            duration(mean(days, "mean_wait_s")),
            f"{mean(days, 'stale'):.1f}",
            duration(most(days, "last_stale_s")),
            f"{mean(days, 'renewed_tags'):.1f}",
            duration(mean(days, "mean_renewal_s")),
            duration(most(days, "longest_renewal_s"))]


def table(days: dict[str, list[Day]]) -> str:
    head = ["", "pulls counted", "refused", "over the link", "wait", "stale", "until",
            "tags renewed", "after", "at most"]
    lines = [head, ["---"] + ["---:"] * (len(head) - 1),
             *(cells(name, of_name) for name, of_name in days.items())]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def splice(document: str, text: str) -> str:
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"report: the document has no {BEGIN} … {END}")
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    document = Path(sys.argv[1])
    days = read(sys.stdin.readlines())
    if not days:
        sys.exit("report: no results on standard input")
    document.write_text(splice(document.read_text(), table(days)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
