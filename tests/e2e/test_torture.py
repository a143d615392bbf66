#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A short run of the torture in torture.py; scripts/torture has the long one.

LAYBY_SEED repeats the choices of a failed run, which printed its seed.
"""
from __future__ import annotations

import os
import random
import unittest
from typing import Any, Callable

from torture import Outcome, Overflowing, torture

KILLS = 25
KILLS_WHILE_EVICTING = 12


class Torture(unittest.TestCase):
    def setUp(self) -> None:
        self.seed = int(os.environ.get("LAYBY_SEED") or random.SystemRandom().getrandbits(32))
        print(f"seed {self.seed}", flush=True)

    def torture_until(self, met: Callable[[Outcome], bool], kills: int, **named: Any) -> Outcome:
        """Repeats the short run with other seeds, up to five times, until `met` holds."""
        for seed in range(self.seed, self.seed + 5):
            outcome = torture(kills, seed, **named)
            print(outcome, flush=True)
            self.assertGreaterEqual(outcome.kills, kills)
            if met(outcome):
                return outcome
        self.fail("no run reached the states that this test needs")

    def test_the_store_survives_kills_at_any_moment(self) -> None:
        self.torture_until(lambda o: o.in_mid_fill > 0 and o.checked > 0 and o.interrupted > 0, KILLS)

    def test_the_store_survives_kills_while_it_evicts(self) -> None:
        self.torture_until(lambda o: o.evicted_bytes > 0 and o.published > 0, KILLS_WHILE_EVICTING,
                           kind=Overflowing)


if __name__ == "__main__":
    unittest.main(verbosity=2)
