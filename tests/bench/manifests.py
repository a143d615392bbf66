# SPDX-License-Identifier: Apache-2.0
"""Manifests, the smallest answers, over 16 connections: keep-alive, or one a request.

Manifests are requested by digest and by tag. To the static nginx a tag is a file; nginx's
proxy_cache caches a tag for an hour. Layby asks its origin about the tag once a minute (the
server's fresh_for), in the background. docker-registry asks its origin at each request.
"""
from __future__ import annotations

from contextlib import ExitStack

from loads import load, warm
from servers import DockerRegistry, Nginx, Registry, beside, start_layby, start_proxy_cache
from table import Budget, Table, in_turns

CONNECTIONS = 16
MODES = {"keep": "keep-alive", "close": "connection a request"}


def row(by: str, mode: str) -> str:
    return f"manifest by {by}, {MODES[mode]}"


BUDGETS = [
    *(Budget(row(by, mode), "cpu_us_per_request", "nginx", bound)
      for by in ("digest", "tag") for mode, bound in (("keep", 0.75), ("close", 0.95))),
    *(Budget(row(by, "close"), "requests_per_second", "nginx", 1.0, at_least=True)
      for by in ("digest", "tag")),
]


def measure(table: Table, repeats: int) -> None:
    with ExitStack() as stack:
        registry = Registry()
        paths = {"digest": registry.add_manifest(), "tag": registry.add_tag()}
        origin = stack.enter_context(Nginx(registry.server()))
        layby = stack.enter_context(start_layby(origin))
        proxies = {"nginx proxy_cache": stack.enter_context(start_proxy_cache(origin)),
                   "docker-registry": stack.enter_context(DockerRegistry(origin))}
        for server in (layby, *proxies.values()):
            warm(server, *paths.values())
        servers = {"layby": layby, "nginx": stack.enter_context(beside(layby, list(paths.values()))),
                   **proxies}
        for by, path in paths.items():
            for mode in MODES:
                for _, name, server in in_turns(repeats, servers):
                    count, cpu = load(server, path, CONNECTIONS, mode)
                    table.add(row(by, mode), name, cpu_us_per_request=cpu * 1e6 / count.answers,
                              requests_per_second=count.answers / count.seconds, **count.latency())
