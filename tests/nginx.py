"""nginx in front of real processes, with the files of deploy/nginx/ as they are.

Only ports, paths and names differ: each of the replacements below has to find its text, so that a
changed file cannot leave a test behind.
"""

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.servers import ROOT, free_port

FILES = ROOT / "deploy/nginx"
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def binary() -> str | None:
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def nginx_or_skip() -> None:
    """Skip with a reason where nginx cannot be had; on CI it has to be there."""
    if binary() is None:
        reason = "no nginx on this machine: tests of deploy/nginx/ need it (scripts/nginx.sh)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


class Nginx:
    """One nginx on two ports of its own: `port` speaks TLS, `plain_port` only leads there."""

    def __init__(self, directory: Path, static: Path) -> None:
        self.directory = directory
        self.static = static
        self.port, self.plain_port = free_port(), free_port()
        self.origin = f"https://localhost:{self.port}"
        self.log_file = directory / "nginx.log"
        self.process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)
        _make_certificate(directory)
        self.trust = ssl.create_default_context(cafile=directory / "certificate.pem")

    def render(self, ports: Iterable[int]) -> None:
        """Write the configuration for processes on these ports."""
        shutil.rmtree(self.directory / "klikvoor", ignore_errors=True)
        shutil.copytree(FILES / "klikvoor", self.directory / "klikvoor")
        shutil.copytree(FILES / "away", self.directory / "klikvoor/away")
        own = {"/etc/nginx/klikvoor/": f"{self.directory}/klikvoor/"}
        temporary = "".join(
            f"{kind}_temp_path {self.directory}/temporary/{kind};\n" for kind in TEMPORARY
        )
        (self.directory / "temporary").mkdir(exist_ok=True)
        self._write(
            "nginx.conf",
            {
                "pid /run/nginx.pid": f"pid {self.directory}/nginx.pid",
                "/etc/nginx/conf.d/klikvoor.conf": f"{self.directory}/klikvoor.conf",
                "http {\n": "http {\n" + temporary,
            },
        )
        self._write(
            "klikvoor.conf",
            own
            | {
                # Not every machine has IPv6.
                "    listen [::]:80 default_server;\n": "",
                "    listen [::]:443 ssl http2 default_server;\n": "",
                "    listen [::]:80;\n": "",
                "    listen [::]:443 ssl http2;\n": "",
                "listen 80": f"listen 127.0.0.1:{self.plain_port}",
                "listen 443": f"listen 127.0.0.1:{self.port}",
                "/var/lib/klikvoor/static/": f"{self.static}/",
            },
        )
        self._write("klikvoor/names.conf", {"chat.klikvoor.example": "localhost"})
        certificate = "/etc/letsencrypt/live/chat.klikvoor.example"
        self._write(
            "klikvoor/tls.conf",
            {
                f"{certificate}/fullchain.pem": f"{self.directory}/certificate.pem",
                f"{certificate}/privkey.pem": f"{self.directory}/key.pem",
            },
        )
        processes = (FILES / "klikvoor/processes.conf").read_text()
        line = re.search(r"^server 127\.0\.0\.1:8001 .*;$", processes, re.MULTILINE)
        assert line is not None
        lines = [line[0].replace(":8001 ", f":{port} ") for port in ports]
        (self.directory / "klikvoor/processes.conf").write_text("\n".join(lines) + "\n")

    def _write(self, name: str, replacements: dict[str, str]) -> None:
        text = (FILES / name).read_text()
        for old, new in replacements.items():
            assert old in text, f"{name} does not hold {old!r} any more"
            text = text.replace(old, new)
        (self.directory / name).write_text(text)

    # --- Life -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Start, and return once it takes connections."""
        path = binary()
        assert path is not None
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [path, "-p", self.directory, "-c", self.directory / "nginx.conf"]
                + ["-g", "daemon off;"],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + 10
        while not self._takes_connections():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"nginx did not start\n{self.log()}")
            time.sleep(0.02)

    def _takes_connections(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True
        except OSError:
            return False

    def reload(self) -> None:
        """Read the configuration again; open windows stay with the old workers."""
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        """End it at once, workers too; every window loses its line at this moment."""
        if self.process is not None:
            # SIGTERM is what nginx calls a fast shutdown: nobody is waited for.
            self.process.terminate()
            try:
                self.process.wait(10)
            finally:
                self.process.kill()
            self.process = None

    def log(self) -> str:
        """Return everything that it wrote so far."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""


def _make_certificate(directory: Path) -> None:
    """Write a certificate for localhost that signs itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (directory / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    (directory / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
