#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Raspberry Pi's image, as far as it can be tested without a Pi: the files that the Pi's
firmware reads, and a boot from a USB disk on a machine of QEMU that has its own UEFI.

Needs root; builds the image by itself.
"""
from __future__ import annotations

import gzip
import re
import shutil
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

from box import BOOT_AT, CONFIG_AT, MIB, SLOT_AT, Box, build
from harness import make_image, pull
from test_appliance import BoxCase

BOARD = "raspberrypi4"
BOOT_SECONDS = 300


class RaspberryPi(BoxCase):
    @classmethod
    def setUpClass(cls) -> None:
        folder = Path(tempfile.mkdtemp(prefix="layby-pi-", dir="/var/tmp"))
        cls.addClassCleanup(shutil.rmtree, folder)
        build(folder, board=BOARD)
        cls.image = folder / f"layby-{BOARD}.img.zst"
        super().setUpClass()

    @classmethod
    def new_box(cls) -> Box:
        return Box(cls.settings_for(cls.hub), image=cls.image, board=BOARD)

    def file(self, name: str) -> bytes:
        """A file of the boot partition."""
        return subprocess.run(["mtype", "-i", f"{self.box.disk}@@{BOOT_AT}", f"::{name}"], capture_output=True,
                              check=True).stdout

    def test_the_boot_partition_has_the_files_for_the_firmware(self) -> None:
        settings = self.file("config.txt").decode().split()
        self.assertLessEqual({"arm_64bit=1", "kernel=u-boot.bin"}, set(settings))
        for name, starts_with in (("start4.elf", b"\x7fELF"), ("bcm2711-rpi-4-b.dtb", b"\xd0\x0d\xfe\xed"),
                                  ("EFI/BOOT/BOOTAA64.EFI", b"MZ"), ("fixup4.dat", b""), ("u-boot.bin", b"")):
            content = self.file(name)
            self.assertTrue(content.startswith(starts_with), name)
            self.assertGreater(len(content), 4096, name)

    def test_gpt_and_mbr_list_the_partitions(self) -> None:
        table = subprocess.run(["sfdisk", "-d", str(self.box.disk)], capture_output=True, text=True, check=True).stdout
        self.assertEqual(re.findall(r'name="([^"]+)"', table),
                         ["layby-boot", "layby-config", "layby-root-a", "layby-root-b", "layby-data"])
        with self.box.disk.open("rb") as disk:
            block = disk.read(512)
        records = [struct.unpack_from("<4xB3xII", block, 446 + 16 * number) for number in range(3)]
        self.assertEqual(records, [(0x0E, BOOT_AT // 512, (CONFIG_AT - BOOT_AT) // 512),
                                   (0x0E, CONFIG_AT // 512, (SLOT_AT["A"] - CONFIG_AT) // 512),
                                   (0xEE, 1, 33)])  # The GPT.

    def test_a_slot_has_the_kernel_and_its_modules(self) -> None:
        slot = Path(self.enterContext(tempfile.TemporaryDirectory()))
        first = subprocess.run(["unsquashfs", "-q", "-n", "-d", str(slot / "front"), "-o", str(SLOT_AT["A"]),
                                str(self.box.disk)], capture_output=True, text=True, check=False)
        self.assertEqual(first.returncode, 0, first.stderr)
        kernel = gzip.decompress((slot / "front/vmlinuz").read_bytes())
        self.assertEqual(kernel[56:60], b"ARM\x64")  # Documentation/arm64/booting.rst.
        sector = re.search(r"layby\.root=(\d+),", (slot / "front/slot.cfg").read_text())
        assert sector
        listed = subprocess.run(["unsquashfs", "-l", "-o", str(SLOT_AT["A"] + int(sector[1]) * 512),
                                 str(self.box.disk)], capture_output=True, text=True, check=True).stdout
        for module in ("genet", "bcm2835_wdt", "leds-gpio"):
            self.assertRegex(listed + self.initramfs(slot / "front/initrd.img"), rf"/{module}\.ko")

    @staticmethod
    def initramfs(file: Path) -> str:
        unpacked = subprocess.run(["zstd", "-dcq", str(file)], capture_output=True, check=True).stdout
        return subprocess.run(["cpio", "-t", "--quiet"], input=unpacked, capture_output=True, check=True).stdout.decode()

    def test_the_image_boots_and_serves(self) -> None:
        image = make_image(self.hub, "library/app", "1", [3 * MIB, 1000])
        self.box.switch_on(disk="usb-storage,bus=usb.0", card="usb-net,bus=usb.0")
        seconds = self.box.wait_until_it_serves(BOOT_SECONDS)
        print(f"{BOARD}'s image: {seconds:.1f} s from power to the first 200", flush=True)
        self.assertEqual(pull(self.box.authority, "library/app", "1"), image)


if __name__ == "__main__":
    unittest.main(verbosity=2)
