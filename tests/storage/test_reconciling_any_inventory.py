"""Whatever an agency lists: every line counts once, every planted difference is found, and agreement ends them all."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from report_samples import LATER, NOW_TEXT, acknowledged, entry, put

from hl7bridge.placement.records import InventoryLine
from hl7bridge.storage.database import open_store
from hl7bridge.storage.reconciling import list_discrepancies, reconcile_inventory

AMOUNTS = ("150.00", "80.50", "40.00", "0.01", "99999.99")
changes = st.sampled_from(["as it is", "left out", "a cent more", "suspended", "under another number", "twice"])


def reconcile(store, lines, at=NOW_TEXT):
    with store.transaction():
        return reconcile_inventory(store, "sample", lines, file_id=None, at=at)


def book() -> list[InventoryLine]:
    """Return an inventory that agrees."""
    return [InventoryLine(at, at, f"A{at}", Decimal(amount)) for at, amount in enumerate(AMOUNTS, 1)]


def changed(line: InventoryLine, how: str) -> tuple[list[InventoryLine], set[tuple[str, str]]]:
    """Return the lines of an agency that has an account otherwise, and what must be found."""
    own = line.client_account
    if how == "left out":
        return [], {("missing_there", own)}
    if how == "a cent more":
        return [line._replace(balance=line.balance + Decimal("0.01"))], {("balance", own)}
    if how == "suspended":
        return [line._replace(status="suspended")], {("status", own)}
    if how == "under another number":
        return [line._replace(client_account=f"X{own}")], {("missing_here", f"X{own}"), ("missing_there", own)}
    if how == "twice":
        return [line, line], {("status", own)}
    return [line], set()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(how=st.lists(changes, min_size=5, max_size=5), extra=st.integers(0, 3))
def test_what_is_planted_is_found_once_and_ends_when_the_books_agree(tmp_path_factory, how, extra):
    """Dollars and counts are of the lines; the same inventory again opens nothing."""
    store = open_store(tmp_path_factory.mktemp("books") / "x.db", bytes(32), create=True)
    for at, amount in enumerate(AMOUNTS, 1):
        acknowledged(store, put(store, f"A{at}", entry(amount, 200)), amount)
    lines = [InventoryLine(90 + at, None, f"Z{at}", Decimal(1)) for at in range(extra)]
    planted = {("missing_here", f"Z{at}") for at in range(extra)}
    for line, each in zip(book(), how, strict=True):
        listed, found = changed(line, each)
        lines += listed
        planted |= found
    counts = reconcile(store, lines)
    assert {(row["kind"], row["reference"]) for row in list_discrepancies(store)} == planted
    of_lines = sum(counts.found[kind][0] for kind in counts.found if kind != "missing_there")
    assert counts.lines == len(lines) == counts.matched + of_lines
    assert counts.theirs == sum((line.balance for line in lines), Decimal(0))
    assert (counts.opened, counts.seen_again) == (len(planted), 0)
    again = reconcile(store, lines, LATER)
    assert (again.opened, again.seen_again, again.resolved) == (0, len(planted), 0)
    assert reconcile(store, book(), LATER).resolved == len(planted)
    assert list(list_discrepancies(store)) == []
    store.close()
