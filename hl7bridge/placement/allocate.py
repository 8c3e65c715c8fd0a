"""An allocation's shares, an account and its guarantor -> the agency that gets the account, and why.

A family stays with one agency: the part of a hundred that a guarantor falls into comes from a hash of who the guarantor
is, so it is the same for every account, on every day and after every restart.
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Mapping, Sequence
from decimal import Decimal
from hashlib import blake2b
from typing import Final, NamedTuple

from hl7bridge.ledger.account import AccountState
from hl7bridge.mapping.records import Guarantor
from hl7bridge.rules.evaluate import Reason, check_conditions, facts_for
from hl7bridge.rules.facts import AccountFacts, known_day, known_text
from hl7bridge.rules.spec import Rules
from hl7bridge.rules.spec_allocation import ALL, Allocation, Share

_STEPS: Final = 10_000  # a percent has two places
_KEY_BYTES: Final = 12


class Debtor(NamedTuple):
    """Who owes, as far as an allocation looks: a digest that all accounts of a guarantor share, and the surname."""

    key: str
    surname: str


class Holders(NamedTuple):
    """Who has what now: open placements by agency, who has another account of the guarantor, who returned this one."""

    open_with: Mapping[str, int]
    family_with: str | None = None
    returned_by: frozenset[str] = frozenset()


class Choice(NamedTuple):
    """The agency that gets an account and the label of its share; None when no share can take it. ``why`` says it.

    ``is_full``: an agency would have taken it, had it room; another day it may.
    """

    agency: str | None
    share: str
    why: str
    is_full: bool = False

    def reason(self, rule: str, allocation: Allocation) -> Reason:
        """Return the choice as a reason of the decision, under the rule's name."""
        return Reason(rule, f"allocation {allocation.name}", "a share", self.why, self.agency is not None)


def debtor_of(account: AccountState, guarantor: Guarantor | None) -> Debtor:
    """Return who owes an account.

    A guarantor is known by the number in a facility; without one by name with birth date or postal code; one who is
    not known at all is alone with the account.
    """
    alone = ("account", account.facility, account.number)
    if guarantor is None:
        return Debtor(_digest(*alone), "")
    number = known_text(guarantor.number)
    family, given = known_text(guarantor.family_name), known_text(guarantor.given_name)
    born, postal = known_day(guarantor.birth_on), known_text(guarantor.postal_code)
    surname = family or known_text(guarantor.organization) or ""
    if number is not None:
        return Debtor(_digest("number", account.facility, number), surname)
    if family is not None and (born is not None or postal is not None):
        who = (family.upper(), (given or "").upper(), str(born or ""), postal or "")
        return Debtor(_digest("person", account.facility, *who), surname)
    return Debtor(_digest(*alone), surname)


class Asked(NamedTuple):
    """The account that is allocated: its facts, the rules that are in force, and the facility's day."""

    facts: AccountFacts
    rules: Rules
    today: dt.date


def allocate(allocation: Allocation, asked: Asked, debtor: Debtor, holders: Holders) -> Choice:
    """Return which agency gets an account.

    The agency that has another account of the guarantor, whatever its share says; else the shares whose conditions and
    letters suit, in order, by the guarantor's part of the hundred. An agency that is full is passed over, and so is one
    that returned the account: that one for good.
    """
    suiting = [share for share in allocation.shares if _suits(share, asked, debtor)]
    with_family = [share for share in (*suiting, *allocation.shares) if share.agency == holders.family_with]
    if with_family and holders.family_with not in holders.returned_by:
        share = with_family[0]
        return Choice(share.agency, share.label, f"{_name(share)}: it has another account of the guarantor")
    passed: list[str] = []
    is_full = False
    left = list(suiting)
    while left:
        part = _part_of(allocation.name, debtor.key, len(passed))
        share = _pick(left, part)
        if share.agency in holders.returned_by:
            passed.append(f"{share.agency} returned the account")
            left = [each for each in left if each.agency != share.agency]
        elif share.capacity is not None and holders.open_with.get(share.agency, 0) >= share.capacity:
            passed.append(f"{share.agency} has the {share.capacity} it takes")
            is_full = True
            left.remove(share)
        else:
            return Choice(share.agency, share.label, "; ".join((f"{_name(share)}: {_terms(share, part)}", *passed)))
    return Choice(None, "", "; ".join(passed) or "no share suits", is_full)


def _suits(share: Share, asked: Asked, debtor: Debtor) -> bool:
    if share.surname is not None and not share.surname[0] <= _initial(debtor.surname) <= share.surname[1]:
        return False
    return all(reason.held for reason in check_conditions("", share.when, facts_for(*asked), asked.today))


def _initial(surname: str) -> str:
    """Return the first letter without its accents, "" when it is none: such a name suits no range of letters."""
    plain = unicodedata.normalize("NFKD", surname.strip())[:1].upper()
    return plain if plain.isascii() and plain.isalpha() else ""


def _pick(shares: Sequence[Share], part: Decimal) -> Share:
    """Return the share that a part of the hundred falls into; shares that come to another sum are scaled to it."""
    if all(share.percent is not None for share in shares):
        part *= sum((share.percent or ALL for share in shares), Decimal()) / ALL
    upto = Decimal()
    for share in shares[:-1]:
        upto += ALL if share.percent is None else share.percent
        if part < upto:
            return share
    return shares[-1]


def _part_of(name: str, key: str, turn: int) -> Decimal:
    """Return a guarantor's part of the hundred, 0.00 to 99.99; another one after each agency that was passed over."""
    return Decimal(int(_digest("part", name, key, str(turn)), 16) % _STEPS) * ALL / _STEPS


def _digest(*parts: str) -> str:
    return blake2b("\x1f".join(parts).encode(), digest_size=_KEY_BYTES).hexdigest()


def _name(share: Share) -> str:
    return f"{share.agency} ({share.label})" if share.label else share.agency


def _terms(share: Share, part: Decimal) -> str:
    letters = [f"surnames {share.surname[0]} to {share.surname[1]}"] if share.surname is not None else []
    percents = [f"{share.percent} percent, the guarantor's part is {part:.2f}"] if share.percent is not None else []
    return ", ".join(letters + percents) or "it takes what comes to it"
