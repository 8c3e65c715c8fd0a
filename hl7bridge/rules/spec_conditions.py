"""Predicates on facts, and what joins them: ``any_of``, ``all_of``, ``not``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

from hl7bridge.money import money_text
from hl7bridge.rules.facts import FactSpec, FactType


class Op(Enum):
    """How a predicate compares."""

    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    IS = "is"
    IN = "in"


class Joint(Enum):
    """How conditions are joined to one."""

    ANY_OF = "any_of"
    ALL_OF = "all_of"
    NOT = "not"


Wanted = Decimal | int | bool | str | tuple[str, ...]


class Predicate(NamedTuple):
    """One comparison. ``wanted`` is dollars, days, years or a number, a flag, or the texts of which one will do.

    ``least_payment``: of the payments, only those of so many dollars or more count; None counts them all.
    """

    fact: FactSpec
    op: Op
    wanted: Wanted
    least_payment: Decimal | None = None

    @property
    def text(self) -> str:
        """Return what is wanted, as people read it."""
        if isinstance(self.wanted, tuple):
            return " or ".join(self.wanted)
        if self.fact.type is FactType.FLAG:
            return "yes" if self.wanted else "no"
        bound = money_text(self.wanted) if isinstance(self.wanted, Decimal) else str(self.wanted)
        if self.op is Op.IS:
            return bound
        said = f"at least {bound}" if self.op is Op.AT_LEAST else f"at most {bound}"
        return said if self.least_payment is None else f"{said} (payments from {money_text(self.least_payment)})"


class Group(NamedTuple):
    """Conditions joined to one; ``not`` has one part."""

    joint: Joint
    parts: tuple[Condition, ...]

    @property
    def text(self) -> str:
        """Return what is wanted, as people read it."""
        return "; ".join(
            f"{part.fact.name} {part.text}" if isinstance(part, Predicate) else f"{part.joint.value} ({part.text})"
            for part in self.parts
        )


Condition = Predicate | Group


def predicates_of(conditions: Iterable[Condition]) -> Iterator[Predicate]:
    """Yield every predicate of conditions, those inside groups too, in the order in which they are written."""
    for condition in conditions:
        if isinstance(condition, Predicate):
            yield condition
        else:
            yield from predicates_of(condition.parts)
