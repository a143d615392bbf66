#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A daemon that hangs is started again; a box on which nobody feeds the watchdog, too.

Builds an image of its own, in which these things are done to it from within. Root runs this,
after `scripts/image --board qemu-x86_64`.
"""
from __future__ import annotations

import shutil
import tempfile
import unittest
from pathlib import Path

from box import BOARD, ROOT, Box, HostAddresses, build
from harness import wait_until

TRIAL = """#!/bin/sh
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


class Care(unittest.TestCase):
    def test_what_hangs_is_started_again(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="layby-care-", dir="/var/tmp"))
        self.addCleanup(shutil.rmtree, folder)
        (folder / "add/etc").mkdir(parents=True)
        (folder / "add/usr/lib/layby").mkdir(parents=True)
        inittab = (ROOT / "firmware/root/etc/inittab").read_text()
        (folder / "add/etc/inittab").write_text(inittab + "::respawn:/lib/layby/trial\n")
        trial = folder / "add/usr/lib/layby/trial"
        trial.write_text(TRIAL)
        trial.chmod(0o755)
        build(folder, add=folder / "add")
        box = self.enterContext(Box(image=folder / f"layby-{BOARD}.img.zst"))
        box.switch_on()
        box.wait_until_it_serves()
        box.wait_for_line("trial: the daemon hangs", 60)
        box.wait_for_line("trial: the daemon is back", 120)
        box.wait_for_line("trial: nobody feeds the watchdog", 30)
        wait_until(lambda: box.console().count("Welcome to GRUB") == 2, "the box starts again", 150)
        box.wait_until_it_serves()


if __name__ == "__main__":
    unittest.main(verbosity=2)
