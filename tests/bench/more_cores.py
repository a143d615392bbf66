# SPDX-License-Identifier: Apache-2.0
"""The most that a second event loop could gain: two Laybys, with half of the connections each.

Two Laybys share nothing and never wait for each other, unlike two loops over one cache.
"""
from __future__ import annotations

import time
from contextlib import ExitStack

from costs import cpu_seconds
from loads import WARM_UP, WINDOW, Sink, warm
from servers import Certificate, Layby, Nginx, Registry, start_layby_with_tls
from table import Budget, Table, in_turns

ROWS = {"one loop or two: manifest, keep-alive": ("", "keep"),
        "one loop or two: manifest, connection a request": ("", "close"),
        "one loop or two: TLS, manifest, keep-alive": ("tls", "keep"),
        "one loop or two: TLS, manifest, full handshake a request": ("tls", "close")}
CONNECTIONS = 16

BUDGETS: list[Budget] = []


def measure(table: Table, repeats: int) -> None:
    with ExitStack() as stack:
        registry, certificate = Registry(), Certificate()
        manifest = registry.add_manifest()
        origin = stack.enter_context(Nginx(registry.server()))
        both = [stack.enter_context(start_layby_with_tls(origin, certificate)) for _ in range(2)]
        for layby in both:
            warm(layby, manifest)
        for row, (tls, mode) in ROWS.items():
            for _, name, laybys in in_turns(repeats, {"layby": both[:1], "two Laybys": both}):
                table.add(row, name, **together(laybys, manifest, mode, tls))


def together(laybys: list[Layby], path: str, mode: str, tls: str) -> dict[str, float]:
    with ExitStack() as stack:
        sinks = [stack.enter_context(Sink(layby, path, CONNECTIONS // len(laybys), mode, tls=tls))
                 for layby in laybys]
        time.sleep(WARM_UP)
        first, before = [sink.count() for sink in sinks], sum(map(cpu_seconds, laybys))
        time.sleep(WINDOW)
        last, after = [sink.count() for sink in sinks], sum(map(cpu_seconds, laybys))
    counts = [b - a for a, b in zip(first, last)]
    answers = sum(count.answers for count in counts)
    return {"cpu_us_per_request": (after - before) * 1e6 / answers,
            "requests_per_second": sum(count.answers / count.seconds for count in counts)}
