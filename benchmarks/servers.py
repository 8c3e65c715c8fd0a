"""The servers that are measured, each a process on a free port: the daemon as ``init`` sets it up, and the peer."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import IO, Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 30.0
_SHIPPED_PORT: Final = "127.0.0.1:2575"
_TLS: Final = 'tls = { certificate = "benchmark.crt", key = "benchmark.key" }'


class Server(NamedTuple):
    """A server that listens on a port of loopback; ``certificate`` is its own, when it speaks TLS."""

    name: str
    pid: int
    port: int
    certificate: Path | None = None


@contextmanager
def bridge(folder: Path, *, tls: bool = False) -> Iterator[Server]:
    """Run ``hl7bridge serve`` for the block: encrypted store in ``folder``, synchronous=FULL, the shipped settings."""
    program = [sys.executable, "-m", "hl7bridge"]
    subprocess.run([*program, "init", str(folder)], check=True, stdout=subprocess.DEVNULL)
    config = folder / "hl7bridge.toml"
    certificate = write_certificate(folder) if tls else None
    if certificate:
        text = config.read_text(encoding="utf-8").replace('name = "ehr"\nbind', f'name = "ehr"\n{_TLS}\nbind', 1)
        config.write_text(text, encoding="utf-8")
    with serve(config, "with TLS" if tls else "hl7bridge") as server:
        yield server._replace(certificate=certificate)


@contextmanager
def serve(config: Path, name: str = "hl7bridge") -> Iterator[Server]:
    """Run the daemon of a site for the block; its one listener takes the port that is free."""
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace(_SHIPPED_PORT, "127.0.0.1:0"), encoding="utf-8")
    command = [sys.executable, "-m", "hl7bridge", "serve", "--config", str(config)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    with _running(name, process, process.stderr, _listening_port) as server:
        yield server


def write_certificate(folder: Path) -> Path:
    """Write a key and a certificate for 127.0.0.1 that signs itself, and return the certificate's file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "benchmark")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate = folder / "benchmark.crt"
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    secret = folder / "benchmark.key"
    secret.touch(mode=0o600)
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate


@contextmanager
def peer() -> Iterator[Server]:
    """Run python-hl7's MLLP server for the block."""
    program = [sys.executable, "-m", "benchmarks.peer_server"]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
    with _running("python-hl7", process, process.stdout, _printed_port) as server:
        yield server


def _listening_port(line: str) -> int | None:
    if '"event": "listening"' not in line:
        return None
    port: int = json.loads(line)["port"]
    return port


def _printed_port(line: str) -> int | None:
    return int(line) if line.strip().isdigit() else None


@contextmanager
def _running(
    name: str, process: subprocess.Popen[str], output: IO[str] | None, port_in: Callable[[str], int | None]
) -> Iterator[Server]:
    """Wait until a line of ``output`` tells the port; read on all the while, so that the server never blocks on it."""
    if output is None:
        raise RuntimeError("the process was started without a pipe")
    found: SimpleQueue[int | None] = SimpleQueue()
    reader = Thread(target=_read_lines, args=(output, port_in, found))
    reader.start()
    try:
        port = found.get(timeout=START_SECONDS)
        if port is None:
            raise RuntimeError(f"{name} ended before it listened")
        yield Server(name, process.pid, port)
    except Empty:
        raise RuntimeError(f"{name} did not listen within {START_SECONDS:.0f} s") from None
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join()
        output.close()


def _read_lines(output: IO[str], port_in: Callable[[str], int | None], found: SimpleQueue[int | None]) -> None:
    """Read a server's output to its end; tell the port, or None when the server ends without having told one."""
    is_told = False
    for line in output:
        port = None if is_told else port_in(line)
        if port is not None:
            found.put(port)
            is_told = True
        elif not is_told:
            sys.stderr.write(line)
    if not is_told:
        found.put(None)
