# SPDX-License-Identifier: Apache-2.0
"""Cold pulls through Layby beside direct pulls, over four links.

Each link is a part with two kinds of rows: curl gets one large blob, and a container engine pulls
an image of 13 layers. The origin is a static nginx behind the link. Each repeat has new
content, which Layby and the direct client get in turns. The content of a link has the size that a
direct pull takes half a minute for, at most. curl's bytes are checked against the digest; the
engines check theirs. nginx's log has the requests and the bytes that nginx gave to its kernel; the
kernel drops those that it hasn't sent when a client closes the connection. The link counts the bytes
that were sent.
"""
from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable

from far_link import FAR, FarLink
from harness import Client, Dockerd, Podman, Skopeo
from servers import MIB, REPOSITORY, Layby, Registry, wait_until
from shaped_miss import FirstLayby, FirstNginx
from table import Budget, Table, in_turns
from timing import PRIORITY, First

LAYERS = 13
MILLION = 1_000_000


class FirstClient(First, Client):
    """A container engine with priority for its commands too."""

    def run_command(self, *command: str, seconds: float = 300) -> str:
        return super().run_command(*PRIORITY, *command, seconds=seconds)


class FirstSkopeo(FirstClient, Skopeo):
    pass


class FirstDockerd(FirstClient, Dockerd):
    pass


class FirstPodman(FirstClient, Podman):
    pass


# skopeo and podman fetch six layers at once, dockerd fetches three.
ENGINES: dict[str, type[FirstClient]] = {"skopeo": FirstSkopeo, "dockerd": FirstDockerd,
                                         "podman": FirstPodman}


class CountedOrigin(FirstNginx):
    """A static registry that counts its requests and the bytes of their answers."""

    def __init__(self, registry: Registry) -> None:
        self.requests_path = Path(tempfile.mkdtemp(prefix="requests-")) / "log"
        super().__init__(f"{registry.server()}\naccess_log {self.requests_path} counted;",
                         "log_format counted escape=json '[\"$request_method\", \"$uri\", "
                         "\"$http_range\", $status, $body_bytes_sent]';", host=FAR)
        self.read_from = 0

    @property
    def url(self) -> str:
        return f"http://{FAR}:{self.port}"

    def new_requests(self) -> list[list[Any]]:
        """Method, path, range, status and body bytes of each request since the last call.

        skopeo and podman first try TLS, which nginx logs as a request without a method.
        """
        text = self.requests_path.read_text()
        lines, self.read_from = text[self.read_from:].splitlines(), len(text)
        return [request for line in lines if (request := json.loads(line))[0]]


def get_blob(url: str, path: str, *options: str) -> tuple[float, bytes]:
    """Gets a blob, or a range, with curl; returns the seconds to the last byte, and the bytes."""
    folder = Path(tempfile.mkdtemp(prefix="got-"))
    done = subprocess.run([*PRIORITY, "curl", "--silent", "--fail", "--show-error", "--noproxy", "*",
                           "--output", str(folder / "blob"), "--write-out", "%{time_total}",
                           *options, f"{url}{path}"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise RuntimeError(f"curl failed: {done.stderr}")
    data = (folder / "blob").read_bytes()
    shutil.rmtree(folder)
    return float(done.stdout), data


def seconds_of_blob(url: str, path: str) -> float:
    seconds, data = get_blob(url, path)
    if hashlib.sha256(data).hexdigest() != path.rpartition(":")[2]:
        raise RuntimeError(f"{url}{path}: {len(data)} bytes that don't match the digest")
    return seconds


def seconds_of_image(client: Client, digest: str) -> float:
    image = f"{REPOSITORY.rpartition('/')[2]}@{digest}"
    began = time.monotonic()
    client.pull(image)
    seconds = time.monotonic() - began
    client.forget(image)
    return seconds


def wait_until_stored(layby: Layby) -> None:
    wait_until(lambda: layby.alive() and layby.stats()["fills"] == [], "the end of all fills", 120)


@dataclass
class ColdPull:
    """A part of the benchmark: one link, its content, and the bounds of the ratios to direct."""
    link: str
    bits: int
    round_trip: float
    blob_bytes: int
    layer_bytes: int  # of the smallest layer; the largest has twice as many
    blob_bound: float
    image_bound: float
    loss: float = 0
    flow_bits: int = 0
    BUDGETS: list[Budget] = field(init=False)

    def __post_init__(self) -> None:
        images = [self.row(engine) for engine in ENGINES]
        self.BUDGETS = [Budget(self.row(), "seconds", "direct", self.blob_bound),
                        *(Budget(row, "seconds", "direct", self.image_bound) for row in images),
                        *(Budget(row, "link_bytes_ratio", "direct", 1.01) for row in (self.row(), *images))]

    def row(self, engine: str = "") -> str:
        def told(size: float) -> str:
            return f"{size / MIB:.3g}"
        content = (f"{LAYERS} layers of {told(self.layer_bytes)} to {told(2 * self.layer_bytes)} MB, "
                   f"{engine}" if engine else f"{told(self.blob_bytes)} MB")
        return f"{self.link}: {content}"

    def measure(self, table: Table, repeats: int) -> None:
        with ExitStack() as stack:
            link = stack.enter_context(FarLink(self.bits, self.round_trip / 2, loss=self.loss,
                                               flow_bits=self.flow_bits))
            registry = Registry()
            with link.there():
                origin = stack.enter_context(CountedOrigin(registry))
            layby = stack.enter_context(FirstLayby(SimpleNamespace(url=origin.url)))
            urls = {"layby": layby.url, "direct": origin.url}

            def measure_row(row: str, add: Callable[[], str],
                            seconds_of: Callable[[str, str], float]) -> None:
                """Measures the pulls of what `add` adds, by a server's name and the added content."""
                content, repeat_of_content = "", -1
                for repeat, name, _ in in_turns(repeats, urls):
                    if repeat != repeat_of_content:
                        registry.clear()
                        content, repeat_of_content = add(), repeat
                    origin.new_requests()
                    before = link.arrived_bytes()
                    seconds = seconds_of(name, content)
                    wait_until_stored(layby)
                    asked, all_bytes = origin.new_requests(), registry.content_bytes()
                    table.add(row, name, seconds=seconds, upstream_requests=len(asked),
                              upstream_bytes_ratio=sum(a[-1] for a in asked) / all_bytes,
                              link_bytes_ratio=(link.arrived_bytes() - before) / all_bytes)

            measure_row(self.row(), lambda: registry.add_blob(self.blob_bytes),
                        lambda name, path: seconds_of_blob(urls[name], path))
            sizes = [self.layer_bytes + self.layer_bytes * i // (LAYERS - 1) for i in range(LAYERS)]
            for engine, kind in ENGINES.items():
                with kind(urls["layby"]) as through, kind(urls["direct"]) as past:
                    clients = {"layby": through, "direct": past}
                    measure_row(self.row(engine), lambda: registry.add_image(sizes),
                                lambda name, digest: seconds_of_image(clients[name], digest))


PARTS = {
    "pull_clean": ColdPull("100 Mbit/s, 5 ms", 100 * MILLION, 0.005, 200 * MIB, 8 * MIB, 1.02, 0.9),
    "pull_lossy": ColdPull("100 Mbit/s, 80 ms, 0.5% loss", 100 * MILLION, 0.08, 8 * MIB, MIB, 0.5, 0.9,
                           loss=0.005),
    "pull_limited": ColdPull("200 Mbit/s, 20 Mbit/s a connection", 200 * MILLION, 0.02, 64 * MIB,
                             8 * MIB, 0.4, 0.9, flow_bits=20 * MILLION),
    "pull_thin": ColdPull("5 Mbit/s, 30 ms", 5 * MILLION, 0.03, 12 * MIB, MIB // 2, 1.02, 1.02),
}
