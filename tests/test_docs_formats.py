"""The documents and the program say the same: HL7, agency files, what is kept.

A test here fails when the program has something that the documents lack, and when they name what it has not.
"""

import re
import tomllib
from typing import get_args

import pytest
from docs_reader import ROOT, first_names, names, own_text, read, section, table

from hl7bridge import errors
from hl7bridge.config.settings import Tolerance
from hl7bridge.layouts import placements_csv, signals_csv
from hl7bridge.ledger.events import DEFINED_EVENTS
from hl7bridge.net.faults import VALUE_TOO_LONG
from hl7bridge.payments import remittance
from hl7bridge.privacy import keeping
from hl7bridge.privacy.sending import SEND_FIELDS
from hl7bridge.storage.messages import Disposition
from hl7bridge.wire import mllp, repair

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
    columns = rows[: len(needed) + len(optional)]  # a table of kinds may follow
    assert [(names(row[0])[0], row[1]) for row in columns] == [
        *((name, "yes") for name in needed),
        *((name, "no") for name in optional),
    ]


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
