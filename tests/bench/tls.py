# SPDX-License-Identifier: Apache-2.0
"""TLS 1.3, compared with nginx with the same ECDSA P-256 certificate and the same cipher.

Measured are big blobs and small requests on keep-alive connections, and one request per
connection, with a full and with a resumed handshake. The CPU figures are of the server's
processes, without the client's decryption. The client's decryption still limits the rates, so
rates and times say less than CPU here. Where the kernel can encrypt (its module tls), nginx is
also measured with kernel TLS.
"""
from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import Any

from loads import load, warm
from servers import GB, MIB, Certificate, Nginx, Registry, beside, start_layby_with_tls
from table import Budget, Table, in_turns

BLOB = "TLS, warm 64 MB × {}"
BLOB_CONNECTIONS = (1, 8, 64)
REQUESTS = {"TLS, manifest, keep-alive": ("tls", "keep"),
            "TLS, manifest, full handshake a request": ("tls", "close"),
            "TLS, manifest, resumed handshake a request": ("resume", "close")}
CONNECTIONS = 16
TCP_ULP = 31

BUDGETS = [*(Budget(BLOB.format(n), "cpu_seconds_per_gb", "nginx", 1.0) for n in BLOB_CONNECTIONS),
           *(Budget(row, "cpu_us_per_request", "nginx", 1.0) for row in REQUESTS)]


def kernel_encrypts() -> bool:
    """Whether the kernel lets a connection use kernel TLS."""
    with socket.create_server(("127.0.0.1", 0)) as listener, \
            socket.create_connection(listener.getsockname()) as connection:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
        except OSError:
            return False
    return True


def measure(table: Table, repeats: int) -> None:
    with ExitStack() as stack:
        registry, certificate = Registry(), Certificate()
        blob, manifest = registry.add_blob(64 * MIB), registry.add_manifest()
        origin = stack.enter_context(Nginx(registry.server()))
        layby = stack.enter_context(start_layby_with_tls(origin, certificate))
        warm(layby, blob, manifest)
        servers: dict[str, Any] = {"layby": layby, "nginx": stack.enter_context(
            beside(layby, [blob, manifest], certificate=certificate))}
        with_kernel = dict(servers)
        if kernel_encrypts():
            with_kernel["nginx kTLS"] = stack.enter_context(beside(
                layby, [blob], certificate=certificate, tls_options="ssl_conf_command Options KTLS;"))
        for connections in BLOB_CONNECTIONS:
            for _, name, server in in_turns(repeats, with_kernel):
                count, cpu = load(server, blob, connections, tls="tls")
                table.add(BLOB.format(connections), name, cpu_seconds_per_gb=cpu / (count.bytes / GB),
                          gb_per_second=count.bytes / GB / count.seconds)
        for row, (tls, mode) in REQUESTS.items():
            for _, name, server in in_turns(repeats, servers):
                count, cpu = load(server, manifest, CONNECTIONS, mode, tls=tls)
                if tls == "resume" and count.resumed < 0.9 * count.answers:
                    raise RuntimeError(f"{name} resumed {count.resumed} of {count.answers} sessions")
                if tls == "tls" and count.resumed:
                    raise RuntimeError(f"{name} resumed sessions that nobody asked for")
                table.add(row, name, cpu_us_per_request=cpu * 1e6 / count.answers,
                          requests_per_second=count.answers / count.seconds, **count.latency())
