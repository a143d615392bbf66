#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes docs/eviction.md's tables and docs/eviction.svg from eviction_simulator's CSV.

The tables replace the text between the markers in the document; a document without
the markers is an error.

    eviction_simulator | report.py DOCUMENT PLOT
"""
from __future__ import annotations

import csv
import sys
from pathlib import Path
from xml.sax.saxutils import escape

BEGIN, END = "<!-- simulated: begin -->", "<!-- simulated: end -->"
TABLE_PERCENT = 10
BYTES, OBJECTS = "byte_hit_ratio", "object_hit_ratio"
OURS, BOUND = "Layby", "bound"

# (kind, trace, cache_percent, policy) -> the row
Results = dict[tuple[str, str, int, str], dict[str, float]]


def read(lines: list[str]) -> Results:
    return {(row["kind"], row["trace"], int(row["cache_percent"]), row["policy"]):
            {BYTES: float(row[BYTES]), OBJECTS: float(row[OBJECTS])}
            for row in csv.DictReader(lines)}


def names(results: Results, kind: str, place: int) -> list:
    """The distinct values at the position `place` of the keys, in order of first occurrence."""
    return list(dict.fromkeys(key[place] for key in results if key[0] == kind))


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


# -- tables

def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def percent(value: float) -> str:
    return f"{100 * value:.1f}"


def policy_table(results: Results, ratio: str) -> str:
    """The ratios of each policy at one cache size, and the policy's mean distance to the bound."""
    traces = names(results, "policy", 1)
    rows = []
    for policy in names(results, "policy", 3):
        values = [results["policy", trace, TABLE_PERCENT, policy][ratio] for trace in traces]
        bounds = [results["policy", trace, TABLE_PERCENT, BOUND][ratio] for trace in traces]
        missing = mean([bound - value for bound, value in zip(bounds, values)])
        cells = [policy, *map(percent, values), percent(mean(values)), percent(missing)]
        rows.append([f"**{cell}**" for cell in cells] if policy == OURS else cells)
    return table(["policy", *traces, "mean", "below the bound"], rows)


def means_table(results: Results, kind: str) -> str:
    """Means over all traces and cache sizes."""
    rows = []
    for policy in names(results, kind, 3):
        found = [row for key, row in results.items() if key[0] == kind and key[3] == policy]
        rows.append([policy, *(percent(mean([row[ratio] for row in found]))
                               for ratio in (BYTES, OBJECTS))])
    return table(["", "bytes", "objects"], rows)


def tables(results: Results) -> str:
    return "\n\n".join([
        f"Bytes served from the cache, in percent of the bytes asked for, with a cache of "
        f"{TABLE_PERCENT}%:", policy_table(results, BYTES),
        "Objects served from the cache, in percent of the objects asked for:",
        policy_table(results, OBJECTS),
        "Means over all traces and cache sizes:", means_table(results, "policy"),
        "The same means for Layby's policy with one choice changed:", means_table(results, "variant")])


def splice(document: str, text: str) -> str:
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"report: the document has no {BEGIN} … {END}")
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


# -- the plot: a row for each ratio, a panel for each trace

PANEL, GAP, LEFT, TOP, LEGEND = 150, 36, 62, 46, 40
STYLES = {
    "LRU": ("#999999", 1.5, ""), "segmented LRU": ("#0072b2", 1.5, ""),
    "S3-FIFO": ("#009e73", 1.5, ""), "LFU with ageing": ("#e69f00", 1.5, ""),
    "GDSF": ("#cc79a7", 1.5, ""), OURS: ("#d62728", 2.8, ""),
    "clairvoyant": ("#000000", 1.2, "5 3"), BOUND: ("#000000", 1.2, "1 3"),
}


def text(x: float, y: float, content: str, anchor: str = "middle", extra: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}"{extra}>{escape(content)}</text>'


def stroke(policy: str) -> str:
    colour, width, dashes = STYLES[policy]
    return (f'fill="none" stroke="{colour}" stroke-width="{width}" stroke-linejoin="round"'
            + (f' stroke-dasharray="{dashes}"' if dashes else ""))


def panel(results: Results, trace: str, ratio: str, left: float, top: float) -> list[str]:
    sizes = names(results, "policy", 2)
    x_of = {size: left + PANEL * i / (len(sizes) - 1) for i, size in enumerate(sizes)}
    parts = []
    for share in (0, 25, 50, 75, 100):
        y = top + PANEL * (1 - share / 100)
        parts.append(f'<path d="M{left:.0f} {y:.1f}h{PANEL}" stroke="#dddddd"/>')
        if left == LEFT:
            parts.append(text(left - 6, y + 4, f"{share}%", "end"))
    for size, x in x_of.items():
        parts.append(text(x, top + PANEL + 15, f"{size}%"))
    for policy in names(results, "policy", 3):
        points = " ".join(
            f"{x:.1f},{top + PANEL * (1 - results['policy', trace, size, policy][ratio]):.1f}"
            for size, x in x_of.items())
        parts.append(f'<polyline points="{points}" {stroke(policy)}/>')
    return parts


def legend(policies: list[str], top: float) -> list[str]:
    parts = []
    for i, policy in enumerate(policies):
        x = LEFT + i * 136
        parts.append(f'<path d="M{x} {top:.0f}h24" {stroke(policy)}/>')
        parts.append(text(x + 30, top + 4, policy, "start"))
    return parts


def plot(results: Results) -> str:
    traces = names(results, "policy", 1)
    width = LEFT + len(traces) * (PANEL + GAP)
    height = TOP + 2 * (PANEL + 48) + LEGEND
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
             f'font-family="sans-serif" font-size="11">',
             "<title>Hit ratios by policy, trace and cache size</title>",
             f'<rect width="{width}" height="{height}" fill="white"/>']
    for row, (ratio, title) in enumerate(((BYTES, "bytes served"), (OBJECTS, "objects served"))):
        top = TOP + row * (PANEL + 48)
        middle = top + PANEL / 2
        parts.append(text(14, middle, title, extra=f' transform="rotate(-90 14 {middle:.0f})"'))
        for column, trace in enumerate(traces):
            left = LEFT + column * (PANEL + GAP)
            if row == 0:
                parts.append(text(left + PANEL / 2, top - 16, trace, extra=' font-weight="bold"'))
            parts += panel(results, trace, ratio, left, top)
    parts.append(text(width / 2, height - LEGEND - 6, "cache size, of the trace's unique bytes"))
    parts += legend(names(results, "policy", 3), height - 16)
    return "\n".join([*parts, "</svg>", ""])


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__)
        return 2
    document, drawing = map(Path, sys.argv[1:])
    results = read(sys.stdin.readlines())
    if not results:
        sys.exit("report: no results on standard input")
    document.write_text(splice(document.read_text(), tables(results)))
    drawing.write_text(plot(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
