#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many clients, one download.

All clients that ask for a blob during its fill read the same growing file: there is one
upstream GET, and every client gets bytes as the bytes arrive. A client that leaves, even the
first client, disturbs no other client.
"""
from __future__ import annotations

import http.client
import socket
import time
import unittest

from harness import EndToEnd, Pulls, digest_of, fetch, make_image, pull, wait_until

MIB = 1 << 20


class SharedFill(EndToEnd):
    def largest(self, parts) -> tuple[str, int]:
        return max(parts.blobs.items(), key=lambda item: item[1])

    def leave_after(self, path: str, some: int) -> None:
        """A client that reads `some` bytes of the body and resets its connection."""
        connection = http.client.HTTPConnection(self.layby.authority, timeout=30)
        connection.request("GET", path)
        answer = connection.getresponse()
        self.assertEqual(answer.status, 200)
        self.assertGreaterEqual(len(answer.read(some)), 1)
        if connection.sock:
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        answer.close()
        connection.close()

    def test_32_clients_of_a_cold_image_cost_one_get_per_manifest_and_blob(self) -> None:
        image = make_image(self.hub, "library/app", "1", [6 * MIB, 2 * MIB, 70_000, 1000])
        pulls = Pulls()
        for _ in range(32):
            pulls.start(pull, self.layby.authority, "library/app", "1")

        for got in pulls.join():
            self.assertEqual(got, image)
        self.assert_fetched_once(image)
        self.assertEqual(self.hub.bytes_sent("cdn"), image.blob_bytes)
        self.assertEqual(self.hub.pulls_counted, 1)
        self.assertEqual(len(self.hub.requests("token")), 1, "one token serves a repository")

    def test_32_clients_on_a_slow_link_cost_one_get_per_manifest_and_blob(self) -> None:
        image = make_image(self.hub, "library/app", "1", [4 * MIB, 300_000])
        self.hub.fault("slow", "/blobs/", port="cdn", rate=2 * MIB, times=-1)
        self.hub.fault("latency", "/", seconds=0.1, times=-1)
        pulls = Pulls()
        for _ in range(32):
            pulls.start(pull, self.layby.authority, "library/app", "1")

        for got in pulls.join():
            self.assertEqual(got, image)
        self.assert_fetched_once(image)

    def test_headers_and_first_bytes_go_out_while_the_fill_runs(self) -> None:
        image = make_image(self.hub, "library/app", "1", [4 * MIB])
        digest, size = self.largest(image)
        self.hub.fault("slow", digest, port="cdn", rate=MIB)
        connection = http.client.HTTPConnection(self.layby.authority, timeout=30)
        self.addCleanup(connection.close)

        started = time.monotonic()
        connection.request("GET", f"/v2/library/app/blobs/{digest}")
        answer = connection.getresponse()
        self.assertEqual(answer.getheader("Content-Length"), str(size))
        first = answer.read(1024)
        first_after = time.monotonic() - started
        rest = answer.read()

        self.assertLess(first_after, 1.5)
        self.assertGreater(time.monotonic() - started, 2.5)
        self.assertEqual(digest_of(first + rest), digest)

    def test_a_second_client_reads_the_stored_bytes_and_then_follows(self) -> None:
        image = make_image(self.hub, "library/app", "1", [4 * MIB])
        digest, _ = self.largest(image)
        path = f"/v2/library/app/blobs/{digest}"
        self.hub.fault("slow", digest, port="cdn", rate=MIB)
        pulls = Pulls()
        pulls.start(fetch, self.layby.authority, path)
        wait_until(lambda: self.hub.bytes_sent("cdn") > MIB, "a MiB from the CDN")

        second = self.layby.get(path)

        self.assertEqual(digest_of(second.body), digest)
        self.assertEqual(digest_of(pulls.join()[0].body), digest)
        self.assertEqual(len(self.hub.requests("cdn")), 1)

    def test_ranges_are_served_while_the_blob_is_filled(self) -> None:
        image = make_image(self.hub, "library/app", "1", [3 * MIB])
        digest, size = self.largest(image)
        path = f"/v2/library/app/blobs/{digest}"
        whole = self.hub.blob("library/app", digest)
        assert isinstance(whole, bytes)
        self.hub.fault("slow", digest, port="cdn", rate=2 * MIB)
        pulls = Pulls()
        pulls.start(fetch, self.layby.authority, path)
        wait_until(lambda: self.hub.bytes_sent("cdn") > 0, "a byte from the CDN")

        for asked, first, last in (("bytes=0-9", 0, 9), (f"bytes={MIB}-", MIB, size - 1),
                                   ("bytes=-1000", size - 1000, size - 1)):
            with self.subTest(asked):
                got = self.layby.get(path, {"Range": asked})
                self.assertEqual(got.status, 206)
                self.assertEqual(got.headers["content-range"], f"bytes {first}-{last}/{size}")
                self.assertEqual(got.body, whole[first:last + 1])
        pulls.join()
        self.assertLessEqual(self.hub.bytes_sent("cdn"), size * 1.05)

    def test_other_clients_finish_after_the_first_client_leaves(self) -> None:
        image = make_image(self.hub, "library/app", "1", [6 * MIB])
        digest, _ = self.largest(image)
        path = f"/v2/library/app/blobs/{digest}"
        self.hub.fault("slow", digest, port="cdn", rate=3 * MIB, times=-1)
        pulls = Pulls()
        pulls.start(self.leave_after, path, 100_000)
        wait_until(lambda: self.hub.bytes_sent("cdn") > 0, "a byte from the CDN")
        for _ in range(8):
            pulls.start(fetch, self.layby.authority, path)

        bodies = [got.body for got in pulls.join() if got is not None]

        self.assertEqual({digest_of(body) for body in bodies}, {digest})
        self.assertEqual(len(bodies), 8)
        self.assertEqual(len(self.hub.requests("cdn")), 1)

    def test_bytes_fetched_before_everyone_left_are_not_fetched_again(self) -> None:
        image = make_image(self.hub, "library/app", "1", [6 * MIB])
        digest, size = self.largest(image)
        path = f"/v2/library/app/blobs/{digest}"
        self.hub.fault("slow", digest, port="cdn", rate=4 * MIB, times=1)
        self.leave_after(path, 2 * MIB)

        got = self.layby.get(path)

        self.assertEqual(digest_of(got.body), digest)
        self.assertLess(self.hub.bytes_sent("cdn"), size * 1.2)

    def test_a_stopped_fill_resumes_after_a_restart(self) -> None:
        image = make_image(self.hub, "library/app", "1", [8 * MIB])
        digest, size = self.largest(image)
        path = f"/v2/library/app/blobs/{digest}"
        self.hub.fault("slow", digest, port="cdn", rate=2 * MIB, times=1)
        self.leave_after(path, 4 * MIB)
        self.layby.restart()

        got = self.layby.get(path)

        self.assertEqual(digest_of(got.body), digest)
        self.assertTrue(self.hub.requests("cdn")[-1]["range"], "resumed by Range")
        self.assertLess(self.hub.bytes_sent("cdn"), size * 1.5)

    def test_after_a_power_cut_in_mid_fill_the_next_pull_is_whole(self) -> None:
        image = make_image(self.hub, "library/app", "1", [8 * MIB])
        digest, _ = self.largest(image)
        self.hub.fault("slow", digest, port="cdn", rate=2 * MIB, times=1)
        self.leave_after(f"/v2/library/app/blobs/{digest}", 4 * MIB)
        self.layby.kill()
        self.layby.run()

        self.assertEqual(self.pull("app:1"), image)

    def test_a_published_blob_survives_a_power_cut(self) -> None:
        image = make_image(self.hub, "library/app", "1", [2 * MIB, 1000])
        self.assertEqual(self.pull("app:1"), image)
        self.layby.settle()
        self.layby.kill()
        self.hub.down()
        self.layby.run()

        self.assertEqual(self.pull("app:1"), image)

    def test_no_file_is_kept_twice(self) -> None:
        image = make_image(self.hub, "library/app", "1", [4 * MIB])
        self.pull("app:1")
        self.layby.settle()
        on_disk = sum(path.stat().st_size for path in (self.layby.home / "data").rglob("*")
                      if path.is_file() and path.stat().st_size > MIB and path.suffix != ".mdb")
        self.assertLess(on_disk, image.blob_bytes * 1.1)


class ShutDown(EndToEnd):
    config = {"shutdown_grace": "10s"}

    def test_sigterm_lets_a_transfer_finish_within_the_grace(self) -> None:
        image = make_image(self.hub, "library/app", "1", [4 * MIB])
        digest = max(image.blobs, key=lambda d: image.blobs[d])
        self.hub.fault("slow", digest, port="cdn", rate=2 * MIB)
        pulls = Pulls()
        pulls.start(fetch, self.layby.authority, f"/v2/library/app/blobs/{digest}")
        wait_until(lambda: self.hub.bytes_sent("cdn") > MIB, "a MiB from the CDN")

        started = time.monotonic()
        code = self.layby.stop()

        self.assertEqual(code, 0)
        self.assertLess(time.monotonic() - started, 9)
        self.assertEqual(digest_of(pulls.join()[0].body), digest)


if __name__ == "__main__":
    unittest.main(verbosity=2)
