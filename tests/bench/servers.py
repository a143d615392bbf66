# SPDX-License-Identifier: Apache-2.0
"""The servers of the benchmark: Layby, the compared servers, and their origin.

Each server binds loopback, has its own temporary folder, and is ended by the object that
started the server.
"""
from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))

from harness import (OCI_MANIFEST, Hub, Layby, Program, Pulls, accepts_connections,  # noqa: E402,F401
                     fetch, layby_binary, make_image, native_architecture, platform_of, pull,
                     wait_until)
from hub import digest_of, free_port  # noqa: E402

REPOSITORY = "library/bench"
MIB = 1 << 20
GB = 1e9


class Certificate:
    """A self-signed certificate of an ECDSA P-256 key."""

    def __init__(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="certificate-"))
        self.certificate, self.key = folder / "fullchain.pem", folder / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(self.key),
                        "-out", str(self.certificate)], check=True, capture_output=True)


class Nginx(Program):
    """Debian's nginx with one worker, and Debian's settings where they matter.

    `listen` has options of nginx's port. With a certificate nginx also has a port for TLS.
    """

    def __init__(self, server: str, http: str = "", listen: str = "",
                 certificate: Certificate | None = None, tls_options: str = "",
                 host: str = "127.0.0.1") -> None:
        super().__init__("nginx")
        self.port, self.tls_port = free_port(host), free_port(host) if certificate else 0
        tls = f"""
    listen {host}:{self.tls_port} ssl;
    ssl_protocols TLSv1.3;
    ssl_certificate {certificate.certificate};
    ssl_certificate_key {certificate.key};
    {tls_options}""" if certificate else ""
        config = self.home / "nginx.conf"
        config.write_text(f"""
user root;
worker_processes 1;
pid {self.home}/pid;
error_log {self.home}/log;
events {{ worker_connections 2048; }}
http {{
  sendfile on;
  tcp_nopush on;
  access_log off;
  keepalive_requests 1000000000;
  default_type application/octet-stream;
  client_body_temp_path {self.home}/body;
  proxy_temp_path {self.home}/proxy;
  fastcgi_temp_path {self.home}/fastcgi;
  uwsgi_temp_path {self.home}/uwsgi;
  scgi_temp_path {self.home}/scgi;
  {http}
  server {{
    listen {host}:{self.port} {listen};{tls}
    {server}
  }}
}}
""")
        self.start(["/usr/sbin/nginx", "-p", str(self.home), "-c", str(config), "-g", "daemon off;"])
        try:
            wait_until(lambda: self.alive() and accepts_connections(host, self.port), "nginx")
        except Exception:
            self.close()
            raise


class Registry:
    """The content to pull: files under /v2/, which a static nginx serves without authentication."""

    TAG = "latest"
    LOCATIONS = f"""
    location = /v2/ {{ default_type application/json; return 200 "{{}}"; }}
    location ~ "^/v2/.+/manifests/(?<digest>sha256:[0-9a-f]+)$" {{
      default_type {OCI_MANIFEST};
      add_header Docker-Content-Digest $digest;
    }}"""

    def __init__(self) -> None:
        self.root = root = Path(tempfile.mkdtemp(prefix="origin-"))
        self.folder = root / "v2" / REPOSITORY
        self.tagged = ""
        self.clear()

    def clear(self) -> None:
        """Removes all content."""
        for kind in ("blobs", "manifests"):
            shutil.rmtree(self.folder / kind, ignore_errors=True)
            (self.folder / kind).mkdir(parents=True)

    def add_blob(self, size: int) -> str:
        """Adds a blob of random bytes; returns the blob's path in the API."""
        data = os.urandom(size)
        return self.add("blobs", data)

    def add_manifest(self, layers: int = 6) -> str:
        described = [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "size": 12345678,
                      "digest": digest_of(bytes([i]))} for i in range(layers + 1)]
        described[0]["mediaType"] = "application/vnd.oci.image.config.v1+json"
        return self.add("manifests", json.dumps(
            {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described[0],
             "layers": described[1:]}, indent=3).encode())

    def add_image(self, layer_bytes: list[int]) -> str:
        """Adds an image that clients can unpack, of new layers; returns the manifest's digest."""
        layers = [tar_of(os.urandom(size)) for size in layer_bytes]
        config = json.dumps({**platform_of(f"linux/{native_architecture()}"),
                             "rootfs": {"type": "layers", "diff_ids": [*map(digest_of, layers)]}})
        kinds = ["config.v1+json"] + ["layer.v1.tar"] * len(layers)
        parts = [{"mediaType": f"application/vnd.oci.image.{kind}", "size": len(data),
                  "digest": self.add("blobs", data).rpartition("/")[2]}
                 for kind, data in zip(kinds, [config.encode(), *layers])]
        path = self.add("manifests", json.dumps(
            {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": parts[0],
             "layers": parts[1:]}).encode())
        return path.rpartition("/")[2]

    def content_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.folder.glob("*/*"))

    def add_tag(self) -> str:
        """Adds a manifest with the registry's only tag; returns the path of the tag."""
        path = self.add_manifest(layers=5)
        self.tagged = path.rpartition("/")[2]
        (self.folder / "manifests" / self.TAG).write_bytes((self.root / path.lstrip("/")).read_bytes())
        return f"/v2/{REPOSITORY}/manifests/{self.TAG}"

    def add(self, kind: str, data: bytes) -> str:
        digest = digest_of(data)
        (self.folder / kind / digest).write_bytes(data)
        return f"/v2/{REPOSITORY}/{kind}/{digest}"

    def server(self) -> str:
        tag = f"""
    location = /v2/{REPOSITORY}/manifests/{self.TAG} {{
      default_type {OCI_MANIFEST};
      add_header Docker-Content-Digest {self.tagged};
    }}""" if self.tagged else ""
        return f"root {self.root};{self.LOCATIONS}{tag}"


def tar_of(data: bytes) -> bytes:
    """An archive of one file, whose name depends on the bytes."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo(digest_of(data).rpartition(":")[2])
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


def start_layby(origin: Nginx, config: dict[str, Any] | None = None) -> Layby:
    return Layby(SimpleNamespace(url=f"http://127.0.0.1:{origin.port}"), config)


def start_layby_with_tls(origin: Nginx, certificate: Certificate) -> Layby:
    """A Layby with a second port, tls_port, like an Nginx with a certificate."""
    port = free_port()
    layby = start_layby(origin, {"tls": {"listen": f"127.0.0.1:{port}", "key_file": str(certificate.key),
                                         "certificate_file": str(certificate.certificate)}})
    layby.tls_port = port  # type: ignore[attr-defined]
    return layby


class DockerRegistry(Program):
    """Debian's docker-registry as a pull-through cache, with its own files and memory.

    Like the other servers, it logs no requests.
    """

    def __init__(self, origin: Nginx) -> None:
        super().__init__("docker-registry")
        self.port = free_port()
        (self.home / "config.yml").write_text(f"""
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  cache: {{blobdescriptor: inmemory}}
  filesystem: {{rootdirectory: {self.home}/data}}
http: {{addr: "127.0.0.1:{self.port}"}}
proxy: {{remoteurl: "http://127.0.0.1:{origin.port}"}}
""")
        self.run()

    def run(self) -> None:
        self.start(["/usr/bin/docker-registry", "serve", str(self.home / "config.yml")])
        try:
            wait_until(lambda: self.alive() and accepts_connections("127.0.0.1", self.port), self.name)
        except Exception:
            self.close()
            raise

    def restart(self) -> None:
        self.stop()
        self.run()


def static_folder(layby: Layby, paths: list[str]) -> Path:
    """Layby's own files, linked for an nginx. Manifests aren't files in Layby and are copied."""
    root = Path(tempfile.mkdtemp(prefix="static-"))
    for path in paths:
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if "/blobs/" in path:
            hexits = path.rpartition(":")[2]
            os.link(Path(layby.config["data_dir"]) / "blobs/sha256" / hexits[:2] / hexits, target)
        else:
            target.write_bytes(fetch(layby.authority, path, {"Accept": OCI_MANIFEST}).body)
    return root


def beside(layby: Layby, paths: list[str], listen: str = "", certificate: Certificate | None = None,
           tls_options: str = "") -> Nginx:
    return Nginx(f"root {static_folder(layby, paths)};", listen=listen, certificate=certificate,
                 tls_options=tls_options)


def start_proxy_cache(origin: Nginx, kind: type[Nginx] = Nginx) -> Nginx:
    """nginx's own cache, proxy_cache, in front of `origin`."""
    folder = tempfile.mkdtemp(prefix="proxy-cache-")
    return kind(f"location / {{ proxy_pass http://127.0.0.1:{origin.port}; proxy_cache c; "
                f"proxy_cache_valid 200 1h; }}",
                f"proxy_cache_path {folder} levels=1:2 keys_zone=c:10m max_size=20g use_temp_path=off;")
