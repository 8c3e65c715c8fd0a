"""A run that allocates counts capacities as it goes, keeps families together, and tells why each agency was chosen."""

from __future__ import annotations

import datetime as dt

import pytest
from placement_samples import GUARANTOR, TODAY, charge, decide_all, new_store, put_account, rules_of, run_of

from hl7bridge.placement.state import By, Status
from hl7bridge.storage.accounts import read_account
from hl7bridge.storage.cases import OPEN_STATUSES
from hl7bridge.storage.decisions import run_decisions
from hl7bridge.storage.placements import move_placement, placements_of, read_placement

RULES = """
format = 1
[[allocations]]
name = "spread"
shares = [{shares}]
[[rules]]
name = "aged"
allocation = "spread"
sequence = "any"
when = [{{ fact = "days_without_payment", at_least = 90 }}]
{more}
"""


@pytest.fixture
def store(tmp_path):
    opened = new_store(tmp_path)
    yield opened
    opened.close()


def rules(shares: str, more: str = ""):
    """Return rules with one allocation."""
    return rules_of(RULES.format(shares=shares, more=more))


def put(store, number: str, guarantor: str, **more) -> int:
    """Store a due account of a guarantor."""
    return put_account(store, number, guarantors=(GUARANTOR._replace(number=guarantor),), **more)


def agencies(outcomes) -> dict[str, str | None]:
    return {each.account: each.decision.agency for each in outcomes}


TWO = '{ agency = "a", label = "champion", capacity = 3 }, { agency = "b", label = "challenger" }'


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_a_run_counts_what_it_places_itself(store, chunk):
    """Whether in one transaction or in several, the fourth goes to the next share; a dry run says the same."""
    for number in range(5):
        put(store, f"C{number}", f"G{number}")
    dry = decide_all(store, rules(TWO), dry_run=True)
    real = list(run_decisions(store, run_of(rules(TWO)), chunk=chunk))
    assert list(agencies(real).values()) == ["a", "a", "a", "b", "b"]
    assert [each.decision for each in dry] == [each.decision for each in real]


def test_what_others_place_and_end_during_a_run_counts_too(store):
    """A capacity holds whoever places; an agency that gives one back has room again."""
    for number in range(6):
        put(store, f"C{number}", f"G{number}")
    run = run_decisions(store, run_of(rules(TWO)), chunk=1)
    assert [next(run).decision.agency for _ in range(2)] == ["a", "a"]
    with store.transaction():
        move_placement(store, 1, Status.CANCELLED, by=By.PERSON, actor="user:tester", at="", reason="test")
    assert [next(run).decision.agency for _ in range(2)] == ["a", "a"]
    with store.transaction():
        for number in (2, 3):
            move_placement(store, number, Status.SENT, by=By.BRIDGE, actor="user:tester", at="", reason="test")
    assert [each.decision.agency for each in run] == ["b", "b"]


def test_the_share_and_the_choice_are_kept(store):
    """With the placement and the decision; the reason is one of those that settled it."""
    account_id = put(store, "C1", "G1")
    [outcome] = decide_all(store, rules(TWO))
    placement = read_placement(store, outcome.placement_id)
    assert placement.agency == "a"
    assert placement.reasons[-1].fact == "allocation spread"
    assert placement.reasons[-1].found == "a (champion): it takes what comes to it"
    assert placement.reasons[-1] in outcome.decision.deciding
    ((share, key),) = store.rows("SELECT share, guarantor_key FROM placements WHERE account_id = ?", (account_id,))
    assert share == "champion"
    assert len(key) == 24


def test_all_accounts_of_a_guarantor_go_to_one_agency(store):
    """Also one that comes later, when that agency is full; and in a dry run."""
    family_rules = rules('{ agency = "a", capacity = 2 }, { agency = "b" }')
    put(store, "C1", "G1")
    put(store, "C2", "G2")
    put(store, "C3", "G1")
    expected = {"C1": "a", "C2": "a", "C3": "a"}
    assert agencies(decide_all(store, family_rules, dry_run=True)) == expected
    assert agencies(decide_all(store, family_rules)) == expected
    put(store, "C4", "G2")
    put(store, "C5", "G5")
    assert agencies(decide_all(store, family_rules)) == {"C4": "a", "C5": "b"}


def test_a_rule_with_an_agency_of_its_own_counts_and_keeps_families_too(store):
    """What one rule places is seen by the allocation of another."""
    plain = '[[rules]]\nname = "small"\nagency = "b"\nwhen = [{ fact = "days_without_payment", at_least = 10 }]\n'
    mixed = rules('{ agency = "a" }, { agency = "b" }', plain)
    put(store, "C1", "G1", entries=[charge("50.00", 20)])
    assert agencies(decide_all(store, mixed)) == {"C1": "b"}
    put(store, "C2", "G1")
    assert agencies(decide_all(store, mixed)) == {"C2": "b"}


def test_where_all_agencies_are_full_an_account_waits_for_the_next_day(store):
    """It is not placed, the reason is kept, and it is due tomorrow."""
    full = rules('{ agency = "a", capacity = 1 }')
    put(store, "C1", "G1")
    waits = put(store, "C2", "G2")
    first, second = decide_all(store, full)
    assert (first.status.value, second.status) == ("queued", None)
    assert second.decision.deciding[-1].found == "a has the 1 it takes"
    assert read_account(store, waits).due_on == TODAY + dt.timedelta(days=1)
    store.execute("UPDATE placements SET status = 'returned'")
    assert agencies(decide_all(store, full, as_of=TODAY + dt.timedelta(days=1))) == {"C2": "a"}


def test_an_account_that_every_agency_returned_is_looked_at_again_in_a_week(store):
    """Nobody can take it now; the rules may change."""
    only = rules('{ agency = "a" }, { agency = "b" }')
    account_id = put(store, "C1", "G1")
    for agency in ("a", "b"):
        [outcome] = decide_all(store, only)
        assert outcome.decision.agency == agency
        store.execute("UPDATE placements SET status = 'returned'")
        store.execute("UPDATE accounts SET due_on = '2026-01-01'")
    [outcome] = decide_all(store, only)
    assert outcome.status is None
    assert outcome.decision.deciding[-1].found == "a returned the account; b returned the account"
    assert read_account(store, account_id).due_on == TODAY + dt.timedelta(days=7)
    assert [(each.agency, each.sequence) for each in placements_of(store, account_id)] == [("a", 1), ("b", 2)]


def test_the_capacity_is_asked_of_an_index(store):
    """Once a transaction: what is open, not what ever was."""
    query = "SELECT agency, count(*) FROM placements WHERE status IN ({}) GROUP BY agency"
    plan = " ".join(str(row[3]) for row in store.rows(f"EXPLAIN QUERY PLAN {query.format(OPEN_STATUSES)}"))
    assert "COVERING INDEX placements_open_by_agency" in plan
