#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The static program alone: without libraries, /proc, /dev and privileges.

Each test makes a root folder with the program and the few files below /etc that an image
has, enters the folder, becomes an ordinary user and pulls from a hub over TLS. The program must
resolve the hub's name; the hub's certificate is in the root folder's bundle. Needs root, and
`scripts/build --static` before.
"""
from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path
from typing import Any

from harness import Hub, Layby, end_with_parent, layby_binary, make_image, pull
from hub import free_port

USER = 65534
NAME = "hub.example"
# Layby takes 8.2 MiB after a pull over TLS. 7 MiB of them are pages of the program's file, which the
# kernel can drop; how many of them it maps depends on the kernel.
MAX_PSS_KIB = 9 << 10
MAX_ANONYMOUS_KIB = 2 << 10


class Jailed(Layby):
    """`/layby serve` with its home as the root folder."""

    def __init__(self, hub: Hub, etc: dict[str, str], upstream: dict[str, Any]) -> None:
        self.etc = {"passwd": "layby:x:65534:65534::/:/\n", "group": "layby:x:65534:\n",
                    "resolv.conf": "", "hosts": "127.0.0.1 localhost\n",
                    "nsswitch.conf": "hosts: files dns\n", **etc}
        super().__init__(hub, {"data_dir": "/data", "socket": "/data/layby.sock",
                               "prefetch": "/prefetch.json"}, upstream)

    def furnish(self) -> None:
        shutil.copy(layby_binary(), self.home / "layby")
        for name, text in self.etc.items():
            path = self.home / "etc" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (self.home / "data").mkdir(exist_ok=True)
        os.chown(self.home / "data", USER, USER)
        self.home.chmod(0o755)

    def enter(self) -> None:
        os.chroot(self.home)
        os.chdir("/")
        os.setgroups([])
        os.setgid(USER)
        os.setuid(USER)
        end_with_parent()  # Comes after setuid(), which would undo this call.

    def start(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        self.furnish()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                ["/layby", "serve", "--config", "/layby.json"], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env={}, start_new_session=True, preexec_fn=self.enter)

    def ask(self, *arguments: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["/layby", *arguments, "--config", "/layby.json"], env={},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=seconds, preexec_fn=self.enter)

    def memory_kib(self) -> dict[str, int]:
        """The figures of smaps_rollup, such as Pss and Anonymous."""
        assert self.process
        rollup = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines()[1:]
        return {line.split(":")[0]: int(line.split()[1]) for line in rollup}


class NameServer:
    """A DNS server on UDP that knows only NAME, as 127.0.0.1; `asked` has the requested names."""

    ADDRESS = "127.0.0.9"  # Port 53 of an unused address, because resolv.conf has no ports.

    def __init__(self) -> None:
        self.asked: set[str] = set()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((self.ADDRESS, 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> NameServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                query, client = self._socket.recvfrom(512)
                self._socket.sendto(self._answer(query), client)
            except OSError:
                return

    def _answer(self, query: bytes) -> bytes:
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        question = query[12:at + 5]
        name, (kind,) = ".".join(labels), struct.unpack(">H", query[at + 1:at + 3])
        self.asked.add(name)
        known = name == NAME
        record = (b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton("127.0.0.1")
                  if known and kind == 1 else b"")
        flags = 0x8180 | (0 if known else 3)
        return query[:2] + struct.pack(">HHHHH", flags, 1, 1 if record else 0, 0, 0) + question + record


class StaticProgram(unittest.TestCase):
    def setUp(self) -> None:
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="layby-test-"))
        certificate, key = f"{folder}/cert.pem", f"{folder}/key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out",
                        certificate, "-days", "2", "-subj", "/CN=hub", "-addext",
                        f"subjectAltName=DNS:{NAME},IP:127.0.0.2"], check=True, capture_output=True)
        port = free_port()
        self.hub = self.enterContext(
            Hub(tls=(certificate, key), port=port, realm_host=f"{NAME}:{port}"))
        self.image = make_image(self.hub, "library/app", "1", [1 << 20])
        self.upstream = {"url": f"https://{NAME}:{port}"}
        self.bundle = {"ssl/certs/ca-certificates.crt": Path(certificate).read_text()}

    def jail(self, etc: dict[str, str]) -> Jailed:
        return self.enterContext(Jailed(self.hub, {**self.bundle, **etc}, self.upstream))

    def test_nothing_is_loaded_at_run_time(self) -> None:
        headers = subprocess.run(["readelf", "--program-headers", "--dynamic", str(layby_binary())],
                                 check=True, capture_output=True, text=True).stdout
        self.assertNotIn("INTERP", headers)
        self.assertNotIn("NEEDED", headers)
        self.assertIn("DYN (Position-Independent", headers)

    def test_pull_from_a_name_in_etc_hosts(self) -> None:
        layby = self.jail({"hosts": f"127.0.0.1 localhost {NAME}\n"})
        self.assertEqual(pull(layby.authority, "library/app", "1"), self.image)
        layby.settle()
        memory = layby.memory_kib()
        self.assertLess(memory["Pss"], MAX_PSS_KIB)
        self.assertLess(memory["Anonymous"], MAX_ANONYMOUS_KIB)
        listed = layby.ask("ls")
        self.assertEqual(listed.returncode, 0, listed.stderr)
        self.assertIn("app:1", listed.stdout)

    def test_pull_from_a_name_in_dns(self) -> None:
        with NameServer() as server:
            layby = self.jail({"resolv.conf": f"nameserver {server.ADDRESS}\n"})
            self.assertEqual(pull(layby.authority, "library/app", "1"), self.image)
            self.assertIn(NAME, server.asked)

    def test_modules_in_nsswitch_conf_are_ignored(self) -> None:
        layby = self.jail({"hosts": f"127.0.0.1 {NAME}\n",
                           "nsswitch.conf": "hosts: mdns4_minimal [NOTFOUND=return] resolve\n"})
        self.assertEqual(pull(layby.authority, "library/app", "1"), self.image)

    def test_an_unknown_name_is_reported(self) -> None:
        layby = self.jail({})
        got = layby.get("/v2/library/app/manifests/1")
        self.assertIn(got.status, (502, 503))
        self.assertIn("no address", got.json()["errors"][0]["message"])

    def test_a_certificate_missing_from_the_bundle_is_refused(self) -> None:
        layby = self.jail({"hosts": f"127.0.0.1 {NAME}\n", "ssl/certs/ca-certificates.crt": ""})
        got = layby.get("/v2/library/app/manifests/1")
        self.assertIn(got.status, (502, 503))
        self.assertEqual(self.hub.content_requests(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
