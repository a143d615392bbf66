#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The store under torture.

One Layby on one data_dir is started and killed again and again, at moments drawn from
a seed: before it is ready, in mid-download, right after a blob's last byte.  Meanwhile
several clients pull images of random bytes through a stand-in for Docker Hub that cuts,
stalls, corrupts and refuses.  These rules must hold:

  - Layby starts again after every kill, and never ends by itself;
  - a blob that was published is served whole while the origin is down;
  - a complete body has the digest that its client asked for;
  - a download resumes: an interrupted download costs less than twice its size;
  - when all images are pulled, `blobs/` has their blobs and no others, `partial/` is
    empty, and hashlib agrees with every file.

With --evict the cache is much smaller than the images, so that Layby evicts blobs all the
time. A published blob may then be missing, but every served blob must be right. In the end
the folder is within its limit, has no unknown files, and its blobs are the served blobs.

Between two runs of the daemon, half-written files may also be damaged, as by a power cut.
The seed repeats the choices, but not the clock and the scheduler.

    torture.py [--kills N] [--seed S] [--seconds T] [--evict]
"""
from __future__ import annotations

import argparse
import http.client
import os
import random
import re
import signal
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterator

from disks import file_sizes
from harness import ACCEPT, ROOT, Layby, digest_of, merged, remove_tree, wait_until
from torture_clients import (BIG, KIB, MIB, REFUSALS, Client, Evidence, Image, Origin,
                             Refused)

GENERATION_BYTES = 256 * MIB  # after images of so many bytes, a new data_dir begins
LONGEST_LIFE = 2.0  # seconds from ready to the kill
SMALL_CACHE = 40 * MIB  # twice the largest blob

CONFIG = {"tags": {"fresh_for": "0s", "revalidate_timeout": "500ms"}, "shutdown_grace": "200ms",
          "cache": {"max_bytes": "16GiB", "min_free_bytes": "64MiB"},
          "upstream": {"connect_timeout": "1s", "request_timeout": "2s", "stall_timeout": "300ms",
                       "attempts": 2}}


class Broken(AssertionError):
    """Layby broke one of the rules."""


@dataclass
class Outcome:
    kills: int = 0
    early_kills: int = 0   # kills within 50 ms of a start
    terms: int = 0
    in_mid_fill: int = 0   # kills that left a half-written file
    damaged: int = 0       # half-written files that were damaged afterwards
    published: int = 0
    checked: int = 0       # GETs of published blobs with the origin down
    bodies: int = 0        # complete bodies that clients got
    interrupted: int = 0   # big blobs that took more than one request upstream
    costs: list[float] = field(default_factory=list)  # for each blob, bytes sent / size
    generations: int = 0
    evicted_bytes: int = 0  # by the last daemon of each folder

    def __str__(self) -> str:
        costs = f", {len(self.costs)} of them undisturbed"
        if self.costs:
            mean, worst = sum(self.costs) / len(self.costs), max(self.costs)
            costs += f" at {mean:.2f} of their size, {worst:.2f} at most"
        if self.evicted_bytes:
            costs += f"; {self.evicted_bytes // MIB} MiB evicted by daemons that ended normally"
        return (f"{self.kills} kills ({self.early_kills} within 50 ms, {self.in_mid_fill} in "
                f"mid-download), {self.terms} SIGTERMs, {self.damaged} damaged partial files; "
                f"{self.bodies} bodies checked, {self.checked} with the origin down; "
                f"{self.published} files right; {self.interrupted} big blobs interrupted{costs}")


class Generation:
    """One data_dir from its first start to the check of every file."""

    config = CONFIG

    def __init__(self, dice: random.Random, outcome: Outcome) -> None:
        self.dice, self.outcome = dice, outcome
        # `luck` draws the choices whose number depends on timing. If `dice` drew these choices, their
        # number would change all later draws from `dice`.
        self.luck = random.Random(dice.getrandbits(64))
        self.origin = Origin(dice)
        self.hub = self.origin.hub
        self.evidence = Evidence()
        self.disturbed: set[str] = set()  # blobs whose partial file was damaged
        self.kept_roots: set[tuple[str, str]] = set()
        self.kept_tags: dict[tuple[str, str], int] = {}  # each tag's position in its history
        try:
            self.layby = Layby(self.hub, self.config)
        except BaseException:
            self.hub.close()
            raise
        self.data = Path(self.layby.config["data_dir"])
        self.partial = self.data / "partial"

    def close(self) -> None:
        self.layby.close()
        self.hub.close()

    def begin(self) -> None:
        """Kills Layby while it makes the folder; the next start finds the last kill's remains."""
        self.layby.kill()
        for _ in range(self.dice.randint(1, 3)):
            remove_tree(self.data)
            self.kill_early()

    # -- one life

    def live(self) -> None:
        """Runs the daemon from a start to a kill; the daemon is down before and after."""
        dice = self.dice
        for _ in range(dice.choice([1, 1, 2])):
            self.origin.publish()
        over = threading.Event()
        way = dice.choices(["early", "time", "body", "published", "term"], [4, 8, 6, 6, 3])[0]
        if way == "early":
            # Before 3 of 10 early kills, clients connect as soon as Layby listens.
            clients = self.start_clients(over, eager=True) if dice.random() < 0.3 else []
            self.kill_early()
        else:
            self.hub.down()
            self.start()
            self.check_what_is_published()
            self.hub.up()
            self.origin.misbehave([d for d, size in self.origin.blobs().items()
                                   if size >= BIG and d not in self.evidence.published])
            clients = self.start_clients(over)
            if way == "body":
                self.evidence.wait_for_bodies(dice.randint(1, 12), LONGEST_LIFE)
                over.wait(dice.choice([0, 0, dice.uniform(0, 0.02)]))
            elif way == "published":
                self.evidence.wait_for_published(dice.randint(1, 4), LONGEST_LIFE)
            else:
                over.wait(min(LONGEST_LIFE, dice.expovariate(1 / 0.5)))
            self.stop() if way == "term" else self.kill()
        over.set()
        self.hub.clear_faults()
        self.join(clients)
        self.after_the_end(way)

    def kill_early(self) -> None:
        """Kills Layby within its first 50 ms, mostly before it is ready."""
        self.layby.launch()
        threading.Event().wait(self.dice.uniform(0, 0.05))
        self.kill()
        self.outcome.early_kills += 1

    def start(self) -> None:
        try:
            self.layby.run()
        except (RuntimeError, TimeoutError) as error:
            raise Broken(f"Layby does not start again: {error}") from error

    def start_clients(self, over: threading.Event, eager: bool = False) -> list[threading.Thread]:
        threads = []
        for _ in range(self.dice.randint(2, 5)):
            client = Client(self.origin, self.evidence, self.layby.authority, over,
                            self.dice.getrandbits(64))
            threads.append(threading.Thread(target=client.run, args=(eager,), daemon=True))
            threads[-1].start()
        return threads

    def join(self, clients: list[threading.Thread]) -> None:
        deadline = time.monotonic() + 30
        for thread in clients:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                raise Broken("a client still hangs 30 s after the end of the daemon")

    def kill(self) -> None:
        self.must_live()
        self.layby.kill()
        self.outcome.kills += 1

    def stop(self) -> None:
        self.must_live()
        code = self.layby.stop()
        if code != 0:
            raise Broken(f"Layby ends with {code} on SIGTERM")
        self.outcome.terms += 1

    def must_live(self) -> None:
        try:
            self.layby.alive()
        except RuntimeError as error:
            raise Broken(f"Layby ended by itself: {error}") from error

    def after_the_end(self, way: str) -> None:
        if self.evidence.wrong:
            raise Broken("; ".join(self.evidence.wrong[:5]))
        halves = [path for path in self.partial_files()
                  if path.name.startswith("sha") and path.stat().st_size > 0]
        if way != "term":
            self.outcome.in_mid_fill += bool(halves)
        if halves and self.luck.random() < 0.25:
            self.damage(self.luck.choice(halves))
        if self.partial.exists() and self.luck.random() < 0.1:
            litter = self.partial / f"litter{self.luck.getrandbits(32)}"
            litter.write_bytes(b"left by nobody that is known")
            os.utime(litter, (time.time() - 2 * 86400,) * 2)

    def partial_files(self) -> list[Path]:
        return sorted(self.partial.iterdir()) if self.partial.exists() else []

    def damage(self, path: Path) -> None:
        """Damages a file as a power cut damages unsynced bytes.

        Published files stay undamaged, even while they still have a name in partial/.
        """
        if path.stat().st_nlink > 1:
            return
        self.disturbed.add(path.name.replace("-", ":", 1))
        self.outcome.damaged += 1
        size = path.stat().st_size
        some = self.luck.randint(1, min(size, 64 * KIB))
        way = self.luck.choice(["lost", "zeroed", "grown"])
        with open(path, "r+b") as file:
            if way == "lost":
                file.truncate(self.luck.randrange(size))
            elif way == "zeroed":
                file.seek(size - some)
                file.write(bytes(some))
            else:
                file.truncate(size + some)

    # -- the rules

    def check_what_is_published(self) -> None:
        """Checks with the origin down, so all content is from the disk. Raises Broken."""
        sizes = self.origin.blobs()
        for digest in sorted(self.evidence.published):
            # Layby serves the blob in every allowed repository, so library/r0 is enough.
            self.served(f"/v2/library/r0/blobs/{digest}", digest, sizes[digest])
            self.outcome.checked += 1
        for repo, digest in sorted(self.kept_roots):
            self.served(f"/v2/{repo}/manifests/{digest}", digest)
        # Each request for missing content costs the time of its retries.
        unsure = sorted(self.evidence.roots - self.kept_roots)
        for repo, digest in self.luck.sample(unsure, min(2, len(unsure))):
            if self.layby.get(f"/v2/{repo}/manifests/{digest}").status == 200:
                self.kept_roots.add((repo, digest))
        if self.luck.random() < 0.3:
            self.check_tags()

    def served(self, path: str, digest: str, size: int | None = None) -> None:
        try:
            answer = self.layby.get(path)
        except OSError as error:
            raise Broken(f"{path}, known before: {error!r}") from error
        if answer.status != 200 or answer.short or digest_of(answer.body) != digest:
            raise Broken(f"{path}, known before: {answer.status}, {len(answer.body)} bytes"
                         f"{'' if size is None else f' of {size}'}, {answer.body[:200]!r}")

    def check_tags(self) -> None:
        """Checks that no tag moves back to an older image."""
        for (repo, tag), roots in self.origin.history.items():
            if (repo, tag) not in self.kept_tags and not {(repo, r) for r in roots} & self.kept_roots:
                continue
            answer = self.layby.get(f"/v2/{repo}/manifests/{tag}", ACCEPT)
            if answer.status == 200:
                at = roots.index(digest_of(answer.body))
                if at < self.kept_tags.get((repo, tag), 0):
                    raise Broken(f"{repo}:{tag} went back from {self.kept_tags[repo, tag]} to {at}")
                self.kept_tags[repo, tag] = at
            elif (repo, tag) in self.kept_tags:
                raise Broken(f"{repo}:{tag}, known before: {answer.status} {answer.body[:200]!r}")

    def finish(self) -> None:
        """Pulls all images, and compares the folder with the served blobs and with hashlib."""
        self.hub.down()
        self.start()
        self.check_what_is_published()
        self.hub.up()
        for image in self.origin.images:
            self.pull_until_whole(image)
        wait_until(lambda: not self.layby.stats()["fills"], "end of the downloads")
        self.check_cost_of_interruptions()
        self.outcome.evicted_bytes += self.layby.stats()["counters"]["evicted_bytes"]
        self.stop()
        self.check_folder()
        self.check_service_equals_folder()
        self.outcome.published += len(dict(self.blob_files()))
        self.outcome.bodies += self.evidence.bodies
        self.outcome.generations += 1

    def pull_until_whole(self, image: Image) -> None:
        """Pulls until a pull succeeds: a late fault or a damaged file may spoil earlier tries."""
        deadline = time.monotonic() + 30
        over = threading.Event()
        client = Client(self.origin, self.evidence, self.layby.authority, over, 0)
        while True:
            try:
                client.pull(image)
                client.connection.close()
                break
            except (OSError, http.client.HTTPException, Refused) as error:
                self.must_live()
                client.connection.close()
                if time.monotonic() > deadline:
                    raise Broken(f"{image.repo}:{image.tag} ({image.parts.root}) can't be pulled "
                                 f"although there are no faults: {error!r}") from error
                over.wait(0.05)
        if self.evidence.wrong:
            raise Broken("; ".join(self.evidence.wrong[:5]))

    def check_cost_of_interruptions(self) -> None:
        """Compares the bytes that the hub sent with the sizes of blobs.

        Leaves out blobs whose download had to start over, because of corrupt bytes, an ignored
        Range, or a damaged file.
        """
        sent: Counter[str] = Counter()
        requests: Counter[str] = Counter()
        for entry in self.hub.requests("cdn", "GET"):
            digest = re.split(r"/|\?", entry["path"])[5]
            sent[digest] += entry["sent"]
            requests[digest] += 1
            if {"corrupt", "ignore_range"} & set(entry["faults"]):
                self.disturbed.add(digest)
        for digest, size in self.origin.blobs().items():
            if size < BIG or requests[digest] < 2:
                continue
            self.outcome.interrupted += 1
            if digest in self.disturbed:
                continue
            self.outcome.costs.append(sent[digest] / size)
            if sent[digest] >= 2 * size:
                raise Broken(f"{digest} of {size} bytes cost {sent[digest]} bytes upstream in "
                             f"{requests[digest]} requests")

    def check_folder(self) -> None:
        if left := self.other_files() - fixed_names_in_format():
            raise Broken(f"everything is published, but these files are left: {sorted(left)}")
        if missing := self.origin.blobs().keys() - dict(self.blob_files()).keys():
            raise Broken(f"not in blobs/: {sorted(missing)}")
        self.check_blob_files()

    def other_files(self) -> set[str]:
        return {str(path.relative_to(self.data)) for path in self.data.rglob("*")
                if not path.is_dir() and path.relative_to(self.data).parts[0] != "blobs"}

    def check_blob_files(self) -> None:
        wanted = self.origin.blobs()
        for digest, path in self.blob_files():
            if digest not in wanted:
                raise Broken(f"in blobs/, but in no image: {digest}")
            data = path.read_bytes()
            if len(data) != wanted[digest] or digest_of(data, digest.partition(":")[0]) != digest:
                raise Broken(f"{path} has {len(data)} bytes with another digest")

    def blob_files(self) -> Iterator[tuple[str, Path]]:
        for path in (self.data / "blobs").rglob("*"):
            if path.is_dir():
                continue
            where = re.fullmatch(r"(sha256|sha512)/([0-9a-f]{2})/(\2[0-9a-f]+)",
                                 str(path.relative_to(self.data / "blobs")))
            if not where or path.is_symlink():
                raise Broken(f"{path} is not the path of a blob")
            yield f"{where[1]}:{where[3]}", path

    def check_service_equals_folder(self) -> None:
        """Checks by requests and by the index's count that files and served blobs are the same."""
        self.hub.down()
        self.start()
        files = dict(self.blob_files())
        for digest, path in files.items():
            self.served(f"/v2/library/r0/blobs/{digest}", digest, path.stat().st_size)
        store = self.layby.stats()["store"]
        on_disk = (len(files), sum(path.stat().st_size for path in files.values()))
        if (store["blobs"], store["blob_bytes"]) != on_disk:
            raise Broken(f"the index counts {store['blobs']} blobs of {store['blob_bytes']} bytes, "
                         f"the disk has {on_disk[0]} of {on_disk[1]}")
        self.stop()


class Overflowing(Generation):
    """A cache that is too small for its images."""

    config = merged(CONFIG, {"cache": {"max_bytes": SMALL_CACHE}})

    def check_what_is_published(self) -> None:
        """Checks only a sample of the blobs, because a missing blob costs the time of retries."""
        sizes = self.origin.blobs()
        for digest in self.luck.sample(sorted(self.evidence.published),
                                       min(4, len(self.evidence.published))):
            answer = self.layby.get(f"/v2/library/r0/blobs/{digest}")
            if answer.status == 200 and (answer.short or digest_of(answer.body) != digest):
                raise Broken(f"{digest} of {sizes[digest]} bytes is served with "
                             f"{len(answer.body)} wrong bytes")
            if answer.status != 200 and answer.status not in REFUSALS:
                raise Broken(f"{digest}: {answer.status} {answer.body[:200]!r}")
            self.outcome.checked += answer.status == 200

    def check_cost_of_interruptions(self) -> None:
        """Checks nothing, because evicted blobs are fetched more than once."""

    def check_folder(self) -> None:
        """Allows partial files, which a blob that found no room may leave."""
        halves = {f"partial/{digest.replace(':', '-')}" for digest in self.origin.blobs()}
        if left := self.other_files() - fixed_names_in_format() - halves:
            raise Broken(f"these files are left: {sorted(left)}")
        self.check_blob_files()
        if (size := sum(file_sizes(self.data).values())) > SMALL_CACHE:
            raise Broken(f"the folder has {size} bytes, but its limit is {SMALL_CACHE}")


def fixed_names_in_format() -> set[str]:
    """The files that always exist: the paths without a `<placeholder>` in FORMAT.md's table.
    The paths with a placeholder are of published, partial or damaged blobs."""
    text = (ROOT / "src/store/FORMAT.md").read_text()
    table = text.split("## Files", 1)[1].split("\n## ", 1)[0]
    paths = [path for line in table.splitlines() if line.startswith("| `")
             for path in re.findall(r"`([^`]+)`", line.split("|")[1])]
    return {path for path in paths if "<" not in path}


def torture(kills: int, seed: int, seconds: float = float("inf"), progress: Any = None,
            kind: type[Generation] = Generation) -> Outcome:
    """Raises Broken with the broken rule and Layby's last lines."""
    outcome, dice = Outcome(), random.Random(seed)
    deadline = time.monotonic() + seconds

    def enough() -> bool:
        return outcome.kills >= kills or time.monotonic() > deadline

    while not enough():
        generation = kind(dice, outcome)
        try:
            generation.begin()
            while not enough() and generation.origin.bytes < GENERATION_BYTES:
                generation.live()
                if progress:
                    progress(outcome)
            generation.finish()
        except Broken as error:
            raise Broken(f"seed {seed}, kill {outcome.kills}: {error}\n--- layby's last lines\n"
                         f"{generation.layby.log()[-3000:]}") from error
        finally:
            generation.close()
    return outcome


def end_in_order(*_: object) -> None:
    """Raises, so that the clean-up runs; a second signal does not interrupt the clean-up."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(description="kills Layby until it breaks")
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=None, help="repeats the choices of a run")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="ends earlier")
    parser.add_argument("--evict", action="store_true", help="use a cache that is too small")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().getrandbits(32)
    signal.signal(signal.SIGTERM, end_in_order)
    started, told = time.monotonic(), 0
    print(f"seed {seed}", flush=True)

    def progress(outcome: Outcome) -> None:
        nonlocal told
        if outcome.kills >= told + 20:
            told = outcome.kills
            print(f"{time.monotonic() - started:5.0f} s  {outcome.kills} kills", flush=True)

    try:
        outcome = torture(options.kills, seed, options.seconds, progress,
                          Overflowing if options.evict else Generation)
    except Broken as error:
        print(f"BROKEN: {error}")
        return 1
    print(f"held: {outcome}; {outcome.generations} folders, {time.monotonic() - started:.0f} s, "
          f"seed {seed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
