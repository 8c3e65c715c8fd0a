"""The names of signals and their values: the vocabulary that mappings, signal files and rules share."""

from __future__ import annotations

import datetime as dt
import difflib
from typing import Final, NamedTuple


class SignalSpec(NamedTuple):
    """One name of the vocabulary. With no ``values`` the value is a day, YYYY-MM-DD."""

    name: str
    meaning: str
    values: tuple[str, ...] = ("no", "yes")
    holding: frozenset[str] = frozenset({"yes"})


def _spec(name: str, meaning: str, free: str = "", holding: str = "") -> SignalSpec:
    """Every flag takes yes (it holds) and no; some also say which stage was reached."""
    return SignalSpec(
        name, meaning, ("no", *free.split(), "yes", *holding.split()), frozenset({"yes", *holding.split()})
    )


# Source: collections.md 2.3 (holds and exclusions) and 2.4 (where each can come from).
_TABLE: Final = (
    _spec("attorney", "the guarantor is represented by an attorney"),
    _spec("bankruptcy", "bankruptcy: filed stays collection, discharged ends it", "dismissed", "filed discharged"),
    _spec("cease", "the guarantor asked in writing that contact stops"),
    _spec("charity", "charity care: asked for, or granted", "denied partial", "pending approved"),
    _spec("deceased", "the guarantor or the patient has died"),
    _spec("dispute", "the guarantor disputes the debt", "resolved", "open"),
    _spec("fap_pending", "an application under the financial assistance policy is being looked at"),
    _spec("hold", "a person at the hospital said: not to an agency"),
    _spec("insurance_pending", "a claim or an appeal is with an insurer"),
    _spec("liability_claim", "workers' compensation, motor or other liability may pay"),
    _spec("litigation", "a court case about the account"),
    _spec("medicaid_pending", "an application for Medicaid is being looked at"),
    _spec("military", "protected while on active duty"),
    _spec("nsa_dispute", "a patient-provider dispute under the No Surprises Act"),
    SignalSpec(
        "plan_status",
        "the payment plan: active, failed or completed",
        ("active", "completed", "failed", "none"),
        frozenset({"active"}),
    ),
    SignalSpec("first_statement", "the day of the first statement sent to the guarantor", (), frozenset()),
)
SIGNALS: Final = {spec.name: spec for spec in _TABLE}


class SignalProblem(NamedTuple):
    """What is wrong with a name or a value, and what would be right; the value itself is not quoted."""

    key: str
    problem: str
    hint: str


def signal_problem(name: str, value: str) -> SignalProblem | None:
    """Return what is wrong with a signal, or None."""
    spec = SIGNALS.get(name)
    if spec is None:
        near = difflib.get_close_matches(name, SIGNALS, 1)
        hint = f"did you mean {near[0]}?" if near else "one of " + ", ".join(sorted(SIGNALS))
        return SignalProblem("name", "not a signal", hint)
    if spec.values:
        if value in spec.values:
            return None
        return SignalProblem("value", f"not a value of {name}", "one of " + ", ".join(spec.values))
    if is_day(value):
        return None
    return SignalProblem("value", f"{name} takes a day", "YYYY-MM-DD")


def is_day(text: str) -> bool:
    """Return True for a real day written YYYY-MM-DD."""
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
