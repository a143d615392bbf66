# SPDX-License-Identifier: Apache-2.0
"""What a server costs: CPU, memory, and what the kernel holds for its connections.

CPU is what the scheduler counted for all threads of all processes of a server
(/proc/PID/task/*/schedstat, in nanoseconds: the sum of utime and stime, finer than
their ticks). On loopback the kernel receives in the context of who sends, and sends what is
queued in the context of who acknowledges: a server that queues much has a part of its work
done on its client's account. Where that matters the client's CPU is told too.
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
    """Of all threads of one process."""
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
    """Kernel memory of the server's ends of its connections: queued, ahead and to be read."""
    shown = subprocess.run(["ss", "-tmnH", f"sport = :{server.port}"], capture_output=True, text=True,
                           check=True).stdout
    return sum(int(size) for kind in ("r", "f", "w")
               for size in re.findall(rf"[(,]{kind}(\d+)", shown))
