# SPDX-License-Identifier: Apache-2.0
"""The result as one self-contained HTML page, with a strip of the servers for each figure."""
from __future__ import annotations

import math
from html import escape
from typing import Any

from report import facts_line, title
from table import FIGURES, MORE_IS_BETTER, Table, digits, servers_of, spread, told

Moves = dict[tuple[str, str, str], str]

COLORS = ["layby", "nginx", "nginx 256k", "nginx proxy_cache", "docker-registry"]  # --c0 to --c4
LEFT, WIDTH, MEDIAN, RATIO, LANE = 132, 200, 76, 142, 20  # columns of a strip; height of a lane

STYLE = """
:root { --page: #fff; --card: #f6f7f9; --text: #1c2330; --quiet: #5d6675; --line: #d5d9e0;
  --good: #117a37; --bad: #b3261e; --open: #8a5a00;
  --c0: #0b62c4; --c1: #c2570c; --c2: #96730a; --c3: #8a3ea8; --c4: #1c7f6c; --c5: #6b7280; }
@media (prefers-color-scheme: dark) { :root { --page: #14171c; --card: #1d2128; --text: #e6e9ef;
  --quiet: #9aa3b2; --line: #3a414d; --good: #5fce85; --bad: #ff8d84; --open: #e5b455;
  --c0: #6db1ff; --c1: #ffa061; --c2: #dfc04e; --c3: #d597ee; --c4: #5fcfb8; --c5: #9aa3b2; } }
body { margin: 0 auto; max-width: 1200px; padding: 24px 20px 60px; background: var(--page);
  color: var(--text); font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 20px; margin: 40px 0 12px; }
h3 { font-size: 15px; margin: 0 0 10px; } p { margin: 0 0 10px; max-width: 110ch; }
.quiet { color: var(--quiet); font-size: 13px; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; width: 100%; }
th, td { text-align: left; padding: 4px 12px 4px 0; border-bottom: 1px solid var(--line); }
th { color: var(--quiet); font-weight: 500; }
.met { color: var(--good); } .missed { color: var(--bad); font-weight: 600; } .open { color: var(--open); font-weight: 400; }
.row { background: var(--card); border-radius: 8px; padding: 14px 16px 6px; margin: 0 0 14px; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(500px, 1fr)); gap: 6px 24px; }
figure { margin: 0 0 8px; } figcaption { font-size: 13px; margin-bottom: 2px; }
svg { width: 100%; max-width: 540px; height: auto; display: block; }
svg text { font: 12px system-ui, sans-serif; fill: var(--text); font-variant-numeric: tabular-nums; }
svg .quiet { fill: var(--quiet); font-size: 11px; } svg .first { font-weight: 600; }
svg .axis { stroke: var(--line); }
"""


class Scale:
    """Maps a value to a position; by powers of ten where the medians are far apart."""

    def __init__(self, values: list[float], medians: list[float]) -> None:
        least, most = min(medians), max(medians)
        self.by_powers = least > 0 and min(values) > 0 and most / least > 20
        if self.by_powers:
            self.low = math.floor(math.log10(min(values)))
            self.high = max(math.ceil(math.log10(max(values))), self.low + 1)
        else:
            self.low, self.high = min(0.0, min(values)), max(max(values), 0.0) or 1.0

    def __call__(self, value: float) -> float:
        place = math.log10(value) if self.by_powers else value
        return LEFT + WIDTH * (place - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        if self.by_powers:
            step = max(1, math.ceil((self.high - self.low) / 4))
            return [10.0 ** power for power in range(self.low, self.high + 1, step)]
        step = 10.0 ** math.floor(math.log10(self.high - self.low))
        step *= next(n for n in (0.2, 0.25, 0.5, 1, 2, 2.5, 5) if (self.high - self.low) / (step * n) <= 4)
        first = math.ceil(self.low / step)
        return [step * n for n in range(first, math.floor(self.high / step) + 1)]


def tick_told(value: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def in_brief(ratio: dict[str, float]) -> str:
    def two(value: float) -> str:
        return f"{value:,.0f}" if abs(value) >= 10 else f"{value:.2g}"
    return f"{two(ratio['median'])} ({two(ratio['min'])}–{two(ratio['max'])})"


def color(server: str) -> str:
    return f"var(--c{COLORS.index(server) if server in COLORS else len(COLORS)})"


def lane(server: str, values: list[float], y: float, scale: Scale, unit: float, ratio: str) -> str:
    """Each repeat is a dot, the range a line, the median a bar."""
    found, ink = spread(values), color(server)
    dots = "".join(f'<circle cx="{scale(value):.1f}" cy="{y}" r="2.6" fill="{ink}" fill-opacity=".45"/>'
                   for value in values)
    return (f'<text x="{LEFT - 10}" y="{y + 4}" text-anchor="end"'
            f'{" class=first" if server == "layby" else ""}>{escape(title(server))}</text>'
            f'<line x1="{scale(found["min"]):.1f}" x2="{scale(found["max"]):.1f}" y1="{y}" y2="{y}" '
            f'stroke="{ink}" stroke-width="2"/>{dots}'
            f'<rect x="{scale(found["median"]) - 2:.1f}" y="{y - 7}" width="4" height="14" rx="1.5" '
            f'fill="{ink}"/>'
            f'<text x="{LEFT + WIDTH + MEDIAN}" y="{y + 4}" text-anchor="end">'
            f'{digits(found["median"], unit)}</text>'
            f'<text x="{LEFT + WIDTH + MEDIAN + 14}" y="{y + 4}" class="quiet">{ratio}</text>')


def strip(table: Table, row: str, figure: str, samples: dict[str, list[float]]) -> str:
    name, unit, by = FIGURES[figure]
    scale = Scale([value for values in samples.values() for value in values],
                  [spread(values)["median"] for values in samples.values()])
    bottom = LANE * len(samples) + 4
    ticks = "".join(f'<line class="axis" x1="{scale(t):.1f}" x2="{scale(t):.1f}" y1="2" y2="{bottom}"/>'
                    f'<text class="quiet" x="{scale(t):.1f}" y="{bottom + 13}" text-anchor="middle">'
                    f'{tick_told(t / by)}</text>' for t in scale.ticks())
    lanes = ""
    for index, (server, values) in enumerate(samples.items()):
        ratio = table.ratio(row, figure, server) if server != "layby" else None
        lanes += lane(server, values, LANE * index + 13, scale, by, in_brief(ratio) if ratio else "")
    better = "more" if figure in MORE_IS_BETTER else "less"
    return (f'<figure><figcaption>{escape(name)}, {escape(unit)} <span class="quiet">{better} is better'
            f'{", powers of ten" if scale.by_powers else ""}</span></figcaption>'
            f'<svg viewBox="0 0 {LEFT + WIDTH + MEDIAN + RATIO} {bottom + 18}" role="img" '
            f'aria-label="{escape(f"{row}: {name}")}">{ticks}{lanes}'
            f'<text class="quiet" x="{LEFT + WIDTH + MEDIAN}" y="{bottom + 13}" text-anchor="end">median</text>'
            f'<text class="quiet" x="{LEFT + WIDTH + MEDIAN + 14}" y="{bottom + 13}">Layby ÷ this</text>'
            f'</svg></figure>')


def budgets(table: Table) -> str:
    lines = ""
    for budget in table.budgets:
        if found := table.held_to(budget):
            verdict = budget.verdict(found)
            kind, scale = verdict.partition(",")[0], 1 if budget.to else FIGURES[budget.figure][2]
            lines += (f"<tr><td>{escape(budget.row)}<td>{FIGURES[budget.figure][0]}"
                      f"<td>{escape(budget.to)}<td>{told(found, scale)}<td>{budget.told()}"
                      f'<td class="{kind}">{"✓" if kind == "met" else "✗"} {kind}'
                      f'{"<span class=open>, repeats disagree</span>" if "open" in verdict else ""}')
    return (f"<h2>Budgets</h2><table><tr><th>what<th>figure<th>ratio to<th>found<th>bound<th>verdict"
            f"{lines}</table>" if lines else "")


def changes(moves: Moves) -> str:
    if not moves:
        return ""
    lines = "".join(f'<tr><td>{escape(row)}<td>{FIGURES[figure][0]}<td>{escape(server)}'
                    f'<td class="{"met" if how == "better" else "missed"}">{how}'
                    for (row, figure, server), how in moves.items() if how != "same")
    same = sum(how == "same" for how in moves.values())
    text = f"<p>{same} of {len(moves)} ratios are within the spread of the kept result.</p>"
    return f"<h2>Since the kept result</h2>{text}" + (
        f"<table><tr><th>what<th>figure<th>ratio to<th>change{lines}</table>" if lines else "")


def upstream(found: dict[str, Any]) -> str:
    lines = "".join(f"<tr><td>{escape(pull)}<td>{seen['content_gets']} of {seen['content_gets_needed']}"
                    f"<td>{seen['blob_bytes']:,} of {seen['image_blob_bytes']:,}" for pull, seen in found.items())
    return (f"<h2>Upstream</h2><table><tr><th>pull<th>content GETs, of needed<th>blob bytes, of the "
            f"image's{lines}</table>" if lines else "")


def page(table: Table, facts: dict[str, Any], moves: Moves) -> str:
    parts = ""
    for part in table.rows:
        order = servers_of(table, part)
        parts += f"<h2>{escape(part.replace('_', ' ').capitalize())}</h2>"
        for row in table.rows[part]:
            figures = "".join(strip(table, row, figure, {s: samples[s] for s in order if s in samples})
                              for figure, samples in table.samples[row].items())
            parts += f'<div class="row"><h3>{escape(row)}</h3><div class="figures">{figures}</div></div>'
    return (f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Layby, measured</title>'
            f'<meta name="viewport" content="width=device-width"><meta name="color-scheme" '
            f'content="light dark"><style>{STYLE}</style><h1>Layby, measured</h1>'
            f'<p class="quiet">{escape(facts_line(facts))} Took {facts["seconds"]:.0f} s.</p>'
            f"<p>Each dot is a repeat, the bar is their median. The last column is Layby's figure divided by "
            f"that server's in the same repeat: median (least–most).</p>"
            f"{budgets(table)}{changes(moves)}{parts}{upstream(table.upstream)}</html>\n")
