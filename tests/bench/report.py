# SPDX-License-Identifier: Apache-2.0
"""The results as Markdown tables."""
from __future__ import annotations

from typing import Any

from table import FIGURES, Table, digits, servers_of, spread, told


def facts_line(facts: dict[str, Any]) -> str:
    return (f"Medians of {facts['repeats']} repeats (memory: 3 at most), least–most in brackets; "
            f"Layby {facts['versions']['layby']}, nginx {facts['versions']['nginx']}, "
            f"docker-registry {facts['versions']['docker-registry']}; {facts['cpus']} cores "
            f"({facts['machine']}), load average {facts['load_average'][0]:.1f} before, "
            f"{facts['load_average_after'][0]:.1f} after; "
            f"{facts['date']}.")


def title(server: str) -> str:
    return "Layby" if server == "layby" else server


def part_table(table: Table, part: str, moves: dict[tuple[str, str, str], str] | None = None) -> str:
    """One row per figure. A server's cell has the server's median, then Layby's ratio to it."""
    servers = servers_of(table, part)
    heads = ["what", "figure", *map(title, servers), "budget", *(["since kept"] if moves is not None else [])]
    lines, last = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"], ""
    for row, figure, samples in table.cells(part):
        name, unit, scale = FIGURES[figure]
        cells = ["" if row == last else row, f"{name}, {unit}"]
        for server in servers:
            cells.append(server_cell(table, row, figure, server, samples.get(server), scale))
        cells.append(budgets_cell(table, row, figure))
        if moves is not None:
            cells.append(", ".join(f"{how} beside {server}" if how != "same" else how for server, how in
                                   compressed(moves, row, figure, servers)))
        lines.append(f"| {' | '.join(cells)} |")
        last = row
    return "\n".join(lines)


def server_cell(table: Table, row: str, figure: str, server: str, values: list[float] | None,
                scale: float) -> str:
    if not values:
        return ""
    if server == "layby":
        return told(spread(values), scale)
    ratio = table.ratio(row, figure, server)
    return digits(spread(values)["median"], scale) + (f"; **{told(ratio)}**" if ratio else "")


def compressed(moves: dict[tuple[str, str, str], str], row: str, figure: str,
               servers: list[str]) -> list[tuple[str, str]]:
    found = [(server, moves[row, figure, server]) for server in servers if (row, figure, server) in moves]
    moved = [(server, how) for server, how in found if how != "same"]
    return moved or found[:1]


def budgets_cell(table: Table, row: str, figure: str) -> str:
    cells = []
    for budget in table.budgets:
        found = table.held_to(budget) if (budget.row, budget.figure) == (row, figure) else None
        if found:
            to = f" of {budget.to}" if budget.to not in ("", "nginx") else ""
            cells.append(f"{budget.told()}{to}: {budget.verdict(found)}")
    return "; ".join(cells)


def budget_rows(table: Table, part: str) -> list[list[str]]:
    """Rows of: row, figure, server compared with, found, bound and verdict."""
    rows = []
    for budget in table.budgets:
        found = table.held_to(budget)
        if found and budget.row in table.rows.get(part, []):
            name, _, scale = FIGURES[budget.figure]
            rows.append([budget.row, name, budget.to, told(found, 1 if budget.to else scale),
                         budget.told(), budget.verdict(found)])
    return rows


def budget_table(rows: list[list[str]]) -> str:
    return "\n".join(["| what | figure | beside | found | bound | verdict |", f"|{' --- |' * 6}",
                      *(f"| {' | '.join(row)} |" for row in rows)])


def upstream_table(upstream: dict[str, Any]) -> str:
    lines = ["| pull through the stand-in for Docker Hub | requests upstream | content GETs, of needed "
             "| blob bytes, of the image's |", "| --- | --- | --- | --- |"]
    for pull, seen in upstream.items():
        requests = ", ".join(f"{count} {kind}" for kind, count in seen["requests"].items()) or "none"
        lines.append(f"| {pull} | {requests} | {seen['content_gets']} of {seen['content_gets_needed']} "
                     f"| {seen['blob_bytes']:,} of {seen['image_blob_bytes']:,} |")
    return "\n".join(lines)


def tables(table: Table, moves: dict[tuple[str, str, str], str] | None = None) -> dict[str, str]:
    """The tables by part."""
    found = {part: part_table(table, part, moves) for part in table.rows}
    if table.upstream:
        found["upstream"] = upstream_table(table.upstream)
    return found


# The rows of the short table.
HEADLINES = [("hits", "warm 64 MB × 8", "gb_per_second"), ("hits", "warm 64 MB × 8", "cpu_seconds_per_gb"),
             ("manifests", "manifest by tag, keep-alive", "cpu_us_per_request"),
             ("tls", "TLS, warm 64 MB × 8", "cpu_seconds_per_gb"),
             ("misses", "miss 128 MB", "seconds"), ("memory", "idle", "pss"),
             ("memory", "1,000 idle connections", "pss_growth"),
             ("memory", "256 slow readers of 100 MB", "kernel_bytes")]


def headline_table(kept: dict[str, Any]) -> str:
    """Medians of the kept result. A row without a static nginx shows proxy_cache instead."""
    lines = ["| | Layby | nginx | docker-registry |", f"|{' --- |' * 4}"]
    for part, row, figure in HEADLINES:
        cell = kept.get(part, {}).get("rows", {}).get(row, {}).get(figure)
        if cell:
            name, unit, scale = FIGURES[figure]
            medians = cell["medians"]
            theirs = [medians.get("nginx", medians.get("nginx proxy_cache")), medians.get("docker-registry")]
            lines.append(f"| {row}: {name}, {unit} | {digits(medians['layby'], scale)} | "
                         + " | ".join("" if value is None else digits(value, scale) for value in theirs) + " |")
    return "\n".join(lines)
