#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`layby check` says where a container engine gets an image from, and why not from Layby.

The engines' files have the lines that README.md tells users to write.
"""
from __future__ import annotations

import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import ROOT, EndToEnd, layby_command, make_image

ENGINES = ("docker", "containerd", "podman", "buildkit")


def readme_files(authority: str) -> dict[str, str]:
    """The files that README.md shows for clients, with `authority` as the box."""
    text = (ROOT / "README.md").read_text()
    section = text[text.index("## Set it as a mirror"):text.index("## HTTPS")]
    files = re.findall(r"in `(/etc/[^`]*)`.*?```\w+\n(.*?)```", section, re.S)
    return {path: content.replace("BOX:5000", authority) for path, content in files}


class Check(EndToEnd):
    def setUp(self) -> None:
        super().setUp()
        make_image(self.hub, "library/app", "1", [1000])
        folder = tempfile.TemporaryDirectory(prefix="layby-check-")
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def write(self, path: str, content: str) -> None:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    def write_all(self) -> None:
        for path, content in readme_files(self.layby.authority).items():
            self.write(path, content)
        self.write("/etc/containerd/config.toml", """
[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "/etc/containerd/certs.d"
""")
        self.write("/etc/containers/registries.conf", 'unqualified-search-registries = ["docker.io"]')

    def check(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return layby_command("check", *arguments, "--root", str(self.root), seconds=60)

    def test_with_the_lines_of_the_readme_each_engine_uses_layby(self) -> None:
        self.write_all()
        said = self.check("app:1")
        for engine in ENGINES:
            self.assertIn(f"{engine} gets app:1 from the Layby at {self.layby.url}.", said.stdout)
        self.assertNotIn("Note:", said.stdout)
        self.assertEqual(said.returncode, 0)

    def test_one_engine_is_checked_alone(self) -> None:
        self.write_all()
        said = self.check("app:1", "--from", "podman")
        self.assertEqual(said.stdout.count(" gets app:1 from the Layby"), 1)

    def test_layby_that_does_not_run_is_named_with_the_reason(self) -> None:
        self.write_all()
        self.layby.stop()
        for engine in ENGINES:
            said = self.check("app:1", "--from", engine)
            self.assertIn(f"{engine} doesn't get app:1 from a Layby: {self.layby.url} doesn't answer: "
                          "Connection refused.", said.stdout)
            self.assertEqual(said.returncode, 1)

    def test_layby_that_refuses_the_image_says_why(self) -> None:
        self.write_all()
        said = self.check("acme/tool:1", "--from", "docker")
        self.assertRegex(said.stdout, r"doesn't get acme/tool:1 from a Layby: \S+ a Layby; answers 403: .*allow")
        self.assertEqual(said.returncode, 1)

    def test_mirror_that_is_no_layby_is_told_apart(self) -> None:
        self.write("/etc/docker/daemon.json", f'{{"registry-mirrors": ["{self.hub.url}"]}}')
        said = self.check("app:1", "--from", "docker")
        self.assertIn(f"{self.hub.url} answers, and wants a token", said.stdout)
        self.assertIn("docker doesn't get app:1 from a Layby", said.stdout)

    def test_engine_without_a_mirror_is_told_what_to_write(self) -> None:
        said = self.check("app:1", "--from", "docker")
        self.assertIn("docker doesn't get app:1 from a Layby: /etc/docker/daemon.json doesn't exist; "
                      "write it with registry-mirrors.", said.stdout)
        self.assertEqual(said.returncode, 1)

    def test_machine_without_engines_is_an_error(self) -> None:
        said = self.check("app:1")
        self.assertIn("no container engine has a configuration here", said.stderr)
        self.assertEqual(said.returncode, 1)

    def test_file_that_its_engine_can_not_read_is_named(self) -> None:
        self.write("/etc/containers/registries.conf", "[[registry]\n")
        said = self.check("app:1", "--from", "podman")
        self.assertIn("podman: /etc/containers/registries.conf line 1:", said.stderr)
        self.assertEqual(said.returncode, 1)


if __name__ == "__main__":
    unittest.main()
