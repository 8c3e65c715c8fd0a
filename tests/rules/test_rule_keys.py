"""What a rule may say beside its predicates: minimums, which placement it makes, an allocation instead of an agency."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from placement_samples import (
    COVERAGE,
    GUARANTOR,
    PATIENT,
    TODAY,
    account,
    charge,
    facts,
    rules_of,
    shipped_rules,
    signal,
)

from hl7bridge.errors import ConfigError
from hl7bridge.rules.evaluate import LOOK_AGAIN_DAYS, check_conditions, decide, facts_for, next_due
from hl7bridge.rules.facts import Further, build_facts
from hl7bridge.rules.spec import Mode
from hl7bridge.rules.spec_allocation import Allocation, Share

RULE = '[[rules]]\nname = "one"\nagency = "sample"\n'
WHEN = 'when = [{ fact = "days_without_payment", at_least = 90 }]\n'
SPLIT = 'format = 1\n[[rules]]\nname = "one"\nallocation = "split"\n' + WHEN + '[[allocations]]\nname = "split"\n'


def further(balance: str = "150.00", days: int = 160, **known):
    """Return the facts of an account of which the store knows more."""
    state = account([charge(balance, days)])
    return build_facts(state, PATIENT, (GUARANTOR,), (COVERAGE,), {}, further=Further(**known))


def failed(found, rules) -> list[tuple[str, str]]:
    reasons = decide(found, rules, TODAY).reasons
    return [(reason.fact, reason.found) for reason in reasons if not reason.held]


def problem_of(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        rules_of(text)
    [problem] = caught.value.problems
    return str(problem)


# ---- minimums -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("balance", "placed"), [("99.99", False), ("100.00", True)])
def test_a_rule_has_a_minimum_of_its_own(balance, placed):
    """A cent below is not placed, and the reason says so."""
    rules = rules_of("format = 1\n" + RULE + 'minimum = "100.00"\n' + WHEN)
    assert decide(further(balance), rules, TODAY).eligible is placed
    assert placed or failed(further(balance), rules) == [("balance", "99.99")]


@pytest.mark.parametrize(("owed", "placed"), [("99.99", False), ("100.00", True), (None, False)])
def test_small_accounts_of_a_guarantor_count_together(owed, placed):
    """What the guarantor owes on all accounts reaches the minimum; unknown does not."""
    rules = rules_of("format = 1\n" + RULE + 'minimum = "5.00"\nguarantor_minimum = "100.00"\n' + WHEN)
    found = further("10.00", guarantor_balance=None if owed is None else Decimal(owed))
    assert decide(found, rules, TODAY).eligible is placed


def test_an_account_that_only_lacks_the_guarantors_minimum_is_looked_at_again():
    """Another account of the guarantor may grow, and makes this one not due."""
    rules = rules_of("format = 1\n" + RULE + 'guarantor_minimum = "100.00"\n' + WHEN)
    soon = TODAY + dt.timedelta(days=LOOK_AGAIN_DAYS)
    assert next_due(further(guarantor_balance=Decimal(50)), rules, TODAY) == soon
    young = further(days=60, guarantor_balance=Decimal(50))
    assert next_due(young, rules, TODAY) == TODAY + dt.timedelta(days=30)
    assert next_due(further(), rules, TODAY) is None
    enough = further(guarantor_balance=Decimal(500))
    assert next_due(enough, rules, TODAY) == TODAY + dt.timedelta(days=1)


def test_another_rule_may_come_first():
    """The day that is certain, when it is earlier than looking again."""
    other = '[[rules]]\nname = "two"\nagency = "sample"\nwhen = [{ fact = "days_since_service", at_least = 163 }]\n'
    rules = rules_of("format = 1\n" + RULE + 'guarantor_minimum = "100.00"\n' + WHEN + other)
    assert next_due(further(guarantor_balance=Decimal(50)), rules, TODAY) == TODAY + dt.timedelta(days=3)


def test_holds_that_end_are_waited_for_also_by_the_guarantors_minimum():
    """The day after the last one of the hold."""
    rules = rules_of("format = 1\n" + RULE + 'guarantor_minimum = "100.00"\n' + WHEN)
    young = facts(guarantors=(GUARANTOR._replace(birth_on=dt.date(2009, 6, 1)),))._replace(guarantor_balance=Decimal(1))
    assert next_due(young, rules, TODAY) == dt.date(2027, 6, 1)
    last = TODAY + dt.timedelta(days=20)
    told = {"dispute": signal("dispute", "open")._replace(until=last)}
    known = Further(guarantor_balance=Decimal(50))
    disputed = build_facts(account(), PATIENT, (GUARANTOR,), (COVERAGE,), told, further=known)
    assert next_due(disputed, rules, TODAY) == last + dt.timedelta(days=1)


def test_a_day_before_a_signal_ends_counts():
    """Until its last day, what was told of insurance makes the rule true; after it the rule's window has closed."""
    when = 'when = [{ fact = "insurance_status", is = "pending" }, { fact = "days_since_service", at_least = 165 }]\n'
    rules = rules_of('format = 1\n[[rules]]\nname = "one"\nagency = "sample"\n' + when + "[holds]\n")
    told = {"insurance_pending": signal("insurance_pending", "yes")._replace(until=TODAY + dt.timedelta(days=20))}
    found = build_facts(account(), PATIENT, (GUARANTOR,), (COVERAGE,), told)
    assert next_due(found._replace(holds=()), rules, TODAY) == TODAY + dt.timedelta(days=5)


# ---- which placement ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sequence", "first", "second", "third"),
    [("", True, False, False), ("sequence = 2\n", False, True, False), ('sequence = "any"\n', True, True, True)],
)
def test_a_rule_makes_first_placements_unless_it_says_otherwise(sequence, first, second, third):
    """2 is the one after a return."""
    rules = rules_of("format = 1\n" + RULE + sequence + WHEN)
    placed = [decide(further(sequence=number), rules, TODAY).eligible for number in (1, 2, 3)]
    assert placed == [first, second, third]


def test_the_reason_names_the_placement_that_it_would_be():
    """Nothing is said where nobody asked: a first placement by a rule for first placements."""
    assert failed(further(sequence=2), shipped_rules())[0] == ("placement_sequence", "2")
    reasons = decide(further(), shipped_rules(), TODAY).reasons
    assert "placement_sequence" not in {reason.fact for reason in reasons}
    second = decide(further(sequence=2), rules_of("format = 1\n" + RULE + "sequence = 2\n" + WHEN), TODAY)
    assert ("placement_sequence", "2", "2", True) in [reason[1:] for reason in second.reasons]


def test_an_agency_that_has_returned_an_account_never_gets_it_again():
    """Another agency may; no day changes that."""
    text = "format = 1\n" + RULE + "sequence = 2\n" + WHEN
    returned = further(sequence=2, returned_by=frozenset({"sample"}))
    assert failed(returned, rules_of(text)) == [("agency", "sample has returned it")]
    assert next_due(returned, rules_of(text), TODAY) is None
    assert decide(returned, rules_of(text.replace('"sample"', '"other"')), TODAY).agency == "other"


# ---- allocations ----------------------------------------------------------------------------------------------------


def test_a_rule_may_name_an_allocation_in_place_of_an_agency():
    """Which agency it is, is then asked of the shares."""
    shares = 'shares = [{ agency = "a", label = "champion", percent = 60 }, { agency = "b", percent = 39.5 }]\n'
    rules = rules_of(SPLIT + shares)
    decision = decide(further(), rules, TODAY)
    assert (decision.rule, decision.agency, decision.allocation, decision.mode) == (
        "one",
        None,
        "split",
        Mode.AUTOMATIC,
    )
    assert rules.agencies == ("a", "b")
    assert rules.named_agencies[1] == (("allocations", 0, "shares", 1, "agency"), "b")
    assert rules.allocation("split") == Allocation(
        "split", (Share("a", "champion", Decimal(60)), Share("b", "", Decimal("39.5")))
    )


def test_a_share_may_ask_for_letters_room_and_conditions():
    """Its conditions are asked as a rule's are."""
    when = 'when = [{ fact = "facility", is = "NORTHGATE" }]'
    rules = rules_of(SPLIT + f'shares = [{{ agency = "a", surname = "a-m", capacity = 5000, {when} }}]\n')
    [share] = rules.allocation("split").shares
    assert (share.surname, share.capacity, share.percent) == (("A", "M"), 5000, None)
    [reason] = check_conditions("one", share.when, facts_for(facts(), rules, TODAY), TODAY)
    assert (reason.rule, reason.fact, reason.held) == ("one", "facility", True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('minimum = "x"\n', 'rules[1].minimum: minimum is dollars (in quotes, as "25.00")'),
        ("guarantor_minimum = 25\n", "rules[1].guarantor_minimum: guarantor_minimum is dollars"),
        ("sequence = 0\n", "rules[1].sequence: not a sequence"),
        ("sequence = true\n", "rules[1].sequence: not a sequence"),
        ('allocation = "split"\n', "rules[1].allocation: an agency and an allocation: one of them (leave one out)"),
    ],
)
def test_a_wrong_key_of_a_rule_is_named(text, expected):
    """With the fix."""
    shares = '[[allocations]]\nname = "split"\nshares = [{ agency = "a" }]\n'
    assert problem_of("format = 1\n" + RULE + text + WHEN + shares).startswith(f"rules.toml:5: {expected}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "[1].shares: an allocation needs at least one share"),
        ("shares = [3]\n", "[1].shares: an allocation needs at least one share"),
        ("shares = [{}]\n", '[1].shares[1].agency: a name is needed (write: agency = "...")'),
        ('shares = [{ agency = "a", label = "" }]\n', "[1].shares[1].label: a name is needed"),
        ('shares = [{ agency = "a", part = 3 }]\n', "[1].shares[1].part: unknown key"),
        (
            'shares = [{ agency = "a", percent = 0 }]\n',
            "[1].shares[1].percent: expected a part of a hundred",
        ),
        (
            'shares = [{ agency = "a", percent = true }]\n',
            "[1].shares[1].percent: expected a part of a hundred",
        ),
        (
            'shares = [{ agency = "a", percent = nan }]\n',
            "[1].shares[1].percent: expected a part of a hundred",
        ),
        (
            'shares = [{ agency = "a", percent = 60 }, { agency = "b", percent = 41 }]\n',
            "[1].shares: the percents come",
        ),
        (
            'shares = [{ agency = "a", surname = "M-A" }]\n',
            "[1].shares[1].surname: expected a first and a last letter",
        ),
        (
            'shares = [{ agency = "a", surname = "AB-M" }]\n',
            "[1].shares[1].surname: expected a first and a last letter",
        ),
        (
            'shares = [{ agency = "a", surname = 3 }]\n',
            "[1].shares[1].surname: expected a first and a last letter",
        ),
        (
            'shares = [{ agency = "a", capacity = 0 }]\n',
            "[1].shares[1].capacity: expected a number of open placements",
        ),
        (
            'shares = [{ agency = "a" }]\n[[allocations]]\nname = "split"\nshares = [{ agency = "a" }]\n',
            "[2].name: another allocation has this name",
        ),
    ],
)
def test_a_wrong_allocation_is_named(text, expected):
    """With the fix."""
    assert problem_of(SPLIT + text).partition(": ")[2].startswith(f"allocations{expected}")


def test_an_allocation_that_is_not_there_is_missed():
    """With the one that is near."""
    near = SPLIT.replace('allocation = "split"', 'allocation = "spilt"') + 'shares = [{ agency = "a" }]\n'
    assert problem_of(near) == 'rules.toml:4: rules[1].allocation: no allocation is named "spilt" (did you mean split?)'
    none = SPLIT.partition("[[allocations]]")[0]
    assert problem_of(none).endswith('no allocation is named "split" (add a table: [[allocations]])')
    wrong = "allocations = 3\nformat = 1\n" + RULE + WHEN
    assert problem_of(wrong) == "rules.toml:1: allocations: expected a list of tables (write: [[allocations]])"


def test_percents_of_shares_for_different_accounts_may_come_to_more_than_a_hundred():
    """Sixty of one half of the alphabet, and sixty of the other."""
    shares = '{ agency = "a", percent = 60, surname = "A-M" }, { agency = "b", percent = 60, surname = "N-Z" }'
    assert len(rules_of(SPLIT + f"shares = [{shares}]\n").allocation("split").shares) == 2
