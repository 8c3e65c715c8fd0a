"""docs/layouts.md says what the layouts write and read: names, positions, codes, limits."""

from __future__ import annotations

import datetime as dt
import re
from typing import get_args

from docs_reader import names, own_text, read, section, table

from hl7bridge.config.settings import AgencySettings
from hl7bridge.layouts import aim_records, answers, layout, remittance_aim, remittance_lines, tsi
from hl7bridge.layouts.aim import MOST_RECORDS, OBJECTABLE
from hl7bridge.layouts.fixed import Position
from hl7bridge.layouts.notices import NOTICE_COLUMNS
from hl7bridge.layouts.registry import LAYOUTS, REMITTANCE_LAYOUTS
from hl7bridge.payments.remittance import RecordKind, read_remitted
from hl7bridge.placement.records import AgencyStatus, NoticeKind

TEXT = read("layouts.md")


def positions_in(cell: str) -> dict[str, tuple[int, int]]:
    """``account 14-43, phone_type 73 (1)`` -> {account: (14, 43), phone_type: (73, 73)}."""
    found = re.findall(r"\b([a-z][a-z_]*\d?) ([1-9]\d*)(?:-(\d+))?", cell)
    return {name: (int(first), int(last or first)) for name, first, last in found}


def positions_of(positions: tuple[Position, ...]) -> dict[str, tuple[int, int]]:
    return {each.name: (each.first, each.last) for each in positions}


def test_every_layout_is_listed_with_its_suffix_and_version():
    """And in the order in which the settings name them."""
    rows = table(own_text(TEXT, "Layouts of agency files"))
    assert [names(row[0])[0] for row in rows] == list(LAYOUTS)
    assert [names(row[1])[0] for row in rows] == [each.suffix for each in LAYOUTS.values()]
    assert all(f"version {each.version}" in row[2] for row, each in zip(rows, LAYOUTS.values(), strict=True))


def test_every_notice_has_a_line_and_what_tsi_does_not_carry_is_no():
    """The table of what each layout carries."""
    rows = {kind: row for row in table(section(TEXT, "What each layout carries")) for kind in names(row[0])}
    assert set(rows) == set(NoticeKind)
    assert {kind for kind, row in rows.items() if row[3] == "no"} == set(NoticeKind) - LAYOUTS["tsi"].carries
    assert f"`{OBJECTABLE}`" in rows["recall"][2]
    assert all(f"`{kind}`" in section(TEXT, "Notices") for kind in NoticeKind)


def test_the_columns_of_notices_are_listed_in_their_order():
    """Those of people in groups."""
    assert [name for row in table(section(TEXT, "Notices")) for name in names(row[0])] == list(NOTICE_COLUMNS)


def test_the_kinds_of_answers_and_their_columns_are_listed():
    """Needed and others, and a meaning for each."""
    rows = table(section(TEXT, "Answers"))
    kinds = {names(row[0])[0]: row for row in rows if len(row) == 3}
    assert {kind: (tuple(names(row[1])), tuple(names(row[2]))) for kind, row in kinds.items()} == {
        kind: (each.needed, each.optional) for kind, each in answers.COLUMNS.items()
    }
    meanings = {names(row[0])[0]: row[1] for row in rows if len(row) == 2}
    assert set(meanings) == {name for each in answers.COLUMNS.values() for name in each.known}
    assert set(names(meanings["status"])) == set(AgencyStatus)
    assert tuple(names(meanings["kind"])) == answers.RETURN_KINDS


def test_the_limits_of_answers_are_told():
    """Bytes, records, columns and problems."""
    text = section(TEXT, "Answers")
    assert f"{layout.MOST_BYTES // 1024**2} MiB, {layout.MOST_RECORDS:,} records or {layout.MOST_COLUMNS} col" in text
    assert f"({layout.MOST_PROBLEMS} at most)" in text
    assert f"at most {MOST_RECORDS}\nplacements" in section(TEXT, "aim")


def test_every_position_that_aim_writes_is_told():
    """Each record by its type; the trailer record has two forms."""
    rows = {row[0]: row[1] for row in table(section(TEXT, "aim")) if len(row) == 2}
    told = {kind: positions_in(cell) for what, cell in rows.items() for kind in re.findall(r"\b[A-Z]{4}\b", what)}
    written = (
        aim_records.CACT,
        aim_records.CUPP,
        aim_records.CMIS,
        aim_records.CPAY,
        aim_records.CPEN,
        aim_records.CFIN,
    )
    assert {each.kind: told[each.kind] for each in written} == {
        each.kind: positions_of(each.positions) for each in written
    }
    [trailer] = [cell for what, cell in rows.items() if what.startswith("CTRL")]
    of_placements, of_notices = trailer.split("of notices")
    assert positions_in(of_placements) == positions_of(aim_records.PLACEMENT_TRAILER.positions)
    assert positions_in(of_notices).items() <= positions_of(aim_records.NOTICE_TRAILER.positions).items()


def test_every_position_that_aim_reads_is_told():
    """With the kind of answer that the record is, and the codes of statuses."""
    rows = {row[0]: row for row in table(section(TEXT, "aim")) if len(row) == 3}
    kind, positions = aim_records.ANSWER_TRAILER
    assert positions_in(rows.pop(kind)[2]) == positions_of(positions)
    assert {record: (names(row[1])[0], positions_in(row[2])) for record, row in rows.items()} == {
        record: (kind, positions_of(positions)) for record, (kind, positions, _) in aim_records.ANSWERS.items()
    }
    assert dict(re.findall(r"`([A-Z]{3})` ([a-z_]+)", section(TEXT, "aim"))) == aim_records.STATUS_CODES


def test_every_column_that_tsi_has_a_place_for_is_told():
    """By the field that it is in; the fields are those of the header."""
    rows = table(section(TEXT, "tsi"))
    told = {name for row in rows for name in names(row[1])} - {"client_number"}
    assert told == set(tsi.CARRIED)
    fields = [field for row in rows for field in row[0].split(", ")]
    assert set(fields) < set(tsi.PLACEMENT_HEADER.split("|"))
    assert all(field in section(TEXT, "tsi").replace("\n", " ") for field in tsi.UPDATE_HEADER.split("|"))


def test_every_position_and_type_of_payments_is_told():
    """APAY's positions; the types of aim and tsi, the codes and the names of ygc."""
    aim = section(TEXT, "Payments in aim")
    rows = {row[0]: row[1] for row in table(aim)}
    assert positions_in(rows["APAY"]) == positions_of(aim_records.APAY)
    for heading, types in (
        ("Payments in aim", remittance_aim.TYPES),
        ("Payments in tsi", remittance_lines.TSI_TYPES),
        ("Payments in ygc", remittance_lines.YGC_CODES),
    ):
        told = {names(row[0])[0]: names(row[1])[0] for row in table(section(TEXT, heading)) if names(row[0])}
        assert told == types
    assert "|".join(remittance_lines.YGC_HEADER) in section(TEXT, "Payments in ygc")
    assert set(remittance_lines.YGC_MORE) <= set(names(section(TEXT, "Payments in ygc")))
    assert set(remittance_lines.TSI_MORE) <= set(names(section(TEXT, "Payments in tsi")))


def test_every_kind_of_payment_record_is_told():
    """And whether it is posted."""
    rows = table(section(read("agency-files.md"), "Payment files, in"))
    told = {kind: row[1] for row in rows for kind in names(row[0]) if kind in set(RecordKind)}
    assert told == {kind: "yes" if is_posted(kind) else "no" for kind in RecordKind}
    assert set(get_args(AgencySettings.model_fields["payment_layout"].annotation)[0].__args__) == set(
        REMITTANCE_LAYOUTS
    )


def is_posted(kind: RecordKind) -> bool:
    values = {"agency_payment_id": "A", "account": "7", "amount": "1.00", "date": "2026-01-14", "kind": kind}
    record, _ = read_remitted(1, values, "sample", dt.datetime(2026, 2, 1, tzinfo=dt.UTC))
    assert record is not None
    return record.is_posted
