"""The short way that nearly all messages take and the careful one make the same records of any message."""

from __future__ import annotations

from feed_samples import OWN_SIGNS, generic_mapping, message, segment
from hypothesis import assume, given
from hypothesis import strategies as st

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
CAREFUL = "ZZZ|\\E\\\r"  # an escape anywhere in a message turns off every short way
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


@given(st.data())
def test_the_short_way_and_the_careful_way_make_the_same_records(data):
    """Or refuse the same message at the same place: speed changes nothing."""
    segments = [
        segment(name, {number: data.draw(words) for number in numbers if data.draw(st.booleans())})
        for name in data.draw(st.lists(st.sampled_from(["PID", "PV1", "GT1", "IN1", "FT1"]), min_size=1, max_size=5))
        if (numbers := GENERIC.keeps[name])
    ]
    kind = data.draw(st.sampled_from(["ADT^A04", "DFT^P03", "ADT^A31"]))
    block = message(kind, "C1", *segments)
    assume(b"MSH" not in block[3:])
    found = []
    for each in (block, block + CAREFUL.encode()):
        try:
            found.append(apply_mapping(GENERIC, parse_message(each)))
        except MessageError as error:
            found.append((error.error, error.location, error.text))
    assert found[0] == found[1]
