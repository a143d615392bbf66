# SPDX-License-Identifier: Apache-2.0
"""Memory of a server without clients, with many waiting clients, and with many slow readers.

Measured are PSS over all processes of a server that just started with a blob and a manifest
stored, and the kernel's memory for the server's ends of its connections.
"""
from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any, Callable

from costs import memory, send_queue_bytes
from loads import Sink, warm
from servers import MIB, DockerRegistry, Layby, Nginx, Registry, beside, start_layby, wait_until
from table import Budget, Table, in_turns

IDLE, WAITING, SLOW = "idle", "1,000 idle connections", "256 slow readers of 100 MB"
REPEATS = 3  # at most: memory figures hardly vary

BUDGETS = [Budget(IDLE, "pss", "", 7e6), Budget(WAITING, "pss_growth", "", 1e6),
           Budget(SLOW, "pss_growth", "", 4e6), Budget(SLOW, "kernel_bytes", "", 80e6)]


def measure(table: Table, repeats: int) -> None:
    with ExitStack() as stack:
        registry = Registry()
        blob, manifest = registry.add_blob(100 * MIB), registry.add_manifest()
        origin = stack.enter_context(Nginx(registry.server()))
        layby = stack.enter_context(start_layby(origin))
        registry_proxy = stack.enter_context(DockerRegistry(origin))
        for server in (layby, registry_proxy):
            warm(server, blob, manifest)

        def again(server: Layby | DockerRegistry) -> Any:
            server.restart()
            return server

        makers: dict[str, Callable[[], Any]] = {
            "layby": lambda: again(layby), "nginx": lambda: beside(layby, [blob, manifest]),
            "docker-registry": lambda: again(registry_proxy)}
        for _, name, make in in_turns(min(REPEATS, repeats), makers):
            server = make()
            time.sleep(0.2)
            measure_one(table, name, server, blob, manifest)
            if name == "nginx":
                server.close()


def measure_one(table: Table, name: str, server: Any, blob: str, manifest: str) -> None:
    idle = memory(server)
    table.add(IDLE, name, rss=idle["rss"], pss=idle["pss"])
    with Sink(server, manifest, 1000, "idle") as sink:
        wait_until(lambda: sink.count().answers == 1000, "1000 answers")
        table.add(WAITING, name, pss_growth=memory(server)["pss"] - idle["pss"])
    time.sleep(0.2)
    before = memory(server)
    with Sink(server, blob, 256, "slow") as sink:
        wait_until(lambda: sink.count().heads == 256, "256 readers")
        time.sleep(2)
        table.add(SLOW, name, pss_growth=memory(server)["pss"] - before["pss"],
                  pss_growth_since_idle=memory(server)["pss"] - idle["pss"],
                  kernel_bytes=send_queue_bytes(server))
