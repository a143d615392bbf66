# SPDX-License-Identifier: Apache-2.0
"""The first bytes that a lazy puller needs: the last 51 bytes of a cold blob, over a thin link.

A lazy puller (stargz, SOCI) reads a footer at the end of a layer before anything else. The footer
is asked for alone, and a second after another client began to pull the whole blob. Layby and
a direct client get new blobs in turns.
"""
from __future__ import annotations

import time
from contextlib import ExitStack
from types import SimpleNamespace

from cold_pull import CountedOrigin, get_blob, seconds_of_blob, wait_until_stored
from far_link import FarLink
from harness import Pulls
from servers import MIB, Registry
from shaped_miss import FirstLayby
from table import Budget, Table, in_turns

BITS, ROUND_TRIP, BLOB_MIB, FOOTER = 8_000_000, 0.02, 8, 51
HEAD_START = 1.0  # seconds of the whole pull before the footer is asked for
ALONE, BESIDE = (f"last {FOOTER} bytes of {BLOB_MIB} MB, 8 Mbit/s, 20 ms, {how}"
                 for how in ("alone", "beside a whole pull"))

BUDGETS = [Budget(row, figure, "", 1 if figure == "seconds" else 1.01)
           for row in (ALONE, BESIDE) for figure in ("seconds", "upstream_bytes_ratio")]


def measure(table: Table, repeats: int) -> None:
    with ExitStack() as stack:
        link = stack.enter_context(FarLink(BITS, ROUND_TRIP / 2))
        registry = Registry()
        with link.there():
            origin = stack.enter_context(CountedOrigin(registry))
        layby = stack.enter_context(FirstLayby(SimpleNamespace(url=origin.url)))
        for row in (ALONE, BESIDE):
            for _, name, url in in_turns(repeats, {"layby": layby.url, "direct": origin.url}):
                registry.clear()
                path = registry.add_blob(BLOB_MIB * MIB)
                origin.new_requests()
                whole = Pulls()
                if row == BESIDE:
                    whole.start(seconds_of_blob, url, path)
                    time.sleep(HEAD_START)
                seconds, footer = get_blob(url, path, "--range", f"-{FOOTER}")
                if footer != (registry.root / path.lstrip("/")).read_bytes()[-FOOTER:]:
                    raise RuntimeError(f"{url}{path}: {len(footer)} wrong bytes")
                others = whole.join(300)
                wait_until_stored(layby)
                asked = origin.new_requests()
                table.add(row, name, seconds=seconds,
                          **{"whole_seconds": other for other in others},
                          upstream_requests=len(asked),
                          upstream_bytes_ratio=sum(a[-1] for a in asked) / registry.content_bytes())
