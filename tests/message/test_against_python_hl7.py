r"""Messages of every shape, read by us and by python-hl7: the same segments, fields, repetitions, parts and values.

Where the two differ, so that no message here has it, and why:

* It drops blanks at both ends of a message. Ours keeps what was sent.
* It does not find a segment that is its name alone. Ours does.
* Of a message whose MSH-2 names no subcomponent sign it takes ``&`` for one. Ours takes the message at its word.
* Line breaks (``.br``, ``.sp``, ``.ce``) are CR to it; ours LF, for they end a line and no segment. Highlighting
  (``H``, ``N``) is ``_`` to it, and nothing to ours. What it does not know (``Z01``, ``C2842``, an escape that is not
  closed) it drops; ours keeps it as it was sent.
* Hexadecimal bytes are Latin-1 to it, ours the message's own character set; the messages here are in Latin-1.

A null is two quotes to it, and only where it stands; ours says NULL, also for every part of what is null. What was
not sent is an empty text or an error to it; ours says ABSENT. ``theirs`` below has our words for both.
"""

from __future__ import annotations

import hl7
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7bridge.message.charset import CODECS, find_codec
from hl7bridge.message.delimiters import DEFAULT, Delimiters
from hl7bridge.message.escape import escape
from hl7bridge.message.model import ABSENT, NULL
from hl7bridge.message.parse import parse_message
from hl7bridge.message.path import Path
from hl7bridge.message.text import encode_text

SIGNS = [("|", "^~\\&"), ("|", "^~\\&#"), ("$", "*+!%"), ("#", "@;?:"), ("&", "|^~/")]
NAMES = ["EVN", "PID", "PV1", "FT1", "NTE", "ZQ9"]
WORDS = st.text("ABxyz019.- éÿ", min_size=1, max_size=4)
ESCAPED = ["F", "S", "R", "T", "E", ".fi", ".nf", ".sk 3", ".sk2", "X41", "Xe9ff", "X0D", "X7c5E"]
SAMPLE_WORDS = ["A", "x-1", " ", "é", "Zoë B", "12.50", '""', '"']


@st.composite
def messages(draw):
    """Return the bytes of a message in Latin-1: fields are words, signs and escapes in any order."""
    field, encoding = draw(st.sampled_from(SIGNS))
    mark = encoding[2]
    signs = [encoding[0], encoding[1], encoding[3]]
    tokens = st.sampled_from(SAMPLE_WORDS + signs * 2 + [f"{mark}{each}{mark}" for each in ESCAPED])
    texts = st.lists(tokens, max_size=8).map("".join)
    body = draw(st.lists(st.tuples(st.sampled_from(NAMES), st.lists(texts, min_size=1, max_size=4)), max_size=5))
    known = draw(st.lists(texts.map(lambda text: text.replace(encoding[1], "")), min_size=15, max_size=15))
    segments = [["MSH", encoding, *known, "8859/1"], *([name, *values] for name, values in body), ["ZZZ", "end"]]
    return "".join(f"{field.join(each)}\r" for each in segments).encode("latin-1")


def theirs(message, path):
    """Return what python-hl7 finds at a path, in our words for what is null or was not sent."""
    segment = message.segments(path.segment)(path.occurrence)
    if path.field >= len(segment):
        return ABSENT
    levels = [segment(path.field)]
    text = str(levels[0])
    for number in (path.repetition, path.component, path.subcomponent):
        if text == '""':
            return NULL
        if not number:
            return message.unescape(text) if text else ABSENT
        try:
            found = levels[-1](number) if not isinstance(levels[-1], str) else {1: levels[-1]}[number]
        except (IndexError, KeyError):
            return ABSENT
        levels.append(found)
        text = str(found)
    return NULL if text == '""' else message.unescape(text) if text else ABSENT


def every_path(ours):
    """Return every path into a message, and one beyond each of its ends."""
    _, component, repetition, _, subcomponent, *_ = ours.delimiters
    for name in NAMES:
        for occurrence, fields in enumerate(ours.fields(name), 1):
            for number, text in enumerate([*fields[1:], ""], 1):
                for repeat in range(1, text.count(repetition) + 3):
                    yield Path(name, occurrence, number, repeat)
                    for part in range(1, text.count(component) + 3):
                        for inner in range(text.count(subcomponent) + 3):
                            yield Path(name, occurrence, number, repeat, part, inner)


@settings(max_examples=100, deadline=None)
@given(messages())
def test_every_path_gives_the_value_that_python_hl7_finds_there(data):
    ours, other = parse_message(data), hl7.parse(data, encoding="latin-1")
    for path in every_path(ours):
        assert ours.get(path) == theirs(other, path), path
        assert ours.get(str(path)) == ours.get(path)


@settings(max_examples=100, deadline=None)
@given(messages())
def test_its_own_way_to_a_value_leads_to_the_same_value(data):
    """Its accessors go on to the first part of what is divided further, as ours do when told each number."""
    ours, other = parse_message(data), hl7.parse(data, encoding="latin-1")
    for path in every_path(ours):
        if path.component and path.subcomponent and ours.get(path) is not NULL:
            try:
                found = other.extract_field(*path)
            except IndexError:
                found = ""
            value = ours.get(path)
            assert (value or ABSENT) == (found or ABSENT), path


@settings(max_examples=100, deadline=None)
@given(messages())
def test_segments_fields_and_counts_are_the_same(data):
    ours, other = parse_message(data), hl7.parse(data, encoding="latin-1")
    assert ours.segments == [str(segment) for segment in other]
    for name in NAMES:
        expected = [segment for segment in other if str(segment[0]) == name]
        assert ours.count(name) == len(expected)
        assert ours.fields(name) == [[str(field) for field in segment] for segment in expected]
    assert (ours.count("GT1"), ours.fields("GT1")) == (0, [])


@settings(max_examples=100, deadline=None)
@given(messages())
def test_the_header_says_the_same(data):
    ours, other = parse_message(data), hl7.parse(data, encoding="latin-1")
    msh = other.segment("MSH")
    sign = ours.delimiters.component

    def parts(number):
        return [*str(msh(number)).split(sign), "", "", ""]

    assert ours.delimiters.field + ours.delimiters.encoding_characters == str(msh(1)) + str(msh(2))
    assert (ours.get("MSH-1"), ours.get("MSH-2")) == (str(msh(1)), str(msh(2)))
    assert (ours.sending_application, ours.sending_facility) == (parts(3)[0], parts(4)[0]) == ours.header.sender
    assert (ours.message_type, ours.trigger_event, ours.header.message_structure) == tuple(parts(9)[:3])
    assert (ours.control_id, ours.processing_id, ours.version) == (str(msh(10)), parts(11)[0], parts(12)[0])
    header = ours.header
    assert [
        header.sending_application, header.sending_facility, header.receiving_application, header.receiving_facility,
        header.timestamp, header.control_id, header.processing_id, header.version, header.accept_ack,
        header.application_ack, header.charset,
    ] == [str(msh(number)) for number in (3, 4, 5, 6, 7, 10, 11, 12, 15, 16, 18)]  # fmt: skip
    for number in range(3, 19):
        assert ours.get(f"MSH-{number}") == theirs(other, Path("MSH", 1, number))


@settings(max_examples=100, deadline=None)
@given(messages())
def test_a_message_that_was_read_encodes_to_the_bytes_it_came_from(data):
    message = parse_message(data)
    assert encode_text(message.text) == message.text.encode(message.charset) == data


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), st.sampled_from(sorted(CODECS)))
def test_in_every_character_set_a_message_encodes_to_the_bytes_it_came_from(text, name):
    codec = find_codec(name)
    kept = escape(text.encode(codec, "ignore").decode(codec), DEFAULT)
    data = f"MSH|^~\\&||||||||||||||||{name}\rNTE|1||{kept}\r".encode(codec)
    message = parse_message(data)
    assert encode_text(message.text) == data
    assert message.get("NTE-3") == ((NULL if kept == '""' else text.encode(codec, "ignore").decode(codec)) or ABSENT)


@given(WORDS.filter(bool), st.sampled_from(SIGNS))
def test_what_we_escape_it_reads_and_what_it_escapes_we_read(text, signs):
    delimiters = Delimiters(signs[0], *(*signs[1], "")[:5])
    value = text + "".join(delimiters[:5])
    sent = f"MSH{signs[0]}{signs[1]}{signs[0]}x\rNTE{signs[0]}{{}}\rZZZ\r"
    other = hl7.parse(sent.format(escape(value, delimiters)))
    assert other.unescape(str(other.segment("NTE")(1))) == value
    data = sent.format(other.escape(value)).encode("latin-1")
    assert parse_message(data, charset="8859/1").get("NTE-1") == value
