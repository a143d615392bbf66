#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Layby's own reports: /stats, /metrics, /healthz, `layby status`, `layby config check`."""
from __future__ import annotations

import json
import re
import tempfile
import unittest
from pathlib import Path
from typing import Any

from harness import EndToEnd, Pulls, fetch, layby_command, make_image, wait_until


def at(stats: dict[str, Any], path: str) -> Any:
    """The figure at a path such as "store.blobs"."""
    value: Any = stats
    for name in path.split("."):
        value = value[name]
    return value


class Stats(EndToEnd):
    def figures(self, *names: str) -> dict[str, Any]:
        counters = self.layby.stats()["counters"]
        return {name: counters[name] for name in names}

    def test_a_cold_and_a_warm_pull_are_counted(self) -> None:
        image = make_image(self.hub, "library/app", "1", [200_000, 3000])
        self.pull("app:1")
        self.layby.settle()
        self.assertEqual(
            self.figures("blob_misses", "blob_hits", "upstream_blob_gets", "upstream_manifest_gets",
                         "fills_published", "upstream_token_gets"),
            {"blob_misses": 3, "blob_hits": 0, "upstream_blob_gets": 3, "upstream_manifest_gets": 1,
             "fills_published": 3, "upstream_token_gets": 1})

        self.pull("app:1")
        self.assertEqual(
            self.figures("blob_misses", "blob_hits", "blob_bytes_from_cache", "upstream_blob_gets",
                         "upstream_manifest_gets"),
            {"blob_misses": 3, "blob_hits": 3, "blob_bytes_from_cache": image.blob_bytes,
             "upstream_blob_gets": 3, "upstream_manifest_gets": 1})

    def test_stats_describe_the_daemon_and_its_store(self) -> None:
        image = make_image(self.hub, "library/app", "1", [200_000])
        self.pull("app:1")
        self.layby.settle()
        stats = self.layby.stats()
        self.assertTrue(stats["version"])
        self.assertEqual(stats["listen"], self.layby.authority)
        self.assertGreaterEqual(stats["uptime_seconds"], 0)
        self.assertGreater(stats["resident_bytes"], 0)
        self.assertEqual(at(stats, "store.blobs"), 2)
        self.assertEqual(at(stats, "store.blob_bytes"), image.blob_bytes)
        self.assertEqual(at(stats, "store.manifests"), 1)
        self.assertEqual(at(stats, "store.tags"), 1)
        self.assertGreater(at(stats, "store.disk_total_bytes"), at(stats, "store.disk_free_bytes"))

    def test_the_sums_add_up(self) -> None:
        image = make_image(self.hub, "library/app", "1", [200_000])
        self.pull("app:1")
        self.layby.settle()
        self.pull("app:1")
        stats = self.layby.stats()
        self.assertEqual(at(stats, "cache.bytes_from_cache"), image.blob_bytes)
        self.assertEqual(at(stats, "cache.bytes_from_fills"), image.blob_bytes)
        self.assertGreaterEqual(at(stats, "cache.bytes_from_upstream"), image.blob_bytes)
        logged = len(self.hub.requests())
        followed = len(self.hub.requests("cdn"))  # curl may count a redirect with its request
        self.assertIn(at(stats, "upstream.requests"), (logged, logged - followed))

    def test_the_remaining_pull_quota_is_known(self) -> None:
        make_image(self.hub, "library/app", "1", [1000])
        self.pull("app:1")
        quota = self.layby.stats()["upstreams"][0]["quota"]
        self.assertEqual((quota["limit"], quota["remaining"], quota["window_seconds"]), (100, 99, 21600))

    def test_a_fill_in_flight_is_shown_with_its_progress(self) -> None:
        image = make_image(self.hub, "library/app", "1", [4 << 20])
        digest = max(image.blobs, key=lambda d: image.blobs[d])
        self.hub.fault("slow", digest, port="cdn", rate=2 << 20)
        pulls = Pulls()
        for _ in range(3):
            pulls.start(fetch, self.layby.authority, f"/v2/library/app/blobs/{digest}")
        shown = wait_until(lambda: [f for f in self.layby.stats()["fills"]
                                    if f["digest"] == digest and f["received_bytes"] > 0], "fill in /stats")
        self.assertEqual(shown[0]["size_bytes"], image.blobs[digest])
        self.assertLess(shown[0]["received_bytes"], image.blobs[digest])
        self.assertEqual(shown[0]["readers"], 3)
        pulls.join()
        wait_until(lambda: self.layby.stats()["fills"] == [], "an end of the fill")
        self.assertEqual(self.figures("blob_misses", "blob_shared"), {"blob_misses": 1, "blob_shared": 2})

    def test_an_unreachable_upstream_is_shown(self) -> None:
        make_image(self.hub, "library/app", "1", [1000])
        self.pull("app:1")
        self.hub.down()
        for n in range(5):
            self.layby.get(f"/v2/library/app/manifests/other{n}", timeout=60)
        self.assertFalse(self.layby.stats()["upstreams"][0]["reachable"])

    def test_metrics_are_prometheus_text(self) -> None:
        make_image(self.hub, "library/app", "1", [1000])
        self.pull("app:1")
        got = self.layby.get("/metrics")
        self.assertEqual(got.status, 200)
        self.assertTrue(got.headers["content-type"].startswith("text/plain"))
        text = got.body.decode()
        sample = re.compile(r'^[a-zA-Z_:][a-zA-Z0-9_:]*(\{[^{}]*\})? -?[0-9.eE+]+$')
        typed = set(re.findall(r"^# TYPE (\S+) (?:counter|gauge)$", text, re.M))
        for line in text.splitlines():
            if line and not line.startswith("#"):
                self.assertRegex(line, sample)
                self.assertIn(re.split(r"[{ ]", line)[0], typed)
        self.assertRegex(text, r"(?m)^layby_\S*blob_misses\S* 2$")
        self.assertTrue(text.endswith("\n"))

    def test_healthz_is_ok_even_without_upstream(self) -> None:
        self.assertEqual(self.layby.get("/healthz").status, 200)
        self.hub.down()
        self.assertEqual(self.layby.get("/healthz").status, 200, "health doesn't need an uplink")

    def test_notices_are_shown_as_they_come_and_go(self) -> None:
        notices = self.layby.home / "notices"
        self.layby.arguments = ["--notices", str(notices)]
        self.layby.restart()
        self.assertEqual(self.layby.stats()["notices"], [])
        notices.write_text("layby.json has mistakes\n  line 3: no such key\n")
        self.assertEqual(self.layby.stats()["notices"], ["layby.json has mistakes", "  line 3: no such key"])
        seen_to = "Needs attention:\n\n  layby.json has mistakes\n    line 3: no such key\n"
        self.assertIn(seen_to, self.layby.get("/").body.decode())
        self.assertIn("Needs attention\n  layby.json has mistakes", self.layby.ask("status").stdout)
        notices.unlink()
        self.assertNotIn("Needs attention", self.layby.get("/").body.decode())

    def test_administration_is_read_only_on_the_listener(self) -> None:
        for path in ("/stats", "/metrics", "/healthz"):
            for method in ("POST", "PUT", "DELETE"):
                self.assertEqual(self.layby.get(path, None, method).status, 405, (method, path))
            head = self.layby.get(path, None, "HEAD")
            self.assertEqual((head.status, head.body), (200, b""))


class CommandLine(EndToEnd):
    def test_status_names_the_upstream(self) -> None:
        make_image(self.hub, "library/app", "1", [1000])
        self.pull("app:1")
        done = self.layby.command("status", "--config", str(self.layby.config_path))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("docker.io", done.stdout)

    def test_status_without_a_daemon_says_so(self) -> None:
        self.layby.stop()
        done = self.layby.command("status", "--config", str(self.layby.config_path))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(str(self.layby.socket_path), done.stderr)

    def test_version_and_help_succeed_and_unknown_commands_fail(self) -> None:
        for argument in ("--version", "--help"):
            done = self.layby.command(argument)
            self.assertEqual(done.returncode, 0)
            self.assertIn("layby", done.stdout.lower())
        self.assertNotEqual(self.layby.command("no-such-command").returncode, 0)

    def test_the_socket_is_for_the_owner_only(self) -> None:
        self.assertEqual(self.layby.socket_path.stat().st_mode & 0o007, 0)

    def test_a_second_daemon_on_the_same_data_is_refused(self) -> None:
        config = self.layby.home / "second.json"
        config.write_text(json.dumps({**self.layby.config, "listen": "127.0.0.1:0",
                                      "socket": str(self.layby.home / "second.sock")}))
        done = self.layby.command("serve", "--config", str(config), seconds=15)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(str(self.layby.home / "data"), done.stderr)


class ConfigCheck(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="layby-config-")))

    def check(self, text: str, *command: str) -> Any:
        path = self.folder / "layby.json"
        path.write_text(text)
        return layby_command(*(command or ("config", "check")), "--config", str(path))

    def test_a_good_file_with_comments_passes(self) -> None:
        done = self.check('{ // where\n "listen": "127.0.0.1:5000", /* how long */ "tags": {"fresh_for": "5m"} }')
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_an_empty_configuration_passes(self) -> None:
        self.assertEqual(self.check("{}").returncode, 0)

    FAULTY = json.dumps({
        "listen": "nowhere", "lissten": "127.0.0.1:1", "data_dir": 5,
        "cache": {"max_bytes": "many", "min_free_bytes": "1GiB"},
        "tags": {"fresh_for": "soon"},
        "limits": {"max_connections": -1},
        "upstreams": [{"name": "docker.io", "url": "ftp://x", "alow": []}]})
    FAULTS = ("listen", "lissten", "data_dir", "cache.max_bytes", "tags.fresh_for",
              "limits.max_connections", "upstreams[0].url", "upstreams[0].alow")

    def test_every_fault_is_reported_at_once_with_its_path(self) -> None:
        done = self.check(self.FAULTY)
        self.assertNotEqual(done.returncode, 0)
        for path in self.FAULTS:
            with self.subTest(path):
                self.assertIn(path, done.stdout + done.stderr)
        self.assertNotIn("min_free_bytes", done.stdout + done.stderr)

    def test_serve_does_not_start_with_a_faulty_file(self) -> None:
        done = self.check(self.FAULTY, "serve")
        self.assertNotEqual(done.returncode, 0)
        for path in self.FAULTS:
            self.assertIn(path, done.stderr)
        self.assertNotIn("listening on", done.stderr)

    def test_invalid_json_is_reported_with_its_line(self) -> None:
        done = self.check('{\n "listen": \n}')
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stdout + done.stderr, r"line 3")

    def test_a_missing_file_is_reported(self) -> None:
        done = layby_command("config", "check", "--config", str(self.folder / "none.json"))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("none.json", done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
