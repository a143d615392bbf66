# SPDX-License-Identifier: Apache-2.0
"""Loads that clients put on a server, and the CPU that they cost.

A load runs until its buffers are full before its window opens. Loads are closed: each
connection asks again only after its answer. So a time is the wait of one of the connected
clients, and a pause of the server counts once per connection.
"""
from __future__ import annotations

import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from costs import cpu_seconds, cpu_seconds_of
from servers import ROOT

SINK = ROOT / "build/bench/sink"
WARM_UP = 0.25  # seconds before a window
WINDOW = 0.6
SETTLE = 0.3  # seconds; a server that uses no CPU for this time has finished the work of a fill


@dataclass
class Count:
    seconds: float
    bytes: int
    answers: int
    heads: int
    failures: int
    resumed: int
    times: Counter[int] = field(default_factory=Counter)  # answers by lower bound of a bucket, ns
    client_cpu_seconds: float = 0

    @staticmethod
    def of(line: str) -> Count:
        took, *others = map(int, line.split())
        return Count(took / 1e9, *others)

    def __sub__(self, other: Count) -> Count:
        return Count(*(getattr(self, name) - getattr(other, name) for name in vars(self)))

    def latency(self) -> dict[str, float]:
        """Percentiles for the table, each only if at least two answers are beyond it."""
        return {name: self.percentile(share) for name, share in
                (("p50_us", 0.5), ("p99_us", 0.99), ("p999_us", 0.999))
                if self.times.total() * (1 - share) >= 2}

    def percentile(self, share: float) -> float:
        """Microseconds within which `share` of the answers came."""
        left = share * self.times.total()
        for start in sorted(self.times):
            left -= self.times[start]
            if left <= 0:
                return start / 1e3
        raise ValueError("no answer came")


class Sink:
    """The client of sink.c; count() returns the client's counts so far."""

    def __init__(self, server: Any, path: str, connections: int, mode: str, answers: int = 0,
                 tls: str = "") -> None:
        port = server.tls_port if tls else server.port
        self.process = subprocess.Popen(
            [str(SINK), *([tls] if tls else []), str(port), path, str(connections), mode,
             *([str(answers)] if answers else [])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def count(self) -> Count:
        count = self.checked(self.answer(""))
        count.client_cpu_seconds = cpu_seconds_of(self.process.pid)
        for pair in self.answer("times").split():
            start, _, answers = pair.partition(":")
            count.times[int(start)] = int(answers)
        return count

    def answer(self, line: str) -> str:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def last(self) -> Count:
        """The count of a client that ends by itself, after the wanted number of answers."""
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
         tls: str = "") -> tuple[Count, float]:
    """The client's count and the server's CPU seconds: for one window, or for `answers` answers.

    `tls` is "tls" or "resume" (see sink.c), or empty for a connection without TLS.
    """
    if answers:
        before = cpu_seconds(server)
        with Sink(server, path, connections, mode, answers, tls) as sink:
            count = sink.last()
        return count, settled_cpu_seconds(server) - before
    with Sink(server, path, connections, mode, tls=tls) as sink:
        time.sleep(WARM_UP)
        first, before = sink.count(), cpu_seconds(server)
        time.sleep(WINDOW)
        last, after = sink.count(), cpu_seconds(server)
    return last - first, after - before


def settled_cpu_seconds(server: Any) -> float:
    """CPU seconds after the server has come to rest.

    After an answer a cache may still store and check the blob, or fetch the blob again.
    """
    deadline, last = time.monotonic() + 20, cpu_seconds(server)
    while time.monotonic() < deadline:
        time.sleep(SETTLE)
        now = cpu_seconds(server)
        if now - last < 0.002:
            return now
        last = now
    return last


def warm(server: Any, *paths: str) -> None:
    for path in paths:
        load(server, path, 1, answers=1)
