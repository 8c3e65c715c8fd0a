"""``reconcile``: counts and dollars of each agency, what does not agree, and a person's word on it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from bridge_samples import Bridge
from report_samples import NOW_TEXT, acknowledged, placed, put

from hl7bridge.placement.records import InventoryLine
from hl7bridge.storage.reconciling import reconcile_inventory


@pytest.fixture
def bridge(tmp_path):
    """Return a bridge whose agency lists one account as it is, one with another balance, and one too many."""
    made = Bridge(tmp_path / "d")
    with made.store() as store:
        for number in ("A1", "A2"):
            acknowledged(store, put(store, number))
        placed(store, put(store, "B1"), "queued", agency="other")
        lines = [
            InventoryLine(1, 1, "A1", Decimal("150.00")),
            InventoryLine(2, 2, "A2", Decimal("149.99")),
            InventoryLine(3, None, "Z9\x1b[2J", Decimal("7.00")),
        ]
        with store.transaction():
            reconcile_inventory(store, "sample", lines, file_id=None, at=NOW_TEXT)
    return made


def measures(bridge, *options) -> dict[tuple[str, str], tuple]:
    return {
        (row["agency"], row["measure"]): (row["count"], row["dollars"]) for row in bridge.rows("reconcile", *options)
    }


def test_counts_and_dollars_are_shown_for_each_agency(bridge):
    """Placed against acknowledged, listed against ours."""
    found = measures(bridge)
    assert found["sample", "sent"] == found["sample", "acknowledged"] == (2, "300.00")
    assert found["sample", "listed"] == (3, "306.99")
    assert found["sample", "matched"] == (1, "150.00")
    assert found["sample", "balance"] == (1, "0.01")
    assert found["sample", "missing_here"] == (1, "7.00")
    assert found["other", "sent"] == (0, "0.00")
    assert {agency for agency, _ in measures(bridge, "--agency", "other")} == {"other"}
    assert "missing_there" in bridge.run("reconcile").stdout
    assert bridge.run("reconcile", "--agency", "nobody").stderr == "No placements.\n"


def test_discrepancies_are_listed_and_whoever_looked_is_in_the_audit_log(bridge):
    """What an agency wrote is shown as text that no terminal obeys."""
    rows = bridge.rows("reconcile", "list")
    assert [(row["kind"], row["reference"], row["dollars"]) for row in rows] == [
        ("missing_here", "Z9\\x1b[2J", "7.00"),
        ("balance", "A2", "0.01"),
    ]
    assert (rows[1]["ours"], rows[1]["theirs"], rows[1]["placement"]) == ("150.00", "149.99", 2)
    assert bridge.rows("reconcile", "list", "--kind", "status") == []
    assert bridge.rows("reconcile", "list", "--agency", "other") == []
    assert bridge.audit()[0] == ("reconcile.list", "discrepancies with agencies")
    assert "resolution" not in bridge.run("reconcile", "list").stdout.splitlines()[0]


def test_a_person_resolves_one_with_a_reason(bridge):
    """It is listed with --all from then on."""
    number = bridge.rows("reconcile", "list")[1]["discrepancy"]
    assert bridge.run("reconcile", "resolve", number).exit_code == 2
    done = bridge.run("reconcile", "resolve", number, "--reason", "the agency has mended it")
    assert done.stdout == f"discrepancy {number} is resolved\n"
    assert bridge.audit()[0] == ("reconcile.resolve", f"discrepancy {number}: resolved")
    again = bridge.run("reconcile", "resolve", number, "--reason", "again")
    assert (again.exit_code, again.stderr) == (1, f"hl7bridge: discrepancy {number} was resolved before\n")
    assert len(bridge.rows("reconcile", "list")) == 1
    assert "the agency has mended it" in bridge.run("reconcile", "list", "--all").stdout
    assert measures(bridge)["sample", "balance"] == (0, "0.00")


def test_nothing_placed_is_nothing_to_reconcile(tmp_path):
    """Stderr says so."""
    new = Bridge(tmp_path / "d")
    assert new.run("reconcile").stderr == "No placements.\n"
    assert new.run("reconcile", "list").stderr == "No discrepancies.\n"
