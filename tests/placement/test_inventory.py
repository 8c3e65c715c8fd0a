"""One line of an agency's inventory is compared with what is known here: what agrees, what does not, what may wait."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hl7bridge.placement.inventory import (
    CLOSED,
    COLLECTING,
    DISCREPANCIES,
    STOPPED,
    WITH_AGENCY,
    Known,
    compare_line,
    repeated_line,
    unknown_line,
    unlisted,
)
from hl7bridge.placement.records import AgencyStatus, InventoryLine
from hl7bridge.placement.state import Status

ENDED = [each for each in Status if each not in WITH_AGENCY]


def known(**changes: object) -> Known:
    return Known(7, "A1001", Status.ACTIVE, Decimal("150.00"), Decimal("100.00"))._replace(**changes)


def line(**changes: object) -> InventoryLine:
    return InventoryLine(1, 7, "A1001", Decimal("100.00"))._replace(**changes)


def kinds(told: InventoryLine, ours: Known) -> list[tuple[str, str, str, str]]:
    return [(each.kind, each.ours, each.theirs, str(each.dollars)) for each in compare_line("sample", told, ours)]


def test_what_is_the_same_is_no_finding():
    """Balance, first balance and where it stands."""
    assert kinds(line(), known()) == []
    assert kinds(line(original_balance=Decimal("150.00"), status="Promise to-pay"), known()) == []


def test_a_cent_of_balance_is_a_discrepancy_of_a_cent():
    """In either direction, as dollars without a sign."""
    assert kinds(line(balance=Decimal("100.01")), known()) == [("balance", "100.00", "100.01", "0.01")]
    assert kinds(line(balance=Decimal("99.99")), known()) == [("balance", "100.00", "99.99", "0.01")]


def test_a_balance_that_the_agency_may_not_know_better_yet_agrees():
    """News is on its way."""
    ours = known(in_flight=frozenset({Decimal("120.00")}))
    assert kinds(line(balance=Decimal("120.00")), ours) == []
    assert [found[0] for found in kinds(line(balance=Decimal("121.00")), ours)] == ["balance"]


def test_the_balance_that_was_given_at_first_is_compared_where_it_is_told():
    """Beside the balance of now."""
    told = line(original_balance=Decimal("15.00"), balance=Decimal("10.00"))
    assert kinds(told, known()) == [
        ("acknowledged_balance", "150.00", "15.00", "135.00"),
        ("balance", "100.00", "10.00", "90.00"),
    ]


@pytest.mark.parametrize("word", sorted(COLLECTING | CLOSED))
def test_an_agency_that_collects_or_is_done_with_what_is_suspended_is_found(word):
    """Whatever the case of its word."""
    assert kinds(line(status=word.upper()), known(status=Status.SUSPENDED)) == [("status", "suspended", word, "100.00")]


@pytest.mark.parametrize("word", sorted(STOPPED | CLOSED))
@pytest.mark.parametrize("status", [Status.SENT, Status.ACKNOWLEDGED, Status.ACTIVE])
def test_an_agency_that_does_not_collect_what_is_active_is_found(word, status):
    """It would be forgotten there."""
    assert kinds(line(status=word), known(status=status)) == [("status", status, word, "100.00")]


@pytest.mark.parametrize("word", ["", "legal desk 4", *sorted(STOPPED)])
def test_a_word_that_is_not_known_is_not_compared(word):
    """Nor is one that goes with ours."""
    assert kinds(line(status=word), known(status=Status.SUSPENDED)) == []


def test_every_status_that_an_agency_may_report_is_one_of_these_words():
    """So that reports and inventories speak of the same."""
    assert {each.value for each in AgencyStatus} <= COLLECTING | STOPPED


@pytest.mark.parametrize("status", ENDED)
def test_what_is_over_here_must_not_be_listed(status):
    """Unless the agency's own word says that it is over; the balance is not compared."""
    told = line(balance=Decimal("77.00"))
    assert kinds(told, known(status=status)) == [("status", status, "listed", "77.00")]
    assert kinds(told._replace(status="active"), known(status=status)) == [("status", status, "active", "77.00")]
    assert kinds(told._replace(status="closed"), known(status=status)) == []


@pytest.mark.parametrize("status", [Status.RECALLED, Status.SUSPENDED, Status.ACTIVE])
def test_where_a_stop_is_on_its_way_the_status_is_not_compared(status):
    """The agency cannot know it yet."""
    assert kinds(line(status="active"), known(status=status, is_told=False)) == []


def test_a_recall_that_is_not_over_may_be_listed_or_not():
    """Only its balance is compared."""
    ours = known(status=Status.RECALL_PENDING)
    assert kinds(line(status="active"), ours) == kinds(line(status="closed"), ours) == []
    assert [found[0] for found in kinds(line(balance=Decimal("1.00")), ours)] == ["balance"]
    assert unlisted("sample", ours) is None


@pytest.mark.parametrize("status", list(Status))
def test_what_was_acknowledged_and_is_open_must_be_listed(status):
    """What was only sent may be on its way, also when it was told to stop."""
    assert unlisted("sample", known(status=status, is_acknowledged=False)) is None
    found = unlisted("sample", known(status=status))
    expected = status in {Status.ACKNOWLEDGED, Status.ACTIVE, Status.SUSPENDED}
    assert (found is not None) is expected
    if found is not None:
        assert (found.kind, found.ours, found.dollars) == ("missing_there", status, Decimal("100.00"))


def test_a_line_of_no_placement_is_missing_here_under_what_it_is_called_there():
    """By the account's number, else the placement's, else the line."""
    found = unknown_line("sample", line(), "not placed with this agency")
    assert (found.kind, found.reference, found.placement_id) == ("missing_here", "A1001", None)
    assert (found.ours, found.theirs, found.dollars) == ("not placed with this agency", "100.00", Decimal("100.00"))
    assert unknown_line("sample", line(client_account=""), "").reference == "7"
    assert unknown_line("sample", line(client_account="", placement_id=None), "").reference == "line 1"
    assert unknown_line("sample", line(balance=Decimal("-5.00")), "").dollars == 0


def test_a_placement_that_is_listed_twice_is_collected_twice():
    """So it is a discrepancy of status."""
    found = repeated_line("sample", line(), known())
    assert (found.kind, found.theirs) == ("status", "listed twice")
    assert found.kind in DISCREPANCIES
