# SPDX-License-Identifier: Apache-2.0
"""Times that clients see: of many pulls at once, and of small requests at a steady pace.

To measure waits of milliseconds, the servers and the client with the steady pace have
priority over everything else on the machine (SCHED_RR). Otherwise, on a busy machine, the
times would include waits for a processor.
"""
from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Iterator

from servers import ROOT, Program

TIMED = ROOT / "build/bench/timed"
QUANTILES = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "longest": 1.0}


@dataclass
class Time:
    """Times of one client, or of one tick; see timed.c."""
    first_byte: float
    total: float
    bytes: int


def times_in(text: str) -> list[Time]:
    rows = (map(int, line.split()) for line in text.splitlines())
    return [Time(first / 1e9, last / 1e9, size) for first, last, size in rows]


def crowd(port: int, clients: int, paths: list[str], host: str = "127.0.0.1") -> list[Time]:
    """Runs `clients` clients at once; each pulls all paths. Returns the time of each client."""
    return _run(host, str(port), "crowd", str(clients), *paths)


def apart(port: int, paths: list[str], host: str = "127.0.0.1") -> list[Time]:
    """Runs a client for each path, all at once. Returns the time of each client."""
    return _run(host, str(port), "apart", *paths)


def _run(*arguments: str) -> list[Time]:
    done = subprocess.run([str(TIMED), *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=300)
    if done.returncode:
        raise RuntimeError(f"the clients failed: {done.stderr}")
    return times_in(done.stdout)


class Paced:
    """Sends a small request at each tick until the `with` ends; then `times` has the results."""

    def __init__(self, port: int, path: str, every: float = 0.001) -> None:
        self.times: list[Time] = []
        self.process = subprocess.Popen(
            [str(TIMED), "127.0.0.1", str(port), "paced", str(round(every * 1e6)), path],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=_first)

    def __enter__(self) -> Paced:
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        try:
            printed, said = self.process.communicate("", timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        if kind is None and self.process.returncode:
            raise RuntimeError(f"the client failed: {said}")
        self.times = times_in(printed)

    def quantiles(self) -> dict[str, float]:
        """Milliseconds to the last byte."""
        ordered = sorted(t.total * 1e3 for t in self.times)
        return {f"{name}_ms": ordered[min(len(ordered) - 1, int(share * len(ordered)))]
                for name, share in QUANTILES.items()}


def _first() -> None:
    """Gives this process priority, where that is allowed."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        pass


@contextmanager
def this_thread_first() -> Iterator[None]:
    """Gives priority to this thread, and to the threads and processes that it starts."""
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    _first()
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


class First(Program):
    """Mixed in before a Program: gives all threads and processes of the program priority."""

    def start(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        super().start([*PRIORITY, *command], environment)


PRIORITY = ["chrt", "--rr", "1"]
if subprocess.run([*PRIORITY, "true"], stderr=subprocess.DEVNULL).returncode:
    PRIORITY = []
