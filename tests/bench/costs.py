# SPDX-License-Identifier: Apache-2.0
"""The costs of a server: CPU, memory, and kernel memory for its connections.

CPU is the scheduler's count for all threads of all processes of a server
(/proc/PID/task/*/schedstat, in nanoseconds: the sum of utime and stime, which count only
ticks). On loopback the kernel receives in the context of the sender, and sends queued
data in the context of the peer that acknowledges. So the client is charged for part of the work
of a server that queues much. Where this part is large, the client's CPU is reported too.
"""
from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

from servers import Program


def processes(server: Program) -> list[int]:
    assert server.process
    pid = server.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def cpu_seconds(server: Program) -> float:
    return sum(map(cpu_seconds_of, processes(server)))


def cpu_seconds_of(pid: int) -> float:
    """CPU seconds of all threads of one process."""
    return sum(int((task / "schedstat").read_text().split()[0])
               for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9


def memory(server: Program) -> dict[str, int]:
    """RSS and PSS in bytes over all processes."""
    total = {"rss": 0, "pss": 0}
    for pid in processes(server):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if found := re.match(r"(Rss|Pss): +(\d+) kB", line):
                total[found[1].lower()] += int(found[2]) * 1024
    return total


def send_queue_bytes(server: Any) -> int:
    """Kernel memory of the server's ends of its connections (r, f and w of ss -m)."""
    shown = subprocess.run(["ss", "-tmnH", f"sport = :{server.port}"], capture_output=True, text=True,
                           check=True).stdout
    return sum(int(size) for kind in ("r", "f", "w")
               for size in re.findall(rf"[(,]{kind}(\d+)", shown))
