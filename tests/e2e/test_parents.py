#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Boxes with a parent: one Layby near the uplink, and other Laybys that ask the parent first.

Content that the parent has or can get comes from the parent, so the hub is asked once for all
boxes. When the parent is down, answers slowly or doesn't serve an image, each box asks the hub
by itself, and pulls still succeed.
"""
from __future__ import annotations

import os
import signal
import time
import unittest
from typing import Any

from harness import (ACCEPT, NOBODY, EndToEnd, Hub, Layby, Parts, PullFailed, Pulls, digest_of,
                     make_image, make_index, native_architecture, pull, raw, wait_until)

MIB = 1 << 20
PATIENCE = {"connect_timeout": "1s", "request_timeout": "2s", "stall_timeout": "1s"}


def link_to_parent(box: Layby) -> str:
    return box.stats()["upstreams"][0]["parent_link"]


class ParentCase(EndToEnd):
    """`self.layby` is the parent."""

    boxes_config: dict[str, Any] = {"tags": {"fresh_for": "0s", "revalidate_timeout": "2s"},
                                    "upstream": PATIENCE}

    def setUp(self) -> None:
        super().setUp()
        self.boxes = [self.box() for _ in range(3)]

    def box(self, **upstream: Any) -> Layby:
        made = Layby(self.hub, self.boxes_config, {"parent": self.layby.url, **upstream})
        self.addCleanup(made.close)
        return made

    def pull_from_all(self, repo: str, tag: str) -> list[Parts]:
        pulls = Pulls()
        for box in self.boxes:
            pulls.start(pull, box.authority, f"library/{repo}", tag)
        return pulls.join()


class OneDownload(ParentCase):
    def test_a_cold_image_that_all_boxes_pull_comes_from_the_hub_once(self) -> None:
        index = make_index(self.hub, "library/app", "1", [f"linux/{native_architecture()}", "linux/s390x"],
                           [4 * MIB, 300_000, 1000])
        for got in self.pull_from_all("app", "1"):
            self.assertEqual(got, index.parts())
        self.assert_fetched_once(index.parts())
        self.assertEqual(self.hub.bytes_sent("cdn"), index.parts().blob_bytes)
        self.assertEqual(self.hub.pulls_counted, 2)
        for box in self.boxes:
            self.assertEqual(link_to_parent(box), "up")

    def test_a_new_box_gets_cached_images_of_its_parent_without_the_hub(self) -> None:
        image = make_image(self.hub, "library/app", "1", [MIB])
        self.pull("app:1")
        self.layby.settle()
        self.hub.down()
        self.assertEqual(pull(self.boxes[0].authority, "library/app", "1"), image)

    def test_a_tag_that_moved_is_noticed_through_the_parent(self) -> None:
        self.layby.config["tags"]["fresh_for"] = "0s"
        self.layby.restart()
        make_image(self.hub, "library/app", "1", [1000])
        self.pull_from_all("app", "1")
        moved = make_image(self.hub, "library/app", "1", [1000], seed=2)
        self.assertEqual(self.pull_from_all("app", "1"), [moved] * 3)
        self.assert_nothing_twice()

    def test_an_unknown_tag_is_404(self) -> None:
        got = self.boxes[0].get("/v2/library/app/manifests/none", ACCEPT)
        self.assertEqual(got.status, 404)

    def test_boxes_prefetch_from_their_parent_which_fetches_once(self) -> None:
        image = make_image(self.hub, "library/app", "1", [MIB])
        for box in self.boxes:
            box.save_list([{"image": "app", "tags": ["1"]}])
        for box in self.boxes:
            self.assertEqual(box.end_of_run()["result"], "done")
        self.assert_fetched_once(image)
        self.hub.down()
        self.layby.kill()
        self.assertEqual(self.pull_from_all("app", "1"), [image] * 3)


class LostParents(ParentCase):
    def test_boxes_ask_the_hub_while_their_parent_is_down(self) -> None:
        images = [make_image(self.hub, "library/app", str(n), [200_000]) for n in range(3)]
        self.assertEqual(self.pull_from_all("app", "0"), [images[0]] * 3)
        self.layby.kill()
        self.hub.reset()

        began = time.monotonic()
        self.assertEqual(self.pull_from_all("app", "1"), [images[1]] * 3)
        self.assertLess(time.monotonic() - began, 10)
        self.assertEqual(set(self.upstream_gets().values()), {3}, "each box by itself")

        wait_until(lambda: all(link_to_parent(box) == "down" for box in self.boxes), "a lost parent")
        self.layby.run()
        wait_until(lambda: all(link_to_parent(box) == "up" for box in self.boxes), "the parent again")
        self.hub.reset()
        self.assertEqual(self.pull_from_all("app", "2"), [images[2]] * 3)
        self.assert_fetched_once(images[2])

    def test_a_parent_that_dies_in_mid_blob_costs_no_byte_twice(self) -> None:
        image = make_image(self.hub, "library/app", "1", [4 * MIB])
        digest = max(image.blobs, key=lambda d: image.blobs[d])
        self.hub.fault("slow", digest, port="cdn", rate=MIB)
        box, pulls = self.boxes[0], Pulls()
        pulls.start(box.get, f"/v2/library/app/blobs/{digest}")
        wait_until(lambda: any(fill["received_bytes"] > MIB for fill in box.stats()["fills"]),
                   "a MiB at the box")
        self.layby.kill()

        self.assertEqual(digest_of(pulls.join()[0].body), digest)

        rest = self.hub.requests("cdn", path=digest)[-1]
        self.assertTrue(rest["range"], "resumed by Range")
        self.assertLess(rest["sent"], 3 * MIB)

    def test_a_hanging_parent_delays_pulls_only_briefly(self) -> None:
        images = [make_image(self.hub, "library/app", str(n), [1000]) for n in range(2)]
        assert self.layby.process
        os.kill(self.layby.process.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, self.layby.process.pid, signal.SIGCONT)
        began = time.monotonic()
        self.assertEqual(pull(self.boxes[0].authority, "library/app", "0"), images[0])
        self.assertLess(time.monotonic() - began, 8)
        began = time.monotonic()
        self.assertEqual(pull(self.boxes[0].authority, "library/app", "1"), images[1])
        self.assertLess(time.monotonic() - began, 1, "the parent is known to hang")

    def test_images_that_the_parent_does_not_serve_come_from_the_hub(self) -> None:
        self.layby.config["upstreams"][0]["allow"] = ["library/app"]
        self.layby.restart()
        app = make_image(self.hub, "library/app", "1", [1000])
        other = make_image(self.hub, "library/other", "1", [1000])
        self.assertEqual(self.pull_from_all("other", "1"), [other] * 3)
        self.hub.reset()
        self.assertEqual(self.pull_from_all("app", "1"), [app] * 3)
        self.assert_fetched_once(app)

    def test_a_box_pulls_from_its_hub_when_its_parent_has_none(self) -> None:
        image = make_image(self.hub, "library/app", "1", [1000])
        self.layby.config["upstreams"][0]["url"] = "http://127.0.0.1:9"
        self.layby.restart()
        self.assertEqual(self.pull_from_all("app", "1"), [image] * 3)

    def test_cached_images_are_served_and_others_refused_without_parent_and_hub(self) -> None:
        image = make_image(self.hub, "library/app", "1", [1000])
        self.pull_from_all("app", "1")
        for box in self.boxes:
            box.settle()
        self.layby.kill()
        self.hub.down()
        self.assertEqual(self.pull_from_all("app", "1"), [image] * 3)
        began = time.monotonic()
        got = self.boxes[0].get("/v2/library/app/manifests/other", ACCEPT)
        self.assertIn(got.status, (404, 503))
        self.assertLess(time.monotonic() - began, 8)


class LostUplinks(ParentCase):
    """The parent answers, but its own registry doesn't."""

    def cut_uplink_of_parent(self) -> None:
        self.layby.config["upstreams"][0]["url"] = "http://127.0.0.1:9"
        self.layby.config["tags"]["fresh_for"] = "0s"
        self.layby.restart()

    def test_a_parent_without_an_uplink_freezes_no_tag_of_its_boxes(self) -> None:
        image = make_image(self.hub, "library/app", "1", [1000])
        self.assertEqual(self.pull_from_all("app", "1"), [image] * 3)
        self.cut_uplink_of_parent()
        moved = make_image(self.hub, "library/app", "1", [1000], seed=2)
        self.assertEqual(self.pull_from_all("app", "1"), [moved] * 3)
        self.assertEqual(self.pull_from_all("app", "1"), [moved] * 3)

    def test_everything_uncached_fails_promptly_while_only_the_parent_is_up(self) -> None:
        box = self.boxes[0]
        image = make_image(self.hub, "library/app", "1", [1000])
        self.assertEqual(pull(box.authority, "library/app", "1"), image)
        self.cut_uplink_of_parent()
        self.hub.down()
        waits = []
        for number in range(5):
            blob = f"/v2/library/app/blobs/sha256:{number:064x}"
            for path in (f"/v2/library/app/manifests/uncached-{number}", blob):
                began = time.monotonic()
                got = box.get(path, ACCEPT)
                waits.append(time.monotonic() - began)
                self.assertEqual(got.status, 503)
        self.assertLess(max(waits), 3, "the link is found to be down")
        self.assertLess(max(waits[2:]), 1, "the link is known to be down")
        self.assertIn("connection refused", got.body.decode().lower(), "the reason survives")
        self.assertIn("connection refused", box.stats()["upstreams"][0]["error"].lower())
        self.assertEqual(pull(box.authority, "library/app", "1"), image)


class Shares(EndToEnd):
    """A parent counts the clients of the boxes that it trusts, and not the boxes.

    The registry of each box but the top is a closed port, so only the parent can answer. The tests
    name their clients in X-Forwarded-For, which each box believes."""

    upstream = {"requests_per_minute": 40}  # 39 in any minute, 30 of them by one client.
    config = {"trusted_proxies": ["127.0.0.1"]}
    GREEDY, OTHER = ({"X-Forwarded-For": f"192.0.2.{host}"} for host in (1, 2))

    def setUp(self) -> None:
        super().setUp()
        self.image = make_image(self.hub, "library/app", "1", [1000])

    def box_below(self, parent: Layby) -> Layby:
        made = Layby(self.hub, self.config, {"parent": parent.url, "url": f"http://{NOBODY}"})
        self.addCleanup(made.close)
        wait_until(lambda: link_to_parent(made) == "up", "the parent to be up")
        return made

    def ask_for_list(self, box: Layby) -> int:
        return box.get("/v2/library/app/tags/list", self.GREEDY).status

    def use_up_share(self, box: Layby) -> None:
        """Lets the greedy client ask for more lists of tags than its share at the parent allows."""
        pulls = Pulls()
        for _ in range(60):
            pulls.start(self.ask_for_list, box)
        wait_until(lambda: self.lists_at_hub() >= 30, "the share to be used up")

    def lists_at_hub(self) -> int:
        return sum(entry["status"] == 200 for entry in self.hub.requests("tags"))

    def assert_other_client_pulls(self, box: Layby) -> None:
        began = time.monotonic()
        self.assertEqual(pull(box.authority, "library/app", "1", extra=self.OTHER), self.image)
        self.assertLess(time.monotonic() - began, 5)
        self.assertLessEqual(self.lists_at_hub(), 30, "the greedy client has one share")

    def test_a_client_that_uses_up_its_share_at_the_parent_stops_no_other_client(self) -> None:
        box = self.box_below(self.layby)
        self.use_up_share(box)
        self.assert_other_client_pulls(box)

    def test_a_client_keeps_its_share_over_two_levels(self) -> None:
        box = self.box_below(self.box_below(self.layby))
        self.use_up_share(box)
        self.assert_other_client_pulls(box)

    def test_clients_of_two_boxes_have_their_own_shares(self) -> None:
        self.use_up_share(self.box_below(self.layby))
        self.assert_other_client_pulls(self.box_below(self.layby))

    def test_a_client_above_the_rate_of_the_parent_stops_no_other_client(self) -> None:
        self.layby.config["limits"] = {"rate_per_client": 1, "burst_per_client": 10}
        self.layby.restart()
        box = self.box_below(self.layby)
        statuses = [self.ask_for_list(box) for _ in range(12)]
        self.assertEqual(statuses, [200] * 10 + [503] * 2)
        self.assertEqual(link_to_parent(box), "up")
        self.assert_other_client_pulls(box)

    def test_a_box_that_the_parent_does_not_trust_is_one_client(self) -> None:
        self.layby.config["trusted_proxies"] = []
        self.layby.config["limits"] = {"rate_per_client": 1, "burst_per_client": 10}
        self.layby.restart()
        box = self.box_below(self.layby)
        for _ in range(10):
            self.ask_for_list(box)
        with self.assertRaises(PullFailed):
            pull(box.authority, "library/app", "1", extra=self.OTHER)


class Levels(EndToEnd):
    """`self.layby` is the top of three boxes. Each box is the parent of the next box."""

    FRESH = 2.0

    def age_at(self, box: Layby) -> int:
        return int(box.get("/v2/library/app/manifests/1", ACCEPT).headers["age"])

    def test_staleness_does_not_add_up(self) -> None:
        tags = {"tags": {"fresh_for": "2s", "revalidate_timeout": "2s"}, "upstream": PATIENCE}
        self.layby.config["tags"]["fresh_for"] = "2s"
        self.layby.restart()
        boxes = [self.layby]
        for _ in range(2):
            boxes.append(Layby(self.hub, tags, {"parent": boxes[-1].url}))
            self.addCleanup(boxes[-1].close)
        image = make_image(self.hub, "library/app", "1", [1000])
        bottom = boxes[-1]
        # A box pulls the tag only when the tag in the box above is at least 1 s old.
        for box in boxes:
            self.assertEqual(pull(box.authority, "library/app", "1"), image)
            wait_until(lambda: self.age_at(box) >= 1, "a tag that ages")
        self.assertEqual(pull(bottom.authority, "library/app", "1"), image)
        moved = make_image(self.hub, "library/app", "1", [1000], seed=2)
        moved_at = time.monotonic()
        wait_until(lambda: pull(bottom.authority, "library/app", "1") == moved, "the moved tag")
        self.assertLess(time.monotonic() - moved_at, self.FRESH + 1)


class Loops(EndToEnd):
    """Boxes whose parents form a loop pull from their registry."""

    def fix_port(self) -> None:
        self.layby.config["listen"] = self.layby.authority

    def assert_prompt_pull(self, box: Layby, tag: str) -> None:
        image = make_image(self.hub, "library/app", tag, [1000])
        began = time.monotonic()
        self.assertEqual(pull(box.authority, "library/app", tag), image)
        self.assertLess(time.monotonic() - began, 3)

    def assert_settings_named(self, *boxes: Layby) -> None:
        wait_until(lambda: any("upstreams[].parent" in box.stats()["upstreams"][0]["parent_error"]
                               for box in boxes), "a message that names the settings")

    def test_a_box_that_is_its_own_parent(self) -> None:
        self.fix_port()
        self.layby.config["upstreams"][0]["parent"] = self.layby.url
        self.layby.restart()
        self.assert_prompt_pull(self.layby, "1")
        self.assert_settings_named(self.layby)
        self.assert_prompt_pull(self.layby, "2")
        self.assertLess(self.layby.stats()["counters"]["upstream_manifest_heads"], 8)

    def test_two_boxes_that_are_each_others_parent(self) -> None:
        self.fix_port()
        other = Layby(self.hub, {"upstream": PATIENCE}, {"parent": self.layby.url})
        self.addCleanup(other.close)
        self.layby.config["upstreams"][0]["parent"] = other.url
        self.layby.restart()
        for box, tag in ((self.layby, "1"), (other, "2")):
            self.assert_prompt_pull(box, tag)
        self.assert_settings_named(self.layby, other)
        image = make_image(self.hub, "library/app", "3", [1000])
        pulls = Pulls()
        began = time.monotonic()
        for box in (self.layby, other):
            pulls.start(pull, box.authority, "library/app", "3")
        self.assertEqual(pulls.join(), [image] * 2)
        self.assertLess(time.monotonic() - began, 3)


class TwoUpstreams(EndToEnd):
    """Tests how a request selects its upstream, also a request from a box to its parent."""

    NAME = "registry.example"

    def setUp(self) -> None:
        super().setUp()
        self.other = Hub()
        self.addCleanup(self.other.close)
        self.mine = make_image(self.hub, "library/app", "1", [1000], seed=1)
        self.theirs = make_image(self.other, "library/app", "1", [1000], seed=2)
        self.layby.config["upstreams"] = self.upstreams()
        self.layby.restart()
        self.box = Layby(self.hub, {"upstreams": self.upstreams(parent=self.layby.url)})
        self.addCleanup(self.box.close)

    def upstreams(self, **more: Any) -> list[dict[str, Any]]:
        return [{"name": "docker.io", "url": self.hub.url, "allow": ["library/*"], **more},
                {"name": self.NAME, "url": self.other.url, "allow": ["*"], **more}]

    def digest_by_host(self, host: str) -> str:
        answer = raw(self.layby.authority, (
            f"HEAD /v2/library/app/manifests/1 HTTP/1.1\r\nHost: {host}\r\n"
            "Accept: */*\r\nConnection: close\r\n\r\n").encode()).decode()
        return next(line.partition(": ")[2] for line in answer.splitlines()
                    if line.lower().startswith("docker-content-digest"))

    def test_a_host_that_names_an_upstream_selects_it(self) -> None:
        self.assertEqual(self.digest_by_host(self.NAME), self.theirs.root)
        self.assertEqual(self.digest_by_host(f"{self.NAME.upper()}.:5000"), self.theirs.root)
        for host in ("docker.io", self.layby.authority, "layby.local"):
            self.assertEqual(self.digest_by_host(host), self.mine.root, host)

    def test_a_box_asks_its_parent_for_the_upstream_that_its_client_selected(self) -> None:
        for query, parts in ((f"?ns={self.NAME}", self.theirs), ("?ns=docker.io", self.mine),
                             ("", self.mine)):
            self.assertEqual(pull(self.box.authority, "library/app", "1", query=query), parts)
        self.assertEqual(self.layby.stats()["counters"]["upstream_blob_gets"], 4)
        self.assertEqual(self.other.pulls_counted, 1)
        self.assertEqual(self.hub.pulls_counted, 1)

    def test_a_box_asks_an_upstream_that_its_parent_does_not_know_directly(self) -> None:
        self.layby.config["upstreams"] = self.upstreams()[:1]
        self.layby.restart()
        self.assertEqual(pull(self.box.authority, f"{self.NAME}/library/app", "1"), self.theirs)


if __name__ == "__main__":
    unittest.main(verbosity=2)
