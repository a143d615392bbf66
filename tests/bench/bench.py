#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Layby beside other servers, measured: runs the chosen parts and tells what they found.

A part is a module with measure(table, repeats) and the BUDGETS of its rows. Every figure is
taken in turns on the same machine within one run, the order of the servers rotating, and
each repeat gives one ratio. Everything lives in one folder in /var/tmp, because a cache
belongs on a disk and /tmp may not be one.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import cold_disk
import hits
import manifests
import memory
import misses
import shaped_miss
import upstream
from servers import ROOT, layby_binary
from table import Table, markdown

PARTS = {part.__name__: part for part in (hits, manifests, misses, upstream, memory,
                                          cold_disk, shaped_miss)}
RESULT = ROOT / "build/bench/result.json"


def main() -> int:
    parser = argparse.ArgumentParser(description="Layby beside other servers, measured")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("parts", nargs="*", metavar="|".join(PARTS))
    options = parser.parse_args()
    if wrong := set(options.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(wrong))}")
    tempfile.tempdir = tempfile.mkdtemp(prefix="layby-bench-", dir="/var/tmp")
    # A copy: one run measures one binary, whoever builds meanwhile.
    binary = Path(shutil.copy2(layby_binary(), tempfile.tempdir))
    os.environ["LAYBY_BIN"] = str(binary)
    facts = {"repeats": options.repeats, "load_average": os.getloadavg(), "cpus": os.cpu_count(),
             "kernel": os.uname().release, "machine": os.uname().machine,
             "binary_bytes": binary.stat().st_size,
             "binary_sha256": hashlib.sha256(binary.read_bytes()).hexdigest()}
    table, started = Table(), time.monotonic()
    try:
        for name, part in PARTS.items():
            if not options.parts or name in options.parts:
                print(f"{time.monotonic() - started:4.0f} s  {name}", file=sys.stderr, flush=True)
                part.measure(table, options.repeats)
                table.budgets += part.BUDGETS
    finally:
        shutil.rmtree(tempfile.tempdir, ignore_errors=True)
    facts["seconds"] = round(time.monotonic() - started, 1)
    RESULT.write_text(json.dumps({"facts": facts, "figures": table.summary(),
                                  "upstream": table.upstream}, indent=1))
    print(markdown(table, facts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
