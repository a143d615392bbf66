#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""HTTPS for clients: clients that trust the CA pull, others refuse, renewal disturbs nobody.

The test runs itself in its own network and mount namespaces. There the box has an address and
a name outside of loopback, because dockerd trusts any certificate on loopback. /etc is a copy,
into which the tests put the CA for clients, as the README describes.
"""
from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest
import unittest.mock
from pathlib import Path

from harness import (CLIENTS, Client, Containerd, EndToEnd, Layby, Parts, PullFailed, Skopeo,
                     end_with_parent, images_folder, layby_command, make_image, parts_of,
                     pull, remove_tree, wait_until)

BOX, ADDRESS = "box.test", "192.0.2.1"
INSIDE = "LAYBY_TEST_NAMESPACES"  # a scratch folder; set only within the namespaces
RENEWED = 15  # seconds until a new certificate must be served; files are checked every 2 s
MIB = 1 << 20


def run(*command: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=30)


def must(*command: str) -> None:
    done = run(*command)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")


def furnish_namespaces(scratch: str) -> None:
    must("ip", "link", "set", "lo", "up")
    must("ip", "address", "add", f"{ADDRESS}/32", "dev", "lo")
    must("mount", "-t", "tmpfs", "tmpfs", scratch)
    for name in ("upper", "work"):
        (Path(scratch) / name).mkdir()
    must("mount", "-t", "overlay", "overlay", "-o",
         f"lowerdir=/etc,upperdir={scratch}/upper,workdir={scratch}/work", "/etc")
    with open("/etc/hosts", "a", encoding="ascii") as hosts:
        hosts.write(f"\n{ADDRESS} {BOX}\n")


class Authority:
    """A CA, and the certificate and key that the CA issues to the server, by `openssl`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.ca = home / "ca.crt"
        self.certificate, self.key = home / "layby.crt", home / "layby.key"
        must("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "30", "-subj", "/CN=a CA of a test", "-keyout",
             str(home / "ca.key"), "-out", str(self.ca))

    def make(self) -> tuple[Path, Path]:
        """Makes a certificate and its key, beside the files in use."""
        home = Path(tempfile.mkdtemp(dir=self.home))
        certificate, key, request, names = (home / n for n in ("crt", "key", "csr", "names"))
        names.write_text(f"subjectAltName=DNS:{BOX},IP:{ADDRESS},IP:127.0.0.1\n")
        must("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-subj", f"/CN={BOX}", "-keyout", str(key), "-out", str(request))
        must("openssl", "x509", "-req", "-in", str(request), "-CA", str(self.ca), "-CAkey",
             str(self.home / "ca.key"), "-CAcreateserial", "-days", "20", "-extfile", str(names),
             "-out", str(certificate))
        return certificate, key

    def renew(self) -> bytes:
        """Replaces certificate and key; returns the new certificate as a client sees it."""
        certificate, key = self.make()
        key.replace(self.key)
        certificate.replace(self.certificate)
        return self.current()

    def current(self) -> bytes:
        return ssl.PEM_cert_to_DER_cert(self.certificate.read_text())


class TlsTest(EndToEnd):
    def setUp(self) -> None:
        home = Path(tempfile.mkdtemp(prefix="layby-tls-"))
        self.addCleanup(remove_tree, home)
        self.authority = Authority(home)
        self.authority.renew()
        self.config = {"tls": self.tls_files(listen="0.0.0.0:0"), "tags": {"fresh_for": "0s"}}
        super().setUp()
        said = re.search(r"HTTPS on 0\.0\.0\.0:(\d+)", self.layby.log())
        assert said, self.layby.log()
        self.port = int(said[1])
        self.trusting = ssl.create_default_context(cafile=str(self.authority.ca))

    def tls_files(self, **more: str) -> dict[str, str]:
        return {"certificate_file": str(self.authority.certificate),
                "key_file": str(self.authority.key), **more}

    def connect(self) -> ssl.SSLSocket:
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.settimeout(30)
        plain.connect((ADDRESS, self.port))
        return self.trusting.wrap_socket(plain, server_hostname=BOX)

    def served(self) -> bytes:
        """The certificate that a new connection gets."""
        with self.connect() as connection:
            return connection.getpeercert(binary_form=True) or b""

    def counter(self, name: str) -> int:
        return self.layby.stats()["counters"][name]


class RealClients(TlsTest):
    real_images = True

    def trust(self, client: Client) -> None:
        """Makes the client trust the CA, as the README describes."""
        if isinstance(client, Containerd):
            return client.write_hosts(self.authority.ca)
        owner = "docker" if client.name == "dockerd" else "containers"
        folder = Path(f"/etc/{owner}/certs.d/{BOX}:{self.port}")
        folder.mkdir(parents=True)
        self.addCleanup(remove_tree, folder)
        (folder / "ca.crt").write_bytes(self.authority.ca.read_bytes())

    def story(self, name: str) -> None:
        client = CLIENTS[name](f"https://{BOX}:{self.port}")
        self.addCleanup(client.close)
        with self.assertRaises(PullFailed):
            client.pull("busybox:1")
        self.assertEqual(self.counter("tls_handshakes"), 0, "it trusted an unknown CA")
        self.assertGreater(self.counter("tls_failures"), 0, "the client never connected")
        self.trust(client)
        parts = parts_of(self.hub, "library/busybox", "1")
        wanted = parts.manifests[-1] if isinstance(client, Skopeo) else parts.root
        self.assertEqual(client.pull("busybox:1"), wanted)
        self.assertGreater(self.counter("tls_handshakes"), 0)

    def test_skopeo(self) -> None:
        self.story("skopeo")

    def test_podman(self) -> None:
        self.story("podman")

    def test_dockerd(self) -> None:
        self.story("dockerd")

    def test_containerd(self) -> None:
        self.story("containerd")


class ABoxBelow(TlsTest):
    def test_another_layby_pulls_from_its_parent_over_https(self) -> None:
        parts = make_image(self.hub, "library/small", "1", [MIB])
        below = Layby(self.hub, {}, {"parent": f"https://127.0.0.1:{self.port}",
                                     "parent_ca_file": str(self.authority.ca)})
        self.addCleanup(below.close)
        self.assertEqual(pull(below.authority, "library/small", "1").blobs, parts.blobs)
        self.assertEqual(self.counter("blob_misses"), len(parts.blobs), "not all blobs came this way")


class Ranges(TlsTest):
    def test_several_ranges_come_byte_for_byte(self) -> None:
        image = make_image(self.hub, "library/big", "1", [8 * MIB])
        digest = max(image.blobs, key=lambda digest: image.blobs[digest])
        data = self.hub.blob("library/big", digest)
        assert isinstance(data, bytes)
        path = f"/v2/library/big/blobs/{digest}"
        self.assertEqual(self.layby.get(path).body, data)
        spans = [(i * 8000, i * 8000 + 3 * i) for i in range(900)] + [(7 * MIB, 8 * MIB - 1)]
        with self.connect() as connection:
            asked = ",".join(f"{first}-{last}" for first, last in spans)
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {BOX}\r\n"
                               f"Range: bytes={asked}\r\n\r\n".encode())
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            body = answer.read()
        boundary = answer.headers["Content-Type"].partition("boundary=")[2]
        wanted = "".join(
            f"\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\n"
            f"Content-Range: bytes {first}-{last}/{len(data)}\r\n\r\n"
            + data[first:last + 1].decode("latin-1") for first, last in spans)
        wanted += f"\r\n--{boundary}--\r\n"
        self.assertEqual(answer.status, 206)
        self.assertTrue(body == wanted.removeprefix("\r\n").encode("latin-1"))


class Renewal(TlsTest):
    def largest(self, parts: Parts) -> str:
        return max(parts.blobs, key=lambda digest: parts.blobs[digest])

    def test_a_download_survives_a_renewal_and_new_connections_see_it(self) -> None:
        digest = self.largest(make_image(self.hub, "library/big", "1", [24 * MIB]))
        old = self.connect()
        self.addCleanup(old.close)
        old.sendall(f"GET /v2/library/big/blobs/{digest} HTTP/1.1\r\nHost: {BOX}\r\n\r\n".encode())
        answer = http.client.HTTPResponse(old)
        answer.begin()
        body = hashlib.sha256(answer.read(MIB))  # the rest of the body is too large for all buffers

        renewed = self.authority.renew()
        wait_until(lambda: self.served() == renewed, "the new certificate", RENEWED)

        while piece := answer.read(256 << 10):
            body.update(piece)
        self.assertEqual(f"sha256:{body.hexdigest()}", digest)

    def test_sighup_loads_a_renewed_certificate(self) -> None:
        renewed = self.authority.renew()
        assert self.layby.process
        self.layby.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.served() == renewed, "the new certificate", RENEWED)

    def test_a_broken_renewal_is_logged_and_keeps_the_old_certificate(self) -> None:
        old = self.authority.current()
        self.authority.certificate.write_text("garbage\n")
        wait_until(lambda: re.search(rf" error .*{self.authority.certificate}.*stays in force",
                                     self.layby.log()), "the error in the log", RENEWED)
        self.assertEqual(self.served(), old)

        mended = self.authority.renew()
        wait_until(lambda: self.served() == mended, "the mended certificate", RENEWED)

    def test_half_a_renewal_keeps_the_old_pair_until_both_files_match(self) -> None:
        old = self.authority.current()
        certificate, key = self.authority.make()
        certificate.replace(self.authority.certificate)
        wait_until(lambda: str(self.authority.key) in self.layby.log(), "the error in the log", RENEWED)
        self.assertEqual(self.served(), old)

        key.replace(self.authority.key)
        wait_until(lambda: self.served() == self.authority.current(), "the whole pair", RENEWED)


class Sessions(TlsTest):
    def s_client(self, *options: str) -> subprocess.CompletedProcess[str]:
        """A handshake and one request, so that the tickets of TLS 1.3 are read too."""
        return run("openssl", "s_client", "-connect", f"{ADDRESS}:{self.port}", "-servername", BOX,
                   "-CAfile", str(self.authority.ca), "-verify_return_error", "-ign_eof", *options,
                   text=f"GET /healthz HTTP/1.1\r\nHost: {BOX}\r\nConnection: close\r\n\r\n")

    def test_sessions_are_resumed_across_a_renewal(self) -> None:
        for version in ("tls1_2", "tls1_3"):
            with self.subTest(version):
                kept = str(self.authority.home / version)
                first = self.s_client(f"-{version}", "-sess_out", kept)
                self.assertIn("\nNew, TLSv1", first.stdout, first.stderr)

                renewed = self.authority.renew()
                wait_until(lambda: self.served() == renewed, "the new certificate", RENEWED)

                before = self.counter("tls_resumptions")
                again = self.s_client(f"-{version}", "-sess_in", kept)
                self.assertIn("\nReused, TLSv1", again.stdout, again.stderr)
                self.assertIn("HTTP/1.1 200 OK", again.stdout)
                self.assertEqual(self.counter("tls_resumptions"), before + 1)

    def test_versions_before_tls_1_2_are_refused(self) -> None:
        done = self.s_client("-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("alert protocol version", done.stderr)
        self.assertNotIn("HTTP/1.1", done.stdout)


class WithoutAesInstructions(TlsTest):
    # Hides the instructions from OpenSSL: bit 57 of OPENSSL_ia32cap(3); OPENSSL_armcap names only NEON.
    HIDDEN = {"OPENSSL_ia32cap": "~0x200000000000000", "OPENSSL_armcap": "1"}

    def setUp(self) -> None:
        hidden = unittest.mock.patch.dict(os.environ, self.HIDDEN)
        hidden.start()
        self.addCleanup(hidden.stop)
        super().setUp()

    def test_a_client_that_lists_aes_first_gets_chacha20(self) -> None:
        self.assertIn("AES", self.trusting.get_ciphers()[0]["name"])
        with self.connect() as connection:
            self.assertEqual((connection.cipher() or ("",))[0], "TLS_CHACHA20_POLY1305_SHA256")


class Start(TlsTest):
    """How `layby serve` reports files that it can't use."""

    def refusal(self, **tls: str) -> str:
        home = self.authority.home
        path = home / "layby.json"
        path.write_text(json.dumps({"listen": "127.0.0.1:0", "data_dir": str(home / "data"),
                                    "socket": str(home / "layby.sock"),
                                    "tls": {"listen": "127.0.0.1:0", **tls}}))
        done = layby_command("serve", "--config", str(path))
        self.assertNotEqual(done.returncode, 0)
        return done.stderr

    def test_a_missing_key_and_a_missing_certificate_are_reported_together(self) -> None:
        said = self.refusal(certificate_file="/nowhere/layby.crt", key_file="/nowhere/layby.key")
        for name in ("layby.crt", "layby.key"):
            self.assertRegex(said, f"/nowhere/{name}.*create the file")

    def test_a_missing_key_file_setting_is_reported_with_other_faults(self) -> None:
        said = self.refusal(certificate_file=str(self.authority.certificate), liste="127.0.0.1:0")
        self.assertIn("tls.key_file: is missing; write", said)
        self.assertIn("tls.liste: is not a key", said)

    def test_a_key_of_another_certificate_is_reported(self) -> None:
        _, other = self.authority.make()
        said = self.refusal(**{**self.tls_files(), "key_file": str(other)})
        self.assertRegex(said, f"can't use the key in {other} .*; give a PEM file")


if __name__ == "__main__":
    if inside := os.environ.get(INSIDE):
        furnish_namespaces(inside)
        unittest.main(verbosity=2)
    images_folder()  # builds the images now, because the namespace has no network to fetch packages
    with tempfile.TemporaryDirectory(prefix="layby-etc-") as folder:
        sys.exit(subprocess.call(["unshare", "--net", "--mount", sys.executable, *sys.argv],
                                 env={**os.environ, INSIDE: folder}, preexec_fn=end_with_parent))
