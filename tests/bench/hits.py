# SPDX-License-Identifier: Apache-2.0
"""Blobs from the page cache, by keep-alive connections that ask again at once."""
from __future__ import annotations

from contextlib import ExitStack

from loads import load, warm
from servers import GB, MIB, Nginx, Registry, beside, start_layby
from table import Budget, Table, in_turns

LOADS = ((1, 64), (8, 64), (64, 64), (256, 8))  # connections, MiB of the blob

BUDGETS = [
    *(Budget(f"warm {size} MB × {n}", "cpu_seconds_per_gb", "nginx", bound)
      for (n, size), bound in zip(LOADS, (0.5, 0.5, 0.6, 0.75))),
    *(Budget(f"warm {size} MB × {n}", "cpu_seconds_per_gb", "nginx 256k", 0.9)
      for n, size in LOADS[1:]),
    *(Budget(f"warm {size} MB × {n}", "gb_per_second", "nginx", bound, at_least=True)
      for (n, size), bound in zip(LOADS, (1.0, 1.0, 1.0, 2.5))),
]


def measure(table: Table, repeats: int) -> None:
    with ExitStack() as stack:
        registry = Registry()
        blobs = {size: registry.add_blob(size * MIB) for size in (8, 64)}
        origin = stack.enter_context(Nginx(registry.server()))
        layby = stack.enter_context(start_layby(origin))
        paths = list(blobs.values())
        warm(layby, *paths)
        servers = {"layby": layby, "nginx": stack.enter_context(beside(layby, paths)),
                   "nginx 256k": stack.enter_context(beside(layby, paths, "sndbuf=256k"))}
        for connections, size in LOADS:
            for _, name, server in in_turns(repeats, servers):
                count, cpu = load(server, blobs[size], connections)
                table.add(f"warm {size} MB × {connections}", name,
                          gb_per_second=count.bytes / GB / count.seconds,
                          cpu_seconds_per_gb=cpu / (count.bytes / GB))
