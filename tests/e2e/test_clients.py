#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real container engines pull real images through Layby.

dockerd, skopeo, podman and containerd each pull cold, warm, with the origin down, and
with the origin down after a restart of Layby.  The client must record the origin's
digest, and the origin's log shows the cost of each pull.
"""
from __future__ import annotations

import contextlib
import io
import json
import os
import random
import subprocess
import tarfile
import time
import unittest
from pathlib import Path
from typing import Iterator

from harness import (ACCEPT, CLIENTS, OCI_MANIFEST, Client, Containerd, EndToEnd, Layby, Podman,
                     PullFailed, Skopeo, add_image, digest_of, make_index, native_architecture,
                     parts_of, quiet_environment, wait_for_link, wait_until)


class RealClients(EndToEnd):
    real_images = True
    config = {"tags": {"fresh_for": "0s"}}  # each pull asks the origin whether the tag has moved

    def client(self, name: str) -> Client:
        made = CLIENTS[name](self.layby.url)
        self.addCleanup(made.close)
        return made

    def expected(self, client: Client, image: str) -> str:
        repo, _, tag = image.partition(":")
        parts = parts_of(self.hub, f"library/{repo}", tag)
        return parts.manifests[-1] if isinstance(client, Skopeo) else parts.root

    def assert_pulls(self, client: Client, image: str) -> None:
        self.assertEqual(client.pull(image), self.expected(client, image), image)
        client.forget(image)

    def story(self, name: str) -> None:
        client, image = self.client(name), "debian:multi"

        with self.subTest("cold: one upstream GET for each manifest and blob"):
            self.assert_pulls(client, image)
            self.assert_fetched_once(parts_of(self.hub, "library/debian", "multi"))
            self.assert_no_credentials_at_cdn()

        with self.subTest("warm: nothing but free HEADs goes upstream"):
            self.hub.reset()
            self.assert_pulls(client, image)
            costly = [e for e in self.hub.requests()
                      if e["kind"] not in ("token", "ping") and e["method"] != "HEAD"]
            self.assertEqual(costly, [])

        with self.subTest("the origin is down"):
            self.hub.down()
            self.assert_pulls(client, image)

        with self.subTest("the origin is down and Layby was restarted"):
            self.layby.restart()
            self.assert_pulls(client, image)

    def test_dockerd(self) -> None:
        self.story("dockerd")

    def test_skopeo(self) -> None:
        self.story("skopeo")

    def test_podman(self) -> None:
        self.story("podman")

    def test_containerd(self) -> None:
        self.story("containerd")

    def test_an_image_on_a_cached_base_costs_only_its_own_layers(self) -> None:
        client = self.client("skopeo")
        base = parts_of(self.hub, "library/debian", "bookworm")
        python = parts_of(self.hub, "library/python", "3.11")
        shared = set(base.blobs) & set(python.blobs)
        self.assertTrue(shared, "the images should share the base's layer")

        self.assert_pulls(client, "debian:bookworm")
        self.assert_pulls(client, "python:3.11")

        self.assert_fetched_once(base, python)

    def test_every_form_of_image_reaches_every_client(self) -> None:
        # Only skopeo pulls zstd layers, because Debian 12's dockerd can't read zstd.
        forms = ["busybox:1", "busybox:plain", "busybox:empty-layer", "legacy:1", "legacy:list"]
        for name in CLIENTS:
            client = self.client(name)
            for image in forms + (["debian:zstd"] if name == "skopeo" else []):
                with self.subTest(client=name, image=image):
                    self.assert_pulls(client, image)
        self.assert_nothing_twice()

    def test_artifacts_and_empty_blobs_are_copied(self) -> None:
        client = self.client("skopeo")
        for image in ("art:1", "art:zero-bytes"):
            with self.subTest(image=image):
                self.assert_pulls(client, image)

    def test_a_get_of_a_cached_tag_costs_no_pull(self) -> None:
        """podman and skopeo GET a tag without HEAD; such a GET must not cost a pull either."""
        client = self.client("skopeo")
        self.assert_pulls(client, "busybox:1")
        counted = self.hub.pulls_counted
        for _ in range(3):
            self.assert_pulls(client, "busybox:1")
        self.assertEqual(self.hub.pulls_counted, counted)

    # -- faults, as real clients see them; each on a cold Layby

    @contextlib.contextmanager
    def cold(self, name: str) -> Iterator[Client]:
        with self.subTest(client=name), Layby(self.hub, self.config) as layby, \
                CLIENTS[name](layby.url) as client:
            yield client
        self.hub.up()
        self.hub.reset()

    def test_clients_do_not_notice_a_cut_transfer(self) -> None:
        for name in CLIENTS:
            with self.cold(name) as client:
                cut = self.hub.fault("cut", "/registry-v2/", port="cdn", after=100, times=2)
                self.assert_pulls(client, "busybox:1")
                self.assertEqual(cut.times, 0, "nothing was cut")

    def test_a_corrupt_layer_is_never_accepted_and_the_next_pull_is_whole(self) -> None:
        blobs = parts_of(self.hub, "library/busybox", "1").blobs
        layer = max(blobs, key=lambda digest: blobs[digest])
        for name in CLIENTS:
            with self.cold(name) as client:
                corrupt = self.hub.fault("corrupt", layer, port="cdn", offset=100)
                try:
                    self.assert_pulls(client, "busybox:1")  # dockerd retries by itself
                except PullFailed:
                    # containerd 1.6 keeps the refused bytes and refuses the bytes again at its next
                    # pull, even from Docker Hub itself. So another containerd makes the next pull.
                    with CLIENTS[name](client.mirror) as next_one:
                        self.assert_pulls(next_one if name == "containerd" else client, "busybox:1")
                self.assertEqual(corrupt.times, 0, "nothing was corrupt")

    def test_an_uncached_pull_fails_promptly_when_the_origin_is_down(self) -> None:
        for name in CLIENTS:
            with self.cold(name) as client:
                self.hub.down()
                started = time.monotonic()
                with self.assertRaises(PullFailed):
                    client.pull("busybox:1")
                self.assertLess(time.monotonic() - started, 30)
                self.hub.up()
                wait_for_link(client.mirror.removeprefix("http://"))
                self.assert_pulls(client, "busybox:1")

    def test_a_spent_pull_limit_fails_promptly_without_429(self) -> None:
        for name in CLIENTS:
            with self.cold(name) as client:
                self.hub.fault("throttle", "/manifests/", text="pull", times=-1)
                started = time.monotonic()
                with self.assertRaises(PullFailed) as caught:
                    client.pull("busybox:1")
                self.assertLess(time.monotonic() - started, 30)
                self.assertNotRegex(str(caught.exception), "(?i)too ?many ?requests")


class Inspection(EndToEnd):
    """Tools that look at an index while the hub is down."""

    config = {"tags": {"fresh_for": "0s"}}
    NATIVE, OTHER = f"linux/{native_architecture()}", "linux/s390x"

    def setUp(self) -> None:
        super().setUp()
        self.index = make_index(self.hub, "library/app", "1", [self.NATIVE, self.OTHER], [1000],
                                attestations=True)
        self.pull("app:1")
        self.layby.settle()

    def tool(self, *command: str) -> subprocess.CompletedProcess[str]:
        (self.layby.home / "config.json").write_text("{}")
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60, env={**os.environ, **quiet_environment(self.layby.home)})

    def docker_inspect(self) -> subprocess.CompletedProcess[str]:
        """`docker manifest inspect` fetches all manifests of an index and their configurations."""
        return self.tool("docker", "manifest", "inspect", "--insecure",
                         f"{self.layby.authority}/library/app:1")

    def test_skopeo_shows_a_cached_index(self) -> None:
        self.hub.down()
        shown = self.tool("skopeo", "inspect", "--raw", "--tls-verify=false",
                          f"docker://{self.layby.authority}/library/app:1")
        self.assertEqual(digest_of(shown.stdout.encode()), self.index.root, shown.stderr)

    def test_docker_shows_an_index_whose_manifests_are_cached(self) -> None:
        online = self.docker_inspect()
        self.assertEqual(online.returncode, 0, online.stderr)
        manifests = {*self.index.manifests.values(), *self.index.attestations.values()}
        wait_until(lambda: self.layby.stats()["store"]["manifests"] == 1 + len(manifests)
                   and not self.layby.stats()["fills"], "all parts to be stored")
        self.hub.down()
        self.layby.restart()

        offline = self.docker_inspect()

        self.assertEqual((offline.returncode, offline.stdout), (0, online.stdout), offline.stderr)
        named = {one["digest"] for one in json.loads(offline.stdout)["manifests"]}
        self.assertEqual(named, manifests)

    def test_the_refusal_names_the_missing_platform(self) -> None:
        self.hub.down()
        with Containerd(self.layby.url) as client, self.assertRaises(PullFailed) as failed:
            client.ctr("content", "fetch", "--hosts-dir", str(client.home / "hosts"),
                       "--platform", self.OTHER, "docker.io/library/app:1")
        self.assertIn("the manifest for linux/s390x isn't cached: ", str(failed.exception))
        for what, digest in ((self.OTHER, self.index.manifests[self.OTHER]),
                             (f"attestation of {self.NATIVE}", self.index.attestations[self.NATIVE])):
            got = self.layby.get(f"/v2/library/app/manifests/{digest}", ACCEPT)
            self.assertEqual((got.status, got.error_code()), (503, "UNAVAILABLE"))
            self.assertIn(f"the manifest for {what} isn't cached", got.body.decode())

    def test_a_platform_that_upstream_lacks_is_named(self) -> None:
        missing = self.index.manifests[self.OTHER]
        self.hub.fault("status", f"manifests/{missing}", status=404, times=-1)
        got = self.layby.get(f"/v2/library/app/manifests/{missing}", ACCEPT)
        self.assertEqual((got.status, got.error_code()), (404, "MANIFEST_UNKNOWN"))
        self.assertIn("the manifest for linux/s390x isn't cached", got.body.decode())


class PartialPulls(EndToEnd):
    """podman asks for the parts of a zstd:chunked layer that it doesn't have."""

    FILES = 60
    CHANGED = (5, 20, 41)

    def setUp(self) -> None:
        super().setUp()
        self.podman = Podman(self.layby.url)
        self.addCleanup(self.podman.close)
        self.home = self.podman.home
        self.storage = self.home / "storage.conf"
        self.storage.write_text(f"""[storage]
driver = "overlay"
graphroot = "{self.home}/root"
runroot = "{self.home}/run"
[storage.options]
pull_options = {{enable_partial_images = "true", use_hard_links = "false", ostree_repos = ""}}
""")

    def run_podman(self, *arguments: str) -> str:
        # podman ignores pull_options if --root is given.
        return self.podman.run_command(
            "env", f"CONTAINERS_STORAGE_CONF={self.storage}",
            f"CONTAINERS_REGISTRIES_CONF={self.home}/registries.conf", "podman",
            "--cgroup-manager", "cgroupfs", "--events-backend", "none", *arguments)

    def files(self, changed: tuple[int, ...]) -> dict[str, bytes]:
        return {f"file{i}": random.Random(1000 + i if i in changed else i).randbytes(40_000)
                for i in range(self.FILES)}

    def add(self, tag: str, files: dict[str, bytes]) -> str:
        """Adds an image with one zstd:chunked layer, and returns the layer's digest."""
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode="w") as archive:
            for name, data in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
            end = archive.offset + 2 * tarfile.BLOCKSIZE
        # skopeo's zstd:chunked takes no padding behind the two blocks that end an archive.
        add_image(self.hub, "library/plain", tag, [layer.getvalue()[:end]])
        copied = self.home / f"chunked-{tag}"
        self.podman.run_command(
            "skopeo", "--insecure-policy", "--registries-conf", f"{self.home}/registries.conf",
            "copy", "--dest-compress-format", "zstd:chunked",
            f"docker://docker.io/library/plain:{tag}", f"oci:{copied}")
        blobs = copied / "blobs/sha256"
        root = json.loads((copied / "index.json").read_text())["manifests"][0]["digest"]
        manifest = (blobs / root.removeprefix("sha256:")).read_bytes()
        parts = json.loads(manifest)
        for part in [parts["config"], *parts["layers"]]:
            self.hub.add_blob((blobs / part["digest"].removeprefix("sha256:")).read_bytes())
        self.hub.add_manifest("library/chunked", manifest, OCI_MANIFEST, tag)
        return parts["layers"][0]["digest"]

    def pull(self, tag: str) -> int:
        """Pulls the image, and returns the bytes that Layby sent."""
        before = self.layby.stats()["counters"]["client_bytes_sent"]
        self.run_podman("pull", "--quiet", "--signature-policy", f"{self.home}/policy.json",
                        f"docker.io/library/chunked:{tag}")
        return self.layby.stats()["counters"]["client_bytes_sent"] - before

    def test_podman_takes_only_the_files_that_it_lacks(self) -> None:
        files = self.files(self.CHANGED)
        layers = self.add("1", self.files(())), self.add("2", files)
        for layer in layers:
            self.assertEqual(self.layby.get(f"/v2/library/chunked/blobs/{layer}").status, 200)

        whole, part = self.pull("1"), self.pull("2")

        self.assertGreater(whole, self.FILES * 40_000)
        self.assertLess(part, len(self.CHANGED) * 40_000 + 50_000)
        image = "docker.io/library/chunked:2"
        folder = Path(self.run_podman("image", "mount", image).strip())
        self.addCleanup(self.run_podman, "image", "umount", image)
        self.assertEqual({file.name: file.read_bytes() for file in folder.iterdir()}, files)


if __name__ == "__main__":
    unittest.main(verbosity=2)
