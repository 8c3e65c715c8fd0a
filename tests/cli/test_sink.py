"""The sink answers as it is told, shows what came without a patient's value, and keeps it byte for byte."""

from __future__ import annotations

import contextlib

import pytest
from cli_samples import run
from listening import Sender, wait_until
from sink_process import RunningSink
from tls_files import sender_context, write_tls

from hl7bridge.cli.sink import BEHAVIOURS
from hl7bridge.net.sink import MEANINGS, Behaviour

PAYMENT = (
    b"MSH|^~\\&|HL7BRIDGE||EHR||20260115103000||DFT^P03|%b|P|2.5.1\rPID|1||TMRN1||TESTPATIENT^AURELIA\r"
    b"FT1|1|T%b|B1|20260114|20260115|PY|C\r"
)


def payment(control_id=b"HB1"):
    return PAYMENT % (control_id, control_id)


def codes_of(replies):
    return [tuple(reply.split(b"\rMSA|")[1].split(b"\r")[0].split(b"|")[:2]) for reply in replies]


def what_is_left(socket):
    """Return what comes until the other side closes or resets."""
    came = b""
    with contextlib.suppress(ConnectionResetError):
        while data := socket.recv(4096):
            came += data
    return came


def test_the_help_and_the_sink_know_the_same_behaviours():
    """Each has a meaning for people."""
    assert tuple(map(str, Behaviour)) == BEHAVIOURS
    assert set(MEANINGS) == set(Behaviour)


def test_a_script_is_followed_and_its_last_word_stays(tmp_path):
    """AE, AR, another's id, then AA for all that follow; what came is kept and counted, and nobody is named."""
    with RunningSink(tmp_path, "refuse", "reject", "wrong-then-right", "accept") as sink, Sender(sink.port) as sender:
        replies = [*sender.ask(payment(b"HB1")), *sender.ask(payment(b"HB2"))]
        sender.send(payment(b"HB3"))
        replies += sender.replies(2)
        replies += sender.ask(payment(b"HB3"), payment(b"HB4"))
        assert codes_of(replies) == [
            *((b"AE", b"HB1"), (b"AR", b"HB2"), (b"AA", b"SOMEBODY-ELSES-1"), (b"AA", b"HB3")),
            *((b"AA", b"HB3"), (b"AA", b"HB4")),
        ]
        wait_until(lambda: len(sink.messages) == 5)
        counts = sink.stop()
    assert [each["repeat"] for each in sink.messages] == [False, False, False, True, False]
    assert sink.messages[0]["transactions"] == ["THB1"]
    assert counts == {"event": "ended", "messages": 5, "repeats": 1, "transactions": 4, "transactions_changed": 0}
    assert [path.read_bytes() for path in sorted(sink.saved.iterdir())][1] == payment(b"HB2")
    assert (sink.saved / "000001.hl7").stat().st_mode & 0o777 == 0o600
    assert "TESTPATIENT" not in str(sink.events)


@pytest.mark.parametrize("behaviour", ["close-after-read", "reset", "half-and-close"])
def test_a_connection_is_closed_without_an_answer(tmp_path, behaviour):
    """And the next is served."""
    with RunningSink(tmp_path, behaviour, "accept") as sink:
        with Sender(sink.port) as sender:
            sender.send(payment())
            assert b"\x1c" not in what_is_left(sender.socket)
        with Sender(sink.port) as sender:
            assert codes_of(sender.ask(payment())) == [(b"AA", b"HB1")]
        wait_until(lambda: len(sink.messages) == 2)


@pytest.mark.parametrize(("behaviour", "order"), [("late", [b"HB2", b"HB1"]), ("delay", [b"HB1", b"HB2"])])
def test_a_late_answer_lets_others_pass_and_a_delay_does_not(tmp_path, behaviour, order):
    """Both come in the end."""
    with (
        RunningSink(tmp_path, behaviour, "accept", options=("--delay", "0.3")) as sink,
        Sender(sink.port) as sender,
    ):
        sender.send(payment(b"HB1"), payment(b"HB2"))
        assert [control_id for _, control_id in codes_of(sender.replies(2))] == order


@pytest.mark.parametrize(
    ("behaviour", "begins"),
    [("garbage", b"\x0b<html>"), ("unframed", b"MSH|"), ("half", b"\x0bMSH|"), ("oversize", b"\x0bMSH|")],
)
def test_what_is_no_answer_comes_as_such(tmp_path, behaviour, begins):
    """Bytes, but no acknowledgement."""
    with RunningSink(tmp_path, behaviour) as sink, Sender(sink.port) as sender:
        sender.send(payment())
        assert sender.socket.recv(100).startswith(begins)


def test_silence_is_kept_and_the_sink_ends_after_its_count(tmp_path):
    """Nothing is written; after the last message it says what came and exits."""
    with RunningSink(tmp_path, "silent", "accept", options=("--count", "2")) as sink, Sender(sink.port) as sender:
        sender.send(payment(b"HB1"))
        assert codes_of(sender.ask(payment(b"HB2"))) == [(b"AA", b"HB2")]
        wait_until(lambda: sink.events[-1]["event"] == "ended")
        assert sink.process.wait(20) == 0


def test_with_a_certificate_it_answers_over_tls_and_plain_bytes_are_nobody(tmp_path):
    """A sender that checks the certificate is answered; one that does not encrypt gets no acknowledgement."""
    tls = write_tls(tmp_path, client_ca=None)
    options = ("--certificate", str(tls.certificate), "--key", str(tls.key))
    with RunningSink(tmp_path, options=options) as sink:
        with Sender(sink.port, tls=sender_context()) as sender:
            assert codes_of(sender.ask(payment())) == [(b"AA", b"HB1")]
        with Sender(sink.port) as sender:
            sender.send(payment(b"HB2"))
            assert b"MSA" not in what_is_left(sender.socket)
        assert [each["control_id"] for each in sink.messages] == ["HB1"]


@pytest.mark.parametrize(
    ("options", "said"),
    [(("--bind", "0.0.0.0:0"), "unencrypted"), (("--certificate", __file__), "go together")],
)
def test_what_would_be_unsafe_or_makes_no_sense_is_refused(options, said):
    """Before anything listens."""
    result = run("sink", *options)
    assert result.exit_code == 1
    assert said in result.stderr
