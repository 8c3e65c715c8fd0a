"""The names of signals and their values: the vocabulary that mappings, signal files and rules share."""

from __future__ import annotations

import datetime as dt
import difflib
from typing import Final, NamedTuple


class SignalSpec(NamedTuple):
    """One name of the vocabulary. With no ``values`` the value is a day, YYYY-MM-DD, or a whole number."""

    name: str
    meaning: str
    values: tuple[str, ...] = ("no", "yes")
    holding: frozenset[str] = frozenset({"yes"})
    is_number: bool = False

    @property
    def values_text(self) -> str:
        """Return what its value may be, as people read it."""
        return ", ".join(self.values) or ("a whole number" if self.is_number else "YYYY-MM-DD")


def _spec(name: str, meaning: str, free: str = "", holding: str = "") -> SignalSpec:
    """Every flag takes yes (it holds) and no; some also say which stage was reached."""
    return SignalSpec(
        name, meaning, ("no", *free.split(), "yes", *holding.split()), frozenset({"yes", *holding.split()})
    )


def _fact(name: str, meaning: str, *values: str, is_number: bool = False) -> SignalSpec:
    """Return a signal that rules ask about and that never holds: a day unless values or a number are said."""
    return SignalSpec(name, meaning, values, frozenset(), is_number)


# Source: collections.md 2.3 (holds and exclusions) and 2.4 (where each can come from).
_TABLE: Final = (
    _spec("attorney", "the guarantor is represented by an attorney"),
    _spec("bankruptcy", "bankruptcy: filed stays collection, discharged ends it", "dismissed", "filed discharged"),
    _spec("cease", "the guarantor asked in writing that contact stops"),
    _spec("charity", "charity care: asked for, or granted", "denied partial", "pending approved presumptive"),
    _spec("client_matter", "a matter between the hospital and the guarantor's employer or insurer is open"),
    _spec("complaint", "the guarantor has complained, and nobody has answered yet"),
    _spec("confidential_communication", "the patient asked to be reached another way than the guarantor's address"),
    _spec("deceased", "the guarantor or the patient has died"),
    _spec("dispute", "the guarantor disputes the debt", "resolved", "open"),
    _spec("employee", "the guarantor works for the hospital, and its policy keeps such accounts"),
    _spec("fap_pending", "an application under the financial assistance policy is being looked at"),
    _spec("good_faith_estimate", "the bill is being compared with the good faith estimate"),
    _spec("hill_burton", "free or reduced care under Hill-Burton is owed or being looked at"),
    _spec("hold", "a person at the hospital said: not to an agency"),
    _spec("inmate", "the patient was in custody when treated"),
    _spec("insurance_pending", "a claim or an appeal is with an insurer"),
    _spec("liability_claim", "workers' compensation, motor or other liability may pay"),
    _spec("litigation", "a court case about the account"),
    _spec("medicaid_pending", "an application for Medicaid is being looked at"),
    _spec("merge_pending", "the account is to be merged with another"),
    _spec("military", "protected while on active duty"),
    _spec("nsa_dispute", "a patient-provider dispute under the No Surprises Act"),
    _spec("nsa_protected", "the balance may not be billed under the No Surprises Act"),
    _spec("part_2", "the record is of a program under 42 CFR Part 2, and nothing allows sending it"),
    _spec("qmb", "a qualified Medicare beneficiary, or a Medicaid cost share that may not be billed"),
    _spec("state_law", "a step that the state's law asks for first is not done: a screening, a notice"),
    _spec("study", "a research study pays, or may pay"),
    _spec("unbilled", "charges are still to be billed, or came late"),
    _spec("vip", "the hospital's policy keeps this person's accounts"),
    SignalSpec(
        "plan_status",
        "the payment plan: active, failed or completed",
        ("active", "completed", "failed", "none"),
        frozenset({"active"}),
    ),
    _fact("first_statement", "the day of the first statement sent to the guarantor"),
    _fact("last_statement", "the day of the newest statement sent to the guarantor"),
    _fact("statement_count", "how many statements were sent to the guarantor", is_number=True),
    _fact("final_notice", "the day of the final notice sent to the guarantor"),
    _fact("self_pay", "the day on which the balance became the guarantor's to pay"),
    _fact("adjudicated", "the day on which the last insurer has decided, also when it denied and paid nothing"),
    _fact("charge_off", "the day on which the hospital wrote the balance off to bad debt"),
    _fact("judgment", "the day of a court's judgment about the balance"),
    _fact("plan_payments_missed", "how many payments of a plan were missed one after another", is_number=True),
    _fact("mail_returned", "mail came back from the address that is known", "no", "yes"),
    _fact("score", "a score of how likely the balance is paid, as the site computes it", is_number=True),
    _fact(
        "segment", "how the guarantor is insured, as the site sorts its accounts",
        "insured", "uninsured", "underinsured", "high_deductible", "medicare_cost_share",
    ),
)  # fmt: skip
SIGNALS: Final = {spec.name: spec for spec in _TABLE}
MOST_DIGITS: Final = 9  # of a number


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
    if spec.is_number:
        what, hint, is_right = "a whole number", f"at most {MOST_DIGITS} digits", is_number(value)
    else:
        what, hint, is_right = "a day", "YYYY-MM-DD", is_day(value)
    return None if is_right else SignalProblem("value", f"{name} takes {what}", hint)


def is_number(text: str) -> bool:
    """Return True for a whole number, zero or more, of at most nine digits."""
    return text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS


def is_day(text: str) -> bool:
    """Return True for a real day written YYYY-MM-DD."""
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
