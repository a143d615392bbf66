#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The demonstration of scripts/demo, after everything is installed and built.

Owns the steps and their output; the programs are those of the end-to-end tests. After SIGINT or
SIGTERM the demonstration ends in the normal way, with every process that it started.
"""
from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from typing import Any, Iterator

from harness import Dockerd, Hub, Layby, Pulls, images_folder, parts_of, pull

WIDTH = 46
LINK_RATE = 12_500_000  # bytes a second for one transfer: 100 Mbit/s
LINK_DELAY = 0.04  # seconds before an answer


def size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


def step(text: str) -> None:
    print(f"\n{text}", flush=True)


@contextlib.contextmanager
def progress(label: str, layby: Layby) -> Iterator[None]:
    """Shows the fills in flight while the body runs; on a terminal only."""
    done = threading.Event()

    def show() -> None:
        while not done.wait(0.2):
            try:
                fills = layby.stats()["fills"]
            except (OSError, ValueError, KeyError):
                fills = []
            got = sum(f["received_bytes"] for f in fills)
            of = sum(f["size_bytes"] or 0 for f in fills)
            note = f"{size(got)} of {size(of)} from upstream" if fills else "..."
            print(f"\r  {label:<{WIDTH}} {note:<40}", end="", flush=True)

    thread = threading.Thread(target=show, daemon=True)
    if sys.stdout.isatty():
        thread.start()
    try:
        yield
    finally:
        done.set()
        if thread.is_alive():
            thread.join()
            print("\r\x1b[K", end="")


def timed_pulls(title: str, layby: Layby, hub: Hub, client: Dockerd, images: list[str]) -> None:
    step(title)
    for image in images:
        thin_link(hub)
        started = time.monotonic()
        with progress(f"docker pull {image}", layby):
            digest = client.pull(image)
        seconds = time.monotonic() - started
        print(f"  {'docker pull ' + image:<{WIDTH}} {seconds:6.2f} s   {upstream(hub)}", flush=True)
        repo, _, tag = image.partition(":")
        if digest != hub.digest(f"library/{repo}", tag):
            raise SystemExit(f"demo: {image} differs from the origin's")
    for image in reversed(images):
        client.forget(image)


def thin_link(hub: Hub) -> None:
    hub.reset()
    hub.fault("slow", ".", port="cdn", rate=LINK_RATE, times=-1)
    hub.fault("latency", ".", seconds=LINK_DELAY, times=-1)


def plural(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def upstream(hub: Hub) -> str:
    """The upstream traffic since the last thin_link()."""
    gets, blobs = len(hub.requests("manifest", "GET")), len(hub.requests("cdn", "GET"))
    heads = sum(e["status"] != 401 for e in hub.requests("manifest", "HEAD"))  # without challenges
    if gets or blobs:
        return (f"upstream: {size(hub.bytes_sent('cdn'))} in {plural(blobs, 'blob')}, "
                f"{plural(gets, 'manifest')} (pulls), {plural(heads, 'HEAD')} (free)")
    return f"upstream: {plural(heads, 'HEAD')} (free)" if heads else "upstream: nothing"


def crowd(layby: Layby, hub: Hub, image: str, clients: int) -> None:
    repo, _, tag = image.partition(":")
    parts = parts_of(hub, f"library/{repo}", tag)
    step(f"{clients} machines pull {image} at once ({size(parts.blob_bytes)} each)")
    thin_link(hub)
    pulls, started = Pulls(), time.monotonic()
    for _ in range(clients):
        pulls.start(pull, layby.authority, f"library/{repo}", tag, timeout=300)
    with progress(f"{clients} x {image}", layby):
        pulls.join(600)
    seconds = time.monotonic() - started
    print(f"  {f'{clients} complete, verified copies':<{WIDTH}} {seconds:6.2f} s   {upstream(hub)}")


def tell(images: list[str]) -> None:
    print("A site with Docker hosts behind a link that comes and goes.")
    step("Starting the programs")
    folder = images_folder()
    with Hub(folder) as hub:
        print(f"  Docker Hub's stand-in, with real images      {hub.url}\n"
              f"    over a link of {LINK_RATE * 8 // 1_000_000} Mbit/s and {LINK_DELAY * 1000:.0f} ms")
        with Layby(hub, {"tags": {"fresh_for": "0s"}}) as layby:
            print(f"  Layby in front of it                         {layby.url}")
            with Dockerd(layby.url) as client:
                print(f"  dockerd --registry-mirror {layby.url}")
                timed_pulls("Cold: nobody on site has pulled these before", layby, hub, client, images)
                timed_pulls("Warm: another machine pulls the same", layby, hub, client, images)
                crowd(layby, hub, "big:1", 8)
                hub.down()
                timed_pulls("The link is cut: Docker Hub is offline", layby, hub, client, images)
                step("Layby's own view (layby status)")
                status = layby.command("status", "--config", str(layby.config_path))
                print("  " + status.stdout.strip().replace("\n", "\n  "))
                layby.restart()
                timed_pulls("Still cut, and Layby was restarted", layby, hub, client, images)
                step("(Times are those of docker pull, which also unpacks the layers.)")


def main() -> int:
    def end(number: int, _: Any) -> None:
        raise SystemExit(128 + number)
    signal.signal(signal.SIGTERM, end)
    try:
        tell(sys.argv[1:] or ["debian:bookworm-slim", "python:3.11"])
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
