#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The stand-in for Docker Hub and the images that tests make, without Layby.

Other tests rely on the behaviour tested here: limits over a sliding window (with a
fake clock), tags that move, indexes as buildx pushes them.
"""
from __future__ import annotations

import json
import tempfile
import unittest
import urllib.request
from pathlib import Path
from typing import Any

from harness import (ACCEPT, OCI_MANIFEST, Headers, Hub, Response, digest_of, fetch, make_image,
                     make_index, parts_of)
from hub import Registry

REPO = "library/app"


class HubTest(unittest.TestCase):
    options: dict[str, Any] = {}

    def setUp(self) -> None:
        self.hub = Hub(**self.options)
        self.addCleanup(self.hub.close)
        self.seconds = 0.0
        self.hub.pulls.now = self.hub.requests_of_late.now = lambda: self.seconds

    def ask(self, path: str, method: str = "GET") -> Response:
        headers: Headers = {**ACCEPT, "Authorization": f"Bearer {self.hub.issue_token(REPO)}"}
        return fetch(self.hub.url.partition("//")[2], path, headers, method)

    def manifest(self, ref: str, method: str = "GET") -> Response:
        return self.ask(f"/v2/{REPO}/manifests/{ref}", method)


class PullLimit(HubTest):
    options = {"pull_limit": 2, "pull_window": 100}

    def setUp(self) -> None:
        super().setUp()
        make_image(self.hub, REPO, "1", [1000])

    def limits(self, answer: Response) -> tuple[str, str]:
        return answer.headers["ratelimit-limit"], answer.headers["ratelimit-remaining"]

    def test_head_and_get_report_the_limit_and_only_get_counts(self) -> None:
        for _ in range(3):
            self.assertEqual(self.limits(self.manifest("1", "HEAD")), ("2;w=100", "2;w=100"))
        self.assertEqual(self.limits(self.manifest("1")), ("2;w=100", "1;w=100"))
        self.assertEqual(self.limits(self.manifest("1", "HEAD")), ("2;w=100", "1;w=100"))

    def test_a_get_above_the_limit_is_429_without_retry_after(self) -> None:
        for _ in range(2):
            self.assertEqual(self.manifest("1").status, 200)
        refused = self.manifest("1")
        self.assertEqual((refused.status, refused.error_code()), (429, "TOOMANYREQUESTS"))
        self.assertNotIn("retry-after", refused.headers)
        self.assertEqual(self.limits(refused), ("2;w=100", "0;w=100"))
        self.assertEqual(self.manifest("1", "HEAD").status, 200)
        self.assertEqual(self.ask(f"/v2/{REPO}/tags/list").status, 200)

    def test_each_pull_counts_for_one_window(self) -> None:
        self.manifest("1")
        self.seconds = 60
        self.manifest("1")
        self.seconds = 99
        self.assertEqual(self.manifest("1").status, 429)
        self.seconds = 100
        self.assertEqual(self.manifest("1").status, 200)
        self.assertEqual(self.manifest("1").status, 429)
        self.assertEqual(self.hub.pulls_counted, 2)


class AbuseLimit(HubTest):
    options = {"request_limit": 3}

    def test_all_requests_count_and_429_has_retry_after(self) -> None:
        make_image(self.hub, REPO, "1", [1000])
        self.manifest("1")
        self.seconds = 20.5
        self.manifest("1", "HEAD")
        self.ask(f"/v2/{REPO}/tags/list")
        refused = self.ask("/v2/")
        self.assertEqual((refused.status, refused.body), (429, b"Too Many Requests\n"))
        self.assertEqual(refused.headers["retry-after"], "40")
        self.assertEqual(self.manifest("1", "HEAD").status, 429)
        self.seconds = 60
        self.assertEqual(self.manifest("1").status, 200)


class MovedTags(HubTest):
    def setUp(self) -> None:
        super().setUp()
        self.one = make_image(self.hub, REPO, "1", [1000])
        self.two = make_image(self.hub, REPO, "2", [1000])

    def test_a_tag_moves_to_another_tag_or_a_digest(self) -> None:
        self.assertEqual(self.hub.move_tag(REPO, "1", "2"), self.two.root)
        self.assertEqual(self.manifest("1").headers["docker-content-digest"], self.two.root)
        self.hub.move_tag(REPO, "1", self.one.root)
        self.assertEqual(digest_of(self.manifest("1").body), self.one.root)
        self.assertEqual(self.ask(f"/v2/{REPO}/tags/list").json()["tags"], ["1", "2"])

    def test_the_control_port_moves_tags_too(self) -> None:
        asked = json.dumps({"repo": REPO, "tag": "new", "to": "2"}).encode()
        urllib.request.urlopen(f"{self.hub.control_url}/_move_tag", asked, timeout=10).close()
        self.assertEqual(self.hub.digest(REPO, "new"), self.two.root)


class RealTags(unittest.TestCase):
    """Tags of a docker-registry's storage, which the hub only reads."""

    def setUp(self) -> None:
        self.storage = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="layby-test-")))
        with Registry(self.storage) as registry:
            self.digests = [self.push(registry, tag) for tag in ("1", "2")]

    def push(self, registry: Registry, tag: str) -> str:
        config = json.dumps({"comment": tag}).encode()
        _, headers, _ = registry.request("POST", f"/v2/{REPO}/blobs/uploads/")
        where = headers["location"].partition(str(registry.port))[2]
        registry.request("PUT", f"{where}&digest={digest_of(config)}", config)
        manifest = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": [], "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json", "size": len(config),
            "digest": digest_of(config)}}).encode()
        status, headers, body = registry.request("PUT", f"/v2/{REPO}/manifests/{tag}", manifest,
                                                 {"Content-Type": OCI_MANIFEST})
        self.assertEqual(status, 201, body)
        return headers["docker-content-digest"]

    def test_a_moved_tag_is_moved_for_this_hub_only(self) -> None:
        with Hub(self.storage) as hub:
            hub.move_tag(REPO, "1", "2")
            self.assertEqual([hub.digest(REPO, tag) for tag in ("1", "2")], [self.digests[1]] * 2)
            self.assertEqual(hub.tags(REPO), ["1", "2"])
        with Hub(self.storage) as hub:
            self.assertEqual([hub.digest(REPO, tag) for tag in ("1", "2")], self.digests)


class Indexes(HubTest):
    PLATFORMS = ["linux/amd64", "linux/arm/v7"]

    def make(self, tag: str, **options: Any) -> Any:
        return make_index(self.hub, REPO, tag, self.PLATFORMS, [1000, 10], **options)

    def test_each_platform_has_its_own_manifest_config_and_layers(self) -> None:
        made = self.make("1")
        index = self.manifest("1").json()
        self.assertEqual([child["platform"] for child in index["manifests"]],
                         [{"architecture": "amd64", "os": "linux"},
                          {"architecture": "arm", "os": "linux", "variant": "v7"}])
        self.assertEqual([child["digest"] for child in index["manifests"]],
                         list(made.manifests.values()))
        self.assertEqual(made.parts("linux/amd64"), parts_of(self.hub, REPO, "1", "amd64"))
        blobs = [set(made.blobs[platform]) for platform in self.PLATFORMS]
        self.assertEqual(blobs[0] & blobs[1], set())
        self.assertEqual([len(one) for one in blobs], [3, 3])

    def test_attestations_come_last_and_name_their_manifests(self) -> None:
        made = self.make("1", attestations=True)
        last = self.manifest("1").json()["manifests"][2:]
        self.assertEqual({child["digest"] for child in last}, set(made.attestations.values()))
        for platform, child in zip(self.PLATFORMS, last):
            self.assertEqual(child["platform"], {"architecture": "unknown", "os": "unknown"})
            self.assertEqual(child["annotations"], {
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": made.manifests[platform]})
            self.assertEqual(self.manifest(child["digest"]).status, 200)

    def test_images_on_one_base_share_only_the_base(self) -> None:
        one, two = self.make("1", base=7), self.make("2", base=7)
        for platform in self.PLATFORMS:
            self.assertEqual(one.layers[platform][0], two.layers[platform][0])
            self.assertEqual(set(one.blobs[platform]) & set(two.blobs[platform]),
                             {one.layers[platform][0]})

    def test_the_same_seed_makes_the_same_index(self) -> None:
        self.assertEqual(self.make("1"), self.make("1"))
        self.assertNotEqual(self.make("1").root, self.make("1", seed=1).root)


if __name__ == "__main__":
    unittest.main(verbosity=2)
