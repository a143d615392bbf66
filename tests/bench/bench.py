#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares Layby with other servers: runs the chosen parts and reports the results.

A part has measure(table, repeats) and the BUDGETS of the part's rows. Within a run
the servers take turns on one machine, in rotating order, and each repeat gives one ratio.
All files are in one folder in /var/tmp, because a cache belongs on a disk and /tmp may be in
memory.

Writes build/bench/result.json (every sample) and build/bench/index.html, and prints the ratios
that moved since the result in docs/benchmark.json; --keep replaces that result with this run.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import cold_disk
import cold_pull
import distance
import first_byte
import hits
import kept
import lazy_range
import manifests
import memory
import misses
import more_cores
import page
import shaped_miss
import slow_box
import small_box
import tls
import upstream
import waits
from report import budget_rows, budget_table, facts_line, tables
from servers import ROOT, layby_binary
from table import Table

PARTS: dict[str, Any] = {
    **{part.__name__: part for part in (hits, manifests, tls, misses, upstream, memory, cold_disk,
                                        shaped_miss, distance, small_box, slow_box, more_cores,
                                        waits)},
    **cold_pull.PARTS,
    **{part.__name__: part for part in (lazy_range, first_byte)}}
DEFAULT = ["hits", "manifests", "tls", "misses", "upstream", "memory"]  # together under ten minutes
FOLDER = ROOT / "build/bench"


def version(*command: str) -> str:
    """The first number with a dot that the command prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+[^\s/]*", done.stdout + done.stderr)
    return found[0] if found else "unknown"


def facts_of(binary: Path, repeats: int) -> dict[str, Any]:
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {"repeats": repeats, "date": time.strftime("%Y-%m-%d"), "load_average": os.getloadavg(),
            "cpus": os.cpu_count(), "cpu": cpu[1] if cpu else "", "kernel": os.uname().release,
            "machine": os.uname().machine, "binary_bytes": binary.stat().st_size,
            "binary_sha256": hashlib.sha256(binary.read_bytes()).hexdigest(),
            "versions": {"layby": version(str(binary), "--version"),
                         "nginx": version("/usr/sbin/nginx", "-v"),
                         "docker-registry": version("docker-registry", "--version"),
                         "openssl": version("openssl", "version")}}


def run(table: Table, parts: list[str], repeats: int) -> list[str]:
    """Measures each part. Returns the names of the failed parts, whose rows are dropped."""
    started, failed = time.monotonic(), []
    for name in parts:
        print(f"{time.monotonic() - started:4.0f} s  {name}", file=sys.stderr, flush=True)
        table.part = name
        try:
            PARTS[name].measure(table, repeats)
            table.budgets += PARTS[name].BUDGETS
        except Exception:  # A failed part must not lose the results of the other parts.
            traceback.print_exc()
            failed.append(name)
            table.forget(name)
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description="Compares Layby with other servers")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--keep", action="store_true", help="keep this result in the repository")
    parser.add_argument("parts", nargs="*", metavar="PART",
                        help=f"{', '.join(PARTS)}; or all; default: {', '.join(DEFAULT)}")
    options = parser.parse_args()
    if wrong := set(options.parts) - {*PARTS, "all"}:
        parser.error(f"no part {', '.join(sorted(wrong))}")
    chosen = options.parts or DEFAULT
    parts = [name for name in PARTS if name in chosen or "all" in chosen]
    # A short name, because podman accepts no run folder whose path has more than 50 characters.
    tempfile.tempdir = tempfile.mkdtemp(prefix="lb-", dir="/var/tmp")
    table, started = Table(), time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends servers, links and files as ^C does
    try:
        # A copy, so that a build during the run doesn't change the measured binary.
        binary = Path(shutil.copy2(layby_binary(), tempfile.tempdir))
        os.environ["LAYBY_BIN"] = str(binary)
        facts = facts_of(binary, options.repeats)
        failed = run(table, parts, options.repeats)
    finally:
        shutil.rmtree(tempfile.tempdir, ignore_errors=True)
    facts["load_average_after"] = os.getloadavg()
    facts["seconds"] = round(time.monotonic() - started, 1)
    tell(table, facts)
    if options.keep:
        kept.keep(table, facts)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def tell(table: Table, facts: dict[str, Any]) -> None:
    moves = kept.moved(table)
    (FOLDER / "result.json").write_text(json.dumps(
        {"facts": facts, "figures": table.summary(), "upstream": table.upstream}, indent=1))
    (FOLDER / "index.html").write_text(page.page(table, facts, moves))
    budgets = [row for part in table.rows for row in budget_rows(table, part)]
    print(facts_line(facts), *tables(table, moves or None).values(), budget_table(budgets), sep="\n\n")
    if moves:
        print("", kept.moves_told(table, moves), sep="\n")
    print(f"\nThe results as a page: {FOLDER / 'index.html'}")


if __name__ == "__main__":
    sys.exit(main())
