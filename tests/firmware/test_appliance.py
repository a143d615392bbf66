#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The flashed box from its first boot on, as its owner and its clients see it.

Needs root, and `scripts/image --board qemu-x86_64` before.
"""
from __future__ import annotations

import unittest
from typing import Any

from box import MIB, Box, HostAddresses, new_hub
from harness import Dockerd, images_folder, make_image, parts_of, pull


class BoxCase(unittest.TestCase):
    """One box and one hub for all tests of a class; tests use made images or real images."""

    settings: dict[str, Any] = {}
    real_images = False

    @classmethod
    def setUpClass(cls) -> None:
        cls.enterClassContext(HostAddresses())
        cls.hub = cls.enterClassContext(new_hub(images=str(images_folder()) if cls.real_images else None))
        cls.box = cls.enterClassContext(cls.new_box())

    @classmethod
    def new_box(cls) -> Box:
        return Box(cls.settings_for(cls.hub))

    @classmethod
    def settings_for(cls, hub: Any) -> dict[str, Any]:
        return {"upstreams": [{"name": "docker.io", "url": hub.url}],
                "cache": {"min_free_bytes": "64MiB"}, **cls.settings}


class FirstBoot(BoxCase):
    real_images = True

    def test_a_box_serves_from_the_first_boot_on(self) -> None:
        image = make_image(self.hub, "library/app", "1", [3 * MIB, 1000])
        self.box.switch_on()
        seconds = self.box.wait_until_it_serves()
        print(f"first boot: {seconds:.1f} s from power to the first 200", flush=True)

        with self.subTest("the console says how to use it"):
            self.box.wait_for_line('{"registry-mirrors": ["http://10.0.2.15:5000"]}')
            self.assertIn("http://layby.local:5000", self.box.console())
        with self.subTest("the data partition fills the disk"):
            store = self.box.get("/stats").json()["store"]
            self.assertGreater(store["disk_free_bytes"], 600 * MIB)
        with self.subTest("it serves what the hub has, cold and warm"):
            self.assertEqual(pull(self.box.authority, "library/app", "1"), image)
            fetched = self.hub.pulls_counted
            self.assertEqual(pull(self.box.authority, "library/app", "1"), image)
            self.assertEqual(self.hub.pulls_counted, fetched)
        with self.subTest("a real dockerd pulls through it, cold and warm"):
            root = parts_of(self.hub, "library/debian", "multi").root
            with Dockerd(f"http://{self.box.authority}") as docker:
                for _ in range(2):
                    self.assertEqual(docker.pull("debian:multi"), root)
                    docker.forget("debian:multi")
                    self.hub.down()
            self.hub.up()
        with self.subTest("the slot is kept"):
            self.box.wait_until_it_is_kept("A")

        self.box.cut_power()
        self.box.switch_on()
        seconds = self.box.wait_until_it_serves()
        print(f"later boot: {seconds:.1f} s", flush=True)
        self.hub.down()
        with self.subTest("pulled images survive a power cut, and need no hub"):
            self.assertEqual(pull(self.box.authority, "library/app", "1"), image)
        self.assertEqual(self.box.boot_state(), {"ORDER": "A B", "A_OK": "1", "A_TRY": "0",
                                                 "B_OK": "0", "B_TRY": "3", "TRIED": ""})


if __name__ == "__main__":
    unittest.main(verbosity=2)
