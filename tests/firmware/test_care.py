#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A daemon that hangs is restarted, and so is a box on which nothing feeds the watchdog. An update
address that fails is asked again.

The test builds an image that causes the faults from within, and whose hours last half a minute.
Needs root, and `scripts/image --board qemu-x86_64` before.
"""
from __future__ import annotations

import shutil
import tempfile
import time
import unittest
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from box import BOARD, ROOT, Box, HostAddresses, build
from harness import wait_until
from test_update import serve

TRIAL = """#!/bin/sh
[ -e /run/config/trial ] || exec sleep 2147483647
until [ -e /run/health ]; do sleep 1; done
[ -e /data/state/tried-hang ] && exec sleep 2147483647
echo "trial: the daemon hangs" >/dev/console
killall -STOP layby
while [ -e /run/health ]; do sleep 1; done
until [ -e /run/health ]; do sleep 1; done
echo "trial: the daemon is back" >/dev/console
touch /data/state/tried-hang
sync
echo "trial: nobody feeds the watchdog" >/dev/console
killall -STOP watchdog
sleep 2147483647
"""


class Updates(BaseHTTPRequestHandler):
    """Answers with 503 at first, then with `firmware`."""

    firmware: Path
    asked_at: list[float] = []

    def do_GET(self) -> None:
        self.asked_at.append(time.monotonic())
        if len(self.asked_at) == 1:
            self.send_error(503)
            return
        content = self.firmware.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


class Care(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.enterClassContext(HostAddresses())
        cls.folder = Path(tempfile.mkdtemp(prefix="layby-care-", dir="/var/tmp"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        scripts = cls.folder / "add/usr/lib/layby"
        scripts.mkdir(parents=True)
        (cls.folder / "add/etc").mkdir()
        inittab = (ROOT / "firmware/root/etc/inittab").read_text()
        (cls.folder / "add/etc/inittab").write_text(inittab + "::respawn:/lib/layby/trial\n")
        update = (ROOT / "firmware/root/usr/lib/layby/update").read_text()
        for name, text in (("trial", TRIAL), ("update", update.replace("hour=$((3600 /", "hour=$((30 /"))):
            (scripts / name).write_text(text)
            (scripts / name).chmod(0o755)
        cls.firmware = build(cls.folder, add=cls.folder / "add")

    def new_box(self) -> Box:
        return self.enterContext(Box(image=self.folder / f"layby-{BOARD}.img.zst"))

    def test_a_failed_update_address_is_asked_again_after_an_hour(self) -> None:
        Updates.firmware = self.firmware
        box = self.new_box()
        box.write_settings("network.conf", f"update = {serve(self, Updates)}/layby.firmware\n")
        box.let_in()
        box.switch_on()
        box.wait_until_it_serves()
        wait_until(lambda: len(Updates.asked_at) == 2, "a second look", 120)
        self.assertGreater(Updates.asked_at[1] - Updates.asked_at[0], 25)
        wait_until(lambda: "update.firmware" not in box.run("ls /run"), "the end of the update", 60)
        self.assertIn("503", box.run("logread"))
        self.assertEqual(box.get("/stats").json()["notices"], [])

    def test_a_hanging_daemon_and_a_hanging_box_are_restarted(self) -> None:
        box = self.new_box()
        box.write_settings("trial", "")
        box.switch_on()
        box.wait_until_it_serves()
        box.wait_for_line("trial: the daemon hangs", 60)
        box.wait_for_line("trial: the daemon is back", 120)
        box.wait_for_line("trial: nobody feeds the watchdog", 30)
        wait_until(lambda: box.console().count("Welcome to GRUB") == 2, "the box restarts", 150)
        box.wait_until_it_serves()


if __name__ == "__main__":
    unittest.main(verbosity=2)
