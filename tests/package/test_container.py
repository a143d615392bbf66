#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The container image, in podman and in dockerd: its content, and that it caches.

Each engine has its own storage, which is deleted after the test. Containers share the network of
this machine, so that they reach a hub on loopback.
"""
from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))

from harness import Dockerd, Hub, Podman, fetch, make_image, pull, wait_until  # noqa: E402
from hub import accepts_connections, free_port  # noqa: E402
from view import in_view  # noqa: E402

FILE = ROOT / "build/container/layby.tar"
VERSION = re.search(r"project\(layby VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text())[1]  # type: ignore[index]
IMAGE = f"layby:{VERSION}"
USER = 990
MAX_BYTES = 10_000_000
# By default an engine raises limits and makes control groups, which may be forbidden here.
HERE = ("--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096", "--cgroups", "disabled")
# The strictest options of an engine. Layby can write only to its two volumes.
STRICT = ("--read-only", "--volume", "/run/layby", "--cap-drop", "all", "--security-opt",
          "no-new-privileges")


class ViewingPodman(Podman):
    """Runs all commands in one view of the control groups, with the mounts of the containers."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:9")
        self.start(in_view("echo ready; exec sleep infinity"))
        wait_until(lambda: self.alive() and "ready" in self.log(), "view of the control groups")

    def run_command(self, *command: str, seconds: float = 120) -> str:
        assert self.process
        return super().run_command("nsenter", f"--mount=/proc/{self.process.pid}/ns/mnt", *command,
                                   seconds=seconds)

    def close(self) -> None:
        """Waits for podman's clean-up processes, which outlive their container."""
        if self.process:
            view = os.readlink(f"/proc/{self.process.pid}/ns/mnt") if self.process.poll() is None else ""
            self.stop()
            wait_until(lambda: not any(is_in(process, view) for process in Path("/proc").glob("[0-9]*")),
                       "end of the view")
        super().close()


def is_in(process: Path, namespace: str) -> bool:
    try:
        return os.readlink(process / "ns/mnt") == namespace
    except OSError:
        return False


class TheImage(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        with tarfile.open(FILE) as outer:
            manifest = json.load(outer.extractfile("manifest.json"))  # type: ignore[arg-type]
            cls.names = manifest[0]["RepoTags"]
            cls.config = json.load(outer.extractfile(manifest[0]["Config"]))  # type: ignore[arg-type]
            layer = outer.extractfile(manifest[0]["Layers"][0]).read()  # type: ignore[union-attr]
        cls.layer = tarfile.open(fileobj=io.BytesIO(layer))

    def read(self, name: str) -> str:
        return self.layer.extractfile(name).read().decode()  # type: ignore[union-attr]

    def test_the_image_is_small(self) -> None:
        self.assertLess(FILE.stat().st_size, MAX_BYTES)

    def test_the_image_is_named_after_the_version(self) -> None:
        self.assertEqual(self.names, [f"docker.io/library/{IMAGE}"])

    def test_the_image_has_user_command_port_and_volume(self) -> None:
        told = self.config["config"]
        self.assertEqual((told["User"], told["Entrypoint"], told["Cmd"]),
                         (f"{USER}:{USER}", ["/usr/bin/layby"], ["serve"]))
        self.assertEqual((list(told["ExposedPorts"]), list(told["Volumes"])), (["5000/tcp"], ["/var/lib/layby"]))

    def test_only_its_folders_belong_to_the_user(self) -> None:
        self.assertEqual({m.name for m in self.layer if (m.uid, m.gid) != (0, 0)},
                         {"var/lib/layby", "run/layby"})
        self.assertEqual({(m.uid, m.gid) for m in self.layer if m.name in ("var/lib/layby", "run/layby")},
                         {(USER, USER)})
        self.assertIn(f"layby:x:{USER}:{USER}:", self.read("etc/passwd"))

    def test_certificates_are_only_debians(self) -> None:
        debians = list(Path("/usr/share/ca-certificates/mozilla").glob("*.crt"))
        self.assertEqual(self.read("etc/ssl/certs/ca-certificates.crt").count("BEGIN CERTIFICATE"), len(debians))

    def test_same_sources_make_the_same_image(self) -> None:
        with tempfile.TemporaryDirectory(prefix="layby-test-") as folder:
            made = [Path(folder) / name for name in ("first", "second")]
            for output in made:
                subprocess.run([ROOT / "scripts/container", "--output", output], check=True, capture_output=True)
            first, second = ((output / "layby.tar").read_bytes() for output in made)
            self.assertEqual(first, second)


class InPodman(unittest.TestCase):
    def setUp(self) -> None:
        self.hub = self.enterContext(Hub())
        self.image = make_image(self.hub, "library/app", "1", [1 << 20])
        self.port = free_port()
        self.engine = self.enterContext(ViewingPodman())
        self.config = self.engine.home / "layby.json"
        self.config.write_text(json.dumps({"listen": f"127.0.0.1:{self.port}", "shutdown_grace": "2s",
                                           "upstreams": [{"url": self.hub.url, "requests_per_minute": 0}]}))
        self.addCleanup(self.engine.podman, "rm", "--force", "--all", "--time", "0")
        self.engine.podman("load", "--quiet", "--input", str(FILE))

    def serve(self, *options: str) -> str:
        name = self.engine.podman(
            "run", "--detach", "--network", "host", *HERE, "--log-driver", "k8s-file",
            "--volume", f"{self.config}:/etc/layby/layby.json:ro", "--volume", "cache:/var/lib/layby",
            *options, IMAGE).strip()
        wait_until(lambda: self.is_healthy(name), "healthy container")
        return name

    def is_healthy(self, name: str) -> bool:
        try:
            return fetch(f"127.0.0.1:{self.port}", "/healthz").status == 200
        except OSError:
            if self.inspect(name)["State"]["Status"] != "running":
                raise RuntimeError(self.engine.podman("logs", name)) from None
            return False

    def inspect(self, name: str) -> dict[str, Any]:
        return json.loads(self.engine.podman("container", "inspect", name))[0]

    def pull(self) -> None:
        self.assertEqual(pull(f"127.0.0.1:{self.port}", "library/app", "1"), self.image)

    def wait_until_stored(self) -> None:
        wait_until(lambda: fetch(f"127.0.0.1:{self.port}", "/stats").json()["store"]["tags"] == 1, "stored tag")

    def test_it_caches_as_its_user(self) -> None:
        name = self.serve()
        self.pull()
        pid = self.inspect(name)["State"]["Pid"]
        status = Path(f"/proc/{pid}/status").read_text()
        self.assertEqual(set(re.search(r"Uid:(.*)", status)[1].split()), {str(USER)})  # type: ignore[index]
        self.wait_until_stored()
        self.assertIn("app:1", self.engine.podman("exec", name, "layby", "ls"))

    def test_it_caches_under_the_strictest_options(self) -> None:
        self.serve(*STRICT)
        self.pull()

    def test_it_stops_with_exit_code_0(self) -> None:
        name = self.serve()
        self.engine.podman("stop", "--time", "20", name)
        self.assertEqual(self.inspect(name)["State"]["ExitCode"], 0)

    def test_cache_survives_the_container(self) -> None:
        name = self.serve()
        self.pull()
        self.wait_until_stored()
        self.engine.podman("rm", "--force", "--time", "20", name)
        self.hub.down()
        self.serve()
        self.pull()

    def test_other_commands_run_too(self) -> None:
        said = self.engine.podman("run", "--rm", "--network", "none", *HERE, IMAGE, "version")
        self.assertEqual(said.split()[-1], VERSION)


class InDocker(unittest.TestCase):
    def setUp(self) -> None:
        self.engine = self.enterContext(Dockerd("http://127.0.0.1:9"))
        self.assertIn(IMAGE, self.engine.docker("load", "--input", str(FILE)))

    def test_loaded_image_has_its_user_and_command(self) -> None:
        told = json.loads(self.engine.docker("image", "inspect", IMAGE))[0]["Config"]
        self.assertEqual((told["User"], told["Entrypoint"], told["Cmd"]),
                         (f"{USER}:{USER}", ["/usr/bin/layby"], ["serve"]))

    def test_it_caches_under_the_strictest_options(self) -> None:
        hub = self.enterContext(Hub())
        image = make_image(hub, "library/app", "1", [1 << 20])
        port = free_port()
        config = self.engine.home / "layby.json"
        config.write_text(json.dumps({"listen": f"127.0.0.1:{port}", "upstreams": [{"url": hub.url}]}))
        self.engine.docker("run", "--detach", "--name", "layby", "--network", "host", *STRICT,
                           "--volume", f"{config}:/etc/layby/layby.json:ro", "--volume", "cache:/var/lib/layby", IMAGE)
        self.addCleanup(self.engine.docker, "rm", "--force", "--volumes", "layby")
        wait_until(lambda: self.has_status("running") and accepts_connections("127.0.0.1", port), "listening container")
        self.assertEqual(pull(f"127.0.0.1:{port}", "library/app", "1"), image)
        self.assertIn("pulls", self.engine.docker("exec", "layby", "layby", "status"))
        self.engine.docker("stop", "layby")
        self.assertTrue(self.has_status("exited"))

    def has_status(self, wanted: str) -> bool:
        state = json.loads(self.engine.docker("inspect", "layby"))[0]["State"]
        self.assertEqual((state["Status"], state["ExitCode"]), (wanted, 0), state)
        return True


if __name__ == "__main__":
    unittest.main(verbosity=2)
