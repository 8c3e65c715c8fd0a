"""How a value is named, and how its text is decoded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from message_samples import DFT, adt

from hl7bridge.errors import Location
from hl7bridge.message.delimiters import DEFAULT, Delimiters
from hl7bridge.message.escape import escape, unescape
from hl7bridge.message.model import ABSENT, NULL
from hl7bridge.message.parse import parse_message
from hl7bridge.message.path import Path, parse_path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("PID-18", Path("PID", 1, 18)),
        ("PID-18.1", Path("PID", 1, 18, 1, 1)),
        ("PID-3(2).4", Path("PID", 1, 3, 2, 4)),
        ("FT1[2]-11.1.1", Path("FT1", 2, 11, 1, 1, 1)),
        ("ZQ9[10]-1(3)", Path("ZQ9", 10, 1, 3)),
    ],
)
def test_a_path_names_one_place_and_prints_as_it_was_written(text, path):
    assert parse_path(text) == path
    assert str(path) == text
    assert path.location == Location(*path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PID",
        "PID-0",
        "PID-",
        "pid-3",
        "PI-3",
        "PIDX-3",
        "PID-3.0",
        "PID[0]-3",
        "PID-3()",
        "PID-3.1.1.1",
        "PID-\uff13",
    ],
)
def test_what_is_not_a_path_is_refused_with_an_example_of_one(text):
    with pytest.raises(ValueError, match=r"not a path: .* \(write it as PID-18.1"):
        parse_path(text)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("MSH-1", "|"),
        ("MSH-2", "^~\\&"),
        ("MSH-9.2", "P03"),
        ("PID-3", "MR0001^^^NORTHGATE^MR"),
        ("PID-3.1", "MR0001"),
        ("PID-3(2).4", "NGE&1.2.3&ISO"),
        ("PID-3(2).4.2", "1.2.3"),
        ("PID-3(3).1", ABSENT),
        ("PID-3.2", ABSENT),
        ("PID-3.9", ABSENT),
        ("PID-3.1.2", ABSENT),
        ("PID-5.3", "J&J"),
        ("PID-13", NULL),
        ("PID-13.7.2", NULL),
        ("PID-13(2).1", NULL),
        ("PID-99", ABSENT),
        ("PV1-2", ABSENT),
        ("FT1[2]-11.1.1", "1215.50"),
        ("FT1[3]-11.1.1", ABSENT),
        ("GT1-3.1", ABSENT),
        ("PID-18.1.1", "AC0001"),
    ],
)
def test_a_path_gives_the_value_or_says_that_it_is_absent_or_null(path, value):
    assert parse_message(DFT).get(path) == value
    assert parse_message(DFT).get(parse_path(path)) == value


def test_null_in_one_component_is_of_that_component_alone():
    message = parse_message(adt(body=b'PID|1||1||DOE^""^Q&""~""\r'))
    assert message.get("PID-5.2") is NULL
    assert message.get("PID-5.1") == "DOE"
    assert message.get("PID-5.3.2") is NULL
    assert message.get("PID-5(2).1") is NULL


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        (r"\F\\S\\T\\R\\E\ ", "|^&~\\ "),
        (r"a\P\b", "a#b"),
        (r"x\H\bold\N\y", "xboldy"),
        (r"caf\XC3A9\ \XE9\ ", "café é "),
        (r"one\.br\two\.sp 2\three\.ce\four\.sk 3\five", "one\ntwo\n\nthree\nfour   five"),
        (r"\.fi\\.nf\\.in +4\\.ti-2\text", "text"),
        (r"C:\temp\F\x", "C:\\temp|x"),
        (r"\Z01\ \C2842\ \M2842\ \XQ\ \X1\ \Q\ \F", "\\Z01\\ \\C2842\\ \\M2842\\ \\XQ\\ \\X1\\ \\Q\\ \\F"),
        ("plain", "plain"),
    ],
)
def test_escapes_are_decoded_and_what_is_unknown_stays_as_it_is(sent, value):
    assert unescape(sent) == value


def test_a_cr_that_was_escaped_does_not_end_the_segment():
    message = parse_message(adt(body=b"NTE|1||one\\X0D\\PID|2\\F\\3\r"))
    assert message.get("NTE-3") == "one\rPID"
    assert message.count("PID") == 0


OWN = Delimiters("$", "*", "+", "!", "%", "@")


@given(st.text(), st.sampled_from([DEFAULT, OWN, Delimiters("|", "^", "~", "\\", "")]))
def test_any_text_can_be_escaped_and_comes_back(text, delimiters):
    sent = escape(text, delimiters)
    assert unescape(sent, delimiters) == text
    assert not set(sent) & {delimiters.field, delimiters.component, delimiters.repetition, "\r", "\n", "\x0b", "\x1c"}


@given(st.text(min_size=1).filter(lambda text: text != '""'))
def test_any_text_sent_in_a_field_is_read_back_from_it(text):
    sent = f"MSH|^~\\&|||||||||||||||UNICODE UTF-8\rNTE|1||{escape(text)}\r"
    assert parse_message(sent.encode()).get("NTE-3") == text
