#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients that are slow, silent, greedy or hostile.

Each limit closes only the connection of the client that exceeds the limit, in time, and doesn't
disturb the pulls of another client.
"""
from __future__ import annotations

import socket
import time
import unittest
from pathlib import Path

from harness import EndToEnd, digest_of, make_image, raw, wait_until

TLS_HELLO = bytes.fromhex("16030100a5010000a1030362d0") + bytes(160)


class Limits(EndToEnd):
    config = {"limits": {"request_timeout": "2s", "idle_timeout": "3s", "stall_timeout": "3s",
                         "header_bytes": 8192, "max_connections": 64}}

    def setUp(self) -> None:
        super().setUp()
        self.image = make_image(self.hub, "library/app", "1", [32 << 20, 500])
        self.digest = max(self.image.blobs, key=lambda d: self.image.blobs[d])
        self.path = f"/v2/library/app/blobs/{self.digest}"

    def connect(self) -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self.layby.port), timeout=15)
        self.addCleanup(made.close)
        return made

    def seconds_until_closed(self, connection: socket.socket) -> float:
        started = time.monotonic()
        try:
            while connection.recv(1 << 20):
                pass
        except ConnectionResetError:
            pass
        return time.monotonic() - started

    def status_of(self, request: bytes) -> int:
        answer = raw(self.layby.authority, request)
        self.assertTrue(answer.startswith(b"HTTP/1.1 "), answer[:100])
        return int(answer.split()[1])

    # -- slow and silent

    def test_a_head_sent_a_byte_a_second_is_closed_at_request_timeout(self) -> None:
        connection = self.connect()
        connection.settimeout(1.0)
        started = time.monotonic()
        text = b"GET /v2/ HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 10
        for byte in text:
            try:
                connection.sendall(bytes([byte]))
                if connection.recv(4096) == b"":
                    break
                break  # an answer such as 408 is allowed too
            except TimeoutError:
                pass
            except OSError:
                break
            self.assertLess(time.monotonic() - started, 6, "still open")
        self.assertGreater(time.monotonic() - started, 1)

    def test_a_silent_client_is_closed(self) -> None:
        self.assertLess(self.seconds_until_closed(self.connect()), 6)

    def test_a_kept_connection_is_closed_after_idle_timeout(self) -> None:
        connection = self.connect()
        connection.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertTrue(connection.recv(4096).startswith(b"HTTP/1.1 200"))
        waited = self.seconds_until_closed(connection)
        self.assertGreater(waited, 1.5)
        self.assertLess(waited, 7)

    def test_a_stalled_reader_is_closed_and_disturbs_nobody(self) -> None:
        self.layby.get(self.path)
        stalled = [self.connect() for _ in range(16)]
        for connection in stalled:
            connection.sendall(f"GET {self.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        started = time.monotonic()
        self.assertEqual(digest_of(self.layby.get(self.path).body), self.digest)
        self.assertLess(time.monotonic() - started, 3)

        wait_until(lambda: time.monotonic() - started > 6, "deadline of the stalled readers", 10)
        for connection in stalled:
            got = 0
            try:
                while piece := connection.recv(1 << 20):
                    got += len(piece)
            except ConnectionResetError:
                pass
            self.assertLess(got, self.image.blobs[self.digest], "a stalled reader got everything")

    def test_a_slow_but_steady_reader_is_not_closed(self) -> None:
        self.layby.get(self.path)
        connection = self.connect()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        connection.sendall(f"GET {self.path} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-7999999\r\n"
                           "Connection: close\r\n\r\n".encode())
        got, started = 0, time.monotonic()
        while piece := connection.recv(128 << 10):
            got += len(piece)
            due = got / 1_200_000  # 1.2 MB/s, so the body takes longer than stall_timeout
            wait_until(lambda: time.monotonic() - started >= due, "turn of a slow reader", 10)
        self.assertGreater(got, 8_000_000)

    def test_a_stalled_reader_does_not_stop_a_fill(self) -> None:
        stalled = self.connect()
        stalled.sendall(f"GET {self.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        self.assertTrue(stalled.recv(100))
        self.assertEqual(digest_of(self.layby.get(self.path).body), self.digest)
        self.assertEqual(len(self.hub.requests("cdn", path=self.digest)), 1)

    # -- too much

    def test_connections_beyond_the_limit_do_not_stop_the_service(self) -> None:
        crowd = []
        for _ in range(80):
            try:
                crowd.append(self.connect())
            except OSError:
                break
        waiting = wait_until(lambda: self._status_or_zero() == 200, "service after a crowd", 10)
        self.assertTrue(waiting)

    def _status_or_zero(self) -> int:
        try:
            return self.layby.get("/healthz", timeout=2).status
        except OSError:
            return 0

    def test_a_head_that_is_too_long_is_431(self) -> None:
        for request in (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
                        b"GET /v2/ HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * 4000 + b"\r\n"):
            self.assertEqual(self.status_of(request), 431)
        self.assertIn(self.status_of(b"GET /v2/" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
                      (414, 431))

    def test_memory_does_not_grow_with_readers(self) -> None:
        self.layby.get(self.path)
        before = self.resident()
        for _ in range(40):
            self.connect().sendall(f"GET {self.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        self.layby.get("/healthz")
        self.assertLess(self.resident() - before, 8 << 20)

    def resident(self) -> int:
        """Anonymous memory; mapped pages of the page cache don't count."""
        assert self.layby.process
        status = Path(f"/proc/{self.layby.process.pid}/status").read_text()
        return int(status.split("RssAnon:")[1].split()[0]) * 1024

    # -- malformed

    def test_a_tls_hello_is_answered_at_once(self) -> None:
        started = time.monotonic()
        answer = raw(self.layby.authority, TLS_HELLO)
        self.assertLess(time.monotonic() - started, 1)
        self.assertTrue(answer.startswith(b"HTTP/1.1 400"), answer[:80])

    def test_malformed_requests_are_400_and_closed(self) -> None:
        for name, request in {
            "two lengths": b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n",
            "two equal lengths":
                b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
            "length and chunked": b"POST /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                                  b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "no host": b"GET /v2/ HTTP/1.1\r\n\r\n",
            "two hosts": b"GET /v2/ HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
            "garbage": b"\0\1\2\3 hello\r\n\r\n",
            "no version": b"GET /v2/\r\n\r\n",
            "space in a header name": b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA B: c\r\n\r\n",
            "folded header": b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
            "bare newline": b"GET /v2/ HTTP/1.1\nHost: x\n\n",
            "negative length": b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        }.items():
            with self.subTest(name):
                self.assertEqual(self.status_of(request), 400)

    # -- connections that end early

    def test_a_client_that_ends_its_direction_gets_its_answer_whole(self) -> None:
        for how in ("cold", "warm"):
            with self.subTest(how):
                connection = self.connect()
                connection.sendall(f"GET {self.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                connection.shutdown(socket.SHUT_WR)
                answer = b""
                while piece := connection.recv(1 << 20):
                    answer += piece
                body = answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").partition(b"\r\n\r\n")[2]
                self.assertEqual(digest_of(body), self.digest)

    def test_http_1_0_is_answered_and_closed(self) -> None:
        answer = raw(self.layby.authority, b"GET /v2/ HTTP/1.0\r\n\r\n")
        self.assertIn(b" 200 ", answer.split(b"\r\n")[0])

    def test_connection_close_is_honoured(self) -> None:
        answer = raw(self.layby.authority, b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        self.assertTrue(answer.startswith(b"HTTP/1.1 200"))
        self.assertIn(b"connection: close", answer.lower())

    def test_pipelined_requests_are_answered_in_order(self) -> None:
        request = b"GET %b HTTP/1.1\r\nHost: x\r\n%b\r\n"
        answer = raw(self.layby.authority, request % (b"/v2/", b"")
                     + request % (b"/v2/library/app/blobs/bad", b"")
                     + request % (b"/healthz", b"Connection: close\r\n"))
        statuses = [int(part.split()[0]) for part in answer.split(b"HTTP/1.1 ")[1:]]
        self.assertEqual(statuses, [200, 400, 200])

    def test_a_body_on_a_get_does_not_confuse_the_next_request(self) -> None:
        answer = raw(self.layby.authority,
                     b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 35\r\n\r\n"
                     b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
                     b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        statuses = [int(part.split()[0]) for part in answer.split(b"HTTP/1.1 ")[1:]]
        self.assertIn(statuses, ([200, 200], [200], [400], [413]))
        self.assertNotIn(404, statuses)


class Memory(EndToEnd):
    config = {"limits": {"max_connections": 3000, "max_connections_per_client": 3000,
                         "request_timeout": "60s"}}

    def anonymous_bytes(self) -> int:
        assert self.layby.process
        status = Path(f"/proc/{self.layby.process.pid}/status").read_text()
        return int(status.split("RssAnon:")[1].split()[0]) * 1024

    def test_memory_of_a_burst_of_half_heads_is_given_back(self) -> None:
        before = self.anonymous_bytes()
        half = b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 15_000
        crowd = []
        for _ in range(2000):
            crowd.append(socket.create_connection(("127.0.0.1", self.layby.port), timeout=15))
            crowd[-1].sendall(half)
        wait_until(lambda: self.anonymous_bytes() - before > 25 << 20, "the heads to be read", 30)
        for connection in crowd:
            connection.close()
        wait_until(lambda: self.anonymous_bytes() - before < 8 << 20, "memory to be given back", 30)


if __name__ == "__main__":
    unittest.main(verbosity=2)
