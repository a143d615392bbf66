# SPDX-License-Identifier: Apache-2.0
"""What clients do to a server, and the CPU that this costs it.

A load runs until its buffers are full before its window opens.
"""
from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from typing import Any

from costs import cpu_seconds
from servers import ROOT, Layby

SINK = ROOT / "build/bench/sink"
WARM_UP = 0.25  # seconds before a window
WINDOW = 0.8
SETTLE = 0.4  # seconds after a fill, for what goes on behind the last byte


@dataclass
class Count:
    seconds: float
    bytes: int
    answers: int
    heads: int
    failures: int

    @staticmethod
    def of(line: str) -> Count:
        took, *others = map(int, line.split())
        return Count(took / 1e9, *others)

    def __sub__(self, other: Count) -> Count:
        return Count(*(a - b for a, b in zip(vars(self).values(), vars(other).values())))


class Sink:
    """The client of sink.c; count() is what it has had so far."""

    def __init__(self, port: int, path: str, connections: int, mode: str, answers: int = 0) -> None:
        self.process = subprocess.Popen(
            [str(SINK), str(port), path, str(connections), mode, *([str(answers)] if answers else [])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def count(self) -> Count:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.checked(self.process.stdout.readline())

    def last(self) -> Count:
        """For one that ends by itself."""
        assert self.process.stdout
        return self.checked(self.process.stdout.readline())

    @staticmethod
    def checked(line: str) -> Count:
        if not line or Count.of(line).failures:
            raise RuntimeError(f"the client failed: {line!r}")
        return Count.of(line)

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def load(server: Any, path: str, connections: int, mode: str = "keep", answers: int = 0,
         ) -> tuple[Count, float]:
    """What came and the CPU seconds it took: within one window, or for so many answers."""
    if answers:
        before = cpu_seconds(server)
        with Sink(server.port, path, connections, mode, answers) as sink:
            count = sink.last()
        time.sleep(SETTLE)
        return count, cpu_seconds(server) - before
    with Sink(server.port, path, connections, mode) as sink:
        time.sleep(WARM_UP)
        first, before = sink.count(), cpu_seconds(server)
        time.sleep(WINDOW)
        last, after = sink.count(), cpu_seconds(server)
    return last - first, after - before


def warm(layby: Layby, *paths: str) -> None:
    for path in paths:
        load(layby, path, 1, answers=1)
