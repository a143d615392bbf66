#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The pull API to the letter: OCI distribution 1.1 and Docker's registry API v2.

Cold answers (while a blob is filled) and warm answers follow the same rules.
"""
from __future__ import annotations

import http.client
import json
import subprocess
import unittest
from typing import Any

from harness import (ACCEPT, DOCKER_LIST, DOCKER_MANIFEST, MANIFEST_TYPES, OCI_INDEX, OCI_MANIFEST,
                     EndToEnd, digest_of, exchange, make_image)

NO_SUCH = "sha256:" + "0" * 64


class PullApi(EndToEnd):
    def setUp(self) -> None:
        super().setUp()
        self.image = make_image(self.hub, "library/app", "1", [200_000])
        self.digest = max(self.image.blobs, key=lambda d: self.image.blobs[d])
        self.size = self.image.blobs[self.digest]
        body = self.hub.blob("library/app", self.digest)
        assert isinstance(body, bytes)
        self.bytes = body
        self.path = f"/v2/library/app/blobs/{self.digest}"

    def blob(self, headers: Any = None, method: str = "GET") -> Any:
        return self.layby.get(self.path, headers, method)

    def manifest(self, ref: str, method: str = "GET", headers: Any = None) -> Any:
        return self.layby.get(f"/v2/library/app/manifests/{ref}", headers or ACCEPT, method)

    def cold_and_warm(self) -> Any:
        for state in ("cold", "warm"):
            with self.subTest(state):
                yield state
                self.blob()

    def test_ping_names_the_api_version(self) -> None:
        got = self.layby.get("/v2/")
        self.assertEqual(got.status, 200)
        self.assertEqual(got.headers.get("docker-distribution-api-version"), "registry/2.0")

    # -- manifests

    def test_manifest_headers_by_tag_and_digest_with_get_and_head(self) -> None:
        found = self.hub.manifest("library/app", "1")
        assert found
        for ref in ("1", self.image.root) * 2:
            for method in ("HEAD", "GET"):
                with self.subTest(ref=ref, method=method):
                    got = self.manifest(ref, method)
                    self.assertEqual(got.status, 200)
                    self.assertEqual(got.headers["content-type"], OCI_MANIFEST)
                    self.assertEqual(got.headers["docker-content-digest"], self.image.root)
                    self.assertEqual(got.headers["content-length"], str(len(found[1])))
                    self.assertEqual(got.headers["etag"], f'"{self.image.root}"')
                    self.assertEqual(got.body, found[1] if method == "GET" else b"")

    def test_each_media_type_is_served_unmodified(self) -> None:
        for media_type in MANIFEST_TYPES:
            with self.subTest(media_type):
                members = {"manifests": []} if media_type in (OCI_INDEX, DOCKER_LIST) else {
                    "config": {"mediaType": "a/b", "digest": NO_SUCH, "size": 1}, "layers": []}
                body = json.dumps({"schemaVersion": 2, "mediaType": media_type, **members},
                                  indent=3).encode() + b"\n"
                tag = media_type.rpartition("/")[2].replace("+", "-")
                digest = self.hub.add_manifest("library/app", body, media_type, tag)
                for ref in (tag, digest):
                    got = self.manifest(ref)
                    self.assertEqual((got.status, got.body), (200, body))
                    self.assertEqual(got.headers["content-type"], media_type)

    def test_accept_lines_are_merged(self) -> None:
        for accept in (list(MANIFEST_TYPES), [DOCKER_MANIFEST, OCI_MANIFEST], [", ".join(MANIFEST_TYPES)],
                       ["*/*"]):
            with self.subTest(accept):
                self.assertEqual(self.manifest("1", "HEAD", {"Accept": accept}).status, 200)

    def test_a_manifest_is_served_without_accept(self) -> None:
        self.assertEqual(self.layby.get("/v2/library/app/manifests/1").status, 200)

    def test_a_manifest_of_four_mebibytes_is_served(self) -> None:
        body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [],
                           "annotations": {"filler": "x" * ((4 << 20) - 200)}}).encode()
        self.assertLessEqual(len(body), 4 << 20)
        digest = self.hub.add_manifest("library/app", body, OCI_INDEX, "large")
        for _ in range(2):
            got = self.manifest("large")
            self.assertEqual(digest_of(got.body), digest)

    def test_manifest_if_none_match_gives_304(self) -> None:
        self.manifest("1")
        for etag in (f'"{self.image.root}"', f'W/"{self.image.root}"', "*", f'"x", "{self.image.root}"'):
            with self.subTest(etag):
                got = self.manifest("1", headers={**ACCEPT, "If-None-Match": etag})
                self.assertEqual((got.status, got.body), (304, b""))
        self.assertEqual(self.manifest("1", headers={**ACCEPT, "If-None-Match": '"x"'}).status, 200)

    # -- blobs

    def test_blob_headers_are_the_same_cold_and_warm(self) -> None:
        for _ in self.cold_and_warm():
            for method in ("GET", "HEAD"):
                got = self.blob(method=method)
                self.assertEqual(got.status, 200)
                self.assertEqual(got.headers["content-length"], str(self.size))
                self.assertEqual(got.headers["docker-content-digest"], self.digest)
                self.assertEqual(got.headers["etag"], f'"{self.digest}"')
                self.assertEqual(got.headers["accept-ranges"], "bytes")
                self.assertEqual(got.body, self.bytes if method == "GET" else b"")

    def test_head_of_a_cold_blob_has_its_size(self) -> None:
        got = self.blob(method="HEAD")
        self.assertEqual((got.status, got.headers["content-length"]), (200, str(self.size)))
        self.assertEqual(self.blob().body, self.bytes)

    def test_blobs_are_sent_without_content_encoding(self) -> None:
        got = self.blob({"Accept-Encoding": "zstd, gzip, deflate"})
        self.assertEqual(got.body, self.bytes)
        self.assertNotIn("content-encoding", got.headers)

    def test_blobs_with_sizes_near_those_of_buffers_are_whole(self) -> None:
        sizes = [0, 1, 65_535, 65_536, 65_537, 68_225, 131_072, 262_144, 262_145, 1 << 20]
        for size in sizes:
            digest = self.hub.add_blob(bytes(size % 251 for _ in range(size)))
            for _ in range(2):
                got = self.layby.get(f"/v2/library/app/blobs/{digest}")
                self.assertEqual((got.status, len(got.body), got.short), (200, size, False))
                self.assertEqual(digest_of(got.body), digest)

    def test_ranges_are_served_cold_and_warm(self) -> None:
        last = self.size - 1
        for state in self.cold_and_warm():
            for asked, first, end in (
                    ("bytes=0-0", 0, 0), ("bytes=0-99", 0, 99), ("bytes=1000-1999", 1000, 1999),
                    ("bytes=100000-", 100_000, last), (f"bytes={last}-", last, last),
                    ("bytes=-1", last, last), ("bytes=-500", last - 499, last),
                    ("bytes=-99999999", 0, last), ("bytes=0-99999999", 0, last)):
                with self.subTest(state=state, asked=asked):
                    got = self.blob({"Range": asked})
                    self.assertEqual(got.status, 206)
                    self.assertEqual(got.headers["content-range"], f"bytes {first}-{end}/{self.size}")
                    self.assertEqual(got.headers["content-length"], str(end - first + 1))
                    self.assertEqual(got.body, self.bytes[first:end + 1])
        self.assertEqual(len(self.hub.requests("cdn", "GET")), 1)

    def parts(self, got: Any) -> list[tuple[str, bytes]]:
        """The Content-Range and the bytes of each part of a multipart answer."""
        self.assertEqual(got.status, 206)
        self.assertNotIn("content-range", got.headers)
        self.assertEqual(got.headers["content-length"], str(len(got.body)))
        kind, boundary = got.headers["content-type"].split("; boundary=")
        self.assertEqual(kind, "multipart/byteranges")
        first, *parts, end = (b"\r\n" + got.body).split(b"\r\n--" + boundary.encode())
        self.assertEqual((first, end), (b"", b"--\r\n"))
        found = []
        for part in parts:
            head, _, data = part.partition(b"\r\n\r\n")
            start, kind, span = head.decode().split("\r\n")
            self.assertEqual((start, kind), ("", "Content-Type: application/octet-stream"))
            found.append((span.removeprefix("Content-Range: "), data))
        return found

    def expected(self, *spans: tuple[int, int]) -> list[tuple[str, bytes]]:
        return [(f"bytes {first}-{last}/{self.size}", self.bytes[first:last + 1])
                for first, last in spans]

    def test_several_ranges_are_served_cold_and_warm(self) -> None:
        last = self.size - 1
        for state in self.cold_and_warm():
            for asked, spans in (
                    ("0-0,2-2", [(0, 0), (2, 2)]),
                    ("10-99, 5000-99999 ,-1", [(10, 99), (5000, 99_999), (last, last)]),
                    ("0-9,5-19,300-400", [(0, 19), (300, 400)]),
                    (f"0-9,10-19,{self.size}-,-0", [(0, 9), (10, 19)])):
                with self.subTest(state=state, asked=asked):
                    got = self.blob({"Range": f"bytes={asked}"})
                    self.assertEqual(self.parts(got), self.expected(*spans))
        self.layby.settle(tags=0)  # A blob in flight is never read backwards.
        got = self.blob({"Range": "bytes=500-599,0-9"})
        self.assertEqual(self.parts(got), self.expected((500, 599), (0, 9)))
        self.assertEqual(len(self.hub.requests("cdn", "GET")), 1)

    def test_many_ranges_are_served_and_more_give_the_whole_blob(self) -> None:
        self.blob()
        spans = [(i * 160, i * 160 + i % 50) for i in range(1024)]
        asked = "bytes=" + ",".join(f"{first}-{last}" for first, last in spans)
        got = self.blob({"Range": asked})
        self.assertEqual(self.parts(got), self.expected(*spans))
        got = self.blob({"Range": asked + ",170000-170001"})
        self.assertEqual((got.status, got.body), (200, self.bytes))

    def test_several_ranges_never_take_more_bytes_than_the_blob(self) -> None:
        self.blob()
        for asked in ("0-,5-," * 500 + "1-", ",".join(["0-99999,100000-"] * 400),
                      ",".join(f"{i}-{i}" for i in range(0, 1900, 2))):
            got = self.blob({"Range": f"bytes={asked}"})
            self.assertIn(got.status, (200, 206))
            self.assertLessEqual(len(got.body), self.size)

    def test_conditions_hold_for_several_ranges(self) -> None:
        self.blob()
        asked = {"Range": "bytes=0-9,20-29"}
        got = self.blob({**asked, "If-Range": f'"{self.digest}"'})
        self.assertEqual(self.parts(got), self.expected((0, 9), (20, 29)))
        self.assertEqual(self.blob({**asked, "If-Range": '"other"'}).status, 200)
        self.assertEqual(self.blob({**asked, "If-None-Match": f'"{self.digest}"'}).status, 304)
        got = self.blob(asked, "HEAD")
        self.assertEqual((got.status, got.headers["content-length"]), (200, str(self.size)))
        self.assertEqual(self.blob({"Range": f"bytes={self.size}-,-0"}).status, 416)

    def test_curl_gets_several_ranges(self) -> None:
        self.blob()
        got = subprocess.run(["curl", "--silent", "--fail", "--range", "0-9,5000-99999",
                              self.layby.url + self.path], capture_output=True, check=True).stdout
        for _, data in self.expected((0, 9), (5000, 99_999)):
            self.assertIn(b"\r\n\r\n" + data + b"\r\n--", got)

    def test_unsatisfiable_ranges_are_416(self) -> None:
        for _ in self.cold_and_warm():
            for asked in (f"bytes={self.size}-", f"bytes={self.size + 5}-{self.size + 9}", "bytes=-0"):
                with self.subTest(asked):
                    got = self.blob({"Range": asked})
                    self.assertEqual(got.status, 416)
                    self.assertEqual(got.headers["content-range"], f"bytes */{self.size}")

    def test_malformed_ranges_are_ignored(self) -> None:
        for asked in ("bytes=5-2", "bytes=a-b", "lines=1-2", "bytes=", "bytes"):
            with self.subTest(asked):
                got = self.blob({"Range": asked})
                self.assertEqual((got.status, got.body), (200, self.bytes))

    def test_several_ranges_get_one_correct_answer(self) -> None:
        got = self.blob({"Range": "bytes=0-9,20-29"})
        self.assertIn(got.status, (200, 206))
        if got.status == 200:
            self.assertEqual(got.body, self.bytes)

    def test_if_range_decides_between_part_and_whole(self) -> None:
        for _ in self.cold_and_warm():
            same = self.blob({"Range": "bytes=10-19", "If-Range": f'"{self.digest}"'})
            self.assertEqual((same.status, same.body), (206, self.bytes[10:20]))
            other = self.blob({"Range": "bytes=10-19", "If-Range": '"something else"'})
            self.assertEqual((other.status, other.body), (200, self.bytes))

    def test_blob_if_none_match_gives_304(self) -> None:
        self.blob()
        got = self.blob({"If-None-Match": f'"{self.digest}"'})
        self.assertEqual((got.status, got.body), (304, b""))
        self.assertEqual(self.blob({"If-None-Match": '"x"'}).status, 200)

    def test_head_with_a_range_has_no_body(self) -> None:
        got = self.blob({"Range": "bytes=0-9"}, "HEAD")
        self.assertIn(got.status, (200, 206))
        self.assertEqual(got.body, b"")

    def test_one_connection_serves_many_requests(self) -> None:
        connection = http.client.HTTPConnection(self.layby.authority, timeout=20)
        self.addCleanup(connection.close)
        connection.connect()
        socket_before = connection.sock
        for path, status in (("/v2/", 200), (self.path, 200), ("/v2/library/app/blobs/x", 400),
                             (f"/v2/library/app/blobs/{NO_SUCH}", 404), (self.path, 200),
                             ("/v2/library/app/manifests/1", 200), ("/healthz", 200)):
            with self.subTest(path):
                self.assertEqual(exchange(connection, path, ACCEPT).status, status)
                self.assertIs(connection.sock, socket_before, "the connection was closed")

    # -- names, errors, refusals

    def test_short_names_mean_library(self) -> None:
        self.assertEqual(self.layby.get("/v2/app/manifests/1", ACCEPT).headers["docker-content-digest"],
                         self.image.root)
        self.assertEqual(self.layby.get(f"/v2/app/blobs/{self.digest}").body, self.bytes)
        self.assertEqual(self.layby.get("/v2/app/tags/list").status, 200)
        self.blob()
        self.assertEqual(len(self.hub.requests("cdn", "GET")), 1)

    def test_ns_docker_io_is_accepted(self) -> None:
        self.assertEqual(self.layby.get("/v2/library/app/manifests/1?ns=docker.io", ACCEPT).status, 200)
        self.assertEqual(self.layby.get(f"{self.path}?ns=docker.io").body, self.bytes)

    def test_an_unknown_ns_is_a_clear_error(self) -> None:
        got = self.layby.get("/v2/library/app/manifests/1?ns=quay.io", ACCEPT)
        self.assertIn(got.status, (403, 404))
        self.assertIn("quay.io", got.json()["errors"][0]["message"])

    def test_unknown_content_is_404_with_its_error_code(self) -> None:
        for path, code in ((f"/v2/library/app/blobs/{NO_SUCH}", "BLOB_UNKNOWN"),
                           (f"/v2/library/app/manifests/{NO_SUCH}", "MANIFEST_UNKNOWN"),
                           ("/v2/library/app/manifests/none", "MANIFEST_UNKNOWN")):
            with self.subTest(path):
                got = self.layby.get(path, ACCEPT)
                self.assertEqual((got.status, got.error_code()), (404, code))
                self.assertTrue(got.headers["content-type"].startswith("application/json"))
                head = self.layby.get(path, ACCEPT, "HEAD")
                self.assertEqual((head.status, head.body), (404, b""))

    def test_malformed_digests_are_400(self) -> None:
        for digest in ("sha256:abc", "sha256:" + "g" * 64, "sha256:" + "A" * 64, "sha256:" + "0" * 63,
                       "md5:" + "0" * 32, "sha512:" + "0" * 64):
            for kind in ("blobs", "referrers"):
                with self.subTest(kind=kind, digest=digest):
                    got = self.layby.get(f"/v2/library/app/{kind}/{digest}")
                    self.assertEqual(got.status, 400, got.body)
                    self.assertEqual(got.error_code(), "DIGEST_INVALID")
            with self.subTest(kind="manifests", digest=digest):
                self.assertEqual(self.manifest(digest).status, 400)

    def test_malformed_names_are_400_or_404(self) -> None:
        for path in ("/v2/library/APP/manifests/1", "/v2/library//app/manifests/1",
                     "/v2/library/../app/manifests/1", "/v2/library/%2e%2e/app/manifests/1",
                     "/v2/library/app/manifests/-bad", "/v2/library/app/manifests/" + "x" * 200,
                     "/v2/library/app/nothing/1", "/v2/manifests/1", "/v1/"):
            with self.subTest(path):
                got = self.layby.get(path, ACCEPT)
                self.assertIn(got.status, (400, 404))
        self.assertEqual([e for e in self.hub.content_requests() if "app" not in e["path"]], [])

    def test_pushes_and_deletes_are_405_unsupported(self) -> None:
        for method, path in (("POST", "/v2/library/app/blobs/uploads/"), ("PUT", "/v2/library/app/manifests/1"),
                             ("PATCH", "/v2/library/app/blobs/uploads/x"),
                             ("DELETE", f"/v2/library/app/manifests/{self.image.root}"),
                             ("DELETE", self.path)):
            with self.subTest(method=method, path=path):
                body = b"{}" if method in ("POST", "PUT", "PATCH") else None
                got = self.layby.get(path, None, method, body=body)
                self.assertEqual((got.status, got.error_code()), (405, "UNSUPPORTED"))
                self.assertIn("GET", got.headers.get("allow", ""))
        self.assertEqual(self.hub.content_requests(), [])

    def test_a_repository_that_is_not_allowed_is_403_with_a_helpful_message(self) -> None:
        make_image(self.hub, "acme/tool", "1", [100])
        for path in ("/v2/acme/tool/manifests/1", f"/v2/acme/tool/blobs/{NO_SUCH}",
                     "/v2/acme/tool/tags/list", f"/v2/acme/tool/referrers/{NO_SUCH}"):
            with self.subTest(path):
                got = self.layby.get(path, ACCEPT)
                self.assertEqual((got.status, got.error_code()), (403, "DENIED"))
                message = json.dumps(got.json()["errors"][0])
                self.assertIn("acme/tool", message)
                self.assertIn("allow", message)
        self.assertEqual(self.hub.content_requests(), [])

    def test_a_cached_blob_does_not_bypass_the_allow_list(self) -> None:
        self.blob()
        self.assertEqual(self.layby.get(f"/v2/acme/tool/blobs/{self.digest}").status, 403)

    def test_a_query_and_percent_escapes_are_understood(self) -> None:
        escaped = self.path.replace("sha256:", "sha256%3A")
        self.assertEqual(self.layby.get(escaped).body, self.bytes)
        self.assertEqual(self.layby.get(self.path + "?x=%7a&ns=").body, self.bytes)
        self.assertEqual(self.layby.get(self.path + "?x=%zz&ns=").status, 400)

    # -- tags and referrers

    def test_tags_are_sorted_and_paged(self) -> None:
        for tag in ("b", "a", "c", "latest", "1.10", "1.9"):
            make_image(self.hub, "library/many", tag, [10])
        everything = ["1.10", "1.9", "a", "b", "c", "latest"]
        got = self.layby.get("/v2/library/many/tags/list")
        self.assertEqual(got.json(), {"name": "library/many", "tags": everything})

        seen: list[str] = []
        path = "/v2/library/many/tags/list?n=4"
        while path:
            got = self.layby.get(path)
            self.assertLessEqual(len(got.json()["tags"]), 4)
            seen += got.json()["tags"]
            link = got.headers.get("link", "")
            path = link[1:link.index(">")] if 'rel="next"' in link else ""
        self.assertEqual(seen, everything)

        self.assertEqual(self.layby.get("/v2/library/many/tags/list?last=b").json()["tags"],
                         ["c", "latest"])
        none = self.layby.get("/v2/library/many/tags/list?n=0")
        self.assertEqual((none.json()["tags"], none.headers.get("link")), ([], None))

    def test_tags_of_an_unknown_repository_are_404(self) -> None:
        got = self.layby.get("/v2/library/nothing/tags/list")
        self.assertEqual((got.status, got.error_code()), (404, "NAME_UNKNOWN"))

    def test_tags_are_the_cached_ones_or_503_when_the_origin_is_down(self) -> None:
        self.pull("app:1")
        self.hub.down()
        got = self.layby.get("/v2/library/app/tags/list")
        self.assertIn(got.status, (200, 503))
        if got.status == 200:
            self.assertEqual(got.json()["tags"], ["1"])

    def test_referrers_are_an_empty_index_where_upstream_has_none(self) -> None:
        for digest in (self.image.root, NO_SUCH):
            got = self.layby.get(f"/v2/library/app/referrers/{digest}")
            self.assertEqual(got.status, 200)
            self.assertEqual(got.headers["content-type"], OCI_INDEX)
            self.assertEqual((got.json()["schemaVersion"], got.json()["manifests"]), (2, []))
            self.assertEqual(got.json()["mediaType"], OCI_INDEX)

    def test_referrers_come_from_an_upstream_that_has_them(self) -> None:
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
            {"mediaType": OCI_MANIFEST, "digest": NO_SUCH, "size": 2, "artifactType": "a/b"}]}
        self.hub.add_referrers("library/app", self.image.root, json.dumps(index).encode())
        got = self.layby.get(f"/v2/library/app/referrers/{self.image.root}")
        self.assertEqual(got.json()["manifests"], index["manifests"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
