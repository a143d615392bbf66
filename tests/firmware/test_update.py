#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Updates of the box: installed, refused, and rolled back; the cache survives each update.

Needs root, and `scripts/image --board qemu-x86_64` before.
"""
from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
import unittest
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Callable

from box import BOARD, BOOT_SECONDS, HOST, IMAGES, MIB, Box, build, make_stick
from harness import make_image, pull, wait_until
from test_appliance import BoxCase


class Folder(SimpleHTTPRequestHandler):
    """Serves a folder; a file requested below /breaks-off/ ends in the middle."""

    def do_GET(self) -> None:
        breaks_off = self.path.startswith("/breaks-off/")
        file = Path(self.directory) / self.path.removeprefix("/breaks-off").lstrip("/")
        if not file.is_file():
            self.send_error(404)
            return
        content = file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if breaks_off else content)

    def log_message(self, *_: object) -> None:
        pass


def serve(test: unittest.TestCase, handler: Callable[..., BaseHTTPRequestHandler]) -> str:
    """Serves HTTP with `handler` until the test ends; returns the server's address."""
    server = ThreadingHTTPServer((HOST, 0), handler)
    test.addCleanup(server.server_close)
    test.addCleanup(server.shutdown)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://{HOST}:{server.server_port}"


def serve_folder(test: unittest.TestCase, folder: Path) -> str:
    return serve(test, partial(Folder, directory=str(folder)))


class Updates(BoxCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.folder = Path(tempfile.mkdtemp(prefix="layby-updates-", dir="/var/tmp"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.newer = build(cls.folder / "newer", newer_by=1000)

    def stick(self, name: str, source: Path | bytes) -> Path:
        if isinstance(source, bytes):
            (self.folder / f"{name}.firmware").write_bytes(source)
            source = self.folder / f"{name}.firmware"
        return make_stick(self.folder / f"{name}.stick", source)

    def altered(self, name: str, change: bytes, into: bytes) -> bytes:
        whole = self.newer.read_bytes()
        self.assertIn(change, whole, name)
        return whole.replace(change, into, 1)

    def test_updates_are_installed_refused_or_rolled_back(self) -> None:
        image = make_image(self.hub, "library/app", "1", [2 * MIB])
        url = serve_folder(self, self.folder)
        self.box.let_in()
        self.box.switch_on()
        self.box.wait_until_it_serves()
        self.box.wait_until_it_is_kept("A")
        self.assertEqual(pull(self.box.authority, "library/app", "1"), image)
        self.hub.down()

        whole = self.newer.read_bytes()
        refused = {
            "cut": (whole[:-MIB], "it is cut short"),
            "changed": (whole[:-5000] + b"\0" * 100 + whole[-4900:], "differ from the signed ones"),
            "foreign": (self.altered("foreign", f"board={BOARD}".encode(), b"board=another"),
                        "isn't signed with the key"),
            "other-key": (self.other_key().read_bytes(), "isn't signed with the key"),
            "other-board": (self.signed_for("raspberrypi9"), "the firmware is for raspberrypi9"),
            "older": (build(self.folder / "older", newer_by=-1000).read_bytes(), "it is older"),
        }
        for name, (content, reason) in refused.items():
            with self.subTest(name):
                before = self.box.boot_state()
                told = self.box.console().count(reason)
                self.box.plug_in(self.stick(name, content))
                wait_until(lambda: self.box.console().count(reason) > told, f"{reason!r} on the console", 60)
                self.assertEqual(self.box.boot_state(), before)
        self.assertTrue(self.box.answers())

        with self.subTest("newer firmware is installed from a stick"):
            self.box.plug_in(self.stick("newer", self.newer))
            self.box.wait_for_line("restarting into the update", 120)
            self.box.wait_until_it_is_kept("B", BOOT_SECONDS)
            self.assertEqual(self.box.boot_state()["ORDER"], "B A")
            self.assertEqual(pull(self.box.authority, "library/app", "1"), image)

        with self.subTest("a broken download and a missing download change nothing"):
            before = self.box.boot_state()
            (self.folder / "endless").mkdir()
            with (self.folder / "endless" / self.newer.name).open("wb") as endless:
                endless.truncate(66 * MIB)
            for name, reason in (("breaks-off/newer", "bytes"), ("nowhere", "404"),
                                 ("endless", "larger than a firmware file can be")):
                done = self.box.login(f"layby-update {url}/{name}/{self.newer.name}")
                self.assertEqual(done.returncode, 3)
                self.assertIn(reason, done.stderr)
            self.assertEqual(self.box.boot_state(), before)

        with self.subTest("an update waits for another update"):
            again = f"layby-update {url}/newer/{self.newer.name}"
            done = self.box.login(f"{again} & {again} & wait")
            self.assertEqual(done.stdout.count("this build already runs here"), 2, done.stderr)
            # Both updates wait while the box looks for firmware on USB sticks, as after each start.
            self.assertIn("this one waits for it", done.stderr)

        with self.subTest("no update while the running slot has yet to prove itself"):
            self.box.run("killall -STOP health; slots next B 0")
            done = self.box.login(f"layby-update --force {url}/older/{self.newer.name}")
            self.assertIn("has yet to prove itself", done.stderr)
            self.assertEqual(self.box.boot_state()["A_OK"], "1")
            self.box.run("slots good B; killall -CONT health")

        with self.subTest("older firmware is installed by force, on a full disk"):
            self.box.run("rm /data/state/ssh_host_key; dd if=/dev/zero of=/data/filler bs=1M 2>/dev/null; sync", 300)
            self.assertNotEqual(self.box.login("dd if=/dev/zero of=/data/more bs=64k count=1").returncode, 0)
            done = self.box.login(f"layby-update {url}/older/{self.newer.name}")
            self.assertIn("it is older", done.stderr)
            self.box.login(f"layby-update --force {url}/older/{self.newer.name}", seconds=200)
            wait_until(lambda: self.box.console().count("restarting into the update") == 2, "the update", 10)
            self.assertEqual(self.box.boot_state()["A_OK"], "0")
            self.box.wait_until_it_is_kept("A", BOOT_SECONDS)
            self.assertEqual(self.box.boot_state()["ORDER"], "A B")
            self.assertEqual(pull(self.box.authority, "library/app", "1"), image)
            self.assertIn("HOST IDENTIFICATION HAS CHANGED", self.box.login("true").stderr)
            self.box.known_hosts.unlink()
            self.box.run("ls /run/ssh/host_key")

        self.box.cut_power()
        self.hub.up()
        with self.subTest("an update from an address that can't serve is rolled back"):
            (self.folder / "broken/usr/bin").mkdir(parents=True)
            (self.folder / "broken/usr/bin/layby").write_text("#!/bin/sh\nexit 1\n")
            (self.folder / "broken/usr/bin/layby").chmod(0o755)
            build(self.folder / "fails", newer_by=2000, add=self.folder / "broken")
            self.box.write_settings("network.conf", f"update = {url}/fails/layby-{BOARD}.firmware\r\n")
            self.box.switch_on()
            self.box.wait_until_it_serves()
            self.box.wait_for_line("restarting into the update", 120)
            wait_until(lambda: not self.box.answers(), "the restart", 60)
            self.box.wait_until_it_serves(600)
            self.box.wait_for_line("it was tried, and Layby did not work with it", 60)
            state = self.box.boot_state()
            self.assertEqual([state[name] for name in ("B_OK", "B_TRY", "A_OK")], ["0", "3", "1"])
            self.hub.down()
            self.assertEqual(pull(self.box.authority, "library/app", "1"), image)

    def other_key(self) -> Path:
        key = self.folder / "other.key"
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(key)], check=True,
                       capture_output=True)
        return build(self.folder / "other-key", newer_by=1000, key=key)

    def signed_for(self, board: str) -> bytes:
        """The newer firmware, signed with the right key for another board."""
        head, _, slot = self.newer.read_bytes().partition(b"signature=")
        slot = slot.partition(b"\n")[2]
        text = head.replace(f"board={BOARD}".encode(), f"board={board}".encode())
        (self.folder / "head").write_bytes(text)
        subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey",
                        str(IMAGES / "update.key"), "-in", str(self.folder / "head"),
                        "-out", str(self.folder / "signature")], check=True)
        signature = (self.folder / "signature").read_bytes().hex().encode()
        return text + b"signature=" + signature + b"\n" + slot


if __name__ == "__main__":
    unittest.main(verbosity=2)
