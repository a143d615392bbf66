# SPDX-License-Identifier: Apache-2.0
"""Misses: the cost of Layby on a slow link, with many clients, and on a processor without SHA.

- A link with 100 Mbit/s and a round trip of 40 ms: a new blob of 32 MB, directly and through
  Layby in turns, over a new connection of the client. Layby's own connection to the origin is
  either new too (Layby just started), or has been idle for a second after a small blob, as is
  usual in a pull. The origin is nginx.
- 1, 32 and 256 clients at once on a cold image, without a link: the requests that reach the
  stand-in for Docker Hub for each blob and manifest, and the times of the clients.
- A cached manifest, once a millisecond, during a miss from an origin on loopback: once with
  all SHA-256 instructions of the processor, and once with its SHA and AVX instructions hidden
  from OpenSSL, as on a small ARM board. The comparison is with nginx's proxy_cache,
  which hashes nothing.
"""
from __future__ import annotations

import os
import re
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from costs import cpu_seconds
from far_link import FAR, FarLink
from loads import SETTLE, load
from servers import (GB, MIB, REPOSITORY, Hub, Layby, Nginx, Registry, make_image, pull, start_layby,
                     start_proxy_cache)
from table import Budget, Table, in_turns
from timing import First, Paced, crowd

BITS, ONE_WAY, FAR_MIB = 100_000_000, 0.02, 32
NEW, IDLE = (f"miss of {FAR_MIB} MB, 100 Mbit/s, 40 ms, {kind} connection upstream"
             for kind in ("new", "idle"))
CROWDS = (32, 256)
LAYERS = [4 * MIB, 2 * MIB, MIB // 2]
HIT = "manifest, one a ms, beside a miss of 256 MB"
HIT_MIB = 256

# Hides instructions, see OPENSSL_ia32cap(3): AVX is bit 60 of the first vector; AVX2, AVX-512F and
# SHA are bits 5, 16 and 29 of the second vector.
PLAIN_SHA = {"OPENSSL_ia32cap": "~0x1000000000000000:~0x20010020"}

BUDGETS = [
    *(Budget(row, figure, "direct", bound) for row in (NEW, IDLE)
      for figure, bound in (("first_byte_seconds", 1.05), ("seconds", 1.02))),
    *(Budget(f"cold image × {clients}", "content_gets_of_needed", "", 1.0) for clients in CROWDS),
    *(Budget(f"{HIT}, {kind}", "p99_ms", "", 5) for kind in ("SHA instructions", "no SHA instructions")),
]


class FirstLayby(First, Layby):
    """A Layby with priority and with additional environment variables."""

    def __init__(self, hub: Any, environment: dict[str, str] | None = None) -> None:
        self.environment = environment or {}
        super().__init__(hub)

    def start(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        super().start(command, {**self.environment, **(environment or {})})


class FirstNginx(First, Nginx):
    pass


def measure(table: Table, repeats: int) -> None:
    measure_link(table, repeats)
    measure_crowds(table, repeats)
    measure_hits_beside_a_miss(table, repeats)


# -- a link


def measure_link(table: Table, repeats: int) -> None:
    with ExitStack() as stack:
        link = stack.enter_context(FarLink(BITS, ONE_WAY))
        registry = Registry()
        with link.there():
            origin = stack.enter_context(FirstNginx(registry.server(), host=FAR))
        layby = stack.enter_context(FirstLayby(SimpleNamespace(url=f"http://{FAR}:{origin.port}")))
        for row in (NEW, IDLE):
            blob = registry.add_blob(FAR_MIB * MIB)
            for _, name, _ in in_turns(repeats, {"layby": layby, "direct": origin}):
                if name == "layby":
                    blob = registry.add_blob(FAR_MIB * MIB)
                    layby.restart()
                    if row == IDLE:
                        load(layby, registry.add_blob(4096), 1, answers=1)
                        time.sleep(1)  # So that the idle connection's congestion window expires.
                    taken, = crowd(layby.port, 1, [blob])
                else:
                    taken, = crowd(origin.port, 1, [blob], FAR)
                table.add(row, name, first_byte_seconds=taken.first_byte, seconds=taken.total)


# -- a crowd


def measure_crowds(table: Table, repeats: int) -> None:
    with Hub(pull_limit=None) as hub, Layby(hub) as layby:
        for repeat in range(repeats + 1):  # The first repeat only warms up.
            for clients in (1, *CROWDS):
                image = make_image(hub, REPOSITORY, f"{repeat}-{clients}", LAYERS)
                paths = [f"/v2/{REPOSITORY}/manifests/{repeat}-{clients}",
                         *(f"/v2/{REPOSITORY}/manifests/{digest}" for digest in image.manifests),
                         *(f"/v2/{REPOSITORY}/blobs/{digest}" for digest in image.blobs)]
                hub.reset()
                times = sorted(t.total for t in crowd(layby.port, clients, paths))
                gets = [e for e in hub.requests(method="GET") if e["kind"] in ("manifest", "cdn")]
                pull(layby.authority, REPOSITORY, f"{repeat}-{clients}")  # Checks every byte.
                if repeat > 0:
                    table.add(f"cold image × {clients}", "layby", seconds=times[-1],
                              p50_seconds=times[len(times) // 2],
                              p99_seconds=times[int(0.99 * (len(times) - 1))],
                              content_gets_of_needed=len(gets) / len(image.manifests + list(image.blobs)))


# -- a processor without SHA


def sha_speed(environment: dict[str, str]) -> float:
    """OpenSSL's SHA-256, bytes a second."""
    done = subprocess.run(["openssl", "speed", "-seconds", "1", "-bytes", "16384", "-evp", "sha256"],
                          env={**os.environ, **environment}, capture_output=True, text=True, check=True)
    found = re.search(r"^sha256 +([\d.]+)k", done.stdout, re.MULTILINE)
    assert found, done.stdout
    return float(found[1]) * 1e3


def has_sha_instructions() -> bool:
    return "sha_ni" in Path("/proc/cpuinfo").read_text().split()


def measure_hits_beside_a_miss(table: Table, repeats: int) -> None:
    kinds: dict[str, dict[str, str]] = {"SHA instructions": {}}
    if has_sha_instructions():
        kinds["no SHA instructions"] = PLAIN_SHA
    for kind, environment in kinds.items():
        row = f"{HIT}, {kind}"
        with ExitStack() as stack:
            registry = Registry()
            manifest = registry.add_manifest()
            origin = stack.enter_context(Nginx(registry.server()))
            layby = stack.enter_context(
                FirstLayby(SimpleNamespace(url=f"http://127.0.0.1:{origin.port}"), environment))
            nginx = stack.enter_context(start_proxy_cache(origin, FirstNginx))
            blob = registry.add_blob(HIT_MIB * MIB)
            blobs = []
            for _, name, server in in_turns(repeats, {"layby": layby, "nginx proxy_cache": nginx}):
                if len(blobs) % 2 == 0:
                    blob = registry.add_blob(HIT_MIB * MIB)
                    load(origin, blob, 1, answers=1)
                blobs.append(blob)
                load(server, manifest, 1, answers=1)
                os.sync()
                before = cpu_seconds(server)
                with Paced(server.port, manifest) as paced:
                    taken, = crowd(server.port, 1, [blob])
                time.sleep(SETTLE)
                cpu = cpu_seconds(server) - before
                table.add(row, name, **paced.quantiles(), seconds=taken.total,
                          cpu_seconds_per_gb=cpu / (HIT_MIB * MIB / GB))
            table.add(row, "layby", sha_bytes_per_second=sha_speed(environment))
