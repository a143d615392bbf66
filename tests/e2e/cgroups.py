# SPDX-License-Identifier: Apache-2.0
"""Control groups of version 1 and 2: a box for one server, smaller than the machine.

A group exists from the start to the end of its `with`, right below the root of the hierarchy,
and is removed after the group's processes have ended. A limit that this machine can't set
raises Unavailable.
"""
from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import socket
import threading
from pathlib import Path
from typing import Any

from harness import Program, wait_until

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int,
                      ctypes.c_long]
LIBC.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
LIBC.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]

STAT_PARTS = {"anon": ("rss", "anon"), "file": ("cache", "file"), "kernel": ("", "kernel"),
              "sock": ("", "sock")}  # the parts' names in memory.stat of version 1 and 2


class Unavailable(Exception):
    """The kernel lacks a controller, or the right to use it is missing."""


def mounts() -> list[tuple[str, str, list[str]]]:
    """Mount point, type and options of each mount."""
    lines = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    return [(at, kind, options.split(",")) for _, at, kind, options, *_ in lines]


def version_1(controller: str) -> Path | None:
    return next((Path(at) for at, kind, options in mounts()
                 if kind == "cgroup" and controller in options), None)


def version_2(controller: str) -> Path | None:
    for at, kind, _ in mounts():
        if kind == "cgroup2" and controller in (Path(at) / "cgroup.controllers").read_text().split():
            return Path(at)
    return None


def disk_of(path: Path) -> str:
    """MAJOR:MINOR of the whole disk that `path` lies on."""
    device = os.stat(path).st_dev
    found = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    if not found.exists():
        raise Unavailable(f"{path} is on no block device of its own")
    found = found.resolve()
    return ((found.parent if (found / "partition").exists() else found) / "dev").read_text().strip()


class Group:
    """A control group with limits, each set by its own method before a server starts in it."""

    def __init__(self, name: str) -> None:
        self.name = f"layby-{os.getpid()}-{name}"
        self.folders: list[Path] = []
        self.threads: list[Path] = []  # the groups of single threads, below a folder of this group
        self.lifted: list[tuple[Path, str]] = []  # what lifts a limit of another group
        self.memory: Path | None = None
        self.io: Path | None = None

    def _folder(self, controller: str, old_name: str = "") -> tuple[Path, int]:
        """This group's folder for a controller, made when missing, and the controller's version."""
        if root := version_1(old_name or controller):
            version = 1
        elif root := version_2(controller):
            version = 2
        else:
            raise Unavailable(f"no {controller} controller is mounted")
        folder = root / self.name
        try:
            if version == 2:
                (root / "cgroup.subtree_control").write_text(f"+{controller}")
            if folder not in self.folders:
                folder.mkdir()
                self.folders.append(folder)
        except OSError as error:
            raise Unavailable(f"no control group in {root}: {error}") from error
        return folder, version

    def limit_reading(self, path: Path, bytes_per_second: int) -> None:
        """Limits reads from the disk that `path` lies on."""
        self.io, version = self._folder("io", "blkio")
        name, value = ("blkio.throttle.read_bps_device", "") if version == 1 else ("io.max", "rbps=")
        self._write(self.io / name, f"{disk_of(path)} {value}{bytes_per_second}")

    def limit_writing(self, path: Path, bytes_per_second: int) -> None:
        """Limits writes to the disk that `path` lies on, including the kernel's late writes.

        Version 1 counts late writes for the root group, which gets the same limit until the end of
        the `with`. Version 2 counts late writes for a group that has the memory controller too.
        """
        self.io, version = self._folder("io", "blkio")
        if version == 2:
            self._folder("memory")
            self._write(self.io / "io.max", f"{disk_of(path)} wbps={bytes_per_second}")
            return
        name = "blkio.throttle.write_bps_device"
        self.lifted.append((self.io.parent / name, f"{disk_of(path)} 0"))
        for folder in (self.io, self.io.parent):
            self._write(folder / name, f"{disk_of(path)} {bytes_per_second}")

    def limit_each_thread(self, process: int, share: float) -> None:
        """Limits each thread of a running process to a share of a processor.

        A thread that starts later shares the limit of the thread that starts it. With version 2,
        the process must have started in this group.
        """
        parent, version = self._folder("cpu")
        period = 4000  # Microseconds; the kernel allows no quota below 1,000.
        for thread in sorted(os.listdir(f"/proc/{process}/task")):
            folder = parent / thread
            folder.mkdir()
            self.threads.append(folder)
            if version == 1:
                self._write(folder / "cpu.cfs_period_us", period)
                self._write(folder / "cpu.cfs_quota_us", round(share * period))
                self._write(folder / "tasks", thread)
            else:
                self._write(folder / "cgroup.type", "threaded")
                self._write(parent / "cgroup.subtree_control", "+cpu")
                self._write(folder / "cpu.max", f"{round(share * period)} {period}")
                self._write(folder / "cgroup.threads", thread)

    def limit_memory(self, limit_bytes: int, tcp_bytes: int) -> None:
        """Limits memory, including page cache, slab and TCP buffers; avoids swap.

        Version 1 counts TCP buffers separately: TCP buffers get `tcp_bytes` of the limit, and
        all other memory gets the rest.
        """
        self.memory, version = self._folder("memory")
        if version == 2:
            self._write(self.memory / "memory.max", limit_bytes)
            if (self.memory / "memory.swap.max").exists():
                self._write(self.memory / "memory.swap.max", 0)
            return
        self._write(self.memory / "memory.limit_in_bytes", limit_bytes - tcp_bytes)
        self._write(self.memory / "memory.kmem.tcp.limit_in_bytes", tcp_bytes)
        if (self.memory / "memory.swappiness").exists():
            self._write(self.memory / "memory.swappiness", 0)

    @staticmethod
    def _write(path: Path, value: object) -> None:
        try:
            path.write_text(str(value))
        except OSError as error:
            raise Unavailable(f"{path} does not accept {value}: {error}") from error

    def wrap(self, command: list[str]) -> list[str]:
        """A command that runs `command` in this group from its first instruction on."""
        files = [str(folder / "cgroup.procs") for folder in self.folders]
        return ["/bin/sh", "-ec", 'n=$1; shift; while [ "$n" -gt 0 ]; do echo $$ >"$1"; shift; n=$((n - 1)); '
                'done; exec "$@"', "sh", str(len(files)), *files, *command]

    # -- what it used

    def bytes_read(self) -> int:
        """Bytes read from all disks."""
        assert self.io
        if (self.io / "io.stat").exists():
            words = (self.io / "io.stat").read_text().split()
            return sum(int(word[7:]) for word in words if word.startswith("rbytes="))
        lines = (self.io / "blkio.throttle.io_service_bytes").read_text().splitlines()
        return sum(int(line.split()[2]) for line in lines if " Read " in line)

    def memory_now(self) -> dict[str, int]:
        """Bytes in use: the total and its parts."""
        assert self.memory
        old = (self.memory / "memory.kmem.tcp.usage_in_bytes").exists()
        stat = dict(line.split() for line in (self.memory / "memory.stat").read_text().splitlines())
        found = {part: int(stat.get(names[0] if old else names[1], 0))
                 for part, names in STAT_PARTS.items()}
        if not old:
            return {"total": self._read("memory.current"), **found}
        usage = self._read("memory.usage_in_bytes")
        found["sock"] = self._read("memory.kmem.tcp.usage_in_bytes")
        found["kernel"] = max(0, usage - found["anon"] - found["file"])
        return {"total": usage + found["sock"], **found}

    def reached_limit(self) -> int:
        """How often the kernel had to reclaim memory, or refuse it to a socket."""
        assert self.memory
        if (self.memory / "memory.events").exists():
            return self._events()["max"]
        return self._read("memory.failcnt") + self._read("memory.kmem.tcp.failcnt")

    def killed(self) -> int:
        """Processes that the kernel killed because it could reclaim nothing."""
        assert self.memory
        if (self.memory / "memory.events").exists():
            return self._events()["oom_kill"]
        lines = (self.memory / "memory.oom_control").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))

    def _events(self) -> dict[str, int]:
        assert self.memory
        lines = (self.memory / "memory.events").read_text().splitlines()
        return {name: int(count) for name, count in map(str.split, lines)}

    def _read(self, name: str) -> int:
        assert self.memory
        return int((self.memory / name).read_text())

    # -- its life

    def __enter__(self) -> Group:
        return self

    def __exit__(self, *_: object) -> None:
        """Removes the group, after waiting a moment until its last process has gone."""
        def is_gone(folder: Path) -> bool:
            try:
                folder.rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                return False
            return True
        with contextlib.ExitStack() as stack:  # One failure doesn't keep the rest from being undone.
            for folder in reversed([*self.threads, *self.folders]):
                stack.callback(wait_until, lambda folder=folder: is_gone(folder), f"end of {folder}", 10)
            for file, value in self.lifted:
                stack.callback(file.write_text, value)


class InGroup(Program):
    """Mixed in before a Program: the program runs in `group`."""

    def __init__(self, group: Group, *arguments: Any, **named: Any) -> None:
        self.group = group
        super().__init__(*arguments, **named)

    def start(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        super().start(self.group.wrap(command), environment)


class Peaks:
    """The peaks of each part of a group's memory within a `with`, sampled often.

    `held` is all memory except the page cache, which the kernel can reclaim.
    """

    EVERY = 0.02

    def __init__(self, group: Group) -> None:
        self.group = group
        self.most: dict[str, int] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._over.wait(self.EVERY):
            now = self.group.memory_now()
            now["held"] = now["total"] - now["file"]
            self.most = {part: max(size, self.most.get(part, 0)) for part, size in now.items()}

    def __enter__(self) -> Peaks:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def evict(path: Path, seconds: float = 10) -> None:
    """Takes a file out of the page cache; writes unwritten bytes to the disk first."""
    def is_out() -> bool:
        os.fsync(file)
        free_sent_buffers()
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        return cached_pages(file) == 0
    file = os.open(path, os.O_RDONLY)
    try:
        wait_until(is_out, f"{path} out of the page cache", seconds)
    finally:
        os.close(file)


def free_sent_buffers() -> None:
    """Makes each processor free its deferred socket buffers.

    A buffer that a foreign processor gave back occupies its pages until the buffer's own processor
    receives a packet (skb_attempt_defer_free() in the kernel).
    """
    allowed = os.sched_getaffinity(0)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as itself:
            itself.bind(("127.0.0.1", 0))
            for processor in allowed:
                os.sched_setaffinity(0, {processor})
                itself.sendto(b"", itself.getsockname())
    finally:
        os.sched_setaffinity(0, allowed)


def cached_pages(file: int) -> int:
    """Counts by mincore(2), because even a read that may not wait loads its page into the cache."""
    size = os.fstat(file).st_size
    if size == 0:
        return 0
    at = LIBC.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, file, 0)
    if at == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "mmap")
    try:
        pages = (ctypes.c_ubyte * (-(-size // mmap.PAGESIZE)))()
        if LIBC.mincore(at, size, pages) != 0:
            raise OSError(ctypes.get_errno(), "mincore")
        return sum(page & 1 for page in pages)
    finally:
        LIBC.munmap(at, size)
