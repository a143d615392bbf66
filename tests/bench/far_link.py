# SPDX-License-Identifier: Apache-2.0
"""A network namespace at the other end of a slow, long link, made without netem.

delay.c forwards between two TUN devices, one in each namespace. A server that is started
within there() binds FAR; this side reaches the server over the link. The end of the `with`
removes the namespace and the link.
"""
from __future__ import annotations

import ctypes
import fcntl
import os
import struct
import subprocess
from contextlib import contextmanager
from typing import Any, Iterator

from servers import ROOT

DELAY = ROOT / "build/bench/delay"
NEAR, FAR = "10.98.0.1", "10.98.0.2"
CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
QUEUED_PACKETS = 1000  # packets that a device queues before delay.c reads them


def run(*command: str) -> None:
    subprocess.run(command, check=True)


class FarLink:
    """A link of `bits` a second, `one_way` seconds each way, with a queue of `queue` seconds."""

    def __init__(self, bits: int, one_way: float, queue: float = 0.2) -> None:
        self.rate = [str(bits), str(round(one_way * 1e6)), str(round(bits / 8 * queue))]
        self.namespace = f"layby-far-{os.getpid()}"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> FarLink:
        run("ip", "netns", "add", self.namespace)
        try:
            near, far = f"lb{os.getpid()}", "wan"
            ends = [open_tun(near)]
            with self.there():
                ends.append(open_tun(far))
            self.process = subprocess.Popen([str(DELAY), *map(str, ends), *self.rate], pass_fds=ends,
                                            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
            for end in ends:
                os.close(end)  # The devices live as long as delay.c has them open.
            set_up(near, NEAR, FAR)
            with self.there():
                run("ip", "link", "set", "lo", "up")
                set_up(far, FAR, NEAR)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        if self.process:
            self.process.communicate(b"")
        run("ip", "netns", "delete", self.namespace)

    @contextmanager
    def there(self) -> Iterator[None]:
        """Puts this thread, and the processes it starts, at the far end."""
        with open("/proc/thread-self/ns/net", "rb") as home, \
                open(f"/run/netns/{self.namespace}", "rb") as far:
            enter(far.fileno())
            try:
                yield
            finally:
                enter(home.fileno())


def enter(namespace: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def open_tun(name: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR)
    try:
        fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    except OSError:
        os.close(device)
        raise
    return device


def set_up(device: str, address: str, peer: str) -> None:
    run("ip", "address", "add", address, "peer", peer, "dev", device)
    run("ip", "link", "set", device, "mtu", "1500", "txqueuelen", str(QUEUED_PACKETS), "up")
