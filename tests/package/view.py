# SPDX-License-Identifier: Apache-2.0
"""A view of /sys/fs/cgroup in which control groups are those of version 2 and no others.

What boots a system or runs a container inside this one wants it so, and machines have both, or
version 1. Whatever is mounted in the view is seen in it alone, and is gone when it ends.
"""
from __future__ import annotations

MOUNT = """
set -e
mount -t tmpfs none /sys/fs
mkdir /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
"""


def in_view(script: str) -> list[str]:
    """The command that runs a shell script in a view of its own."""
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", MOUNT + script]
