# SPDX-License-Identifier: Apache-2.0
"""Samples by row, figure and server, their budgets, and their display.

A ratio divides two samples of one repeat, which were taken one after the other. Medians and
extremes are over these ratios.
"""
from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any, Iterator


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


class Table:
    """Samples by row, figure and server."""

    def __init__(self) -> None:
        self.samples: dict[str, dict[str, dict[str, list[float]]]] = {}
        self.budgets: list[Budget] = []
        self.upstream: dict[str, Any] = {}
        self.part = ""  # the part that add() adds rows to
        self.rows: dict[str, list[str]] = {}  # the names of the rows, by part

    def add(self, row: str, server: str, **figures: float) -> None:
        if row not in self.samples:
            self.rows.setdefault(self.part, []).append(row)
        for figure, value in figures.items():
            self.samples.setdefault(row, {}).setdefault(figure, {}).setdefault(server, []).append(value)

    def forget(self, part: str) -> None:
        for row in self.rows.pop(part, []):
            del self.samples[row]

    def ratio(self, row: str, figure: str, to: str) -> dict[str, float] | None:
        """The ratio of Layby's figure to a server's; None unless both are always above 0."""
        cell = self.samples[row][figure]
        mine, theirs = cell.get("layby", []), cell.get(to, [])
        if len(mine) != len(theirs) or not mine or min(mine + theirs) <= 0:
            return None
        return spread([a / b for a, b in zip(mine, theirs)])

    def held_to(self, budget: Budget) -> dict[str, float] | None:
        """The median that the bound applies to, then the least and the most."""
        if budget.figure not in self.samples.get(budget.row, {}):
            return None
        if budget.to:
            return self.ratio(budget.row, budget.figure, budget.to)
        return spread(self.samples[budget.row][budget.figure]["layby"])

    def cells(self, part: str) -> Iterator[tuple[str, str, dict[str, list[float]]]]:
        for row in self.rows.get(part, []):
            for figure, servers in self.samples[row].items():
                yield row, figure, servers

    def summary(self) -> dict[str, Any]:
        return {row: {figure: {server: {**spread(values), "samples": values}
                               for server, values in servers.items()}
                      for figure, servers in figures.items()}
                for row, figures in self.samples.items()}


def in_turns(repeats: int, servers: dict[str, Any]) -> Iterator[tuple[int, str, Any]]:
    """Yields repeat, name and server; the order of the servers rotates."""
    names = list(servers)
    for repeat in range(repeats):
        start = repeat % len(names)
        for name in names[start:] + names[:start]:
            yield repeat, name, servers[name]


@dataclass
class Budget:
    """A bound for the median of Layby's figure, or of its ratio to a server's figure."""
    row: str
    figure: str
    to: str  # a server, or "" for the figure itself
    bound: float
    at_least: bool = False

    def verdict(self, found: dict[str, float]) -> str:
        """The verdict, judged by the median; "open" is added when repeats disagree."""
        def good(value: float) -> bool:
            return value >= self.bound if self.at_least else value <= self.bound
        words = "met" if good(found["median"]) else "missed"
        return words if good(found["min"]) == good(found["max"]) else f"{words}, open"

    def told(self) -> str:
        _, unit, scale = FIGURES[self.figure]
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {self.bound:g}" if self.to else f"{sign} {self.bound / scale:g} {unit}"


# How a figure is displayed: its name, its unit, and its divisor.
FIGURES = {
    "p50_us": ("p50", "µs", 1), "p99_us": ("p99", "µs", 1), "p999_us": ("p99.9", "µs", 1),
    "gb_per_second": ("throughput", "GB/s", 1), "cpu_seconds_per_gb": ("CPU", "s/GB", 1),
    "cpu_of_both_per_gb": ("CPU, client too", "s/GB", 1),
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
    "total_bytes": ("memory of the group", "MB", 1e6), "held_bytes": ("without page cache", "MB", 1e6),
    "anon_bytes": ("anonymous", "MB", 1e6), "file_bytes": ("page cache", "MB", 1e6),
    "sock_bytes": ("TCP buffers", "MB", 1e6),
    "reached_limit": ("limit reached", "times", 1), "killed": ("killed", "processes", 1),
    "download_gb_per_second": ("downloads", "GB/s", 1),
    "latest_first_byte_seconds": ("latest first byte", "s", 1),
    "worst_wait_seconds": ("longest wait", "s", 1), "ten_worst_waits_seconds": ("ten longest waits", "s", 1),
    "manifest_seconds": ("manifest", "s", 1), "whole_seconds": ("the whole blob beside it", "s", 1),
    "upstream_bytes_ratio": ("from upstream", "bytes a byte", 1),
    "link_bytes_ratio": ("over the link", "bytes a byte", 1),
    "upstream_requests": ("upstream", "requests", 1),
    "least_share": ("least of a warm reader", "of an equal share", 1),
}


MORE_IS_BETTER = {"gb_per_second", "requests_per_second", "sha_bytes_per_second", "download_gb_per_second",
                  "least_share"}


def digits(value: float, scale: float = 1) -> str:
    value /= scale
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def told(values: dict[str, float], scale: float = 1) -> str:
    return f"{digits(values['median'], scale)} ({digits(values['min'], scale)}–{digits(values['max'], scale)})"


def servers_of(table: Table, part: str) -> list[str]:
    """The servers of a part, Layby first."""
    names = dict.fromkeys(name for _, _, servers in table.cells(part) for name in servers)
    return ["layby"] + [name for name in names if name != "layby"]
