# SPDX-License-Identifier: Apache-2.0
"""The torture's environment: an origin that misbehaves and clients that check every answer.

The origin is the stand-in for Docker Hub with images of random bytes, whose layers are
shared and whose tags move. A client pulls, leaves in mid-body, resumes or looks, and adds
its observations to the Evidence, which all clients of one folder share.
"""
from __future__ import annotations

import http.client
import random
import threading
from dataclasses import dataclass
from typing import Any

from harness import ACCEPT, Headers, Hub, Parts, Response, add_image, digest_of, exchange

KIB, MIB = 1 << 10, 1 << 20
BIG = 4 * MIB  # blobs from this size on come slowly, so that kills hit their middle
REPOSITORIES, TAGS = 6, 3
# The errors that a client may get when the origin misbehaves; any other status is wrong.
REFUSALS = (404, 500, 502, 503, 504)



class Refused(Exception):
    """An error answer or a broken transfer, which the rules allow."""


@dataclass
class Image:
    repo: str
    tag: str
    parts: Parts


class Origin:
    """A hub whose images share layers and whose tags move."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.hub = Hub(pull_limit=None)
        self.images: list[Image] = []
        self.layers: list[bytes] = []
        self.history: dict[tuple[str, str], list[str]] = {}
        self.bytes = 0

    def layer(self) -> bytes:
        if self.layers and self.dice.random() < 0.3:
            return self.dice.choice(self.layers)
        low, high = self.dice.choices([(KIB, 64 * KIB), (64 * KIB, 2 * MIB), (BIG, 20 * MIB)],
                                      [5, 4, 2])[0]
        made = self.dice.randbytes(self.dice.randint(low, high))
        self.layers.append(made)
        self.bytes += len(made)
        return made

    def publish(self) -> None:
        """Publishes another image with a new tag, or moves an old tag to it."""
        repo = f"library/r{self.dice.randrange(REPOSITORIES)}"
        tag = f"t{self.dice.randrange(TAGS)}"
        layers = [self.layer() for _ in range(self.dice.randint(1, 4))]
        parts = add_image(self.hub, repo, tag, layers, comment=f"image {len(self.images)}")
        self.images.append(Image(repo, tag, parts))
        self.history.setdefault((repo, tag), []).append(parts.root)

    def blobs(self) -> dict[str, int]:
        return {digest: size for image in self.images for digest, size in image.parts.blobs.items()}

    def content(self, repo: str, digest: str) -> bytes:
        data = self.hub.blob(repo, digest)
        assert isinstance(data, bytes)
        return data

    def misbehave(self, wanted: list[str]) -> None:
        """Sets this round's faults, and slows big blobs down so that kills hit their middle."""
        dice = self.dice
        for digest in wanted:
            self.hub.fault("slow", digest, port="cdn", times=-1, rate=dice.randint(4, 24) * MIB)
        somewhere = dice.randint(0, 8 * MIB)
        choices: list[dict[str, Any]] = [
            {"kind": "cut", "port": "cdn", "after": somewhere},
            {"kind": "stall", "port": "cdn", "after": somewhere},
            {"kind": "ignore_range", "port": "cdn", "ranged": True},
            {"kind": "corrupt", "port": "cdn", "offset": dice.choice([somewhere, somewhere >> 10])},
            {"kind": "status", "path": "/(manifests|blobs)/", "status": dice.choice([500, 502, 503])},
            {"kind": "close"},
        ]
        for _ in range(dice.choice([0, 0, 1, 2, 3])):
            self.hub.fault(**dice.choice(choices), times=dice.randint(1, 3), skip=dice.randint(0, 3))


class Evidence:
    """The observations of the clients. Usable from any thread."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.bodies = 0
        self.published: set[str] = set()  # blobs whose publishing has ended
        self.roots: set[tuple[str, str]] = set()  # repository and digest of complete manifests
        self.wrong: list[str] = []

    def accuse(self, what: str) -> None:
        with self.changed:
            self.wrong.append(what)

    def add_body(self) -> None:
        with self.changed:
            self.bodies += 1
            self.changed.notify_all()

    def add_published(self, digest: str) -> None:
        with self.changed:
            self.published.add(digest)
            self.changed.notify_all()

    def wait_for_bodies(self, more: int, seconds: float) -> None:
        with self.changed:
            count = self.bodies + more
            self.changed.wait_for(lambda: self.bodies >= count, seconds)

    def wait_for_published(self, more: int, seconds: float) -> None:
        with self.changed:
            count = len(self.published) + more
            self.changed.wait_for(lambda: len(self.published) >= count, seconds)


class Client:
    """Pulls a few images during one run of Layby, in the different ways of clients."""

    def __init__(self, origin: Origin, evidence: Evidence, authority: str, over: threading.Event,
                 seed: int) -> None:
        self.origin, self.evidence, self.over = origin, evidence, over
        self.dice = random.Random(seed)
        self.connection = http.client.HTTPConnection(authority, timeout=20)
        self.images = list(origin.images)

    def run(self, eager: bool) -> None:
        """Pulls; an eager client begins before Layby listens and ends only when the run is over."""
        tries = self.dice.randint(2, 8)
        try:
            while not self.over.is_set() and (eager or tries > 0):
                tries -= 1
                # Prefers the last four images, which are not cached completely yet.
                recent = self.images[-4:] if self.dice.random() < 0.7 else self.images
                try:
                    self.dice.choice([self.pull, self.pull, self.leave_and_resume, self.look])(
                        self.dice.choice(recent))
                except (OSError, http.client.HTTPException, Refused):
                    self.connection.close()
                    self.over.wait(0.002)
        except Exception as error:  # an error of the torture itself, which a thread would hide
            self.evidence.accuse(f"a client failed: {error!r}")
        finally:
            self.connection.close()

    def ask(self, path: str, headers: Headers | None = None, method: str = "GET") -> Response:
        answer = exchange(self.connection, path, headers, method)
        if answer.status in (200, 206) and "content-length" not in answer.headers:
            self.evidence.accuse(f"{method} {path}: {answer.status} without Content-Length")
        if answer.status in REFUSALS or answer.short:
            raise Refused
        if answer.status not in (200, 206):
            self.evidence.accuse(f"{method} {path}: {answer.status} {answer.body[:200]!r}")
            raise Refused
        return answer

    def content(self, path: str, digest: str, headers: Headers | None = None) -> bytes:
        answer = self.ask(path, headers)
        if answer.status != 200 or digest_of(answer.body) != digest:
            self.evidence.accuse(f"{path}: {answer.status} with {len(answer.body)} complete bytes "
                                 f"that do not match the digest")
            raise Refused
        self.evidence.add_body()
        return answer.body

    def pull(self, image: Image) -> None:
        repo, tags = image.repo, self.origin.history[image.repo, image.tag]
        root = self.ask(f"/v2/{repo}/manifests/{image.tag}", ACCEPT, "HEAD"
                        ).headers["docker-content-digest"]
        if root not in tags:
            self.evidence.accuse(f"{repo}:{image.tag} is {root}, which upstream never had")
        for digest in {root, image.parts.root}:
            self.content(f"/v2/{repo}/manifests/{digest}", digest, ACCEPT)
            with self.evidence.changed:
                self.evidence.roots.add((repo, digest))
        for digest in image.parts.blobs:
            self.content(f"/v2/{repo}/blobs/{digest}", digest)
            self.note_published(digest)

    def note_published(self, digest: str) -> None:
        """Asks until the fill of the complete blob has ended, so until the blob is published.
        Then a kill can come right after publishing."""
        for _ in range(100):
            fills = {fill["digest"] for fill in self.ask("/stats").json()["fills"]}
            if digest not in fills:
                return self.evidence.add_published(digest)
            self.over.wait(0.0005)

    def leave_and_resume(self, image: Image) -> None:
        digest, size = max(image.parts.blobs.items(), key=lambda item: item[1])
        path, some = f"/v2/{image.repo}/blobs/{digest}", self.dice.randrange(size)
        self.connection.request("GET", path)
        answer = self.connection.getresponse()
        begun = answer.read(some)
        self.connection.close()
        if answer.status != 200 or len(begun) < some:
            raise Refused
        rest = self.ask(path, {"Range": f"bytes={some}-"})
        # The answer has the last byte, so Layby checked the blob before the answer was complete.
        if rest.status != 206 or rest.body != self.origin.content(image.repo, digest)[some:]:
            self.evidence.accuse(f"{path}: {rest.status} with wrong bytes from {some} on")
        self.evidence.add_body()

    def look(self, image: Image) -> None:
        for digest, size in image.parts.blobs.items():
            with self.evidence.changed:
                known = digest in self.evidence.published
            if known:
                path = f"/v2/{image.repo}/blobs/{digest}"
                answer = self.ask(path, method="HEAD")
                if answer.headers["content-length"] != str(size):
                    self.evidence.accuse(f"HEAD {path}: {answer.headers}")
