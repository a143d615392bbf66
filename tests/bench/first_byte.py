# SPDX-License-Identifier: Apache-2.0
"""The first byte of a cold pull from a registry with tokens, beside a direct pull.

The stand-in for Docker Hub is behind a link of 100 Mbit/s with a round trip of 40 ms, its CDN has
another address there. The client does the steps of a pull: the ping, for a direct pull the
challenge and the token, the manifest, and the blob with its redirect. The clock ends at the first
byte of the blob. The client uses one connection for each address, without TLS. The client of Layby
is beside Layby. Manifest and blob are new to Layby, which

- just started,
- or was used for another repository, so that Layby has no token for this repository,
- or was used for this repository.
"""
from __future__ import annotations

import http.client
import json
import os
import re
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from far_link import FAR, FAR_CDN, FarLink
from servers import MIB, OCI_MANIFEST, Hub, make_image
from shaped_miss import BITS, ONE_WAY, FirstLayby
from table import Budget, Table, in_turns
from timing import this_thread_first

STARTED, OTHER, WARM = (f"first byte, 100 Mbit/s, 40 ms, {state}" for state in
                        ("just started", "no token for the repository", "warm token"))
IDLE_SECONDS = 1.0  # between two pulls

BUDGETS = [Budget(STARTED, "first_byte_seconds", "direct", 1.0),
           Budget(OTHER, "first_byte_seconds", "direct", 1.0),
           Budget(WARM, "first_byte_seconds", "direct", 0.6)]


@dataclass
class Pull:
    """A client that begins the pull of one image."""
    authority: str
    connections: dict[str, http.client.HTTPConnection] = field(default_factory=dict)
    token: str = ""

    def ask(self, authority: str, path: str, **headers: str) -> http.client.HTTPResponse:
        if authority not in self.connections:
            self.connections[authority] = http.client.HTTPConnection(authority, timeout=60)
        connection = self.connections[authority]
        connection.request("GET", path, headers=headers)
        return connection.getresponse()

    def content(self, path: str, **headers: str) -> http.client.HTTPResponse:
        authorized = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        answer = self.ask(self.authority, path, **headers, **authorized)
        if answer.status == 307:
            answer.read()
            target = urlsplit(answer.headers["Location"])
            answer = self.ask(target.netloc, f"{target.path}?{target.query}")
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {answer.read()!r}")
        return answer

    def authorize(self, challenge: str, repository: str) -> None:
        parameters = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        realm = urlsplit(parameters["realm"])
        answer = self.ask(realm.netloc, f"{realm.path}?service={parameters['service']}"
                                        f"&scope=repository:{repository}:pull")
        self.token = json.loads(answer.read())["token"]

    def run(self, repository: str, tag: str) -> dict[str, float]:
        """Seconds to the manifest and to the first byte of the first layer."""
        began = time.monotonic()
        ping = self.ask(self.authority, "/v2/")
        ping.read()
        if ping.status == 401:
            self.authorize(ping.headers["WWW-Authenticate"], repository)
        manifest = json.loads(self.content(f"/v2/{repository}/manifests/{tag}", Accept=OCI_MANIFEST).read())
        seconds = {"manifest_seconds": time.monotonic() - began}
        blob = self.content(f"/v2/{repository}/blobs/{manifest['layers'][0]['digest']}")
        blob.read(1)
        seconds["first_byte_seconds"] = time.monotonic() - began
        blob.read()
        for connection in self.connections.values():
            connection.close()
        return seconds


def measure(table: Table, repeats: int) -> None:
    with ExitStack() as stack:
        stack.enter_context(this_thread_first())  # This thread is the client, and starts the hub.
        link = stack.enter_context(FarLink(BITS, ONE_WAY))
        with link.there():
            hub = stack.enter_context(Hub(host=FAR, cdn_host=FAR_CDN, pull_limit=None))
        layby = stack.enter_context(FirstLayby(hub))
        servers = {"layby": layby.authority, "direct": urlsplit(hub.url).netloc}
        for row in (STARTED, OTHER, WARM):
            for repeat, name, authority in in_turns(repeats, servers):
                repository = "library/warm" if row == WARM else f"library/{ROWS[row]}-{repeat}"
                prepare(row, name, hub, layby, repository)
                tag = f"{ROWS[row]}-{repeat}"
                make_image(hub, repository, tag, [MIB])
                hub.reset()
                taken = Pull(authority).run(repository, tag)
                layby.settle()
                table.add(row, name, **taken, upstream_requests=len(hub.requests()))


ROWS = {STARTED: "started", OTHER: "other", WARM: "warm"}


def prepare(row: str, name: str, hub: Hub, layby: FirstLayby, repository: str) -> None:
    """Brings Layby into the state of `row` before a pull through Layby."""
    if name != "layby":
        return
    if row == STARTED:
        layby.restart()
        return
    used = repository if row == WARM else "library/another"
    tag = os.urandom(4).hex()
    make_image(hub, used, tag, [4096])
    Pull(layby.authority).run(used, tag)
    layby.settle()
    time.sleep(IDLE_SECONDS)
