#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The package's service under systemd, in a Debian 12 that is booted for each test.

systemd, its sandbox and its watchdog are real. Where no system can be booted inside this one,
all tests are skipped with a reason.
"""
from __future__ import annotations

import json
import os
import signal
import unittest
from pathlib import Path
from typing import Any

from debian_root import BaseSystem, Machine, Unavailable, next_version, package

from harness import Hub, fetch, make_image, pull, wait_until
from hub import free_port

LOW_PORTS = """[Service]
PrivateUsers=no
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
AmbientCapabilities=CAP_NET_BIND_SERVICE
"""

base: BaseSystem


def setUpModule() -> None:
    global base
    base = BaseSystem()
    unittest.addModuleCleanup(base.close)
    try:
        Machine(base).close()
    except Unavailable as error:
        raise unittest.SkipTest(f"no system can be booted here: {error}") from error


class TheService(unittest.TestCase):
    def setUp(self) -> None:
        self.hub = self.enterContext(Hub())
        self.image = make_image(self.hub, "library/app", "1", [1 << 20])
        self.machine = self.enterContext(Machine(base))
        self.port = free_port()
        # Written before the package is installed, because the package starts the service.
        self.write({})
        self.machine.dpkg("--force-confold", "--install", file=package())

    def write(self, more: dict[str, Any]) -> None:
        folder = self.machine.tree / "etc/layby"
        folder.mkdir(exist_ok=True)
        (folder / "layby.json").write_text(json.dumps(
            {"listen": f"127.0.0.1:{self.port}", "upstreams": [{"url": self.hub.url}], **more}))

    def service(self, name: str) -> str:
        return self.machine.show("layby", name)

    def main_pid(self) -> int:
        """The number of the service's process on this machine."""
        inside = self.service("MainPID")
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                lines = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
            except OSError:
                continue
            if lines["Name"] == "layby" and lines["NSpid"].split()[-1] == inside and \
                    os.readlink(status.with_name("ns") / "pid") == os.readlink(f"/proc/{self.machine.init}/ns/pid"):
                return int(status.parent.name)
        return 0

    def wait_for_another(self, pid: int, seconds: float = 30) -> int:
        wait_until(lambda: self.service("ActiveState") == "active" and self.main_pid() not in (0, pid),
                   "restarted service", seconds)
        return self.main_pid()

    def pull(self) -> None:
        self.assertEqual(pull(f"127.0.0.1:{self.port}", "library/app", "1"), self.image)

    def test_service_runs_as_its_user_with_minimal_rights(self) -> None:
        self.assertEqual(self.service("ActiveState"), "active")
        self.assertEqual(self.service("StatusText"), f"Serving on 127.0.0.1:{self.port}")
        self.pull()
        status = dict(line.split(":\t", 1) for line in
                      Path(f"/proc/{self.main_pid()}/status").read_text().splitlines() if ":\t" in line)
        user = self.machine.run("id", "-u", "layby").strip()
        self.assertEqual(set(status["Uid"].split()), {user})
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
        self.assertEqual({int(status[name], 16) for name in ("CapBnd", "CapEff", "CapAmb")}, {0})
        self.assertEqual(self.service("LimitNOFILE"), "65536")
        self.assertEqual(self.machine.run("stat", "-c", "%U:%G %a", "/var/lib/layby", "/run/layby",
                                          "/run/layby/layby.sock").split("\n")[:3],
                         ["layby:layby 750", "layby:layby 755", "layby:layby 660"])

    def test_commands_reach_the_service(self) -> None:
        self.pull()
        wait_until(lambda: "app:1" in self.machine.run("layby", "ls"), "app:1 in the list")
        self.assertIn("layby", self.machine.run("layby", "status"))

    def test_service_may_listen_below_1024_with_a_drop_in(self) -> None:
        unit = (self.machine.tree / "lib/systemd/system/layby.service").read_text()
        for line in LOW_PORTS.splitlines():
            self.assertIn(line, unit, "the unit's comment shows the drop-in")
        self.machine.drop_in("layby.service", LOW_PORTS)
        self.write({"listen": "127.0.0.7:80"})
        self.machine.run("systemctl", "restart", "layby")
        self.assertEqual(fetch("127.0.0.7:80", "/healthz").status, 200)

    def test_data_survives_a_restart(self) -> None:
        self.pull()
        wait_until(lambda: fetch(f"127.0.0.1:{self.port}", "/stats").json()["store"]["tags"] == 1, "stored tag")
        self.machine.run("systemctl", "restart", "layby")
        self.hub.down()
        self.pull()

    def test_reload_is_a_sighup(self) -> None:
        pid = self.main_pid()
        self.machine.run("systemctl", "reload", "layby")
        wait_until(lambda: "SIGHUP" in self.machine.run("journalctl", "-u", "layby", "-o", "cat"), "its log")
        self.assertEqual(self.main_pid(), pid)

    def test_hung_service_is_restarted(self) -> None:
        self.assertEqual(self.service("WatchdogUSec"), "1min")
        self.machine.drop_in("layby.service", "[Service]\nWatchdogSec=2\n")
        self.machine.run("systemctl", "restart", "layby")
        pid = self.main_pid()
        self.assertEqual(self.wait_for_life(3), pid)
        os.kill(pid, signal.SIGSTOP)
        self.wait_for_another(pid)
        self.assertIn("Watchdog timeout", self.machine.run("journalctl", "-u", "layby", "-o", "cat"))
        self.pull()

    def wait_for_life(self, times: int) -> int:
        """Waits until the service has fed the watchdog `times` times; returns the process."""
        seen: set[str] = set()

        def look() -> bool:
            seen.add(self.service("WatchdogTimestampMonotonic"))
            return len(seen) > times
        wait_until(look, "signs of life")
        return self.main_pid()

    def test_crashed_service_is_restarted(self) -> None:
        pid = self.main_pid()
        os.kill(pid, signal.SIGKILL)
        self.wait_for_another(pid)
        self.pull()

    def test_service_with_faulty_configuration_is_not_retried(self) -> None:
        self.write({"listne": ""})
        self.assertNotEqual(self.machine.ask("systemctl", "restart", "layby").returncode, 0)
        self.assertEqual((self.service("ActiveState"), self.service("ExecMainStatus")), ("failed", "2"))
        self.assertIn("listne", self.machine.run("journalctl", "-u", "layby", "-o", "cat"))

    def test_upgrade_restarts_the_service_and_loses_nothing(self) -> None:
        self.pull()
        wait_until(lambda: fetch(f"127.0.0.1:{self.port}", "/stats").json()["store"]["tags"] == 1, "stored tag")
        pid = self.main_pid()
        self.machine.dpkg("--install", file=next_version(package(), self.machine.home, {}))
        self.assertNotEqual(self.wait_for_another(pid), pid)
        self.hub.down()
        self.pull()

    def test_removal_stops_the_service_and_purge_leaves_nothing(self) -> None:
        self.pull()
        self.machine.dpkg("--remove", "layby")
        self.assertEqual(self.service("ActiveState"), "inactive")
        self.assertTrue((self.machine.tree / "var/lib/layby/blobs").exists())
        self.machine.dpkg("--purge", "layby")
        for path in ("/var/lib/layby", "/etc/layby", "/run/layby", "/lib/systemd/system/layby.service"):
            self.assertNotEqual(self.machine.ask("stat", path).returncode, 0, path)
        self.assertEqual(self.machine.run("systemctl", "list-units", "--all", "--plain", "--no-legend",
                                          "layby*"), "")


if __name__ == "__main__":
    unittest.main(verbosity=2)
