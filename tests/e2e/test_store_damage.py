#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Damage: bytes that rot, files that vanish, an index that is lost. Layby never serves damaged
content, and restores the content from the origin or from the files by itself."""
from __future__ import annotations

import os
import random
import re
import signal
import unittest
from pathlib import Path
from typing import Any, Callable

from disks import MIB, SlowReader, blob_file, flip_byte
from harness import EndToEnd, Parts, PullFailed, digest_of, make_image, wait_until


class Damage(EndToEnd):
    hub_options = {"pull_limit": None}

    def setUp(self) -> None:
        super().setUp()
        self.image = make_image(self.hub, "library/app", "1", [3 * MIB, 2 * MIB, 5000])
        self.digest = max(self.image.blobs, key=lambda d: self.image.blobs[d])
        self.path = f"/v2/library/app/blobs/{self.digest}"
        self.data = Path(self.layby.config["data_dir"])

    def pull_and_settle(self) -> None:
        self.assertEqual(self.pull("app:1"), self.image)
        self.layby.settle()

    def verify(self, code: int) -> str:
        done = self.layby.command("verify", "--socket", str(self.layby.socket_path))
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout

    def counter(self, name: str) -> int:
        return self.layby.stats()["counters"][name]

    def rot(self) -> None:
        flip_byte(blob_file(self.layby, self.digest), self.image.blobs[self.digest] - 1000)

    def is_whole(self, digest: str) -> bool:
        file = blob_file(self.layby, digest)
        return file.exists() and digest_of(file.read_bytes()) == digest

    def wait_until_fetched_again(self) -> None:
        wait_until(lambda: self.is_whole(self.digest) and not self.layby.stats()["fills"],
                   "good blob in place of the damaged blob")
        self.assertEqual(self.upstream_gets()[self.digest], 2)

    def quarantined(self) -> list[str]:
        return [path.name for path in (self.data / "quarantine").iterdir()]


class Rot(Damage):
    def test_verify_finds_a_flipped_bit_and_the_blob_is_fetched_again(self) -> None:
        self.pull_and_settle()
        self.assertIn("all good", self.verify(0))
        self.rot()

        self.assertIn("1 bad", self.verify(1))

        self.assertEqual(len(self.quarantined()), 1)
        self.assertIn(self.digest.partition(":")[2], self.quarantined()[0])
        self.assertEqual(self.counter("damaged_blobs"), 1)
        self.assertEqual(self.layby.stats()["scrub"]["bad_blobs"], 1)
        self.wait_until_fetched_again()
        self.assertIn(f"{len(self.image.blobs)} blobs, ", self.verify(0))
        self.hub.down()
        self.assertEqual(self.pull("app:1"), self.image)

    def test_a_client_in_the_middle_of_a_damaged_blob_is_cut_off(self) -> None:
        big = make_image(self.hub, "library/big", "1", [32 * MIB])
        self.digest = max(big.blobs, key=lambda d: big.blobs[d])
        self.pull("big:1")
        self.layby.settle()
        reader = SlowReader(self.layby, f"/v2/library/big/blobs/{self.digest}")
        reader.read(MIB)
        flip_byte(blob_file(self.layby, self.digest), 31 * MIB)

        self.verify(1)

        self.assertFalse(reader.read_rest(), "the client got a whole body")
        self.assertLess(len(reader.body), 31 * MIB, "the client got the bad byte")
        self.wait_until_fetched_again()
        self.assertEqual(self.pull("big:1"), big)

    def test_with_the_origin_down_a_client_gets_an_error_and_no_bad_bytes(self) -> None:
        self.pull_and_settle()
        self.rot()
        self.hub.down()

        self.verify(1)

        answer = self.layby.get(self.path)
        self.assertGreaterEqual(answer.status, 500)
        self.assertEqual(answer.error_code(), "UNAVAILABLE")
        self.bring_hub_up()
        self.assertEqual(self.pull("app:1"), self.image)

    def test_a_missing_or_short_file_is_fetched_again_on_request(self) -> None:
        for name, harm in (("gone", Path.unlink), ("short", lambda file: os.truncate(file, MIB))):
            with self.subTest(name):
                self.bring_hub_up()
                self.pull_and_settle()
                self.layby.restart()  # otherwise the file would still be open
                self.hub.reset()
                harm(blob_file(self.layby, self.digest))

                self.assertEqual(self.pull("app:1"), self.image)
                wait_until(lambda: self.is_whole(self.digest), "whole file")
                self.assertEqual(self.upstream_gets()[self.digest], 1)


class Scrubbed(Damage):
    config = {"scrub": {"every": "1s", "max_rate": "64MiB"}}

    def test_the_background_check_finds_a_flipped_bit(self) -> None:
        self.pull_and_settle()
        self.rot()

        wait_until(lambda: self.counter("damaged_blobs") == 1, "discovery")
        self.wait_until_fetched_again()

        self.hub.down()
        self.assertEqual(self.pull("app:1"), self.image)


def garbage(file: Path) -> None:
    file.write_bytes(random.Random(1).randbytes(file.stat().st_size))


def noise_in_the_middle(file: Path) -> None:
    size = file.stat().st_size
    with open(file, "r+b") as index:
        index.seek(size // 4)
        index.write(random.Random(2).randbytes(size // 2))


def cut_in_half(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def wild_pointers(file: Path) -> None:
    """Makes each page after the two meta pages point far beyond the end of the file."""
    data = bytearray(file.read_bytes())
    for page in range(2 * 4096, len(data), 4096):
        data[page + 16:page + 80] = b"\xff" * 64
    file.write_bytes(bytes(data))


def endless_file(file: Path) -> None:
    """Makes the meta pages claim more pages than any address space has."""
    with open(file, "r+b") as index:
        for meta in (0, 4096):
            index.seek(meta + 136 + 5)  # mm_last_pg
            index.write(b"\x40")


def misplace_rank(file: Path, digest: str) -> None:
    """Flips one bit of a key in `ranks`: a scan finds the key, a search does not."""
    data, raw, at = bytearray(file.read_bytes()), bytes.fromhex(digest.partition(":")[2]), -1
    while (at := data.find(raw, at + 1)) >= 0:
        if data[at - 12] == 42:  # the size of a key in `ranks`: rank, kind, digest
            data[at - 10] ^= 0x40
    file.write_bytes(bytes(data))


class LostIndex(Damage):
    def start_again(self) -> None:
        """Starts Layby up to three times: an index full of noise may crash Layby twice."""
        for _ in range(3):
            self.layby.launch()
            process = self.layby.process
            assert process
            wait_until(lambda: process.poll() is not None or self.answers(), "start or end")
            if process.poll() is None:
                return
        self.fail(f"layby does not start:\n{self.layby.log()[-2000:]}")

    def answers(self) -> bool:
        try:
            return self.layby.get("/healthz").status == 200
        except OSError:
            return False

    def wait_until_rebuilt(self) -> None:
        wait_until(lambda: not self.layby.stats()["scrub"]["rebuilding"], "end of the rebuilding")

    def pull_supervised(self) -> None:
        """Pulls the image. Starts Layby again when the damaged index crashes Layby."""
        for _ in range(3):
            try:
                self.assertEqual(self.pull("app:1"), self.image)
                return
            except PullFailed:
                process = self.layby.process
                assert process
                wait_until(lambda p=process: p.poll() is not None, "the end of layby", seconds=5)
                self.start_again()
                self.wait_until_rebuilt()
        self.fail(f"layby doesn't recover from the damage:\n{self.layby.log()[-2000:]}")

    def test_a_lost_index_is_rebuilt_from_the_files_alone(self) -> None:
        harms: list[Callable[[Path], Any]] = [wild_pointers, endless_file, Path.unlink, cut_in_half, noise_in_the_middle, garbage,
                                              lambda file: os.truncate(file, 0)]
        for at, harm in enumerate(harms):
            with self.subTest(getattr(harm, "__name__", at)):
                self.pull_and_settle()
                self.assertEqual(self.layby.stop(), 0)
                damaged = self.data / "index/damaged.mdb"
                damaged.unlink(missing_ok=True)
                harm(self.data / "index/data.mdb")
                self.hub.reset()

                self.start_again()
                self.wait_until_rebuilt()

                self.pull_supervised()
                self.layby.settle()
                self.assertEqual(self.hub.requests("cdn"), [])
                self.assertEqual(self.hub.requests("manifest", "GET"), [])
                self.assertEqual(damaged.exists(), harm not in (Path.unlink, harms[-1]))
                self.assertIn("all good", self.verify(0))

    def test_a_pull_during_a_rebuild_is_served_from_the_files(self) -> None:
        self.pull_and_settle()
        self.assertEqual(self.layby.stop(), 0)
        (self.data / "index/data.mdb").unlink()
        # Layby hashes this large file first. The file's digest doesn't match its name.
        slow = self.data / "blobs/sha256/00" / ("00" * 32)
        slow.parent.mkdir(exist_ok=True)
        slow.touch()
        os.truncate(slow, 2048 * MIB)
        self.hub.reset()

        self.layby.run()
        self.assertEqual(self.pull("app:1"), self.image)

        self.assertTrue(self.layby.stats()["scrub"]["rebuilding"], "the rebuild ended too soon")
        self.assertEqual(self.hub.requests("cdn"), [])
        self.wait_until_rebuilt()
        self.assertEqual(self.quarantined(), ["sha256-" + "00" * 32])
        self.hub.down()
        self.assertEqual(self.pull("app:1"), self.image)

    def test_a_manifest_with_a_flipped_bit_is_not_served_but_fetched_again(self) -> None:
        self.pull_and_settle()
        self.assertEqual(self.layby.stop(), 0)
        index = self.data / "index/data.mdb"
        found = self.hub.manifest("library/app", self.image.root)
        assert found
        at = [match.start() for match in re.finditer(re.escape(found[1]), index.read_bytes())]
        self.assertTrue(at, "the index does not have the manifest's bytes")
        for offset in at:  # pages of older commits have a copy too
            flip_byte(index, offset + 100)
        self.hub.reset()

        self.layby.run()

        self.assertEqual(self.pull("app:1"), self.image)
        self.assertEqual(self.upstream_gets(), {self.image.root: 1})
        self.wait_until_replaced()
        self.hub.down()
        self.assertEqual(self.pull("app:1"), self.image)

    def wait_until_replaced(self) -> None:
        """Waits until the manifest that was fetched again is in the index."""
        def is_replaced() -> bool:
            complaints = self.layby.log().count("is damaged on the disk")
            self.assertEqual(self.pull("app:1"), self.image)
            return self.layby.log().count("is damaged on the disk") == complaints
        wait_until(is_replaced, "the good manifest")

    def test_an_eviction_that_finds_a_misplaced_rank_ends(self) -> None:
        self.pull_and_settle()
        self.assertEqual(self.layby.stop(), 0)
        misplace_rank(self.data / "index/data.mdb", self.digest)
        self.layby.run()

        self.layby.command("evict", "--bytes", "4MiB", "--socket", str(self.layby.socket_path))

        self.assertEqual(self.pull("app:1"), self.image)

    def test_after_a_crash_the_index_is_read_and_kept(self) -> None:
        self.pull_and_settle()
        assert self.layby.process
        self.layby.process.send_signal(signal.SIGSEGV)
        self.assertEqual(self.layby.process.wait(10), -signal.SIGSEGV)
        suspect = self.data / "index/suspect"
        self.assertTrue(suspect.exists())

        self.hub.down()
        self.layby.run()

        self.assertEqual(self.pull("app:1"), self.image)
        self.assertEqual(self.layby.stats()["store"]["blobs"], len(self.image.blobs))
        self.assertFalse(suspect.exists())
        self.assertFalse((self.data / "index/damaged.mdb").exists())
        self.layby.restart()
        self.assertEqual(self.pull("app:1"), self.image)


if __name__ == "__main__":
    unittest.main(verbosity=2)
