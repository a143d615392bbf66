#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""When upstream is asked whether a tag has moved, and when it is left alone.

The hub's log says how often it was asked; a clock says how long a client waited.
What is cached is answered at once whatever upstream does, what isn't is refused
promptly, and both end by themselves when upstream answers again.
"""
from __future__ import annotations

import time
import unittest
from typing import Any

from harness import ACCEPT, EndToEnd, Parts, Pulls, Response, make_image, wait_until

AT_ONCE = 0.5  # seconds: no round trip that is late by `latency` fits in here
DOWN = {"connect_timeout": "1s", "request_timeout": "2s", "stall_timeout": "1s", "attempts": 2}


class FreshnessCase(EndToEnd):
    def image(self, tag: str = "1", seed: int = 0) -> Parts:
        return make_image(self.hub, "library/app", tag, [1000], seed=seed)

    def cache(self, *tags: str) -> dict[str, Parts]:
        """Images of these tags, pulled once and stored; the hub's log begins anew."""
        images = {tag: self.image(tag) for tag in tags}
        for tag in tags:
            self.pull(f"app:{tag}")
        self.layby.settle(len(tags))
        self.hub.reset()
        return images

    def tag(self, tag: str = "1", method: str = "GET") -> Response:
        return self.layby.get(f"/v2/library/app/manifests/{tag}", ACCEPT, method)

    def timed(self, tag: str = "1") -> tuple[Response, float]:
        began = time.monotonic()
        return self.tag(tag), time.monotonic() - began

    def heads(self, tag: str = "") -> int:
        """Questions that reached the hub; 401 only sends for a token."""
        asked = self.hub.requests("manifest", "HEAD", f"/manifests/{tag}$" if tag else "")
        return len([entry for entry in asked if entry["status"] != 401])

    def sent_heads(self) -> int:
        return self.layby.stats()["counters"]["upstream_manifest_heads"]

    def link(self) -> str:
        return self.layby.stats()["upstreams"][0]["link"]

    def assert_cached_at_once(self, image: Parts, tag: str = "1") -> None:
        got, seconds = self.timed(tag)
        self.assertEqual((got.status, got.headers["docker-content-digest"]), (200, image.root))
        self.assertLess(seconds, AT_ONCE)

    def assert_refused_at_once(self, tag: str) -> Response:
        got, seconds = self.timed(tag)
        self.assertEqual(got.status, 503, got.body)
        self.assertLess(seconds, AT_ONCE)
        self.assertGreater(int(got.headers["retry-after"]), 0)
        return got


class KeepFresh(FreshnessCase):
    config = {"tags": {"fresh_for": "10s", "keep_fresh": "5m",
                       "rules": [{"images": ["app:release-*"], "fresh_for": "forever"}]}}

    def test_tags_in_use_are_checked_before_they_are_due_and_no_pull_waits(self) -> None:
        images = self.cache("1", "release-1")
        checked = wait_until(lambda: self.hub.requests("manifest", "HEAD"), "a check behind", 11)
        self.assertTrue(checked[0]["path"].endswith("/manifests/1"))

        began = time.monotonic()
        self.hub.fault("latency", "/manifests/", seconds=2, times=-1)
        wait_until(lambda: time.monotonic() - began > 4, "the end of the first answer's life")

        self.assert_cached_at_once(images["1"])
        self.assert_cached_at_once(images["release-1"], "release-1")
        self.assertEqual((self.heads(), self.heads("release-1")), (1, 0))
        self.assertEqual(self.hub.pulls_counted, 0)


class Rules(FreshnessCase):
    config = {"tags": {"fresh_for": "0s", "keep_fresh": "0s", "rules": [
        {"images": ["app:release-*", "tool:*"], "fresh_for": "forever"},
        {"images": ["*:nightly"], "fresh_for": "1d"}]}}

    def test_the_first_rule_that_matches_says_how_long_a_tag_is_fresh(self) -> None:
        images = self.cache("1", "release-1", "nightly")
        for _ in range(3):
            for tag, image in images.items():
                self.assertEqual(self.pull(f"app:{tag}"), image)
        self.assertEqual({tag: self.heads(tag) for tag in images},
                         {"1": 3, "release-1": 0, "nightly": 0})

    def test_a_tag_that_never_changes_stays_so_after_a_restart(self) -> None:
        images = self.cache("release-1")
        self.image("release-1", seed=2)
        self.layby.restart()
        self.assertEqual(self.pull("app:release-1"), images["release-1"])
        self.assertEqual(self.hub.requests(), [])


class StaleWhileRevalidate(FreshnessCase):
    config = {"tags": {"fresh_for": "0s", "stale_while_revalidate": "1h", "keep_fresh": "0s",
                       "revalidate_timeout": "60s"}}

    def test_an_old_tag_is_given_at_once_and_asked_about_behind(self) -> None:
        images = self.cache("1")
        self.hub.fault("latency", "/manifests/", seconds=1, times=-1)
        self.assert_cached_at_once(images["1"])
        wait_until(lambda: self.heads("1") == 1, "a question behind the pull's back")

    def test_a_tag_that_moved_is_new_for_the_pull_after(self) -> None:
        old = self.cache("1")["1"]
        new = self.image("1", seed=2)
        self.assert_cached_at_once(old)
        wait_until(lambda: self.tag().headers["docker-content-digest"] == new.root, "the new image")

    def test_many_pulls_at_once_cost_one_question(self) -> None:
        self.cache("1")
        self.hub.fault("latency", "/manifests/", seconds=60, times=-1)  # until the test ends
        before = self.sent_heads()
        for _ in range(10):
            self.tag()
        wait_until(lambda: self.heads("1") == 1, "a question behind the pulls' backs")
        self.tag()
        self.assertEqual(self.sent_heads() - before, 1)


class UnknownTags(FreshnessCase):
    config = {"tags": {"fresh_for": "0s", "unknown_for": "2s"}}

    def test_a_tag_that_is_not_there_is_asked_for_once(self) -> None:
        for method in ("HEAD", "GET", "GET", "HEAD"):
            self.assertEqual(self.tag("nope", method).status, 404)
        self.assertEqual(self.heads("nope"), 1)
        self.assertEqual(len(self.hub.requests("manifest", "GET")), 0)

    def test_it_is_found_soon_after_it_was_pushed(self) -> None:
        self.assertEqual(self.tag("late").status, 404)
        image = self.image("late")
        wait_until(lambda: self.tag("late").status == 200, "the tag", 5)
        self.assertEqual(self.pull("app:late"), image)


class Throttled(FreshnessCase):
    config = {"tags": {"fresh_for": "0s"}}

    def test_after_429_to_anything_nothing_is_asked_until_its_time_has_come(self) -> None:
        images = self.cache("1", "2")
        self.image("new")
        self.hub.fault("throttle", "/v2/", times=-1, retry_after=60)
        self.tag("1")
        asked = len(self.hub.requests())
        for _ in range(5):
            self.assert_cached_at_once(images["1"])
            self.assert_cached_at_once(images["2"], "2")
            got = self.assert_refused_at_once("new")
        self.assertLessEqual(int(got.headers["retry-after"]), 60)
        self.assertEqual(len(self.hub.requests()), asked)
        self.assertIn("warning", self.tag("1").headers)
        self.assertGreater(self.layby.stats()["upstreams"][0]["throttled_seconds"], 50)

    def test_429_without_a_time_is_heeded_as_well(self) -> None:
        images = self.cache("1")
        self.hub.fault("throttle", "/v2/", times=1)
        self.tag("1")
        self.hub.reset()
        self.assert_cached_at_once(images["1"])
        self.assert_refused_at_once("new")
        self.assertEqual(self.hub.requests(), [])

    def test_what_is_not_there_at_upstream_is_refused_promptly_the_first_time_too(self) -> None:
        self.hub.fault("throttle", "/v2/", times=-1, retry_after=60)
        began = time.monotonic()
        self.assertIn(self.tag("new").status, (404, 503))
        self.assertLess(time.monotonic() - began, 2)


class ThrottledWithoutLimit(FreshnessCase):
    config = {"tags": {"fresh_for": "0s"}}
    upstream = {"requests_per_minute": 0}  # Else it is thought to be used up for a minute.

    def test_it_recovers_when_the_time_has_come(self) -> None:
        self.cache("1")
        new = self.image("new")
        self.hub.fault("throttle", "/v2/", times=1, retry_after=2)
        self.tag("1")
        self.assert_refused_at_once("new")
        wait_until(lambda: self.tag("new").status == 200, "an end of the pause", 5)
        self.assertEqual(self.pull("app:new"), new)


class SpentPullLimit(FreshnessCase):
    hub_options = {"pull_limit": 2}
    config = {"tags": {"fresh_for": "0s"}}

    def test_it_stops_manifests_and_no_looks_at_tags(self) -> None:
        images = {tag: self.image(tag) for tag in ("1", "2", "new")}
        for tag in ("1", "2"):
            self.pull(f"app:{tag}")
        self.layby.settle(2)
        self.assertIn(self.tag("new").status, (404, 503))
        gets, heads = len(self.hub.requests("manifest", "GET")), self.heads()

        for _ in range(3):
            self.assert_cached_at_once(images["1"])
            self.assert_refused_at_once("new")

        self.assertEqual(len(self.hub.requests("manifest", "GET")), gets)
        self.assertGreaterEqual(self.heads() - heads, 3, "looks at the tag, which are free")
        self.assertGreater(self.layby.stats()["upstreams"][0]["pulls_throttled_seconds"], 0)

    def test_a_tag_that_moved_meanwhile_is_given_as_it_is_known(self) -> None:
        old = self.image("1")
        self.pull("app:1")
        self.image("2")
        self.pull("app:2")
        self.layby.settle(2)
        self.image("1", seed=2)
        self.assertEqual(self.pull("app:1"), old)
        for _ in range(2):
            got, _ = self.timed()
            self.assertEqual(got.headers["docker-content-digest"], old.root)
            self.assertTrue(got.headers["warning"].startswith("110 "))


class RequestsPerMinute(FreshnessCase):
    LIMIT = 20
    hub_options = {"pull_limit": None}
    config = {"tags": {"fresh_for": "0s"}}
    upstream = {"requests_per_minute": LIMIT}

    def burst(self, paths: list[str]) -> list[Response]:
        """All at once; what the hub was asked is then below the limit, tokens aside."""
        pulls = Pulls()
        began = time.monotonic()
        for path in paths:
            pulls.start(self.layby.get, path, ACCEPT)
        got = pulls.join()
        self.assertLess(time.monotonic() - began, 5)
        self.assertEqual({answer.status for answer in got}, {200, 503})
        asked = [e for e in self.hub.requests()
                 if e["kind"] not in ("token", "cdn") and e["status"] != 401]
        self.assertLess(len(asked), self.LIMIT)
        return got

    def test_a_burst_stays_below_the_limit_and_the_rest_is_refused_promptly(self) -> None:
        for n in range(40):
            self.image(f"t{n}")
        got = self.burst([f"/v2/library/app/manifests/t{n}" for n in range(40)])
        refused = next(answer for answer in got if answer.status == 503)
        self.assertGreater(int(refused.headers["retry-after"]), 0)
        self.assertIn("requests_per_minute", refused.json()["errors"][0]["message"])

    def test_so_does_one_over_many_repositories(self) -> None:
        for n in range(40):
            make_image(self.hub, f"library/app{n}", "1", [1000])
        self.burst([f"/v2/library/app{n}/manifests/1" for n in range(40)])

    def test_what_is_cached_is_given_at_once_when_the_minute_is_used_up(self) -> None:
        cached = self.image("1")
        self.pull("app:1")
        self.layby.settle()
        for n in range(self.LIMIT):
            self.tag(f"none{n}")
        self.assert_refused_at_once("new")
        self.assert_cached_at_once(cached)


class LinkDown(FreshnessCase):
    config: dict[str, Any] = {"tags": {"fresh_for": "0s", "revalidate_timeout": "1s"}, "upstream": DOWN}

    def test_a_silent_link_is_paid_for_by_one_pull(self) -> None:
        images = self.cache("1", "2")
        self.hub.fault("hang", ".", times=-1)
        got, seconds = self.timed()
        self.assertEqual(got.status, 200)
        self.assertLess(seconds, 2.5)
        asked = len(self.hub.requests("manifest"))
        for _ in range(5):
            self.assert_cached_at_once(images["1"])
            self.assert_cached_at_once(images["2"], "2")
        self.assertEqual(len(self.hub.requests("manifest")), asked)

    def test_what_is_not_cached_is_refused_promptly_and_says_when_to_ask_again(self) -> None:
        self.cache("1")
        for break_it in (lambda: self.hub.fault("hang", ".", times=-1), self.hub.down):
            break_it()
            self.tag()
            wait_until(lambda: self.link() == "down", "a link that is known to be down")
            self.hub.log.clear()
            for _ in range(5):
                self.assert_refused_at_once("new")
                blob = self.layby.get("/v2/library/app/blobs/sha256:" + "0" * 64)
                self.assertEqual(blob.status, 503)
            self.assertEqual([e for e in self.hub.requests() if e["kind"] != "ping"], [])
            self.hub.clear_faults()
            self.hub.up()
            wait_until(lambda: self.link() == "up", "a link that is known to be up", 15)

    def test_a_hub_that_refuses_connections_is_left_alone_by_cached_pulls(self) -> None:
        images = self.cache("1")
        self.hub.down()
        self.tag()
        asked = self.sent_heads()
        for _ in range(10):
            self.assert_cached_at_once(images["1"])
        self.assertEqual(self.sent_heads(), asked)

    def test_it_recovers_by_itself(self) -> None:
        self.cache("1")
        new = self.image("new")
        moved = self.image("1", seed=2)
        self.hub.down()
        self.tag()
        wait_until(lambda: self.link() == "down", "a link that is known to be down")
        self.hub.up()
        wait_until(lambda: self.link() == "up", "a link that is known to be up", 10)
        self.assertEqual(self.pull("app:1"), moved)
        self.assertEqual(self.pull("app:new"), new)

    def test_a_restart_without_a_link_serves_what_is_cached(self) -> None:
        images = self.cache("1")
        self.hub.down()
        self.layby.restart()
        self.tag()
        for _ in range(5):
            self.assert_cached_at_once(images["1"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
