#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The cost of a request, in figures that don't depend on the speed of the machine.

`strace -c`, attached to the daemon, counts system calls; callgrind counts instructions and
allocations. One client asks, reads the answer and asks again. A figure is the difference
between a run with three times the requests and a run with the plain number of requests, per
request, so that start, attaching and other work don't count. Both runs are repeated three times
in turn and the smallest count is used, because disturbances only add.

ceilings.json has the costs of its last update. A cost fails when it is above its ceiling by
more than a small slack. The cost of a small request also fails when it is far below its ceiling,
because a ceiling that is too high would hide a later rise. After a change that is meant to change
costs, run --update.

Costs per MiB depend on how the kernel splits a stream, so they have more slack. Instructions
are compared only on x86-64 and are those of gcc. Most instructions of a cold fill compute the
digest and differ from processor to processor, so a cold fill's instructions aren't compared.

  test_costs.py             compares with ceilings.json
  test_costs.py --update    writes ceilings.json
  test_costs.py --repeat 3  measures three times and prints the spread
  test_costs.py --profile   shows which functions cost the instructions of a manifest GET
  test_costs.py --arm64     counts the instructions of the static program for 64-bit ARM, in QEMU

QEMU's user mode runs the ARM program, and a plugin of QEMU counts the program's instructions, without
the kernel's. The emulated processor is always the same, so the instructions of a cold fill are
compared too: without instructions for SHA, as on a Raspberry Pi 4, and with them, as on later boards.
ceilings-arm64.json has these costs.

Environment: LAYBY_BIN names a release build, as in tests/e2e/harness.py; for --arm64, a program for
64-bit ARM, by default build/static-arm64/layby.
"""
from __future__ import annotations

import argparse
import json
import mmap
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

from callgrind import read_dump, profile  # noqa: E402
from harness import OCI_MANIFEST, ROOT, Hub, Layby, Parts, make_image, pull, wait_until  # noqa: E402

CEILINGS, ARM64_CEILINGS = HERE / "ceilings.json", HERE / "ceilings-arm64.json"
REPO = "library/costs"
MIB = 1 << 20
BLOB_MIB = 8

Costs = dict[str, float]  # by name: "instructions", "allocations", a system call, "system calls"


# -- a client


class Client:
    """Sends one request after the other, on one connection or on a new connection for each."""

    def __init__(self, layby: Layby, path: str, method: str = "GET", close: bool = False) -> None:
        self.port, self.close, self.headless = layby.port, close, method == "HEAD"
        self.request = (f"{method} {path} HTTP/1.1\r\nHost: {layby.authority}\r\nAccept: {OCI_MANIFEST}\r\n"
                        f"{'Connection: close' + chr(13) + chr(10) if close else ''}\r\n").encode()
        self.buffer = bytearray(MIB)

    def ask(self, times: int) -> None:
        if self.close:
            for _ in range(times):
                with socket.create_connection(("127.0.0.1", self.port), 60) as connection:
                    self._ask_on(connection)
                    assert connection.recv(1) == b"", "the connection stays open"
            return
        with socket.create_connection(("127.0.0.1", self.port), 60) as connection:
            for _ in range(times):
                self._ask_on(connection)

    def _ask_on(self, connection: socket.socket) -> None:
        connection.sendall(self.request)
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(4096)
            assert piece, f"closed after {head!r}"
            head += piece
        head, _, body = head.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        left = 0 if self.headless else length - len(body)
        while left:
            got = connection.recv_into(self.buffer, min(left, MIB))
            assert got, f"closed with {left} bytes to come"
            left -= got


class Site:
    """A hub and a Layby that has pulled one image from it."""

    def __init__(self, under: list[str] | None = None) -> None:
        self.hub = Hub(pull_limit=None)
        try:
            self.image = make_image(self.hub, REPO, "1", [BLOB_MIB * MIB])
            self.layby = Layby(self.hub, {"tags": {"fresh_for": "1d"}}, under=under)
        except Exception:
            self.hub.close()
            raise
        pull(self.layby.authority, REPO, "1")
        self.layby.settle()
        self._cold: Iterator[Parts] = (make_image(self.hub, REPO, f"cold-{n}", [BLOB_MIB * MIB], seed=n)
                                       for n in range(1000))

    def __enter__(self) -> Site:
        return self

    def __exit__(self, *_: object) -> None:
        self.layby.close()
        self.hub.close()

    @property
    def pid(self) -> int:
        assert self.layby.process
        return self.layby.process.pid

    def manifest(self, ref: str, method: str = "GET", close: bool = False) -> Callable[[int], None]:
        return Client(self.layby, f"/v2/{REPO}/manifests/{ref}", method, close).ask

    def warm_blob(self, times: int) -> None:
        Client(self.layby, blob_path(self.image)).ask(times)

    def prepare_cold(self, times: int) -> list[Client]:
        return [Client(self.layby, blob_path(next(self._cold))) for _ in range(times)]

    def cold_fill(self, clients: list[Client]) -> None:
        for client in clients:
            client.ask(1)
        self.layby.settle()  # also sends requests, but their number doesn't depend on `clients`


def blob_path(image: Parts) -> str:
    return f"/v2/{REPO}/blobs/{max(image.blobs, key=lambda digest: image.blobs[digest])}"


# -- what is measured, and how

# A scenario has four numbers: its requests or blobs; the parts of each (the MiB of a blob); and the
# slack of a comparison, first as a part of the ceiling, then as a number of system calls.
SMALL = (100, 1, 0.0, 0.05)
CLOSING = (100, 1, 0.0, 4.5)  # slack, because a request may come after its connection
WARM = (4, BLOB_MIB, 0.4, 2.0)
COLD = (2, BLOB_MIB, 0.6, 3.0)  # pieces have 85 to 150 KB, depending on how the origin is scheduled
WARM_BLOB, COLD_FILL = "warm blob, a MiB", "cold fill, a MiB"
SCENARIOS = {
    "manifest by digest": SMALL,
    "manifest by tag": SMALL,
    "HEAD of a tag": SMALL,
    "manifest, a connection each": CLOSING,
    WARM_BLOB: WARM,
    COLD_FILL: COLD,
}
INSTRUCTIONS_SLACK = 0.05
ARM64, ARM64_SHA = "arm64 instructions", "arm64 instructions, with SHA"
ALLOCATIONS_SLACK = 0.2
FAR_BELOW = 0.1


def work_of(site: Site, scenario: str, times: int) -> Callable[[], None]:
    """Returns the work to be counted; prepares everything else first."""
    if scenario.startswith("cold"):
        clients = site.prepare_cold(times)
        return lambda: site.cold_fill(clients)
    ask = {"manifest by digest": site.manifest(site.image.root),
           "manifest by tag": site.manifest("1"),
           "HEAD of a tag": site.manifest("1", "HEAD"),
           "manifest, a connection each": site.manifest(site.image.root, close=True),
           WARM_BLOB: site.warm_blob}[scenario]
    return lambda: ask(times)


def count_system_calls(site: Site, work: Callable[[], None]) -> Costs:
    """Parses strace's lines of "% time, seconds, usecs/call, calls, [errors,] name"."""
    def traced() -> bool:
        tasks = Path(f"/proc/{site.pid}/task").glob("*/status")
        return all("TracerPid:\t0\n" not in task.read_text() for task in tasks)

    with tempfile.NamedTemporaryFile("r", prefix="layby-strace-") as table:
        tracer = subprocess.Popen(["strace", "-f", "-c", "-q", "-o", table.name, "-p", str(site.pid)],
                                  stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            wait_until(lambda: tracer.poll() is None and traced(), "strace attached")
            work()
        finally:
            tracer.send_signal(signal.SIGINT)
            _, said = tracer.communicate(timeout=20)
        rows = [line.split() for line in table.read().splitlines()]
    costs = {row[-1]: float(row[3]) for row in rows
             if len(row) >= 5 and row[0][0].isdigit() and row[-1] != "total"}
    assert costs, f"strace counted nothing: {said.decode(errors='replace')}"
    return {**costs, "system calls": sum(costs.values())}


class Callgrind:
    """A Layby under callgrind; numbers its dumps."""

    def __init__(self, home: Path) -> None:
        self.out = home / "callgrind"
        shim = home / "small_map.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", shim, HERE / "small_map.c"], check=True)
        self.command = ["env", f"LD_PRELOAD={shim}", "valgrind", "--tool=callgrind",
                        f"--callgrind-out-file={self.out}", f"--log-file={home}/valgrind.log"]
        self.dumps = 0

    def run(self, site: Site, work: Callable[[], None]) -> Path:
        self._control("--zero", site)
        work()
        self.dumps += 1
        self._control("--dump", site)
        return Path(f"{self.out}.{self.dumps}")

    def count(self, site: Site, work: Callable[[], None]) -> Costs:
        dump = read_dump(self.run(site, work))
        return {"instructions": dump.instructions, "allocations": dump.allocations}

    @staticmethod
    def _control(what: str, site: Site) -> None:
        done = subprocess.run(["callgrind_control", what, str(site.pid)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise RuntimeError(f"callgrind_control {what}: {done.stdout}{done.stderr}")


@contextmanager
def under_callgrind() -> Iterator[tuple[Callgrind, Site]]:
    with tempfile.TemporaryDirectory(prefix="layby-callgrind-") as home:
        callgrind = Callgrind(Path(home))
        with Site(callgrind.command) as site:
            yield callgrind, site


class Qemu:
    """A Layby for 64-bit ARM in QEMU's user mode; its plugin counts instructions."""

    PLUGIN = HERE / "count_instructions.c"
    COUNTERS = struct.Struct("512Q")

    def __init__(self, home: Path, sha: bool) -> None:
        """`sha` says whether OpenSSL uses the processor's instructions for SHA."""
        built, counts = home / "plugin.so", home / "counts"
        subprocess.run(["cc", "-std=gnu11", "-shared", "-fPIC", "-O2", "-o", built, self.PLUGIN], check=True)
        counts.write_bytes(bytes(self.COUNTERS.size))
        with open(counts, "r+b") as file:
            self.counts = mmap.mmap(file.fileno(), self.COUNTERS.size)
        self.name = ARM64_SHA if sha else ARM64
        only_neon = [] if sha else ["OPENSSL_armcap=1"]
        self.command = ["env", *only_neon, f"LD_PRELOAD={built}", "qemu-aarch64", "-cpu", "cortex-a72",
                        "-plugin", f"{built},counts={counts}"]

    def count(self, site: Site, work: Callable[[], None]) -> Costs:
        del site
        before = sum(self.COUNTERS.unpack(self.counts))
        work()
        return {self.name: sum(self.COUNTERS.unpack(self.counts)) - before}


@contextmanager
def under_qemu(sha: bool) -> Iterator[tuple[Qemu, Site]]:
    with tempfile.TemporaryDirectory(prefix="layby-qemu-") as home:
        qemu = Qemu(Path(home), sha)
        with Site(qemu.command) as site:
            yield qemu, site


def costs_of(site: Site, scenario: str, count: Callable[[Site, Callable[[], None]], Costs]) -> Costs:
    times, parts = SCENARIOS[scenario][:2]

    def smallest(runs: list[Costs]) -> Costs:
        return {name: min(run.get(name, 0) for run in runs) for name in set().union(*runs)}

    counted = [[count(site, work_of(site, scenario, requests)) for requests in (times, 3 * times)]
               for _ in range(3)]
    once, thrice = (smallest(list(runs)) for runs in zip(*counted))
    return {name: (thrice.get(name, 0) - once.get(name, 0)) / (2 * times * parts)
            for name in thrice | once}


def measure_all() -> dict[str, Costs]:
    measured: dict[str, Costs] = {}
    with Site() as site:
        for name in SCENARIOS:
            work_of(site, name, 1)()
            measured[name] = costs_of(site, name, count_system_calls)
    with under_callgrind() as (callgrind, site):
        for name in SCENARIOS:
            work_of(site, name, 1)()
            measured[name] |= costs_of(site, name, callgrind.count)
    return rounded(measured)


def measure_arm64() -> dict[str, Costs]:
    measured: dict[str, Costs] = {}
    # QEMU has no preadv2, so Layby would read a warm blob in the way of a blob that isn't in memory.
    for sha, names in ((False, [name for name in SCENARIOS if name != WARM_BLOB]), (True, [COLD_FILL])):
        with under_qemu(sha) as (qemu, site):
            for name in names:
                work_of(site, name, 1)()
                measured.setdefault(name, {}).update(costs_of(site, name, qemu.count))
    return rounded(measured)


def rounded(measured: dict[str, Costs]) -> dict[str, Costs]:
    """Leaves out costs that are almost 0."""
    for costs in measured.values():
        for name in [name for name, cost in costs.items() if abs(cost) < 0.02]:
            del costs[name]
    return {scenario: {name: round(cost, 0 if name in ("instructions", ARM64, ARM64_SHA) else 2)
                       for name, cost in sorted(costs.items())}
            for scenario, costs in measured.items()}


# -- the comparison and its report


def bounds(scenario: str, name: str, ceiling: float) -> tuple[float, float]:
    """The lowest and the highest cost that pass."""
    _, _, part, calls = SCENARIOS[scenario]
    if name in (ARM64, ARM64_SHA):
        slack = INSTRUCTIONS_SLACK * ceiling
    elif name == "instructions":
        slack = max(part, INSTRUCTIONS_SLACK) * ceiling
    elif name == "allocations":
        slack = max(part * ceiling, ALLOCATIONS_SLACK)
    else:
        slack = max(part * ceiling, calls)
    # After a disturbance, the difference of two counts can be negative.
    low = ceiling - max(slack, FAR_BELOW * ceiling) if SCENARIOS[scenario] is SMALL else -slack
    return low, ceiling + slack


def is_compared(scenario: str, name: str) -> bool:
    if name in (ARM64, ARM64_SHA):
        return True
    if name == "instructions":
        return os.uname().machine == "x86_64" and not scenario.startswith("cold")
    # A stream may be split differently in each run, which moves system calls from one name to
    # another. So only the sum of all system calls is compared.
    return SCENARIOS[scenario] in (SMALL, CLOSING) or name in ("allocations", "system calls")


def complaints(measured: dict[str, Costs], ceilings: dict[str, Costs]) -> list[str]:
    found = []
    for scenario, costs in measured.items():
        known = ceilings.get(scenario, {})
        for name in sorted(costs.keys() | known.keys()):
            cost, ceiling = costs.get(name, 0), known.get(name, 0)
            low, high = bounds(scenario, name, ceiling)
            if is_compared(scenario, name) and not low <= cost <= high:
                how = "costlier" if cost > ceiling else "cheaper"
                found.append(f"{scenario}: {name} got {how}: {cost:g}, was {ceiling:g}"
                             f" (allowed: {low:.2f} to {high:.2f})")
    return found


def show(runs: list[dict[str, Costs]]) -> None:
    """Prints the table; with several runs, the largest cost is beside the smallest cost."""
    for scenario in runs[0]:
        print(f"{scenario}:")
        for name in sorted({name for run in runs for name in run[scenario]}):
            all_costs = [run[scenario].get(name, 0) for run in runs]
            spread = f" to {max(all_costs):g}" if max(all_costs) != min(all_costs) else ""
            print(f"  {name:<16} {min(all_costs):g}{spread}")


def print_profile() -> None:
    times = 1000
    with under_callgrind() as (callgrind, site):
        for title, ref, close in (("by digest", site.image.root, False), ("by tag", "1", False), ("on a connection of its own", site.image.root, True)):
            ask = site.manifest(ref, close=close)
            ask(10)
            dump = read_dump(callgrind.run(site, lambda: ask(times)))
            print(f"== a manifest GET {title}\n{profile(dump, times)}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures the cost of a request")
    parser.add_argument("--update", action="store_true", help="write ceilings.json")
    parser.add_argument("--repeat", type=int, default=1, help="measurements; shows the spread")
    parser.add_argument("--profile", action="store_true", help="functions of a manifest GET by cost")
    parser.add_argument("--arm64", action="store_true", help="the program for 64-bit ARM, in QEMU")
    options = parser.parse_args()
    if options.profile:
        print_profile()
        return 0
    measure, kept = (measure_arm64, ARM64_CEILINGS) if options.arm64 else (measure_all, CEILINGS)
    if options.arm64:
        os.environ.setdefault("LAYBY_BIN", str(ROOT / "build/static-arm64/layby"))
    runs = [measure() for _ in range(options.repeat)]
    show(runs)
    if options.update:
        kept.write_text(json.dumps(runs[0], indent=2) + "\n")
        return 0
    found = complaints(runs[-1], json.loads(kept.read_text()))
    for line in found:
        print(line, file=sys.stderr)
    if found:
        print(f"If this is intended, run tests/costs/test_costs.py with --update and commit the new "
              f"{kept.name} too. --profile shows which functions cost the instructions.",
              file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
