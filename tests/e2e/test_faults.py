#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Faults of a link or an origin.

Each test causes one fault and checks three results: the client's answer, the stored content,
and that the next pull after the fault is complete. A body with a wrong byte never completes, a
429 or 401 never reaches a client, and every wait has a deadline.
"""
from __future__ import annotations

import time
import unittest

from harness import (ACCEPT, EndToEnd, PullFailed, Pulls, Response, digest_of, fetch,
                     make_image, wait_until)

MIB = 1 << 20
PROMPT = 8.0  # seconds: the timeouts below, a retry, and a loaded machine


class FaultCase(EndToEnd):
    config = {"tags": {"fresh_for": "0s", "revalidate_timeout": "1s"},
              "upstream": {"connect_timeout": "2s", "request_timeout": "2s", "stall_timeout": "1s",
                           "attempts": 3}}

    def setUp(self) -> None:
        super().setUp()
        self.image = make_image(self.hub, "library/app", "1", [3 * MIB, 1000])
        self.digest = max(self.image.blobs, key=lambda d: self.image.blobs[d])
        self.small = min(self.image.blobs, key=lambda d: self.image.blobs[d])
        self.size = self.image.blobs[self.digest]
        self.manifest = f"/v2/library/app/manifests/{self.image.root}"

    def blob(self, digest: str = "") -> Response:
        return self.layby.get(f"/v2/library/app/blobs/{digest or self.digest}")

    def tag(self, method: str = "GET") -> Response:
        return self.layby.get("/v2/library/app/manifests/1", ACCEPT, method)

    def assert_whole(self, got: Response, digest: str = "") -> None:
        self.assertEqual((got.status, got.short), (200, False), got.body[:200])
        self.assertEqual(digest_of(got.body), digest or self.digest)

    def assert_broken(self, got: Response) -> None:
        """Expects an error answer or a body that is cut short, never a complete body."""
        if got.status == 200:
            self.assertTrue(got.short, "a complete 200")
        else:
            self.assertIn(got.status, (404, 500, 502, 503, 504))

    def assert_unavailable(self, got: Response) -> None:
        self.assertIn(got.status, (404, 502, 503, 504), got.body[:200])
        self.assertTrue(got.json()["errors"][0]["message"])

    def assert_next_pull_is_whole(self) -> None:
        self.hub.clear_faults()
        deadline = time.monotonic() + 20  # Layby may hold requests back for a while
        while True:
            try:
                self.assertEqual(self.pull("app:1"), self.image)
                return
            except PullFailed:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def within(self, seconds: float) -> _Within:
        return _Within(self, seconds)


class _Within:
    def __init__(self, case: unittest.TestCase, seconds: float) -> None:
        self.case, self.seconds = case, seconds

    def __enter__(self) -> None:
        self.started = time.monotonic()

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.case.assertLess(time.monotonic() - self.started, self.seconds, "too slow")


class BrokenTransfers(FaultCase):
    def test_a_cut_is_resumed_by_range_and_the_client_notices_nothing(self) -> None:
        self.hub.fault("cut", self.digest, port="cdn", after=MIB)
        self.assert_whole(self.blob())
        asked = self.hub.requests("cdn", path=self.digest)
        self.assertEqual(len(asked), 2)
        self.assertTrue(asked[1]["range"].startswith(f"bytes={MIB}-"), asked[1]["range"])
        self.assertEqual(self.hub.bytes_sent("cdn"), self.size)
        self.assert_next_pull_is_whole()

    def test_a_fill_survives_cuts_that_each_bring_some_bytes(self) -> None:
        self.hub.fault("cut", self.digest, port="cdn", after=MIB // 2, times=5)
        self.assert_whole(self.blob())
        self.assertEqual(self.hub.bytes_sent("cdn"), self.size)

    def test_endless_cuts_close_the_client_short_and_keep_the_prefix(self) -> None:
        self.hub.fault("cut", self.digest, port="cdn", after=MIB, times=1)
        self.hub.fault("cut", self.digest, port="cdn", after=0, times=-1, ranged=True)
        with self.within(30):
            self.assert_broken(self.blob())
        self.assert_next_pull_is_whole()
        self.assertLess(self.hub.bytes_sent("cdn"), self.image.blob_bytes * 1.2)

    def test_a_resume_works_when_the_origin_ignores_range(self) -> None:
        self.hub.fault("cut", self.digest, port="cdn", after=MIB)
        self.hub.fault("ignore_range", self.digest, port="cdn", ranged=True)
        self.assert_whole(self.blob())
        self.assert_next_pull_is_whole()

    def test_a_corrupt_byte_never_completes_and_is_not_kept(self) -> None:
        for offset in (0, self.size // 2, self.size - 1):
            with self.subTest(offset=offset):
                image = make_image(self.hub, "library/app", "bad", [2 * MIB], seed=offset)
                digest = max(image.blobs, key=lambda d: image.blobs[d])
                at = min(offset, image.blobs[digest] - 1)
                self.hub.fault("corrupt", digest, port="cdn", offset=at)
                self.assert_broken(self.blob(digest))
                self.assert_whole(self.blob(digest), digest)

    def test_a_corrupt_small_blob_never_completes(self) -> None:
        self.hub.fault("corrupt", self.small, port="cdn", offset=5)
        self.assert_broken(self.blob(self.small))
        self.assert_whole(self.blob(self.small), self.small)

    def test_a_blob_stays_broken_until_upstream_sends_it_right(self) -> None:
        self.hub.fault("corrupt", self.digest, port="cdn", offset=MIB, times=-1)
        for _ in range(3):
            self.assert_broken(self.blob())
        self.assert_next_pull_is_whole()

    def test_a_corrupt_resume_never_completes(self) -> None:
        self.hub.fault("cut", self.digest, port="cdn", after=MIB)
        self.hub.fault("corrupt", self.digest, port="cdn", offset=2 * MIB, ranged=True)
        self.assert_broken(self.blob())
        self.assert_next_pull_is_whole()

    def test_all_readers_of_a_corrupt_fill_are_cut_short(self) -> None:
        self.hub.fault("corrupt", self.digest, port="cdn", offset=self.size - 1, times=-1)
        self.hub.fault("slow", self.digest, port="cdn", rate=4 * MIB, times=-1)
        pulls = Pulls()
        for _ in range(8):
            pulls.start(fetch, self.layby.authority, f"/v2/library/app/blobs/{self.digest}")
        for got in pulls.join():
            self.assert_broken(got)
        self.assert_next_pull_is_whole()

    def test_a_stall_in_mid_body_is_resumed(self) -> None:
        self.hub.fault("stall", self.digest, port="cdn", after=MIB)
        with self.within(PROMPT):
            self.assert_whole(self.blob())
        self.assertEqual(self.hub.bytes_sent("cdn"), self.size)
        self.assert_next_pull_is_whole()

    def test_an_endless_stall_closes_the_client(self) -> None:
        self.hub.fault("stall", self.digest, port="cdn", after=0, times=-1)
        with self.within(30):
            self.assert_broken(self.blob())
        self.assert_next_pull_is_whole()

    def test_layby_waits_for_a_slow_origin(self) -> None:
        self.hub.fault("slow", self.digest, port="cdn", rate=MIB)
        self.assert_whole(self.blob())
        self.assert_next_pull_is_whole()

    def test_layby_waits_for_late_answers(self) -> None:
        self.hub.fault("latency", "/", seconds=0.5, times=-1)
        self.assert_whole(self.blob())
        self.assert_next_pull_is_whole()

    def test_a_body_without_a_length_arrives_whole(self) -> None:
        for kind in ("chunked", "drop_length"):
            with self.subTest(kind):
                image = make_image(self.hub, "library/app", kind, [MIB])
                self.hub.fault(kind, "/blobs/", port="cdn", times=-1)
                self.assertEqual(self.pull(f"app:{kind}"), image)
                self.hub.clear_faults()
        self.assert_next_pull_is_whole()

    def test_a_body_without_a_length_that_ends_early_never_completes(self) -> None:
        self.hub.fault("drop_length", self.digest, port="cdn", times=-1)
        self.hub.fault("cut", self.digest, port="cdn", after=MIB, times=-1)
        try:
            self.pull("app:1")
            self.fail("half a blob passed for a whole one")
        except PullFailed:
            pass
        self.assert_next_pull_is_whole()


class BrokenAnswers(FaultCase):
    def test_one_server_error_is_retried(self) -> None:
        for status in (500, 502, 503):
            for where in ("/manifests/", "/v2/.*/blobs/", "/registry-v2/", "/token"):
                with self.subTest(status=status, where=where):
                    tag = f"t{status}-{abs(hash(where)) % 1000}"
                    image = make_image(self.hub, "library/app", tag, [1000])
                    self.hub.forget_tokens()
                    self.hub.fault("status", where, status=status)
                    self.assertEqual(self.pull(f"app:{tag}"), image)
                    self.hub.clear_faults()

    def test_a_closed_connection_is_retried(self) -> None:
        self.hub.fault("close", self.digest, port="cdn")
        self.assert_whole(self.blob())
        self.hub.fault("close", self.manifest)
        self.assertEqual(self.pull("app:1"), self.image)

    def test_endless_server_errors_give_a_prompt_error(self) -> None:
        self.hub.fault("status", "/v2/", status=500, times=-1)
        with self.within(PROMPT):
            self.assert_unavailable(self.tag())
        with self.within(PROMPT):
            self.assert_unavailable(self.blob())
        self.assert_next_pull_is_whole()

    def test_server_errors_at_the_cdn_give_a_prompt_error(self) -> None:
        self.hub.fault("status", "/registry-v2/", status=503, times=-1)
        with self.within(PROMPT):
            self.assert_broken(self.blob())
        self.assert_next_pull_is_whole()

    def test_server_errors_leave_a_cached_image_pullable(self) -> None:
        self.pull("app:1")
        self.hub.fault("status", ".", status=503, times=-1)
        with self.within(PROMPT):
            self.assertEqual(self.pull("app:1"), self.image)

    def test_content_that_upstream_lacks_is_404(self) -> None:
        self.assertEqual((self.layby.get("/v2/library/app/manifests/none", ACCEPT).status), 404)
        missing = self.layby.get("/v2/library/app/manifests/none", ACCEPT)
        self.assertEqual(missing.error_code(), "MANIFEST_UNKNOWN")
        missing = self.blob("sha256:" + "0" * 64)
        self.assertEqual((missing.status, missing.error_code()), (404, "BLOB_UNKNOWN"))

    def test_a_wrong_manifest_is_never_served(self) -> None:
        self.hub.fault("wrong_manifest", self.manifest, method="GET", times=-1)
        self.hub.fault("wrong_manifest", "/manifests/1$", method="GET", times=-1)
        for _ in range(2):
            for path in (self.manifest, "/v2/library/app/manifests/1"):
                got = self.layby.get(path, ACCEPT)
                self.assertNotEqual(got.status, 200)
                self.assertNotEqual(digest_of(got.body), self.image.root)
        self.assert_next_pull_is_whole()

    def test_a_lying_digest_header_brings_no_wrong_bytes(self) -> None:
        self.hub.fault("lie_digest", "/manifests/", times=-1)
        got = self.tag()
        if got.status == 200:
            self.assertEqual(digest_of(got.body), got.headers["docker-content-digest"])
        self.assert_next_pull_is_whole()

    def test_a_page_in_place_of_a_manifest_is_not_kept(self) -> None:
        self.hub.fault("status", "/manifests/", status=200, method="GET",
                       body="<html>Please sign in to the hotel's Wi-Fi</html>", times=-1)
        self.assertNotEqual(self.tag().status, 200)
        self.assert_next_pull_is_whole()

    def test_a_page_in_place_of_a_blob_is_not_kept(self) -> None:
        self.hub.fault("status", "/blobs/", status=200, times=-1,
                       body="<html>Please sign in to the hotel's Wi-Fi</html>")
        self.assert_broken(self.blob())
        self.assert_next_pull_is_whole()

    def test_an_upstream_401_does_not_reach_the_client(self) -> None:
        """A 401 from a mirror makes dockerd send it the user's Docker Hub password."""
        self.hub.fault("status", "/v2/", status=401, times=-1)
        with self.within(PROMPT):
            for got in (self.tag(), self.blob()):
                self.assertIn(got.status, (403, 404, 502, 503))
        self.assert_next_pull_is_whole()


class PullLimits(FaultCase):
    FORMS = ({"text": "pull"}, {}, {"retry_after": 60}, {"retry_after": 1, "text": "pull"})

    def test_429_leaves_a_cached_image_pullable(self) -> None:
        self.pull("app:1")
        for form in self.FORMS:
            with self.subTest(**form), self.within(PROMPT):
                self.hub.fault("throttle", "/", times=-1, **form)
                self.assertEqual(self.pull("app:1"), self.image)
                self.hub.clear_faults()

    def test_429_for_an_uncached_tag_is_a_prompt_404_or_503(self) -> None:
        for form in self.FORMS:
            for where in ("/manifests/", "/v2/", "/token"):
                with self.subTest(where=where, **form), self.within(PROMPT):
                    self.hub.forget_tokens()
                    self.hub.fault("throttle", where, times=-1, **form)
                    self.assertIn(self.tag().status, (404, 503))
                    self.assertIn(self.tag("HEAD").status, (404, 503))
                    self.hub.clear_faults()

    def test_429_on_a_blob_is_a_prompt_404_or_503(self) -> None:
        self.hub.fault("throttle", "/blobs/", times=-1)
        with self.within(PROMPT):
            self.assertIn(self.blob().status, (404, 503))

    def test_an_upstream_that_answers_429_is_not_hammered(self) -> None:
        self.hub.fault("throttle", "/v2/", times=-1, retry_after=60)
        for _ in range(10):
            self.tag()
        self.assertLessEqual(len(self.hub.requests("manifest")), 12)


class SpentPullLimit(EndToEnd):
    hub_options = {"pull_limit": 2}
    config = {"tags": {"fresh_for": "0s"}}

    def test_a_spent_limit_does_not_stop_cached_images(self) -> None:
        images = [make_image(self.hub, "library/app", str(n), [1000]) for n in range(3)]
        for n in (0, 1):
            self.assertEqual(self.pull(f"app:{n}"), images[n])
        got = self.layby.get("/v2/library/app/manifests/2", ACCEPT)
        self.assertIn(got.status, (404, 503))
        for n in (0, 1):
            self.assertEqual(self.pull(f"app:{n}"), images[n])


class HungBlobs(EndToEnd):
    """An origin hangs on some requests for a blob. The timeouts are the defaults: 30 s."""

    def setUp(self) -> None:
        super().setUp()
        self.image = make_image(self.hub, "library/app", "1", [3 * MIB, 1000])
        self.digest = max(self.image.blobs, key=lambda d: self.image.blobs[d])
        self.path = f"/v2/library/app/blobs/{self.digest}"

    def assert_whole(self, got: Response) -> None:
        self.assertEqual((got.status, got.short), (200, False), got.body[:200])
        self.assertEqual(digest_of(got.body), self.digest)

    def hedges(self) -> tuple[int, int]:
        counters = self.layby.stats()["counters"]
        return counters["hedges_sent"], counters["hedges_won"]

    def test_a_blob_comes_within_seconds_when_one_request_hangs(self) -> None:
        for port, kind in (("cdn", "cdn"), ("hub", "blob")):
            with self.subTest(port):
                image = make_image(self.hub, "library/app", port, [MIB])
                digest = max(image.blobs, key=lambda d: image.blobs[d])
                before = self.hedges()
                self.hub.fault("hang", digest, port=port, times=1)
                started = time.monotonic()
                got = self.layby.get(f"/v2/library/app/blobs/{digest}")
                took = time.monotonic() - started
                self.assertEqual((got.status, got.short, digest_of(got.body)), (200, False, digest))
                self.assertGreater(took, 1.9)
                self.assertLess(took, 4)
                self.assertEqual(len(self.hub.requests(kind, path=digest)), 2)
                self.assertEqual(self.hedges(), (before[0] + 1, before[1] + 1))
                self.hub.clear_faults()

    def test_a_pull_goes_on_when_one_request_for_each_blob_hangs(self) -> None:
        for digest in self.image.blobs:
            self.hub.fault("hang", digest, port="cdn", times=1)
        started = time.monotonic()
        self.assertEqual(self.pull("app:1"), self.image)
        self.assertLess(time.monotonic() - started, 3 * len(self.image.blobs))

    def test_a_newcomer_brings_a_request_after_two_have_hung(self) -> None:
        self.hub.fault("hang", self.digest, port="cdn", times=2)
        pulls = Pulls()
        started = time.monotonic()
        came = 0

        def is_asked_thrice() -> bool:
            """A client comes each second."""
            nonlocal came
            if time.monotonic() - started >= came:
                pulls.start(fetch, self.layby.authority, self.path)
                came += 1
            return len(self.hub.requests("cdn", path=self.digest)) == 3

        wait_until(is_asked_thrice, "a third request", 16)
        for got in pulls.join(4):
            self.assert_whole(got)
        self.assertEqual(self.hedges(), (2, 1))

    def test_prompt_origins_get_no_request_twice(self) -> None:
        self.pull("app:1")
        self.assertEqual(self.hedges(), (0, 0))


class SilentOrigins(FaultCase):
    def test_a_cached_tag_is_served_within_the_deadline_while_the_origin_hangs(self) -> None:
        self.pull("app:1")
        self.hub.fault("hang", ".", times=-1)
        with self.within(3):  # revalidate_timeout is 1 s
            self.assertEqual(self.tag("HEAD").status, 200)
        with self.within(3):
            self.assertEqual(self.pull("app:1"), self.image)

    def test_uncached_content_fails_promptly_while_the_origin_hangs(self) -> None:
        self.hub.fault("hang", ".", times=-1)
        with self.within(15):
            self.assert_unavailable(self.tag())
        with self.within(15):
            self.assert_unavailable(self.blob())
        self.assert_next_pull_is_whole()

    def test_a_token_endpoint_that_hangs_gives_a_prompt_error(self) -> None:
        self.hub.fault("hang", "/token", times=-1)
        with self.within(15):
            self.assert_unavailable(self.tag())
        self.assert_next_pull_is_whole()

    def test_a_cdn_that_hangs_gives_a_prompt_error(self) -> None:
        self.hub.fault("hang", ".", port="cdn", times=-1)
        with self.within(15):
            self.assert_broken(self.blob())
        self.assert_next_pull_is_whole()

    def test_a_hanging_request_does_not_block_later_requests_for_its_blob(self) -> None:
        self.hub.fault("hang", self.digest, port="cdn", times=1)
        with self.within(PROMPT):
            self.assert_whole(self.blob())

    def test_uncached_content_fails_promptly_while_the_origin_is_down(self) -> None:
        self.hub.down()
        with self.within(PROMPT):
            self.assert_unavailable(self.tag())
        with self.within(PROMPT):
            self.assert_unavailable(self.blob())
        self.hub.up()
        self.assert_next_pull_is_whole()

    def test_an_outage_in_mid_blob_costs_no_byte_twice(self) -> None:
        self.hub.fault("slow", self.digest, port="cdn", rate=MIB)
        self.hub.fault("cut", self.digest, port="cdn", after=MIB)
        self.hub.fault("close", ".", times=1, skip=0, ranged=True)
        self.assert_whole(self.blob())
        self.assertEqual(self.hub.bytes_sent("cdn"), self.size)

    def test_layby_starts_while_the_origin_is_down(self) -> None:
        self.pull("app:1")
        self.hub.down()
        with self.within(10):
            self.layby.restart()
        self.assertEqual(self.pull("app:1"), self.image)

    def test_cached_tags_are_fast_while_the_origin_is_known_to_be_down(self) -> None:
        self.pull("app:1")
        self.hub.fault("hang", ".", times=-1)
        self.tag("HEAD")
        self.tag("HEAD")
        with self.within(4):
            for _ in range(20):
                self.assertEqual(self.tag("HEAD").status, 200)

    def test_offline_answers_say_how_old_the_tag_is(self) -> None:
        self.pull("app:1")
        self.hub.down()
        self.assertIn("age", self.tag("HEAD").headers)


if __name__ == "__main__":
    unittest.main(verbosity=2)
