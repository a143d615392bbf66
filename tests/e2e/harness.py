# SPDX-License-Identifier: Apache-2.0
"""The common parts of the end-to-end tests.

Owns the programs that a test runs (Layby, dockerd, containerd, podman, skopeo), each on
loopback, in its own temporary folder, and ended by this process. Also owns a small HTTP client
that makes the requests of a pull and checks every byte. Every wait has a deadline. No client can
reach beyond loopback: a client's fallback for a failed mirror is a port where nobody listens.

Environment: LAYBY_BIN (default build/release/layby), LAYBY_IMAGES (default
build/test-images).
"""
from __future__ import annotations

import hashlib
import http.client
import io
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import unittest
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/origin"))

from hub import (DOCKER_LIST, DOCKER_MANIFEST, MANIFEST_TYPES, OCI_INDEX,  # noqa: E402
                 OCI_MANIFEST, Hub, accepts_connections, digest_of, end_with_parent, wait_until)


NOBODY = "127.0.0.1:9"  # the discard port, where connections are refused at once


def layby_binary() -> Path:
    return Path(os.environ.get("LAYBY_BIN") or ROOT / "build/release/layby")


def images_folder() -> Path:
    """The storage folder with the real images, built when missing or old."""
    target = Path(os.environ.get("LAYBY_IMAGES") or ROOT / "build/test-images").absolute()
    done = subprocess.run([str(ROOT / "tests/origin/images"), str(target)], stdout=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError("tests/origin/images failed")
    return target


def native_architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]


# -- programs


class Program:
    """A child process in its own folder, with its output in one file."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.home = Path(tempfile.mkdtemp(prefix=f"layby-{name}-"))
        self.log_path = self.home / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, command: list[str], environment: dict[str, str] | None = None,
              pass_fds: tuple[int, ...] = ()) -> None:
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **(environment or {})}, start_new_session=True,
                preexec_fn=end_with_parent, pass_fds=pass_fds)

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def alive(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            code = self.process.returncode if self.process else None
            raise RuntimeError(f"{self.name} ended with {code}:\n{self.log()[-3000:]}")
        return True

    def stop(self, seconds: float = 20) -> int | None:
        """Sends SIGTERM, then SIGKILL after the deadline; returns the exit code."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def close(self) -> None:
        self.stop()
        remove_tree(self.home)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def remove_tree(path: Path) -> None:
    """Removes the folder `path`, and unmounts the mounts that a container engine left there."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(f"{path}/")), reverse=True):
        subprocess.run(["umount", "-l", mount], stderr=subprocess.DEVNULL)
    shutil.rmtree(path, ignore_errors=True)


def merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for key, value in change.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = merged(out[key], value) if both else value
    return out


class Layby(Program):
    """`layby serve` in front of one hub. Layby can be stopped and run again on the same data."""

    def __init__(self, hub: Hub, config: dict[str, Any] | None = None,
                 upstream: dict[str, Any] | None = None, under: list[str] | None = None,
                 host: str = "127.0.0.1") -> None:
        """`under` is the command of a program that runs Layby, such as valgrind."""
        super().__init__("layby")
        self.host = host
        self.under = under or []
        self.arguments: list[str] = []
        self.port = 0
        self.socket_path = self.home / "layby.sock"
        self.config_path = self.home / "layby.json"
        self.list_path = self.home / "prefetch.json"
        self.config = merged({
            "listen": f"{host}:0",
            "data_dir": str(self.home / "data"),
            "socket": str(self.socket_path),
            "prefetch": str(self.list_path),
            "tags": {"fresh_for": "60s", "revalidate_timeout": "2s"},
            "shutdown_grace": "2s",
            "upstreams": [{"name": "docker.io", "url": hub.url, "allow": ["library/*"],
                           "requests_per_minute": 0, **(upstream or {})}],
        }, config or {})
        self.run()

    def launch(self) -> None:
        """Starts Layby without waiting until it serves."""
        self.config_path.write_text(json.dumps(self.config, indent=2))
        self.start([*self.under, str(layby_binary()), "serve", "--config", str(self.config_path),
                    *self.arguments])

    def run(self) -> None:
        """Starts Layby on the port of the first start, and waits until Layby serves."""
        read_from = len(self.log())
        try:
            self.launch()
            said = wait_until(lambda: self.alive() and re.search(
                rf"listening on {re.escape(self.host)}:(\d+)", self.log()[read_from:]), "'listening on' line")
            self.port = int(said[1])
            self.config["listen"] = f"{self.host}:{self.port}"
            wait_until(lambda: self.alive() and self.get("/healthz").status == 200, "healthy layby")
        except Exception:
            self.close()
            raise

    def restart(self) -> None:
        code = self.stop()
        assert code == 0, f"layby ended with {code} on SIGTERM:\n{self.log()[-2000:]}"
        self.run()

    def kill(self) -> None:
        """Ends Layby without warning, by SIGKILL."""
        assert self.process
        self.process.kill()
        self.process.wait()

    @property
    def authority(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.authority}"

    def get(self, path: str, headers: Headers | None = None, method: str = "GET",
            timeout: float = 30, body: bytes | None = None) -> Response:
        return fetch(self.authority, path, headers, method, timeout, body)

    def stats(self) -> dict[str, Any]:
        return json.loads(self.get("/stats").body)

    def control(self, path: str, method: str = "GET", timeout: float = 30) -> Response:
        """Sends a request to the control socket, which answers more requests than the listener."""
        connection = UnixConnection(str(self.socket_path), timeout)
        try:
            return exchange(connection, path, None, method)
        finally:
            connection.close()

    def save_list(self, images: list[dict[str, Any]], **top: Any) -> None:
        """Replaces the prefetch list in one step, as an editor saves it."""
        self.save_list_text(json.dumps({"images": images, **top}, indent=2))

    def save_list_text(self, text: str) -> None:
        beside = self.list_path.with_suffix(".new")
        beside.write_text(text)
        beside.replace(self.list_path)

    def prefetching(self) -> dict[str, Any]:
        return self.control("/prefetch").json()

    def end_of_run(self, run: int = 1, seconds: float = 30) -> dict[str, Any]:
        """Waits for the end of prefetch run number `run`; returns its status."""
        return wait_until(lambda: self.alive() and (said := self.prefetching())["run"] >= run
                          and said["result"] and said, f"end of prefetch run {run}", seconds)

    def settle(self, tags: int = 1) -> None:
        """Waits until all pulled content is on the disk, a moment after the last pull."""
        wait_until(lambda: (stats := self.stats())["fills"] == [] and stats["store"]["tags"] >= tags,
                   "everything pulled to be stored")

    def command(self, *arguments: str, seconds: float = 30) -> subprocess.CompletedProcess[str]:
        return layby_command(*arguments, seconds=seconds)

    def ask(self, *arguments: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Runs a command that talks to this daemon."""
        return self.command(*arguments, "--config", str(self.config_path), seconds=seconds)


def wait_for_link(authority: str) -> None:
    """Waits until the Layby at `authority` has found by a ping that its upstreams answer again."""
    wait_until(lambda: all(upstream["link"] == "up" for upstream in
                           fetch(authority, "/stats").json()["upstreams"]), "the link to be up")


def layby_command(*arguments: str, seconds: float = 30) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(layby_binary()), *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=seconds)


# -- HTTP


Headers = dict[str, "str | list[str]"]


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes
    short: bool  # the connection ended before Content-Length bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def error_code(self) -> str:
        return self.json()["errors"][0]["code"]


def fetch(authority: str, path: str, headers: Headers | None = None, method: str = "GET",
          timeout: float = 30, body: bytes | None = None) -> Response:
    connection = http.client.HTTPConnection(authority, timeout=timeout)
    try:
        return exchange(connection, path, headers, method, body)
    finally:
        connection.close()


def exchange(connection: http.client.HTTPConnection, path: str, headers: Headers | None = None,
             method: str = "GET", body: bytes | None = None) -> Response:
    """Sends one request on an open connection; a header with a list of values has several lines."""
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in (headers or {}).items():
        for line in value if isinstance(value, list) else [value]:
            connection.putheader(name, line)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    short = False
    try:
        data = answer.read()
    except http.client.IncompleteRead as error:
        data, short = error.partial, True
    except ConnectionResetError:
        data, short = b"", True
    return Response(answer.status, {k.lower(): v for k, v in answer.getheaders()}, data, short)


class UnixConnection(http.client.HTTPConnection):
    """HTTP on a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def raw(authority: str, request: bytes, timeout: float = 10) -> bytes:
    """Returns the bytes until the server closes; raises TimeoutError if it doesn't close."""
    host, _, port = authority.partition(":")
    with socket.create_connection((host, int(port)), timeout=timeout) as connection:
        connection.sendall(request)
        answer = b""
        try:
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionResetError:
            pass
        return answer


# -- images


ACCEPT: Headers = {"Accept": list(MANIFEST_TYPES)}


@dataclass
class Parts:
    """The content that a pull of one platform fetches."""
    manifests: list[str]
    blobs: dict[str, int]
    root: str  # the digest that the tag points to

    @property
    def blob_bytes(self) -> int:
        return sum(self.blobs.values())


def parts_of(hub: Hub, repo: str, ref: str, architecture: str | None = None) -> Parts:
    architecture = architecture or native_architecture()
    root = hub.digest(repo, ref)
    manifests, current = [root], root
    while True:
        found = hub.manifest(repo, current)
        assert found
        body = json.loads(found[1])
        if "manifests" not in body:
            blobs = {d["digest"]: d["size"] for d in [body["config"], *body["layers"]]}
            return Parts(manifests, blobs, root)
        current = next(d["digest"] for d in body["manifests"]
                       if d.get("platform", {}).get("architecture", architecture) == architecture)
        manifests.append(current)


def make_image(hub: Hub, repo: str, tag: str, layer_bytes: list[int], *, seed: int = 0,
               algorithm: str = "sha256") -> Parts:
    """Adds an image of random bytes to the hub. The image can be pulled, but no program runs it."""
    noise = random.Random(f"{repo}:{tag}:{seed}")
    layers = [noise.randbytes(size) for size in layer_bytes]
    return add_image(hub, repo, tag, layers, comment=f"{repo}:{tag}:{seed}", algorithm=algorithm)


def add_image(hub: Hub, repo: str, tag: str, layers: list[bytes], *, comment: str = "",
              platform: str = "", layer_type: str = "application/vnd.oci.image.layer.v1.tar",
              algorithm: str = "sha256", foreign: bytes = b"") -> Parts:
    """Adds an image of these layers to the hub; different images need different comments.

    The base layer `foreign` isn't at the hub, and isn't among the parts."""
    config = json.dumps({**platform_of(platform or f"linux/{native_architecture()}"),
                         "rootfs": {"type": "layers", "diff_ids": [digest_of(b) for b in layers]},
                         "comment": comment}).encode()
    described = [(hub.add_blob(data, algorithm), len(data)) for data in [config, *layers]]
    types = ["application/vnd.oci.image.config.v1+json"] + \
            [layer_type] * len(layers)
    descriptors = [{"mediaType": kind, "digest": digest, "size": size}
                   for kind, (digest, size) in zip(types, described)]
    elsewhere = [{"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                  "digest": digest_of(foreign), "size": len(foreign),
                  "urls": [f"http://{NOBODY}/layer"]}] if foreign else []
    manifest = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptors[0],
                           "layers": elsewhere + descriptors[1:]}).encode()
    digest = hub.add_manifest(repo, manifest, OCI_MANIFEST, tag, algorithm)
    return Parts([digest], dict(described), digest)


def tar_of(text: str) -> bytes:
    """A layer that a client can unpack, with one file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo("file")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


def platform_of(text: str) -> dict[str, str]:
    """Converts "linux/arm/v7" to the form of an index and a config."""
    system, architecture, *variant = text.split("/")
    return {"architecture": architecture, "os": system,
            **({"variant": variant[0]} if variant else {})}


@dataclass
class Index:
    """A multi-platform image at the hub. A platform is a text such as "linux/arm64"."""
    root: str                     # digest of the index, which the tag points to
    manifests: dict[str, str]     # by platform
    layers: dict[str, list[str]]  # by platform, the base first
    attestations: dict[str, str]  # manifests by the platform that they attest
    blobs: dict[str, dict[str, int]]  # sizes of configs and layers by platform

    def parts(self, platform: str | None = None) -> Parts:
        """The content that a pull of one platform fetches."""
        platform = platform or f"linux/{native_architecture()}"
        return Parts([self.root, self.manifests[platform]], self.blobs[platform], self.root)


def make_index(hub: Hub, repo: str, tag: str, platforms: list[str], layer_bytes: list[int],
               seed: int = 0, attestations: bool = False, base: str | int | None = None) -> Index:
    """Adds an image index of random bytes, as buildx pushes it: platforms, then attestations.

    With a `base`, the first layer of each platform depends on the base only, not on
    repository, tag and seed. Images with the same base and first size share the first layer.
    """
    images = {}
    for platform in platforms:
        noise = random.Random(f"{repo}:{tag}:{seed}:{platform}")
        layers = [noise.randbytes(size) for size in layer_bytes]
        if base is not None:
            layers[0] = random.Random(f"base {base}:{platform}").randbytes(layer_bytes[0])
        images[platform] = add_image(hub, repo, "", layers, comment=f"{repo}:{tag}:{seed}",
                                     platform=platform)
    children = [describe_manifest(hub, repo, parts.root, platform=platform_of(platform))
                for platform, parts in images.items()]
    attested = {platform: add_attestation(hub, repo, parts.root)
                for platform, parts in images.items() if attestations}
    children += [describe_manifest(hub, repo, attestation, platform=platform_of("unknown/unknown"),
                                   annotations={"vnd.docker.reference.digest": images[platform].root,
                                                "vnd.docker.reference.type": "attestation-manifest"})
                 for platform, attestation in attested.items()]
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}).encode()
    return Index(hub.add_manifest(repo, index, OCI_INDEX, tag),
                 {platform: parts.root for platform, parts in images.items()},
                 {platform: list(parts.blobs)[1:] for platform, parts in images.items()},
                 attested, {platform: parts.blobs for platform, parts in images.items()})


def add_index(hub: Hub, repo: str, tag: str, images: dict[str, str]) -> str:
    """Adds an index of these manifests by platform; returns its digest."""
    children = [describe_manifest(hub, repo, digest, platform=platform_of(platform))
                for platform, digest in images.items()]
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}).encode()
    return hub.add_manifest(repo, index, OCI_INDEX, tag)


def add_attestation(hub: Hub, repo: str, about: str) -> str:
    """A manifest whose only layer is an in-toto statement about the manifest `about`."""
    statement = json.dumps({"_type": "https://in-toto.io/Statement/v0.1",
                            "predicateType": "https://slsa.dev/provenance/v0.2",
                            "subject": [{"digest": {"sha256": about.partition(":")[2]}}]}).encode()
    return add_image(hub, repo, "", [statement], platform="unknown/unknown",
                     layer_type="application/vnd.in-toto+json").root


def describe_manifest(hub: Hub, repo: str, digest: str, **more: Any) -> dict[str, Any]:
    """The descriptor of a manifest at the hub."""
    found = hub.manifest(repo, digest)
    assert found
    return {"mediaType": found[0], "digest": digest, "size": len(found[1]), **more}


class PullFailed(Exception):
    pass


def pull(authority: str, repo: str, tag: str, *, timeout: float = 60, query: str = "",
         extra: Headers | None = None) -> Parts:
    """HEADs the tag, GETs each manifest by digest and each blob, and checks every answer.

    Each request has the `extra` headers too."""
    connection = http.client.HTTPConnection(authority, timeout=timeout)

    def ask(path: str, method: str = "GET", headers: Headers | None = None) -> Response:
        answer = exchange(connection, f"{path}{query}", {**(headers or {}), **(extra or {})}, method)
        if answer.status != 200 or answer.short:
            raise PullFailed(f"{method} {path}: {answer.status}"
                             f"{' cut short' if answer.short else ''} {answer.body[:300]!r}")
        return answer

    def content(path: str, digest: str, headers: Headers | None = None) -> bytes:
        data = ask(path, headers=headers).body
        if digest_of(data, digest.partition(":")[0]) != digest:
            raise PullFailed(f"GET {path}: {len(data)} bytes that do not match the digest")
        return data

    try:
        head = ask(f"/v2/{repo}/manifests/{tag}", "HEAD", ACCEPT)
        root = current = head.headers["docker-content-digest"]
        manifests = []
        while True:
            manifests.append(current)
            body = json.loads(content(f"/v2/{repo}/manifests/{current}", current, ACCEPT))
            if "manifests" not in body:
                break
            wanted = native_architecture()
            current = next(d["digest"] for d in body["manifests"]
                           if d.get("platform", {}).get("architecture", wanted) == wanted)
        blobs = {}
        for descriptor in [body["config"], *body["layers"]]:
            data = content(f"/v2/{repo}/blobs/{descriptor['digest']}", descriptor["digest"])
            blobs[descriptor["digest"]] = len(data)
        return Parts(manifests, blobs, root)
    except (OSError, http.client.HTTPException, KeyError) as error:
        raise PullFailed(f"{repo}:{tag}: {error!r}") from error
    finally:
        connection.close()


class Pulls:
    """Runs calls at once, each in a thread; join() returns results or raises the first error."""

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self.results: list[Any] = []
        self.errors: list[BaseException] = []

    def start(self, work: Any, *arguments: Any, **named: Any) -> None:
        def body() -> None:
            try:
                self.results.append(work(*arguments, **named))
            except BaseException as error:  # kept for join()
                self.errors.append(error)
        thread = threading.Thread(target=body, daemon=True)
        self._threads.append(thread)
        thread.start()

    def join(self, seconds: float = 60, *, check: bool = True) -> list[Any]:
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                raise TimeoutError(f"still running after {seconds:g} s")
        if check and self.errors:
            raise self.errors[0]
        return self.results


# -- container engines, all pulling docker.io through one mirror


def quiet_environment(home: Path) -> dict[str, str]:
    """An environment without credentials. Beyond loopback and the benchmark's link, a dead proxy waits."""
    dead = f"http://{NOBODY}"
    local = "127.0.0.0/8,10.98.0.0/24,localhost,.test"
    return {"HOME": str(home), "XDG_RUNTIME_DIR": str(home), "TMPDIR": str(home),
            "DOCKER_CONFIG": str(home),
            "HTTP_PROXY": dead, "HTTPS_PROXY": dead, "http_proxy": dead, "https_proxy": dead,
            "NO_PROXY": local, "no_proxy": local}


class Client(Program):
    """pull() returns the digest that the client recorded for the tag; forget() undoes a pull."""

    def __init__(self, name: str, mirror: str) -> None:
        super().__init__(name)
        self.mirror = mirror
        (self.home / "config.json").write_text("{}")  # DOCKER_CONFIG: no credentials

    def run_command(self, *command: str, seconds: float = 120) -> str:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=seconds, env={**os.environ, **quiet_environment(self.home)})
        if done.returncode:
            raise PullFailed(f"{' '.join(command)}\n{(done.stdout + done.stderr)[-3000:]}\n"
                             f"{self.log()[-2000:]}")
        return done.stdout

    def pull(self, image: str) -> str:
        raise NotImplementedError

    def forget(self, image: str) -> None:
        raise NotImplementedError


class Dockerd(Client):
    def __init__(self, mirror: str) -> None:
        super().__init__("dockerd", mirror)
        self.socket = f"unix://{self.home}/docker.sock"
        (self.home / "daemon.json").write_text("{}")
        self.start(["dockerd", "--config-file", str(self.home / "daemon.json"), "--host", self.socket,
                    "--data-root", str(self.home / "data"), "--exec-root", str(self.home / "exec"),
                    "--pidfile", str(self.home / "pid"), "--registry-mirror", mirror,
                    "--iptables=false", "--ip6tables=false", "--ip-masq=false", "--bridge=none",
                    "--storage-driver=overlay2"],
                   quiet_environment(self.home))
        try:
            wait_until(lambda: self.alive() and self._answers(), "dockerd", 60)
        except Exception:
            self.close()
            raise

    def _answers(self) -> bool:
        return (self.home / "docker.sock").exists() and subprocess.run(
            ["docker", "--host", self.socket, "version"], capture_output=True).returncode == 0

    def docker(self, *arguments: str) -> str:
        return self.run_command("docker", "--host", self.socket, *arguments)

    def pull(self, image: str) -> str:
        self.docker("pull", "--quiet", image)
        names = json.loads(self.docker("image", "inspect", image))[0]["RepoDigests"]
        return names[0].partition("@")[2]

    def forget(self, image: str) -> None:
        self.docker("image", "rm", image)


class Skopeo(Client):
    def __init__(self, mirror: str) -> None:
        super().__init__("skopeo", mirror)
        write_registries_conf(self.home / "registries.conf", mirror)

    def pull(self, image: str) -> str:
        self.run_command("skopeo", "--insecure-policy", "--registries-conf",
                         f"{self.home}/registries.conf", "copy", "--preserve-digests",
                         f"docker://docker.io/library/{image}", f"dir:{self.home}/image")
        # The copied image has the manifest of one platform.
        return digest_of((self.home / "image/manifest.json").read_bytes())

    def forget(self, image: str) -> None:
        remove_tree(self.home / "image")


class Podman(Client):
    def __init__(self, mirror: str) -> None:
        super().__init__("podman", mirror)
        write_registries_conf(self.home / "registries.conf", mirror)
        (self.home / "policy.json").write_text('{"default":[{"type":"insecureAcceptAnything"}]}')

    def podman(self, *arguments: str) -> str:
        return self.run_command(
            "env", f"CONTAINERS_REGISTRIES_CONF={self.home}/registries.conf",
            "podman", "--root", f"{self.home}/root", "--runroot", f"{self.home}/run",
            "--storage-driver", "overlay", "--cgroup-manager", "cgroupfs",
            "--events-backend", "none", *arguments)

    def pull(self, image: str) -> str:
        name = f"docker.io/library/{image}"
        self.podman("pull", "--quiet", "--signature-policy", f"{self.home}/policy.json", name)
        return json.loads(self.podman("image", "inspect", name))[0]["Digest"]

    def forget(self, image: str) -> None:
        self.podman("image", "rm", "--force", f"docker.io/library/{image}")


def write_registries_conf(path: Path, mirror: str) -> None:
    path.write_text(f"""
[[registry]]
prefix = "docker.io"
location = "{NOBODY}"
insecure = true
[[registry.mirror]]
location = "{mirror.partition('//')[2]}"
insecure = {str(not mirror.startswith('https:')).lower()}
""")


class Containerd(Client):
    """containerd with ctr, which sends ?ns=docker.io to the host of hosts.toml."""

    def __init__(self, mirror: str) -> None:
        super().__init__("containerd", mirror)
        self.socket = self.home / "containerd.sock"
        self.write_hosts()
        (self.home / "config.toml").write_text(f"""
version = 2
root = "{self.home}/root"
state = "{self.home}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
  address = "{self.socket}"
""")
        self.start(["containerd", "--config", str(self.home / "config.toml")],
                   quiet_environment(self.home))
        try:
            wait_until(lambda: self.alive() and self.socket.exists() and subprocess.run(
                ["ctr", "--address", str(self.socket), "version"],
                capture_output=True).returncode == 0, "containerd", 60)
        except Exception:
            self.close()
            raise

    def write_hosts(self, ca: Path | None = None) -> None:
        """Configures the mirror; ctr reads this for each pull. `ca` is for an HTTPS mirror."""
        hosts = self.home / "hosts/docker.io"
        hosts.mkdir(parents=True, exist_ok=True)
        (hosts / "hosts.toml").write_text(
            f'server = "http://{NOBODY}"\n[host."{self.mirror}"]\n'
            '  capabilities = ["pull", "resolve"]\n' + (f'  ca = "{ca}"\n' if ca else ""))

    def ctr(self, *arguments: str) -> str:
        return self.run_command("ctr", "--address", str(self.socket), *arguments)

    def pull(self, image: str) -> str:
        name = f"docker.io/library/{image}"
        self.ctr("images", "pull", "--hosts-dir", str(self.home / "hosts"), name)
        for line in self.ctr("images", "list").splitlines():
            if line.startswith(f"{name} "):
                return line.split()[2]
        raise PullFailed(f"{name} is not in the list after its pull")

    def forget(self, image: str) -> None:
        self.ctr("images", "remove", "--sync", f"docker.io/library/{image}")
        for digest in self.ctr("content", "list", "--quiet").split():
            self.ctr("content", "remove", digest)


CLIENTS: dict[str, type[Client]] = {
    "dockerd": Dockerd, "skopeo": Skopeo, "podman": Podman, "containerd": Containerd}


# -- tests


class EndToEnd(unittest.TestCase):
    """A new hub and a new Layby for each test. Subclasses set the attributes.

    Made blobs come over one connection each, and none of them ahead, so that a test knows each
    request.
    """

    real_images = False
    hub_options: dict[str, Any] = {}
    config: dict[str, Any] = {}
    upstream: dict[str, Any] = {}

    @classmethod
    def setUpClass(cls) -> None:
        if not layby_binary().exists():
            raise RuntimeError(f"{layby_binary()} is missing: build it, or set LAYBY_BIN")
        cls.images = images_folder() if cls.real_images else None

    def setUp(self) -> None:
        self.hub = Hub(self.images, **self.hub_options)
        self.addCleanup(self.hub.close)
        ahead = {"cache": {"pull_ahead": self.real_images}}
        parts = {} if self.real_images else {"connections_per_blob": 1}
        self.layby = Layby(self.hub, merged(ahead, self.config), merged(parts, self.upstream))
        self.addCleanup(self.layby.close)
        self.addCleanup(self._show_log_of_a_failure)

    def _show_log_of_a_failure(self) -> None:
        outcome = getattr(self, "_outcome", None)
        result = getattr(outcome, "result", None)
        bad = [*getattr(result, "failures", []), *getattr(result, "errors", [])]
        if any(case is self for case, _ in bad):
            print(f"\n--- {self.id()}: layby's last lines\n{self.layby.log()[-1500:]}", file=sys.stderr)

    def assert_logged(self, text: str) -> None:
        """Waits until `text` is in Layby's log. A thread writes each line a moment after the event."""
        wait_until(lambda: text in self.layby.log(), f"'{text}' in the log")

    def pull(self, image: str, **options: Any) -> Parts:
        repo, _, tag = image.partition(":")
        return pull(self.layby.authority, f"library/{repo}", tag, **options)

    def bring_hub_up(self) -> None:
        self.hub.up()
        wait_for_link(self.layby.authority)

    def upstream_gets(self) -> Counter[str]:
        """Manifest and blob GETs that the hub answered, by digest or tag; redirects not counted.

        The parts of a blob that comes over several connections count once.
        """
        counted: Counter[str] = Counter()
        begun: set[tuple[str, str]] = set()
        for entry in self.hub.requests("manifest", "GET") + self.hub.requests("cdn", "GET"):
            what = re.split(r"/|\?", entry["path"])[-1 if entry["kind"] == "manifest" else 5]
            first = entry["range"].removeprefix("bytes=").partition("-")[0]
            is_later_part = first not in ("", "0") and (what, first) not in begun
            begun.add((what, first))
            counted[what] += 0 if is_later_part else 1
        return counted

    def assert_nothing_twice(self) -> None:
        twice = {what: count for what, count in self.upstream_gets().items() if count > 1}
        self.assertEqual(twice, {}, "fetched more than once")

    def assert_fetched_once(self, *images: Parts) -> None:
        """One upstream GET for each manifest and blob of the images, and no other GETs."""
        self.assert_nothing_twice()
        manifests = {m for parts in images for m in parts.manifests}
        blobs = {b for parts in images for b in parts.blobs}
        self.assertEqual(len(self.hub.requests("manifest", "GET")), len(manifests), "manifest GETs")
        fetched = {what for what in self.upstream_gets() if what.startswith("sha256:")}
        self.assertEqual(fetched, manifests | blobs, "manifest and blob GETs")

    def assert_no_credentials_at_cdn(self) -> None:
        leaked = [e for e in self.hub.requests("cdn") if e["authorization"]]
        self.assertEqual(leaked, [])
