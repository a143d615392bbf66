#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Layby with a small and with a large index, measured in turns.

make_index makes two data_dirs, one with a hundredth of the other's blobs. The figures of each:
the time from exec to the first 200 of /healthz, with the index in the page cache and
with the index dropped from it (posix_fadvise, checked by mincore); memory at that
moment and after the lookups; HEADs of stored blobs, one after another on one connection,
with the daemon's CPU; the store's lookups without HTTP, of stored and of unknown blobs;
and a step of eviction. Prints a table and checks no bounds.
"""
from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import mmap
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))

from harness import NOBODY, layby_binary  # noqa: E402
from hub import free_port  # noqa: E402

RESULT = ROOT / "build/bench/scale.json"
MIB = 1 << 20
PAGE = mmap.PAGESIZE
FILES = 10_000  # blobs that have a file
COLD_LOOKUPS = 200  # few, so that most lookups need pages that no earlier lookup read
FIGURES = [("start, index cached", "ms"), ("start, index on the disk", "ms"),
           ("RSS at ready", "MB"), ("PSS at ready", "MB"), ("anonymous memory at ready", "MB"),
           ("RSS after the lookups", "MB"), ("PSS after the lookups", "MB"),
           ("anonymous memory after the lookups", "MB"),
           ("HEAD of a blob, index on the disk, median", "µs"),
           ("HEAD of a blob, index on the disk, longest", "µs"),
           ("HEAD of a blob, median", "µs"), ("HEAD of a blob, p99", "µs"),
           ("HEAD of a blob, CPU of the daemon", "µs"), ("HEADs on one connection", "/s"),
           ("lookup of a stored blob, median", "µs"), ("lookup of a stored blob, p99", "µs"),
           ("lookups of stored blobs", "/s"), ("lookup of an unknown blob, median", "µs"),
           ("lookup of an unknown blob, p99", "µs"), ("lookups of unknown blobs", "/s"),
           ("choosing and erasing 256 to evict, median", "µs"),
           ("choosing and erasing 256 to evict, longest", "µs")]


def digest_of_number(number: int) -> str:
    return f"sha256:{hashlib.sha256(b'blob %d' % number).hexdigest()}"


@dataclass
class Folder:
    """A data_dir, and what was measured with it."""
    path: Path
    blobs: int
    files: int
    samples: dict[str, list[float]] = field(default_factory=dict)

    def add(self, figure: str, value: float) -> None:
        self.samples.setdefault(figure, []).append(value)

    @property
    def index(self) -> Path:
        return self.path / "index/data.mdb"


class Daemon:
    """One run of `layby serve`; `ready_after` is the time from exec to ready."""

    def __init__(self, folder: Folder) -> None:
        self.port = free_port()
        config = folder.path.parent / "layby.json"
        config.write_text(json.dumps({
            "listen": f"127.0.0.1:{self.port}", "data_dir": str(folder.path),
            "socket": str(folder.path.parent / "layby.sock"),
            "cache": {"max_bytes": "1024GiB", "min_free_bytes": "1MiB"},
            "upstreams": [{"name": "docker.io", "url": f"http://{NOBODY}", "allow": ["library/*"]}]}))
        self.log = open(folder.path.parent / "log", "wb")
        begin = time.perf_counter()
        self.process = subprocess.Popen([str(layby_binary()), "serve", "--config", str(config)],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            self.connection = self.wait_until_ready(begin + 60)
        except BaseException:
            self.end()
            raise
        self.ready_after = time.perf_counter() - begin

    def wait_until_ready(self, deadline: float) -> socket.socket:
        while time.perf_counter() < deadline:
            if self.process.poll() is not None:
                break
            try:
                connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
            except ConnectionRefusedError:
                time.sleep(0.0002)
                continue
            if ask(connection, "GET", "/healthz").startswith(b"HTTP/1.1 200 "):
                return connection
            connection.close()
        raise RuntimeError(f"layby did not get ready: {Path(self.log.name).read_text()[-2000:]}")

    def memory(self) -> dict[str, float]:
        """The daemon's memory in MB, by the names of smaps_rollup."""
        lines = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines()[1:]
        return {line.split(":")[0]: int(line.split()[1]) * 1024 / 1e6 for line in lines}

    def cpu_seconds(self) -> float:
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def __enter__(self) -> Daemon:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()
        self.end()


def ask(connection: socket.socket, method: str, path: str) -> bytes:
    """The head of an answer, and any part of the body that came with it."""
    connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = connection.recv(65536)
        if not piece:
            break
        answer += piece
    return answer


# -- the page cache


def cached_share(path: Path) -> float:
    """The share of a file's pages that are in RAM."""
    libc = ctypes.CDLL(None, use_errno=True)
    size = path.stat().st_size
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), size) as mapped:
        pages = (ctypes.c_ubyte * ((size + PAGE - 1) // PAGE))()
        start = ctypes.c_char.from_buffer(mapped)
        failed = libc.mincore(ctypes.c_void_p(ctypes.addressof(start)), ctypes.c_size_t(size), pages)
        del start
    if failed:
        raise OSError(ctypes.get_errno(), "mincore")
    return sum(page & 1 for page in pages) / len(pages)


def drop_from_cache(path: Path) -> bool:
    """Drops a file from the page cache; False where the file system can't, such as a tmpfs."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    left = cached_share(path)
    if left > 0.01:
        print(f"{left:.0%} of {path} stay in the page cache", file=sys.stderr)
    return left <= 0.01


def bring_into_cache(path: Path) -> None:
    with open(path, "rb") as file:
        while file.read(8 * MIB):
            pass


# -- what is measured


def measure_cold_start(folder: Folder) -> None:
    with Daemon(folder) as daemon:
        folder.add("start, index on the disk", daemon.ready_after * 1e3)
        taken = timed_heads(daemon, folder, COLD_LOOKUPS)
        folder.add("HEAD of a blob, index on the disk, median", taken[len(taken) // 2] * 1e6)
        folder.add("HEAD of a blob, index on the disk, longest", taken[-1] * 1e6)


def measure_starts(folder: Folder) -> None:
    if drop_from_cache(folder.index):
        measure_cold_start(folder)
    bring_into_cache(folder.index)
    with Daemon(folder) as daemon:
        folder.add("start, index cached", daemon.ready_after * 1e3)
        memory = daemon.memory()
        folder.add("RSS at ready", memory["Rss"])
        folder.add("PSS at ready", memory["Pss"])
        folder.add("anonymous memory at ready", memory["Anonymous"])


def timed_heads(daemon: Daemon, folder: Folder, lookups: int) -> list[float]:
    """Seconds of each HEAD, sorted."""
    dice = random.Random(lookups)
    taken = []
    for _ in range(lookups):
        path = f"/v2/library/app/blobs/{digest_of_number(dice.randrange(folder.files))}"
        asked = time.perf_counter()
        answer = ask(daemon.connection, "HEAD", path)
        taken.append(time.perf_counter() - asked)
        if not answer.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"HEAD {path}: {answer!r}")
    return sorted(taken)


def measure_heads(folder: Folder, lookups: int) -> None:
    with Daemon(folder) as daemon:
        cpu = daemon.cpu_seconds()
        taken = timed_heads(daemon, folder, lookups)
        cpu = daemon.cpu_seconds() - cpu
        memory = daemon.memory()
    folder.add("HEAD of a blob, median", taken[len(taken) // 2] * 1e6)
    folder.add("HEAD of a blob, p99", taken[len(taken) * 99 // 100] * 1e6)
    folder.add("HEAD of a blob, CPU of the daemon", cpu / lookups * 1e6)
    folder.add("HEADs on one connection", lookups / sum(taken))
    folder.add("RSS after the lookups", memory["Rss"])
    folder.add("PSS after the lookups", memory["Pss"])
    folder.add("anonymous memory after the lookups", memory["Anonymous"])


def measure_lookups(folder: Folder, tools: Path, lookups: int) -> None:
    done = subprocess.run([str(tools / "time_lookups"), str(folder.path), str(folder.blobs),
                           str(folder.files), str(lookups)], check=True, capture_output=True, text=True)
    for line, whose, each in zip(done.stdout.splitlines(), ("a stored blob", "an unknown blob"),
                                 ("stored blobs", "unknown blobs"), strict=True):
        median, p99, per_second = (float(word) for word in line.split())
        folder.add(f"lookup of {whose}, median", median / 1e3)
        folder.add(f"lookup of {whose}, p99", p99 / 1e3)
        folder.add(f"lookups of {each}", per_second)


def measure_eviction(folder: Folder, tools: Path) -> None:
    done = subprocess.run([str(tools / "time_eviction"), str(folder.path), "20"], check=True,
                          capture_output=True, text=True)
    median, longest, _ = (float(word) for word in done.stdout.split())
    folder.add("choosing and erasing 256 to evict, median", median)
    folder.add("choosing and erasing 256 to evict, longest", longest)


def markdown(folders: list[Folder], repeats: int) -> str:
    def told(values: list[float]) -> str:
        def digits(value: float) -> str:
            return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
        return f"{digits(statistics.median(values))} ({digits(min(values))}–{digits(max(values))})"

    sizes = ", ".join(f"{folder.index.stat().st_size / 1e6:,.1f} MB" for folder in folders)
    lines = [f"Medians of {repeats} repeats with min–max; load average {os.getloadavg()[0]:.1f} on "
             f"{os.cpu_count()} CPUs; the indexes have {sizes}.", "",
             f"| figure | {' | '.join(f'{folder.blobs:,} blobs' for folder in folders)} |",
             f"| --- |{' --- |' * len(folders)}"]
    for name, unit in FIGURES:
        if not all(name in folder.samples for folder in folders):
            continue
        cells = " | ".join(told(folder.samples[name]) for folder in folders)
        lines.append(f"| {name}, {unit} | {cells} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures Layby with very many blobs")
    parser.add_argument("--tools", type=Path, default=ROOT / "build/scale",
                        help="where make_index and time_lookups are")
    parser.add_argument("--blobs", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--lookups", type=int, default=20_000, help="in each repeat")
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="layby-scale-", dir="/var/tmp"))
    try:
        # A copy, so that a build during the run doesn't change the measured binary.
        os.environ["LAYBY_BIN"] = shutil.copy2(layby_binary(), home)
        folders = [Folder(home / str(count), count, min(FILES, count))
                   for count in (max(1, options.blobs // 100), options.blobs)]
        for folder in folders:
            print(f"making an index of {folder.blobs:,} blobs", file=sys.stderr, flush=True)
            subprocess.run([str(options.tools / "make_index"), str(folder.path), str(folder.blobs),
                            str(folder.files)], check=True)
        for repeat in range(options.repeats):
            print(f"repeat {repeat + 1} of {options.repeats}", file=sys.stderr, flush=True)
            for folder in folders:
                measure_starts(folder)
                measure_heads(folder, options.lookups)
                measure_lookups(folder, options.tools, options.lookups)
                measure_eviction(folder, options.tools)
        print(markdown(folders, options.repeats))
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        RESULT.write_text(json.dumps({str(folder.blobs): folder.samples for folder in folders},
                                     indent=1))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
