# SPDX-License-Identifier: Apache-2.0
"""Manifests, the smallest answers there are, by 16 connections: kept, or one a request."""
from __future__ import annotations

from contextlib import ExitStack

from loads import load, warm
from servers import Nginx, Registry, beside, start_layby
from table import Budget, Table, in_turns

BUDGETS = [Budget("manifest keep", "cpu_us_per_request", "nginx", 0.75),
           Budget("manifest close", "cpu_us_per_request", "nginx", 1.0)]


def measure(table: Table, repeats: int) -> None:
    with ExitStack() as stack:
        registry = Registry()
        manifest = registry.add_manifest()
        origin = stack.enter_context(Nginx(registry.server()))
        layby = stack.enter_context(start_layby(origin))
        warm(layby, manifest)
        servers = {"layby": layby, "nginx": stack.enter_context(beside(layby, [manifest]))}
        for mode in ("keep", "close"):
            for _, name, server in in_turns(repeats, servers):
                count, cpu = load(server, manifest, 16, mode)
                table.add(f"manifest {mode}", name,
                          requests_per_second=count.answers / count.seconds,
                          cpu_us_per_request=cpu * 1e6 / count.answers)
