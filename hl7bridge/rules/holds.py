"""Holds: account, people and signals -> every reason why an account must not go to an agency, whatever rules say."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from hl7bridge.ledger.account import AccountState
from hl7bridge.mapping.records import Guarantor, Patient
from hl7bridge.money import ZERO
from hl7bridge.rules.signals import SIGNALS, Signal, is_holding

# A placement that ended in one of these is over for good. A cancelled one (never acknowledged) may be tried again, and
# after a return a rule of the next sequence may place anew. Source: collections.md 3.1, "re-placement"; 3.5 number 9.
PLACED_BEFORE: Final = frozenset({"recalled", "paid_in_full", "settled", "rejected"})
_CLOSED: Final = {
    "closed": "the account is closed",
    "merged": "the account was merged into another",
    "cancelled": "the account was cancelled",
}


class Action(StrEnum):
    """What a hold does to a placement that an agency has."""

    SUSPEND = "suspend"
    RECALL = "recall"
    NONE = "none"  # it only keeps an account from being placed


class HoldSpec(NamedTuple):
    """One hold there is: what it does unless the rules say otherwise, and whether they may turn it off."""

    name: str
    when: str
    source: str
    action: Action = Action.SUSPEND
    may_be_off: bool = False


# Source: collections.md 2.3 and 3.3. What law asks in each case is for the site's counsel: [holds] in the rules file.
_SPECS: Final = (
    HoldSpec("zero_or_credit_balance", "Nothing is owed.", "the ledger", Action.NONE),
    HoldSpec("account_closed", "The account is closed.", "the account", Action.RECALL),
    HoldSpec("account_merged", "The account was merged into another.", "the account", Action.NONE),
    HoldSpec("account_cancelled", "The account was cancelled.", "the account", Action.RECALL),
    HoldSpec(
        "deceased", "The patient or a guarantor has died.", "PID-29, PID-30, GT1-24, GT1-25, signal `deceased`",
        Action.RECALL,
    ),
    HoldSpec("minor_guarantor", "The guarantor is under 18.", "GT1-8"),
    HoldSpec(
        "patient_deleted", "The sender has deleted the patient; nothing is erased here.", "ADT^A29", Action.RECALL
    ),
    HoldSpec("billing_hold", "The hospital holds bills to a guarantor.", "GT1-22"),
    HoldSpec(
        "payment_plan", "A plan is active, or one was entered into and no signal says how it went.",
        "signal `plan_status`, PV1-24",
    ),
    HoldSpec(
        "recent_payment", "The patient has paid in the last `recent_payment_days` days (`[dates]`).", "FT1",
        Action.NONE, may_be_off=True,
    ),
    HoldSpec(
        "medicaid_coverage", "A coverage for the time of service is Medicaid's.", "IN1-15, `[payer_kinds]`",
        Action.RECALL, may_be_off=True,
    ),
    HoldSpec(
        "liability_coverage", "A coverage for the time of service is workers' compensation, motor or other liability.",
        "IN1-15, `[payer_kinds]`", Action.SUSPEND, may_be_off=True,
    ),
    HoldSpec(
        "placed_before", "An earlier placement was recalled, paid or settled, or rejected and nobody has corrected it.",
        "placements", Action.NONE,
    ),
)  # fmt: skip
_RECALLED: Final = frozenset({"bankruptcy", "deceased", "nsa_dispute", "nsa_protected", "part_2", "qmb"})
_OFF: Final = frozenset(
    {"employee", "good_faith_estimate", "hill_burton", "part_2", "qmb", "state_law", "study", "vip"}
)
_GRANTED: Final = frozenset({"yes", "approved", "presumptive"})


def _of_signal(name: str) -> HoldSpec:
    action = Action.RECALL if name in _RECALLED else Action.SUSPEND
    return HoldSpec(name, SIGNALS[name].meaning, f"signal `{name}`", action, name in _OFF)


HOLDS: Final = {spec.name: spec for spec in _SPECS} | {
    name: _of_signal(name) for name, spec in SIGNALS.items() if spec.holding and name not in {"plan_status", "deceased"}
}


class Hold(NamedTuple):
    """One hold. ``source`` is the field or signal that says so; ``why`` is for people; neither has a patient value.

    ``action`` is what it does to a placement that an agency has; ``since`` and ``until`` are its first and last day
    where they are known. It holds on every day up to ``until``.
    """

    name: str
    source: str
    why: str
    action: Action = Action.SUSPEND
    since: dt.date | None = None
    until: dt.date | None = None


def make_hold(name: str, source: str, why: str, *, since: dt.date | None = None, until: dt.date | None = None) -> Hold:
    """Return a hold with the action that it has unless the rules say otherwise."""
    spec = HOLDS.get(name)
    return Hold(name, source, why, Action.SUSPEND if spec is None else spec.action, since, until)


def find_holds(
    account: AccountState,
    patient: Patient | None,
    guarantors: Iterable[Guarantor],
    signals: Mapping[str, Signal],
    *,
    last_ended: str = "",
) -> tuple[Hold, ...]:
    """Return every hold that depends neither on the day nor on the rules; see holds_in_force for those that do.

    ``signals`` are the current ones; ``last_ended`` is the final status of the newest placement, "" when none ended.
    """
    holds = [*_account_holds(account), *_people_holds(patient, guarantors), *_signal_holds(signals)]
    if "plan_status" not in signals and account.plan_code:
        holds.append(make_hold("payment_plan", "PV1-24", "a payment plan was entered into"))
    if last_ended in PLACED_BEFORE:
        holds.append(make_hold("placed_before", "placements", f"an earlier placement ended as {last_ended}"))
    return tuple(holds)


def _account_holds(account: AccountState) -> Iterable[Hold]:
    if account.status != "open":
        name = f"account_{account.status}"
        yield make_hold(name, "account", _CLOSED.get(account.status, "the account is not open"))
    if account.balance <= ZERO:
        yield make_hold("zero_or_credit_balance", "ledger", "nothing is owed")


def _people_holds(patient: Patient | None, guarantors: Iterable[Guarantor]) -> Iterable[Hold]:
    if patient is not None and (patient.deceased is True or patient.died_on is not None):
        died_on = patient.died_on if isinstance(patient.died_on, dt.date) else None
        yield make_hold("deceased", "PID-30", "the patient has died", since=died_on)
    if patient is not None and patient.deleted is True:
        yield make_hold("patient_deleted", "ADT^A29", "the sender has deleted the patient")
    for guarantor in guarantors:
        if guarantor.deceased is True:
            yield make_hold("deceased", "GT1-24/25", "a guarantor has died")
        if guarantor.billing_hold is True:
            yield make_hold("billing_hold", "GT1-22", "the hospital holds bills to a guarantor")


def _signal_holds(signals: Mapping[str, Signal]) -> Iterable[Hold]:
    for name in sorted(signals):
        signal = signals[name]
        if is_holding(signal):
            yield signal_hold(signal)


def signal_hold(signal: Signal) -> Hold:
    """Return the hold of a signal that holds."""
    name = "payment_plan" if signal.name == "plan_status" else signal.name
    end = "" if signal.until is None else f" until {signal.until}"
    why = f"{signal.name} is {signal.value} since {signal.observed_on}{end} ({signal.source})"
    hold = make_hold(name, f"signal {signal.name}", why, since=signal.observed_on, until=signal.until)
    if signal.name == "charity" and signal.value in _GRANTED:
        return hold._replace(action=Action.RECALL)
    return hold
