#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Layby beside Debian's nginx, measured.

Every figure is taken in turns on the same machine within one run, the order of the
servers rotating, and each repeat gives one ratio; medians and extremes are of those
ratios.  CPU is what the scheduler counted for all threads of all processes of a
server (/proc/PID/task/*/schedstat, in nanoseconds: the sum of utime and stime, finer
than their ticks).  On loopback that includes the kernel's receiving side.  A load
runs until its buffers are full before its window opens.

Servers are ended by the process object that started them; everything lives in one
folder in /var/tmp, because a cache belongs on a disk and /tmp may not be one.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))

from harness import (OCI_MANIFEST, Hub, Layby, Program, Pulls, accepts_connections,  # noqa: E402
                     fetch, layby_binary, make_image, pull, wait_until)
from hub import digest_of, free_port  # noqa: E402

SINK = ROOT / "build/bench/sink"
RESULT = ROOT / "build/bench/result.json"
REPOSITORY = "library/bench"
MIB = 1 << 20
GB = 1e9
WARM_UP = 0.25  # seconds before a window
WINDOW = 0.8
SETTLE = 0.4  # seconds after a fill, for what goes on behind the last byte


# -- servers


class Nginx(Program):
    """Debian's nginx with the settings it ships where they matter; one worker."""

    def __init__(self, server: str, http: str = "", listen: str = "") -> None:
        super().__init__("nginx")
        self.port = free_port()
        config = self.home / "nginx.conf"
        config.write_text(f"""
user root;
worker_processes 1;
pid {self.home}/pid;
error_log {self.home}/log;
events {{ worker_connections 2048; }}
http {{
  sendfile on;
  tcp_nopush on;
  access_log off;
  keepalive_requests 1000000000;
  default_type application/octet-stream;
  client_body_temp_path {self.home}/body;
  proxy_temp_path {self.home}/proxy;
  fastcgi_temp_path {self.home}/fastcgi;
  uwsgi_temp_path {self.home}/uwsgi;
  scgi_temp_path {self.home}/scgi;
  {http}
  server {{
    listen 127.0.0.1:{self.port} {listen};
    {server}
  }}
}}
""")
        self.start(["/usr/sbin/nginx", "-p", str(self.home), "-c", str(config), "-g", "daemon off;"])
        try:
            wait_until(lambda: self.alive() and accepts_connections("127.0.0.1", self.port), "nginx")
        except Exception:
            self.close()
            raise


class Registry:
    """What is pulled: files under /v2/, which a static nginx serves without asking who is there."""

    LOCATIONS = f"""
    location = /v2/ {{ default_type application/json; return 200 "{{}}"; }}
    location ~ "^/v2/.+/manifests/(?<digest>sha256:[0-9a-f]+)$" {{
      default_type {OCI_MANIFEST};
      add_header Docker-Content-Digest $digest;
    }}"""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "v2" / REPOSITORY
        for kind in ("blobs", "manifests"):
            (self.folder / kind).mkdir(parents=True)

    def add_blob(self, size: int) -> str:
        """Noise; its path in the API."""
        data = os.urandom(size)
        return self.add("blobs", data)

    def add_manifest(self, layers: int = 6) -> str:
        described = [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "size": 12345678,
                      "digest": digest_of(bytes([i]))} for i in range(layers + 1)]
        described[0]["mediaType"] = "application/vnd.oci.image.config.v1+json"
        return self.add("manifests", json.dumps(
            {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described[0],
             "layers": described[1:]}, indent=3).encode())

    def add(self, kind: str, data: bytes) -> str:
        digest = digest_of(data)
        (self.folder / kind / digest).write_bytes(data)
        return f"/v2/{REPOSITORY}/{kind}/{digest}"

    def server(self) -> str:
        return f"root {self.root};{self.LOCATIONS}"


def start_layby(origin: Nginx) -> Layby:
    return Layby(SimpleNamespace(url=f"http://127.0.0.1:{origin.port}"))


def warm(layby: Layby, *paths: str) -> None:
    for path in paths:
        load(layby, path, 1, answers=1)


def beside(layby: Layby, paths: list[str], listen: str = "") -> Nginx:
    """An nginx over the very files that Layby serves; a manifest, which is no file there, is copied."""
    root = Path(tempfile.mkdtemp(prefix="static-"))
    for path in paths:
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if "/blobs/" in path:
            hexits = path.rpartition(":")[2]
            os.link(Path(layby.config["data_dir"]) / "blobs/sha256" / hexits[:2] / hexits, target)
        else:
            target.write_bytes(fetch(layby.authority, path, {"Accept": OCI_MANIFEST}).body)
    return Nginx(f"root {root};", listen=listen)


# -- what a server costs


def processes(server: Program) -> list[int]:
    assert server.process
    pid = server.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def cpu_seconds(server: Program) -> float:
    total = 0
    for pid in processes(server):
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def memory(server: Program) -> dict[str, int]:
    """RSS and PSS in bytes over all processes."""
    total = {"rss": 0, "pss": 0}
    for pid in processes(server):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if found := re.match(r"(Rss|Pss): +(\d+) kB", line):
                total[found[1].lower()] += int(found[2]) * 1024
    return total


def send_queue_bytes(server: Any) -> int:
    """Kernel memory of the server's ends of its connections: queued, ahead and to be read."""
    shown = subprocess.run(["ss", "-tmnH", f"sport = :{server.port}"], capture_output=True, text=True,
                           check=True).stdout
    return sum(int(size) for kind in ("r", "f", "w")
               for size in re.findall(rf"[(,]{kind}(\d+)", shown))


# -- loads


@dataclass
class Count:
    seconds: float
    bytes: int
    answers: int
    heads: int
    failures: int

    @staticmethod
    def of(line: str) -> Count:
        took, *others = map(int, line.split())
        return Count(took / 1e9, *others)

    def __sub__(self, other: Count) -> Count:
        return Count(*(a - b for a, b in zip(vars(self).values(), vars(other).values())))


class Sink:
    """The client of sink.c; count() is what it has had so far."""

    def __init__(self, port: int, path: str, connections: int, mode: str, answers: int = 0) -> None:
        self.process = subprocess.Popen(
            [str(SINK), str(port), path, str(connections), mode, *([str(answers)] if answers else [])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def count(self) -> Count:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.checked(self.process.stdout.readline())

    def last(self) -> Count:
        """For one that ends by itself."""
        assert self.process.stdout
        return self.checked(self.process.stdout.readline())

    @staticmethod
    def checked(line: str) -> Count:
        if not line or Count.of(line).failures:
            raise RuntimeError(f"the client failed: {line!r}")
        return Count.of(line)

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def load(server: Any, path: str, connections: int, mode: str = "keep", answers: int = 0,
         ) -> tuple[Count, float]:
    """What came and the CPU seconds it took: within one window, or for so many answers."""
    if answers:
        before = cpu_seconds(server)
        with Sink(server.port, path, connections, mode, answers) as sink:
            count = sink.last()
        time.sleep(SETTLE)
        return count, cpu_seconds(server) - before
    with Sink(server.port, path, connections, mode) as sink:
        time.sleep(WARM_UP)
        first, before = sink.count(), cpu_seconds(server)
        time.sleep(WINDOW)
        last, after = sink.count(), cpu_seconds(server)
    return last - first, after - before


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


class Table:
    """Samples by row, figure and server; a ratio is of two samples of one repeat."""

    def __init__(self) -> None:
        self.samples: dict[str, dict[str, dict[str, list[float]]]] = {}

    def add(self, row: str, server: str, **figures: float) -> None:
        for figure, value in figures.items():
            self.samples.setdefault(row, {}).setdefault(figure, {}).setdefault(server, []).append(value)

    def ratio(self, row: str, figure: str, of: str, to: str) -> dict[str, float]:
        cell = self.samples[row][figure]
        return spread([a / b for a, b in zip(cell[of], cell[to]) if b])

    def summary(self) -> dict[str, Any]:
        return {row: {figure: {server: {**spread(values), "samples": values}
                               for server, values in servers.items()}
                      for figure, servers in figures.items()}
                for row, figures in self.samples.items()}


def in_turns(repeats: int, servers: dict[str, Any]) -> Any:
    names = list(servers)
    for repeat in range(repeats):
        start = repeat % len(names)
        for name in names[start:] + names[:start]:
            yield repeat, name, servers[name]


# -- the measurements


def measure_warm_and_manifest(table: Table, repeats: int, parts: set[str]) -> None:
    """Blobs from the page cache, and the smallest answer there is."""
    with ExitStack() as stack:
        registry = Registry(Path(tempfile.mkdtemp(prefix="origin-")))
        large, small = registry.add_blob(64 * MIB), registry.add_blob(8 * MIB)
        manifest = registry.add_manifest()
        origin = stack.enter_context(Nginx(registry.server()))
        layby = stack.enter_context(start_layby(origin))
        warm(layby, large, small, manifest)
        paths = [large, small, manifest]
        servers = {"layby": layby, "nginx": stack.enter_context(beside(layby, paths)),
                   "nginx 256k": stack.enter_context(beside(layby, paths, "sndbuf=256k"))}
        if "warm" in parts:
            for connections, path in ((1, large), (8, large), (64, large), (256, small)):
                size = "8 MB" if path is small else "64 MB"
                for _, name, server in in_turns(repeats, servers):
                    count, cpu = load(server, path, connections)
                    table.add(f"warm {size} × {connections}", name,
                              gb_per_second=count.bytes / GB / count.seconds,
                              cpu_seconds_per_gb=cpu / (count.bytes / GB))
        if "manifest" in parts:
            del servers["nginx 256k"]
            for mode in ("keep", "close"):
                for _, name, server in in_turns(repeats, servers):
                    count, cpu = load(server, manifest, 16, mode)
                    table.add(f"manifest {mode}", name,
                              requests_per_second=count.answers / count.seconds,
                              cpu_us_per_request=cpu * 1e6 / count.answers)


def measure_miss(table: Table, repeats: int) -> None:
    """A blob nobody had before: from the origin, through Layby, through nginx's proxy_cache."""
    size = 128 * MIB
    with ExitStack() as stack:
        registry = Registry(Path(tempfile.mkdtemp(prefix="origin-")))
        origin = stack.enter_context(Nginx(registry.server()))
        cache = tempfile.mkdtemp(prefix="proxy-cache-")
        proxy = stack.enter_context(Nginx(
            f"location / {{ proxy_pass http://127.0.0.1:{origin.port}; proxy_cache c; "
            f"proxy_cache_valid 200 1h; }}",
            f"proxy_cache_path {cache} levels=1:2 keys_zone=c:10m max_size=20g use_temp_path=off;"))
        servers = {"layby": stack.enter_context(start_layby(origin)), "nginx": proxy, "direct": origin}
        paths = [registry.add_blob(size) for _ in range(repeats + 1)]
        for path in paths:  # the origin's disk is not what is measured
            load(origin, path, 1, answers=1)
        for name in ("layby", "nginx"):  # nor is a first time
            load(servers[name], paths[repeats], 1, answers=1)
        for repeat, name, server in in_turns(repeats, servers):
            os.sync()
            count, cpu = load(server, paths[repeat], 1, answers=1)
            table.add("miss 128 MB", name, seconds=count.seconds,
                      cpu_seconds_per_gb=cpu / (count.bytes / GB))


def measure_upstream() -> dict[str, Any]:
    """What the hub sees of a pull by one, again, and by 32 at once."""
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
    return found


def measure_memory(table: Table, repeats: int) -> None:
    """What a server holds when nobody comes, when many wait, and when many read slowly."""
    with ExitStack() as stack:
        registry = Registry(Path(tempfile.mkdtemp(prefix="origin-")))
        blob, manifest = registry.add_blob(100 * MIB), registry.add_manifest()
        origin = stack.enter_context(Nginx(registry.server()))
        layby = stack.enter_context(start_layby(origin))
        warm(layby, blob, manifest)

        def fresh_layby() -> Layby:
            layby.restart()
            return layby

        makers: dict[str, Callable[[], Any]] = {
            "layby": fresh_layby, "nginx": lambda: beside(layby, [blob, manifest])}
        for _, name, make in in_turns(repeats, makers):
            server = make()
            time.sleep(0.2)
            idle = memory(server)
            table.add("idle", name, rss=idle["rss"], pss=idle["pss"])
            with Sink(server.port, manifest, 1000, "idle") as sink:
                wait_until(lambda: sink.count().answers == 1000, "1000 answers")
                table.add("1,000 idle connections", name, pss_growth=memory(server)["pss"] - idle["pss"])
            time.sleep(0.2)
            before = memory(server)
            with Sink(server.port, blob, 256, "slow") as sink:
                wait_until(lambda: sink.count().heads == 256, "256 readers")
                time.sleep(2)
                table.add("256 slow readers of 100 MB", name,
                          pss_growth=memory(server)["pss"] - before["pss"],
                          pss_growth_since_idle=memory(server)["pss"] - idle["pss"],
                          kernel_bytes=send_queue_bytes(server))
            if server is not layby:
                server.close()


# -- the report


@dataclass
class Budget:
    row: str
    figure: str
    of: str
    to: str  # a server, or "" for the figure itself
    bound: float
    at_least: bool = False


BUDGETS = [
    *(Budget(f"warm {size} × {n}", "cpu_seconds_per_gb", "layby", "nginx", bound)
      for n, size, bound in ((1, "64 MB", 0.5), (8, "64 MB", 0.5), (64, "64 MB", 0.6), (256, "8 MB", 0.75))),
    *(Budget(f"warm {size} × {n}", "cpu_seconds_per_gb", "layby", "nginx 256k", 0.9)
      for n, size in ((8, "64 MB"), (64, "64 MB"), (256, "8 MB"))),
    Budget("warm 64 MB × 1", "gb_per_second", "layby", "nginx", 1.0, True),
    Budget("warm 64 MB × 8", "gb_per_second", "layby", "nginx", 1.0, True),
    Budget("warm 64 MB × 64", "gb_per_second", "layby", "nginx", 1.0, True),
    Budget("warm 8 MB × 256", "gb_per_second", "layby", "nginx", 2.5, True),
    Budget("manifest keep", "cpu_us_per_request", "layby", "nginx", 0.75),
    Budget("manifest close", "cpu_us_per_request", "layby", "nginx", 1.0),
    Budget("miss 128 MB", "seconds", "layby", "nginx", 1.0),
    Budget("miss 128 MB", "cpu_seconds_per_gb", "layby", "nginx", 1.5),
    Budget("idle", "pss", "layby", "", 9e6),
    Budget("1,000 idle connections", "pss_growth", "layby", "", 1e6),
    Budget("256 slow readers of 100 MB", "pss_growth", "layby", "", 4e6),
    Budget("256 slow readers of 100 MB", "kernel_bytes", "layby", "", 80e6),
]

# How a figure is told: its name, its unit, and what it is divided by.
FIGURES = {
    "gb_per_second": ("throughput", "GB/s", 1), "cpu_seconds_per_gb": ("CPU", "s/GB", 1),
    "requests_per_second": ("rate", "/s", 1), "cpu_us_per_request": ("CPU", "µs/request", 1),
    "seconds": ("total", "s", 1), "rss": ("RSS", "MB", 1e6), "pss": ("PSS", "MB", 1e6),
    "pss_growth": ("PSS growth", "MB", 1e6), "pss_growth_since_idle": ("PSS growth since idle", "MB", 1e6),
    "kernel_bytes": ("kernel memory", "MB", 1e6),
}


def told(values: dict[str, float], scale: float = 1) -> str:
    def digits(value: float) -> str:
        value /= scale
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{digits(values['median'])} ({digits(values['min'])}–{digits(values['max'])})"


def budget_cell(table: Table, row: str, figure: str) -> tuple[str, str]:
    """Ratios and verdicts of one row of the table."""
    held = [b for b in BUDGETS if (b.row, b.figure) == (row, figure)]
    ratios = [f"{told(table.ratio(row, figure, 'layby', other))}"
              for other in table.samples[row][figure] if other != "layby"]
    verdicts = []
    for budget in held:
        cell = table.samples[row][figure]
        value = (table.ratio(row, figure, budget.of, budget.to) if budget.to
                 else spread(cell[budget.of]))["median"]
        good = value >= budget.bound if budget.at_least else value <= budget.bound
        bound = f"{budget.bound:g}" if budget.to else f"{budget.bound / 1e6:g} MB"
        beside_whom = f" ({budget.to})" if len([b for b in held if b.to]) > 1 else ""
        verdicts.append(f"{'≥' if budget.at_least else '≤'} {bound}{beside_whom}: "
                        f"{'held' if good else '**missed**'}")
    return "; ".join(ratios), ", ".join(verdicts)


def markdown(table: Table, upstream: dict[str, Any], facts: dict[str, Any]) -> str:
    lines = [f"Medians of {facts['repeats']} repeats (memory: 3 at most), with min–max; load average "
             f"{facts['load_average'][0]:.1f} on {facts['cpus']} CPUs; "
             f"binary {facts['binary_bytes'] / 1e6:.2f} MB.", "",
             "| what | figure | Layby | beside | ratio, Layby to each | budget |",
             "| --- | --- | --- | --- | --- | --- |"]
    for row, figures in table.samples.items():
        for figure, servers in figures.items():
            name, unit, scale = FIGURES[figure]
            others = "; ".join(f"{server} {told(spread(values), scale)}"
                               for server, values in servers.items() if server != "layby")
            ratios, verdicts = budget_cell(table, row, figure)
            lines.append(f"| {row} | {name}, {unit} | {told(spread(servers['layby']), scale)} "
                         f"| {others} | {ratios} | {verdicts} |")
    if upstream:
        lines += ["", "| pull through the stand-in for Docker Hub | requests upstream | content GETs, of needed "
                  "| blob bytes, of the image's |", "| --- | --- | --- | --- |"]
        for title, seen in upstream.items():
            requests = ", ".join(f"{count} {kind}" for kind, count in seen["requests"].items()) or "none"
            lines.append(f"| {title} | {requests} | {seen['content_gets']} of {seen['content_gets_needed']} "
                         f"| {seen['blob_bytes']:,} of {seen['image_blob_bytes']:,} |")
    return "\n".join(lines)


def main() -> int:
    every = ["warm", "manifest", "miss", "upstream", "memory"]
    parser = argparse.ArgumentParser(description="Layby beside nginx, measured")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("parts", nargs="*", metavar="|".join(every))
    options = parser.parse_args()
    if wrong := set(options.parts) - set(every):
        parser.error(f"no part {', '.join(sorted(wrong))}")
    parts, table, upstream = set(options.parts or every), Table(), {}
    tempfile.tempdir = tempfile.mkdtemp(prefix="layby-bench-", dir="/var/tmp")
    # A copy: one run measures one binary, whoever builds meanwhile.
    binary = Path(shutil.copy2(layby_binary(), tempfile.tempdir))
    os.environ["LAYBY_BIN"] = str(binary)
    facts = {"repeats": options.repeats, "load_average": os.getloadavg(), "cpus": os.cpu_count(),
             "kernel": os.uname().release, "machine": os.uname().machine,
             "binary_bytes": binary.stat().st_size,
             "binary_sha256": hashlib.sha256(binary.read_bytes()).hexdigest()}
    started = time.monotonic()

    def progress(part: str) -> bool:
        if part in parts:
            print(f"{time.monotonic() - started:4.0f} s  {part}", file=sys.stderr, flush=True)
        return part in parts

    try:
        if progress("warm") | progress("manifest"):
            measure_warm_and_manifest(table, options.repeats, parts)
        if progress("miss"):
            measure_miss(table, options.repeats)
        if progress("upstream"):
            upstream = measure_upstream()
        if progress("memory"):
            measure_memory(table, min(3, options.repeats))
    finally:
        shutil.rmtree(tempfile.tempdir, ignore_errors=True)
    facts["seconds"] = round(time.monotonic() - started, 1)
    RESULT.write_text(json.dumps({"facts": facts, "figures": table.summary(), "upstream": upstream},
                                 indent=1))
    print(markdown(table, upstream, facts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
