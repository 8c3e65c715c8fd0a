"""``report``: tables for people, every column for programs, and figures that come to the ledger's."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal

import pytest
from bridge_samples import Bridge
from report_samples import acknowledged, at, decided, entry, noticed, placed, put

from hl7bridge.storage.reporting_money import bucket_names

REPORTS = ("placements", "lag", "holds", "stops", "reconciliation", "aging")
HELD = [("holds", "holds", "none", "charity: told", False), ("aged", "balance", "at least 1.00", "2.00", True)]


@pytest.fixture
def bridge(tmp_path):
    """Return a bridge with two placements, a stop, a hold and a discrepancy."""
    made = Bridge(tmp_path / "d")
    with made.store() as store:
        number = acknowledged(store, put(store, "A1"), status="suspended")
        noticed(store, number, "suspend", sent_at=at(), status="sent", event_at=at(seconds=9))
        placed(store, put(store, "A2", entry("20.50", 10)), "queued", "20.50", decided_at=at(days=40))
        decided(store, put(store, "A3", entry("-5.00", 10), facility="=SOUTHGATE"), HELD, eligible=False)
        with store.transaction():
            store.execute(
                "INSERT INTO agency_discrepancies (agency, reference, kind, ours, theirs, dollars, found_at, seen_at)"
                " VALUES ('sample', 'Z9', 'missing_here', '', '7.00', 700, ?, ?)",
                (at(), at()),
            )
    return made


@pytest.mark.parametrize("name", REPORTS)
def test_each_report_is_a_table_csv_and_json_of_the_same(bridge, name):
    """The table is what fits; the others have every column, in one order."""
    rows = bridge.rows("report", name)
    assert rows
    table = list(csv.reader(io.StringIO(bridge.run("report", name, "--csv").stdout, newline="")))
    assert table[0] == list(rows[0])
    assert len(table) == len(rows) + 1
    shown = bridge.run("report", name)
    assert shown.exit_code == 0
    assert set(shown.stdout.splitlines()[0].split()) <= set(rows[0])
    both = bridge.run("report", name, "--csv", "--json")
    assert (both.exit_code, "one at a time" in both.stderr) == (2, True)


@pytest.mark.parametrize("name", ["placements", "lag", "stops", "holds"])
def test_an_empty_store_has_nothing_to_report(tmp_path, name):
    """Neither a table, nor lines; stderr says so."""
    new = Bridge(tmp_path / "d")
    shown = new.run("report", name)
    assert (shown.exit_code, shown.stdout, shown.stderr) == (0, "", "Nothing to report.\n")
    assert new.run("report", name, "--csv").stdout == new.run("report", name, "--json").stdout == ""


def test_aging_is_the_ledger_and_the_table_ends_with_its_total(bridge):
    """The sum of all open balances, to the cent; the other forms have no line that counts twice."""
    rows = bridge.rows("report", "aging")
    assert [row["days"] for row in rows] == list(bucket_names())
    with bridge.store() as store:
        ledger = store.row("SELECT sum(CASE WHEN kind = 'CG' THEN amount ELSE -amount END) FROM entries")[0]
    assert sum(Decimal(row["dollars"]) for row in rows) == Decimal(ledger) / 100 == Decimal("165.50")
    last = bridge.run("report", "aging", "--by", "payment").stdout.splitlines()[-1]
    assert last.split() == ["(total)", "3", "170.50", "-5.00", "165.50", "1", "150.00"]


def test_placements_are_counted_by_what_is_asked_for_and_in_a_period(bridge):
    """Days are of the reports' zone, both included; the last may not be before the first."""
    assert [row["month"] for row in bridge.rows("report", "placements", "--by", "month")] == ["2026-01", "2026-03"]
    period = ("--from", "2026-03-01", "--to", "2026-03-02")
    (row,) = bridge.rows("report", "placements", *period)
    assert (row["made"], row["placed_dollars"]) == (1, "150.00")
    assert bridge.rows("report", "stops", "--from", "2026-03-03") == []
    wrong = bridge.run("report", "lag", "--from", "2026-03-02", "--to", "2026-03-01")
    assert (wrong.exit_code, "--to is before --from" in wrong.stderr) == (2, True)


def test_time_to_stop_is_told_in_seconds(bridge):
    """From the event to the file."""
    row = bridge.rows("report", "stops")[0]
    assert (row["reason"], row["stops"], row["unacknowledged"], row["sent_p99"]) == ("charity", 1, 1, 9)


def test_a_report_has_nothing_that_a_spreadsheet_runs_or_a_terminal_obeys(bridge):
    """A facility's name comes from a message."""
    with bridge.store() as store:
        placed(store, 3, "queued", "1.00")
        acknowledged(store, put(store, "A4", facility="\x1b[31mRED"), "1.00")
    assert "'=SOUTHGATE," in bridge.run("report", "placements", "--by", "facility", "--csv").stdout
    table = bridge.run("report", "placements", "--by", "facility").stdout
    assert "\x1b" not in table
    assert "\\x1b[31mRED" in table


def test_no_report_names_an_account(bridge):
    """They may be passed on."""
    for name in REPORTS:
        for form in ((), ("--csv",), ("--json",)):
            text = bridge.run("report", name, *form).stdout
            assert not {"A1", "A2", "A3", "Z9"} & set(text.replace(",", " ").replace('"', " ").split()), name


def test_status_tells_of_agencies_too(bridge):
    """What waits to be sent, which stops have no answer, and what does not agree."""
    with bridge.store() as store:
        noticed(store, 1, "payment", amount="5.00")
    found = json.loads(bridge.run("status", "--json").stdout)
    assert found["placements"] == {"queued": 1, "suspended": 1}
    assert [found[name] for name in ("notices_queued", "stops_queued", "stops_unacknowledged", "files_held")] == [
        1, 0, 1, 0,
    ]  # fmt: skip
    assert found["oldest_stop_seconds"] > 0
    text = bridge.run("status").stdout
    assert "notices     1 to agencies wait to be sent" in text
    assert "stops       1 are not acknowledged, the oldest since " in text
    assert "agencies    1 discrepancies with ours are open: hl7bridge reconcile list" in text
    with bridge.store() as store, store.transaction():
        store.execute(
            "INSERT INTO received_files (agency, kind, name, sha256, records, total, status, problem, received_at)"
            " VALUES ('sample', 'inventory', 'i', '', 0, 0, 'held', '', '')"
        )
    assert "files       1 of agencies are held for a person: hl7bridge files --held" in bridge.run("status").stdout


def test_status_of_a_new_bridge_is_silent_about_agencies(tmp_path):
    """What is not there is not shown."""
    text = Bridge(tmp_path / "d").run("status").stdout
    assert not [line for line in text.splitlines() if line.startswith(("notices", "stops", "files", "agencies"))]
