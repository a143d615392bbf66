#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Settings that the owner writes onto the settings partition: certificates, addresses, mistakes;
and a box without a network, with a wrong clock, or with a damaged data partition or slot.

Needs root, and `scripts/image --board qemu-x86_64` before.
"""
from __future__ import annotations

import contextlib
import email.utils
import json
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request
from pathlib import Path

from box import BOARD, HOST, MIB, Box, Cable, build
from harness import accepts_connections, fetch, make_image, pull, wait_until
from test_appliance import BoxCase


HAS_LAMP = BOARD == "qemu-x86_64"


class TimeServer:
    """An SNTP server (RFC 4330) that gives the host's time."""

    SINCE_1900 = 2208988800

    def __enter__(self) -> TimeServer:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((HOST, 123))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def serve(self) -> None:
        with contextlib.suppress(OSError):  # The socket was closed.
            while True:
                request, sender = self.socket.recvfrom(512)
                now = time.time() + self.SINCE_1900
                stamp = struct.pack("!II", int(now), int(now % 1 * 2**32))
                version = request[0] >> 3 & 7
                self.socket.sendto(struct.pack("!BBbb", version << 3 | 4, 1, 6, -20) + b"\0" * 8 + b"LOCL"
                                   + stamp + request[40:48] + stamp + stamp, sender)


class Settings(BoxCase):
    def test_settings_take_effect_and_mistakes_are_reported(self) -> None:
        image = make_image(self.hub, "library/app", "1", [20 * MIB])
        with tempfile.TemporaryDirectory() as folder:
            certificate, key = self.certificate(Path(folder))
        self.box.write_settings("layby.crt", certificate)
        self.box.write_settings("layby.key", key)
        self.box.write_settings("layby.json", json.dumps({
            **self.settings_for(self.hub),
            "tls": {"certificate_file": "/etc/layby/layby.crt", "key_file": "/etc/layby/layby.key"}}))
        self.box.write_settings("network.conf", f"ntp = {HOST}\r\nhostname = corner\r\n")
        with TimeServer():
            self.box.switch_on("-rtc", "base=2021-03-04T05:06:07")
            self.box.wait_until_it_serves()
            with self.subTest("its name"):
                self.box.wait_for_line("http://corner.local:5000")
            with self.subTest("the time of the network"):
                wait_until(lambda: abs(self.box_time() - time.time()) < 60, "the right time", 60)
        with self.subTest("HTTPS, sealed by the kernel"):
            trusted = ssl.create_default_context(cadata=certificate)
            trusted.check_hostname = False
            url = f"https://127.0.0.1:{self.box.tls_port}/v2/library/app/manifests/1"
            with urllib.request.urlopen(url, context=trusted, timeout=60) as answer:
                self.assertEqual(answer.status, 200)
            self.assertEqual(pull(self.box.authority, "library/app", "1"), image)
            counters = self.box.get("/stats").json()["counters"]
            self.assertGreater(counters["tls_by_kernel"], 0)

        self.box.wait_until_it_is_kept("A")
        self.box.cut_power()
        with self.subTest("a mistake is reported, and the last good settings stay in force"):
            self.box.write_settings("layby.json", '{"cahce": {}}')
            self.box.switch_on()
            self.box.wait_until_it_serves()
            self.box.wait_for_line("layby.json has mistakes")
            self.assertIn("cahce", self.box.console())
            self.assertIn("cahce", self.box.get("/").body.decode())
            self.assertEqual(pull(self.box.authority, "library/app", "1"), image)

        self.box.cut_power()
        with self.subTest("without a network it starts and waits for a cable"):
            self.box.switch_on(network="none")
            self.box.wait_for_line("waits for a network cable.")

        self.box.cut_power()
        with self.subTest("a data partition without a file system is formatted again"):
            with self.box.disk.open("r+b") as disk:
                disk.seek(225 * MIB)
                disk.write(b"\xff" * 32 * MIB)
            self.box.switch_on()
            self.box.wait_until_it_serves()
            self.assertEqual(self.box.get("/stats").json()["store"]["blobs"], 0)

    def box_time(self) -> float:
        stamp = self.box.get("/healthz").headers.get("date")
        return email.utils.parsedate_to_datetime(stamp).timestamp() if stamp else 0

    @staticmethod
    def certificate(folder: Path) -> tuple[str, str]:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=layby.local",
                        "-keyout", str(folder / "key"), "-out", str(folder / "certificate")],
                       check=True, capture_output=True)
        return (folder / "certificate").read_text(), (folder / "key").read_text()


class LoggingIn(BoxCase):
    def test_only_the_owner_of_a_key_may_log_in(self) -> None:
        self.box.let_in()
        self.box.switch_on("-device", "usb-kbd,bus=usb.0")
        self.box.wait_until_it_serves()
        wait_until(lambda: self.box.login("true").returncode == 0, "a login", 60)
        with self.subTest("the command line of the daemon is there"):
            self.assertIn("requests", self.box.run("layby status"))
            self.assertIn("listening on", self.box.run("logread"))
        if HAS_LAMP:
            with self.subTest("the lamps of both keyboards are lit"):
                wait_until(lambda: self.lamps() == ["1", "1"], "lamps that are lit", 30)
        with self.subTest("another key is refused, and so are passwords"):
            other = self.box.home / "other"
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
            self.assertIn("Permission denied (publickey)", self.box.login("true", key=other).stderr)

        self.box.wait_until_it_is_kept("A")
        with self.subTest("a power cut between the two moves that keep settings loses none"):
            self.box.run("mv /data/state/config /data/state/config.new && sync")
        self.box.cut_power()
        with self.subTest("the box keeps its host key, and its lamp blinks when something needs attention"):
            self.box.write_settings("layby.json", '{"cahce": {}}')
            self.box.switch_on()
            self.box.wait_until_it_serves()
            wait_until(lambda: self.box.login("true").returncode == 0, "a login", 60)
            self.assertIn(self.hub.url, self.box.run("layby config show"))
            if HAS_LAMP:
                wait_until(lambda: {"0", "1"} <= {lamp for _ in range(8) for lamp in self.lamps()},
                           "a lamp that blinks", 60)

        self.box.cut_power()
        with self.subTest("a removed key stays removed, even if other settings are wrong"):
            self.box.remove_settings("authorized_keys")
            self.box.switch_on()
            self.box.wait_until_it_serves()
            self.assertIn("cahce", self.box.console())
            self.assertNotEqual(self.box.login("true").returncode, 0)

    def lamps(self) -> list[str]:
        return self.box.run("cat /sys/class/leds/*::scrolllock/brightness").split()


class WrongAddress(BoxCase):
    def test_a_wrong_address_is_reported_and_the_box_serves(self) -> None:
        for settings, told in (("address = 10.0.2/33", "address must look like"),
                               ("address = 10.0.2.15/24\ngateway = 192.0.2.1", "gateway must be an address in"),
                               ("hostname = a_b", "hostname may have letters")):
            with self.subTest(settings):
                self.box.write_settings("network.conf", settings + "\n")
                self.box.switch_on()
                self.box.wait_until_it_serves()
                self.assertIn(told, self.box.get("/").body.decode())
                self.box.cut_power()


class WrongListen(BoxCase):
    settings = {"listen": "192.0.2.77:5000"}

    def test_settings_with_which_layby_never_serves_are_given_up(self) -> None:
        self.box.switch_on()
        self.box.wait_until_it_serves()
        self.assertRegex(self.box.console(), r"its last words: .*192\.0\.2\.77")
        self.assertIn("never answered with these settings", self.box.get("/").body.decode())


@unittest.skipUnless(BOARD == "qemu-x86_64", "not for this board")
class PersonalComputer(BoxCase):
    def test_the_pc_image_boots_with_the_usual_disks_and_network_cards(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="layby-pc-", dir="/var/tmp"))
        self.addCleanup(shutil.rmtree, folder)
        build(folder, board="x86_64")
        image = make_image(self.hub, "library/app", "1", [MIB])
        for disk, card in (("nvme,serial=1", "e1000e"), ("ide-hd,bus=ide.0", "e1000"), ("usb-storage,bus=usb.0", "rtl8139")):
            with self.subTest(disk=disk, card=card), \
                    Box(self.settings_for(self.hub), image=folder / "layby-x86_64.img.zst") as box:
                box.switch_on(disk=disk, card=card)
                box.wait_until_it_serves()
                self.assertEqual(pull(box.authority, "library/app", "1"), image)


@unittest.skipUnless(Path("/dev/net/tun").exists(), "no tap interfaces here")
class FixedAddress(BoxCase):
    def test_a_box_answers_at_its_fixed_address_and_name(self) -> None:
        cable = self.enterContext(Cable())
        self.box.write_settings("network.conf", f"address = {cable.BOX}/{cable.BITS}\r\ngateway = {cable.HOST}\r\n")
        self.box.switch_on(network=cable.NAME)
        self.box.wait_for_line(f'["http://{cable.BOX}:5000"]')
        wait_until(lambda: accepts_connections(cable.BOX, 5000), "an answer over the cable", 30)
        self.assertEqual(fetch(f"{cable.BOX}:5000", "/healthz").status, 200)
        wait_until(lambda: cable.ask_for("layby.local") == cable.BOX, "layby.local", 30)
        open_ports = [port for port in range(1, 10_000) if accepts_connections(cable.BOX, port)]
        self.assertEqual(open_ports, [5000])


class DamagedRoot(BoxCase):
    def test_a_box_starts_the_other_slot_when_one_is_damaged(self) -> None:
        """Copies slot A to slot B, then damages a block of slot A's root file system."""
        with self.box.disk.open("r+b") as disk:
            disk.seek(97 * MIB)
            slot = disk.read(64 * MIB)
            disk.seek(161 * MIB)
            disk.write(slot)
        self.box.set_boot_state(ORDER="A B", A_OK=1, A_TRY=0, B_OK=1, B_TRY=0)
        self.box.damage("A", 16 * MIB)
        self.box.switch_on()
        self.box.wait_for_line("the root of slot A is damaged")
        self.box.wait_until_it_serves()
        self.assertEqual(self.box.boot_state()["ORDER"], "B A")
        self.assertEqual(self.box.boot_state()["A_OK"], "0")

        self.box.cut_power()
        with self.subTest("the same happens when a slot's kernel can't be read"):
            self.box.set_boot_state(ORDER="A B", A_OK=1, A_TRY=0, B_OK=1, B_TRY=0)
            self.box.damage("A", 0, MIB)
            self.box.switch_on()
            self.box.wait_until_it_serves()


if __name__ == "__main__":
    unittest.main(verbosity=2)
