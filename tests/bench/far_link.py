# SPDX-License-Identifier: Apache-2.0
"""Two network namespaces with a slow, long link between them, made without netem.

delay.c forwards between two TUN devices, one in each namespace. Within the `with`, this thread is
in the namespace at the near end, so that two benchmarks on one machine don't meet. A server that
is started within there() binds FAR or FAR_CDN, and is reached over the link. The end of the
`with` removes the namespaces and the link.

Both ends use cubic, and remember nothing about the paths of earlier connections. So the figures
don't depend on settings of the machine, or on the order of the measurements.
"""
from __future__ import annotations

import ctypes
import fcntl
import os
import struct
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Iterator

from servers import ROOT

DELAY = ROOT / "build/bench/delay"
NETWORK = "10.98.0.0/24"
NEAR, FAR, FAR_CDN = "10.98.0.1", "10.98.0.2", "10.98.0.3"
CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
QUEUED_PACKETS = 1000  # packets that a device queues before delay.c reads them


def run(*command: str) -> None:
    subprocess.run(command, check=True)


class FarLink:
    """A link of `bits` a second, `one_way` seconds each way, with a queue of `queue` seconds.

    Each direction loses the share `loss` of its packets. `flow_bits` a second limit each direction
    of each TCP connection, if `flow_bits` isn't 0.
    """

    def __init__(self, bits: int, one_way: float, queue: float = 0.2, loss: float = 0,
                 flow_bits: int = 0) -> None:
        self.figures = [str(bits), str(round(one_way * 1e6)), str(round(queue * 1e6)),
                        str(round(loss * 1e6)), str(flow_bits)]
        self.near, self.far = f"layby-near-{os.getpid()}", f"layby-far-{os.getpid()}"
        self.home: IO[bytes] | None = None  # the namespace of this thread before the `with`
        self.process: subprocess.Popen[bytes] | None = None
        self.counts: list[list[int]] = []  # after the `with`: what delay.c printed, near to far first

    def __enter__(self) -> FarLink:
        self.home = open("/proc/thread-self/ns/net", "rb")
        try:
            for namespace in (self.near, self.far):
                run("ip", "netns", "add", namespace)
            go_to(self.near)
            ends = [open_tun("lan")]
            with self.there():
                ends.append(open_tun("wan"))
            # In a session of its own, so that ^C ends the link only after the clients and servers.
            self.process = subprocess.Popen(
                [str(DELAY), *map(str, ends), *self.figures], pass_fds=ends, start_new_session=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for end in ends:
                os.close(end)  # The devices live as long as delay.c has them open.
            set_up("lan", NEAR)
            with self.there():
                set_up("wan", FAR, FAR_CDN)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        if self.process:
            printed, _ = self.process.communicate(b"")
            self.counts = [[int(word) for word in line.split()] for line in printed.splitlines()]
        if self.home:
            enter(self.home)
            self.home.close()
        for namespace in (self.near, self.far):
            if Path("/run/netns", namespace).exists():
                run("ip", "netns", "delete", namespace)

    def arrived_bytes(self) -> int:
        """The bytes of all packets that have come over the link to the near end, heads included."""
        devices = Path("/proc/thread-self/net/dev").read_text().splitlines()
        return next(int(line.split()[1]) for line in devices if line.split()[0] == "lan:")

    @contextmanager
    def there(self) -> Iterator[None]:
        """Puts this thread, and the processes and threads it starts, at the far end."""
        with open("/proc/thread-self/ns/net", "rb") as here:
            go_to(self.far)
            try:
                yield
            finally:
                enter(here)


def go_to(namespace: str) -> None:
    with open(f"/run/netns/{namespace}", "rb") as file:
        enter(file)


def enter(namespace: IO[bytes]) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def open_tun(name: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR)
    try:
        fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    except OSError:
        os.close(device)
        raise
    return device


def set_up(device: str, *addresses: str) -> None:
    """Sets up one end: loopback, and `device` with its addresses and the route to the other end."""
    run("ip", "link", "set", "lo", "up")
    for address in addresses:
        run("ip", "address", "add", address, "dev", device)
    run("ip", "link", "set", device, "mtu", "1500", "txqueuelen", str(QUEUED_PACKETS), "up")
    # A namespace may not choose every congestion control of the machine as its default; a route may.
    run("ip", "route", "add", NETWORK, "dev", device, "src", addresses[0], "congctl", "cubic")
    Path("/proc/sys/net/ipv4/tcp_no_metrics_save").write_text("1")
