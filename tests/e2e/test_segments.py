#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Parts of a cold blob that don't wait for the bytes before them.

A range far beyond the bytes that came gets a request of its own. Behind a CDN that limits each
connection, one blob comes over several connections. No byte comes twice.
"""
from __future__ import annotations

import http.client
import os
import time
import unittest

from harness import EndToEnd, Pulls, digest_of, fetch, wait_until

MIB = 1 << 20


class Segments(EndToEnd):
    upstream = {"connections_per_blob": 4}
    # The first request has no end. This much may be on the way when the request is cut.
    ON_THE_WAY = MIB // 2

    def add(self, size: int) -> tuple[str, bytes]:
        data = os.urandom(size)
        digest = self.hub.add_blob(data)
        return f"/v2/library/app/blobs/{digest}", data

    def slow(self, rate: int, **figures) -> None:
        self.hub.fault("slow", "/", port="cdn", rate=rate, times=-1, **figures)

    def ranges(self) -> list[str]:
        return [request["range"] for request in self.hub.requests("cdn")]

    def counter(self, name: str) -> int:
        return self.layby.stats()["counters"][name]

    def test_the_footer_of_a_cold_blob_comes_at_once(self) -> None:
        path, data = self.add(8 * MIB)
        self.slow(MIB)

        started = time.monotonic()
        got = self.layby.get(path, {"Range": "bytes=-51"})
        took = time.monotonic() - started

        self.assertEqual(got.status, 206)
        self.assertEqual(got.body, data[-51:])
        self.assertLess(took, 1)
        self.assertLess(len(self.ranges()), 3)

    def test_ranges_of_a_blob_that_someone_pulls_come_at_once(self) -> None:
        path, data = self.add(8 * MIB)
        self.slow(MIB)
        pulls = Pulls()
        pulls.start(fetch, self.layby.authority, path)
        wait_until(lambda: self.hub.bytes_sent("cdn") > 0, "a byte from the CDN")

        for first in (5 * MIB, 6 * MIB + 17):
            started = time.monotonic()
            got = self.layby.get(path, {"Range": f"bytes={first}-{first + 99_999}"})
            self.assertLess(time.monotonic() - started, 1.5)
            self.assertEqual(got.body, data[first:first + 100_000])

        self.assertEqual(pulls.join()[0].body, data)
        self.assertLessEqual(self.hub.bytes_sent("cdn"), len(data) * 1.05)

    def test_a_blob_comes_over_several_connections_where_each_is_limited(self) -> None:
        path, data = self.add(40 * MIB)
        self.slow(2 * MIB)

        started = time.monotonic()
        got = self.layby.get(path)
        took = time.monotonic() - started

        self.assertEqual(digest_of(got.body), digest_of(data))
        self.assertLess(took, 20 / 2.5)
        self.assertLessEqual(self.hub.bytes_sent("cdn"), len(data) * 1.01 + self.ON_THE_WAY)
        self.assertEqual(self.counter("upstream_retries"), 0)
        self.layby.settle(tags=0)
        self.hub.down()
        self.assertEqual(digest_of(self.layby.get(path).body), digest_of(data))

    def test_an_origin_that_ignores_ranges_serves_over_one_connection(self) -> None:
        path, data = self.add(12 * MIB)
        self.slow(2 * MIB)
        self.hub.fault("ignore_range", "/", port="cdn", times=-1)

        got = self.layby.get(path)

        self.assertEqual(digest_of(got.body), digest_of(data))
        self.assertLess(self.hub.bytes_sent("cdn"), len(data) * 1.1)
        self.assertLess(len(self.ranges()), 4)

    def test_a_segment_that_is_cut_is_asked_for_again_alone(self) -> None:
        path, data = self.add(24 * MIB)
        self.slow(2 * MIB)
        self.hub.fault("cut", "/", port="cdn", after=MIB, ranged=True, times=2)

        got = self.layby.get(path)

        self.assertEqual(digest_of(got.body), digest_of(data))
        self.assertLessEqual(self.hub.bytes_sent("cdn"), len(data) * 1.01 + self.ON_THE_WAY)

    def test_after_a_power_cut_amid_segments_the_bytes_are_right(self) -> None:
        path, data = self.add(24 * MIB)
        self.slow(2 * MIB)
        pulls = Pulls()
        pulls.start(self.read_until_cut, path)
        wait_until(lambda: len(self.ranges()) > 2 and self.hub.bytes_sent("cdn") > 10 * MIB,
                   "bytes of segments")
        self.layby.kill()
        pulls.join()
        self.layby.run()
        self.hub.clear_faults()

        got = self.layby.get(path)

        self.assertEqual(digest_of(got.body), digest_of(data))
        self.assertEqual(self.counter("digest_mismatches"), 0)

    def read_until_cut(self, path: str) -> None:
        try:
            fetch(self.layby.authority, path)
        except (OSError, http.client.HTTPException):
            pass


class Off(EndToEnd):
    upstream = {"connections_per_blob": 1}

    def test_one_connection_brings_a_blob_where_splitting_is_off(self) -> None:
        digest = self.hub.add_blob(data := os.urandom(8 * MIB))
        self.hub.fault("slow", "/", port="cdn", rate=2 * MIB, times=-1)

        got = self.layby.get(f"/v2/library/app/blobs/{digest}")

        self.assertEqual(digest_of(got.body), digest_of(data))
        self.assertEqual(len(self.hub.requests("cdn")), 1)


if __name__ == "__main__":
    unittest.main()
