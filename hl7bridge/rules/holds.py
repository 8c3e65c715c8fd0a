"""Holds: account, people and signals -> every reason why an account must not go to an agency, whatever rules say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from hl7bridge.ledger.account import AccountState
from hl7bridge.mapping.records import Guarantor, Patient
from hl7bridge.money import ZERO
from hl7bridge.rules.signals import Signal, is_holding

# A placement that ended in one of these is over for good; only a cancelled one (never acknowledged) may be tried
# again. Source: collections.md 3.1, "re-placement", and 3.5 number 9.
PLACED_BEFORE: Final = frozenset({"recalled", "paid_in_full", "settled", "returned", "rejected"})
_CLOSED: Final = {
    "closed": "the account is closed",
    "merged": "the account was merged into another",
    "cancelled": "the account was cancelled",
}


class Hold(NamedTuple):
    """One hold. ``source`` is the field or signal that says so; ``why`` is for people; neither has a patient value."""

    name: str
    source: str
    why: str


def find_holds(
    account: AccountState,
    patient: Patient | None,
    guarantors: Iterable[Guarantor],
    signals: Mapping[str, Signal],
    *,
    last_ended: str = "",
) -> tuple[Hold, ...]:
    """Return every hold that does not depend on the day (a minor guarantor does: see evaluate).

    ``signals`` are the current ones; ``last_ended`` is the final status of the newest placement, "" when none ended.
    """
    holds = [*_account_holds(account), *_people_holds(patient, guarantors), *_signal_holds(signals)]
    if "plan_status" not in signals and account.plan_code:
        holds.append(Hold("payment_plan", "PV1-24", "a payment plan was entered into"))
    if last_ended in PLACED_BEFORE:
        holds.append(Hold("placed_before", "placements", f"an earlier placement ended as {last_ended}"))
    return tuple(holds)


def _account_holds(account: AccountState) -> Iterable[Hold]:
    if account.status != "open":
        name = f"account_{account.status}"
        yield Hold(name, "account", _CLOSED.get(account.status, "the account is not open"))
    if account.balance <= ZERO:
        yield Hold("zero_or_credit_balance", "ledger", "nothing is owed")


def _people_holds(patient: Patient | None, guarantors: Iterable[Guarantor]) -> Iterable[Hold]:
    if patient is not None and (patient.deceased is True or patient.died_on is not None):
        yield Hold("deceased", "PID-30", "the patient has died")
    if patient is not None and patient.deleted is True:
        yield Hold("patient_deleted", "ADT^A29", "the sender has deleted the patient")
    for guarantor in guarantors:
        if guarantor.deceased is True:
            yield Hold("deceased", "GT1-24/25", "a guarantor has died")
        if guarantor.billing_hold is True:
            yield Hold("billing_hold", "GT1-22", "the hospital holds bills to a guarantor")


def _signal_holds(signals: Mapping[str, Signal]) -> Iterable[Hold]:
    for name in sorted(signals):
        signal = signals[name]
        if is_holding(signal):
            hold = "payment_plan" if name == "plan_status" else name
            why = f"{name} is {signal.value} since {signal.observed_on} ({signal.source})"
            yield Hold(hold, f"signal {name}", why)
