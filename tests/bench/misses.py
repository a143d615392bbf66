# SPDX-License-Identifier: Apache-2.0
"""A miss: a new blob through Layby, nginx's proxy_cache and docker-registry, and direct.

Time ends when the client has the last byte. CPU is everything that a server spends, including
its work after the answer.
"""
from __future__ import annotations

import os
from contextlib import ExitStack

from loads import load
from servers import GB, MIB, DockerRegistry, Nginx, Registry, start_layby, start_proxy_cache
from table import Budget, Table, in_turns

SIZE = 128
ROW = f"miss {SIZE} MB"

BUDGETS = [Budget(ROW, figure, "nginx proxy_cache", 1.1) for figure in ("seconds", "cpu_seconds_per_gb")]


def measure(table: Table, repeats: int) -> None:
    with ExitStack() as stack:
        registry = Registry()
        origin = stack.enter_context(Nginx(registry.server()))
        servers = {"layby": stack.enter_context(start_layby(origin)),
                   "nginx proxy_cache": stack.enter_context(start_proxy_cache(origin)),
                   "docker-registry": stack.enter_context(DockerRegistry(origin)), "direct": origin}
        paths = [registry.add_blob(SIZE * MIB) for _ in range(repeats + 1)]
        for path in paths:  # brings the blobs into the origin's page cache
            load(origin, path, 1, answers=1)
        for server in servers.values():  # a server's first request costs more
            load(server, paths[repeats], 1, answers=1)
        for repeat, name, server in in_turns(repeats, servers):
            os.sync()
            count, cpu = load(server, paths[repeat], 1, answers=1)
            table.add(ROW, name, seconds=count.seconds, cpu_seconds_per_gb=cpu / (count.bytes / GB))
