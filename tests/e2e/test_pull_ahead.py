#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The later layers of an image come while a client pulls the image.

The clients here fetch one layer after the other and "unpack" between two layers: they wait until
Layby has the other layers, and ask for nothing meanwhile.
"""
from __future__ import annotations

import http.client
import json
import unittest
from typing import Any

from harness import ACCEPT, EndToEnd, Parts, make_image, wait_until

KIB = 1 << 10
LAYERS = [300 * KIB, 200 * KIB, 700 * KIB, 100 * KIB, 64 * KIB]


class PullAhead(EndToEnd):
    config: dict[str, Any] = {"cache": {"pull_ahead": True}}

    def setUp(self) -> None:
        super().setUp()
        self.image = make_image(self.hub, "library/app", "1", LAYERS)

    def layers(self) -> list[str]:
        """The digests of the layers, after a client got the manifest."""
        got = self.layby.get("/v2/library/app/manifests/1", ACCEPT)
        self.assertEqual(got.status, 200)
        return [layer["digest"] for layer in json.loads(got.body)["layers"]]

    def fetch_blob(self, digest: str) -> None:
        got = self.layby.get(f"/v2/library/app/blobs/{digest}")
        self.assertEqual(len(got.body), self.image.blobs[digest])

    def counter(self, name: str) -> int:
        return self.layby.stats()["counters"][name]

    def blob_gets(self) -> int:
        return len(self.hub.requests("cdn", "GET"))

    def test_layers_come_while_the_client_unpacks(self) -> None:
        first, *others = self.layers()
        self.fetch_blob(first)
        wait_until(lambda: self.counter("fills_published") == len(LAYERS), "all layers")
        self.assertEqual(self.counter("ahead_bytes"), sum(LAYERS[1:]))
        for digest in others:
            self.fetch_blob(digest)
        self.assertEqual(self.blob_gets(), len(LAYERS))
        self.assertEqual(self.counter("blob_hits"), len(others))

    def test_a_client_that_asks_for_the_configuration_only_fetches_nothing_ahead(self) -> None:
        layers = self.layers()
        config = next(digest for digest in self.image.blobs if digest not in layers)
        self.fetch_blob(config)
        self.fetch_blob(layers[-1])  # The last layer has no layer behind it.
        self.assertEqual(self.blob_gets(), 2)
        self.assertEqual(self.counter("ahead_bytes"), 0)

    def test_a_client_waits_for_the_rest_of_a_layer_that_is_coming(self) -> None:
        first, second, *_ = self.layers()
        slow = self.hub.fault("slow", second, port="cdn", rate=100 * KIB)
        self.fetch_blob(first)
        wait_until(lambda: self.counter("ahead_bytes") > 0, "the second layer's first bytes")
        slow.times = 0
        slow.cleared.set()
        self.fetch_blob(second)
        self.assertEqual(len(self.hub.requests("cdn", "GET", second)), 1)

    def test_nothing_more_comes_after_a_client_left_in_the_midst(self) -> None:
        self.hub.fault("slow", "/blobs/", port="cdn", rate=50 * KIB, times=-1)
        first, *others = self.layers()
        connection = http.client.HTTPConnection(self.layby.authority, timeout=30)
        connection.request("GET", f"/v2/library/app/blobs/{first}")
        connection.getresponse().read(KIB)
        connection.close()
        wait_until(lambda: all(fill["background"] for fill in self.layby.stats()["fills"]),
                   "the client's end to be noticed")
        self.assertEqual([fill["digest"] for fill in self.layby.stats()["fills"]], [first])
        self.assertEqual(self.counter("ahead_bytes"), 0)


class Off(EndToEnd):
    config: dict[str, Any] = {"cache": {"pull_ahead": False}}

    def test_the_key_turns_it_off(self) -> None:
        image: Parts = make_image(self.hub, "library/app", "1", LAYERS)
        got = self.layby.get("/v2/library/app/manifests/1", ACCEPT)
        first = json.loads(got.body)["layers"][0]["digest"]
        self.layby.get(f"/v2/library/app/blobs/{first}")
        wait_until(lambda: self.layby.stats()["counters"]["fills_published"] == 1, "the first layer")
        self.assertEqual(self.layby.stats()["fills"], [])
        self.assertEqual(len(image.blobs), 1 + len(LAYERS))


if __name__ == "__main__":
    unittest.main()
