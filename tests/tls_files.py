"""Invented authorities, the files of a listener that speaks TLS, and what its senders trust and show."""

from __future__ import annotations

import datetime as dt
import ssl
import warnings

import trustme

from hl7bridge.net.tls import ServerTls

OURS = trustme.CA()  # signed the listener's certificate
THEIRS = trustme.CA()  # signed the senders'
STRANGER = trustme.CA()
HOST = OURS.issue_cert("127.0.0.1")
SENDER = "ehr.hospital.example"  # the name on a sender's certificate


def write_pems(folder, **files):
    """Write PEM blobs into files and return their paths."""
    paths = {}
    for name, blobs in files.items():
        paths[name] = folder / f"{name}.pem"
        paths[name].write_bytes(b"".join(blob.bytes() for blob in blobs))
        paths[name].chmod(0o600)
    return paths


def write_tls(folder, host=HOST, client_ca=THEIRS):
    """Write a listener's certificate, key and the authority of its senders (None: it asks for no certificate)."""
    files = {"certificate": host.cert_chain_pems, "key": [host.private_key_pem]}
    if client_ca is not None:
        files["client_ca"] = [client_ca.cert_pem]
    return ServerTls(**write_pems(folder, **files))


def toml_of(tls, clients=""):
    """Return the line of the configuration that names these files."""
    named = [f'{name} = "{file}"' for name, file in tls._asdict().items() if file is not None]
    return f"tls = {{ {', '.join([*named, *([f'clients = {{ {clients} }}'] if clients else [])])} }}"


def sent_by(authority, name=SENDER, *, begins=None, ends=None):
    """Return a sender's certificate; it begins and ends so many days from now."""
    now = dt.datetime.now(dt.UTC)
    limits = {"not_before": begins, "not_after": ends}
    times = {key: now + dt.timedelta(days=days) for key, days in limits.items() if days is not None}
    return authority.issue_cert(name, **times)


def sender_context(shows=None, *, trusts=OURS, version=None, ciphers=None):
    """Return what a sender trusts and shows; ``version`` is the only one of TLS that it speaks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusts.configure_trust(context)
    if shows is not None:
        shows.configure_cert(context)
    if ciphers is not None:
        context.set_ciphers(ciphers)
    if version is not None:
        with warnings.catch_warnings():  # of versions that nobody should speak
            warnings.simplefilter("ignore", DeprecationWarning)
            context.maximum_version = version
            context.minimum_version = version
    return context
