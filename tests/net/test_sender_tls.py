"""Payments go to the right EHR over TLS, and not a byte to the wrong one."""

from __future__ import annotations

import socket
import ssl

import pytest
import trustme
from payment_samples import statuses
from sender_bridge import SILENCE, SLOW, free_port, tls_files
from sinks import Sink

from hl7bridge.net.partner import ClientTls


def server_context(certificate, client_authority=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    if client_authority is not None:
        client_authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_payments_go_over_tls_with_certificates_on_both_sides(bridge, host):
    """The EHR's certificate names its host, ours comes with its chain."""
    authority = trustme.CA()
    client_authority = trustme.CA()
    client = client_authority.create_child_ca().issue_cert("hl7bridge.test")
    bridge.queue("A1")
    context = server_context(authority.issue_cert(host), client_authority)
    with Sink(tls=context) as sink:
        bridge.start(sink.port, host=host, tls=tls_files(bridge, authority, client=client))
        bridge.wait_for_statuses("accepted")
    assert len(sink.received) == 1


def test_an_ehr_that_refuses_our_certificate_gets_nothing_and_nothing_is_unknown(bridge):
    """TLS 1.3 lets us write before it says so; what was written was never decrypted."""
    authority = trustme.CA()
    client = trustme.CA().issue_cert("hl7bridge.test")
    bridge.queue("A1")
    context = server_context(authority.issue_cert("127.0.0.1"), trustme.CA())
    with Sink(tls=context) as sink:
        bridge.start(sink.port, tls=tls_files(bridge, authority, client=client), retry=SLOW)
        bridge.wait_for(lambda: bridge.rows()[0]["last_error"] != "")
    assert (statuses(bridge.store), sink.received) == ([("queued", "queued")], [])
    assert "alert" in bridge.rows()[0]["last_error"]
    assert bridge.rows()[0]["attempts"] == 0


def test_an_ehr_with_a_certificate_for_another_host_gets_nothing(bridge):
    """Not a byte of the message, and no attempt."""
    authority = trustme.CA()
    bridge.queue("A1")
    with Sink(tls=server_context(authority.issue_cert("elsewhere.test"))) as sink:
        bridge.start(sink.port, tls=tls_files(bridge, authority))
        bridge.wait_for(lambda: bridge.rows()[0]["last_error"] != "")
    assert bridge.rows()[0]["last_error"].startswith("TLS: ")
    assert (statuses(bridge.store), sink.received) == ([("queued", "queued")], [])


def test_an_ehr_with_a_certificate_of_another_authority_gets_nothing(bridge):
    """Only the configured authority counts, not the machine's."""
    bridge.queue("A1")
    with Sink(tls=server_context(trustme.CA().issue_cert("127.0.0.1"))) as sink:
        bridge.start(sink.port, tls=tls_files(bridge, trustme.CA()))
        bridge.wait_for(lambda: bridge.rows()[0]["last_error"] != "")
    assert "certificate verify failed" in bridge.rows()[0]["last_error"]
    assert sink.received == []


def test_an_ehr_that_does_not_finish_the_handshake_gets_nothing(bridge):
    """The connection is given up after its time."""
    bridge.queue("A1")
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        bridge.start(port, tls=tls_files(bridge, trustme.CA()), connect_timeout=SILENCE, retry=SLOW)
        bridge.wait_for(lambda: bridge.rows()[0]["last_error"] != "")
    assert bridge.rows()[0]["last_error"] == "no connection in time"
    assert statuses(bridge.store) == [("queued", "queued")]


def test_a_certificate_file_that_is_gone_is_named(bridge):
    """And tried again at the next connection."""
    bridge.queue("A1")
    bridge.start(free_port(), tls=ClientTls(bridge.store.path.parent / "gone.pem"))
    bridge.wait_for(lambda: bridge.rows()[0]["last_error"] != "")
    assert bridge.rows()[0]["last_error"].startswith("TLS: cannot read ")
