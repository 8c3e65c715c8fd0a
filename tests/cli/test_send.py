"""`send`: messages in files reach an MLLP port one at a time, and each reply is held against its message."""

from __future__ import annotations

import json
import socket
import sys
import threading

import pytest
from cli_samples import MESSAGE, Peer, framed, reply_to, run

from hl7bridge.cli.mllp_client import header_field


def accept(block, _number):
    return framed(reply_to(block))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.hl7"
    path.write_text(MESSAGE.format("C1") + MESSAGE.format("C2"), newline="")
    return path


def test_each_message_of_a_file_is_sent_and_its_reply_printed(file):
    """A line a reply: file, control id, code; how it went in all on stderr."""
    with Peer(accept) as peer:
        result = run("send", peer.address, file)
    assert result.exit_code == 0
    assert result.stdout == f"{file}: C1  AA\n{file}: C2  AA\n"
    assert result.stderr.startswith("2 sent, 2 accepted, ")
    assert peer.blocks == [MESSAGE.format("C1").encode(), MESSAGE.format("C2").encode()]
    assert peer.connections == 1


def test_files_in_any_line_ends_and_stdin_are_sent_with_segments_ended_by_cr(tmp_path):
    """As people keep them, or as they were captured from the wire."""
    files = []
    for name, text in {
        "unix": MESSAGE.format("C1").replace("\r", "\n"),
        "windows": MESSAGE.format("C2").replace("\r", "\r\n"),
        "wire": "\x0b" + MESSAGE.format("C3") + "\x1c\r",
        "no-end": "\ufeff" + MESSAGE.format("C4").rstrip("\r"),
        "batch": "FHS|^~\\&\rBHS|^~\\&\r" + MESSAGE.format("C5") + "BTS|1\rFTS|1\r",
    }.items():
        files.append(tmp_path / name)
        files[-1].write_text(text, newline="", encoding="utf-8")
    with Peer(accept) as peer:
        result = run("send", peer.address, *files, "-", input=MESSAGE.format("C6"))
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "-: C6  AA"
    assert peer.blocks == [MESSAGE.format(f"C{number}").encode() for number in range(1, 7)]


def test_a_reply_that_is_not_aa_or_ca_is_shown_with_its_text_and_exit_1(file):
    """The others are sent all the same."""

    def answer(block, number):
        return framed(reply_to(block, "AE", "PID-3 is required") if number == 1 else reply_to(block, "CA"))

    with Peer(answer) as peer:
        result = run("send", peer.address, file)
    assert result.exit_code == 1
    assert result.stdout == f"{file}: C1  AE  PID-3 is required\n{file}: C2  CA\n"
    assert result.stderr.startswith("2 sent, 1 accepted, ")


@pytest.mark.parametrize(
    ("err", "text"),
    [
        ("ERR||PID^1^3|101|E||||say who it is", "say who it is"),
        ("ERR||PID^1^3|101|E|||no PID-3", "no PID-3"),
        ("ERR|", ""),
    ],
)
def test_the_text_of_a_refusal_may_stand_in_err(file, err, text):
    """ERR-8, for people, before ERR-7."""

    def answer(block, _number):
        return framed(reply_to(block, "AR") + f"{err}\r".encode())

    with Peer(answer) as peer:
        result = run("send", peer.address, file)
    assert result.stdout.splitlines()[0] == f"{file}: C1  AR  {text}".rstrip()


def test_a_reply_for_another_message_is_no_reply(file):
    """MSA-2 must be the MSH-10 that was sent."""
    with Peer(lambda block, _number: framed(reply_to(block, control_id="C9"))) as peer:
        result = run("send", peer.address, file)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0] == f'{file}: C1  AA  the reply is for control id "C9"'


def test_replies_can_be_had_as_json(file):
    """One object a line, nothing else on stdout or stderr."""
    with Peer(accept) as peer:
        result = run("send", peer.address, file, "--json")
    assert result.stderr == ""
    first, second = map(json.loads, result.stdout.splitlines())
    assert first.pop("milliseconds") >= 0
    assert first == {
        "file": str(file),
        "control_id": "C1",
        "ack_code": "AA",
        "text": "",
        "problem": "",
        "accepted": True,
    }
    assert second["control_id"] == "C2"


def test_repeated_messages_have_control_ids_of_their_own(file):
    """Otherwise they would be duplicates; 20 characters at most. At a rate if one is asked for."""
    with Peer(accept) as peer:
        result = run("send", peer.address, file, "--count", 3, "--rate", 1000)
    assert result.exit_code == 0
    ids = [header_field(block, 10) for block in peer.blocks]
    assert len(set(ids)) == 6
    assert max(map(len, ids)) <= 20
    assert [block.replace(each, b"C1") for block, each in zip(peer.blocks, ids, strict=True)] == [
        MESSAGE.format("C1").encode()
    ] * 6


def test_a_reply_split_into_bytes_and_one_without_its_last_cr_are_read_whole(file):
    """However TCP cuts them; the connection is closed after the second."""

    class Dripping(Peer):
        def _talk(self, connection):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for ending in (b"\x1c\r", b"\x1c"):
                block = connection.recv(65536)[1:-2]
                for byte in b"\x0b" + reply_to(block, text="split") + ending:
                    connection.sendall(bytes([byte]))

    with Dripping(None) as peer:
        result = run("send", peer.address, file)
    assert (result.exit_code, result.stdout) == (0, f"{file}: C1  AA  split\n{file}: C2  AA  split\n")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "no reply: the connection was closed"),
        (b"MSH|^~\\&|\rMSA|AA|C1\r", "no reply: it was not in an MLLP block"),
        (framed(b"hello"), "the reply cannot be read: MSH: a message must begin with MSH"),
        (framed(b"MSH|^~\\&|\r"), ""),
    ],
)
def test_a_reply_that_is_none_is_told(file, answer, said):
    """The next message goes on a connection of its own."""

    class Odd(Peer):
        def _talk(self, connection):
            connection.recv(65536)
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)

    with Odd(None) as peer:
        result = run("send", peer.address, file, "--json")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert [row["accepted"] for row in rows] == [False, False]
    assert rows[0]["problem"] == said or not said


def test_a_late_reply_is_not_taken_for_the_reply_to_the_next_message(file):
    """What did not answer in time is left, and a new connection made."""
    late = threading.Event()

    def answer(block, number):
        if number == 1:
            late.wait(10)
        return framed(reply_to(block))

    class Parallel(Peer):
        def _talk(self, connection):
            threading.Thread(target=super()._talk, args=(connection.dup(),)).start()

    with Parallel(answer) as peer:
        result = run("send", peer.address, file, "--timeout", 0.2)
        late.set()
    assert result.exit_code == 1
    assert result.stdout == f"{file}: C1  --  no reply in time\n{file}: C2  AA\n"


def test_a_message_that_asks_for_no_reply_gets_none_and_is_not_waited_for(tmp_path):
    """MSH-15 and MSH-16 NE."""
    file = tmp_path / "a.hl7"
    file.write_text(MESSAGE.format("C1").replace("|2.5.1", "|2.5.1|||NE|NE"), newline="")
    received = threading.Event()
    with Peer(lambda _block, _number: received.set() or b"") as peer:
        result = run("send", peer.address, file)
        assert received.wait(10)
    assert (result.exit_code, result.stdout) == (0, f"{file}: C1  --\n")


def test_a_port_where_nobody_listens_is_one_line(file):
    """Exit 1."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    result = run("send", f"127.0.0.1:{port}", file)
    assert result.exit_code == 1
    assert result.stderr == f"hl7bridge: cannot connect to 127.0.0.1 port {port}: Connection refused\n"


def test_a_file_without_a_message_is_one_line_and_nothing_is_sent(tmp_path, file):
    """Also when another file has one."""
    empty = tmp_path / "empty.hl7"
    empty.write_text("nothing MSH| here")
    with Peer(accept) as peer:
        result = run("send", peer.address, file, empty)
        missing = run("send", peer.address, tmp_path / "none.hl7")
    assert result.exit_code == 1
    assert "empty.hl7: no message here; a message begins with MSH" in result.stderr
    assert "none.hl7: cannot read: No such file" in missing.stderr
    assert not peer.blocks


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere", "a"], "not an address with a port"),
        (["10.0.0.1:0", "a"], "ports are 1 to 65535"),
        (["a-:70000", "a"], "not a"),
        (["10.0.0.1:2575", "a"], "off this machine use --tls, or say --plaintext-off-loopback"),
        (["127.0.0.1:2575"], "Missing argument 'FILE...'"),
        (["127.0.0.1:2575", "a", "--ca", __file__], "--ca, --cert and --key need --tls"),
        (["127.0.0.1:2575", "a", "--tls", "--key", __file__], "--key needs --cert"),
        (["127.0.0.1:2575", "a", "--count", "0"], "0 is not in the range"),
        (["127.0.0.1:2575", "a", "--rate", "0"], "0.0 is not in the range"),
    ],
)
def test_wrong_use_is_told_and_exits_2(arguments, said):
    """Plaintext to another machine is asked for in words, or not sent."""
    result = run("send", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_on_a_terminal_a_bar_shows_how_far_it_is(file, monkeypatch):
    """Lines stay lines."""
    import rich.console

    from hl7bridge.cli import send

    class Terminal(list):
        def isatty(self):
            return True

    screen = rich.console.Console(force_terminal=True, width=100, record=True, color_system=None)
    monkeypatch.setattr(send, "table_console", lambda: screen)
    monkeypatch.setattr(send, "sys", type("Fake", (), {"stdout": Terminal()}))
    with Peer(accept) as peer:
        result = run("send", peer.address, file)
    assert result.exit_code == 0
    text = screen.export_text()
    assert "C1  AA" in text
    assert "sending" in text
    assert sys.stdout
