# SPDX-License-Identifier: Apache-2.0
"""A box with 256 MB of RAM: docs/examples/small-box.json in a control group of 128 MB.

The group includes the page cache, slab and TCP buffers, but not the clients and the origin.
The loads run one after the other, then all at once: nobody, 1,000 and 10,000 idle connections,
256 slow readers of a 100 MB blob, 64 downloads of 16 MB at once. Beside every load a client
reads a cached blob. Every download is checked against its digest. No process may be killed.
`reached_limit` is how often the kernel had to reclaim page cache, which only costs time. `held`
is the peak of memory that the kernel could not have reclaimed.
"""
from __future__ import annotations

import hashlib
import http.client
import sys
import time
from contextlib import ExitStack
from types import SimpleNamespace

from loads import Sink, warm
from servers import GB, MIB, Nginx, Pulls, Registry, wait_until
from cgroups import Group, Peaks, Unavailable
from small_boxes import LIMIT, SmallBox, limit
from table import Budget, Table

FEW, MANY, SLOW, FILLS, FILL_MIB = 1000, 10000, 256, 64, 16
REPEATS = 3  # at most
ROW = "128 MB: "
NOBODY, FEW_IDLE, MANY_IDLE = f"{ROW}nobody", f"{ROW}{FEW:,} idle", f"{ROW}{MANY:,} idle"
SLOW_READERS, DOWNLOADS = f"{ROW}{SLOW} slow readers", f"{ROW}{FILLS} downloads"
ALL = f"{ROW}all at once"

BUDGETS = [budget for row in (NOBODY, FEW_IDLE, MANY_IDLE, SLOW_READERS, DOWNLOADS, ALL)
           for budget in (Budget(row, "held_bytes", "", LIMIT), Budget(row, "killed", "", 0))]


def measure(table: Table, repeats: int) -> None:
    try:
        for _ in range(min(REPEATS, repeats)):
            measure_once(table)
    except Unavailable as error:
        print(f"not measured: {error}", file=sys.stderr)


class Box:
    """The measured server, its content, and the table rows of its peaks."""

    def __init__(self, stack: ExitStack, table: Table) -> None:
        self.table = table
        self.registry = Registry()
        self.origin = stack.enter_context(Nginx(self.registry.server()))
        self.manifest = self.registry.add_manifest()
        self.large, self.small = self.registry.add_blob(100 * MIB), self.registry.add_blob(8 * MIB)
        self.group = stack.enter_context(Group("small"))
        limit(self.group)
        self.layby = stack.enter_context(
            SmallBox(self.group, SimpleNamespace(url=f"http://127.0.0.1:{self.origin.port}")))
        warm(self.layby, self.manifest, self.large, self.small)

    def row(self, name: str, *, idle: int = 0, slow: int = 0, downloads: int = 0) -> None:
        """Runs these loads at once, with a reader of the small blob beside any load."""
        reached = self.group.reached_limit()
        cold = [self.registry.add_blob(FILL_MIB * MIB) for _ in range(downloads)]
        speeds: dict[str, float] = {}
        with ExitStack() as loads, Peaks(self.group) as peaks:
            if idle:
                waiting = loads.enter_context(Sink(self.layby, self.manifest, idle, "idle"))
                wait_until(lambda: waiting.count().answers == idle, f"{idle} answers", 120)
            if slow:
                readers = loads.enter_context(Sink(self.layby, self.large, slow, "slow"))
                wait_until(lambda: readers.count().heads == slow, f"{slow} readers", 120)
            if idle or slow or downloads:
                warm_reader = loads.enter_context(Sink(self.layby, self.small, 1, "keep"))
                before, began = warm_reader.count(), time.monotonic()
                if cold:
                    pulls = Pulls()
                    for path in cold:
                        pulls.start(download, self.layby.authority, path)
                    pulls.join(300)
                    speeds["download_gb_per_second"] = (
                        downloads * FILL_MIB * MIB / GB / (time.monotonic() - began))
                else:
                    time.sleep(2)  # The window for the throughput.
                during = warm_reader.count() - before
                speeds["gb_per_second"] = during.bytes / GB / during.seconds
                assert during.answers > 0, "the reader of the cached blob got no answer"
            else:
                time.sleep(0.5)
        self.layby.alive()
        self.table.add(name, "layby", **{f"{part}_bytes": size for part, size in peaks.most.items()},
                       **speeds, reached_limit=self.group.reached_limit() - reached,
                       killed=self.group.killed())


def download(authority: str, path: str) -> None:
    connection = http.client.HTTPConnection(authority, timeout=120)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        sha, size = hashlib.sha256(), 0
        while piece := answer.read(MIB):
            sha.update(piece)
            size += len(piece)
    finally:
        connection.close()
    if (answer.status, size, sha.hexdigest()) != (200, FILL_MIB * MIB, path.rpartition(":")[2]):
        raise RuntimeError(f"GET {path}: {answer.status}, {size} bytes that do not match the digest")


def measure_once(table: Table) -> None:
    with ExitStack() as stack:
        box = Box(stack, table)
        box.row(NOBODY)
        box.row(FEW_IDLE, idle=FEW)
        box.row(MANY_IDLE, idle=MANY)
        box.row(SLOW_READERS, slow=SLOW)
        box.row(DOWNLOADS, downloads=FILLS)
        box.row(ALL, idle=MANY, slow=SLOW, downloads=FILLS)
