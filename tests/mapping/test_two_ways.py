"""The short way that nearly all messages take and the careful one make the same records of any message."""

from __future__ import annotations

from pathlib import Path

from feed_samples import OWN_SIGNS, generic_mapping, message, segment
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mapping_samples import careful

from hl7bridge.errors import MessageError
from hl7bridge.mapping.apply import apply_mapping
from hl7bridge.mapping.compile import compile_mapping
from hl7bridge.mapping.convert import CONVERTERS
from hl7bridge.mapping.records import NULL
from hl7bridge.message.model import ABSENT
from hl7bridge.message.model import NULL as NULL_VALUE
from hl7bridge.message.parse import parse_message
from hl7bridge.tomlfile import parse_toml

GENERIC = generic_mapping()
RICH = compile_mapping(parse_toml((Path(__file__).parent / "rich.toml").read_text(encoding="utf-8"), "rich.toml"))
SITE = """
format = 1
name = "site"
[events]
"ADT^A04" = ["patient"]
[patient]
facility = "MSH-4.1"
number = "PID-3.1"
"""


value = st.text(st.sampled_from("AB12 .^~&"), max_size=9)
plain = st.one_of(value, st.just('""'), st.text(st.sampled_from('A"\\T^&~'), max_size=6))


@given(st.lists(plain, min_size=3, max_size=3), st.booleans())
def test_a_plain_field_is_what_the_path_says_of_the_message(sent, own_signs):
    """For any text: the mapped value is the value at the path, without blanks at its ends."""
    paths = {
        "family_name": "PID-5.1",
        "given_name": "PID-5(2).2.1",
        "street": "PID-11",
        "city": "PID-11.3",
        "state": "PID-11.2.2",
    }
    fields = SITE + "\n".join(f'{name} = "{path}"' for name, path in paths.items())
    mapping = compile_mapping(parse_toml(fields, "site.toml"))
    data = message("ADT^A04", "C1", segment("PID", {3: "T1", 5: sent[0], 11: sent[1], 12: sent[2]}))
    parsed = parse_message(data.translate(OWN_SIGNS) if own_signs else data)
    patient = apply_mapping(mapping, parsed).patient
    for name, path in paths.items():
        found = parsed.get("PID-11.1" if path == "PID-11" else path)
        expected = {NULL_VALUE: NULL, ABSENT: None}.get(found, str(found).strip() or None)
        assert getattr(patient, name) == expected, name


def test_every_converter_of_the_shipped_mapping_is_met_by_these_messages():
    """So the comparison of the two ways below is of all of them."""
    used = {
        source.convert
        for row in GENERIC.events.values()
        for spec, _ in row
        for field in spec.fields
        for source in field.sources
    }
    assert used == set(CONVERTERS.values()) - {CONVERTERS["integer"]}


words = st.sampled_from(
    ["", '""', "1", "Y", "20260105", "5.00", "5&USD", "T1^T2&T3^^4~T5", "CG", "PY", "INSPAY", " ", "~x", "^", "-1.50"]
)
rich_words = st.one_of(
    words,
    st.sampled_from(
        [
            "01/31/2026",
            "20260105233000-0800",
            "T1^^^A&1.2^MR",
            "T2^^^B^PI~T1^^^A&1.2^MR~T3^^^A^MR",
            "T1^^^A^MR~T9^^^^ MR ",
            '""^^^A^MR',
            "TESTPATIENT, AURELIA Q~BOREAS X",
            "1 SAMPLE ST, TESTVILLE, IL 60000",
            "1 SAMPLE ST^^TESTVILLE IL 60000^^^USA",
            "555-0143^PRN^PH~(555)555-0143^PRN^CP",
            "$1,250",
            "8500",
            "T",
            "TEN",
        ]
    ),
)


def both_ways(mapping, data, texts, names, kinds, always=()):
    """Return what a message of any content makes in the short way and in the careful one, records or refusal."""
    segments = [
        segment(name, {number: data.draw(texts) for number in numbers if data.draw(st.booleans())})
        for name in [*always, *data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=5))]
        if (numbers := mapping.keeps[name])
    ]
    block = message(data.draw(st.sampled_from(kinds)), "C1", *segments)
    assume(b"MSH" not in block[3:])
    found = []
    for way in (mapping, careful(mapping)):
        try:
            found.append(apply_mapping(way, parse_message(block)))
        except MessageError as error:
            found.append((error.error, error.location, error.text))
    return found


@given(st.data())
def test_the_short_way_and_the_careful_way_make_the_same_records(data):
    """Or refuse the same message at the same place: speed changes nothing."""
    kinds = ["ADT^A04", "DFT^P03", "ADT^A31"]
    found = both_ways(GENERIC, data, words, ["PID", "PV1", "GT1", "IN1", "FT1"], kinds)
    assert found[0] == found[1]


@settings(max_examples=400)
@given(st.data())
def test_both_ways_agree_on_everything_that_a_mapping_can_say(data):
    """Chosen repetitions, constants, conditions, options, signals, balances, identities."""
    names = ["PID", "PV1", "FT1", "ZGT", "ZFT", "MRG"]
    texts = data.draw(st.sampled_from([rich_words, rich_words.filter(lambda text: '""' not in text)]))
    found = both_ways(RICH, data, texts, names, ["ADT^A04", "DFT^P03", "ADT^A40"], ["PID", "PV1"])
    assert found[0] == found[1]
