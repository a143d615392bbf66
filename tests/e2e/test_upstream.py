#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Layby as a client of Docker Hub.

Layby has one token per repository, and replaces a token that expired or was refused.
Credentials go only to the registry's own token endpoint, and never to the CDN. Tags are
resolved with HEAD, which the pull limit doesn't count.
"""
from __future__ import annotations

import json
import socket
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path
from typing import Any

from harness import (ACCEPT, OCI_INDEX, EndToEnd, Hub, Layby, Pulls, digest_of, make_image,
                     make_index, native_architecture, pull, wait_until)


def _temporary_folder() -> Any:
    return tempfile.TemporaryDirectory(prefix="layby-test-")


class Tokens(EndToEnd):
    def test_one_token_serves_a_repository_until_it_expires(self) -> None:
        for n in range(3):
            make_image(self.hub, "library/app", str(n), [1000, 2000])
        make_image(self.hub, "library/other", "1", [1000])
        for n in range(3):
            self.pull(f"app:{n}")
        self.pull("other:1")
        self.assertEqual(len(self.hub.requests("token")), 2)
        self.assertEqual(len(self.hub.requests("token", path="library%2Fapp|library/app")), 1)

    def test_a_first_pull_gets_no_401(self) -> None:
        """The ping at the start has learnt the token server."""
        wait_until(lambda: [e for e in self.hub.requests("ping") if e["done"]], "the ping")
        self.hub.reset()
        make_image(self.hub, "library/app", "1", [1000])
        self.pull("app:1")
        self.assertEqual([e for e in self.hub.requests() if e["status"] == 401], [])
        self.assertEqual(self.hub.requests()[0]["kind"], "token")

    def test_a_token_refused_in_the_middle_is_renewed(self) -> None:
        image = make_image(self.hub, "library/app", "1", [1000, 2000])
        self.layby.get("/v2/library/app/manifests/1", ACCEPT)
        self.hub.forget_tokens()
        self.assertEqual(self.pull("app:1"), image)
        self.assertEqual(len(self.hub.requests("token")), 2)

    def test_no_authorization_reaches_the_cdn(self) -> None:
        make_image(self.hub, "library/app", "1", [1 << 20, 2000])
        self.hub.fault("cut", "/registry-v2/", after=1000)
        self.pull("app:1")
        self.assertTrue(self.hub.requests("cdn"))
        self.assert_no_credentials_at_cdn()

    def test_a_repository_that_upstream_hides_is_not_401(self) -> None:
        make_image(self.hub, "library/secret", "1", [1000])
        got = self.layby.get("/v2/library/secret/manifests/1", ACCEPT)
        self.assertIn(got.status, (403, 404))
        self.assertLess(len(self.hub.requests("token")), 5)


class ShortTokens(EndToEnd):
    hub_options = {"token_lifetime": 2}
    config = {"tags": {"fresh_for": "0s"}}

    def test_an_expired_token_is_renewed(self) -> None:
        image = make_image(self.hub, "library/app", "1", [1000])
        self.pull("app:1")
        issued = time.monotonic()
        wait_until(lambda: time.monotonic() - issued > 2.2, "end of the token's life")
        other = make_image(self.hub, "library/app", "2", [2000])
        self.assertEqual(self.pull("app:1"), image)
        self.assertEqual(self.pull("app:2"), other)


class SignedUrls(EndToEnd):
    hub_options = {"url_lifetime": 1}

    def test_a_resume_asks_for_a_new_url_when_the_old_one_has_expired(self) -> None:
        image = make_image(self.hub, "library/app", "1", [4 << 20])
        digest = max(image.blobs, key=lambda d: image.blobs[d])
        self.hub.fault("slow", digest, port="cdn", rate=1 << 20)
        self.hub.fault("cut", digest, port="cdn", after=3 << 20)
        got = self.layby.get(f"/v2/library/app/blobs/{digest}")
        self.assertEqual(digest_of(got.body), digest)
        self.assertEqual(self.hub.bytes_sent("cdn") // 1000, image.blobs[digest] // 1000)

    def test_an_expired_url_is_requested_again(self) -> None:
        image = make_image(self.hub, "library/app", "1", [100_000])
        self.hub.fault("status", "/registry-v2/", status=403)
        self.assertEqual(self.pull("app:1"), image)


class WithCredentials(EndToEnd):
    def setUp(self) -> None:
        self.password = Path(self.enterContext(_temporary_folder())) / "password"
        self.password.write_text("s3cret\n")
        self.upstream = {"username": "alice", "password_file": str(self.password)}
        super().setUp()

    def test_credentials_open_a_private_repository(self) -> None:
        image = make_image(self.hub, "library/secret", "1", [1000])
        self.assertEqual(self.pull("secret:1"), image)
        self.assertEqual({e["authorization"] for e in self.hub.requests("token")}, {"Basic"})
        self.assert_no_credentials_at_cdn()
        for kind in ("manifest", "blob", "ping"):
            self.assertNotIn("Basic", {e["authorization"] for e in self.hub.requests(kind)})

    def test_a_wrong_password_is_a_prompt_error_but_not_401(self) -> None:
        self.hub.accounts["alice"] = "changed"
        make_image(self.hub, "library/app", "1", [1000])
        got = self.layby.get("/v2/library/app/manifests/1", ACCEPT)
        self.assertIn(got.status, (403, 404, 502, 503))
        self.assertNotIn("s3cret", self.layby.log())

    def test_credentials_do_not_follow_a_realm_to_another_host(self) -> None:
        make_image(self.hub, "library/app", "1", [1000])
        self.hub.realm = self.hub.cdn_url + "/token"  # 127.0.0.2
        self.layby.get("/v2/library/app/manifests/1", ACCEPT)
        self.assert_no_credentials_at_cdn()


class Tags(EndToEnd):
    config = {"tags": {"fresh_for": "0s"}}

    def test_a_tag_that_moved_is_noticed(self) -> None:
        make_image(self.hub, "library/app", "1", [1000], seed=1)
        self.pull("app:1")
        moved = make_image(self.hub, "library/app", "1", [1000], seed=2)
        self.assertEqual(self.pull("app:1"), moved)

    def test_a_tag_is_resolved_by_head_and_its_manifest_fetched_once(self) -> None:
        image = make_image(self.hub, "library/app", "1", [1000])
        for _ in range(5):
            got = self.layby.get("/v2/library/app/manifests/1", ACCEPT)
            self.assertEqual(digest_of(got.body), image.root)
        self.assertEqual(self.hub.pulls_counted, 1)

    def test_a_second_tag_of_the_same_manifest_costs_no_get(self) -> None:
        image = make_image(self.hub, "library/app", "1", [1000])
        found = self.hub.manifest("library/app", "1")
        assert found
        self.hub.add_manifest("library/app", found[1], found[0], "latest")
        self.pull("app:1")
        self.hub.reset()
        self.assertEqual(self.pull("app:latest"), image)
        self.assertEqual(self.hub.requests("cdn"), [])
        self.assertEqual(self.hub.pulls_counted, 0)

    def test_a_tag_that_was_deleted_upstream_is_404(self) -> None:
        make_image(self.hub, "library/app", "1", [1000])
        self.pull("app:1")
        self.hub._tags["library/app"].pop("1")
        self.assertEqual(self.layby.get("/v2/library/app/manifests/1", ACCEPT).status, 404)

    def test_a_nested_index_is_served(self) -> None:
        image = make_image(self.hub, "library/app", "1", [1000])
        inner_manifest = self.hub.manifest("library/app", image.root)
        assert inner_manifest
        inner = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
            {"mediaType": inner_manifest[0], "digest": image.root,
             "size": len(inner_manifest[1])}]}).encode()
        inner_digest = self.hub.add_manifest("library/app", inner, OCI_INDEX)
        outer = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
            {"mediaType": OCI_INDEX, "digest": inner_digest, "size": len(inner)}]}).encode()
        outer_digest = self.hub.add_manifest("library/app", outer, OCI_INDEX, "nested")
        got = self.pull("app:nested")
        self.assertEqual(got.manifests, [outer_digest, inner_digest, image.root])


    def test_a_tag_that_moved_to_an_older_image_is_noticed(self) -> None:
        older = make_image(self.hub, "library/app", "1", [1000])
        newer = make_image(self.hub, "library/app", "latest", [1000])
        self.assertEqual(self.pull("app:latest"), newer)
        self.hub.move_tag("library/app", "latest", "1")
        self.assertEqual(self.pull("app:latest"), older)


class SharedBase(EndToEnd):
    def test_two_images_on_one_base_download_it_once(self) -> None:
        platforms = ["linux/amd64", "linux/arm64", "linux/arm/v7"]
        images = [make_index(self.hub, f"library/{name}", "1", platforms, [500_000, 1000],
                             attestations=True, base="debian") for name in ("app", "tool")]
        native = f"linux/{native_architecture()}"
        base, *_ = images[0].layers[native]
        self.assertEqual(images[1].layers[native][0], base)
        for name, image in zip(("app", "tool"), images):
            self.assertEqual(self.pull(f"{name}:1"), image.parts())
            self.layby.settle()
        self.assertEqual(self.upstream_gets()[base], 1)
        self.assert_fetched_once(*(image.parts() for image in images))


class FreshTags(EndToEnd):
    config = {"tags": {"fresh_for": "3s"}}

    def test_a_fresh_tag_asks_nothing_upstream_and_a_stale_tag_sends_head(self) -> None:
        make_image(self.hub, "library/app", "1", [1000])
        resolved = time.monotonic()
        self.pull("app:1")
        self.layby.settle()
        self.hub.reset()
        for _ in range(5):
            self.pull("app:1")
        if time.monotonic() - resolved < 2.5:
            self.assertEqual(self.hub.content_requests(), [])
        wait_until(lambda: time.monotonic() - resolved > 3.5, "an old tag")
        self.pull("app:1")
        self.assertEqual([e["method"] for e in self.hub.requests("manifest")], ["HEAD"])


class LimitedRate(EndToEnd):
    RATE = 2_000_000
    config = {"upstream": {"max_rate": "2MB"}}

    def test_concurrent_cold_pulls_keep_to_the_limit(self) -> None:
        images = [make_image(self.hub, "library/app", str(n), [2_000_000, 1000]) for n in range(2)]
        pulls = Pulls()
        started = time.monotonic()
        for n in range(2):
            pulls.start(self.pull, f"app:{n}")
        got = pulls.join()
        seconds = time.monotonic() - started
        self.assertCountEqual([parts.root for parts in got], [parts.root for parts in images])
        self.assertEqual(self.hub.bytes_sent("cdn"), sum(parts.blob_bytes for parts in images))
        self.assertLess(self.hub.bytes_sent("cdn") / seconds, self.RATE * 1.1)

    def test_a_warm_pull_is_not_limited(self) -> None:
        warm = make_image(self.hub, "library/app", "warm", [2_000_000])
        cold = make_image(self.hub, "library/app", "cold", [64 << 20])
        self.pull("app:warm")
        self.layby.settle()
        self.layby.config["upstream"] = {"max_rate": "64KiB"}  # The cold pull takes minutes.
        self.layby.restart()
        self.hub.reset()
        big = max(cold.blobs, key=lambda digest: cold.blobs[digest])
        pulls = Pulls()
        pulls.start(self.layby.get, f"/v2/library/app/blobs/{big}", timeout=60)
        wait_until(lambda: any(fill["received_bytes"] for fill in self.layby.stats()["fills"]),
                   "a fill under way")
        self.assertEqual(self.pull("app:warm"), warm)
        self.assertEqual([fill["digest"] for fill in self.layby.stats()["fills"]], [big])
        self.assertEqual(len(self.hub.requests("cdn")), 1)
        self.layby.kill()
        pulls.join()


class Sha512(EndToEnd):
    def test_an_image_with_sha512_digests_is_cached(self) -> None:
        image = make_image(self.hub, "library/app", "1", [200_000, 10], algorithm="sha512")
        got = pull(self.layby.authority, "library/app", "1")
        self.assertEqual(got, image)
        self.layby.settle()
        self.hub.down()
        self.assertEqual(pull(self.layby.authority, "library/app", "1"), image)


class TwoUpstreams(EndToEnd):
    def test_ns_picks_the_upstream_by_name(self) -> None:
        with Hub() as other:
            mine = make_image(self.hub, "library/app", "1", [1000], seed=1)
            theirs = make_image(other, "library/app", "1", [1000], seed=2)
            with Layby(self.hub, {"upstreams": [
                    {"name": "docker.io", "url": self.hub.url, "allow": ["library/*"]},
                    {"name": "registry.example", "url": other.url, "allow": ["*"]}]}) as layby:
                self.assertEqual(pull(layby.authority, "library/app", "1"), mine)
                self.assertEqual(pull(layby.authority, "library/app", "1",
                                      query="?ns=registry.example"), theirs)
                self.assertEqual(pull(layby.authority, "library/app", "1",
                                      query="?ns=docker.io"), mine)

    def test_the_path_picks_the_upstream_by_name(self) -> None:
        with Hub() as other:
            mine = make_image(self.hub, "library/app", "1", [1000], seed=1)
            theirs = make_image(other, "library/app", "1", [1000], seed=2)
            name = f"127.0.0.1:{other.url.rpartition(':')[2]}"
            with Layby(self.hub, {"upstreams": [
                    {"name": "docker.io", "url": self.hub.url, "allow": ["library/*"]},
                    {"name": name, "url": other.url, "allow": ["*"]}]}) as layby:
                self.assertEqual(pull(layby.authority, f"{name}/library/app", "1"), theirs)
                self.assertEqual(pull(layby.authority, "docker.io/app", "1"), mine)


class Tls(unittest.TestCase):
    """Tests with an upstream over HTTPS, like Docker Hub and its CDN."""

    def setUp(self) -> None:
        self.folder = Path(self.enterContext(_temporary_folder()))
        self.certificate, key = str(self.folder / "cert.pem"), str(self.folder / "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out",
                        self.certificate, "-days", "2", "-subj", "/CN=hub", "-addext",
                        "subjectAltName=IP:127.0.0.1,IP:127.0.0.2"], check=True, capture_output=True)
        self.hub = self.enterContext(Hub(tls=(self.certificate, key)))
        self.image = make_image(self.hub, "library/app", "1", [1 << 20])

    def test_pull_from_an_upstream_with_a_trusted_certificate(self) -> None:
        with Layby(self.hub, upstream={"ca_file": self.certificate}) as layby:
            self.assertEqual(pull(layby.authority, "library/app", "1"), self.image)

    def test_an_untrusted_certificate_is_refused(self) -> None:
        with Layby(self.hub) as layby:
            got = layby.get("/v2/library/app/manifests/1", ACCEPT)
            self.assertIn(got.status, (502, 503))
            self.assertIn("certificate", got.json()["errors"][0]["message"].lower())
        self.assertEqual(self.hub.content_requests(), [])

    def test_https_goes_through_a_proxy_by_connect(self) -> None:
        with ConnectProxy() as proxy, Layby(self.hub, upstream={
                "ca_file": self.certificate, "proxy": proxy.url}) as layby:
            self.assertEqual(pull(layby.authority, "library/app", "1"), self.image)
        self.assertEqual(proxy.asked, {self.hub.url.partition("//")[2],
                                       self.hub.cdn_url.partition("//")[2]})


class ConnectProxy:
    """A proxy that serves only CONNECT; `asked` has the requested targets."""

    def __init__(self) -> None:
        self.asked: set[str] = set()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> ConnectProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        method, target, _ = head.decode().split(" ", 2)
        assert method == "CONNECT", method
        self.asked.add(target)
        host, _, port = target.partition(":")
        server = socket.create_connection((host, int(port)))
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=self._copy, args=(server, client), daemon=True)
        back.start()
        self._copy(client, server)
        back.join()
        client.close()
        server.close()

    @staticmethod
    def _copy(source: socket.socket, sink: socket.socket) -> None:
        try:
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


if __name__ == "__main__":
    unittest.main(verbosity=2)
