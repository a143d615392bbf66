# SPDX-License-Identifier: Apache-2.0
"""Requests that reach the stand-in for Docker Hub, for a first, a second, and 32 pulls at once.

Requests are counted, not timed, so one repeat is enough.
"""
from __future__ import annotations

from typing import Any

from servers import MIB, REPOSITORY, Hub, Layby, Pulls, make_image, pull
from table import Budget, Table

BUDGETS: list[Budget] = []


def measure(table: Table, repeats: int) -> None:
    del repeats
    found: dict[str, Any] = {}
    with Hub() as hub, Layby(hub) as layby:
        def seen(title: str, parts: Any) -> None:
            gets = [e for e in hub.requests(method="GET") if e["kind"] in ("manifest", "cdn")]
            found[title] = {
                "requests": {kind: len(hub.requests(kind)) for kind in
                             ("ping", "token", "manifest", "blob", "cdn") if hub.requests(kind)},
                "content_gets": len(gets), "content_gets_needed": len(parts.manifests + list(parts.blobs)),
                "blob_bytes": hub.bytes_sent("cdn"), "image_blob_bytes": parts.blob_bytes}
            hub.reset()

        image = make_image(hub, REPOSITORY, "one", [4 * MIB, MIB, MIB // 4])
        pull(layby.authority, REPOSITORY, "one")
        seen("cold", image)
        pull(layby.authority, REPOSITORY, "one")
        seen("warm", image)
        image = make_image(hub, REPOSITORY, "many", [4 * MIB, MIB, MIB // 4])
        pulls = Pulls()
        for _ in range(32):
            pulls.start(pull, layby.authority, REPOSITORY, "many")
        pulls.join(60)
        seen("32 at once", image)
    table.upstream = found
