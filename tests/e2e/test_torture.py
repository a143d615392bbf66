#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A short run of the torture in torture.py; scripts/torture has the long one.

LAYBY_SEED repeats the choices of a run whose seed a failure named.
"""
from __future__ import annotations

import os
import random
import unittest

from torture import Overflowing, torture

KILLS = 25
KILLS_WHILE_EVICTING = 12


class Torture(unittest.TestCase):
    def setUp(self) -> None:
        self.seed = int(os.environ.get("LAYBY_SEED") or random.SystemRandom().getrandbits(32))
        print(f"seed {self.seed}", flush=True)

    def test_the_store_outlives_kills_at_any_moment(self) -> None:
        outcome = torture(KILLS, self.seed)

        print(outcome, flush=True)
        self.assertGreaterEqual(outcome.kills, KILLS)
        self.assertGreater(outcome.in_mid_fill, 0, "no kill met a download")
        self.assertGreater(outcome.checked, 0, "nothing was published before a kill")
        self.assertGreater(outcome.interrupted, 0, "no big blob was interrupted")

    def test_it_outlives_them_while_it_evicts(self) -> None:
        outcome = torture(KILLS_WHILE_EVICTING, self.seed, kind=Overflowing)

        print(outcome, flush=True)
        self.assertGreaterEqual(outcome.kills, KILLS_WHILE_EVICTING)
        self.assertGreater(outcome.evicted_bytes, 0, "nothing was evicted")
        self.assertGreater(outcome.published, 0, "nothing was kept")


if __name__ == "__main__":
    unittest.main(verbosity=2)
