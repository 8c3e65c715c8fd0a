"""What `send` is made of: messages cut out of files, numbered anew, and sent over TLS."""

from __future__ import annotations

import pytest
from cli_samples import MESSAGE, Certificates, Peer, framed, reply_to, run
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.cli.mllp_client import header_field, renumber, split_messages, wants_no_reply


def accept(block, _number):
    return framed(reply_to(block))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.hl7"
    path.write_text(MESSAGE.format("C1") + MESSAGE.format("C2"), newline="")
    return path


def test_messages_are_sent_over_tls_with_both_sides_known(tmp_path, file):
    """Our own certificate is shown to a peer that asks."""
    authority = Certificates(tmp_path)
    certificate, key = authority.issue("client")
    with Peer(accept, authority.server_context(ask=True)) as peer:
        result = run("send", peer.address, file, "--tls", "--ca", authority.ca, "--cert", certificate, "--key", key)
    assert result.exit_code == 0, result.stderr
    assert len(peer.blocks) == 2


def test_a_peer_that_no_authority_vouches_for_is_sent_nothing(tmp_path, file):
    """One line, and why."""
    (tmp_path / "x").mkdir()
    with Peer(accept, Certificates(tmp_path / "x").server_context()) as peer:
        result = run("send", peer.address, file, "--tls", "--ca", Certificates(tmp_path).ca)
    assert result.exit_code == 1
    assert result.stderr.startswith("hl7bridge: no TLS with 127.0.0.1 port ")
    assert "certificate" in result.stderr
    assert not peer.blocks


def test_certificates_that_cannot_be_used_are_one_line(tmp_path, file):
    """A file that is none; a key that is another's."""
    authority = Certificates(tmp_path)
    certificate, _ = authority.issue("one")
    _, key = authority.issue("two")
    junk = run("send", "127.0.0.1:1", file, "--tls", "--ca", file)
    pair = run("send", "127.0.0.1:1", file, "--tls", "--ca", authority.ca, "--cert", certificate, "--key", key)
    for result in (junk, pair):
        assert result.exit_code == 1
        assert result.stderr.startswith("hl7bridge: cannot use these certificates: ")
        assert result.stderr.count("\n") == 1


IDS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="|^~\\&\r\n"), max_size=20)


@given(ids=st.lists(IDS, max_size=5), end=st.sampled_from(["\r", "\n", "\r\n"]))
def test_a_file_is_split_into_the_messages_it_was_made_of(ids, end):
    """In order, whatever its line ends."""
    messages = [MESSAGE.format(each).encode() for each in ids]
    text = b"".join(messages).replace(b"\r", end.encode())
    assert split_messages(text) == messages
    assert [header_field(each, 10).decode() for each in messages] == ids


@given(IDS, IDS)
def test_a_message_gets_another_control_id_and_nothing_else_changes(old, new):
    """Also where MSH was too short to have one."""
    assert renumber(MESSAGE.format(old).encode(), new) == MESSAGE.format(new).encode()
    assert renumber(b"MSH|^~\\&|EHR\rPID|1\r", new) == b"MSH|^~\\&|EHR|||||||" + new.encode() + b"\rPID|1\r"


def test_only_a_message_that_says_never_twice_wants_no_reply():
    """Original mode leaves both fields empty."""
    assert not wants_no_reply(MESSAGE.encode())
    assert not wants_no_reply(b"MSH|^~\\&|||||||||||||NE|AL\r")
    assert wants_no_reply(b"MSH|^~\\&|||||||||||||NE|NE\r")
    assert header_field(b"MSH|^~\\&", 10) == b""
