# SPDX-License-Identifier: Apache-2.0
"""Reads callgrind's dumps: instructions and calls by function."""
from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

NAME = re.compile(r"(c?)fn=\((\d+)\)(?: (.*))?")
ALLOCATORS = {"malloc", "calloc", "realloc", "memalign", "aligned_alloc", "posix_memalign"}


@dataclass
class Dump:
    own: Counter[str] = field(default_factory=Counter)  # instructions, by function
    with_callees: Counter[str] = field(default_factory=Counter)  # recursion is counted once
    calls: Counter[str] = field(default_factory=Counter)

    @property
    def instructions(self) -> int:
        return sum(self.own.values())

    @property
    def allocations(self) -> int:
        return sum(self.calls[name] for name in ALLOCATORS)


def read_dump(path: Path) -> Dump:
    dump, names = Dump(), dict[str, str]()
    function = called = ""
    of_a_call = False
    for line in path.read_text().splitlines():
        if found := NAME.fullmatch(line):
            if found[3]:
                names[found[2]] = found[3].partition("'")[0]  # malloc'2 is a recursive malloc
            if found[1]:
                called = names[found[2]]
            else:
                function = names[found[2]]
        elif line.startswith("calls="):
            dump.calls[called] += int(line[6:].split()[0])
            of_a_call = True
        elif line[:1].isdigit() or line[:1] in ("+", "-", "*"):
            cost = int((line.split() + ["0"])[1])
            if not of_a_call:
                dump.own[function] += cost
            if not of_a_call or called != function:
                dump.with_callees[function] += cost
            of_a_call = False
    return dump


def profile(dump: Dump, requests: int, rows: int = 25) -> str:
    """Lists the functions that cost most per request, without and with their callees."""
    lines = [f"{dump.instructions / requests:.0f} instructions, "
             f"{dump.allocations / requests:.2f} allocations a request"]
    for title, costs in (("by themselves", dump.own), ("with their callees", dump.with_callees)):
        lines += ["", f"{title}:", f"{'a request':>10} {'share':>6} {'calls':>7}"]
        called = Counter({name: cost for name, cost in costs.items() if dump.calls[name]})
        for name, cost in called.most_common(rows):
            lines.append(f"{cost / requests:10.1f} {100 * cost / dump.instructions:5.1f}% "
                         f"{dump.calls[name] / requests:7.2f}  {name[:150]}")
    return "\n".join(lines)
