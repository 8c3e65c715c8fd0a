"""What an agency was told last of a placement <-> the text in which the placement keeps it.

With it nothing depends on which event came when: what an agency must be told now is what is so now and was not told.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final, NamedTuple

from hl7bridge.money import ZERO, from_cents, to_cents

PERSON: Final = "person"  # the stop is a person's word, and only a person ends it
_NOBODY: Final[Mapping[str, str]] = MappingProxyType({})


class Told(NamedTuple):
    """What an agency knows of one placement. Money is dollars.

    ``row`` is the account's row and ``account`` its number, ``entry`` the last ledger entry that was looked at,
    ``balance`` what the agency may collect. ``withheld`` is by how much the balance grew since and nobody has said
    whether to tell it; ``left`` what a person said not to tell: the three sum up to the account's balance.
    ``people`` are the names, addresses and telephones that the agency got, ``coverages`` those that were known.
    ``stop`` is the hold for which it was told to stop, PERSON, or "". ``asked`` are questions put to a person.
    """

    row: int
    account: str
    entry: int
    balance: Decimal
    withheld: Decimal = ZERO
    left: Decimal = ZERO
    people: Mapping[str, str] = _NOBODY
    coverages: tuple[str, ...] = ()
    stop: str = ""
    asked: tuple[str, ...] = ()

    def ask(self, question: str) -> Told:
        """Return the same with a question that is put to a person now."""
        return self._replace(asked=(*self.asked, question))

    def unask(self, *questions: str) -> Told:
        """Return the same without questions: they may be put again."""
        return self._replace(asked=tuple(each for each in self.asked if each not in questions))


def encode_told(told: Told) -> str:
    """Return the text of a row's column ``told``: JSON, money in whole cents."""
    values = told._asdict() | {name: to_cents(getattr(told, name)) for name in ("balance", "withheld", "left")}
    return json.dumps(values | {"people": dict(told.people)}, ensure_ascii=False, separators=(",", ":"))


def decode_told(text: str) -> Told:
    """Return what ``encode_told`` was given."""
    values = json.loads(text)
    for name in ("balance", "withheld", "left"):
        values[name] = from_cents(values[name])
    return Told(**values | {"coverages": tuple(values["coverages"]), "asked": tuple(values["asked"])})
