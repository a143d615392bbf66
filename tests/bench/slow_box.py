# SPDX-License-Identifier: Apache-2.0
"""A box like a Raspberry Pi: slow processors without SHA instructions, and a slow memory card.

Each thread of Layby has a quarter of a processor, OpenSSL uses neither SHA nor AVX instructions,
and the data is on a disk that writes 20 MB/s and reads 40 MB/s. The link to the origin carries
100 Mbit/s. curl pulls a cold blob: directly; through Layby; and through Layby while eight readers
get a warm blob each, as fast as they can, and a client asks for a manifest every ten milliseconds.

The kernel looks at its timer ticks whether a thread has used up its quarter. With ticks of 4 ms, a
busy thread runs for 4 ms and then stands still for 12 ms. These waits count.
"""
from __future__ import annotations

import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Iterator

from cgroups import Group, InGroup, Unavailable
from cold_pull import CountedOrigin, seconds_of_blob, wait_until_stored
from far_link import FarLink
from loads import Sink, warm
from servers import GB, MIB, Layby, Registry
from shaped_miss import PLAIN_SHA
from table import Budget, Table, in_turns
from timing import Paced

SHARE = 0.25  # of a processor, for each thread
WRITES, READS = 20_000_000, 40_000_000  # bytes a second
BITS, ONE_WAY = 100_000_000, 0.005
COLD_MIB, WARM_MIB, READERS = 100, 16, 8
PACE = 0.01  # seconds from one request for the manifest to the next request
CARD_BYTES = 4 << 30

ALONE = f"slow box: cold {COLD_MIB} MB"
BESIDE = f"{ALONE}, beside {READERS} warm readers"

BUDGETS = [Budget(ALONE, "seconds", "direct", 1.02),
           Budget(BESIDE, "seconds", "direct", 1 / 0.9),
           Budget(BESIDE, "least_share", "", 0.5, at_least=True),
           Budget(BESIDE, "p99_ms", "", 20)]


class SlowBox(InGroup, Layby):
    def start(self, command: list[str], environment: dict[str, str] | None = None, **named: Any) -> None:
        super().start(command, {**PLAIN_SHA, **(environment or {})}, **named)


@contextmanager
def card() -> Iterator[Path]:
    """An empty file system on a disk of its own."""
    with tempfile.TemporaryDirectory(prefix="card-") as folder:
        image, mounted = Path(folder, "image"), Path(folder, "mounted")
        mounted.mkdir()
        with open(image, "wb") as file:
            file.truncate(CARD_BYTES)
        try:
            subprocess.run(["mkfs.ext4", "-q", str(image)], check=True, capture_output=True)
            subprocess.run(["mount", "-o", "loop", str(image), str(mounted)], check=True, capture_output=True)
        except subprocess.CalledProcessError as error:
            raise Unavailable(f"no loop device: {error.stderr.decode()}") from error
        try:
            yield mounted
        finally:
            subprocess.run(["umount", str(mounted)], check=True)


def measure(table: Table, repeats: int) -> None:
    try:
        with ExitStack() as stack:
            measure_in_box(table, repeats, stack)
    except Unavailable as error:
        print(f"not measured: {error}", file=sys.stderr)


def measure_in_box(table: Table, repeats: int, stack: ExitStack) -> None:
    link = stack.enter_context(FarLink(BITS, ONE_WAY))
    registry = Registry()
    with link.there():
        origin = stack.enter_context(CountedOrigin(registry))
    disk = stack.enter_context(card())
    group = stack.enter_context(Group("slow"))
    group.limit_reading(disk, READS)
    group.limit_writing(disk, WRITES)
    layby = stack.enter_context(SlowBox(group, SimpleNamespace(url=origin.url),
                                        {"data_dir": str(disk / "data")}))
    assert layby.process
    group.limit_each_thread(layby.process.pid, SHARE)
    manifest = registry.add_manifest()
    kept = [registry.add_blob(WARM_MIB * MIB) for _ in range(READERS)]
    warm(layby, manifest, *kept)
    ways = {"direct": origin.url, ALONE: layby.url, BESIDE: layby.url}
    for _, way, url in in_turns(repeats, ways):
        registry.clear()
        blob = registry.add_blob(COLD_MIB * MIB)
        if way == BESIDE:
            table.add(BESIDE, "layby", **beside_warm_readers(layby, manifest, kept, blob))
        elif way == ALONE:
            table.add(ALONE, "layby", seconds=seconds_of_blob(url, blob))
        else:
            seconds = seconds_of_blob(url, blob)
            for row in (ALONE, BESIDE):
                table.add(row, "direct", seconds=seconds)
        wait_until_stored(layby)


def beside_warm_readers(layby: Layby, manifest: str, warm_blobs: list[str], cold: str) -> dict[str, float]:
    with ExitStack() as loads:
        readers = [loads.enter_context(Sink(layby, path, 1, "keep")) for path in warm_blobs]
        paced = loads.enter_context(Paced(layby.port, manifest, PACE))
        before = [reader.count() for reader in readers]
        seconds = seconds_of_blob(layby.url, cold)
        during = [reader.count() - earlier for reader, earlier in zip(readers, before)]
    speeds = [count.bytes / count.seconds for count in during]
    return {"seconds": seconds, "gb_per_second": sum(speeds) / GB,
            "least_share": min(speeds) / (sum(speeds) / READERS), **paced.quantiles()}
