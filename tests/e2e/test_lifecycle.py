#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests the daemon's start, changes of its configuration, a log that nobody reads, and the end."""
from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import unittest
from pathlib import Path
from typing import Any

from harness import EndToEnd, end_with_parent, exchange, fetch, layby_binary, make_image, merged, raw, wait_until
from hub import free_port


class Lifecycle(EndToEnd):
    def launch_with(self, **options: Any) -> subprocess.Popen[bytes]:
        """Stops Layby and starts it again. `options` can change stdin, stdout and stderr."""
        self.layby.stop()
        self.layby.config_path.write_text(json.dumps(self.layby.config))
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL,
                   "stderr": subprocess.DEVNULL, "preexec_fn": end_with_parent, **options}
        self.layby.process = subprocess.Popen(
            [str(layby_binary()), "serve", "--config", str(self.layby.config_path)], **options)
        wait_until(lambda: self.layby.alive() and self.health() == 200, "healthy layby")
        return self.layby.process

    def health(self) -> int:
        try:
            return self.layby.get("/healthz").status
        except OSError:
            return 0


class TheLog(Lifecycle):
    def test_log_that_nobody_reads_stops_nothing(self) -> None:
        make_image(self.hub, "library/app", "1", [200_000])
        self.layby.config["log"] = {"level": "debug"}
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        os.set_blocking(writer, False)
        while True:
            try:
                os.write(writer, b" " * 4096)
            except BlockingIOError:
                break
        os.set_blocking(writer, True)
        process = self.launch_with(stderr=writer)
        os.close(writer)
        self.pull("app:1")
        self.assertEqual(self.health(), 200)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(15), 0)

    def test_last_lines_are_written_at_the_end(self) -> None:
        self.layby.stop()
        self.assertIn("info stopped\n", self.layby.log())

    def test_closed_descriptors_become_dev_null(self) -> None:
        make_image(self.hub, "library/app", "1", [200_000])

        def close_all() -> None:
            end_with_parent()
            os.closerange(0, 3)

        process = self.launch_with(stdin=None, stdout=None, stderr=None, preexec_fn=close_all)
        self.assertEqual([os.readlink(f"/proc/{process.pid}/fd/{fd}") for fd in range(3)], ["/dev/null"] * 3)
        self.pull("app:1")


class TheEnd(Lifecycle):
    def test_drain_serves_on_with_an_unhealthy_page(self) -> None:
        make_image(self.hub, "library/app", "1", [200_000])
        self.layby.config["drain_for"] = "60m"
        self.layby.restart()
        assert self.layby.process
        self.layby.process.send_signal(signal.SIGTERM)
        wait_until(lambda: self.health() == 503, "unhealthy page")
        self.assertTrue(self.layby.stats()["draining"])
        self.pull("app:1")
        self.layby.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.layby.process.wait(15), 0)

    def test_command_drains_and_a_signal_shortens_the_drain(self) -> None:
        done = self.layby.ask("drain", "--for", "50m")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("50m", done.stdout)
        self.assertEqual(self.health(), 503)
        self.assertEqual(self.layby.stop(), 0)

    def test_command_without_a_time_ends_the_daemon(self) -> None:
        self.assertEqual(self.layby.ask("drain").returncode, 0)
        assert self.layby.process
        self.assertEqual(self.layby.process.wait(15), 0)

    def test_drain_of_no_time_is_refused(self) -> None:
        done = self.layby.ask("drain", "--for", "soon")
        self.assertEqual(done.returncode, 1)
        self.assertIn("30s", done.stderr)


class TheConfiguration(Lifecycle):
    def save(self, change: dict[str, Any]) -> None:
        self.save_text(json.dumps(merged(self.layby.config, change), indent=2))

    def save_text(self, text: str) -> None:
        """Replaces the configuration file in one step, as an editor does."""
        beside = self.layby.config_path.with_suffix(".new")
        beside.write_text(text)
        beside.replace(self.layby.config_path)

    def notices(self) -> list[str]:
        return self.layby.stats()["notices"]

    def status_of(self, path: str) -> int:
        return self.layby.get(path).status

    def test_changed_patterns_and_upstreams_count_at_once(self) -> None:
        make_image(self.hub, "acme/tool", "1", [1000])
        path = "/v2/acme/tool/manifests/1"
        self.assertNotEqual(self.status_of(path), 200)
        self.assertNotEqual(self.status_of(f"{path}?ns=other.example"), 200)
        upstream = self.layby.config["upstreams"][0]
        self.save({"upstreams": [{**upstream, "allow": ["*"]}, {**upstream, "name": "other.example", "allow": ["*"]}]})
        wait_until(lambda: self.status_of(path) == 200, "the pattern to count")
        self.assertEqual(self.status_of(f"{path}?ns=other.example"), 200)
        self.assert_logged("in force with changes of listen, upstreams")

    def test_changed_address_drops_no_connection(self) -> None:
        kept = http.client.HTTPConnection(self.layby.authority, timeout=30)
        self.addCleanup(kept.close)
        self.assertEqual(exchange(kept, "/healthz").status, 200)
        before, after = self.layby.authority, f"127.0.0.1:{free_port()}"
        self.save({"listen": after})
        wait_until(lambda: self.answers(after), "the new address")
        self.assertEqual(exchange(kept, "/healthz").status, 200)
        self.assertFalse(self.answers(before))
        self.assertEqual(fetch(after, "/stats").json()["listen"], after)

    def test_address_with_the_same_port_replaces_the_old_one(self) -> None:
        after = f"0.0.0.0:{self.layby.port}"
        self.save({"listen": after})
        wait_until(lambda: self.answers(self.layby.authority) and self.layby.stats()["listen"] == after,
                   "the new address")

    def test_registry_may_not_send_layby_to_its_new_address(self) -> None:
        image = make_image(self.hub, "library/app", "1", [1000])
        after = f"127.0.0.1:{free_port()}"
        self.save({"listen": after})
        wait_until(lambda: self.answers(after), "the new address")
        self.hub.cdn_url = f"http://{after}"
        answer = fetch(after, f"/v2/library/app/blobs/{next(iter(image.blobs))}")
        self.assertNotEqual(answer.status, 200)
        self.assertIn("where Layby itself serves", answer.body.decode())

    def test_changed_names_of_the_pages_count_at_once(self) -> None:
        def status() -> int:
            answer = raw(self.layby.authority,
                         b"GET /stats HTTP/1.1\r\nHost: mirror.example\r\nConnection: close\r\n\r\n")
            return int(answer.split()[1])

        self.assertEqual(status(), 421)
        self.save({"hosts": ["mirror.example"]})
        wait_until(lambda: status() == 200, "the name to count")
        self.save({})
        wait_until(lambda: status() == 421, "the name to count no more")

    def test_changed_limits_count_at_once(self) -> None:
        self.save({"limits": {"rate_per_client": 1, "burst_per_client": 1}})
        wait_until(lambda: self.health() == 429, "the rate")
        self.save({"limits": {"rate_per_client": 1, "burst_per_client": 1},
                   "trusted_proxies": ["127.0.0.0/8"]})
        wait_until(lambda: self.health() == 200, "no rate for a proxy")
        status = [self.layby.get("/healthz", {"X-Forwarded-For": "192.0.2.1"}).status for _ in range(2)]
        self.assertEqual(status, [200, 429])

    def test_address_that_is_taken_leaves_the_old_one(self) -> None:
        taken = self.hub.url.removeprefix("http://")
        self.save({"listen": taken})
        wait_until(lambda: any("listen" in line for line in self.notices()), "notice")
        self.assertEqual(self.health(), 200)

    def answers(self, authority: str) -> bool:
        try:
            return fetch(authority, "/healthz").status == 200
        except OSError:
            return False

    def test_faulty_file_leaves_the_last_good_one_in_force(self) -> None:
        self.save_text('{"lissten": 1}')
        wait_until(lambda: any("line 1, lissten" in line for line in self.notices()), "notice")
        self.assertEqual(self.layby.stats()["config"]["faults"], 1)
        self.assert_logged("the last good configuration stays in force")
        self.assertEqual(self.health(), 200)
        self.save({})
        wait_until(lambda: self.notices() == [], "no notice")

    def test_missing_and_empty_files_leave_the_last_good_one_in_force(self) -> None:
        for text in ("", None):
            with self.subTest(text):
                if text is None:
                    self.layby.config_path.unlink()
                else:
                    self.save_text(text)
                wait_until(lambda: any("missing or empty" in line for line in self.notices()), "notice")
                self.save({})
                wait_until(lambda: self.notices() == [], "no notice")

    def test_named_pipe_in_the_place_of_the_file_stops_nothing(self) -> None:
        pipe = Path(f"{self.layby.config_path}.pipe")
        os.mkfifo(pipe)
        # The pipe holds bytes and has a writer, so a reader of the pipe would wait for ever.
        keeper = os.open(pipe, os.O_RDWR)
        self.addCleanup(os.close, keeper)
        os.write(keeper, b"{}")
        pipe.replace(self.layby.config_path)
        wait_until(lambda: self.notices() != [], "notice")
        self.assertEqual(self.health(), 200)
        self.assertEqual(self.layby.stop(), 0)

    def test_data_folder_needs_a_restart(self) -> None:
        self.save({"data_dir": str(self.layby.home / "other"), "shutdown_grace": "1s"})
        wait_until(lambda: any("data_dir: needs a restart" in line for line in self.notices()), "notice")
        self.assert_logged("in force with changes of listen, shutdown_grace\n")
        self.assertFalse((self.layby.home / "other").exists())

    def test_sighup_reads_an_unchanged_file_again(self) -> None:
        assert self.layby.process
        self.layby.process.send_signal(signal.SIGHUP)
        self.assert_logged("SIGHUP")
        self.assertEqual(self.notices(), [])

    def test_https_comes_and_goes(self) -> None:
        certificate, key = self.layby.home / "c.pem", self.layby.home / "k.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-subj", "/CN=box", "-days", "30", "-out", certificate, "-keyout", key],
                       check=True, capture_output=True)
        secure = f"127.0.0.1:{free_port()}"
        self.save({"tls": {"certificate_file": str(certificate), "key_file": str(key), "listen": secure}})

        def connects() -> bool:
            try:
                socket.create_connection(("127.0.0.1", int(secure.split(":")[1])), timeout=5).close()
                return True
            except OSError:
                return False

        wait_until(connects, "HTTPS")
        self.save({})
        wait_until(lambda: not connects(), "no HTTPS")
        self.assertEqual(self.health(), 200)


class TheStart(Lifecycle):
    def check(self, change: dict[str, Any]) -> None:
        """Checks that `config check` and `serve` refuse the changed configuration with exit code 2."""
        path = self.layby.home / "wrong.json"
        path.write_text(json.dumps(merged(self.layby.config, change)))
        for command in (("config", "check"), ("serve",)):
            done = self.layby.command(*command, "--config", str(path))
            self.assertEqual(done.returncode, 2, done.stderr)
            self.said = done.stderr

    def test_key_that_does_not_fit_is_found(self) -> None:
        for name in ("one", "other"):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                            "-nodes", "-subj", "/CN=box", "-days", "30", "-out", self.layby.home / f"{name}.pem",
                            "-keyout", self.layby.home / f"{name}.key"], check=True, capture_output=True)
        self.check({"tls": {"certificate_file": str(self.layby.home / "one.pem"),
                            "key_file": str(self.layby.home / "other.key"), "listen": "127.0.0.1:0"}})
        self.assertIn("other.key", self.said)

    def test_two_listeners_on_one_port_are_found(self) -> None:
        for name in ("c.pem", "k.pem"):
            (self.layby.home / name).write_text("x")
        self.check({"listen": "0.0.0.0:5000", "tls": {"certificate_file": str(self.layby.home / "c.pem"),
                                                      "key_file": str(self.layby.home / "k.pem"),
                                                      "listen": "127.0.0.1:5000"}})
        self.assertIn("tls.listen", self.said)

    def test_data_folder_that_can_not_be_is_found(self) -> None:
        (self.layby.home / "file").write_text("x")
        self.check({"data_dir": str(self.layby.home / "file/data")})
        self.assertIn("data_dir", self.said)

    def test_named_pipe_as_configuration_is_found_at_once(self) -> None:
        pipe = self.layby.home / "pipe.json"
        os.mkfifo(pipe)
        done = self.layby.command("config", "check", "--config", str(pipe), seconds=10)
        self.assertEqual(done.returncode, 2)
        self.assertIn("named pipe", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
