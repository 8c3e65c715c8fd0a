"""A reply is believed only when it answers the message that was sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.delivery.policy import OUTCOMES
from hl7bridge.delivery.verdict import EVENTS, Outcome, judge_reply

MSH = b"MSH|^~\\&|EHR|HOSP|HL7BRIDGE||20260115163001||ACK^P03|R1|P|2.5.1"


def judge(data, control_id):
    return judge_reply(data, control_id, OUTCOMES)[0]


def reply(*segments, msh=MSH):
    return b"\r".join([msh, *segments]) + b"\r"


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("AA", Outcome.ACCEPTED),
        ("CA", Outcome.ACCEPTED),
        ("AE", Outcome.HELD),
        ("CE", Outcome.HELD),
        ("AR", Outcome.RETRY),
        ("CR", Outcome.RETRY),
        ("aa", Outcome.UNKNOWN),
        ("OK", Outcome.UNKNOWN),
        ("", Outcome.UNKNOWN),
    ],
)
def test_each_code_of_table_0008(code, outcome):
    """Accepted, held, retried; nothing else is an answer."""
    assert judge(reply(f"MSA|{code}|HB1".encode()), "HB1").outcome is outcome


@pytest.mark.parametrize("other", [b"HB2", b"", b"HB1 ", b"hb1", b'""'])
def test_a_reply_to_another_message_is_not_ours(other):
    """MSA-2 is MSH-10, character for character."""
    assert judge(reply(b"MSA|AA|" + other), "HB1").outcome is Outcome.NOT_OURS


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\xff",
        b"MSA|AA|HB1\r",
        b"MSH",
        b"MSH|",
        b"<html>",
        reply(),
        reply(MSH, b"MSA|AA|HB1"),
        b"BHS|^~\\&|\r",
    ],
)
def test_what_is_no_acknowledgement_is_unknown(data):
    """It is never taken for a yes."""
    assert judge(data, "HB1").outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_line_ends_and_character_sets_do_not_matter(end):
    """A reply in a character set nobody knows still says AA."""
    msh = MSH + b"||||||KLINGON"
    data = end.join([b"", msh, b"MSA|AA|HB1|\xff\xfe gr\xfc\xdfe", b"ZZZ|1", b""])
    assert judge(data, "HB1") == (Outcome.ACCEPTED, "")


@pytest.mark.parametrize(
    ("segments", "reason"),
    [
        ((b"MSA|AE|HB1",), "AE"),
        (
            (b"MSA|AE|HB1", b"ERR||PID^1^3|204^Unknown key identifier^HL70357|E"),
            "AE 204 unknown key identifier at PID-3",
        ),
        ((b"MSA|AE|HB1", b"ERR|PID^1^18^101"), "AE 101 required field missing at PID-18"),
        ((b"MSA|AE|HB1", b"ERR|PID^1^^101"), "AE 101 required field missing at PID"),
        ((b"MSA|AE|HB1", b"ERR|PID^1^999^101"), "AE 101 required field missing at PID"),
        ((b"MSA|AE|HB1", b"ERR|DOE JANE^1^3^101"), "AE 101 required field missing"),
        ((b"MSA|AE|HB1||||207",), "AE 207 application internal error"),
        ((b"MSA|AE|HB1", b"ERR||PID^1^3|DOE^JANE|E"), "AE"),
        ((b"MSA|AE|HB1", b'ERR||""|""|E'), "AE"),
    ],
)
def test_the_reason_is_a_code_and_a_place(segments, reason):
    """From ERR in its new form, its old form, or MSA-6."""
    assert judge(reply(*segments), "HB1").reason == reason


def test_a_partners_free_text_is_not_kept():
    """MSA-3 and ERR-8 may name the patient."""
    data = reply(b"MSA|AE|HB1|TESTPATIENT AURELIA unknown", b"ERR||PID^1^5|204|E||||TESTPATIENT AURELIA")
    assert "TESTPATIENT" not in judge(data, "HB1").reason


def test_every_outcome_that_ends_an_attempt_is_an_event():
    """Only a reply to another message ends nothing."""
    assert set(Outcome) - set(EVENTS) == {Outcome.NOT_OURS}


@given(st.binary(max_size=300))
def test_no_bytes_are_taken_for_a_yes(data):
    """Unless they hold our control id."""
    assert judge(data, "HBA1B2000000000071").outcome in (Outcome.UNKNOWN, Outcome.NOT_OURS)


@given(st.binary(max_size=100), st.integers(0, 80))
def test_no_broken_acknowledgement_fails(data, at):
    """Bytes anywhere in it give a verdict."""
    whole = reply(b"MSA|AA|HB1", b"ERR|PID^1^18^101")
    assert judge(whole[:at] + data + whole[at:], "HB1").outcome in Outcome
