"""The examples of a rules file, decided by its rules -> what came out, and whether it is what they expect."""

from __future__ import annotations

from typing import NamedTuple

from hl7bridge.rules.evaluate import Decision, decide
from hl7bridge.rules.spec import Rules
from hl7bridge.rules.spec_examples import NONE, Example


class Tried(NamedTuple):
    """One example and what the rules made of it; ``problem`` is "" when it is what was expected."""

    example: Example
    decision: Decision
    problem: str

    @property
    def found(self) -> str:
        """Return the rule that places, or ``none``."""
        return self.decision.rule or NONE


def try_examples(rules: Rules) -> tuple[Tried, ...]:
    """Return what the rules make of each of their own examples."""
    return tuple(_try(example, rules) for example in rules.examples)


def _try(example: Example, rules: Rules) -> Tried:
    decision = decide(example.facts, rules, example.as_of)
    found = decision.rule or NONE
    stopping = {reason.fact for reason in decision.reasons if not reason.held}
    missing = [name for name in example.because if name not in stopping]
    problem = ""
    if found != example.expect:
        why = "; ".join(reason.text for reason in decision.deciding)
        problem = f"expected {example.expect}, found {found} ({why})"
    elif missing:
        problem = f"not placed, but not because of {', '.join(missing)}"
    return Tried(example, decision, problem)
