# SPDX-License-Identifier: Apache-2.0
"""The waits of an honest client beside each attack of a hostile client, an upstream or a log reader.

The honest client asks at a steady pace, whether its earlier requests have been answered or not, so
that one long wait can't hide the next one. At each tick it asks for a stored blob, a tag that has
to be checked, a tag that isn't cached, and a blob that isn't stored. A wait ends when the client has
the right bytes: after a refusal the client asks again a second later. A wait of DEADLINE seconds
means that there was no answer. For each attack and kind of request, the figure is the ten longest
waits. The budgets are the bounds of docs/promises.md.

The honest client is a process of its own. Hostile and honest clients have different addresses.
LAYBY_BIN may name an older program: the configurations have only keys that every version knows.
"""
from __future__ import annotations

import fcntl
import heapq
import http.client
import itertools
import multiprocessing
import os
import selectors
import socket
import socketserver
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

from servers import MIB, Hub, Layby, Pulls, digest_of, fetch, make_image, wait_until
from harness import ACCEPT, Parts, end_with_parent, exchange
from table import Budget, Table

TICKS, EVERY, DEADLINE = 15, 1.5, 60.0
WORST = 10
HONEST, HOSTILE, PAGES = "127.0.0.6", "127.0.0.5", "127.0.0.4"
COLD_BYTES = 2 * MIB
STORED, CHECKED, NEW_TAG, COLD, HUNG = "stored blob", "checked tag", "new tag", "new blob", "hung blob"
BOUNDS = {STORED: 1.0, CHECKED: 2.0, NEW_TAG: 2.0, COLD: 5.0, HUNG: 12.0}
THIN = 4 * MIB  # bytes a second
FRESH = {"tags": {"fresh_for": "1s"}}  # shorter than EVERY, so that each tick checks the tag
FILLER_BYTES = 16 * MIB
HUNG_BLOB = bytes(range(256)) * (COLD_BYTES // 256)

Ask = tuple[str, str, str]  # what is asked for, its path, and the digest of the right answer


def wait_for(authority: str, path: str, digest: str) -> float:
    """Returns the seconds until the client has the right bytes, at most DEADLINE."""
    began = time.monotonic()
    while (left := began + DEADLINE - time.monotonic()) > 0:
        connection = http.client.HTTPConnection(authority, timeout=left, source_address=(HONEST, 0))
        with closing(connection), suppress(OSError, http.client.HTTPException):
            answer = exchange(connection, path, ACCEPT)
            if answer.status == 200 and digest_of(answer.body) == digest:
                break
        time.sleep(1)
    return min(DEADLINE, time.monotonic() - began)


def ask_at_each_tick(authority: str, ticks: list[list[Ask]]) -> list[tuple[str, float]]:
    pulls, began = Pulls(), time.monotonic()
    for number, asks in enumerate(ticks):
        time.sleep(max(0.0, began + number * EVERY - time.monotonic()))
        for what, path, digest in asks:
            pulls.start(lambda what=what, path=path, digest=digest:
                        (what, wait_for(authority, path, digest)))
    return pulls.join(2 * DEADLINE)


class Hostile:
    """A connection from each of `sources`, which opens again after its end. Each sends `request()`.

    With `pause`, a client reads 256 KiB, then nothing for `pause` seconds.
    """

    def __init__(self, layby: Layby, sources: list[str], request: Callable[[], bytes],
                 pause: float = 0.0) -> None:
        self.server, self.request, self.pause = ("127.0.0.1", layby.port), request, pause
        self.selector = selectors.DefaultSelector()
        self.due: list[tuple[float, int, Callable[[], object]]] = []
        self.numbers, self.stopped = itertools.count(), threading.Event()
        for source in sources:
            self.open(source)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.stopped.set()
        self.thread.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self.selector.close()

    def later(self, seconds: float, call: Callable[[], object]) -> None:
        heapq.heappush(self.due, (time.monotonic() + seconds, next(self.numbers), call))

    def open(self, source: str) -> None:
        try:
            connection = socket.create_connection(self.server, 5, (source, 0))
            connection.sendall(self.request())
            connection.setblocking(False)
        except OSError:
            return self.later(1, lambda: self.open(source))
        self.selector.register(connection, selectors.EVENT_READ, source)

    def run(self) -> None:
        while not self.stopped.is_set():
            while self.due and self.due[0][0] <= time.monotonic():
                heapq.heappop(self.due)[2]()
            for key, _ in self.selector.select(0.1):
                self.read(key.fileobj, key.data)  # type: ignore[arg-type]

    def read(self, connection: socket.socket, source: str) -> None:
        try:
            ended = not connection.recv(MIB // 4)
        except OSError:
            ended = True
        if ended or self.pause:
            self.selector.unregister(connection)
        if ended:
            connection.close()
            self.later(0.5, lambda: self.open(source))
        elif self.pause:
            self.later(self.pause,
                       lambda: self.selector.register(connection, selectors.EVENT_READ, source))


def blob_request(repo: str, digest: str, headers: str = "") -> bytes:
    return (f"GET /v2/library/{repo}/blobs/{digest} HTTP/1.1\r\nHost: box\r\nConnection: close\r\n"
            f"{headers}\r\n").encode()


def random_digest() -> str:
    return f"sha256:{os.urandom(32).hex()}"


class Origin(Hub):
    """A hub that has a blob of FILLER_BYTES zeros for each digest of library/bad."""

    filler = bytes(FILLER_BYTES)

    def blob(self, repo: str, digest: str) -> bytes | Path | None:
        return self.filler if repo == "library/bad" else super().blob(repo, digest)


class Unread(Layby):
    """A Layby whose output nobody reads after `unread` is set."""

    def start(self, command: list[str], environment: dict[str, str] | None = None,
              pass_fds: tuple[int, ...] = ()) -> None:
        del environment, pass_fds
        self.unread = threading.Event()
        self.output, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=writing, stderr=writing,
                                        start_new_session=True, preexec_fn=end_with_parent)
        os.close(writing)
        threading.Thread(target=self.copy, daemon=True).start()

    def copy(self) -> None:
        while not self.unread.is_set() and (said := os.read(self.output, 4096)):
            with open(self.log_path, "ab") as log:
                log.write(said)

    def close(self) -> None:
        super().close()
        os.close(self.output)


@dataclass
class Site:
    """What an attack may use. The attack ends with the stack."""
    stack: ExitStack
    hub: Origin
    layby: Layby
    parent: Layby | None = None

    def attack(self, sources: list[str], request: Callable[[], bytes], pause: float = 0.0) -> None:
        self.stack.enter_context(closing(Hostile(self.layby, sources, request, pause)))


def leave_at_once(site: Site) -> None:
    connections = []
    for _ in range(160):
        connections.append(socket.create_connection(("127.0.0.1", site.layby.port), 5, (HOSTILE, 0)))
        connections[-1].sendall(blob_request("bad", random_digest(), "Range: bytes=0-0\r\n"))
    connections[0].recv(4096)
    for connection in connections:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()


def random_digests(site: Site) -> None:
    site.attack([HOSTILE] * 400, lambda: blob_request("app", random_digest()))


def half_heads(site: Site) -> None:
    half = b"GET /v2/ HTTP/1.1\r\nHost: box\r\nX-A: " + b"a" * 15_000
    site.attack([f"127.0.1.{number % 10 + 1}" for number in range(10_000)], lambda: half)


def bad_blobs(clients: int, fault: str = "", pause: float = 0.0, **figures: Any) -> Callable[[Site], None]:
    """The clients ask for blobs for which the CDN has the fault."""
    def begin(site: Site) -> None:
        if fault:
            site.hub.fault(fault, "library/bad/", port="cdn", times=-1, **figures)
        site.attack([HOSTILE] * clients, lambda: blob_request("bad", random_digest()), pause)
    return begin


def one_refused_blob(site: Site) -> None:
    digest = random_digest()
    site.hub.fault("throttle", digest, port="cdn", times=-1, retry_after=86400)
    site.attack([HOSTILE], lambda: blob_request("bad", digest))


def hang_on_one_blob(site: Site) -> None:
    fault = site.hub.fault("hang", "library/hung/", port="cdn", times=-1)
    site.attack([HOSTILE], lambda: blob_request("hung", digest_of(HUNG_BLOB)))
    wait_until(lambda: site.hub.requests("cdn", path="library/hung"), "the request that hangs")
    fault.times = 0  # Later requests are answered, but the request that hangs goes on hanging.


class Endless(socketserver.BaseRequestHandler):
    """Sends a chunked body of one byte, and trailers without an end."""

    def handle(self) -> None:
        lines = (b"X-Trailer: " + b"a" * 1000 + b"\r\n") * 64
        with suppress(OSError):
            self.request.recv(65536)
            self.request.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n")
            while True:
                self.request.sendall(lines)


def endless_trailers(site: Site) -> None:
    server = site.stack.enter_context(socketserver.ThreadingTCPServer((PAGES, 0), Endless))
    server.daemon_threads, server.block_on_close = True, False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site.stack.callback(server.shutdown)
    bad_blobs(8, "status", status=307,
              headers={"Location": f"http://{PAGES}:{server.server_address[1]}/endless"})(site)


def read_no_log(site: Site) -> None:
    assert isinstance(site.layby, Unread)
    site.layby.unread.set()
    site.attack([HOSTILE] * 50, lambda: blob_request("app", random_digest()))


def lose_uplink_of_parent(site: Site) -> None:
    """The parent's packets to the registry vanish, because the queue of this listener is full."""
    assert site.parent
    full = site.stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
    for _ in range(4):
        filling = site.stack.enter_context(socket.socket())
        filling.setblocking(False)
        filling.connect_ex(full.getsockname())
    site.parent.config["upstreams"][0]["url"] = f"http://127.0.0.1:{full.getsockname()[1]}"
    site.parent.restart()


@dataclass
class Attack:
    name: str
    begin: Callable[[Site], None]
    config: dict[str, Any] = field(default_factory=dict)
    upstream: dict[str, Any] = field(default_factory=dict)
    bounds: dict[str, float] = field(default_factory=dict)  # where the honest client's share counts
    kind: type[Layby] = Layby
    with_parent: bool = False


# On the thin link, an address may have one blob of the hostile client before its own.
SHARE = {COLD: 5 + FILLER_BYTES / THIN + 2 * COLD_BYTES / THIN}
ATTACKS = [
    Attack("no attack", lambda site: None),
    Attack("160 clients that leave, thin link", leave_at_once, {"upstream": {"max_rate": THIN}},
           bounds=SHARE),
    Attack("400 random digests", random_digests, upstream={"requests_per_minute": 300}),
    Attack("32 slow readers, cache full", bad_blobs(32, pause=8),
           {"cache": {"max_bytes": FILLER_BYTES - 1, "min_free_bytes": 0}}),
    Attack("10,000 half heads", half_heads, {"limits": {"max_connections": 16000}}),
    Attack("drip of a byte a second", bad_blobs(40, "slow", rate=1)),
    Attack("cut after each byte", bad_blobs(40, "cut", after=1)),
    Attack("hang on one blob", hang_on_one_blob),
    Attack("endless trailers", endless_trailers),
    Attack("huge headers", bad_blobs(8, "status", status=200, headers={
        f"X-Huge-{number}": "a" * 90_000 for number in range(100)})),
    Attack("429 of the CDN for 24 h", one_refused_blob),
    Attack("nobody reads the log", read_no_log, {"log": {"level": "debug"}}, kind=Unread),
    Attack("parent without uplink", lose_uplink_of_parent, with_parent=True),
]
BUDGETS = [Budget(f"{attack.name}: {what}", "worst_wait_seconds", "", {**BOUNDS, **attack.bounds}[what])
           for attack in ATTACKS for what in BOUNDS if what != HUNG or attack.begin is hang_on_one_blob]


def add_asks(site: Site, attack: Attack) -> list[list[Ask]]:
    """Adds the content to the hub, lets the box store what shall be stored, and returns the asks."""
    def blob(what: str, digest: str, repo: str = "app") -> Ask:
        return what, f"/v2/library/{repo}/blobs/{digest}", digest

    def tag(what: str, name: str, image: Parts) -> Ask:
        return what, f"/v2/library/app/manifests/{name}", image.root

    stored = blob(STORED, site.hub.add_blob(os.urandom(COLD_BYTES)))
    checked = tag(CHECKED, "checked", make_image(site.hub, "library/app", "checked", [1000]))
    hung = blob(HUNG, site.hub.add_blob(HUNG_BLOB), "hung")
    for _, path, _ in (stored, checked):
        assert fetch(site.layby.authority, path, ACCEPT).status == 200
    site.layby.settle()
    return [[stored, checked,
             tag(NEW_TAG, f"new-{number}", make_image(site.hub, "library/app", f"new-{number}", [1000])),
             blob(COLD, site.hub.add_blob(os.urandom(COLD_BYTES))),
             *([hung] if attack.begin is hang_on_one_blob else [])] for number in range(TICKS)]


def waits_beside(attack: Attack, pool: ProcessPoolExecutor) -> dict[str, list[float]]:
    with ExitStack() as stack:
        hub = stack.enter_context(Origin(pull_limit=None))
        parent = stack.enter_context(Layby(hub, FRESH)) if attack.with_parent else None
        upstream = {**attack.upstream, **({"parent": parent.url} if parent else {})}
        layby = stack.enter_context(attack.kind(hub, {**FRESH, **attack.config}, upstream))
        site = Site(stack, hub, layby, parent)
        ticks = add_asks(site, attack)
        attack.begin(site)
        waits: dict[str, list[float]] = {}
        for what, seconds in pool.submit(ask_at_each_tick, layby.authority, ticks).result():
            waits.setdefault(what, []).append(seconds)
        return waits


def measure(table: Table, repeats: int) -> None:
    del repeats  # Each attack meets TICKS requests of each kind.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        for attack in ATTACKS:
            for what, waits in waits_beside(attack, pool).items():
                worst = sorted(waits, reverse=True)[:WORST]
                row = f"{attack.name}: {what}"
                print(f"  {row}: {', '.join(f'{wait:.2f}' for wait in worst)}", file=sys.stderr, flush=True)
                table.add(row, "layby", worst_wait_seconds=worst[0])
                for wait in worst:
                    table.add(row, "layby", ten_worst_waits_seconds=wait)
