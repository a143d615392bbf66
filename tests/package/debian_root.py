# SPDX-License-Identifier: Apache-2.0
"""Debian systems to install the package in: folders to enter by chroot, and to boot.

mmdebstrap makes one system with the package's dependencies for all tests of a program; each test
has a copy. Machine boots a copy with systemd-nspawn, with its own control group and its own view
of /sys/fs/cgroup. A booted copy uses the network of this machine, so the copy reaches a hub on
loopback. Where a copy can't be booted, Unavailable says why. Needs root.
"""
from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))

from harness import Program, remove_tree, wait_until  # noqa: E402
from view import in_view  # noqa: E402

SUITE = "bookworm"
ALSO = ("systemd",)  # systemd runs the package's service, but is not a dependency.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BOOT_SECONDS = 60


class Unavailable(Exception):
    """This machine can't boot another system inside itself."""


def package() -> Path:
    """The newest package that scripts/package has made."""
    found = sorted((ROOT / "build/package").glob("layby_*.deb"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise RuntimeError("build/package has no package: run scripts/package")
    return found[-1]


def run(*command: str | Path, **options: Any) -> str:
    done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, **options)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.returncode}\n"
                           f"{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def field(file: Path, name: str) -> str:
    return run("dpkg-deb", "--field", file, name).strip()


def dependencies(file: Path) -> list[str]:
    return re.findall(r"(?:^|, )([a-z0-9.+-]+)", field(file, "Depends"))


def next_version(file: Path, folder: Path, changes: dict[str, str]) -> Path:
    """A copy of the package as version 99, with other text in some of its files."""
    tree, out = folder / "next", folder / "next.deb"
    run("dpkg-deb", "--raw-extract", file, tree)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^Version: .*$", "Version: 99", control.read_text()))
    for path, text in changes.items():
        (tree / path).write_text(text)
    run("dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, out)
    shutil.rmtree(tree)
    return out


class BaseSystem:
    """The base system, from which the tests' systems are copied."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="layby-debian-"))
        self.tree = self.home / "base"
        try:
            run("mmdebstrap", "--variant=minbase", f"--include={','.join([*ALSO, *dependencies(package())])}",
                SUITE, self.tree)
        except Exception:
            self.close()
            raise
        (self.tree / "etc/resolv.conf").unlink(missing_ok=True)
        (self.tree / "etc/resolv.conf").touch()
        (self.tree / "etc/machine-id").write_text("")

    def close(self) -> None:
        remove_tree(self.home)


class System:
    """A copy of the base system, in which no program runs by itself."""

    def __init__(self, base: BaseSystem) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="copy-", dir=base.home))
        self.tree = self.home / "root"
        upper, work = self.home / "upper", self.home / "work"
        for folder in (self.tree, upper, work):
            folder.mkdir()
        if subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                           f"lowerdir={base.tree},upperdir={upper},workdir={work}", self.tree],
                          capture_output=True).returncode:
            run("cp", "--archive", f"{base.tree}/.", self.tree)

    def run(self, *command: str) -> str:
        return run("chroot", self.tree, "env", "-i", f"PATH={PATH}", "DEBIAN_FRONTEND=noninteractive",
                   "LC_ALL=C.UTF-8", *command)

    def dpkg(self, *arguments: str, file: Path | None = None) -> str:
        """Runs dpkg in the system; `file` is a package outside of it."""
        if not file:
            return self.run("dpkg", *arguments)
        inside = self.tree / "root" / file.name
        shutil.copy(file, inside)
        try:
            return self.run("dpkg", *arguments, f"/root/{file.name}")
        finally:
            inside.unlink()

    def close(self) -> None:
        remove_tree(self.home)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


BOOT = """
mkdir "/sys/fs/cgroup/$GROUP"
echo $$ >"/sys/fs/cgroup/$GROUP/cgroup.procs"
exec systemd-nspawn --quiet --register=no --keep-unit --console=pipe --kill-signal=SIGRTMIN+3 \
  --resolv-conf=off --timezone=off --machine="$GROUP" --directory="$TREE" --boot
"""
# Removes the control groups, after their processes have ended.
CLEAN = """
find "/sys/fs/cgroup/$GROUP" -depth -type d -exec rmdir {} +
"""


NUMBERS = itertools.count(1)


class Machine(System):
    """A booted copy of the base system."""

    def __init__(self, base: BaseSystem) -> None:
        super().__init__(base)
        self.program = Program("nspawn")
        self.environment = {"GROUP": f"layby-{os.getpid()}-{next(NUMBERS)}",
                            "TREE": str(self.tree), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
        self.init = 0  # The system's process 1, by its number on this machine.
        try:
            self._boot()
        except Exception:
            self.close()
            raise

    def _boot(self) -> None:
        self.program.start(in_view(BOOT), self.environment)
        try:
            wait_until(lambda: self.program.alive() and self._is_up(), "booted system", BOOT_SECONDS)
        except (RuntimeError, TimeoutError) as error:
            raise Unavailable(f"{error}\n{self.program.log()[-1000:]}") from error

    def _find_init(self) -> int:
        """The child that is systemd, or 0 while only earlier, short-lived children run."""
        assert self.program.process
        pid = self.program.process.pid
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            return next((int(child) for child in children
                         if Path(f"/proc/{child}/comm").read_text() == "systemd\n"), 0)
        except OSError:
            return 0

    def _is_up(self) -> bool:
        self.init = self._find_init()
        return self.init != 0 and self.ask("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")

    def ask(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["nsenter", "--target", str(self.init), "--all", "--", "env", "-i", f"PATH={PATH}",
             "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", *command],
            stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def run(self, *command: str) -> str:
        done = self.ask(*command)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def show(self, unit: str, name: str) -> str:
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).strip()

    def drop_in(self, unit: str, text: str) -> None:
        folder = self.tree / f"etc/systemd/system/{unit}.d"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "test.conf").write_text(text)
        self.run("systemctl", "daemon-reload")

    def close(self) -> None:
        self.program.close()
        subprocess.run(in_view(CLEAN), env={**os.environ, **self.environment}, capture_output=True)
        super().close()
