# SPDX-License-Identifier: Apache-2.0
"""Layby with docs/examples/small-box.json, in a memory control group of 128 MB."""
from __future__ import annotations

import json
from typing import Any

from cgroups import Group, InGroup
from harness import ROOT, Layby, layby_command

EXAMPLE = ROOT / "docs/examples/small-box.json"
LIMIT = 128 << 20
TCP_LIMIT = 40 << 20  # if the kernel counts TCP separately; other memory gets LIMIT - TCP_LIMIT
# Keys of the example that tests set by themselves, because each test has its own address and hub.
OWN = {"listen", "data_dir", "socket", "prefetch", "shutdown_grace", "upstreams"}


def limit(group: Group) -> None:
    group.limit_memory(LIMIT, TCP_LIMIT)


class SmallBox(InGroup, Layby):
    """Sets no limit per client, because all clients of a test come from one address."""

    def __init__(self, group: Group, hub: Any) -> None:
        shown = layby_command("config", "show", "--config", str(EXAMPLE))
        assert shown.returncode == 0, shown.stderr
        config = json.loads(shown.stdout)
        config["limits"]["max_connections_per_client"] = config["limits"]["max_connections"]
        example, = config["upstreams"]
        super().__init__(group, hub, {key: value for key, value in config.items() if key not in OWN},
                         {"max_downloads": example["max_downloads"]})
