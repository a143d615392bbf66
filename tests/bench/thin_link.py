#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prefetch on a thin link, measured.

The stand-in for Docker Hub has its own network namespace, behind a link on which the
kernel's token bucket (tc tbf) lets through 20 Mbit/s; clients and Layby use loopback.
Two figures:

- how much a client's miss slows down while prefetch downloads a large image: the times of
  pulls of one layer, alone and beside prefetch in turns, as ratios;
- how long after a listed tag moved its new image is served, and how many answers have the
  old image until then.

Needs root. Takes about four minutes.
"""
from __future__ import annotations

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Iterator

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))

from harness import Hub, Layby, make_image, pull, wait_until  # noqa: E402

MIB = 1 << 20
RATE = "20mbit"
LAYER = 4 * MIB
HERE, THERE, CDN = "10.99.0.1", "10.99.0.2", "10.99.0.3"
NAMESPACE = f"layby-hub-{os.getpid()}"
NEW_NETWORK = 0x40000000  # CLONE_NEWNET


def run(*command: str) -> None:
    subprocess.run(command, check=True)


def there(*command: str) -> None:
    run("ip", "netns", "exec", NAMESPACE, *command)


@contextmanager
def thin_link() -> Iterator[None]:
    device = f"lb{os.getpid()}"
    run("ip", "netns", "add", NAMESPACE)
    try:
        run("ip", "link", "add", device, "type", "veth", "peer", "name", "wan", "netns", NAMESPACE)
        run("ip", "address", "add", f"{HERE}/24", "dev", device)
        run("ip", "link", "set", device, "up")
        for address in (THERE, CDN):
            there("ip", "address", "add", f"{address}/24", "dev", "wan")
        there("ip", "link", "set", "wan", "up")
        there("ip", "link", "set", "lo", "up")
        there("tc", "qdisc", "add", "dev", "wan", "root", "tbf", "rate", RATE, "burst", "64k",
              "latency", "100ms")
        yield
    finally:
        run("ip", "netns", "delete", NAMESPACE)  # This removes the link too.


def enter(namespace: IO[bytes]) -> None:
    """Makes this thread open its sockets in `namespace` from now on."""
    if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), NEW_NETWORK) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def hub_behind_link() -> Hub:
    with open("/proc/self/ns/net", "rb") as home, \
            open(f"/run/netns/{NAMESPACE}", "rb") as namespace:
        enter(namespace)
        try:
            return Hub(host=THERE, cdn_host=CDN)
        finally:
            enter(home)


def write_list(layby: Layby, images: list[dict[str, Any]]) -> None:
    path = Path(layby.config["prefetch"])
    path.with_suffix(".new").write_text(json.dumps({"every": "1m", "images": images}))
    path.with_suffix(".new").rename(path)


def start(hub: Hub, config: dict[str, Any] | None = None) -> Layby:
    home = Path(os.environ.get("TMPDIR", "/var/tmp"))
    return Layby(hub, {"prefetch": str(home / f"layby-list-{os.getpid()}.json"), **(config or {})})


def prefetched_bytes(layby: Layby) -> int:
    return sum(fill["received_bytes"] for fill in layby.stats()["fills"] if fill["background"])


def seconds_of_pull(layby: Layby, tag: str) -> float:
    began = time.monotonic()
    pull(layby.authority, "library/app", tag)
    return time.monotonic() - began


def measure_miss(repeats: int) -> dict[str, Any]:
    with hub_behind_link() as hub, start(hub) as layby:
        make_image(hub, "library/large", "1", [64 * MIB] * 4, seed=1)
        for i in range(2 * repeats):
            make_image(hub, "library/app", str(i), [LAYER], seed=100 + i)
        alone, beside = [], []
        for i in range(repeats):
            alone.append(seconds_of_pull(layby, str(2 * i)))
            write_list(layby, [{"image": "large", "tags": ["1"]}])
            before = prefetched_bytes(layby)
            wait_until(lambda before=before: prefetched_bytes(layby) > before + MIB,
                       "prefetch under way")
            beside.append(seconds_of_pull(layby, str(2 * i + 1)))
            write_list(layby, [])
            wait_until(lambda: layby.stats()["prefetch"]["state"] == "off", "no list")
        ratios = [b / a for a, b in zip(alone, beside)]
        return {"alone_seconds": statistics.median(alone),
                "beside_seconds": statistics.median(beside),
                "ratio": statistics.median(ratios), "worst": max(ratios)}


def measure_move(repeats: int) -> dict[str, Any]:
    waits = []
    held = 0
    with hub_behind_link() as hub, start(hub, {"tags": {"fresh_for": "10s"}}) as layby:
        digests = [make_image(hub, "library/app", f"v{i}", [LAYER], seed=200 + i).root
                   for i in range(repeats + 1)]
        hub.move_tag("library/app", "1", "v0")
        write_list(layby, [{"image": "app", "tags": ["1"]}])
        wait_until(lambda: layby.stats()["prefetch"]["result"] == "done", "the first run")
        for digest in digests[1:]:
            hub.move_tag("library/app", "1", f"v{digests.index(digest)}")
            moved = time.monotonic()

            def is_served(digest: str = digest) -> bool:
                nonlocal held
                answer = layby.get("/v2/library/app/manifests/1", method="HEAD")
                held += "warning" in answer.headers
                return answer.headers.get("docker-content-digest") == digest

            wait_until(is_served, "the new image", seconds=120)
            waits.append(time.monotonic() - moved)
            pull(layby.authority, "library/app", "1")
    return {"fresh_for_seconds": 10, "median_seconds": statistics.median(waits),
            "worst_seconds": max(waits), "answers_with_the_old_image": held}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    with thin_link():
        result = {"link": RATE, "miss": measure_miss(arguments.repeats),
                  "move": measure_move(arguments.repeats)}
    print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
