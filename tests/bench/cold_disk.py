# SPDX-License-Identifier: Apache-2.0
"""Blobs that are not in the page cache, on a disk that reads 42 MB/s, like a memory card.

Layby and a static nginx serve the same files, each in a control group whose disk reads the
kernel limits and counts. Before each turn the blobs leave the page cache. Three measurements:

- a request for a manifest each millisecond, while four clients read a cold blob each. A
  manifest needs no disk and should not wait for requests that need the disk. Measured once with
  no page of the blobs in the page cache, and once with the first and the last page of each MiB,
  as the kernel leaves a file after reclaiming memory;
- 64 readers of one cold blob, which should be read from the disk once;
- 32 readers of a cold blob each: the times at which the first and the last reader are done.
"""
from __future__ import annotations

import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

from loads import load, warm
from servers import MIB, Layby, Nginx, Registry, static_folder
from cgroups import Group, InGroup, Unavailable, evict
from table import Budget, Table, in_turns
from timing import First, Paced, apart, crowd

RATE = 42_000_000  # bytes a second
READERS, BESIDE_MIB = 4, 32
SAME_READERS, SAME_MIB = 64, 64
APART, APART_MIB = 32, 4

SMALL = f"manifest, one a ms, beside {READERS} cold readers"
HOLES = f"{SMALL}, with a few pages cached"
SAME = f"cold {SAME_MIB} MB × {SAME_READERS}"
EACH = f"cold {APART} blobs of {APART_MIB} MB, a reader each"

BUDGETS = [Budget(SMALL, "p99_ms", "", 5), Budget(HOLES, "p99_ms", "", 5),
           Budget(SAME, "read_ratio", "", 1.1),
           Budget(SAME, "seconds", "nginx", 1.05),
           Budget(EACH, "seconds", "nginx", 1.05)]


class BoxedLayby(First, InGroup, Layby):
    pass


class BoxedNginx(First, InGroup, Nginx):
    pass


def file_of(layby: Layby, path: str) -> Path:
    hexits = path.rpartition(":")[2]
    return Path(layby.config["data_dir"]) / "blobs/sha256" / hexits[:2] / hexits


def measure(table: Table, repeats: int) -> None:
    try:
        measure_in_groups(table, repeats)
    except Unavailable as error:
        print(f"not measured: {error}", file=sys.stderr)


def measure_in_groups(table: Table, repeats: int) -> None:
    with ExitStack() as stack:
        groups = {name: stack.enter_context(Group(name)) for name in ("layby", "nginx")}
        for group in groups.values():
            group.limit_reading(Path(tempfile.gettempdir()), RATE)
        registry = Registry()
        manifest = registry.add_manifest()
        beside_it = [registry.add_blob(BESIDE_MIB * MIB) for _ in range(READERS)]
        same = registry.add_blob(SAME_MIB * MIB)
        each = [registry.add_blob(APART_MIB * MIB) for _ in range(APART)]
        origin = stack.enter_context(Nginx(registry.server()))
        layby = stack.enter_context(BoxedLayby(
            groups["layby"], SimpleNamespace(url=f"http://127.0.0.1:{origin.port}")))
        warm(layby, manifest, *beside_it, same, *each)
        layby.settle(tags=0)
        folder = static_folder(layby, [manifest, *beside_it, same, *each])
        nginx = stack.enter_context(BoxedNginx(groups["nginx"], f"root {folder};"))
        servers = {"layby": layby, "nginx": nginx}
        for _, name, server in in_turns(repeats, servers):
            cool(layby, beside_it)
            table.add(SMALL, name, **small_requests(server, manifest, beside_it))
        for _, name, server in in_turns(repeats, servers):
            cool(layby, beside_it)
            for path in beside_it:
                cache_single_pages(file_of(layby, path))
            table.add(HOLES, name, **small_requests(server, manifest, beside_it))
        for _, name, server in in_turns(repeats, servers):
            cool(layby, [same])
            before = groups[name].bytes_read()
            times = crowd(server.port, SAME_READERS, [same])
            table.add(SAME, name, seconds=max(t.total for t in times),
                      read_ratio=(groups[name].bytes_read() - before) / (SAME_MIB * MIB))
        for _, name, server in in_turns(repeats, servers):
            cool(layby, each)
            times = apart(server.port, each)
            table.add(EACH, name, seconds=max(t.total for t in times),
                      first_seconds=min(t.total for t in times),
                      latest_first_byte_seconds=max(t.first_byte for t in times))


def cool(layby: Layby, paths: list[str]) -> None:
    for path in paths:
        evict(file_of(layby, path), seconds=60)


def cache_single_pages(path: Path) -> None:
    """Caches the first and the last page of each MiB."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)
        for start in range(0, os.fstat(file).st_size, MIB):
            os.pread(file, 1, start)
            os.pread(file, 1, start + MIB - 1)
    finally:
        os.close(file)


def small_requests(server: Layby | Nginx, manifest: str, blobs: list[str]) -> dict[str, float]:
    """Quantiles from before the first reader asks until after the last reader is done."""
    load(server, manifest, 1, answers=1)
    with Paced(server.port, manifest) as paced:
        apart(server.port, blobs)
    return paced.quantiles()
