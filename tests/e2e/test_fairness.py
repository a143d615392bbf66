#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests that one client can't stop the others.

Two clients with different addresses share a thin link. Whatever the first client asks for, the
second client gets its blob in about the time that the blob takes on an idle box.
"""
from __future__ import annotations

import http.client
import os
import socket
import time
import unittest

from harness import EndToEnd, digest_of, wait_until

MIB = 1 << 20
HOSTILE, HONEST = "127.0.0.2", "127.0.0.3"


class Fairness(EndToEnd):
    config = {"upstream": {"max_rate": "2MiB"}}

    def add_blobs(self, count: int, size: int) -> list[str]:
        return [self.hub.add_blob(os.urandom(size)) for _ in range(count)]

    def request(self, source: str, digest: str, headers: dict[str, str] | None = None,
                timeout: float = 60) -> http.client.HTTPConnection:
        """Sends a request for a blob from the address `source`."""
        connection = http.client.HTTPConnection(self.layby.authority, timeout=timeout,
                                                source_address=(source, 0))
        self.addCleanup(connection.close)
        connection.request("GET", f"/v2/library/app/blobs/{digest}", headers=headers or {})
        return connection

    def seconds_of(self, digest: str) -> float:
        """Returns how many seconds the honest client waits for a whole blob."""
        started = time.monotonic()
        answer = self.request(HONEST, digest).getresponse()
        self.assertEqual(answer.status, 200)
        self.assertEqual(digest_of(answer.read()), digest)
        return time.monotonic() - started

    def leave(self, connection: http.client.HTTPConnection) -> None:
        if connection.sock:
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()

    def partial_files(self) -> int:
        return len(os.listdir(self.layby.home / "data" / "partial"))

    def test_clients_that_leave_after_one_byte_delay_nobody(self) -> None:
        alone, beside = self.add_blobs(2, 4 * MIB)
        abandoned = self.add_blobs(160, MIB)
        alone_seconds = self.seconds_of(alone)

        connections = [self.request(HOSTILE, digest, {"Range": "bytes=0-0"})
                       for digest in abandoned[:60]]
        for connection in connections[:8]:
            answer = connection.getresponse()
            self.assertEqual(len(answer.read()), 1)
        for connection in connections:
            self.leave(connection)
        for digest in abandoned[60:]:
            self.leave(self.request(HOSTILE, digest, {"Range": "bytes=0-0"}))

        self.assertLess(self.seconds_of(beside), 2 * alone_seconds + 1)

    def test_client_that_wants_much_delays_nobody_and_leaves_no_empty_files(self) -> None:
        alone, beside = self.add_blobs(2, 4 * MIB)
        wanted = self.add_blobs(120, MIB)
        alone_seconds = self.seconds_of(alone)

        connections = [self.request(HOSTILE, digest) for digest in wanted]
        wait_until(lambda: len(self.layby.stats()["fills"]) >= 60, "fills of the hostile client")
        refused = [c.getresponse() for c in connections[-8:]]
        self.assertEqual({answer.status for answer in refused}, {503})
        self.assertTrue(all(answer.getheader("Retry-After") for answer in refused))

        # The hostile client keeps an eighth of the slots, so its transfers still use a part of the link.
        started = time.monotonic()
        answer = self.request(HONEST, beside).getresponse()
        self.assertEqual(answer.status, 200)
        self.assertLess(time.monotonic() - started, alone_seconds + 2)
        self.assertLess(self.partial_files(), 40)


if __name__ == "__main__":
    unittest.main()
