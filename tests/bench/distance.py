# SPDX-License-Identifier: Apache-2.0
"""One warm blob of 100 MB over one connection, from a server at the other end of a link.

The servers are in the namespace at the far end of the link, and have priority, so that the link
and TCP are what limits them. `curl` is the client for TLS. The last row has no link: the server's
core is kept busy by another process, which has the same share of the core as the server.
"""
from __future__ import annotations

import os
import subprocess
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any, Iterator

from costs import processes
from far_link import FAR, FarLink
from loads import load, warm
from servers import GB, MIB, Certificate, Layby, Nginx, Program, Registry, beside, free_port, static_folder
from table import Budget, Table, in_turns
from timing import First, crowd

BLOB_MB = 100
LINKS = {(1_000_000_000, 1): 1.0, (1_000_000_000, 10): 1.0, (1_000_000_000, 50): 1.4,
         (300_000_000, 100): 1.0}  # bits a second and milliseconds of a round trip: bound
BUSY = f"warm {BLOB_MB} MB × 1, the server's core kept busy"


def row(link: tuple[int, int], tls: bool = False) -> str:
    bits, milliseconds = link
    return f"warm {BLOB_MB} MB × 1, {bits // 1_000_000} Mbit/s, {milliseconds} ms{', TLS' if tls else ''}"


BUDGETS = [*(Budget(row(link, tls), "gb_per_second", "nginx", bound, at_least=True)
             for link, bound in LINKS.items() for tls in (False, True)),
           Budget(BUSY, "gb_per_second", "nginx", 1.0, at_least=True)]


class FarLayby(First, Layby):
    pass


class FarNginx(First, Nginx):
    pass


def measure(table: Table, repeats: int) -> None:
    measure_links(table, repeats)
    measure_busy_core(table, repeats)


# -- a link


def measure_links(table: Table, repeats: int) -> None:
    registry = Registry()
    blob = registry.add_blob(BLOB_MB * 1_000_000)
    certificate = Certificate()
    for link in LINKS:
        with ExitStack() as stack:
            far = stack.enter_context(FarLink(link[0], link[1] / 2e3))
            with far.there():
                origin = stack.enter_context(Nginx(registry.server(), host=FAR))
                servers = far_servers(stack, origin, certificate, blob)
            for tls in (False, True):
                for _, name, server in in_turns(repeats, servers):
                    seconds = seconds_over_tls(server, blob) if tls else crowd(server.port, 1, [blob], FAR)[0].total
                    table.add(row(link, tls), name, gb_per_second=BLOB_MB * 1e6 / GB / seconds)


def far_servers(stack: ExitStack, origin: Nginx, certificate: Certificate, blob: str) -> dict[str, Any]:
    port = free_port(FAR)
    layby = FarLayby(SimpleNamespace(url=f"http://{FAR}:{origin.port}"),
                     {"tls": {"listen": f"{FAR}:{port}", "key_file": str(certificate.key),
                              "certificate_file": str(certificate.certificate)}}, host=FAR)
    layby.tls_port = port  # type: ignore[attr-defined]
    stack.enter_context(layby)
    crowd(layby.port, 1, [blob], FAR)
    layby.settle(tags=0)
    return {"layby": layby,
            "nginx": stack.enter_context(FarNginx(f"root {static_folder(layby, [blob])};", host=FAR,
                                                  certificate=certificate))}


def seconds_over_tls(server: Any, path: str) -> float:
    done = subprocess.run(["curl", "-sSkf", "--tlsv1.3", "-o", "/dev/null", "-w", "%{time_total}",
                           f"https://{FAR}:{server.tls_port}{path}"],
                          check=True, capture_output=True, text=True)
    return float(done.stdout)


# -- a busy core


def measure_busy_core(table: Table, repeats: int) -> None:
    with ExitStack() as stack:
        registry = Registry()
        blob = registry.add_blob(BLOB_MB * 1_000_000)
        origin = stack.enter_context(Nginx(registry.server()))
        layby = stack.enter_context(Layby(SimpleNamespace(url=f"http://127.0.0.1:{origin.port}")))
        warm(layby, blob)
        servers = {"layby": layby, "nginx": stack.enter_context(beside(layby, [blob]))}
        core = min(os.sched_getaffinity(0))
        for server in servers.values():
            pin(server, core)
        with busy(core):
            for _, name, server in in_turns(repeats, servers):
                count, _ = load(server, blob, 1)
                table.add(BUSY, name, gb_per_second=count.bytes / GB / count.seconds)


def pin(server: Program, core: int) -> None:
    for process in processes(server):
        for thread in os.listdir(f"/proc/{process}/task"):
            os.sched_setaffinity(int(thread), {core})


@contextmanager
def busy(core: int) -> Iterator[None]:
    """A process of its own session, because the scheduler may share a core among sessions."""
    process = subprocess.Popen(["sh", "-c", "while :; do :; done"], start_new_session=True,
                               preexec_fn=lambda: os.sched_setaffinity(0, {core}))
    try:
        yield
    finally:
        process.kill()
        process.wait()
