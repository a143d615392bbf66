# SPDX-License-Identifier: Apache-2.0
"""Blobs from the page cache, over keep-alive connections that ask again after each answer.

The two nginx serve the same files as Layby, so the three share the pages of the page cache;
docker-registry has its own files. With 256 connections, few answers of 64 MB would be complete
within a window, so the load of 256 connections reads 8 MB. "CPU, client too" is shown because the
kernel charges the client for part of the work of a server that queues much (see costs.py).
docker-registry takes a buffer of megabytes for each answer, which makes its small blobs costly.
"""
from __future__ import annotations

from contextlib import ExitStack

from loads import load, warm
from servers import GB, DockerRegistry, Nginx, Registry, beside, start_layby
from table import Budget, Table, in_turns

KB, MB = 1 << 10, 1 << 20
SIZES = {"64 KB": 64 * KB, "8 MB": 8 * MB, "64 MB": 64 * MB}
LOADS = [(size, connections) for size in SIZES for connections in (1, 8, 64, 256)
         if (size, connections) != ("64 MB", 256)]


def row(size: str, connections: int) -> str:
    return f"warm {size} × {connections}"


HELD = (("64 MB", 1), ("64 MB", 8), ("64 MB", 64), ("8 MB", 256))
SMALL = [("64 KB", connections) for connections in (1, 64, 256)]

BUDGETS = [
    *(Budget(row(*load), "cpu_seconds_per_gb", "nginx", bound)
      for load, bound in zip(HELD, (0.5, 0.5, 0.6, 0.75))),
    *(Budget(row(*load), "cpu_seconds_per_gb", "nginx 256k", 0.9) for load in HELD),
    *(Budget(row(*load), "gb_per_second", "nginx", bound, at_least=True)
      for load, bound in zip(HELD, (1.0, 1.0, 1.0, 2.5))),
    *(Budget(row(*load), "cpu_seconds_per_gb", "nginx", 0.95) for load in SMALL),
    *(Budget(row(*load), "gb_per_second", "nginx", 1.0, at_least=True) for load in SMALL),
]


def measure(table: Table, repeats: int) -> None:
    with ExitStack() as stack:
        registry = Registry()
        blobs = {size: registry.add_blob(bytes_) for size, bytes_ in SIZES.items()}
        paths = list(blobs.values())
        origin = stack.enter_context(Nginx(registry.server()))
        layby = stack.enter_context(start_layby(origin))
        registry_proxy = stack.enter_context(DockerRegistry(origin))
        for server in (layby, registry_proxy):
            warm(server, *paths)
        servers = {"layby": layby, "nginx": stack.enter_context(beside(layby, paths)),
                   "nginx 256k": stack.enter_context(beside(layby, paths, "sndbuf=256k")),
                   "docker-registry": registry_proxy}
        for size, connections in LOADS:
            for _, name, server in in_turns(repeats, servers):
                count, cpu = load(server, blobs[size], connections)
                table.add(row(size, connections), name,
                          gb_per_second=count.bytes / GB / count.seconds,
                          cpu_seconds_per_gb=cpu / (count.bytes / GB),
                          cpu_of_both_per_gb=(cpu + count.client_cpu_seconds) / (count.bytes / GB),
                          **count.latency())
