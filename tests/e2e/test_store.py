#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An operator's commands: `layby pin`, `unpin`, `evict` and `ls` against the running daemon.
test_store_space.py tests the limits of the cache."""
from __future__ import annotations

import json
import re
import unittest
from typing import Any

from disks import blob_file
from harness import (CLIENTS, OCI_INDEX, EndToEnd, Parts, PullFailed, add_image, make_image,
                     make_index, native_architecture, wait_until)

MIB = 1 << 20
NATIVE = f"linux/{native_architecture()}"


class Orders(EndToEnd):
    hub_options = {"pull_limit": None}
    config = {"cache": {"max_bytes": "24MiB", "min_free_bytes": "1MiB"}, "tags": {"fresh_for": "0s"}}

    def order(self, *words: str, code: int = 0) -> str:
        """Runs a command that must exit with `code`; returns the output of both streams."""
        done = self.layby.command(*words, "--socket", str(self.layby.socket_path))
        said = done.stdout + done.stderr
        self.assertEqual(done.returncode, code, f"layby {' '.join(words)}: {said}")
        return said

    def listed(self) -> dict[str, dict[str, Any]]:
        answer = json.loads(self.order("ls", "--json"))
        return {image["image"]: image for image in answer["images"]}

    def make(self, name: str, *layer_bytes: int, seed: int = 0) -> Parts:
        return make_image(self.hub, f"library/{name}", "1", list(layer_bytes), seed=seed)

    def overfill(self) -> None:
        """Pulls twice as much as max_bytes."""
        for i in range(12):
            image = self.make(f"filler{i}", 4 * MIB)
            # Each filler is pulled twice, because content used within two minutes is evicted last.
            # The first pull isn't always counted as a use: its manifest may come to the disk late.
            self.assertEqual(self.pull(f"filler{i}:1"), image)
            self.assertEqual(self.pull(f"filler{i}:1"), image)
        wait_until(lambda: self.layby.stats()["fills"] == [], "end of the downloads")

    def assert_gone(self, image: str) -> None:
        with self.assertRaises(PullFailed):
            self.pull(image)

    def stored(self, parts: Parts) -> set[str]:
        return {digest for digest in parts.blobs if blob_file(self.layby, digest).exists()}

    def assert_layers_gone(self, parts: Parts) -> None:
        """Checks only layers, because a small config stays longer than a layer."""
        self.assertEqual([d for d in self.stored(parts) if parts.blobs[d] >= MIB], [])


class Pins(Orders):
    def test_pinned_images_survive_an_overflowing_cache(self) -> None:
        cached, coming = self.make("cached", 3 * MIB, 1000), self.make("coming", 3 * MIB)
        plain = self.make("plain", 3 * MIB)
        self.pull("cached:1")
        self.layby.settle()
        self.assertIn("cached:1 is pinned\n", self.order("pin", "cached:1"))
        self.assertIn("isn't cached yet", self.order("pin", "library/coming:1"))
        self.assertIn("coming:1", self.order("ls").partition("Pinned, not cached yet:")[2])
        self.pull("coming:1")
        self.pull("plain:1")

        self.overfill()

        self.assertGreater(self.layby.stats()["counters"]["evicted_bytes"], 20 * MIB)
        self.hub.down()
        self.assertEqual(self.pull("cached:1"), cached)
        self.assertEqual(self.pull("coming:1"), coming)
        self.assert_layers_gone(plain)
        self.assert_gone("plain:1")

    def test_a_pin_follows_its_tag(self) -> None:
        before = self.make("app", 3 * MIB)
        self.pull("app:1")
        self.layby.settle()
        self.order("pin", "app:1")
        after = self.make("app", 3 * MIB, seed=1)
        self.assertEqual(self.pull("app:1"), after)

        self.overfill()

        self.assertEqual(self.stored(after), set(after.blobs))
        self.assert_layers_gone(before)
        self.hub.down()
        self.assertEqual(self.pull("app:1"), after)

    def test_pins_survive_a_restart_until_unpin(self) -> None:
        image = self.make("app", 3 * MIB)
        self.pull("app:1")
        self.layby.settle()
        self.order("pin", "app:1")
        self.layby.restart()
        self.assertTrue(self.listed()["app:1"]["pinned"])

        self.order("unpin", "app:1")

        self.assertFalse(self.listed()["app:1"]["pinned"])
        self.overfill()
        self.assert_layers_gone(image)


class Evictions(Orders):
    def test_evict_refuses_pinned_images(self) -> None:
        image = self.make("app", MIB)
        self.pull("app:1")
        self.layby.settle()
        self.order("pin", "app:1")

        self.assertIn("pinned", self.order("evict", "app:1", code=1))

        self.assertEqual(self.stored(image), set(image.blobs))
        self.order("unpin", "app:1")
        self.order("evict", "app:1")
        self.assertEqual(self.stored(image), set())
        self.assertIn("not cached", self.order("evict", "app:1", code=1))

    def test_evict_spares_a_layer_that_another_image_needs(self) -> None:
        base, own = b"base" * MIB, b"own" * MIB
        one = add_image(self.hub, "library/one", "1", [base, own], comment="one")
        two = add_image(self.hub, "library/two", "1", [base], comment="two")
        self.pull("one:1")
        self.pull("two:1")
        self.layby.settle(2)

        said = self.order("evict", "one:1")

        self.assertIn("one:1 is evicted: 2 blobs, 3.1 MB freed", said)  # its config and its layer
        self.assertEqual(self.stored(one), set(one.blobs) & set(two.blobs))
        self.assertNotIn("one:1", self.listed())
        self.hub.down()
        self.assertEqual(self.pull("two:1"), two)
        self.assert_gone("one:1")
        self.bring_hub_up()
        self.assertEqual(self.pull("one:1"), one)

    def test_evict_bytes_frees_that_much_and_fails_when_it_cannot(self) -> None:
        self.make("app0", 4 * MIB)
        self.make("app1", 4 * MIB)
        pinned = self.make("kept", MIB)
        for image in ("app0:1", "app1:1", "kept:1"):
            self.pull(image)
        self.layby.settle(3)
        self.order("pin", "kept:1")

        self.assertIn("freed", self.order("evict", "--bytes", "3MiB"))

        stored = self.layby.stats()["store"]["blob_bytes"]
        self.assertLess(stored, 6 * MIB)
        self.assertGreater(stored, 4 * MIB)
        self.assertIn("nothing more can go", self.order("evict", "--bytes", "1GiB", code=1))
        self.assertEqual(self.layby.stats()["store"]["blob_bytes"], pinned.blob_bytes)
        self.assertEqual(self.pull("kept:1"), pinned)


class Lists(Orders):
    def test_ls_shows_names_sizes_shared_bytes_platforms_and_pins(self) -> None:
        base = b"base" * MIB
        one = add_image(self.hub, "library/one", "1", [base, b"own" * MIB], comment="one")
        two = add_image(self.hub, "library/two", "1", [base], comment="two")
        many = self.make("many", MIB)
        body = self.hub.manifest("library/many", many.root)
        assert body
        other = self.make("other", 2 * MIB)
        parts = [{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest,
                  "size": len(body[1]), "platform": {"os": "linux", "architecture": architecture}}
                 for digest, architecture in ((many.root, "amd64"), (other.root, "arm64"))]
        index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": parts}).encode()
        self.hub.add_manifest("library/many", index, OCI_INDEX, "1")
        for image in ("one:1", "two:1", "many:1"):
            self.pull(image)
        self.layby.settle(3)
        self.order("pin", "two:1", "absent:1")

        images = self.listed()
        table = self.order("ls")

        self.assertEqual(set(images), {"one:1", "two:1", "many:1"})
        self.assertEqual(images["one:1"]["bytes"], one.blob_bytes)
        self.assertEqual(images["two:1"]["bytes"], two.blob_bytes)
        self.assertEqual(images["one:1"]["shared_bytes"], len(base))
        self.assertEqual(images["one:1"]["digest"], one.root)
        self.assertEqual([i["pinned"] for i in (images["one:1"], images["two:1"])], [False, True])
        self.assertEqual([p["platform"] for p in images["many:1"]["platforms"]], ["linux/amd64"])
        rows = {line.split()[0]: line for line in table.splitlines() if line}
        self.assertRegex(rows["one:1"], r"\b7\.3 MB +4\.2 MB\b")
        self.assertIn("amd64", rows["many:1"])
        self.assertIn("pinned", rows["two:1"])
        self.assertIn("3 images, 8.4 MB stored, shared layers counted once (saves 4.2 MB)", table)
        self.assertTrue(re.search(r"Pinned, not cached yet:\n +absent:1", table), table)
        self.assertNotIn("two:1", self.order("ls", "one"))

    def test_ls_names_an_image_that_was_pulled_by_digest(self) -> None:
        index = make_index(self.hub, "library/app", "", [NATIVE, "linux/s390x"], [MIB])
        name = f"app@{index.root}"
        with CLIENTS["skopeo"](self.layby.url) as client:
            client.pull(name)
        wait_until(lambda: name in self.listed(), "the image in the list")
        self.layby.restart()

        image = self.listed()[name]

        self.assertEqual((image["repository"], image["digest"]), ("library/app", index.root))
        self.assertEqual([p["platform"] for p in image["platforms"]], [NATIVE])
        self.assertEqual((image["bytes"], image["missing_bytes"]), (index.parts().blob_bytes, 0))
        self.assertRegex(self.order("ls"), rf"(?m)^{name} ")
        self.order("evict", name)
        self.assertEqual(self.listed(), {})

    def test_ls_shows_how_much_of_an_image_is_cached(self) -> None:
        self.make("app", 3 * MIB, MIB)
        image = self.layby.get("/v2/library/app/manifests/1")
        layer = image.json()["layers"][0]["digest"]
        self.layby.get(f"/v2/library/app/blobs/{layer}")
        self.layby.settle()

        self.assertIn("74% cached", self.order("ls"))
        self.assertEqual(self.listed()["app:1"]["bytes"], 3 * MIB)


if __name__ == "__main__":
    unittest.main(verbosity=2)
