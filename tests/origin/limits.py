# SPDX-License-Identifier: Apache-2.0
"""Counts over a sliding window, as Docker Hub's limits have them.

Both limits use a sliding window, not periods that start over: the pull limit counts
manifest GETs in six hours, the abuse limit counts requests of any kind in a minute.
"""
from __future__ import annotations

import math
import time
from collections import deque
from typing import Callable


class SlidingWindow:
    """Counts the additions of the last `seconds`. The caller has locked the hub."""

    def __init__(self, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self.now = now
        self._times: deque[float] = deque()

    def count(self) -> int:
        while self._times and self._times[0] <= self.now() - self.seconds:
            self._times.popleft()
        return len(self._times)

    def add(self) -> None:
        self._times.append(self.now())

    def clear(self) -> None:
        self._times.clear()

    def seconds_until_fewer(self) -> int:
        """Whole seconds until the count falls, for Retry-After; 0 when the count is 0."""
        return max(1, math.ceil(self._times[0] + self.seconds - self.now())) if self.count() else 0
