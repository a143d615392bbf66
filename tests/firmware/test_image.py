#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The image as a file: the image is small and reproducible, and lets no stranger log in.

Needs `scripts/image --board qemu-x86_64` before, but no root.
"""
from __future__ import annotations

import filecmp
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from box import BOARD, BOOT_AT, CONFIG_AT, IMAGES, MIB, SLOT_AT, Box, build, firmware


class Image(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = Path(tempfile.mkdtemp(prefix="layby-image-", dir="/var/tmp"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.disk = cls.folder / "disk.img"
        with cls.disk.open("wb") as disk:
            subprocess.run(["zstd", "-dcq", str(IMAGES / f"layby-{BOARD}.img.zst")], stdout=disk, check=True)

    def listing(self, partition: int) -> str:
        return Box.mtools("mdir", "-/", "-b", "-i", f"{self.disk}@@{partition}", "::")

    def files_of_the_root(self) -> list[list[str]]:
        """Mode, owner, size, date, time and path of each file."""
        with self.disk.open("rb") as disk:
            disk.seek(SLOT_AT["A"])
            first = re.search(rb"layby\.root=(\d+),", disk.read(16 * MIB))
        assert first
        listed = subprocess.run(["unsquashfs", "-o", str(SLOT_AT["A"] + int(first[1]) * 512), "-ll", str(self.disk)],
                                capture_output=True, text=True, check=True).stdout
        return [line.split(maxsplit=5) for line in listed.splitlines() if " squashfs-root" in line]

    def test_image_and_firmware_file_are_small(self) -> None:
        for file in (IMAGES / f"layby-{BOARD}.img.zst", firmware()):
            print(f"{file.name}: {file.stat().st_size / 1e6:.1f} MB", flush=True)
            self.assertLessEqual(file.stat().st_size, 40 * MIB, file)

    def test_two_builds_are_the_same(self) -> None:
        build(self.folder / "again")
        for name in (f"layby-{BOARD}.img.zst", f"layby-{BOARD}.firmware"):
            self.assertTrue(filecmp.cmp(self.folder / "again" / name, IMAGES / name, shallow=False), name)

    def test_partitions_have_their_names_and_files(self) -> None:
        table = subprocess.run(["sfdisk", "-d", str(self.disk)], capture_output=True, text=True, check=True).stdout
        self.assertEqual(re.findall(r'name="([^"]+)"', table),
                         ["layby-boot", "layby-config", "layby-root-a", "layby-root-b", "layby-data"])
        self.assertRegex(self.listing(BOOT_AT), r"::/EFI/BOOT/BOOT(X64|AA64)\.EFI")
        for name in ("README.txt", "layby.json", "network.conf", "prefetch.json"):
            self.assertIn(f"::/{name}", self.listing(CONFIG_AT))
            text = Box.mtools("mtype", "-i", f"{self.disk}@@{CONFIG_AT}", f"::{name}")
            self.assertGreater(len(text), 100, name)
        self.assertNotIn("authorized_keys", self.listing(CONFIG_AT))

    def test_default_settings_are_valid(self) -> None:
        binary = IMAGES.parent / "static/layby"
        for name in ("layby.json", "prefetch.json"):
            text = Box.mtools("mtype", "-i", f"{self.disk}@@{CONFIG_AT}", f"::{name}")
            (self.folder / name).write_text(text)
        (self.folder / "layby.json").write_text(
            (self.folder / "layby.json").read_text().replace("{", f'{{"prefetch": "{self.folder}/prefetch.json",', 1))
        done = subprocess.run([str(binary), "config", "check", "--config", str(self.folder / "layby.json")],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_nobody_gains_privileges_or_logs_in_by_password(self) -> None:
        files = self.files_of_the_root()
        self.assertGreater(len(files), 100)
        for mode, owner, *_, path in files:
            self.assertEqual(owner, "root/root", path)
            self.assertNotIn("s", mode.lower()[1:], path)
            if not mode.startswith("l") and not path.endswith(("/tmp", "/run")):
                self.assertNotEqual(mode[8], "w", path)
        names = {path.rpartition("/")[2] for *_, path in files}
        self.assertEqual(names & {"login", "getty", "sulogin", "telnetd", "httpd", "ftpd", "sshd", "su", "crond"}, set())


if __name__ == "__main__":
    unittest.main(verbosity=2)
