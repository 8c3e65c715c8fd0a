"""For any state, rules, people and signals: an account is due before it is eligible, and the next day is exact."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from placement_samples import COVERAGE, GUARANTOR, PATIENT, TODAY, shipped_rules

from hl7bridge.ledger.account import AccountState, new_account
from hl7bridge.rules.due import DueDays
from hl7bridge.rules.evaluate import LOOK_AGAIN_DAYS, decide, next_due
from hl7bridge.rules.facts import FACTS, AccountFacts, FactType, Further, Payment, build_facts
from hl7bridge.rules.signals import SIGNALS, Signal
from hl7bridge.rules.spec import Condition, Group, Joint, Mode, Op, Predicate, Rule, Rules
from hl7bridge.rules.spec_dates import Dates
from hl7bridge.rules.spec_reader import PAYMENT_FACTS

RULES = shipped_rules()

days = st.one_of(st.none(), st.dates(dt.date(2025, 1, 1), dt.date(2026, 12, 31)))
cents = st.integers(-5_000, 20_000).map(lambda number: Decimal(number).scaleb(-2))
codes = st.sampled_from([None, "", "A", "B"])


@st.composite
def states(draw: st.DrawFn) -> AccountState:
    insured = draw(days)
    return new_account("NORTHGATE", "A1", as_of="1", message_id=1)._replace(
        status=draw(st.sampled_from(["open", "open", "open", "closed"])),
        charges=draw(cents),
        payments=draw(cents),
        adjustments=draw(cents),
        discharged_on=draw(days),
        last_service_on=draw(days),
        last_payment_on=draw(days),
        insurance_paid_on=insured,
        financial_class=draw(codes),
        patient_class=draw(codes),
        account_status=draw(codes),
        plan_code=draw(st.sampled_from([None, "P"])),
    )


@st.composite
def predicates(draw: st.DrawFn) -> Predicate:
    fact = draw(st.sampled_from([spec for spec in FACTS.values() if spec.type is not FactType.LIST]))
    bound = draw(st.sampled_from([Op.AT_LEAST, Op.AT_MOST]))
    if fact.type is FactType.MONEY:
        return Predicate(fact, bound, draw(cents))
    if fact.type is FactType.NUMBER:
        return Predicate(fact, draw(st.sampled_from([bound, Op.IS])), draw(st.integers(0, 5)))
    if fact.type is FactType.FLAG:
        return Predicate(fact, Op.IS, draw(st.booleans()))
    if fact.type is FactType.TEXT:
        texts = st.sampled_from(fact.values or ("A", "B"))
        return Predicate(fact, Op.IN, tuple(draw(st.lists(texts, min_size=1, max_size=2, unique=True))))
    least = draw(st.one_of(st.none(), cents)) if fact.name in PAYMENT_FACTS else None
    return Predicate(fact, bound, draw(st.integers(0, 120)), least)


def conditions() -> st.SearchStrategy[Condition]:
    """Return predicates, alone and in groups inside groups."""

    def joined(part: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
        several = st.tuples(st.sampled_from([Joint.ANY_OF, Joint.ALL_OF]), st.lists(part, min_size=1, max_size=3))
        alone = st.tuples(st.just(Joint.NOT), part.map(lambda each: [each]))
        return st.one_of(several, alone).map(lambda group: Group(group[0], tuple(group[1])))

    return st.recursive(predicates(), joined, max_leaves=5)


@st.composite
def rule_sets(draw: st.DrawFn) -> Rules:
    lists = st.lists(conditions(), max_size=2).map(tuple)
    sequences = st.sampled_from([1, 1, 2, None])
    rules = [
        Rule(f"rule {at}", "sample", "primary", Mode.AUTOMATIC, draw(lists), "", draw(sequences))
        for at in range(draw(st.integers(1, 3)))
    ]
    dates = Dates(recent_payment_days=draw(st.sampled_from([0, 30])))
    return Rules("drawn", draw(lists), tuple(rules), dates=dates, payer_kinds=draw(st.sampled_from([{}, KINDS])))


KINDS = {"HMO": "medicare"}
NAMES = ["plan_status", "first_statement", "insurance_pending", "dispute", "adjudicated", "score", "mail_returned"]


@st.composite
def signal_sets(draw: st.DrawFn) -> dict[str, Signal]:
    found: dict[str, Signal] = {}
    for name in draw(st.lists(st.sampled_from(NAMES))):
        numbers = ("3",) if SIGNALS[name].is_number else ("2026-01-05", "2025-06-30")
        value = draw(st.sampled_from(SIGNALS[name].values or numbers))
        until = draw(st.one_of(st.none(), st.dates(dt.date(2025, 12, 1), dt.date(2026, 9, 30))))
        found[name] = Signal(name, value, "test", TODAY, until if value in SIGNALS[name].holding else None)
    return found


@st.composite
def known_accounts(draw: st.DrawFn) -> tuple[AccountState, dict[str, Signal], AccountFacts]:
    """Return a state, its signals, and the facts that people, coverages and what else is stored make of them."""
    state, signals = draw(states()), draw(signal_sets())
    born = draw(st.one_of(st.none(), st.dates(dt.date(1930, 1, 1), dt.date(2015, 12, 31))))
    coverages = draw(st.sampled_from([(), (COVERAGE,), (COVERAGE._replace(plan_type="MC"),)]))
    last_on = state.last_payment_on
    paid = st.builds(Payment, st.dates(dt.date(2025, 1, 1), last_on or TODAY), cents, st.booleans())
    further = Further(
        draw(st.one_of(st.none(), cents)),
        draw(st.one_of(st.none(), st.lists(paid, max_size=3).map(tuple))),
        draw(st.sampled_from([1, 1, 2])),
        draw(st.sampled_from([frozenset(), frozenset({"sample"})])),
    )
    guarantors = (GUARANTOR._replace(birth_on=born),)
    return state, signals, build_facts(state, PATIENT, guarantors, coverages, signals, further=further)


@settings(max_examples=400)
@given(
    account=known_accounts(),
    rules=st.one_of(st.just(RULES), rule_sets()),
    day=st.dates(dt.date(2025, 1, 1), dt.date(2027, 12, 31)),
)
def test_no_day_on_which_an_account_is_eligible_comes_before_it_is_due(account, rules, day):
    """Eligible on a day means due on or before it.

    And the next day to look, from any day, is never later than the first day on which the account is eligible.
    """
    state, signals, facts = account
    due_on = DueDays(rules)(state, has_signals=bool(signals))
    if decide(facts, rules, day).eligible:
        assert due_on is not None
        assert due_on <= day
        earlier = day - dt.timedelta(days=40)
        next_on = next_due(facts, rules, earlier)
        assert next_on is not None
        assert earlier < next_on <= day


@settings(max_examples=200)
@given(account=known_accounts(), rules=st.one_of(st.just(RULES), rule_sets()))
def test_the_next_day_to_decide_is_exact(account, rules):
    """On that day the account is eligible, and on no day between; or it is looked at again after some days."""
    facts = account[2]
    next_on = next_due(facts, rules, TODAY)
    last = TODAY + dt.timedelta(days=120) if next_on is None else next_on - dt.timedelta(days=1)
    span = min((last - TODAY).days, 120)
    assert not any(decide(facts, rules, TODAY + dt.timedelta(days=1 + ahead)).eligible for ahead in range(span))
    if next_on is not None and not decide(facts, rules, next_on).eligible:
        assert next_on >= TODAY + dt.timedelta(days=LOOK_AGAIN_DAYS)
        assert facts.guarantor_balance is not None
