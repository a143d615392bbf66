#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for Docker Hub.

Owns three loopback listeners: the registry with its token endpoint, the "CDN" on another
address that blobs redirect to, and a control port that stays up when the other listeners are
down. Manifests come from a real docker-registry, which the hub starts on a storage folder. Blobs
come straight from this folder, as from a CDN. A test may add its own blobs and manifests.

The hub behaves like Docker Hub where a mirror can notice: Bearer challenges and tokens
that expire, one scope per repository, a pull limit over a sliding window that
counts manifest GETs but not HEADs and is reported in headers, an abuse limit on
requests of any kind with a Retry-After, redirects with signatures that expire,
400 at the CDN for any request with Authorization. Every request is logged. A
test sets each fault by path pattern and count. One thread serves one connection.
"""
from __future__ import annotations

import argparse
import base64
import ctypes
import gzip
import hashlib
import hmac
import http.client
import json
import os
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Callable
from urllib.parse import parse_qs, urlencode, urlsplit

from limits import SlidingWindow

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST_TYPES = (DOCKER_MANIFEST, DOCKER_LIST, OCI_MANIFEST, OCI_INDEX)

PULL_LIMIT_TEXT = (
    "You have reached your pull rate limit. You may increase the limit by authenticating "
    "and upgrading: https://www.docker.com/increase-rate-limit"
)
ROUTE = re.compile(r"^/v2/(?P<repo>.+)/(?P<kind>manifests|blobs|tags|referrers)/(?P<ref>[^/]+)$")
CDN_PATH = re.compile(r"^/registry-v2/(?P<repo>.+)/blobs/(?P<digest>[a-z0-9]+:[0-9a-f]+)$")


LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Called in a child before exec: the child gets SIGTERM at any end of its parent."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def digest_of(data: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def wait_until(ready: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    """Polls until `ready` returns something true; raises TimeoutError naming `what`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := ready():
            return value
        time.sleep(0.02)
    raise TimeoutError(f"no {what} within {seconds:g} s")


def accepts_connections(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
        return True
    except OSError:
        return False


class Registry:
    """Debian's docker-registry on a loopback port over one storage folder."""

    def __init__(self, storage: Path, *, read_only: bool = False) -> None:
        self.storage = storage
        self.port = free_port()
        self._home = Path(tempfile.mkdtemp(prefix="layby-registry-"))
        config = {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(storage), "maxthreads": 100},
                "maintenance": {
                    "uploadpurging": {"enabled": False},
                    "readonly": {"enabled": read_only},
                },
            },
            "http": {"addr": f"127.0.0.1:{self.port}"},
        }
        (self._home / "config.yml").write_text(json.dumps(config))  # JSON is YAML
        self._log = open(self._home / "log", "wb")
        self._process = subprocess.Popen(
            ["docker-registry", "serve", str(self._home / "config.yml")],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
            preexec_fn=end_with_parent)
        try:
            wait_until(self._is_up, "docker-registry")
        except Exception:
            self.close()
            raise

    def _is_up(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError("docker-registry ended: " + (self._home / "log").read_text()[-2000:])
        return accepts_connections("127.0.0.1", self.port)

    def request(self, method: str, path: str, body: bytes | None = None,
                headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()
        shutil.rmtree(self._home, ignore_errors=True)

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass
class Fault:
    """A fault for the next `times` matching requests (-1: all).

    kinds            what the client sees                          figures used
    status           this status at once                           status, headers, body
    throttle         429; with text="pull", the pull limit's 429   retry_after, text
    close            the connection closed without an answer
    hang             never an answer
    stall            `after` bytes of body, then nothing more      after
    cut              closed after `after` bytes of body            after
    corrupt          the byte at `offset` of the blob flipped      offset
    slow             `rate` bytes a second for each transfer       rate
    latency          the first byte comes late                     seconds
    ignore_range     200 with the whole body to a Range request
    drop_length      no Content-Length, the body ends with the connection
    chunked          no Content-Length, Transfer-Encoding chunked
    lie_digest       a wrong Docker-Content-Digest
    wrong_manifest   other bytes under the right Docker-Content-Digest
    """
    kind: str
    path: str = ".*"           # a regular expression searched for in path and query
    method: str = ""           # any
    port: str = ""             # "hub", "cdn"; any
    ranged: bool | None = None  # only requests with (True) or without (False) a Range
    times: int = 1
    skip: int = 0              # number of matching requests that pass unharmed first
    after: int = 0
    offset: int = 0
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    retry_after: int | None = None
    text: str = ""
    rate: int = 0
    seconds: float = 0.0
    cleared: threading.Event = field(default_factory=threading.Event, repr=False)

    def strikes(self, port: str, method: str, path: str, ranged: bool) -> bool:
        if self.times == 0 or (self.method and self.method != method):
            return False
        if (self.port and self.port != port) or not re.search(self.path, path):
            return False
        if self.ranged is not None and self.ranged != ranged:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times > 0:
            self.times -= 1
        return True


class Dropped(Exception):
    """Ends the connection at this point, because of a fault."""


class Hub:
    """Context manager; `url` is the registry's. The ports stay the same after down() and up()."""

    def __init__(self, images: Path | str | None = None, *, token_lifetime: float = 300,
                 url_lifetime: float = 3000, pull_limit: int | None = 100,
                 pull_window: float = 21600, request_limit: int | None = None,
                 request_window: float = 60,
                 accounts: dict[str, str] | None = None, private: set[str] | None = None,
                 realm_host: str = "", port: int = 0, host: str = "127.0.0.1",
                 cdn_host: str = "127.0.0.2", control_port: int = 0,
                 tls: tuple[str, str] | None = None) -> None:
        self.token_lifetime = token_lifetime
        self.url_lifetime = url_lifetime
        self.pull_limit = pull_limit
        self.pulls = SlidingWindow(pull_window)
        self.request_limit = request_limit
        self.requests_of_late = SlidingWindow(request_window)
        self.accounts = accounts if accounts is not None else {"alice": "s3cret"}
        self.private = private if private is not None else {"library/secret"}
        self.log: list[dict[str, Any]] = []
        self.faults: list[Fault] = []
        self.lock = threading.Lock()
        self._blobs: dict[str, bytes] = {}
        self._manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        self._tags: dict[str, dict[str, str]] = {}
        self._referrers: dict[tuple[str, str], bytes] = {}
        self._tokens: dict[str, tuple[str, float]] = {}
        self._key = secrets.token_bytes(32)
        self.registry = Registry(Path(images), read_only=True) if images else None
        self._tls = None
        if tls:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(*tls)
        try:
            self._hub = Listener(self, "hub", host, port, self._tls)
            self._cdn = Listener(self, "cdn", cdn_host, 0, self._tls)
            self._control = Listener(self, "control", "127.0.0.1", control_port, None)
        except OSError:
            if self.registry:
                self.registry.close()
            raise
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://{self._hub.authority}"
        self.cdn_url = f"{scheme}://{self._cdn.authority}"
        self.realm = f"{scheme}://{realm_host}/token" if realm_host else f"{self.url}/token"
        self.control_url = f"http://{self._control.authority}"
        self._control.open()
        self.up()

    # -- the calls of a test

    def up(self) -> None:
        self._hub.open()
        self._cdn.open()

    def down(self) -> None:
        """Refuses new connections and ends open ones, as a lost uplink that answers RST does."""
        self._hub.refuse()
        self._cdn.refuse()

    def close(self) -> None:
        self.clear_faults()
        self._hub.close()
        self._cdn.close()
        self._control.close()
        if self.registry:
            self.registry.close()

    def __enter__(self) -> Hub:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fault(self, kind: str, path: str = ".*", **figures: Any) -> Fault:
        made = Fault(kind, path, **figures)
        with self.lock:
            self.faults.append(made)
        return made

    def clear_faults(self) -> None:
        """Clears all faults and releases requests that hang."""
        with self.lock:
            cleared, self.faults = self.faults, []
        for fault in cleared:
            fault.times = 0
            fault.cleared.set()

    def forget_tokens(self) -> None:
        with self.lock:
            self._tokens.clear()

    def reset(self) -> None:
        self.clear_faults()
        with self.lock:
            self.log.clear()
            self.pulls.clear()
            self.requests_of_late.clear()

    @property
    def pulls_counted(self) -> int:
        """The current count of the pull limit."""
        with self.lock:
            return self.pulls.count()

    def requests(self, kind: str = "", method: str = "", path: str = "") -> list[dict[str, Any]]:
        """Logged requests; `kind` is token, ping, manifest, tags, blob, referrers or cdn."""
        with self.lock:
            return [dict(e) for e in self.log
                    if (not kind or e["kind"] == kind) and (not method or e["method"] == method)
                    and (not path or re.search(path, e["path"]))]

    def content_requests(self) -> list[dict[str, Any]]:
        """All logged requests but pings."""
        return [entry for entry in self.requests() if entry["kind"] != "ping"]

    def bytes_sent(self, kind: str = "") -> int:
        return sum(e["sent"] for e in self.requests(kind))

    def add_blob(self, data: bytes, algorithm: str = "sha256") -> str:
        digest = digest_of(data, algorithm)
        self._blobs[digest] = data
        return digest

    def add_manifest(self, repo: str, data: bytes, media_type: str, tag: str = "",
                     algorithm: str = "sha256") -> str:
        digest = digest_of(data, algorithm)
        self._manifests[repo, digest] = (media_type, data)
        if tag:
            self._tags.setdefault(repo, {})[tag] = digest
        return digest

    def move_tag(self, repo: str, tag: str, to: str) -> str:
        """Points a new or old tag to the digest or tag `to`; returns the digest.

        Only this hub moves the tag; the storage of the docker-registry, which tests share, stays.
        """
        digest = self.digest(repo, to)
        self._tags.setdefault(repo, {})[tag] = digest
        return digest

    def add_referrers(self, repo: str, digest: str, index: bytes) -> None:
        """Docker Hub has no referrers API, but other registries do."""
        self._referrers[repo, digest] = index

    # -- the content

    def manifest(self, repo: str, ref: str) -> tuple[str, bytes] | None:
        """Media type and bytes as a client should get them."""
        key = self._tags.get(repo, {}).get(ref, ref)
        if (repo, key) in self._manifests:
            return self._manifests[repo, key]
        if not self.registry:
            return None
        status, headers, body = self.registry.request(
            "GET", f"/v2/{repo}/manifests/{key}", headers={"Accept": ", ".join(MANIFEST_TYPES)})
        return (headers["content-type"], body) if status == 200 else None

    def digest(self, repo: str, ref: str) -> str:
        """The digest that a tag points to; a digest is returned unchanged."""
        key = self._tags.get(repo, {}).get(ref, ref)
        found = self.manifest(repo, key)
        assert found, f"{repo}:{ref} is not at the origin"
        return key if ":" in key else digest_of(found[1])

    def blob(self, repo: str, digest: str) -> bytes | Path | None:
        if digest in self._blobs:
            return self._blobs[digest]
        if not self.registry:
            return None
        algorithm, _, hexits = digest.partition(":")
        root = self.registry.storage / "docker/registry/v2"
        link = root / "repositories" / repo / "_layers" / algorithm / hexits / "link"
        data = root / "blobs" / algorithm / hexits[:2] / hexits / "data"
        return data if link.is_file() and data.is_file() else None

    def tags(self, repo: str) -> list[str] | None:
        found = set(self._tags.get(repo, {}))
        if self.registry:
            status, _, body = self.registry.request("GET", f"/v2/{repo}/tags/list")
            if status == 200:
                found |= set(json.loads(body)["tags"] or [])
        return sorted(found) or None

    def referrers(self, repo: str, digest: str) -> bytes | None:
        return self._referrers.get((repo, digest))

    # -- tokens and signatures

    def issue_token(self, scope: str) -> str:
        token = secrets.token_urlsafe(48)
        with self.lock:
            self._tokens[token] = (scope, time.time() + self.token_lifetime)
        return token

    def token_allows(self, authorization: str, repo: str) -> bool:
        with self.lock:
            scope, ends = self._tokens.get(authorization.removeprefix("Bearer "), ("", 0.0))
        return scope == repo and time.time() < ends

    def sign(self, path: str, expires: int) -> str:
        return hmac.new(self._key, f"{path}?{expires}".encode(), "sha256").hexdigest()

    def signed_url(self, repo: str, digest: str) -> str:
        path, expires = f"/registry-v2/{repo}/blobs/{digest}", int(time.time() + self.url_lifetime)
        query = urlencode({"Expires": expires, "Signature": self.sign(path, expires)})
        return f"{self.cdn_url}{path}?{query}"


class Listener:
    """One listening socket, which keeps its port from the start to close()."""

    def __init__(self, hub: Hub, role: str, host: str, port: int,
                 tls: ssl.SSLContext | None) -> None:
        self.hub, self.role, self.host, self.tls = hub, role, host, tls
        self._socket = self._bind(port)
        self.port = self._socket.getsockname()[1]
        self.authority = f"{host}:{self.port}"
        self._open = False
        self._live: set[socket.socket] = set()
        self._lock = threading.Lock()

    def _bind(self, port: int) -> socket.socket:
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((self.host, port))
        return made

    def open(self) -> None:
        if self._open:
            return
        self._socket.listen(512)
        self._open = True
        threading.Thread(target=self._accept, args=(self._socket,), daemon=True).start()

    def close(self) -> None:
        if self._open:
            self._stop_accepting()
            self._end_connections()
        self._socket.close()

    def refuse(self) -> None:
        """Refuses connections until open(), but keeps the port from other programs."""
        if not self._open:
            return
        self._stop_accepting()
        self._socket = self._bind(self.port)
        self._end_connections()

    def _stop_accepting(self) -> None:
        self._open = False
        self._socket.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._socket.close()

    def _end_connections(self) -> None:
        with self._lock:
            live = list(self._live)
        for connection in live:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, peer = listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection, peer), daemon=True).start()

    def _serve(self, connection: socket.socket, peer: tuple[str, int]) -> None:
        with self._lock:
            self._live.add(connection)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream = self.tls.wrap_socket(connection, server_side=True) if self.tls else connection
            Handler(stream, peer, self)  # type: ignore[arg-type]
        except (OSError, Dropped, ValueError):
            pass
        finally:
            with self._lock:
                self._live.discard(connection)
            connection.close()


class Handler(BaseHTTPRequestHandler):
    """One connection. `server` is the Listener; each request's log entry is `self.entry`."""

    protocol_version = "HTTP/1.1"
    server_version = "hub"
    server: Listener  # type: ignore[assignment]
    timeout = 120

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.hub = self.server.hub
        if self.server.role == "control":
            return self.control()
        self.url = urlsplit(self.path)
        self.route = ROUTE.match(self.url.path)
        self.begin()
        try:
            self.before_answer()
            if self.server.role == "hub" and self.is_abuse():
                self.refuse_abuse()
            elif self.server.role == "cdn":
                self.cdn()
            elif self.url.path == "/token":
                self.token()
            else:
                self.registry()
        except (OSError, Dropped):
            self.entry["aborted"] = True
            self.close_connection = True
        finally:
            self.entry["done"] = True

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    # -- log and faults

    def begin(self) -> None:
        kinds = {"manifests": "manifest", "blobs": "blob", "tags": "tags", "referrers": "referrers"}
        kind = ("cdn" if self.server.role == "cdn" else "token" if self.url.path == "/token"
                else kinds[self.route["kind"]] if self.route else "ping")
        self.entry: dict[str, Any] = {
            "time": time.time(), "port": self.server.role, "kind": kind, "method": self.command,
            "path": self.path, "range": self.headers.get("Range", ""), "status": 0, "sent": 0,
            "authorization": (self.headers.get("Authorization") or "").partition(" ")[0],
            "user_agent": self.headers.get("User-Agent", ""), "aborted": False, "done": False,
        }
        with self.hub.lock:
            self.hub.log.append(self.entry)
            struck = [f for f in self.hub.faults
                      if f.strikes(self.server.role, self.command, self.path,
                                   bool(self.entry["range"]))]
        self.faults = {f.kind: f for f in struck}
        self.entry["faults"] = [f.kind for f in struck]

    def before_answer(self) -> None:
        if late := self.faults.get("latency"):
            late.cleared.wait(late.seconds)
        if hang := self.faults.get("hang"):
            self.hold(hang)
        if "close" in self.faults:
            raise Dropped
        if throttle := self.faults.get("throttle"):
            headers = {} if throttle.retry_after is None else {"Retry-After": str(throttle.retry_after)}
            if throttle.text == "pull":
                self.refuse(429, "TOOMANYREQUESTS", PULL_LIMIT_TEXT, headers)
            else:
                self.answer(429, b"Too Many Requests\n", "text/plain", headers)
            raise Dropped
        if status := self.faults.get("status"):
            body = status.body or '{"errors":[{"code":"UNKNOWN","message":"a fault was asked for"}]}'
            self.answer(status.status, body.encode(), "application/json", status.headers)
            raise Dropped

    def hold(self, fault: Fault) -> None:
        """Waits until the fault is cleared or the peer has left."""
        self.wfile.flush()
        self.connection.settimeout(0.1)
        while not fault.cleared.is_set():
            try:
                if self.connection.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        raise Dropped

    # -- the registry

    def is_abuse(self) -> bool:
        """Whether this request exceeds the abuse limit; counts the request if it doesn't."""
        limit, counted = self.hub.request_limit, self.hub.requests_of_late
        with self.hub.lock:
            over = limit is not None and counted.count() >= limit
            if not over:
                counted.add()
        return over

    def refuse_abuse(self) -> None:
        with self.hub.lock:
            seconds = self.hub.requests_of_late.seconds_until_fewer()
        self.answer(429, b"Too Many Requests\n", "text/plain", {"Retry-After": str(seconds)})

    def registry(self) -> None:
        if self.command not in ("GET", "HEAD"):
            return self.refuse(405, "UNSUPPORTED", "this stand-in is read-only")
        repo = self.route["repo"] if self.route else ""
        if not self.hub.token_allows(self.headers.get("Authorization") or "", repo):
            return self.challenge(repo)
        if not self.route:
            return self.answer(200, b"{}", "application/json")
        kind, ref = self.route["kind"], self.route["ref"]
        if kind == "manifests":
            self.manifest(repo, ref)
        elif kind == "blobs":
            self.blob(repo, ref)
        elif kind == "tags":
            self.tags(repo)
        elif index := self.hub.referrers(repo, ref):
            self.answer(200, index, OCI_INDEX)
        else:
            self.answer(404, b"404 page not found\n", "text/plain")  # as Docker Hub answers

    def challenge(self, repo: str) -> None:
        scope = f',scope="repository:{repo}:pull"' if repo else ""
        sent = self.headers.get("Authorization")
        error = ',error="insufficient_scope"' if sent else ""
        self.refuse(401, "UNAUTHORIZED", "authentication required", {
            "Www-Authenticate": f'Bearer realm="{self.hub.realm}",'
                                f'service="registry.docker.io"{scope}{error}'})

    def token(self) -> None:
        account = ""
        authorization = self.headers.get("Authorization") or ""
        if authorization.startswith("Basic "):
            account, _, password = base64.b64decode(authorization[6:]).decode().partition(":")
            if self.hub.accounts.get(account) != password:
                return self.answer(401, b'{"details":"incorrect username or password"}',
                                   "application/json")
        asked = parse_qs(self.url.query).get("scope", [""])[0]
        match = re.fullmatch(r"repository:(.+):pull", asked)
        repo = match[1] if match else ""
        scope = "(none)" if repo in self.hub.private and not account else repo
        token = self.hub.issue_token(scope)
        self.answer_json({"token": token, "access_token": token,
                          "expires_in": int(self.hub.token_lifetime),
                          "issued_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})

    def manifest(self, repo: str, ref: str) -> None:
        found = self.hub.manifest(repo, ref)
        headers: dict[str, str] = {}
        limit = self.hub.pull_limit
        if limit is not None:
            with self.hub.lock:
                over = self.command == "GET" and self.hub.pulls.count() >= limit
                if self.command == "GET" and found and not over:
                    self.hub.pulls.add()
                left = max(0, limit - self.hub.pulls.count())
                window = int(self.hub.pulls.seconds)
            headers = {"ratelimit-limit": f"{limit};w={window}",
                       "ratelimit-remaining": f"{left};w={window}",
                       "docker-ratelimit-source": "192.0.2.7"}
            if over:
                return self.refuse(429, "TOOMANYREQUESTS", PULL_LIMIT_TEXT, headers)
        if not found:
            return self.refuse(404, "MANIFEST_UNKNOWN", "manifest unknown", headers)
        media_type, body = found
        digest = self.hub.digest(repo, ref)
        if "wrong_manifest" in self.faults:
            body = body.replace(b'"schemaVersion"', b'"SchemaVersion"', 1)
        if "lie_digest" in self.faults:
            digest = digest_of(b"a lie")
        headers["Docker-Content-Digest"] = digest
        headers["ETag"] = f'"{digest}"'
        self.answer(200, body, media_type, headers)

    def blob(self, repo: str, digest: str) -> None:
        if self.hub.blob(repo, digest) is None:
            return self.refuse(404, "BLOB_UNKNOWN", "blob unknown to registry")
        self.answer(307, b"", "application/octet-stream",
                    {"Location": self.hub.signed_url(repo, digest),
                     "Docker-Content-Digest": digest})

    def tags(self, repo: str) -> None:
        names = self.hub.tags(repo)
        if names is None:
            return self.refuse(404, "NAME_UNKNOWN", "repository name not known to registry")
        query = parse_qs(self.url.query)
        last, count = query.get("last", [""])[0], int(query.get("n", ["1000"])[0])
        after = [name for name in names if name > last]
        page, headers = after[:count], {}
        if page and len(after) > count:
            following = urlencode({"n": count, "last": page[-1]})
            headers["Link"] = f'</v2/{repo}/tags/list?{following}>; rel="next"'
        self.answer_json({"name": repo, "tags": page}, headers)

    # -- the CDN

    def cdn(self) -> None:
        if self.headers.get("Authorization"):
            return self.answer(400, b"<Error><Code>InvalidArgument</Code><Message>Only one auth "
                                    b"mechanism allowed</Message></Error>", "application/xml")
        where = CDN_PATH.match(self.url.path)
        query = parse_qs(self.url.query)
        expires = int(query.get("Expires", ["0"])[0])
        signed = hmac.compare_digest(query.get("Signature", [""])[0],
                                     self.hub.sign(self.url.path, expires))
        if not where or not signed or time.time() > expires:
            return self.answer(403, b"<Error><Code>AccessDenied</Code><Message>Request has expired"
                                    b"</Message></Error>", "application/xml")
        body = self.hub.blob(where["repo"], where["digest"])
        if body is None:
            return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>", "application/xml")
        self.answer(200, body, "application/octet-stream",
                    {"ETag": f'"{hashlib.md5(where["digest"].encode()).hexdigest()}"',
                     "Accept-Ranges": "bytes"}, ranges=True)

    # -- the control port

    def control(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = json.loads(data) if data else {}
        if self.path == "/_log":
            return self.answer_json(self.hub.requests())
        if self.path == "/_fault":
            self.hub.fault(**asked)
        elif self.path == "/_reset":
            self.hub.reset()
        elif self.path == "/_move_tag":
            self.hub.move_tag(**asked)
        elif self.path == "/_down":
            self.hub.down()
        elif self.path == "/_up":
            self.hub.up()
        else:
            return self.refuse(404, "NOT_FOUND", "_log, _fault, _reset, _move_tag, _down, _up")
        self.answer_json({"ok": True})

    # -- answers

    def refuse(self, status: int, code: str, message: str,
               headers: dict[str, str] | None = None) -> None:
        body = {"errors": [{"code": code, "message": message, "detail": None}]}
        self.answer(status, json.dumps(body).encode(), "application/json", headers)

    def answer_json(self, value: Any, headers: dict[str, str] | None = None) -> None:
        body, extra = json.dumps(value).encode(), dict(headers or {})
        if "gzip" in (self.headers.get("Accept-Encoding") or ""):
            body, extra["Content-Encoding"] = gzip.compress(body), "gzip"
        self.answer(200, body, "application/json", extra)

    def answer(self, status: int, body: bytes | Path, media_type: str,
               headers: dict[str, str] | None = None, *, ranges: bool = False) -> None:
        """Sends a whole response, or the part of the response that Range and the faults leave."""
        faults = getattr(self, "faults", {})
        total = body.stat().st_size if isinstance(body, Path) else len(body)
        first, last = 0, total - 1
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range") or "")
        extra = dict(headers or {})
        if ranges and asked and "ignore_range" not in faults:
            if not asked[1]:
                first = max(0, total - int(asked[2]))
            else:
                first = int(asked[1])
                last = min(last, int(asked[2])) if asked[2] else last
            if first > last or first >= total:
                status, body, first, last = 416, b"", 0, -1
                extra["Content-Range"] = f"bytes */{total}"
            else:
                status, extra["Content-Range"] = 206, f"bytes {first}-{last}/{total}"
        if hasattr(self, "entry"):
            self.entry["status"] = status
        chunked, unsized = "chunked" in faults, "drop_length" in faults
        self.send_response_only(status)
        self.send_header("Date", self.date_time_string())
        for name, value in {"Content-Type": media_type, **extra}.items():
            self.send_header(name, value)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif unsized:
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        if self.command != "HEAD" and status != 304:
            self.send_body(body, first, last - first + 1, chunked)
        self.wfile.flush()

    def send_body(self, body: bytes | Path, first: int, length: int, chunked: bool) -> None:
        faults = getattr(self, "faults", {})
        slow, stall, cut = faults.get("slow"), faults.get("stall"), faults.get("cut")
        stop_at = min([length] + [f.after for f in (stall, cut) if f])
        step = max(1, slow.rate // 20) if slow else 256 * 1024
        file = open(body, "rb") if isinstance(body, Path) else None
        sent = 0
        try:
            while sent < stop_at:
                at, size = first + sent, min(step, stop_at - sent)
                if file:
                    file.seek(at)
                    piece = file.read(size)
                else:
                    piece = body[at:at + size]  # type: ignore[index]
                flip = faults["corrupt"].offset - at if "corrupt" in faults else -1
                if 0 <= flip < len(piece):
                    piece = piece[:flip] + bytes([piece[flip] ^ 0xFF]) + piece[flip + 1:]
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                sent += len(piece)
                if hasattr(self, "entry"):
                    self.entry["sent"] = sent
                if slow:
                    slow.cleared.wait(0 if slow.times == 0 and slow.cleared.is_set()
                                      else len(piece) / slow.rate)
        finally:
            if file:
                file.close()
        if stall and sent == stall.after:
            self.hold(stall)
        if cut and sent == cut.after:
            self.wfile.flush()
            raise Dropped
        if chunked:
            self.wfile.write(b"0\r\n\r\n")


def main() -> int:
    parser = argparse.ArgumentParser(description="a stand-in for Docker Hub on loopback")
    parser.add_argument("--images", type=Path, help="docker-registry storage made by tests/origin/images")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument("--token-lifetime", type=float, default=300)
    parser.add_argument("--url-lifetime", type=float, default=3000)
    parser.add_argument("--pull-limit", type=int, default=100)
    parser.add_argument("--pull-window", type=float, default=21600)
    parser.add_argument("--request-limit", type=int, help="requests a minute; default none")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Hub(options.images, port=options.port, control_port=options.control_port,
             token_lifetime=options.token_lifetime, url_lifetime=options.url_lifetime,
             pull_limit=options.pull_limit, pull_window=options.pull_window,
             request_limit=options.request_limit) as hub:
        print(f"registry {hub.url}\ncdn      {hub.cdn_url}\ncontrol  {hub.control_url}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
