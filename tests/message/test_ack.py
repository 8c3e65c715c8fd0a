"""What is answered to a message, in its own delimiters, version and character set."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import hl7
import pytest
from message_samples import DFT, NOW, adt

from hl7bridge.errors import (
    DATA_TYPE,
    DUPLICATE_KEY,
    INTERNAL_ERROR,
    UNKNOWN_KEY,
    UNSUPPORTED_EVENT,
    UNSUPPORTED_PROCESSING_ID,
    UNSUPPORTED_TYPE,
    UNSUPPORTED_VERSION,
    Location,
    MessageError,
)
from hl7bridge.message.ack import ACCEPTED, Acks, Outcome, build_acks, encode_time
from hl7bridge.message.header import read_header
from hl7bridge.message.parse import parse_message

VERSIONS = ["2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.1", "2.8.2"]
BAD_DATE = Outcome(MessageError(DATA_TYPE, Location("PID", 1, 7), "not a date of the form YYYYMMDD"))


def answer(data, outcome=ACCEPTED, **options):
    return build_acks(read_header(data), outcome, control_id="HB1", now=NOW, **options)


def segments(block):
    return [line.split("|") for line in block.decode().rstrip("\r").split("\r")]


def test_a_message_that_was_taken_is_answered_aa_with_its_control_id():
    acks = answer(DFT)
    assert acks.code == "AA"
    (block,) = acks.blocks
    assert block == (
        b"MSH|^~\\&|BILLING|NORTHGATE_FIN|ORMIS|NORTHGATE|20261121143015-0500||ACK^P03^ACK|HB1|P|2.5.1\r"
        b"MSA|AA|T000001\r"
    )


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("outcome", [ACCEPTED, BAD_DATE, Outcome(text="seen before")], ids=["AA", "AE", "text"])
def test_every_version_gets_an_answer_that_python_hl7_reads(version, outcome):
    data = adt(m9=b"ADT" if version < "2.2" else b"ADT^A01", m12=version.encode(), m10=b"C^1")
    acks = answer(data, outcome)
    reply = hl7.parse(acks.blocks[0].decode())
    assert str(reply.segment("MSH")[12]) == version
    assert str(reply.segment("MSA")[2]) == "C^1"
    assert str(reply.segment("MSA")[1]) == acks.code == ("AE" if outcome.error else "AA")
    kind = str(reply.segment("MSH")[9])
    assert kind == ("ACK" if version < "2.3" else "ACK^A01" if version < "2.5" else "ACK^A01^ACK")
    has_text = len(reply.segment("MSA")) > 3
    assert has_text == (version < "2.7" and outcome is not ACCEPTED)


@pytest.mark.parametrize("version", VERSIONS)
def test_err_has_the_form_of_the_version(version):
    err = segments(answer(adt(m12=version.encode()), BAD_DATE).blocks[0])[2]
    if version < "2.5":
        assert err == ["ERR", "PID^1^7^102"]
    else:
        text = "not a date of the form YYYYMMDD"
        assert err == ["ERR", "", "PID^1^7", "102^Data type error^HL70357", "E", "", "", "", text]


@pytest.mark.parametrize(
    ("place", "old", "new"),
    [
        (Location("MSH"), "MSH^1^^102", "MSH^1"),
        (Location("FT1", 2, 11), "FT1^2^11^102", "FT1^2^11"),
        (Location("PID", 1, 3, 2, 4, 1), "PID^1^3^102", "PID^1^3^2^4^1"),
        (Location("PID", 1, 5, 0, 2), "PID^1^5^102", "PID^1^5^1^2"),
    ],
)
def test_err_says_where_as_exactly_as_the_version_can(place, old, new):
    outcome = Outcome(MessageError(DATA_TYPE, place, "wrong"))
    assert segments(answer(adt(m12=b"2.4"), outcome).blocks[0])[2][1] == old
    assert segments(answer(adt(), outcome).blocks[0])[2][2] == new


def test_the_text_says_the_place_and_what_was_wrong_and_breaks_nothing():
    error = MessageError(DUPLICATE_KEY, Location("MSH", field=10), "used before | for\rother content")
    msa, err = segments(answer(adt(), Outcome(error)).blocks[0])[1:]
    assert msa[3] == r"MSH-10: used before \F\ for\X0D\other content"
    assert err[8] == r"used before \F\ for\X0D\other content"
    assert segments(answer(adt(), Outcome(error, "shorter")).blocks[0])[1][3] == "shorter"


def test_an_error_that_is_not_the_contents_is_a_rejection():
    error = MessageError(INTERNAL_ERROR, Location("MSH"), "try again later", reject=True)
    assert answer(adt(), Outcome(error)).code == "AR"


def test_sender_and_receiver_are_exchanged_character_for_character():
    data = adt(m3=b"EHR^1.2&3^ISO", m4=b"NORTH\\T\\GATE", m5=b"", m6=b"")
    msh = segments(answer(data).blocks[0])[0]
    assert msh[2:6] == ["HL7BRIDGE", "", "EHR^1.2&3^ISO", "NORTH\\T\\GATE"]
    assert segments(answer(data, application="LEDGER").blocks[0])[0][2] == "LEDGER"


@pytest.mark.parametrize(
    ("sent", "kind"),
    [(b"ADT^A01^ADT_A01", "ACK^A01^ACK"), (b"ADT^A01", "ACK^A01"), (b"ADT", "ACK"), (b"", "ACK")],
)
def test_the_structure_is_named_to_old_versions_only_if_they_name_it(sent, kind):
    assert segments(answer(adt(m9=sent, m12=b"2.3.1")).blocks[0])[0][8] == kind


@pytest.mark.parametrize(("sent", "given"), [(b"9.9", "2.5.1"), (b"", "2.5.1"), (b"2.4^USA", "2.4^USA")])
def test_the_version_is_the_senders_or_2_5_1_when_it_is_none(sent, given):
    assert segments(answer(adt(m12=sent)).blocks[0])[0][11] == given


def test_the_answer_is_in_the_senders_delimiters():
    data = adt().translate(bytes.maketrans(b"|^~\\&", b"$*+!%"))
    reply = answer(data, BAD_DATE).blocks[0]
    assert reply.startswith(b"MSH$*+!%$RCV$FAC$PROBE$LAB$")
    assert b"$ACK*A01*ACK$" in reply
    assert b"ERR$$PID*1*7$102*Data type error*HL70357$E$" in reply
    assert hl7.parse(reply.decode()).segment("MSA")[1][0] == "AE"


@pytest.mark.parametrize(("name", "codec"), [(b"8859/1", "latin-1"), (b"UNICODE UTF-8", "utf-8"), (b"", "utf-8")])
def test_the_answer_is_in_the_senders_character_set_and_says_so(name, codec):
    data = adt(m18=name, m3="MÜNCHEN".encode(codec))
    reply = answer(data, Outcome(text="größer")).blocks[0]
    assert "|MÜNCHEN|".encode(codec) in reply
    assert "größer".encode(codec) in reply
    assert segments(reply.decode(codec).encode())[0][17:] == ([name.decode()] if name else [])


def test_an_unknown_character_set_is_not_claimed_and_bytes_return_as_they_came():
    reply = answer(adt(m18=b"KLINGON", m10=b"C\xff1")).blocks[0]
    assert b"KLINGON" not in reply
    assert b"MSA|AA|C\xff1\r" in reply
    assert b"MSA|AA|C\xff1\r" in answer(adt(m18=b"UNICODE UTF-8", m10=b"C\xff1")).blocks[0]


def test_text_that_the_senders_character_set_lacks_is_replaced():
    assert b"|caf?\r" in answer(adt(m18=b"ASCII"), Outcome(text="café")).blocks[0]


def test_an_end_byte_in_the_header_does_not_break_the_answer():
    assert b"MSA|AA|C1\r" in answer(adt(m10=b"C\x1c1\x1c")).blocks[0]
    assert b"MSA|AA|C1\r" in answer(adt(m10=b"C\x0b1")).blocks[0]


def test_a_very_long_control_id_comes_back_whole():
    assert segments(answer(adt(m10=b"X" * 400)).blocks[0])[1][2] == "X" * 400


def test_what_has_no_header_is_answered_in_the_usual_form():
    with pytest.raises(MessageError) as caught:
        parse_message(b"hello")
    acks = answer(b"hello", Outcome(caught.value))
    assert acks.code == "AE"
    assert acks.blocks[0].decode().split("\r") == [
        "MSH|^~\\&|HL7BRIDGE||||20261121143015-0500||ACK|HB1|P|2.5.1",
        "MSA|AE||MSH: a message must begin with MSH",
        "ERR||MSH^1|100^Segment sequence error^HL70357|E||||a message must begin with MSH",
        "",
    ]
    with pytest.raises(MessageError) as caught:
        parse_message(b"FHS|^~\\&|\r")
    assert answer(b"FHS|^~\\&|\r", Outcome(caught.value)).code == "AR"


NO_ANSWER = Acks((), "")
CONTENT = Outcome(MessageError(UNKNOWN_KEY, Location("PID", field=18), "no such account"))
PROTOCOL = Outcome(MessageError(UNSUPPORTED_TYPE, Location("MSH", field=9), "not taken", reject=True))


@pytest.mark.parametrize(
    ("accept", "application", "taken", "content", "protocol"),
    [
        ("", "", ["AA"], ["AE"], ["AR"]),
        ("AL", "NE", ["CA"], ["CE"], ["CR"]),
        ("AL", "", ["CA"], ["CE"], ["CR"]),
        ("AL", "AL", ["CA", "AA"], ["CE"], ["CR"]),
        ("NE", "NE", [], [], []),
        ("", "NE", [], [], []),
        ("NE", "AL", ["AA"], ["AE"], ["AR"]),
        ("", "AL", ["AA"], ["AE"], ["AR"]),
        ("ER", "ER", [], ["CE"], ["CR"]),
        ("SU", "SU", ["CA", "AA"], [], []),
        ("SU", "ER", ["CA"], ["AE"], ["AR"]),
        ("XX", "NE", ["CA"], ["CE"], ["CR"]),
    ],
)
def test_msh_15_and_16_say_which_answers_are_wanted(accept, application, taken, content, protocol):
    data = adt(m15=accept.encode(), m16=application.encode())
    for outcome, codes in ((ACCEPTED, taken), (CONTENT, content), (PROTOCOL, protocol)):
        acks = answer(data, outcome)
        assert [segments(block)[1][1] for block in acks.blocks] == codes
        assert acks.code == (codes[0] if codes else "")
    assert answer(adt(m15=b"NE", m16=b"NE")) == NO_ANSWER


@pytest.mark.parametrize("error", [UNSUPPORTED_TYPE, UNSUPPORTED_EVENT, UNSUPPORTED_PROCESSING_ID, UNSUPPORTED_VERSION])
def test_a_commit_is_rejected_only_for_type_event_processing_id_and_version(error):
    data = adt(m15=b"AL")
    assert answer(data, Outcome(MessageError(error, Location("MSH"), "no"))).code == "CR"
    assert answer(data, Outcome(MessageError(INTERNAL_ERROR, Location("MSH"), "no", reject=True))).code == "CE"


def test_the_application_answer_is_a_message_of_its_own_that_wants_no_answer():
    commit, application = map(segments, answer(adt(m15=b"AL", m16=b"AL")).blocks)
    assert len(commit[0]) == 12, "an accept acknowledgement has no MSH-15 and MSH-16"
    assert (commit[0][9], application[0][9]) == ("HB1", "HB1A")
    assert application[0][14:] == ["NE", "NE"]
    assert segments(answer(adt(m15=b"NE", m16=b"AL")).blocks[0])[0][9] == "HB1"
    named = segments(answer(adt(m15=b"NE", m16=b"AL", m18=b"UNICODE UTF-8")).blocks[0])[0]
    assert named[14:] == ["NE", "NE", "", "UNICODE UTF-8"]


def test_times_are_sent_with_their_zone():
    assert encode_time(NOW) == "20261121143015-0500"
    assert encode_time(NOW.astimezone(dt.timezone(dt.timedelta(hours=5, minutes=45)))) == "20261122011515+0545"
    twice = dt.datetime(2026, 11, 1, 1, 30, tzinfo=ZoneInfo("America/New_York"))
    assert encode_time(twice) == "20261101013000-0400"
    assert encode_time(twice.replace(fold=1)) == "20261101013000-0500"


@pytest.mark.parametrize(("version", "fields"), [("2.5.1", ["MSH: wrong", "7"]), ("2.8", ["", "7"])])
def test_the_expected_sequence_number_is_msa_4(version, fields):
    """MSA-3 keeps its place, empty where nothing is to be said."""
    data = adt(m12=version.encode())
    refused = Outcome(MessageError(DATA_TYPE, Location("MSH"), "wrong"), expected=7)
    assert segments(answer(data, refused).blocks[0])[1][3:] == fields
    assert segments(answer(data, Outcome(expected=-1)).blocks[0])[1] == ["MSA", "AA", "C1", "", "-1"]
    assert segments(answer(adt(m15=b"AL"), Outcome(expected=0)).blocks[0])[1][4] == "0"


@pytest.mark.parametrize(
    ("accept", "application", "codes"),
    [(b'""', b'""', ["AA"]), (b'""', b"", ["AA"]), (b'""', b"AL", ["AA"]), (b" al", b"ne ", ["CA"])],
)
def test_conditions_are_read_as_senders_write_them(accept, application, codes):
    """HL7's null is no request; small letters and spaces change nothing."""
    acks = answer(adt(m15=accept, m16=application))
    assert [segments(block)[1][1] for block in acks.blocks] == codes


def test_an_application_answer_can_go_apart_as_a_message_that_asks_for_a_commit_reply():
    """The commit reply stays where it is; original mode has one answer, on the connection."""
    data = adt(m15=b"AL", m16=b"AL", m10=b"C\x1c1")
    acks = answer(data, is_apart=True)
    assert [segments(block)[1][1] for block in acks.blocks] == ["CA"]
    assert acks.code == "CA"
    apart = segments(acks.apart.encode())
    assert (apart[0][9], apart[0][14:], apart[1][1:]) == ("HB1A", ["AL", "NE"], ["AA", "C1"])
    alone = answer(adt(m15=b"NE", m16=b"AL"), BAD_DATE, is_apart=True)
    assert (alone.blocks, alone.code) == ((), "AE")
    assert segments(alone.apart.encode())[0][9] == "HB1A"
    assert answer(adt(m15=b"AL", m16=b"AL"), BAD_DATE, is_apart=True).apart == ""
    assert answer(adt(), is_apart=True) == answer(adt())


@pytest.mark.parametrize(
    ("name", "sender", "said"),
    [(b"", "MUNICH", []), (b"", "MÜNCHEN", ["", "UNICODE UTF-8"]), (b"8859/1", "MUNICH", ["", "8859/1"])],
)
def test_an_answer_that_goes_apart_says_what_it_is_in(name, sender, said):
    """UTF-8 where the sender named nothing and something is not ASCII."""
    apart = answer(adt(m15=b"NE", m16=b"AL", m18=name, m3=sender.encode()), is_apart=True).apart
    assert segments(apart.encode())[0][14:] == ["AL", "NE", *said]


def test_a_character_set_is_claimed_only_by_an_answer_that_is_in_it():
    """A listener that reads a sender's wrong MSH-18 otherwise answers as it reads."""
    header = read_header(adt(m18=b"ASCII", m3="MÜNCHEN".encode("latin-1")), charset="8859/1", override=True)
    (block,) = build_acks(header, ACCEPTED, control_id="HB1", now=NOW).blocks
    assert "|MÜNCHEN|".encode("latin-1") in block
    assert b"ASCII" not in block
