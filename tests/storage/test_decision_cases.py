"""What the store knows of an account, as decisions see it: other accounts, payments, and what was placed before."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from placement_samples import (
    GUARANTOR,
    TODAY,
    charge,
    days_ago,
    decide_all,
    new_store,
    payment,
    put_account,
    rules_of,
    shipped_rules,
    signal,
)

from hl7bridge.errors import RefusedError
from hl7bridge.rules.evaluate import decide
from hl7bridge.rules.spec_dates import Dates
from hl7bridge.storage import cases
from hl7bridge.storage.cases import Scope, decode_frozen, encode_frozen, freeze, read_case, read_sources, scope_of

AGED = 'format = 1\n[[rules]]\nname = "aged"\nagency = "sample"\nwhen = [{}]\n'
DATES = Dates()


@pytest.fixture
def store(tmp_path):
    opened = new_store(tmp_path)
    yield opened
    opened.close()


def frozen_of(store, account_id, placement_id=1, dates=DATES):
    case = read_case(store, account_id)
    return freeze(store, case, placement_id, placed_on=TODAY, creditor="Northgate Sample Hospital", dates=dates)


def place(store, account_id, agency, status, sequence=1) -> None:
    """Store a placement in any status, as a life that is not told here has left it."""
    store.execute(
        "INSERT OR IGNORE INTO decisions (id, account_id, as_of, decided_at, rules_version, eligible, balance, reasons)"
        " VALUES (1, ?, '2026-01-01', '', '', 1, 0, '[]')",
        (account_id,),
    )
    store.execute(
        "INSERT INTO placements (account_id, decision_id, agency, tier, rule, sequence, status, balance, decided_at,"
        " updated_at) VALUES (?, 1, ?, 'primary', 'aged', ?, ?, 15000, '', '')",
        (account_id, agency, sequence, status),
    )


def guarantor_balance(store, account_id) -> Decimal | None:
    return read_case(store, account_id).facts.guarantor_balance


def test_what_a_guarantor_owes_is_over_all_open_accounts_of_the_facility(store):
    """Closed accounts, other facilities and other guarantors do not count."""
    first = put_account(store)
    assert guarantor_balance(store, first) == Decimal("150.00")
    put_account(store, "A2", entries=[charge("20.00", 160)])
    put_account(store, "A3", entries=[charge("30.00", 160)], status="closed")
    put_account(store, "A4", facility="WEST")
    put_account(store, "A5", guarantors=(GUARANTOR._replace(number="G2"),))
    put_account(store, "A6", guarantors=(GUARANTOR._replace(number="G9"), GUARANTOR._replace(rank=2)))
    assert guarantor_balance(store, first) == Decimal("170.00")


def test_a_closed_account_of_a_guarantor_alone_owes_nothing(store):
    """The fact is what open accounts owe."""
    assert guarantor_balance(store, put_account(store, status="closed")) == 0


def test_a_guarantor_without_a_number_or_with_everybodys_owes_nobody_knows_what(store, monkeypatch):
    """A feed writes one number for all whom it does not know."""
    assert guarantor_balance(store, put_account(store, guarantors=(GUARANTOR._replace(number=None),))) is None
    assert guarantor_balance(store, put_account(store, "A2", guarantors=())) is None
    monkeypatch.setattr(cases, "_MOST_ACCOUNTS", 2)
    same = [put_account(store, f"B{number}") for number in range(3)]
    assert guarantor_balance(store, same[0]) is None


def test_payments_are_those_of_more_than_zero_newest_first(store):
    """Each with its dollars, and whether it may be the patient's."""
    entries = [
        charge("300.00", 160),
        payment("50.00", 120, "insurance"),
        payment("5.00", 20, kind="CO"),
        payment("-5.00", 10),
        payment("9.00", 5, kind="AJ"),
    ]
    account_id = put_account(store, entries=entries)
    expected = [(days_ago(20), Decimal("5.00"), True), (days_ago(120), Decimal("50.00"), False)]
    assert list(read_case(store, account_id).facts.payments) == expected


def test_a_run_reads_payments_and_the_guarantors_accounts_only_for_rules_that_ask(store):
    """What it would not look at anyway."""
    plain = rules_of(AGED.format('{ fact = "balance", at_least = "1.00" }'))
    assert scope_of(plain, TODAY) == Scope(guarantor=False, payments_after=TODAY - dt.timedelta(days=30))
    family = rules_of(AGED.format('{ not = { fact = "guarantor_balance", at_most = "1.00" } }'))
    assert scope_of(family, TODAY).guarantor
    least = '{ fact = "days_without_payment", at_least = 90, least_payment = "10.00" }'
    assert scope_of(rules_of(AGED.format(least)), TODAY).payments_after is None
    shares = 'shares = [{ agency = "a", when = [{ fact = "guarantor_balance", at_least = "1.00" }] }]\n'
    allocated = AGED.replace('agency = "sample"', 'allocation = "x"').format('{ fact = "balance", at_least = "1.00" }')
    assert scope_of(rules_of(f'{allocated}[[allocations]]\nname = "x"\n{shares}'), TODAY).guarantor


@pytest.mark.parametrize("days", [29, 30, 31, 89, 90, 91])
@pytest.mark.parametrize("payer", ["insurance", "patient", "unknown"])
def test_a_run_that_reads_less_decides_the_same(store, days, payer):
    """For the shipped rules, around every boundary that a payment has."""
    entries = [charge("300.00", 200), payment("50.00", 95, "insurance"), payment("10.00", days, payer)]
    account_id = put_account(store, entries=entries)
    rules = shipped_rules()
    little = read_case(store, account_id, scope=scope_of(rules, TODAY)).facts
    assert decide(little, rules, TODAY) == decide(read_case(store, account_id).facts, rules, TODAY)


@pytest.mark.parametrize(
    ("statuses", "sequence", "returned_by", "last_ended"),
    [
        ((), 1, set(), False),
        (("cancelled",), 1, set(), False),
        (("returned",), 2, {"a0"}, False),
        (("returned", "cancelled"), 2, {"a0"}, False),
        (("returned", "queued"), 2, {"a0"}, False),
        (("returned", "returned"), 3, {"a0", "a1"}, False),
        (("recalled", "cancelled"), 2, set(), True),
    ],
)
def test_what_was_placed_before_is_a_fact(store, statuses, sequence, returned_by, last_ended):
    """Which placement the next would be, who returned it, and whether one ended for good; a cancelled one is none."""
    account_id = put_account(store)
    for number, status in enumerate(statuses):
        place(store, account_id, f"a{number}", status)
    facts = read_case(store, account_id).facts
    assert (facts.placement_sequence, set(facts.returned_by)) == (sequence, returned_by)
    assert ("placed_before" in {hold.name for hold in facts.holds}) is last_ended


def test_a_placement_is_frozen_with_its_terms_its_people_and_where_each_day_is_from(store):
    """Read from the store in the transaction that sends."""
    entries = [charge("200.00", 160), payment("50.00", 100)]
    account_id = put_account(store, entries=entries, signals=[signal("last_statement", days_ago(60).isoformat())])
    decide_all(store)
    store.execute("UPDATE placements SET share = 'champion'")
    frozen = frozen_of(store, account_id)
    told = frozen.snapshot.choose(("placement_id", "rule", "sequence", "share", "prior_agency", "balance", "creditor"))
    assert told == ("1", "aged", "1", "champion", "", "150.00", "Northgate Sample Hospital")
    assert frozen.snapshot.choose(("itemization_kind", "itemization_balance")) == ("last_statement", "150.00")
    assert decode_frozen(encode_frozen(frozen)) == (frozen.snapshot._asdict(), dict(frozen.sources))
    assert frozen.sources["itemization_on"] == "signal last_statement (test)"
    assert read_sources(store, 1) == {}
    store.execute("UPDATE placements SET frozen = ?", (encode_frozen(frozen),))
    assert read_sources(store, 1) == frozen.sources


def test_a_second_placement_names_the_one_before_it_that_was_not_cancelled(store):
    """With its agency."""
    account_id = put_account(store)
    for agency, status in (("alpha", "returned"), ("beta", "cancelled"), ("beta", "queued")):
        place(store, account_id, agency, status, sequence=1 + (agency == "beta"))
    frozen = frozen_of(store, account_id, 3)
    assert frozen.snapshot.choose(("sequence", "prior_placement_id", "prior_agency")) == ("2", "1", "alpha")


def test_an_account_whose_entries_do_not_come_to_its_balance_is_refused(store):
    """With the difference, and nothing else."""
    account_id = put_account(store)
    decide_all(store)
    store.execute("UPDATE accounts SET charges = charges + 1")
    with pytest.raises(RefusedError, match=r"a difference of 0\.01"):
        frozen_of(store, account_id)
