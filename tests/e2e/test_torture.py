#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A short run of the torture in torture.py; scripts/torture has the long one.

LAYBY_SEED repeats the choices of a run whose seed a failure named.
"""
from __future__ import annotations

import os
import random
import unittest

from torture import torture

KILLS = 25


class Torture(unittest.TestCase):
    def test_the_store_outlives_kills_at_any_moment(self) -> None:
        seed = int(os.environ.get("LAYBY_SEED") or random.SystemRandom().getrandbits(32))
        print(f"seed {seed}", flush=True)

        outcome = torture(KILLS, seed)

        print(outcome, flush=True)
        self.assertGreaterEqual(outcome.kills, KILLS)
        self.assertGreater(outcome.in_mid_fill, 0, "no kill met a download")
        self.assertGreater(outcome.checked, 0, "nothing was published before a kill")
        self.assertGreater(outcome.interrupted, 0, "no big blob was interrupted")


if __name__ == "__main__":
    unittest.main(verbosity=2)
