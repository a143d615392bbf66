#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Power cuts: while the first boot makes the data partition, while images are being pulled,
while an update is being written. Each cut loses everything that the box had not flushed.

LAYBY_CUTS is the number of cuts of each kind, 3 by default. Needs root, and
`scripts/image --board qemu-x86_64` before.
"""
from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
import unittest
from pathlib import Path

import nbd
from box import BOOT_SECONDS, MIB, Box, build, make_stick
from harness import Program, Pulls, make_image, pull, wait_until
from test_appliance import BoxCase

CUTS = int(os.environ.get("LAYBY_CUTS", "3"))


class ThePowerCutItself(unittest.TestCase):
    """Checks the simulated power cut: unflushed bytes are lost, flushed bytes stay."""

    def test_a_cut_loses_only_unflushed_bytes(self) -> None:
        for flush in (False, True):
            with self.subTest(flush=flush), tempfile.TemporaryDirectory() as folder:
                disk, pipe = Path(folder) / "disk", Path(folder) / "nbd"
                disk.write_bytes(b"\0" * MIB)
                with Program("nbdkit") as server:
                    server.start(["nbdkit", "-f", "-U", str(pipe), "--filter=cache", "file", str(disk),
                                  "cache=writeback"])
                    wait_until(pipe.exists, "the disk")
                    client = nbd.NBD()
                    client.connect_unix(str(pipe))
                    client.pwrite(b"\7" * 65536, 0)
                    if flush:
                        client.flush()
                    assert server.process
                    server.process.kill()
                    server.process.wait()
                self.assertEqual(disk.read_bytes()[:1] == b"\7", flush)


class FirstBoots(BoxCase):
    def test_a_box_starts_after_a_cut_in_its_first_boot(self) -> None:
        for cut in range(CUTS):
            with self.subTest(cut), Box(self.settings_for(self.hub)) as box:
                box.switch_on()
                box.wait_for_line("Welcome to GRUB")
                # The initramfs, the growth of the partition and mke2fs run in these seconds.
                time.sleep(random.uniform(1, 15))
                box.cut_power()
                box.switch_on()
                box.wait_until_it_serves()
                self.assertGreater(box.get("/stats").json()["store"]["disk_free_bytes"], 600 * MIB)
                self.assertNotIn("can't be used", box.console())


class Pulling(BoxCase):
    def test_cuts_during_pulls_damage_nothing(self) -> None:
        whole = {}
        self.box.switch_on()
        self.box.wait_until_it_serves()
        for cut in range(CUTS):
            with self.subTest(cut):
                names = [f"library/app{cut}x{n}" for n in range(4)]
                images = {name: make_image(self.hub, name, "1", [random.randrange(100, 8 * MIB) for _ in range(3)])
                          for name in names}
                pulls = Pulls()
                for name in names:
                    pulls.start(self.pull_if_it_can, name, images[name], whole)
                time.sleep(random.uniform(0, 6))
                self.box.cut_power()
                pulls.join(60)
                self.box.switch_on()
                self.box.wait_until_it_serves()
                for name in names:  # Completes the pulls that were cut.
                    self.assertEqual(pull(self.box.authority, name, "1"), images[name])
        self.hub.down()
        self.assertEqual(self.box.get("/stats").json()["counters"]["damaged_blobs"], 0)
        print(f"{CUTS} cuts in pulls; {len(whole)} pulls were complete before a cut", flush=True)

    def pull_if_it_can(self, name: str, image: object, whole: dict[str, object]) -> None:
        try:
            got = pull(self.box.authority, name, "1", timeout=20)
        except Exception:  # The power was cut.
            return
        self.assertEqual(got, image)
        whole[name] = image


class Updating(BoxCase):
    def test_a_box_serves_after_cuts_during_an_update(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="layby-updates-", dir="/var/tmp"))
        self.addCleanup(shutil.rmtree, folder)
        stick = make_stick(folder / "stick", build(folder, newer_by=1000))
        image = make_image(self.hub, "library/app", "1", [2 * MIB])
        self.box.switch_on()
        self.box.wait_until_it_serves()
        self.box.wait_until_it_is_kept("A")
        pull(self.box.authority, "library/app", "1")
        self.hub.down()
        ran: dict[str, int] = {}
        for cut in range(CUTS):
            with self.subTest(cut):
                self.box.plug_in(stick)
                time.sleep(random.uniform(0, 25))
                self.box.cut_power()
                self.box.switch_on()
                self.box.wait_until_it_serves()
                self.assertEqual(pull(self.box.authority, "library/app", "1"), image)
                first = self.box.boot_state()["ORDER"][0]
                wait_until(lambda: self.box.boot_state()[f"{self.box.boot_state()['ORDER'][0]}_OK"] == "1",
                           "a slot kept", BOOT_SECONDS)
                ran[first] = ran.get(first, 0) + 1
        print(f"{CUTS} cuts in updates; slots that ran after a cut: {ran}", flush=True)


if __name__ == "__main__":
    unittest.main(verbosity=2)
