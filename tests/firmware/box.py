# SPDX-License-Identifier: Apache-2.0
"""A box: the built image on its own disk, in QEMU.

The guest reaches the host by addresses that HostAddresses puts on the loopback interface;
the host reaches the guest by forwarded ports. nbdkit serves the disk with a cache that is lost
with nbdkit, like a disk's cache in a power cut: cut_power() loses all bytes that the guest
had not flushed. The processor is emulated, without KVM.
"""
from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))

from harness import Hub, Program, fetch, wait_until  # noqa: E402
from hub import free_port  # noqa: E402

BOARD = os.environ.get("LAYBY_BOARD", "qemu-x86_64")
IMAGES = Path(os.environ.get("LAYBY_IMAGE_FOLDER", ROOT / "build/image"))
MIB = 1 << 20
CONFIG_AT = 33 * MIB  # where the settings partition begins, see firmware/disk.sh
BOOT_AT = 1 * MIB
SLOT_AT = {"A": 97 * MIB, "B": 161 * MIB}
# Addresses from RFC 2544's range, which nobody routes; each process has its own addresses.
HOST, CDN = (f"198.{net}.{os.getpid() // 250 % 250}.{os.getpid() % 250 + 1}" for net in (18, 19))
BOOT_SECONDS = 150
EMULATION = ["-accel", "tcg,thread=multi"]
# Each board has the QEMU command of its machine, the file of its UEFI, and the file of the UEFI's
# variables.
MACHINES = {
    "qemu-x86_64": (["qemu-system-x86_64", "-M", "q35", "-cpu", "max", *EMULATION],
                    "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    "qemu-aarch64": (["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", *EMULATION],
                     "/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
}
# QEMU has no Raspberry Pi 4, but the Pi's kernel and root run on any machine, from USB.
MACHINES["raspberrypi4"] = MACHINES["qemu-aarch64"]


class HostAddresses:
    """The addresses by which the guest reaches the host."""

    def __enter__(self) -> None:
        for address in (HOST, CDN):
            subprocess.run(["ip", "address", "replace", f"{address}/32", "dev", "lo"], check=True)

    def __exit__(self, *_: object) -> None:
        for address in (HOST, CDN):
            subprocess.run(["ip", "address", "del", f"{address}/32", "dev", "lo"], check=False)


class Cable:
    """A tap interface of the host, to which the box's network card is connected."""

    # This network is small, so its route wins over a larger network with the same addresses.
    NAME, HOST, BOX, BITS = "layby-tap0", "198.51.100.9", "198.51.100.10", 29

    def __enter__(self) -> Cable:
        for command in (f"ip tuntap add dev {self.NAME} mode tap",
                        f"ip address add {self.HOST}/{self.BITS} dev {self.NAME}", f"ip link set {self.NAME} up"):
            subprocess.run(command.split(), check=True)
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["ip", "link", "del", self.NAME], check=False)

    def ask_for(self, name: str) -> str:
        """The address that mDNS (RFC 6762) gives for a name; empty if no answer comes in 1 s."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.settimeout(1)
            asker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            asker.bind(("", 5353))
            asker.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                             socket.inet_aton("224.0.0.251") + socket.inet_aton(self.HOST))
            asker.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(self.HOST))
            question = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
            asker.sendto(b"\0\7\0\0\0\1\0\0\0\0\0\0" + question + b"\0\0\1\0\1", ("224.0.0.251", 5353))
            try:
                while True:
                    answer, sender = asker.recvfrom(1500)
                    if socket.inet_aton(sender[0]) in answer and question in answer:
                        return sender[0]
            except TimeoutError:
                return ""


def new_hub(**options: Any) -> Hub:
    return Hub(host=HOST, cdn_host=CDN, **options)


def firmware(name: str = f"layby-{BOARD}.firmware") -> Path:
    return IMAGES / name


class Box:
    """The disk of a box, and its machine while the box is on."""

    def __init__(self, settings: dict[str, Any] | None = None, disk_mib: int = 1024,
                 image: Path | None = None, board: str = BOARD) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="layby-box-", dir="/var/tmp"))
        self.disk = self.home / "disk.img"
        with self.disk.open("wb") as disk:
            subprocess.run(["zstd", "-dcq", "--sparse", str(image or IMAGES / f"layby-{BOARD}.img.zst")],
                           stdout=disk, check=True)
        os.truncate(self.disk, disk_mib * MIB)
        self.emulator, self.uefi, variables = MACHINES[board]
        self.efi = self.home / "efi-vars.fd"
        shutil.copy(variables, self.efi)
        self.port, self.tls_port, self.ssh_port = free_port(), free_port(), free_port()
        self.server = Program("nbdkit")
        self.machine = Program("qemu")
        self.serial = self.home / "serial"
        self.known_hosts = self.home / "known_hosts"
        self.worn_out = self.home / "worn-out"
        self.boots = 0
        self.sticks = 0
        if settings is not None:
            self.write_settings("layby.json", json.dumps(settings))

    # -- the disk, while the box is off

    def write_settings(self, name: str, text: str) -> None:
        """Writes a file of the settings partition, as a laptop would."""
        self.mtools("mcopy", "-o", "-i", f"{self.disk}@@{CONFIG_AT}", "-", f"::{name}", text=text)

    def remove_settings(self, name: str) -> None:
        self.mtools("mdel", "-i", f"{self.disk}@@{CONFIG_AT}", f"::{name}")

    def let_in(self) -> None:
        """Makes a key for login() and adds it to the settings."""
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.home / "key")], check=True)
        self.write_settings("authorized_keys", (self.home / "key.pub").read_text())

    def boot_state(self) -> dict[str, str]:
        text = self.mtools("mtype", "-i", f"{self.disk}@@{BOOT_AT}", "::grub/grubenv")
        return dict(re.findall(r"^([A-Z_]+)=(.*)$", text, re.M))

    def set_boot_state(self, **state: Any) -> None:
        text = "# GRUB Environment Block\n" + "".join(f"{name}={value}\n" for name, value in state.items())
        self.mtools("mcopy", "-o", "-i", f"{self.disk}@@{BOOT_AT}", "-", "::grub/grubenv",
                    text=text.ljust(1024, "#"))

    @staticmethod
    def mtools(*command: str, text: str | None = None) -> str:
        return subprocess.run(command, input=text, capture_output=True, text=True, check=True,
                              env={**os.environ, "MTOOLS_SKIP_CHECK": "1"}).stdout

    def damage(self, slot: str, offset: int, count: int = 4096) -> None:
        with self.disk.open("r+b") as disk:
            disk.seek(SLOT_AT[slot] + offset)
            disk.write(os.urandom(count))

    def wear_out(self) -> None:
        """Makes the disk refuse all writes, at once or from the next start of the box on."""
        self.worn_out.touch()

    # -- power

    def switch_on(self, *more: str, memory_mib: int = 512, network: str = "user",
                  disk: str = "virtio-blk-pci", card: str = "virtio-net-pci", read_only: bool = False) -> None:
        """Starts the machine. `disk` and `card` are QEMU's devices. `network` is "user"; "none";
        "elsewhere", with other addresses; "silent", without answers; or the name of a tap."""
        self.boots += 1
        self.serial = self.home / f"serial.{self.boots}"
        pipe = self.home / "nbd"
        pipe.unlink(missing_ok=True)
        self.server = Program("nbdkit")
        worn = [f"error-{call}-{fact}" for call in ("pwrite", "zero", "trim")
                for fact in ("rate=100%", f"file={self.worn_out}")]
        self.server.start(["nbdkit", "-f", "-U", str(pipe), "--filter=error", "--filter=cache", "file",
                           str(self.disk), "cache=writeback", *worn])
        wait_until(pipe.exists, "the disk")
        on_pci = "" if "usb" in card else ",romfile="
        cards = {"none": []}.get(network, ["-device", f"{card},netdev=net{on_pci}"])
        forward = "".join(f",hostfwd=tcp:127.0.0.1:{port}-:{to}" for port, to in
                          ((self.port, 5000), (self.tls_port, 5443), (self.ssh_port, 22)))
        tap = f"tap,id=net,ifname={network},script=no,downscript=no"
        cables = {"user": "user,id=net" + forward, "elsewhere": "user,id=net,net=10.0.3.0/24" + forward,
                  "silent": "hubport,id=net,hubid=0"}
        self.switched_on_at = time.monotonic()
        self.machine = Program("qemu")
        self.machine.start([
            *self.emulator, "-smp", "2", "-m", str(memory_mib),
            "-device", "qemu-xhci,id=usb", "-nodefaults", "-display", "none", "-serial", f"file:{self.serial}",
            "-drive", f"if=pflash,format=raw,readonly=on,file={self.uefi}",
            "-drive", f"if=pflash,format=raw,file={self.efi}",
            "-drive", f"file=nbd+unix:///?socket={pipe},format=raw,if=none,id=d0,cache=writeback,"
                      f"werror=report,readonly={'on' if read_only else 'off'}",
            "-device", f"{disk},drive=d0,bootindex=0",
            *([] if network == "none" else ["-netdev", cables.get(network, tap)]), *cards,
            "-qmp", f"unix:{self.home}/qmp,server=on,wait=off",
            "-device", "i6300esb", "-action", "watchdog=reset", "-rtc", "base=utc", *more])

    def monitor(self, *commands: dict[str, Any]) -> None:
        """Sends commands of QEMU's machine protocol; raises when QEMU reports an error."""
        with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rw") as stream:
            connection.settimeout(10)
            connection.connect(str(self.home / "qmp"))
            stream.readline()
            for command in ({"execute": "qmp_capabilities"}, *commands):
                stream.write(json.dumps(command) + "\n")
                stream.flush()
                while "event" in (answer := json.loads(stream.readline())):
                    pass
                if "error" in answer:
                    raise RuntimeError(f"{command}: {answer}")

    def cable(self, plugged_in: bool) -> None:
        """Plugs the network cable in or out."""
        self.monitor({"execute": "set_link", "arguments": {"name": "net", "up": plugged_in}})

    def plug_in(self, stick: Path) -> None:
        """Plugs in a USB stick, which stays until the machine ends."""
        self.sticks += 1
        self.monitor({"execute": "blockdev-add", "arguments": {
            "driver": "raw", "node-name": f"s{self.sticks}", "read-only": True,
            "file": {"driver": "file", "filename": str(stick)}}},
            {"execute": "device_add", "arguments": {
                "driver": "usb-storage", "bus": "usb.0", "drive": f"s{self.sticks}",
                "id": f"stick{self.sticks}", "removable": True}})

    def cut_power(self) -> None:
        """Kills the machine and the cache of its disk at once."""
        for part in (self.server, self.machine):
            if part.process:
                part.process.kill()
        for part in (self.server, self.machine):
            if part.process:
                part.process.wait()

    def close(self) -> None:
        self.cut_power()
        for part in (self.server, self.machine):
            part.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self) -> Box:
        return self

    def __exit__(self, *_: object) -> None:
        if sys.exc_info()[0] is not None:
            print(f"--- the box's last lines\n{self.console()[-4000:]}", file=sys.stderr)
        self.close()

    # -- the box's answers and output

    def console(self) -> str:
        try:
            return self.serial.read_bytes().decode(errors="replace").replace("\r", "")
        except FileNotFoundError:
            return ""

    def wait_for_line(self, text: str, seconds: float = BOOT_SECONDS) -> None:
        wait_until(lambda: text in self.console(), f"{text!r} on the console", seconds)

    def login(self, command: str, key: Path | None = None, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Runs a command as the owner, by SSH; the box's host key must stay the same."""
        return subprocess.run(
            ["ssh", "-p", str(self.ssh_port), "-i", str(key or self.home / "key"), "-o", "IdentitiesOnly=yes",
             "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={self.known_hosts}",
             "-o", "StrictHostKeyChecking=accept-new", "root@127.0.0.1", command],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=seconds)

    def run(self, command: str, seconds: float = 60) -> str:
        """The output of a command that the owner runs on the box; it must succeed."""
        done = self.login(command, seconds=seconds)
        assert done.returncode == 0, f"{command}: {done.returncode}: {done.stderr}"
        return done.stdout

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self.port}"

    def get(self, path: str, timeout: float = 30) -> Any:
        return fetch(self.authority, path, timeout=timeout)

    def answers(self) -> bool:
        try:
            return self.get("/healthz", timeout=5).status == 200
        except OSError:
            return False

    def wait_until_it_serves(self, seconds: float = BOOT_SECONDS) -> float:
        """Returns the seconds from power to the first 200."""
        wait_until(lambda: self.answers() or self._must_live(), "the box serves", seconds)
        return time.monotonic() - self.switched_on_at

    def wait_until_it_is_kept(self, slot: str, seconds: float = 90) -> None:
        """Waits until the box keeps the slot after its trial, and the settings, too."""
        wait_until(lambda: self.boot_state()[f"{slot}_OK"] == "1", f"slot {slot} kept", seconds)

    def _must_live(self) -> bool:
        assert self.machine.alive(), f"QEMU ended: {self.machine.log()}"
        return False


def make_stick(path: Path, update: Path) -> Path:
    """A stick with a FAT file system and no partitions."""
    path.unlink(missing_ok=True)
    subprocess.run(["mkfs.vfat", "-C", str(path), "65536"], check=True, capture_output=True)
    subprocess.run(["mcopy", "-i", str(path), str(update), "::layby-update.firmware"], check=True)
    return path


def build(folder: Path, newer_by: int = 0, add: Path | None = None, key: Path | None = None,
          board: str = BOARD) -> Path:
    """Builds an image that is `newer_by` seconds newer than IMAGES; returns its firmware file."""
    with firmware().open("rb") as file:
        built = re.search(rb"^built=(\d+)$", file.read(1024), re.M)
    assert built
    command = [str(ROOT / "scripts/image"), "--board", board, "--output", str(folder),
               "--key", str(key or ROOT / "build/image/update.key"), *(["--add", str(add)] if add else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          env={**os.environ, "SOURCE_DATE_EPOCH": str(int(built[1]) + newer_by)})
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-3000:])
    return folder / f"layby-{board}.firmware"
