#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests clients behind HAProxy.

Layby learns the address of each client from the PROXY protocol (version 1 and 2) or from
X-Forwarded-For, and each client has its own limits. HAProxy has the address 127.0.0.1, and each
client has another address of 127.0.0.0/8.
"""
from __future__ import annotations

import http.client
import socket
import unittest

from harness import EndToEnd, Layby, Program, Response, digest_of, exchange, make_image, raw, wait_until

WAYS = {  # How HAProxy names its clients: HAProxy's mode, and the options of the line `server`.
    "PROXY protocol, version 1": ("tcp", "send-proxy"),
    "PROXY protocol, version 2": ("tcp", "send-proxy-v2"),
    "X-Forwarded-For": ("http", ""),
}


class HaProxy(Program):
    """Runs HAProxy in front of one Layby, with one port for each entry of WAYS."""

    def __init__(self, layby: Layby) -> None:
        super().__init__("haproxy")
        self.ports: dict[str, int] = {}
        sockets = []
        lines = ["global", "  maxconn 2000", "defaults", "  timeout connect 5s",
                 "  timeout client 30s", "  timeout server 30s"]
        for way, (mode, options) in WAYS.items():
            listening = socket.create_server(("127.0.0.1", 0), backlog=256)
            sockets.append(listening)
            self.ports[way] = listening.getsockname()[1]
            lines += [f"listen way{len(sockets)}", f"  mode {mode}",
                      f"  bind fd@{listening.fileno()}", f"  server layby {layby.authority} {options}"]
            if mode == "http":
                lines += ["  option forwardfor", "  http-reuse always"]
        config = self.home / "haproxy.cfg"
        config.write_text("\n".join(lines) + "\n")
        self.start(["haproxy", "-db", "-f", str(config)],
                   pass_fds=tuple(listening.fileno() for listening in sockets))
        for listening in sockets:
            listening.close()


class BehindHaProxy(EndToEnd):
    def setUp(self) -> None:
        super().setUp()
        self.image = make_image(self.hub, "library/app", "1", [16 << 20, 500])
        self.digest = max(self.image.blobs, key=lambda d: self.image.blobs[d])
        self.path = f"/v2/library/app/blobs/{self.digest}"
        self.proxy = HaProxy(self.layby)
        self.addCleanup(self.proxy.close)

    def connect(self, way: str, client: str) -> http.client.HTTPConnection:
        made = http.client.HTTPConnection("127.0.0.1", self.proxy.ports[way], timeout=30,
                                          source_address=(client, 0))
        self.addCleanup(made.close)
        return made

    def get(self, way: str, client: str, path: str) -> Response:
        self.proxy.alive()
        connection = self.connect(way, client)
        try:
            return exchange(connection, path)
        finally:
            connection.close()


class Proxies(BehindHaProxy):
    config = {"trusted_proxies": ["127.0.0.1"], "hosts": ["mirror.example"],
              "limits": {"max_connections_per_client": 8}}

    def test_a_blob_comes_whole(self) -> None:
        for way in WAYS:
            with self.subTest(way):
                self.assertEqual(digest_of(self.get(way, "127.0.0.2", self.path).body), self.digest)

    def test_slow_readers_stop_only_their_own_client(self) -> None:
        self.layby.get(self.path)
        self.layby.settle(tags=0)
        for way in WAYS:
            with self.subTest(way):
                slow = [self.connect(way, "127.0.0.2") for _ in range(8)]
                for connection in slow:
                    connection.connect()
                    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                    connection.request("GET", self.path)
                    self.assertEqual(connection.getresponse().status, 200)
                self.assertIn(self.status_or_zero(way, "127.0.0.2"), (0, 503))
                for _ in range(12):
                    self.assertEqual(self.get(way, "127.0.0.3", "/v2/").status, 200)
                for connection in slow:
                    connection.close()
                wait_until(lambda: self.status_or_zero(way, "127.0.0.2") == 200, "places to be free")

    def status_or_zero(self, way: str, client: str) -> int:
        try:
            return self.get(way, client, "/v2/").status
        except (OSError, http.client.HTTPException):
            return 0

    def test_a_page_is_served_under_a_configured_name_only(self) -> None:
        for host, status in (("mirror.example:5000", 200), ("evil.example", 421),
                             (self.layby.authority, 200)):
            self.assertEqual(self.status_under(host, "/stats"), status, host)
        self.assertEqual(self.status_under("evil.example", "/v2/"), 200)

    def status_under(self, host: str, path: str) -> int:
        request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        return int(raw(self.layby.authority, request.encode()).split()[1])


class Rates(BehindHaProxy):
    config = {"trusted_proxies": ["127.0.0.1"],
              "limits": {"rate_per_client": 1, "burst_per_client": 2}}

    def test_a_client_above_its_rate_gets_429_alone(self) -> None:
        for number, way in enumerate(WAYS):
            greedy, other = f"127.0.1.{number}", f"127.0.2.{number}"
            with self.subTest(way):
                self.assertEqual(self.get(way, greedy, "/v2/").status, 200)
                self.assertEqual(self.get(way, greedy, "/v2/").status, 200)
                refused = self.get(way, greedy, "/v2/")
                self.assertEqual(refused.status, 429)
                self.assertEqual(refused.error_code(), "TOOMANYREQUESTS")
                self.assertIn(greedy, refused.body.decode())
                self.assertTrue(1 <= int(refused.headers["retry-after"]) <= 60)
                self.assertEqual(self.get(way, other, "/v2/").status, 200)


if __name__ == "__main__":
    unittest.main(verbosity=2)
