"""An agency's inventory against the store: discrepancies are opened, seen again, and resolved when they agree."""

from __future__ import annotations

from decimal import Decimal

import pytest
from report_samples import LATER, NOW, NOW_TEXT, acknowledged, entry, noticed, put

from hl7bridge.errors import NotFoundError, RefusedError
from hl7bridge.placement.inventory import ACKNOWLEDGED_BALANCE, Finding
from hl7bridge.placement.records import InventoryLine
from hl7bridge.placement.told import Told, encode_told
from hl7bridge.storage.audit import read_audit
from hl7bridge.storage.reconciling import (
    list_discrepancies,
    note_discrepancy,
    reconcile_inventory,
    resolve_discrepancy,
)


@pytest.fixture
def placed(store):
    """Return a store in which the agency has acknowledged A1 (150.00), A2 (80.50) and A3 (40.00)."""
    for number, amount in (("A1", "150.00"), ("A2", "80.50"), ("A3", "40.00")):
        acknowledged(store, put(store, number, entry(amount, 200)), amount)
    return store


def line(number: int, account: str, balance: str, **more: object) -> InventoryLine:
    return InventoryLine(number, number, account, Decimal(balance))._replace(**more)


ALL = (line(1, "A1", "150.00"), line(2, "A2", "80.50"), line(3, "A3", "40.00"))


def reconcile(store, *lines, at=NOW_TEXT, agency="sample"):
    with store.transaction():
        return reconcile_inventory(store, agency, lines, file_id=None, at=at)


def found(store, **which) -> list[tuple]:
    return [(row["kind"], row["reference"], str(row["dollars"])) for row in list_discrepancies(store, **which)]


def tell(store, placement: int, balance: str) -> None:
    told = encode_told(Told(placement, "", 0, Decimal(balance)))
    with store.transaction():
        store.execute("UPDATE placements SET told = ? WHERE id = ?", (told, placement))


def test_an_inventory_that_agrees_leaves_nothing_open(placed):
    """Counts and dollars are of the lines."""
    counts = reconcile(placed, *ALL)
    assert (counts.lines, counts.matched, str(counts.matched_dollars)) == (3, 3, "270.50")
    assert (counts.opened, counts.seen_again, counts.resolved) == (0, 0, 0)
    assert found(placed) == []
    row = placed.row("SELECT lines, theirs, matched, matched_dollars FROM inventories")
    assert row == (3, 27050, 3, 27050)


def test_what_is_not_listed_and_what_is_not_ours_are_found_and_resolve_themselves(placed):
    """A discrepancy has an age: it is opened once, seen again, and resolved by the inventory that agrees."""
    wrong = (line(1, "A1", "140.00"), line(2, "A2", "80.50"), line(9, "B9", "12.00"))
    counts = reconcile(placed, *wrong)
    assert (counts.matched, counts.opened) == (1, 3)
    assert {kind: sums for kind, sums in counts.found.items() if sums[0]} == {
        "balance": (1, Decimal("10.00")),
        "missing_here": (1, Decimal("12.00")),
        "missing_there": (1, Decimal("40.00")),
    }
    assert sorted(found(placed)) == [
        ("balance", "A1", "10.00"),
        ("missing_here", "B9", "12.00"),
        ("missing_there", "A3", "40.00"),
    ]
    again = reconcile(placed, line(1, "A1", "139.00"), *wrong[1:], at=LATER)
    assert (again.opened, again.seen_again, again.resolved) == (0, 3, 0)
    row = next(row for row in list_discrepancies(placed, kind="balance"))
    assert (row["found_at"], row["seen_at"], row["theirs"]) == (NOW_TEXT, LATER, "139.00")
    assert reconcile(placed, *ALL, at=LATER).resolved == 3
    assert found(placed) == []
    resolved = next(list_discrepancies(placed, is_open=False))
    assert (resolved["resolved_at"], resolved["resolved_by"]) == (LATER, "inventory")


def test_two_accounts_of_one_number_are_two_discrepancies(placed):
    """Facilities number their accounts as they like."""
    acknowledged(placed, put(placed, "A1", entry("60.00", 200), facility="SOUTHGATE"), "60.00")
    reconcile(placed, *ALL[1:])
    assert found(placed) == [("missing_there", "A1", "60.00"), ("missing_there", "A1", "150.00")]
    reconcile(placed, InventoryLine(1, None, "A1", Decimal("60.00")), *ALL[1:])
    assert found(placed, kind="missing_here") == [("missing_here", "A1", "60.00")]
    ours = {row["ours"] for row in list_discrepancies(placed, kind="missing_here")}
    assert ours == {"several accounts have this number"}


def test_a_line_without_a_placement_is_found_by_the_accounts_number(placed):
    """Also by one that it had before, and what is over is found too."""
    with placed.transaction():
        placed.execute(
            "INSERT INTO identifiers (kind, facility, number, authority, target_id, since, retired)"
            " VALUES ('account', 'NORTHGATE', 'OLD1', '', 1, '', 1)"
        )
        placed.execute("UPDATE placements SET status = 'recalled' WHERE id = 3")
    by_number = [each._replace(placement_id=None) for each in ALL]
    counts = reconcile(placed, by_number[0]._replace(client_account="OLD1"), *by_number[1:])
    assert counts.matched == 2
    assert found(placed) == [("status", "A3", "40.00")]
    assert reconcile(placed, *[each._replace(placement_id=None, client_account="") for each in ALL]).matched == 0


def test_an_account_that_was_merged_away_is_found_by_its_number(placed):
    """The agency may have that number still."""
    put(placed, "GONE1", status="merged", merged_into=1)
    assert reconcile(placed, ALL[0]._replace(placement_id=None, client_account="GONE1"), *ALL[1:]).matched == 3


def test_a_placement_under_a_number_that_its_account_never_had_is_not_taken_for_it(placed):
    """A number it had before is; the placement of another agency is not."""
    with placed.transaction():
        placed.execute(
            "INSERT INTO identifiers (kind, facility, number, authority, target_id, since, retired)"
            " VALUES ('account', 'NORTHGATE', 'OLD2', '', 2, '', 1)"
        )
    counts = reconcile(placed, ALL[0]._replace(client_account="A2"), ALL[1]._replace(client_account="OLD2"), ALL[2])
    assert counts.matched == 2
    assert sorted(found(placed)) == [("missing_here", "A2", "150.00"), ("missing_there", "A1", "150.00")]
    assert reconcile(placed, ALL[0], agency="other").found["missing_here"][0] == 1


def test_a_line_twice_is_found(placed):
    """It counts as matched once."""
    assert reconcile(placed, *ALL, ALL[0]).matched == 3
    assert found(placed) == [("status", "A1", "150.00")]


def test_the_balance_is_what_the_agency_was_told_last(placed):
    """Not the ledger's: charges that came after the placement are not told."""
    tell(placed, 1, "90.00")
    assert reconcile(placed, line(1, "A1", "90.00"), *ALL[1:]).matched == 3
    assert found(placed) == []


def test_news_on_its_way_may_be_known_or_not(placed):
    """For two days, and until it is acknowledged; what was acknowledged is known."""
    tell(placed, 1, "70.00")
    noticed(placed, 1, "payment", amount="50.00", status="acknowledged", sent_at=NOW_TEXT)
    noticed(placed, 1, "adjustment", amount="30.00", status="sent", sent_at=NOW_TEXT)
    noticed(placed, 1, "charge", amount="10.00")
    noticed(placed, 1, "demographic")
    for balance in ("70.00", "60.00", "90.00"):
        reconcile(placed, line(1, "A1", balance), *ALL[1:])
        assert found(placed) == [], balance
    reconcile(placed, line(1, "A1", "140.00"), *ALL[1:])
    assert found(placed) == [("balance", "A1", "70.00")]
    reconcile(placed, line(1, "A1", "90.00"), *ALL[1:], at="2026-03-09T14:00:00.000Z")
    assert found(placed) == [("balance", "A1", "20.00")]


def test_where_a_stop_is_on_its_way_the_status_waits(placed):
    """Afterwards it does not."""
    with placed.transaction():
        placed.execute("UPDATE placements SET status = 'suspended' WHERE id = 1")
    noticed(placed, 1, "suspend", status="sent", sent_at=NOW_TEXT)
    listed = (ALL[0]._replace(status="active"), *ALL[1:])
    reconcile(placed, *listed)
    assert found(placed) == []
    reconcile(placed, *listed, at="2026-03-09T14:00:00.000Z")
    assert found(placed) == [("status", "A1", "150.00")]


def test_what_was_given_at_first_is_resolved_only_by_an_inventory_that_tells_it(placed):
    """Acknowledgements open the same kind."""
    finding = Finding("sample", 1, "A1", ACKNOWLEDGED_BALANCE, "150.00", "15.00", Decimal("135.00"))
    with placed.transaction():
        assert note_discrepancy(placed, finding, file_id=None, at=NOW_TEXT)
        assert not note_discrepancy(placed, finding, file_id=None, at=LATER)
    assert reconcile(placed, *ALL).resolved == 0
    assert reconcile(placed, ALL[0]._replace(original_balance=Decimal("150.00")), *ALL[1:]).resolved == 1
    assert found(placed) == []


def test_a_person_resolves_one_with_a_reason_and_the_audit_log_has_it(placed):
    """The next inventory that still disagrees opens a new one."""
    reconcile(placed, *ALL[:2])
    with pytest.raises(RefusedError, match="a reason is needed"):
        resolve_discrepancy(placed, 1, now=NOW, actor="user:tester", reason=" ")
    with pytest.raises(NotFoundError, match="no discrepancy 9"):
        resolve_discrepancy(placed, 9, now=NOW, actor="user:tester", reason="asked")
    with placed.transaction():
        resolve_discrepancy(placed, 1, now=NOW, actor="user:tester", reason="asked")
    with pytest.raises(RefusedError, match="resolved before"):
        resolve_discrepancy(placed, 1, now=NOW, actor="user:tester", reason="asked")
    row = next(iter(read_audit(placed)))
    assert (row["action"], row["subject"], row["reason"]) == ("reconcile.resolve", "discrepancy 1: resolved", "asked")
    assert found(placed) == []
    assert reconcile(placed, *ALL[:2], at=LATER).opened == 1
    assert len(found(placed, is_open=False)) == 2
    assert found(placed, agency="other") == []
