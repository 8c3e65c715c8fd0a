"""The documents and the program say the same: rules, HL7, agency files, what is kept.

A test here fails when the program has something that the documents lack, and when they name what it has not.
"""

import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest
from docs_reader import ROOT, fenced, first_names, names, own_text, read, section, table

from hl7bridge import errors
from hl7bridge.config.settings import Tolerance
from hl7bridge.layouts import placements_csv, signals_csv
from hl7bridge.ledger.events import DEFINED_EVENTS
from hl7bridge.net.faults import VALUE_TOO_LONG
from hl7bridge.payments import remittance
from hl7bridge.privacy import keeping
from hl7bridge.privacy.sending import SEND_FIELDS
from hl7bridge.rules import holds as rule_holds
from hl7bridge.rules.facts import FACTS
from hl7bridge.rules.signals import SIGNALS
from hl7bridge.rules.spec import _OPS, Mode, Op, compile_rules
from hl7bridge.storage.messages import Disposition
from hl7bridge.tomlfile import parse_toml
from hl7bridge.wire import mllp, repair

# ---- rules.md -------------------------------------------------------------------------------------------------------


def test_the_table_of_facts_is_the_programs_own():
    """Name, kind, comparisons, meaning, source and when it is unknown, word for word."""
    rows = table(section(read("rules.md"), "Facts"))
    assert len(rows) == len(FACTS)
    for row, spec in zip(rows, FACTS.values(), strict=True):
        values = f": {', '.join(spec.values)}" if spec.values else ""
        comparisons = [op.value for op in _OPS[spec.type]]
        assert names(row[0]) == [spec.name]
        assert names(row[2]) == comparisons
        assert [row[1], *row[3:]] == [f"{spec.type.value}{values}", spec.meaning, spec.source, spec.unknown]


def test_every_comparison_is_documented_for_the_kinds_of_facts_that_take_it():
    """So that a person can write a predicate from the table alone."""
    rows = {names(row[0])[0]: row[1] for row in table(section(read("rules.md"), "Predicates"))}
    assert list(rows) == [op.value for op in Op]
    for op in Op:
        takers = {kind.value for kind, ops in _OPS.items() if op in ops}
        assert set(rows[op.value].split(", ")) == takers


def test_the_table_of_signals_is_the_programs_own():
    """Name, values, the values that hold, and meaning."""
    rows = table(section(read("rules.md"), "Signals"))
    expected = [
        [
            f"`{spec.name}`",
            ", ".join(spec.values) or "YYYY-MM-DD",
            ", ".join(value for value in spec.values if value in spec.holding) or "never",
            spec.meaning,
        ]
        for spec in SIGNALS.values()
    ]
    assert rows == expected


def test_every_hold_that_the_program_can_name_is_in_the_table_of_holds():
    """Holds by signals have the signals' names and their own table."""
    source = Path(rule_holds.__file__).read_text(encoding="utf-8")
    named = set(re.findall(r'Hold\(\s*"(\w+)"', source)) | {f"account_{status}" for status in rule_holds._CLOSED}
    told = {name for row in table(section(read("rules.md"), "Holds")) for name in names(row[0])}
    assert told == named | {"payment_plan", "minor_guarantor"}
    for status in rule_holds.PLACED_BEFORE:
        assert status.replace("paid_in_full", "paid") in section(read("rules.md"), "Holds")


def test_every_mode_of_a_rule_is_documented_and_the_example_compiles():
    """The example is a whole rules file."""
    text = read("rules.md")
    for mode in Mode:
        assert f'mode = "{mode.value}"' in text
    (example,) = fenced(text, "toml")
    assert compile_rules(parse_toml(example, "docs/rules.md")).rules[0].name == "aged"


# ---- hl7.md ---------------------------------------------------------------------------------------------------------


def test_every_error_code_is_documented_with_its_text_of_table_0357():
    """Those of the error tree and the listener's own."""
    codes = [each for each in vars(errors).values() if isinstance(each, errors.ErrorCode)]
    expected = sorted((each.code, each.text) for each in [*codes, VALUE_TOO_LONG])
    assert [tuple(row) for row in table(section(read("hl7.md"), "Error codes"))] == expected


def test_every_switch_of_a_listener_is_explained_with_its_risk_in_the_order_of_the_setting():
    """What the sender does wrong, what is done, what may go wrong; and the settings' own table names them all."""
    switches = get_args(Tolerance)
    rows = table(section(read("hl7.md"), "Tolerances"))
    assert [names(row[0]) for row in rows] == [[name] for name in switches]
    assert all(len(row) == 4 and all(row) for row in rows)
    (setting,) = (row for row in table(read("configuration.md")) if names(row[0]) == ["tolerate"])
    assert [name for name in names(setting[2]) if name != "status"] == list(switches)


def test_the_switches_are_those_that_the_decoder_and_the_repairs_know():
    """None is configured that nothing looks at."""
    known = {mllp.NO_START, mllp.UNFRAMED, mllp.START_IN_DATA}
    known |= {repair.BYTES_BEFORE_MSH, repair.CLIPPED_MSH, repair.SEVERAL_MESSAGES}
    assert known == set(get_args(Tolerance))


def test_every_disposition_is_explained():
    """Each with the answer that goes with it."""
    rows = table(own_text(read("hl7.md"), "What is answered to what"))
    assert [names(row[0])[0] for row in rows] == [each.value for each in Disposition]


def test_every_error_code_that_input_can_meet_is_in_the_table_of_bad_input():
    """The table says for each what the sender gets and what becomes of the block."""
    text = section(read("hl7.md"), "Bad input")
    for code, _ in (row for row in table(section(read("hl7.md"), "Error codes"))):
        assert re.search(rf"\b{code}\b", text), code


def test_every_event_of_the_shipped_mapping_is_one_that_hl7_defines():
    """Merges, moves and changes of numbers among them."""
    mapping = tomllib.loads((ROOT / "mappings" / "generic.toml").read_text(encoding="utf-8"))
    used = {tuple(event.split("^")) for event in mapping["events"]}
    assert [event for kind, event in used if event not in DEFINED_EVENTS[kind]] == []
    changes = [
        "A18",
        "A24",
        "A34",
        "A35",
        "A36",
        "A37",
        "A39",
        "A40",
        "A41",
        "A42",
        "A43",
        "A44",
        "A45",
        "A47",
        "A49",
        "A50",
        "A51",
    ]
    assert {("ADT", event) for event in changes} <= used


# ---- agency-files.md, privacy.md ------------------------------------------------------------------------------------


def test_the_columns_of_placement_files_are_the_allow_list():
    """Each with whether it is sent when an agency's fields are not chosen."""
    rows = table(section(read("agency-files.md"), "Columns"))
    assert [(names(row[0])[0], row[1]) for row in rows] == [
        (field.name, "yes" if field.usual else "no") for field in SEND_FIELDS.values()
    ]


def test_the_keys_of_the_trailer_are_documented():
    """In the order in which they stand in the file."""
    keys = first_names(section(read("agency-files.md"), "The trailer"))
    assert keys == list(placements_csv.Trailer._fields)


@pytest.mark.parametrize(
    ("heading", "needed", "optional"),
    [
        ("Payment files, in", remittance.REQUIRED, remittance.OPTIONAL),
        ("Signal files, in", signals_csv.REQUIRED, signals_csv.OPTIONAL),
    ],
)
def test_the_columns_of_files_that_come_in_are_documented(heading, needed, optional):
    """Needed ones and others."""
    rows = table(section(read("agency-files.md"), heading))
    told = {names(row[0])[0]: row[1] for row in rows}
    assert told == dict.fromkeys(needed, "yes") | dict.fromkeys(optional, "no")


def numbers_in(cell):
    """``1-3, 6`` -> {1, 2, 3, 6}."""
    found = set()
    for part in cell.split(", "):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def test_the_fields_that_may_be_kept_are_those_of_the_privacy_profile():
    """What the document says is kept at most is what the program keeps at most."""
    rows = table(section(read("privacy.md"), "What is kept of a message"))
    told = {row[0]: numbers_in(row[1]) for row in rows if row[0] != "Z-segments"}
    assert told == keeping._ALLOWED
