#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A disk that is worn out, from the first boot on or later; a network without DHCP, or with
other addresses than before.

Needs root, and `scripts/image --board qemu-x86_64` before.
"""
from __future__ import annotations

import time
import unittest

from box import MIB, firmware
from harness import Parts, make_image, pull, wait_until
from test_appliance import BoxCase
from test_update import serve_folder


class WornFromTheStart(BoxCase):
    def test_a_box_serves_from_memory_when_the_disk_refuses_writes(self) -> None:
        image = make_image(self.hub, "library/app", "1", [3 * MIB])
        self.box.let_in()
        self.box.wear_out()
        self.box.switch_on()
        self.box.wait_until_it_serves()
        with self.subTest("it serves from memory, and says so"):
            self.assertEqual(pull(self.box.authority, "library/app", "1"), image)
            self.hub.down()
            self.assertEqual(pull(self.box.authority, "library/app", "1"), image)
            self.hub.up()
            self.assertIn("the cache is in memory", self.box.get("/").body.decode())
        with self.subTest("the slot can't be kept, which is reported"):
            self.box.wait_for_line("slot A can't be kept: slots: the boot partition can't be written", 60)
        with self.subTest("its owner can log in, and an update is refused"):
            wait_until(lambda: self.box.login("true").returncode == 0, "a login", 60)
            url = serve_folder(self, firmware().parent)
            done = self.box.login(f"layby-update --force {url}/{firmware().name}")
            self.assertEqual(done.returncode, 1)
            self.assertIn("the boot partition can't be written", done.stderr)
            self.assertTrue(self.box.answers())
        with self.subTest("once the disk accepts writes, the slot is kept and the notice goes"):
            self.box.worn_out.unlink()
            self.box.wait_until_it_is_kept("A")
            wait_until(lambda: "can't be kept" not in self.box.get("/").body.decode(), "no such notice", 30)


class FromMemory(BoxCase):
    def check_from_memory(self, images: dict[str, Parts], **options: bool) -> None:
        self.box.switch_on(**options)
        self.box.wait_until_it_serves()
        self.assertIn("the cache is in memory", self.box.get("/").body.decode())
        for name, image in images.items():
            self.assertEqual(pull(self.box.authority, name, "1"), image)


class WornOneDay(FromMemory):
    def test_a_box_serves_on_when_the_disk_begins_to_refuse_writes(self) -> None:
        images = {name: make_image(self.hub, name, "1", [3 * MIB]) for name in ("library/old", "library/new")}
        self.box.switch_on()
        self.box.wait_until_it_serves()
        self.box.wait_until_it_is_kept("A")
        self.assertEqual(pull(self.box.authority, "library/old", "1"), images["library/old"])
        self.box.wear_out()
        with self.subTest("cached and uncached images are served"):
            for name in ("library/new", "library/old"):
                self.assertEqual(pull(self.box.authority, name, "1"), images[name])

        self.box.cut_power()
        with self.subTest("after the next start they are served from memory"):
            self.check_from_memory(images)


class WriteProtected(FromMemory):
    def test_a_box_serves_from_memory_when_the_disk_is_write_protected(self) -> None:
        image = {"library/app": make_image(self.hub, "library/app", "1", [3 * MIB])}
        self.box.let_in()
        self.box.switch_on()
        self.box.wait_until_it_serves()
        self.box.wait_until_it_is_kept("A")
        wait_until(lambda: self.box.login("poweroff").returncode == 0, "a login", 60)
        assert self.box.machine.process
        self.box.machine.process.wait(60)
        self.box.cut_power()
        self.check_from_memory(image, read_only=True)


class NoAddress(BoxCase):
    settings = {"listen": "10.0.2.15:5000"}

    def test_settings_stay_in_force_while_there_is_no_network(self) -> None:
        self.box.switch_on(network="silent")
        self.box.wait_for_line("waits for an address from DHCP")

        self.box.cut_power()
        self.box.switch_on()
        self.box.wait_for_line("Welcome to GRUB")
        self.box.cable(False)
        self.box.wait_for_line("waits for a network cable.")
        given_up_after = time.monotonic() + 75  # With a network, 75 s are enough.
        while time.monotonic() < given_up_after:
            self.assertNotRegex(self.box.console(), "never answered|Layby serves")
            time.sleep(1)
        self.box.cable(True)
        self.box.wait_until_it_serves()
        self.assertEqual(self.box.get("/stats").json()["notices"], [])

        self.box.wait_until_it_is_kept("A")
        self.box.cut_power()
        with self.subTest("a box starts without settings that can't work in its new network"):
            self.box.switch_on(network="elsewhere")
            self.box.wait_until_it_serves()
            self.assertIn("it is started without", self.box.get("/").body.decode())
            self.assertIn("no interface here has that address", self.box.console())


if __name__ == "__main__":
    unittest.main(verbosity=2)
