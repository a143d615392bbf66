#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bytes that the daemon writes to the disk, by the kernel's count.

Writes wear out the card of an edge box, so every byte from upstream may be written once
and other writes must be few. `write_bytes` of /proc/PID/io counts the pages that a process made
dirty, including the index and the log, but not the journal of a file system. The test reads the
count after the daemon has ended and before it is reaped, so the daemon's last writes count too.
"""
from __future__ import annotations

import os
import shutil
import signal
import tempfile
import unittest
from pathlib import Path

from harness import ACCEPT, EndToEnd, Pulls, add_image, make_image, pull, wait_until

MIB = 1 << 20
BOUND = 1.10  # the design allows 1.05; other file systems may write more
WARM_BOUND = MIB  # the limit for gigabytes served and hundreds of tag checks


def io_of(process_id: int | str) -> dict[str, int]:
    lines = Path(f"/proc/{process_id}/io").read_text().splitlines()
    return {name: int(value) for name, value in (line.split(": ") for line in lines)}


def why_not_counted(folder: Path) -> str:
    """The reason why the kernel doesn't count writes to `folder`; empty when it counts them."""
    try:
        before = io_of("self")["write_bytes"]
        with open(folder / "probe", "wb") as file:
            file.write(os.urandom(MIB))
            file.flush()
            os.fsync(file.fileno())
        (folder / "probe").unlink()
        counted = io_of("self")["write_bytes"] - before
    except OSError as error:
        return f"/proc/self/io can't be read: {error}"
    if counted >= MIB:
        return ""
    return f"/proc/self/io counts {counted} bytes of a MiB written to {folder} (a tmpfs?)"


class Wear(EndToEnd):
    hub_options = {"pull_limit": None}

    def setUp(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="layby-wear-", dir="/var/tmp"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        if reason := why_not_counted(folder):
            self.skipTest(reason)
        self.config = {"data_dir": str(folder / "data"), "tags": {"fresh_for": "0s"}}
        self.written = 0  # bytes written by daemons that have ended
        super().setUp()

    def written_so_far(self) -> int:
        assert self.layby.process
        return self.written + io_of(self.layby.process.pid)["write_bytes"]

    def end_life(self) -> None:
        process = self.layby.process
        assert process
        process.send_signal(signal.SIGTERM)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        self.written += io_of(process.pid)["write_bytes"]
        self.assertEqual(self.layby.stop(), 0)

    def use_warm(self, images: list[str], times: int) -> None:
        """Pulls images and checks their tags."""
        for _ in range(times):
            pulls = Pulls()
            for image in images:
                repo, _, tag = image.partition(":")
                pulls.start(pull, self.layby.authority, repo, tag)
            pulls.join()
            for image in images * 5:
                repo, _, tag = image.partition(":")
                answer = self.layby.get(f"/v2/{repo}/manifests/{tag}", ACCEPT, "HEAD")
                self.assertEqual(answer.status, 200)

    def test_each_byte_from_upstream_is_written_once_and_little_else(self) -> None:
        # The images have the sizes of a language's image on Debian and of small services.
        base = [os.urandom(29 * MIB), os.urandom(16 * MIB)]
        add_image(self.hub, "library/python", "3", [*base, os.urandom(20 * MIB), os.urandom(250),
                                                    os.urandom(3 * MIB)], comment="3")
        make_image(self.hub, "library/redis", "7", [27 * MIB, 1_100, 870_000, 12 * MIB, 98, 600])
        make_image(self.hub, "library/nginx", "1", [29 * MIB, 13 * MIB, 600, 950, 400, 1_200, 1_400])
        images = ["library/python:3", "library/redis:7", "library/nginx:1"]

        self.use_warm(images, 1)  # the first use is cold
        self.layby.settle(3)
        cold = self.written_so_far()
        self.use_warm(images, 6)
        warm = self.written_so_far() - cold
        self.end_life()
        self.layby.run()
        self.use_warm(images, 2)
        # The tag moves, and its new blobs come over a slow link, with a restart in the middle.
        add_image(self.hub, "library/python", "3", [*base, os.urandom(21 * MIB), os.urandom(250),
                                                    os.urandom(2 * MIB)], comment="3, rebuilt")
        self.hub.fault("slow", port="cdn", rate=4 * MIB, times=-1)
        taken_before = self.hub.bytes_sent("cdn")
        pulls = Pulls()
        pulls.start(pull, self.layby.authority, "library/python", "3")
        wait_until(lambda: self.hub.bytes_sent("cdn") > taken_before + 8 * MIB, "8 MiB more")
        self.end_life()
        pulls.join(check=False)
        self.layby.run()
        self.use_warm(images, 2)
        self.layby.settle(3)
        counters = self.layby.stats()["counters"]
        self.end_life()

        taken = self.hub.bytes_sent("cdn") + self.hub.bytes_sent("manifest")
        ratio = self.written / taken
        print(f"\nwritten {self.written:,} bytes for {taken:,} from upstream: {ratio:.4f}; "
              f"{cold:,} by the cold pulls, {warm:,} by the warm ones; blob bytes of the last "
              f"daemon {counters['store_bytes_written']:,}", flush=True)
        self.assertGreater(ratio, 0.99, "the kernel does not count what it should")
        self.assertLessEqual(ratio, BOUND)
        self.assertLess(warm, WARM_BOUND)


if __name__ == "__main__":
    unittest.main(verbosity=2)
