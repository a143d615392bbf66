#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""When Layby asks upstream whether a tag has moved, and when it leaves upstream alone.

The hub's log shows how often Layby asked the hub; a clock shows how long a client waited.
Cached content is served at once, whatever upstream does. While upstream fails, uncached content
is refused promptly. Layby recovers by itself when upstream answers again.
"""
from __future__ import annotations

import time
import unittest
from collections import Counter
from typing import Any

from harness import (ACCEPT, CLIENTS, EndToEnd, Parts, Pulls, Response, add_image, make_image,
                     tar_of, wait_until)

AT_ONCE = 0.5  # seconds: less than any `latency` below
DOWN = {"connect_timeout": "1s", "request_timeout": "2s", "stall_timeout": "1s", "attempts": 2}


class FreshnessCase(EndToEnd):
    def image(self, tag: str = "1", seed: int = 0) -> Parts:
        return make_image(self.hub, "library/app", tag, [1000], seed=seed)

    def cache(self, *tags: str) -> dict[str, Parts]:
        """Makes images with these tags, pulls and stores them, and clears the hub's log."""
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
        """HEADs that the hub answered, except HEADs that got 401 for a missing token."""
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

    def wait_for(self, seconds: float) -> None:
        began = time.monotonic()
        wait_until(lambda: time.monotonic() - began > seconds, "the end of a fresh time")

    def test_used_tags_are_checked_before_they_are_due_so_no_pull_waits(self) -> None:
        images = self.cache("1", "release-1")
        self.wait_for(10)
        for tag in images:
            self.assertEqual(self.tag(tag).status, 200)
        self.assertEqual((self.heads(), self.heads("release-1")), (1, 0))
        self.hub.reset()
        checked = wait_until(lambda: self.hub.requests("manifest", "HEAD"), "background check", 11)
        self.assertTrue(checked[0]["path"].endswith("/manifests/1"))

        self.hub.fault("latency", "/manifests/", seconds=2, times=-1)
        self.wait_for(4)

        self.assert_cached_at_once(images["1"])
        self.assert_cached_at_once(images["release-1"], "release-1")
        self.assertEqual((self.heads(), self.heads("release-1")), (1, 0))
        self.assertEqual(self.hub.pulls_counted, 0)


class ManyTags(EndToEnd):
    """A client that takes all tags of a repository asks upstream once about each tag.

    podman and skopeo ask no mirror for the list of tags, so they name the box itself.
    """

    TAGS = 12
    config = {"tags": {"fresh_for": "10s"}}

    def setUp(self) -> None:
        super().setUp()
        for i in range(self.TAGS):
            add_image(self.hub, "library/app", f"v{i}", [tar_of(f"{i}")], comment=str(i))

    def assert_one_request_for_each_tag(self) -> None:
        began = time.monotonic()
        wait_until(lambda: time.monotonic() - began > 11, "the end of all fresh times")
        asked = Counter(entry["path"] for entry in self.hub.requests("manifest", "HEAD")
                        if entry["status"] != 401)
        self.assertEqual((len(asked), set(asked.values())), (self.TAGS, {1}))
        self.assertEqual(len(self.hub.requests("manifest", "GET")), self.TAGS)
        self.assertEqual(len(self.hub.requests("tags")), 1)

    def test_docker_pull_of_all_tags(self) -> None:
        with CLIENTS["dockerd"](self.layby.url) as client:
            client.docker("pull", "--all-tags", "--quiet", "app")
        self.assert_one_request_for_each_tag()

    def test_podman_pull_of_all_tags(self) -> None:
        with CLIENTS["podman"](self.layby.url) as client:
            with open(client.home / "registries.conf", "a") as registries:
                registries.write(f'[[registry]]\nlocation = "{self.layby.authority}"\n'
                                 'insecure = true\n')
            client.podman("pull", "--all-tags", "--quiet", "--signature-policy",
                          f"{client.home}/policy.json", f"{self.layby.authority}/library/app")
        self.assert_one_request_for_each_tag()

    def test_skopeo_sync(self) -> None:
        with CLIENTS["skopeo"](self.layby.url) as client:
            client.run_command("skopeo", "--insecure-policy", "sync", "--src-tls-verify=false",
                               "--src", "docker", "--dest", "dir",
                               f"{self.layby.authority}/library/app", f"{client.home}/mirror")
        self.assert_one_request_for_each_tag()


class Rules(FreshnessCase):
    config = {"tags": {"fresh_for": "0s", "keep_fresh": "0s", "rules": [
        {"images": ["app:release-*", "tool:*"], "fresh_for": "forever"},
        {"images": ["*:nightly"], "fresh_for": "1d"}]}}

    def test_the_first_matching_rule_decides_how_long_a_tag_is_fresh(self) -> None:
        images = self.cache("1", "release-1", "nightly")
        for _ in range(3):
            for tag, image in images.items():
                self.assertEqual(self.pull(f"app:{tag}"), image)
        self.assertEqual({tag: self.heads(tag) for tag in images},
                         {"1": 3, "release-1": 0, "nightly": 0})

    def test_a_tag_that_is_fresh_forever_stays_fresh_after_a_restart(self) -> None:
        images = self.cache("release-1")
        self.image("release-1", seed=2)
        self.layby.restart()
        self.assertEqual(self.pull("app:release-1"), images["release-1"])
        self.assertEqual(self.hub.content_requests(), [])


class StaleWhileRevalidate(FreshnessCase):
    config = {"tags": {"fresh_for": "0s", "stale_while_revalidate": "1h", "keep_fresh": "0s",
                       "revalidate_timeout": "60s"}}

    def test_a_stale_tag_is_served_at_once_and_checked_in_the_background(self) -> None:
        images = self.cache("1")
        self.hub.fault("latency", "/manifests/", seconds=1, times=-1)
        self.assert_cached_at_once(images["1"])
        wait_until(lambda: self.heads("1") == 1, "a check in the background")

    def test_a_moved_tag_is_new_for_a_later_pull(self) -> None:
        old = self.cache("1")["1"]
        new = self.image("1", seed=2)
        self.assert_cached_at_once(old)
        wait_until(lambda: self.tag().headers["docker-content-digest"] == new.root, "the new image")

    def test_many_pulls_at_once_cost_one_check(self) -> None:
        self.cache("1")
        self.hub.fault("latency", "/manifests/", seconds=60, times=-1)  # until the test ends
        before = self.sent_heads()
        for _ in range(10):
            self.tag()
        wait_until(lambda: self.heads("1") == 1, "a check in the background")
        self.tag()
        self.assertEqual(self.sent_heads() - before, 1)


class UnknownTags(FreshnessCase):
    config = {"tags": {"fresh_for": "0s", "unknown_for": "2s"}}

    def test_an_unknown_tag_is_asked_for_once(self) -> None:
        for method in ("HEAD", "GET", "GET", "HEAD"):
            self.assertEqual(self.tag("nope", method).status, 404)
        self.assertEqual(self.heads("nope"), 1)
        self.assertEqual(len(self.hub.requests("manifest", "GET")), 0)

    def test_an_unknown_tag_is_found_soon_after_it_was_pushed(self) -> None:
        self.assertEqual(self.tag("late").status, 404)
        image = self.image("late")
        wait_until(lambda: self.tag("late").status == 200, "the tag", 5)
        self.assertEqual(self.pull("app:late"), image)


class Throttled(FreshnessCase):
    config = {"tags": {"fresh_for": "0s"}}

    def test_after_any_429_upstream_is_not_asked_before_retry_after(self) -> None:
        images = self.cache("1", "2")
        self.image("new")
        self.hub.fault("throttle", "/v2/", times=-1, retry_after=60)
        self.tag("1")
        asked = len(self.hub.content_requests())
        for _ in range(5):
            self.assert_cached_at_once(images["1"])
            self.assert_cached_at_once(images["2"], "2")
            got = self.assert_refused_at_once("new")
        self.assertLessEqual(int(got.headers["retry-after"]), 60)
        self.assertEqual(len(self.hub.content_requests()), asked)
        self.assertIn("warning", self.tag("1").headers)
        self.assertGreater(self.layby.stats()["upstreams"][0]["throttled_seconds"], 50)

    def test_429_without_retry_after_is_heeded_too(self) -> None:
        images = self.cache("1")
        self.hub.fault("throttle", "/v2/", times=1)
        self.tag("1")
        self.hub.reset()
        self.assert_cached_at_once(images["1"])
        self.assert_refused_at_once("new")
        self.assertEqual(self.hub.content_requests(), [])

    def test_even_the_first_429_is_a_prompt_refusal(self) -> None:
        self.hub.fault("throttle", "/v2/", times=-1, retry_after=60)
        began = time.monotonic()
        self.assertIn(self.tag("new").status, (404, 503))
        self.assertLess(time.monotonic() - began, 2)


class ThrottledWithoutLimit(FreshnessCase):
    config = {"tags": {"fresh_for": "0s"}}
    upstream = {"requests_per_minute": 0}  # With a limit, a 429 also uses up the minute's requests.

    def test_layby_recovers_after_retry_after(self) -> None:
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

    def test_a_spent_limit_stops_manifest_gets_but_not_tag_checks(self) -> None:
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
        self.assertGreaterEqual(self.heads() - heads, 3, "checks of the tag, which are free")
        self.assertGreater(self.layby.stats()["upstreams"][0]["pulls_throttled_seconds"], 0)

    def test_a_moved_tag_is_served_with_its_cached_image(self) -> None:
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
        """Asks for all paths at once; checks that the hub got fewer requests than the limit."""
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

    def test_a_burst_over_many_repositories_stays_below_the_limit(self) -> None:
        for n in range(40):
            make_image(self.hub, f"library/app{n}", "1", [1000])
        self.burst([f"/v2/library/app{n}/manifests/1" for n in range(40)])

    def test_a_cached_tag_is_served_at_once_when_the_minute_is_used_up(self) -> None:
        cached = self.image("1")
        self.pull("app:1")
        self.layby.settle()
        for n in range(self.LIMIT):
            self.tag(f"none{n}")
        self.assert_refused_at_once("new")
        self.assert_cached_at_once(cached)


class LinkDown(FreshnessCase):
    config: dict[str, Any] = {"tags": {"fresh_for": "0s", "revalidate_timeout": "1s"}, "upstream": DOWN}

    def test_only_one_pull_waits_for_a_silent_link(self) -> None:
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

    def test_uncached_content_is_refused_promptly_with_retry_after(self) -> None:
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
            self.assertEqual(self.hub.content_requests(), [])
            self.hub.clear_faults()
            self.hub.up()
            wait_until(lambda: self.link() == "up", "a link that is known to be up", 15)

    def test_cached_pulls_leave_a_hub_that_refuses_connections_alone(self) -> None:
        images = self.cache("1")
        self.hub.down()
        self.tag()
        asked = self.sent_heads()
        for _ in range(10):
            self.assert_cached_at_once(images["1"])
        self.assertEqual(self.sent_heads(), asked)

    def test_layby_recovers_by_itself(self) -> None:
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

    def test_cached_images_are_served_after_a_restart_without_a_link(self) -> None:
        images = self.cache("1")
        self.hub.down()
        self.layby.restart()
        self.tag()
        for _ in range(5):
            self.assert_cached_at_once(images["1"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
