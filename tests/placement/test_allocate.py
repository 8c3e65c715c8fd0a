"""Which agency gets an account: families stay together, parts of a hundred are kept to, and who returned it is out."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest
from placement_samples import GUARANTOR, TODAY, account, charge, facts, rules_of

from hl7bridge.mapping.records import NULL, Guarantor
from hl7bridge.placement.allocate import Asked, Debtor, Holders, allocate, debtor_of

EMPTY = Holders({})
SOMEBODY = Debtor("k", "TESTGUARANTOR")


def allocation_of(shares: str):
    """Return the allocation of a rules file with these shares, and its rules."""
    rules = rules_of(
        f'format = 1\n[[allocations]]\nname = "spread"\nshares = [{shares}]\n'
        '[[rules]]\nname = "aged"\nallocation = "spread"\nwhen = [{ fact = "balance", at_least = "1.00" }]\n'
    )
    return rules.allocation("spread"), rules


def choose(shares: str, *, debtor=SOMEBODY, holders=EMPTY, state=None):
    """Return the choice of an allocation with these shares."""
    allocation, rules = allocation_of(shares)
    return allocate(allocation, Asked(facts(state), rules, TODAY), debtor, holders)


def agencies(shares: str, count: int = 2000, **more) -> Counter[str]:
    """Return how many of so many guarantors each agency gets."""
    allocation, rules = allocation_of(shares)
    asked = Asked(facts(), rules, TODAY)
    return Counter(
        allocate(allocation, asked, Debtor(f"k{n}", "X"), **{"holders": EMPTY, **more}).agency for n in range(count)
    )


SIXTY_FORTY = '{ agency = "a", label = "champion", percent = 60 }, { agency = "b", label = "challenger", percent = 40 }'


def test_a_guarantor_falls_into_the_same_part_of_the_hundred_for_ever():
    """On every day, in every process: the part is a hash of who the guarantor is. A change here moves families."""
    choice = choose(SIXTY_FORTY)
    assert choice == ("b", "challenger", "b (challenger): 40 percent, the guarantor's part is 98.50", False)
    assert choose(SIXTY_FORTY, debtor=Debtor("k1", "OTHER")).share == "champion"


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        (SIXTY_FORTY, {"a": 0.6, "b": 0.4}),
        ('{ agency = "a", percent = 12.5 }, { agency = "b" }', {"a": 0.125, "b": 0.875}),
        ('{ agency = "a", percent = 20 }, { agency = "b", percent = 20 }', {"a": 0.5, "b": 0.5}),
        ('{ agency = "a" }, { agency = "b" }', {"a": 1.0}),
    ],
)
def test_the_parts_come_out_as_written(shares, expected):
    """A share without percent takes the rest; shares that come to less than a hundred are taken in proportion."""
    found = agencies(shares)
    assert set(found) == set(expected)
    for agency, part in expected.items():
        assert found[agency] / 2000 == pytest.approx(part, abs=0.035)


def test_a_family_stays_with_the_agency_that_has_it():
    """Whatever its part, its letters and the agency's room."""
    shares = '{ agency = "a", capacity = 1 }, { agency = "b", surname = "A-C", label = "small" }'
    holders = Holders({"a": 5, "b": 5}, family_with="b")
    choice = choose(shares, holders=holders)
    assert (choice.agency, choice.share) == ("b", "small")
    assert choice.why == "b (small): it has another account of the guarantor"


def test_a_family_with_an_agency_that_has_no_share_here_or_returned_the_account_goes_on():
    """To the shares, as any other."""
    assert choose('{ agency = "a" }', holders=Holders({}, family_with="elsewhere")).agency == "a"
    holders = Holders({}, family_with="a", returned_by=frozenset({"a"}))
    choice = choose('{ agency = "a" }, { agency = "b" }', holders=holders)
    assert (choice.agency, choice.why) == ("b", "b: it takes what comes to it; a returned the account")


def test_an_account_never_goes_back_to_the_agency_that_returned_it():
    """By none of its shares; and where it is the only one, the account is not placed."""
    holders = Holders({}, returned_by=frozenset({"a"}))
    shares = '{ agency = "a", percent = 50 }, { agency = "a", label = "rest" }'
    choice = choose(shares, holders=holders)
    assert (choice.agency, choice.why, choice.is_full) == (None, "a returned the account", False)
    assert agencies(SIXTY_FORTY, holders=holders) == {"b": 2000}


def test_what_comes_to_an_agency_that_is_left_out_is_spread_over_the_others_as_they_share():
    """Not all of it to the next in the file."""
    shares = '{ agency = "a", percent = 50 }, { agency = "b", percent = 30 }, { agency = "c", percent = 20 }'
    found = agencies(shares, holders=Holders({}, returned_by=frozenset({"a"})))
    assert found["b"] / 2000 == pytest.approx(0.6, abs=0.035)
    assert found["c"] / 2000 == pytest.approx(0.4, abs=0.035)


@pytest.mark.parametrize(("count", "agency"), [(99, "a"), (100, "b"), (101, "b")])
def test_an_agency_takes_no_more_than_its_capacity(count, agency):
    """The hundredth open placement is the last."""
    choice = choose('{ agency = "a", capacity = 100 }, { agency = "b" }', holders=Holders({"a": count}))
    assert choice.agency == agency


def test_where_every_agency_is_full_the_account_waits():
    """Another day there may be room."""
    choice = choose('{ agency = "a", capacity = 2 }', holders=Holders({"a": 2}))
    assert choice == (None, "", "a has the 2 it takes", True)


def test_shares_ask_for_facts_as_rules_do():
    """By facility, financial class, balance and whatever else there is."""
    shares = (
        '{ agency = "small", when = [{ fact = "balance", at_most = "99.99" }] },'
        ' { agency = "west", when = [{ fact = "facility", is = "WEST" }] }, { agency = "rest" }'
    )
    assert choose(shares, state=account([charge("99.99", 160)])).agency == "small"
    assert choose(shares, state=account([charge("100.00", 160)], facility="WEST")).agency == "west"
    assert choose(shares, state=account([charge("100.00", 160)])).agency == "rest"


@pytest.mark.parametrize(
    ("surname", "agency"),
    [
        ("ABEL", "a"),
        ("moore", "a"),
        ("NUNN", "b"),
        ("ZZYZX", "b"),
        ("Éclair", "a"),
        ("", None),
        ("李", None),
        ("3M", None),
    ],
)
def test_letters_are_the_surnames_first_without_accents(surname, agency):
    """Who has no such letter suits no range: end with a share for all."""
    shares = '{ agency = "a", surname = "A-M" }, { agency = "b", surname = "N-Z", percent = 100 }'
    choice = choose(shares, debtor=Debtor("k", surname))
    assert choice.agency == agency
    if agency is None:
        assert choice.why == "no share suits"


def test_the_reason_is_kept_with_the_rule_and_names_nobody():
    """What the share asks, never the name it was asked of."""
    allocation, _ = allocation_of('{ agency = "a", surname = "A-Z", percent = 100 }')
    choice = choose('{ agency = "a", surname = "A-Z", percent = 100 }')
    reason = choice.reason("aged", allocation)
    assert reason[:3] == ("aged", "allocation spread", "a share")
    assert (reason.found, reason.held) == ("a: surnames A to Z, 100 percent, the guarantor's part is 98.50", True)


STATE = account()


def test_a_guarantor_is_known_by_number_within_a_facility():
    """The same number elsewhere is somebody else; a change of name moves nobody."""
    known = debtor_of(STATE, GUARANTOR)
    assert known.surname == "TESTGUARANTOR"
    assert debtor_of(STATE._replace(number="A2"), GUARANTOR._replace(family_name="NEWNAME")).key == known.key
    assert debtor_of(STATE._replace(facility="WEST"), GUARANTOR).key != known.key


def test_without_a_number_it_is_the_name_with_birth_date_or_postal_code():
    """However the name is written; a name alone is not enough."""
    nameless = GUARANTOR._replace(number=NULL)
    known = debtor_of(STATE, nameless)
    assert debtor_of(STATE._replace(number="A2"), nameless._replace(family_name="TestGuarantor")).key == known.key
    assert debtor_of(STATE, nameless._replace(birth_on=None)).key != known.key
    bare = nameless._replace(birth_on=None, postal_code=None)
    assert debtor_of(STATE, bare).key != debtor_of(STATE._replace(number="A2"), bare).key


def test_who_is_not_known_is_alone_with_the_account():
    """Nobody is put into a family by accident."""
    assert debtor_of(STATE, None).surname == ""
    assert debtor_of(STATE, None).key != debtor_of(STATE._replace(number="A2"), None).key
    firm = debtor_of(STATE, Guarantor(rank=1, organization="SAMPLE WORKS"))
    assert firm == (debtor_of(STATE, None).key, "SAMPLE WORKS")


def test_a_percent_may_have_two_places():
    """A part of the hundred has two."""
    allocation, _ = allocation_of('{ agency = "a", percent = 0.01 }, { agency = "b" }')
    assert allocation.shares[0].percent == Decimal("0.01")
    assert agencies('{ agency = "a", percent = 0.01 }, { agency = "b" }', 300)["b"] >= 299
