#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The configuration for a box with 256 MB, limited to 128 MB by the kernel.

With idle connections, slow readers and cold blobs all at once, no process is killed, and every
received byte is right. The page cache and the kernel's buffers count. `scripts/bench small_box`
measures the figures, with larger loads.
"""
from __future__ import annotations

import resource
import socket
import threading
import unittest
from contextlib import ExitStack

from cgroups import Group, Unavailable
from harness import Hub, Pulls, digest_of, fetch, make_image, wait_until
from small_boxes import SmallBox, limit

MIB = 1 << 20
IDLE, SLOW, COLD, COLD_MIB, LARGE_MIB = 2000, 64, 16, 8, 48
SLOW_BYTES = 4096  # in each read of a slow reader


class SmallBoxTest(unittest.TestCase):
    def setUp(self) -> None:
        stack = ExitStack()
        self.addCleanup(stack.close)
        self.stack = stack
        self.group = stack.enter_context(Group("small"))
        try:
            limit(self.group)
        except Unavailable as error:
            self.skipTest(str(error))
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        if limits[1] < 2 * IDLE:
            self.skipTest(f"no more than {limits[1]} open files are allowed")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(limits[0], 2 * IDLE), limits[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        self.hub = stack.enter_context(Hub())
        cold = make_image(self.hub, "library/app", "cold", [COLD_MIB * MIB] * COLD)
        self.cold = [digest for digest, size in cold.blobs.items() if size == COLD_MIB * MIB]
        large = make_image(self.hub, "library/app", "large", [LARGE_MIB * MIB])
        self.large = max(large.blobs, key=lambda digest: large.blobs[digest])
        self.layby = stack.enter_context(SmallBox(self.group, self.hub))

    def ask(self, path: str) -> socket.socket:
        made = self.stack.enter_context(socket.create_connection(("127.0.0.1", self.layby.port), 30))
        made.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return made

    def pull_blob(self, digest: str) -> None:
        answer = fetch(self.layby.authority, blob(digest), timeout=90)
        self.assertEqual((answer.status, answer.short), (200, False))
        self.assertEqual(digest_of(answer.body), digest)

    def test_everything_at_once_stays_in_128_mb(self) -> None:
        self.pull_blob(self.large)
        idle = [self.ask("/v2/") for _ in range(IDLE)]
        for connection in idle:
            self.assertTrue(connection.recv(4096).startswith(b"HTTP/1.1 200 "))
        slow = [self.ask(blob(self.large)) for _ in range(SLOW)]
        over = threading.Event()
        heads: set[int] = set()

        def read_slowly() -> None:
            while not over.wait(0.1):
                for number, connection in enumerate(slow):
                    if connection.recv(SLOW_BYTES):
                        heads.add(number)

        pulls, readers = Pulls(), Pulls()
        readers.start(read_slowly)
        try:
            for digest in self.cold:
                pulls.start(self.pull_blob, digest)
            pulls.join(90)
            self.pull_blob(self.large)
            wait_until(lambda: len(heads) == SLOW, "bytes for each slow reader")
        finally:
            over.set()
        readers.join()
        self.assertTrue(self.layby.alive())
        self.assertEqual(self.group.killed(), 0)
        self.assertGreaterEqual(self.layby.stats()["connections"], IDLE + SLOW)


def blob(digest: str) -> str:
    return f"/v2/library/app/blobs/{digest}"


if __name__ == "__main__":
    unittest.main()
