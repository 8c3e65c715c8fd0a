"""Minimum necessary: planted canaries in every clinical or needless place reach no table, no log and no error text."""

from __future__ import annotations

import re

import pytest
from feed_samples import ACCOUNT, GENERIC, OWN_SIGNS, Feed, ft1, generic_mapping, gt1, in1, message, pid, pv1, segment
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.assemble import mapping_problems
from hl7bridge.message.parse import parse_message
from hl7bridge.privacy.keeping import _ALLOWED, compile_keeps, kept_text, not_allowed

KEEPS = generic_mapping().keeps
PICKERS = compile_keeps(KEEPS)
# Where a feed carries what nobody needs to collect a debt, by segment and field.
CLINICAL = {
    "PID": (6, 10, 16, 17, 19, 20, 22),
    "PV1": (3, 7, 8, 9, 10, 17),
    "GT1": (12, 16, 17, 18, 19),
    "IN1": (16, 18, 19, 36, 49),
    "FT1": (7, 8, 9, 13, 16, 18, 19, 20, 21, 23, 25, 26),
    "EVN": (4, 5),
    "MSH": (8,),
}
WHOLE = ("DG1", "PR1", "OBX", "AL1", "NTE", "NK1", "DRG", "PV2", "PD1", "ORC", "ZZZ")


def canary(name, number):
    """Return a word that stands nowhere else."""
    return f"CANARY{name}{number:02}"


def planted(name, known=""):
    """Return a segment's fields with its canaries, as keyword arguments."""
    return {f"f{number}": canary(name, number) + known for number in CLINICAL[name]}


def segments():
    """Return all segments of a message, canaries in each."""
    clinical = [segment(name, {number: canary(name, number) for number in range(1, 30)}) for name in WHOLE]
    entries = [ft1(kind="CG", **planted("FT1")), ft1("5.00", "PY", "TTX2", **(planted("FT1") | {"f7": "PATPAY"}))]
    return [
        segment("EVN", {1: "P03", 2: "20261101"} | {number: canary("EVN", number) for number in CLINICAL["EVN"]}),
        pid(**planted("PID")),
        pv1(**planted("PV1")),
        *clinical,
        *entries,
        *clinical,
        gt1(**planted("GT1")),
        in1(**planted("IN1")),
    ]


def dump(store):
    """Return every value of every row of every table, as one text."""
    tables = [row[0] for row in store.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
    assert {"messages", "patients", "accounts", "guarantors", "coverages", "entries", "audit"} <= set(tables)
    values = [value for table in tables for row in store.execute(f"SELECT * FROM {table}") for value in row]
    return "\n".join(value.decode("latin-1") if isinstance(value, bytes) else str(value) for value in values)


@pytest.mark.parametrize(
    ("kind", "change", "disposition"),
    [
        ("DFT^P03", ("", ""), "applied"),
        ("ADT^A04", ("", ""), "applied"),
        ("ADT^A02", ("", ""), "ignored"),
        ("ADT^A99", ("", ""), "rejected"),
        ("ORU^R01", ("", ""), "rejected"),
        ("DFT^P03", ("100.00", "CANARYAMOUNT"), "rejected"),
        ("DFT^P03", ("20260105", "CANARYDAY"), "rejected"),
        ("DFT^P03", ("|CG|", "|CANARYKIND|"), "rejected"),
        ("DFT^P03", (f"|{ACCOUNT}", "|"), "rejected"),
        ("DFT^P03", ("|C1|P|", "|C1|CANARYMODE|"), "rejected"),
    ],
)
@pytest.mark.parametrize("signs", [None, OWN_SIGNS])
def test_no_canary_reaches_a_table_a_reply_or_a_reason(feed, capfd, kind, change, disposition, signs):
    """Whatever becomes of the message, in whatever signs it is written."""
    data = message(kind, "C1", *segments(), m8=canary("MSH", 8)).replace(change[0].encode(), change[1].encode())
    reply = feed.send(data.translate(signs) if signs else data)
    assert reply.disposition == disposition, reply.reason
    # A field that may be kept is kept as it came, wrong as it is: a person must see it to mend it.
    everything = re.sub("CANARY(AMOUNT|DAY|KIND|MODE)", "", dump(feed.store))
    assert "CANARY" not in everything
    answered = reply.data.decode().replace("CANARYMODE", "")  # MSH-11 goes back to its sender
    for text in (answered, reply.reason, *capfd.readouterr()):
        assert "CANARY" not in text
        assert "TESTPATIENT" not in text


def test_the_canaries_are_there_to_be_found():
    """Or the test above would prove nothing: each stands in the message as it is sent."""
    text = message("DFT^P03", "C1", *segments()).decode()
    for name, numbers in CLINICAL.items():
        if name != "MSH":
            assert all(canary(name, number) in text for number in numbers), name


def test_what_a_failure_says_is_no_value(feed):
    """An internal error is kept by its kind alone."""

    def fail(*_arguments, **_options):
        raise ValueError("CANARY")

    feed.pipeline.use(feed.pipeline.setup._replace(due_on=fail))
    feed.send(message("DFT^P03", "C1", *segments()))
    assert "CANARY" not in dump(feed.store)


def test_neither_name_nor_number_is_in_the_bytes_of_the_stores_files(store):
    """Encrypted, write-ahead log and all, while it is open and after."""
    Feed(store).take(message("DFT^P03", "C1", *segments()))
    assert "TESTPATIENT" in dump(store)
    files = sorted(store.path.parent.iterdir())
    assert len(files) >= 2
    for word in (b"TESTPATIENT", b"AURELIA", b"TMRN1", b"TACC1", b"CREATE TABLE"):
        assert not any(word in file.read_bytes() for file in files), word
    store.close()
    assert not any(b"TMRN1" in file.read_bytes() for file in store.path.parent.iterdir())


def test_a_payments_code_is_kept_and_a_charges_is_not():
    """FT1-7 is the medium of the one and the procedure of the other; a mere component more makes no difference."""
    kinds = ("CG", "PY", "py^Payment", " CO ", "AJ", "CD", "PAYMENT", "XX", "")
    text = message("DFT^P03", "C1", *(ft1(kind=kind, f7=f"CODE{at}") for at, kind in enumerate(kinds)))
    kept = kept_text(parse_message(text), PICKERS)
    assert re.findall("CODE[0-9]", kept) == ["CODE1", "CODE2", "CODE3", "CODE4", "CODE6"]
    own = kept_text(parse_message(text.translate(OWN_SIGNS)), PICKERS)
    assert re.findall("CODE[0-9]", own) == ["CODE1", "CODE2", "CODE3", "CODE4", "CODE6"]


def test_what_is_kept_parses_to_the_same_records_again():
    """Kept messages can be replayed: every field that the mapping names is where it was."""
    from hl7bridge.mapping.apply import apply_mapping

    parsed = parse_message(message("DFT^P03", "C1", *segments()))
    again = parse_message(kept_text(parsed, PICKERS).encode())
    before, after = (apply_mapping(generic_mapping(), each) for each in (parsed, again))
    assert after.entries[0].code is None
    assert after._replace(entries=()) == before._replace(entries=())
    assert after.entries[1] == before.entries[1]


def test_the_header_alone_is_kept_of_what_is_ignored():
    """And of the header neither MSH-8 nor MSH-14."""
    parsed = parse_message(message("ADT^A02", "C1", pid(), m8="SECRET", m14="MORE", m21="PROFILE"))
    assert kept_text(parsed, None) == "MSH|^~\\&|REG|NORTHGATE|||20261120080000||ADT^A02|C1|P|2.5.1"


def test_segments_that_only_look_alike_are_not_kept():
    """A line that begins with PIDX is no PID, and a PID with no fields takes nobody's place."""
    parsed = parse_message(message("ADT^A04", "C1", "PIDX|1|CANARY", "PID", pid()) + b"PIDY|CANARY\r")
    kept = kept_text(parsed, PICKERS)
    assert "CANARY" not in kept
    assert kept.count("PID") == 2


def test_the_shipped_mapping_names_only_what_the_profile_allows():
    """As the check does for every mapping."""
    assert not_allowed(KEEPS) == []


@pytest.mark.parametrize(("name", "numbers"), CLINICAL.items())
def test_a_mapping_cannot_ask_for_what_the_profile_does_not_allow(name, numbers):
    """Each field above is a problem with its name; but for FT1-7, which payments need, and EVN."""
    asked = {name: tuple(number for number in numbers if (name, number) != ("FT1", 7))}
    assert not_allowed(asked) == [(name, number) for number in asked[name]]


def test_a_mapping_that_asks_for_a_diagnosis_is_refused_with_the_reason():
    """And whole segments that are not listed are refused likewise; of its own Z-segments it may keep what it can."""
    mapping = generic_mapping(lambda text: text.replace('plan_code = "PV1-24.1"', 'plan_code = "DG1-3.1"'))
    (problem,) = mapping_problems(mapping)
    line = GENERIC[: GENERIC.index('plan_code = "PV1-24.1"')].count("\n") + 1
    assert str(problem) == (
        f"mappings/generic.toml:{line}: account.plan_code: DG1-3: the privacy profile does not allow this field"
        " to be kept (see docs/privacy.md)"
    )
    assert not_allowed({"ZPM": (1, 63)}) == []
    assert not_allowed({"ZPM": (64, 99999)}) == [("ZPM", 64), ("ZPM", 99999)]


def test_no_field_of_the_profile_is_beyond_what_can_be_kept():
    """The padding covers them all."""
    assert max(max(numbers) for numbers in _ALLOWED.values()) < 64


names = st.sampled_from([*_ALLOWED, *WHOLE])


@given(st.lists(st.tuples(names, st.integers(0, 70)), max_size=8))
def test_only_fields_that_mapping_and_profile_name_are_kept_of_any_message(parts):
    """For any segments of any length in any order: what is kept is a field of a named segment, at its own place."""
    rows = [
        segment(name, {number: f"v{at}x{number}" for number in range(1, width + 1)})
        for at, (name, width) in enumerate(parts)
    ]
    kept = kept_text(
        parse_message(message("ADT^A04", "C1", *(row for row in rows if not row.startswith("MSH")))), PICKERS
    )
    for line in kept.split("\r")[1:]:
        name, *fields = line.split("|")
        for number, value in enumerate(fields, 1):
            assert not value or (
                number in {*KEEPS.get(name, ()), *((1, 2) if name == "EVN" else ())} and value.endswith(f"x{number}")
            )
            assert not value or number in _ALLOWED[name]
