# SPDX-License-Identifier: Apache-2.0
"""Disks that fill up, fail and rot.

Owns small file systems for tests (tmpfs, or ext4 in a file). A test without the right to mount
is skipped with a message. The functions of this file also inspect and damage the files below
data_dir.
"""
from __future__ import annotations

import errno
import http.client
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from harness import Layby

MIB = 1 << 20


class Disk:
    """A file system of `mib` MiB, mounted at `path` until close()."""

    def __init__(self, kind: str, mib: int) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="layby-disk-"))
        self.path = self.home / "mnt"
        self.path.mkdir()
        self.image = self.home / "image"
        self.kind, self.size_bytes = kind, mib * MIB
        if kind == "ext4":
            with open(self.image, "wb") as file:
                file.truncate(self.size_bytes)
            self._must("mkfs.ext4", "-q", "-F", "-m", "0", str(self.image))
        self.mount()

    def mount(self) -> None:
        what = ["-o", "loop", str(self.image)] if self.kind == "ext4" else \
            ["-t", "tmpfs", "-o", f"size={self.size_bytes}", "tmpfs"]
        self._must("mount", *what, str(self.path))

    def _must(self, *command: str) -> None:
        """Runs the command, or skips the test if it fails."""
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
            said = done.stderr.strip() if done.returncode else ""
        except FileNotFoundError as error:
            said = str(error)
        if said:
            shutil.rmtree(self.home, ignore_errors=True)
            raise unittest.SkipTest(f"{command[0]} is not allowed or missing: {said}")

    def free_bytes(self) -> int:
        info = os.statvfs(self.path)
        return info.f_bavail * info.f_frsize

    def take(self, size: int) -> Path:
        """Writes a file of `size` bytes, as another program would."""
        path = self.path / f"ballast{len(list(self.path.iterdir()))}"
        with open(path, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
        return path

    def take_all(self) -> Path:
        """Writes a file that leaves no free byte, as another program would."""
        path, step = self.path / "ballast-all", MIB
        with open(path, "wb", buffering=0) as file:
            while step >= 512:
                try:
                    step = step if file.write(bytes(step)) == step else step // 2
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    step //= 2
        return path

    def fail(self) -> None:
        """Aborts ext4, as a device error does: the disk is read-only until the next mount."""
        self._must("mount", "-o", "remount,abort", str(self.path))

    def repair(self) -> None:
        """Checks and mounts the disk again; no program may be using the disk."""
        self._must("umount", str(self.path))
        subprocess.run(["e2fsck", "-p", "-f", str(self.image)], capture_output=True)
        self.mount()

    def close(self) -> None:
        if subprocess.run(["umount", str(self.path)], stderr=subprocess.DEVNULL).returncode:
            subprocess.run(["umount", "-l", str(self.path)], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.home, ignore_errors=True)


# -- the files of a folder


def file_sizes(folder: Path) -> dict[str, int]:
    """Sizes by digest for published and partial blobs, else by path; hard links count once."""
    found: dict[str, int] = {}
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                info = os.lstat(os.path.join(root, name))
            except FileNotFoundError:
                continue
            blob = re.search(r"[0-9a-f]{64}", name)
            found[blob[0] if blob else os.path.join(root, name)] = info.st_size
    return found


def size_at_a_moment(folder: Path) -> int:
    """The size of the files that exist in each of two looks at the folder.

    So a file that is deleted between the looks doesn't count together with its successor.
    """
    before, after = file_sizes(folder), file_sizes(folder)
    return sum(min(size, after[name]) for name, size in before.items() if name in after)


class Watch(threading.Thread):
    """Watches the size of a folder; `most` is the largest size seen."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder, self.most, self.looks = folder, 0, 0
        self._over = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._over.wait(0.005):
            self.most = max(self.most, size_at_a_moment(self.folder))
            self.looks += 1

    def end(self) -> None:
        self._over.set()
        self.join(10)


def blob_file(layby: Layby, digest: str) -> Path:
    algorithm, _, hexits = digest.partition(":")
    return Path(layby.config["data_dir"]) / "blobs" / algorithm / hexits[:2] / hexits


def flip_byte(path: Path, offset: int) -> None:
    """Flips a bit, like bit rot: size and times stay the same."""
    info = path.stat()
    with open(path, "r+b") as file:
        file.seek(offset)
        was = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([was ^ 0x10]))
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


# -- a slow client


class SlowReader:
    """A GET whose body waits in small buffers until read() takes it."""

    def __init__(self, layby: Layby, path: str) -> None:
        self.connection = http.client.HTTPConnection(layby.authority, timeout=30)
        self.connection.sock = socket.socket()
        self.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        self.connection.sock.settimeout(30)
        self.connection.sock.connect(("127.0.0.1", layby.port))
        self.connection.request("GET", path)
        self.answer = self.connection.getresponse()
        self.size = int(self.answer.getheader("Content-Length") or 0)
        self.body = b""

    def read(self, size: int) -> None:
        while len(self.body) < size:
            piece = self.answer.read(min(64 << 10, size - len(self.body)))
            if not piece:
                raise ConnectionError(f"the body ended after {len(self.body)} bytes")
            self.body += piece

    def read_rest(self, rate: int | None = None) -> bool:
        """Reads at `rate` bytes a second, if given; returns whether the whole body came."""
        pace = threading.Event()
        try:
            while len(self.body) < self.size:
                some = min(64 << 10, self.size - len(self.body))
                self.read(len(self.body) + some)
                if rate:
                    pace.wait(some / rate)
        except (OSError, http.client.HTTPException):
            return False
        finally:
            self.connection.close()
        return True
