# SPDX-License-Identifier: Apache-2.0
"""Samples by row, figure and server, what is promised of them, and how they are told.

A ratio is of two samples of one repeat, which were taken one after the other; medians and
extremes are of those ratios.
"""
from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any, Iterator


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


class Table:
    """Samples by row, figure and server; a ratio is of two samples of one repeat."""

    def __init__(self) -> None:
        self.samples: dict[str, dict[str, dict[str, list[float]]]] = {}
        self.budgets: list[Budget] = []
        self.upstream: dict[str, Any] = {}

    def add(self, row: str, server: str, **figures: float) -> None:
        for figure, value in figures.items():
            self.samples.setdefault(row, {}).setdefault(figure, {}).setdefault(server, []).append(value)

    def ratio(self, row: str, figure: str, of: str, to: str) -> dict[str, float]:
        cell = self.samples[row][figure]
        return spread([a / b for a, b in zip(cell[of], cell[to]) if b])

    def summary(self) -> dict[str, Any]:
        return {row: {figure: {server: {**spread(values), "samples": values}
                               for server, values in servers.items()}
                      for figure, servers in figures.items()}
                for row, figures in self.samples.items()}


def in_turns(repeats: int, servers: dict[str, Any]) -> Iterator[tuple[int, str, Any]]:
    """Repeat, name and server; who comes first rotates."""
    names = list(servers)
    for repeat in range(repeats):
        start = repeat % len(names)
        for name in names[start:] + names[:start]:
            yield repeat, name, servers[name]


@dataclass
class Budget:
    """What the median of Layby's figure, or of its ratio to a server's, is held to."""
    row: str
    figure: str
    to: str  # a server, or "" for the figure itself
    bound: float
    at_least: bool = False


# How a figure is told: its name, its unit, and what it is divided by.
FIGURES = {
    "p50_us": ("p50", "µs", 1), "p99_us": ("p99", "µs", 1), "p999_us": ("p99.9", "µs", 1),
    "gb_per_second": ("throughput", "GB/s", 1), "cpu_seconds_per_gb": ("CPU", "s/GB", 1),
    "requests_per_second": ("rate", "/s", 1), "cpu_us_per_request": ("CPU", "µs/request", 1),
    "seconds": ("total", "s", 1), "rss": ("RSS", "MB", 1e6), "pss": ("PSS", "MB", 1e6),
    "pss_growth": ("PSS growth", "MB", 1e6), "pss_growth_since_idle": ("PSS growth since idle", "MB", 1e6),
    "kernel_bytes": ("kernel memory", "MB", 1e6),
    "p50_ms": ("p50", "ms", 1), "p99_ms": ("p99", "ms", 1), "p999_ms": ("p99.9", "ms", 1),
    "longest_ms": ("longest", "ms", 1),
    "read_ratio": ("read of the disk", "bytes a byte", 1), "first_seconds": ("first is done", "s", 1),
    "first_byte_seconds": ("first byte", "s", 1), "p50_seconds": ("p50 of the clients", "s", 1),
    "p99_seconds": ("p99 of the clients", "s", 1),
    "content_gets_of_needed": ("content GETs upstream", "of those needed", 1),
    "sha_bytes_per_second": ("SHA-256 by openssl speed", "GB/s", 1e9),
    "latest_first_byte_seconds": ("latest first byte", "s", 1),
}


def told(values: dict[str, float], scale: float = 1) -> str:
    def digits(value: float) -> str:
        value /= scale
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{digits(values['median'])} ({digits(values['min'])}–{digits(values['max'])})"


def budget_cell(table: Table, row: str, figure: str) -> tuple[str, str]:
    """Ratios and verdicts of one row of the table."""
    held = [b for b in table.budgets if (b.row, b.figure) == (row, figure)]
    ratios = [f"{told(table.ratio(row, figure, 'layby', other))}"
              for other in table.samples[row][figure] if other != "layby"]
    verdicts = []
    for budget in held:
        cell = table.samples[row][figure]
        value = (table.ratio(row, figure, "layby", budget.to) if budget.to
                 else spread(cell["layby"]))["median"]
        good = value >= budget.bound if budget.at_least else value <= budget.bound
        _, unit, scale = FIGURES[figure]
        bound = f"{budget.bound:g}" if budget.to else f"{budget.bound / scale:g} {unit}"
        beside_whom = f" ({budget.to})" if len([b for b in held if b.to]) > 1 else ""
        verdicts.append(f"{'≥' if budget.at_least else '≤'} {bound}{beside_whom}: "
                        f"{'held' if good else '**missed**'}")
    return "; ".join(ratios), ", ".join(verdicts)


def markdown(table: Table, facts: dict[str, Any]) -> str:
    lines = [f"Medians of {facts['repeats']} repeats (memory: 3 at most), with min–max; load average "
             f"{facts['load_average'][0]:.1f} on {facts['cpus']} CPUs; "
             f"binary {facts['binary_bytes'] / 1e6:.2f} MB.", "",
             "| what | figure | Layby | beside | ratio, Layby to each | budget |",
             "| --- | --- | --- | --- | --- | --- |"]
    for row, figures in table.samples.items():
        for figure, servers in figures.items():
            name, unit, scale = FIGURES[figure]
            others = "; ".join(f"{server} {told(spread(values), scale)}"
                               for server, values in servers.items() if server != "layby")
            ratios, verdicts = budget_cell(table, row, figure)
            lines.append(f"| {row} | {name}, {unit} | {told(spread(servers['layby']), scale)} "
                         f"| {others} | {ratios} | {verdicts} |")
    if table.upstream:
        lines += ["", "| pull through the stand-in for Docker Hub | requests upstream | content GETs, of needed "
                  "| blob bytes, of the image's |", "| --- | --- | --- | --- |"]
        for title, seen in table.upstream.items():
            requests = ", ".join(f"{count} {kind}" for kind, count in seen["requests"].items()) or "none"
            lines.append(f"| {title} | {requests} | {seen['content_gets']} of {seen['content_gets_needed']} "
                         f"| {seen['blob_bytes']:,} of {seen['image_blob_bytes']:,} |")
    return "\n".join(lines)
