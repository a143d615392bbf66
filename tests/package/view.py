# SPDX-License-Identifier: Apache-2.0
"""A view of /sys/fs/cgroup that has only control groups of version 2.

Programs that boot a system or run a container inside this one need such a view, because machines
may have version 1, or both. Mounts in the view are visible only there, and end with the view.
"""
from __future__ import annotations

MOUNT = """
set -e
mount -t tmpfs none /sys/fs
mkdir /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
"""


def in_view(script: str) -> list[str]:
    """A command that runs a shell script in its own view."""
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", MOUNT + script]
