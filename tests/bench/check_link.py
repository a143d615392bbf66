#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the link of delay.c by measurements of a static nginx behind the link.

Rates are bytes of content a second: a packet of 1,500 bytes has 1,448 bytes of content. On a
lossy link, the expected rate is the rate of one Reno stream (M. Mathis and others, 1997), which
cubic has too on such a link (RFC 9438, section 4.3). The numbers of delay.c give the share of
lost packets. Exits with 1 if a figure is out of bounds. Needs root; takes about two minutes.
"""
from __future__ import annotations

import math
import shutil
import sys
import tempfile
from dataclasses import dataclass

from far_link import FAR, FarLink
from servers import MIB, Registry
from shaped_miss import FirstNginx
from timing import apart

CONTENT, PACKET = 1448, 1500
MILLION = 1_000_000


@dataclass
class Case:
    name: str
    link: FarLink
    mib: int  # of each stream
    streams: int
    expected: float  # bytes of content a second
    tolerance: float  # a share of `expected`
    loss: float = 0


def share(bits: int) -> float:
    return bits / 8 * CONTENT / PACKET


def reno(round_trip: float, loss: float) -> float:
    return math.sqrt(3 / 2 / loss) * CONTENT / round_trip


CASES = [
    Case("100 Mbit/s, 5 ms", FarLink(100 * MILLION, 0.0025), 64, 1, share(100 * MILLION), 0.02),
    Case("100 Mbit/s, 80 ms, 0.5% loss", FarLink(100 * MILLION, 0.04, loss=0.005), 8, 1,
         reno(0.08, 0.005), 0.25, 0.005),
    Case("100 Mbit/s, 80 ms, 0.5% loss, 4 streams", FarLink(100 * MILLION, 0.04, loss=0.005), 8, 4,
         4 * reno(0.08, 0.005), 0.25, 0.005),
    *(Case(f"200 Mbit/s, 20 Mbit/s each, {streams} streams",
           FarLink(200 * MILLION, 0.01, flow_bits=20 * MILLION), 16, streams,
           min(200, 20 * streams) / 20 * share(20 * MILLION), 0.04) for streams in (1, 4, 16)),
    Case("5 Mbit/s, 30 ms", FarLink(5 * MILLION, 0.015), 4, 1, share(5 * MILLION), 0.02),
]


def rate(case: Case, registry: Registry) -> float:
    path = registry.add_blob(case.mib * MIB)
    with case.link as link:
        with link.there():
            origin = FirstNginx(registry.server(), host=FAR)
        with origin:
            times = apart(origin.port, [path] * case.streams, FAR)
    return sum(t.bytes for t in times) / max(t.total for t in times)


def main() -> int:
    tempfile.tempdir = tempfile.mkdtemp(prefix="layby-link-", dir="/var/tmp")
    good = True
    try:
        registry = Registry()
        for case in CASES:
            found = rate(case, registry) / case.expected
            packets, _, dropped, lost = case.link.counts[1]
            loss = lost / (packets + dropped + lost)
            met = abs(found - 1) <= case.tolerance and abs(loss - case.loss) <= 0.2 * case.loss
            good = good and met
            print(f"{case.name}: {found * case.expected / 1e6:.3g} MB/s, {found:.3f} of "
                  f"{case.expected / 1e6:.3g} (± {case.tolerance:g}); lost {loss:.3%}, dropped "
                  f"{dropped} of {packets}: {'good' if met else 'WRONG'}", flush=True)
    finally:
        shutil.rmtree(tempfile.tempdir, ignore_errors=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
