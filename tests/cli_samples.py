"""Folders, certificates and MLLP peers for the tests of the commands."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import threading
from pathlib import Path

from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hl7bridge.cli.main import main
from hl7bridge.wire.mllp import Block, Decoder

MESSAGE = "MSH|^~\\&|EHR|NORTHGATE|||20260115103000||ADT^A08|{}|P|2.5.1\rPID|1||100234^^^HOSP^MR||TESTPATIENT^AURELIA\r"


def run(*arguments, **options):
    """Run a command as the shell would, in this process."""
    return CliRunner().invoke(main, [str(each) for each in arguments], catch_exceptions=False, **options)


def init_folder(folder):
    """Write a configuration into a folder and return its file."""
    result = run("init", folder)
    assert result.exit_code == 0, result.stderr
    return folder / "hl7bridge.toml"


def reply_to(block, code="AA", text="", control_id=None):
    """Return an acknowledgement of a block."""
    asked = block.split(b"\r")[0].split(b"|")[9].decode()
    answered = asked if control_id is None else control_id
    return f"MSH|^~\\&|||||20260115||ACK|R{asked}|P|2.5.1\rMSA|{code}|{answered}|{text}\r".encode()


def framed(payload):
    """Return a block as it is sent."""
    return b"\x0b" + payload + b"\x1c\r"


class Peer:
    """An MLLP port whose answers a test chooses: ``answer(block, number)`` returns bytes, or None to close."""

    def __init__(self, answer, context=None):
        self.answer = answer
        self.blocks = []
        self.connections = 0
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        # Closing a socket does not wake a thread that accepts on it; a last connection does.
        with contextlib.suppress(OSError), socket.create_connection(self._listener.getsockname(), 5) as last:
            last.sendall(b"\x00stop")
        self._thread.join(10)
        self._listener.close()

    def _serve(self):
        while True:
            connection, _ = self._listener.accept()
            with connection:
                if connection.recv(5, socket.MSG_PEEK) == b"\x00stop":
                    return
                self.connections += 1
                with contextlib.suppress(OSError):
                    self._talk(connection)

    def _talk(self, connection):
        if self._context:
            connection = self._context.wrap_socket(connection, server_side=True)
        decoder = Decoder()
        with connection:
            while data := connection.recv(65536):
                for event in decoder.feed(data):
                    assert isinstance(event, Block)
                    self.blocks.append(event.data)
                    answer = self.answer(event.data, len(self.blocks))
                    if answer is None:
                        return
                    connection.sendall(answer)


class Certificates:
    """An invented authority and certificates that it signed, as PEM files in a folder."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Invented Authority")])
        self.ca = self._write("ca.pem", self._sign(self._name, self._key, is_authority=True))

    def issue(self, name, *, days=(-1, 90), password=None):
        """Return the files of a new certificate for 127.0.0.1 and its key; ``days`` from now it begins and ends."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._write(f"{name}.pem", self._sign(subject, key, days=days))
        return certificate, self.write_key(f"{name}.key", key, password=password)

    def write_key(self, file, key, *, password=None, mode=0o600):
        """Write a private key and return its file."""
        lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        path = self.folder / file
        path.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock),
        )
        path.chmod(mode)
        return path

    def server_context(self, name="server", *, ask=False):
        """Return a TLS context for a peer; with ``ask`` it wants a certificate of the same authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue(name))
        if ask:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.ca)
        return context

    def _sign(self, subject, key, *, days=(-1, 90), is_authority=False):
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + dt.timedelta(days=days[0]))
            .not_valid_after(now + dt.timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    content_commitment=False,
                    key_encipherment=False,
                    data_encipherment=False,
                    key_agreement=False,
                    key_cert_sign=is_authority,
                    crl_sign=is_authority,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
        )
        if not is_authority:
            names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def _write(self, file, certificate):
        path = self.folder / file
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return path
