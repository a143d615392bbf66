# SPDX-License-Identifier: Apache-2.0
"""The result that the repository keeps, and the ratios that moved since.

docs/benchmark.json has for each part the facts of its run, and for each row and figure the
medians and the ratios (median, least, most). A ratio moved when the ranges of both runs do not
overlap. In docs/benchmark.md and README.md, the text between the lines `<!-- bench NAME -->` and
`<!-- /bench NAME -->` is written from a run; NAME is a part, "budgets" or "headlines".
"""
from __future__ import annotations

import json
import re
from typing import Any

from report import budget_rows, budget_table, facts_line, headline_table, tables
from servers import ROOT
from table import MORE_IS_BETTER, Table, spread

KEPT = ROOT / "docs/benchmark.json"
PAGES = [ROOT / "docs/benchmark.md", ROOT / "README.md"]

Moves = dict[tuple[str, str, str], str]  # by row, figure and server


def short(value: float) -> float:
    return float(f"{value:.4g}")


def kept() -> dict[str, Any]:
    return json.loads(KEPT.read_text()) if KEPT.exists() else {}


def cell_of(table: Table, row: str, figure: str, samples: dict[str, list[float]]) -> dict[str, Any]:
    ratios = {server: table.ratio(row, figure, server) for server in samples if server != "layby"}
    return {"medians": {server: short(spread(values)["median"]) for server, values in samples.items()},
            "ratios": {server: [short(ratio[key]) for key in ("median", "min", "max")]
                       for server, ratio in ratios.items() if ratio}}


def moved(table: Table) -> Moves:
    """Compares each ratio that both runs have: "same", "better" or "worse"."""
    old, found = kept(), {}
    for part in table.rows:
        for row, figure, samples in table.cells(part):
            before = old.get(part, {}).get("rows", {}).get(row, {}).get(figure, {"ratios": {}})["ratios"]
            for server in samples:
                ratio = table.ratio(row, figure, server) if server in before else None
                if ratio:
                    found[row, figure, server] = direction(figure, before[server], ratio)
    return found


def direction(figure: str, before: list[float], now: dict[str, float]) -> str:
    _, least, most = before
    if now["min"] <= most and now["max"] >= least:
        return "same"
    return "better" if (now["min"] > most) == (figure in MORE_IS_BETTER) else "worse"


def moves_told(table: Table, moves: Moves) -> str:
    """A line for each ratio that moved, and the number of ratios that stayed the same."""
    old, lines = kept(), []
    for part in table.rows:
        for row, figure, samples in table.cells(part):
            for server in samples:
                if moves.get((row, figure, server), "same") != "same":
                    before = old[part]["rows"][row][figure]["ratios"][server]
                    now = table.ratio(row, figure, server)
                    assert now
                    lines.append(f"{moves[row, figure, server]}: {row}, {figure}, to {server}: "
                                 f"{now['median']:.3g} ({now['min']:.3g}–{now['max']:.3g}), was "
                                 f"{before[0]:.3g} ({before[1]:.3g}–{before[2]:.3g})")
    same = sum(how == "same" for how in moves.values())
    return "\n".join([*lines, f"{same} of {len(moves)} ratios are within the spread of the kept result"])


def keep(table: Table, facts: dict[str, Any]) -> None:
    """Replaces the kept results of the parts that ran; other parts stay."""
    result = kept()
    slim = {key: value for key, value in facts.items() if key not in ("binary_sha256", "cpu", "kernel")}
    for part in table.rows:
        rows: dict[str, Any] = {}
        for row, figure, samples in table.cells(part):
            rows.setdefault(row, {})[figure] = cell_of(table, row, figure, samples)
        result[part] = {"facts": slim, "budgets": budget_rows(table, part), "rows": rows}
    KEPT.write_text(compact(result))
    written = {name: f"{facts_line(facts)}\n\n{text}" for name, text in tables(table).items()}
    written["budgets"] = budget_table([row for part in result.values() for row in part["budgets"]])
    written["headlines"] = headline_table(result)
    for page in PAGES:
        page.write_text(between_markers(page.read_text(), written))


def compact(result: dict[str, Any]) -> str:
    """JSON with one figure a line, so that a diff of two runs is readable."""
    lines = []
    for part, found in result.items():
        rows = ",\n".join(f"  {json.dumps(row, ensure_ascii=False)}: {{\n" + ",\n".join(
            f"   {json.dumps(figure)}: {json.dumps(cell)}" for figure, cell in figures.items()) + "}"
            for row, figures in found["rows"].items())
        budgets = ",\n".join(f"  {json.dumps(row, ensure_ascii=False)}" for row in found["budgets"])
        lines.append(f' {json.dumps(part)}: {{"facts": {json.dumps(found["facts"])},\n'
                     f' "budgets": [\n{budgets}],\n "rows": {{\n{rows}}}}}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def between_markers(text: str, written: dict[str, str]) -> str:
    for name, block in written.items():
        pattern = rf"(<!-- bench {name} -->\n).*?(<!-- /bench {name} -->)"
        text = re.sub(pattern, lambda found: f"{found[1]}\n{block}\n\n{found[2]}", text, flags=re.DOTALL)
    return text
