#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Disk space: the cache keeps to its limits and makes room for other programs, and pulls
succeed on a full or failing disk. The small disks are mounts of their own; see disks.py."""
from __future__ import annotations

import unittest
from pathlib import Path
from typing import Any

from disks import MIB, Disk, SlowReader, Watch, size_at_a_moment
from harness import (Dockerd, EndToEnd, Parts, Pulls, digest_of, fetch, make_image, parts_of, pull,
                     wait_until)

# Layby counts the bytes that the index had after the last commit, so the open transaction needs
# slack.
INDEX_SLACK = MIB
MEGABYTE = 1_000_000


def largest(image: Parts) -> tuple[str, int]:
    return max(image.blobs.items(), key=lambda item: item[1])


class Bounded(EndToEnd):
    hub_options = {"pull_limit": None}
    config = {"cache": {"max_bytes": "40MiB", "min_free_bytes": "1MiB"}}

    def pull_each_behind_the_hot_one(self, names: list[str]) -> None:
        for name in names:
            pull(self.layby.authority, "library/hot", "1")
            pull(self.layby.authority, f"library/{name}", "1")

    def test_the_folder_stays_below_max_bytes_while_five_times_as_much_is_pulled(self) -> None:
        hot = make_image(self.hub, "library/hot", "1", [2 * MEGABYTE, MEGABYTE])
        images = {f"app{i}": make_image(self.hub, f"library/app{i}", "1",
                                        [6 * MEGABYTE, 5 * MEGABYTE, 5 * MEGABYTE, 4 * MEGABYTE])
                  for i in range(10)}
        self.assertGreaterEqual(sum(i.blob_bytes for i in images.values()), 200 * MEGABYTE)
        self.pull("hot:1")
        data = Path(self.layby.config["data_dir"])
        watch = Watch(data)
        self.addCleanup(watch.end)

        pulls = Pulls()
        for first in range(4):
            pulls.start(self.pull_each_behind_the_hot_one, list(images)[first::4])
        pulls.join(60)
        wait_until(lambda: self.layby.stats()["fills"] == [], "end of the downloads")
        watch.end()

        self.assertLess(watch.most, 40 * MIB + INDEX_SLACK)
        self.assertLess(size_at_a_moment(data), 40 * MIB + INDEX_SLACK)
        self.assertGreater(watch.looks, 20)
        self.assertGreater(watch.most, 25 * MIB, "the cache was not used")
        counters = self.layby.stats()["counters"]
        self.assertGreater(counters["evicted_bytes"], 150 * MEGABYTE)
        self.assertEqual(self.upstream_gets()[largest(hot)[0]], 1, "the hot image was evicted")
        self.hub.down()
        self.assertEqual(self.pull("hot:1"), hot)


class SmallDisk(EndToEnd):
    """Tests with data_dir on its own small disk."""

    hub_options = {"pull_limit": None}
    disk_kind, disk_mib = "tmpfs", 64
    cache: dict[str, Any] = {}

    def setUp(self) -> None:
        self.disk = Disk(self.disk_kind, self.disk_mib)
        self.addCleanup(self.disk.close)
        self.config = {"data_dir": str(self.disk.path / "data"),
                       "cache": {"max_bytes": "100%", **self.cache}}
        super().setUp()

    def counter(self, name: str) -> int:
        return self.layby.stats()["counters"][name]

    def make_images(self, count: int, size: int) -> list[Parts]:
        return [make_image(self.hub, f"library/app{i}", "1", [size]) for i in range(count)]


class OtherWriters(SmallDisk):
    cache = {"min_free_bytes": "40MiB"}

    def test_layby_evicts_to_keep_min_free_when_others_write(self) -> None:
        images = self.make_images(5, 4 * MIB)
        for i in range(len(images)):
            self.pull(f"app{i}:1")
        self.layby.settle(5)
        self.assertEqual(self.counter("evicted_bytes"), 0)
        self.disk.take(12 * MIB)
        self.assertLess(self.disk.free_bytes(), 40 * MIB)

        wait_until(lambda: self.disk.free_bytes() >= 40 * MIB, "40 MiB free again", 15)

        wait_until(lambda: self.counter("evicted_blobs") >= 2, "count of what was evicted")
        self.assertGreaterEqual(self.layby.stats()["store"]["blob_bytes"], 4 * MIB,
                                "layby evicted more than was needed")

    def test_layby_evicts_nothing_when_evicting_all_would_not_suffice(self) -> None:
        kept, late = self.make_images(2, 8 * MIB)
        self.pull("app0:1")
        self.layby.settle()
        ballast = self.disk.take(self.disk.free_bytes() - 6 * MIB)  # 34 MiB are missing

        wait_until(lambda: self.layby.stats()["store"]["full"], "store.full", 15)
        self.assertEqual(self.pull("app1:1"), late)
        wait_until(lambda: self.counter("fills_unkept") >= 1, "a blob that passed through")
        self.assertEqual(self.counter("evicted_blobs"), 0)
        self.assertEqual(self.layby.stats()["store"]["blobs"], len(kept.blobs))
        ballast.unlink()
        wait_until(lambda: not self.layby.stats()["store"]["full"], "room again", 15)
        self.assertEqual(self.pull("app1:1"), late)
        self.layby.settle(2)

        self.hub.down()
        self.assertEqual(self.pull("app0:1"), kept)
        self.assertEqual(self.pull("app1:1"), late)


class FullDisk(SmallDisk):
    disk_mib = 32
    cache = {"min_free_bytes": 0}

    def test_a_disk_that_fills_up_in_mid_pull_fails_no_client(self) -> None:
        warm = make_image(self.hub, "library/warm", "1", [3 * MIB])
        image = make_image(self.hub, "library/app", "1", [20 * MIB])
        digest, size = largest(image)
        path = f"/v2/library/app/blobs/{digest}"
        self.pull("warm:1")
        self.layby.settle()
        self.hub.fault("slow", digest, port="cdn", rate=8 * MIB)
        pulls = Pulls()
        slow = SlowReader(self.layby, path)
        pulls.start(slow.read_rest, 6 * MIB)
        pulls.start(lambda: digest_of(fetch(self.layby.authority, path).body) == digest)
        wait_until(lambda: self.hub.bytes_sent("cdn") > warm.blob_bytes + size // 2, "half the blob")

        ballast = self.disk.take_all()

        self.assertEqual(self.pull("warm:1"), warm)
        self.assertEqual(pulls.join(30), [True, True])
        self.assertEqual(digest_of(slow.body), digest)
        self.assertEqual(self.counter("fills_unkept"), 1)
        self.assertEqual(self.pull("warm:1"), warm)
        # Parts that came ahead are lost with the room, and come again.
        sent = sum(entry["sent"] for entry in self.hub.requests("cdn", path=digest))
        self.assertLess(sent, 1.5 * size)
        ballast.unlink()
        wait_until(lambda: self.layby.stats()["store"]["disk_free_bytes"] > 10 * MIB, "room", 15)
        self.assertEqual(self.pull("app:1"), image)
        self.layby.settle(2)
        ranges = [entry["range"] for entry in self.hub.requests("cdn", path=digest)]
        self.assertTrue(ranges[-1], "the fill started over, although half of the blob was kept")
        self.hub.down()
        self.assertEqual(self.pull("app:1"), image)
        self.assertEqual(self.pull("warm:1"), warm)

    def test_images_pass_through_when_the_disk_is_full_from_the_start(self) -> None:
        self.disk.take_all()
        image = make_image(self.hub, "library/app", "1", [12 * MIB, 1000])

        pulls = Pulls()
        for _ in range(4):
            pulls.start(pull, self.layby.authority, "library/app", "1")

        for got in pulls.join():
            self.assertEqual(got, image)
        self.assertGreater(self.counter("fills_unkept"), 0)

    def test_layby_starts_on_a_full_disk_and_serves_cached_images(self) -> None:
        warm = make_image(self.hub, "library/warm", "1", [3 * MIB])
        cold = make_image(self.hub, "library/cold", "1", [9 * MIB])
        self.pull("warm:1")
        self.layby.settle()
        self.disk.take_all()

        self.layby.restart()

        self.hub.down()
        self.assertEqual(self.pull("warm:1"), warm)
        self.bring_hub_up()
        self.assertEqual(self.pull("cold:1"), cold)


class RealPullOnAFullDisk(SmallDisk):
    real_images = True
    disk_mib = 24
    cache = {"min_free_bytes": "1MiB"}

    def test_dockerd_pulls_through_a_full_disk(self) -> None:
        self.disk.take_all()
        image = parts_of(self.hub, "library/python", "3.11")
        with Dockerd(self.layby.url) as dockerd:
            self.assertEqual(dockerd.pull("python:3.11"), image.root)

        self.assertGreater(self.counter("fills_unkept"), 0)
        self.assertEqual(self.layby.stats()["store"]["blobs"], 0)


class FailingDisk(SmallDisk):
    disk_kind = "ext4"
    cache = {"min_free_bytes": "1MiB"}

    def test_layby_serves_on_a_read_only_disk_and_stores_again_after_repair(self) -> None:
        warm, cold = self.make_images(2, 6 * MIB)
        self.pull("app0:1")
        self.layby.settle()
        self.disk.fail()

        self.assertEqual(self.pull("app0:1"), warm)
        self.assertEqual(self.pull("app1:1"), cold)
        self.assertEqual(self.pull("app0:1"), warm)
        self.assertTrue(self.layby.alive())
        self.assertEqual(self.layby.stats()["store"]["blobs"], len(warm.blobs))
        self.assertEqual(self.layby.stop(), 0)
        self.disk.repair()
        self.layby.run()
        self.assertEqual(self.pull("app1:1"), cold)
        self.layby.settle(2)
        self.hub.down()
        self.assertEqual(self.pull("app0:1"), warm)
        self.assertEqual(self.pull("app1:1"), cold)


if __name__ == "__main__":
    unittest.main(verbosity=2)
