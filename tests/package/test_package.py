#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Debian package: its content, and the files after installing, upgrading and removing it.

Each test installs the package of scripts/package in its own Debian 12.
"""
from __future__ import annotations

import gzip
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from debian_root import (ROOT, BaseSystem, System, field, next_version, package, run)

from harness import Hub, Program, fetch, make_image, pull, wait_until  # noqa: E402
from hub import free_port  # noqa: E402

UNIT = "lib/systemd/system/layby.service"
MAX_EXPOSURE = 1.1  # systemd's scale ends at 10. A cache needs the network, which adds 0.9.
# Files that may stay after a removal: dpkg's records, and the files that list the users.
BOOKS = re.compile(r"(var/lib/(dpkg|systemd)|var/log|var/cache|run|dev|root)(/|$)|"
                   r"etc/(passwd|group|shadow|gshadow)-?$|etc/\.pwd\.lock$|etc/subuid|etc/subgid")

base: BaseSystem


def setUpModule() -> None:
    global base
    base = BaseSystem()
    unittest.addModuleCleanup(base.close)


def owner(system: System, path: str) -> tuple[str, str, int]:
    return tuple(system.run("stat", "-c", "%U %G %a", path).split())  # type: ignore[return-value]


def files(system: System) -> set[str]:
    found = {str(path.relative_to(system.tree)) for path in system.tree.rglob("*")}
    return {path for path in found if not BOOKS.match(path)}


class ThePackage(unittest.TestCase):
    def test_lintian_has_nothing_to_say(self) -> None:
        run("lintian", "--allow-root", "--fail-on", "error,warning", package())

    def test_same_sources_make_the_same_package(self) -> None:
        with tempfile.TemporaryDirectory(prefix="layby-test-") as folder:
            made = [Path(folder) / name for name in ("first", "second")]
            for output in made:
                run(ROOT / "scripts/package", "--output", output)
            first, second = ((output / package().name).read_bytes() for output in made)
            self.assertEqual(first, second)

    def test_package_and_program_have_the_same_version(self) -> None:
        with System(base) as system:
            system.dpkg("--install", file=package())
            self.assertEqual(system.run("layby", "version").split()[-1], field(package(), "Version"))

    def test_every_command_is_in_the_manual_page(self) -> None:
        page = (ROOT / "firmware/debian/man/layby.1").read_text()
        with System(base) as system:
            system.dpkg("--install", file=package())
            said = system.run("layby", "--help").split("Subcommands:")[1].split("Exit codes")[0]
        for command in re.findall(r"(?m)^  ([a-z]+) ", said):
            self.assertRegex(page, rf"(?m)^\.BR? \"?{command}\b", command)

    def test_manual_pages_have_no_mistakes(self) -> None:
        with tempfile.TemporaryDirectory(prefix="layby-test-") as folder:
            run("dpkg-deb", "--extract", package(), folder)
            pages = sorted(Path(folder).glob("usr/share/man/man*/*.gz"))
            self.assertEqual([page.name for page in pages], ["layby.1.gz", "layby.json.5.gz"])
            for page in pages:
                text = gzip.decompress(page.read_bytes())
                self.assertNotIn(b"@", text.replace(b"debian@", b""))
                done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z"], input=text, capture_output=True)
                self.assertEqual(done.stderr.decode(), "")


class AnInstallation(unittest.TestCase):
    def setUp(self) -> None:
        self.system = System(base)
        self.addCleanup(self.system.close)
        self.system.dpkg("--install", file=package())
        self.config = self.system.tree / "etc/layby/layby.json"

    def test_files_have_their_owners_and_modes(self) -> None:
        wanted = {"/usr/bin/layby": ("root", "root", "755"), f"/{UNIT}": ("root", "root", "644"),
                  "/etc/layby": ("root", "root", "755"),
                  "/etc/layby/layby.json": ("root", "root", "644"),
                  "/etc/layby/prefetch.json": ("root", "root", "644"),
                  "/var/lib/layby": ("layby", "layby", "750")}
        self.assertEqual({path: owner(self.system, path) for path in wanted}, wanted)
        self.assertEqual(self.system.dpkg("--verify", "layby"), "")

    def test_user_can_not_log_in(self) -> None:
        name, _, number, _, _, home, shell = self.system.run("getent", "passwd", "layby").strip().split(":")
        self.assertEqual((name, home, shell), ("layby", "/var/lib/layby", "/usr/sbin/nologin"))
        self.assertLess(int(number), 1000)

    def test_service_is_enabled(self) -> None:
        self.assertEqual(self.system.run("systemctl", "is-enabled", "layby").strip(), "enabled")

    def test_configuration_has_no_faults(self) -> None:
        said = self.system.run("layby", "config", "check")
        self.assertIn("the configuration is fine", said)
        self.assertIn("/etc/layby/prefetch.json is fine", said)

    def test_configuration_is_the_defaults(self) -> None:
        shown = self.system.run("layby", "config", "show")
        self.config.unlink()
        self.assertEqual(self.system.run("layby", "config", "show"), shown)

    def test_unit_is_sound(self) -> None:
        self.assertEqual(self.system.run("systemd-analyze", "verify", "--man=no", f"/{UNIT}"), "")

    def test_unit_is_sandboxed(self) -> None:
        self.system.run("systemd-analyze", "security", "--offline=true",
                        f"--threshold={round(MAX_EXPOSURE * 10)}", f"/{UNIT}")

    def test_program_serves_as_the_user(self) -> None:
        with Hub() as hub, Program("layby") as layby:
            image = make_image(hub, "library/app", "1", [1 << 20])
            port = free_port()
            self.config.write_text(f"""{{"listen": "127.0.0.1:{port}", "socket": "/var/lib/layby/layby.sock",
                "upstreams": [{{"url": "{hub.url}"}}]}}""")
            _, _, user, group, *_ = self.system.run("getent", "passwd", "layby").split(":")
            layby.start(["chroot", f"--userspec={user}:{group}", str(self.system.tree), "/usr/bin/layby",
                         "serve"])
            wait_until(lambda: layby.alive() and "listening on" in layby.log(), "layby")
            self.assertEqual(pull(f"127.0.0.1:{port}", "library/app", "1"), image)

    # -- upgrade and removal

    def test_upgrade_keeps_edited_files(self) -> None:
        edited = self.config.read_text().replace("// \"listen\": \"0.0.0.0:5000\",", "\"listen\": \"127.0.0.1:5001\",")
        self.assertNotEqual(edited, self.config.read_text())
        self.config.write_text(edited)
        new = next_version(package(), self.system.home, {"etc/layby/prefetch.json": "{}\n"})
        self.system.dpkg("--install", file=new)
        self.assertEqual(self.config.read_text(), edited)
        self.assertEqual((self.system.tree / "etc/layby/prefetch.json").read_text(), "{}\n")

    def test_upgrade_puts_changed_files_beside_edited_files(self) -> None:
        self.config.write_text("{}\n")
        new = next_version(package(), self.system.home, {"etc/layby/layby.json": "{ }\n"})
        self.system.dpkg("--force-confold", "--install", file=new)
        self.assertEqual(self.config.read_text(), "{}\n")
        self.assertEqual(self.config.with_name("layby.json.dpkg-dist").read_text(), "{ }\n")

    def test_disabled_service_stays_disabled(self) -> None:
        self.system.run("systemctl", "disable", "layby")
        self.system.dpkg("--install", file=next_version(package(), self.system.home, {}))
        enabled = self.system.tree / "etc/systemd/system/multi-user.target.wants/layby.service"
        self.assertFalse(os.path.lexists(enabled))

    def test_removal_keeps_cache_and_configuration(self) -> None:
        blob = self.system.tree / "var/lib/layby/blob"
        blob.write_text("cached")
        self.config.write_text("{}\n")
        self.system.dpkg("--remove", "layby")
        self.assertEqual((blob.read_text(), self.config.read_text()), ("cached", "{}\n"))
        self.assertFalse((self.system.tree / "usr/bin/layby").exists())
        self.system.dpkg("--install", file=package())
        self.assertEqual((blob.read_text(), self.config.read_text()), ("cached", "{}\n"))
        self.assertEqual(self.system.run("systemctl", "is-enabled", "layby").strip(), "enabled")

    def test_purge_leaves_nothing_but_the_user(self) -> None:
        (self.system.tree / "var/lib/layby/blob").write_text("cached")
        (self.system.tree / "etc/layby/layby.key").write_text("secret")
        self.system.dpkg("--purge", "layby")
        with System(base) as untouched:
            self.assertEqual(files(self.system), files(untouched))
        self.assertIn("layby", self.system.run("getent", "passwd", "layby"))
        self.assertEqual(list((self.system.tree / "var/lib/systemd").rglob("*layby*")), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
