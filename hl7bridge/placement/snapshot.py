"""An account at the moment of sending -> what the agency gets: the allowed fields as text, frozen from then on."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from hl7bridge.errors import RefusedError
from hl7bridge.ledger.account import AccountState
from hl7bridge.mapping.records import NULL, Coverage, Guarantor, Null, Patient
from hl7bridge.money import money_text
from hl7bridge.rules.facts import known_text, responsible

# A line break or a tab inside a value is legal in CSV and breaks the agencies' importers all the same.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class Terms(NamedTuple):
    """What the decision settled: the number, rule and day of a placement, and for whom it is made (the creditor)."""

    placement_id: int
    tier: str
    rule: str
    sequence: int
    placed_on: dt.date
    creditor: str


class Snapshot(NamedTuple):
    """Every field that may be sent, as text: "" when unknown, money "123.45", days YYYY-MM-DD."""

    placement_id: str
    client_account: str
    facility: str
    creditor: str
    tier: str
    rule: str
    sequence: str
    placed_on: str
    patient_family_name: str
    patient_given_name: str
    patient_middle_name: str
    patient_birth_on: str
    guarantor_family_name: str
    guarantor_given_name: str
    guarantor_middle_name: str
    guarantor_organization: str
    guarantor_birth_on: str
    guarantor_relationship: str
    guarantor_street: str
    guarantor_street_2: str
    guarantor_city: str
    guarantor_state: str
    guarantor_postal_code: str
    guarantor_country: str
    guarantor_phone: str
    guarantor_language: str
    service_from: str
    service_to: str
    discharged_on: str
    charges: str
    insurance_payments: str
    other_payments: str
    adjustments: str
    balance: str
    last_payment_on: str
    payer_name: str

    def choose(self, fields: Sequence[str]) -> tuple[str, ...]:
        """Return the values of the chosen fields, in their order."""
        return tuple(getattr(self, field) for field in fields)


def build_snapshot(
    terms: Terms,
    account: AccountState,
    patient: Patient | None,
    guarantors: Sequence[Guarantor],
    coverages: Sequence[Coverage],
    *,
    entries_balance: Decimal,
) -> Snapshot:
    """Return what may be sent of an account.

    ``entries_balance`` is the sum of the ledger's entries: raises RefusedError with the difference when the account's
    totals do not come to it, for an amount that does not foot is not sent.
    """
    check_footing(account, entries_balance)
    person = patient or Patient()
    guarantor = responsible(guarantors, patient) or Guarantor()
    return Snapshot(
        placement_id=str(terms.placement_id),
        client_account=_text(account.number),
        facility=_text(account.facility),
        creditor=_text(terms.creditor),
        tier=terms.tier,
        rule=terms.rule,
        sequence=str(terms.sequence),
        placed_on=_day(terms.placed_on),
        patient_family_name=_text(person.family_name),
        patient_given_name=_text(person.given_name),
        patient_middle_name=_text(person.middle_name),
        patient_birth_on=_day(person.birth_on),
        guarantor_family_name=_text(guarantor.family_name),
        guarantor_given_name=_text(guarantor.given_name),
        guarantor_middle_name=_text(guarantor.middle_name),
        guarantor_organization=_text(guarantor.organization),
        guarantor_birth_on=_day(guarantor.birth_on),
        guarantor_relationship=_text(guarantor.relationship),
        guarantor_street=_text(guarantor.street),
        guarantor_street_2=_text(guarantor.street_2),
        guarantor_city=_text(guarantor.city),
        guarantor_state=_text(guarantor.state),
        guarantor_postal_code=_text(guarantor.postal_code),
        guarantor_country=_text(guarantor.country),
        guarantor_phone=_text(guarantor.phone),
        guarantor_language=_text(guarantor.language),
        service_from=_day(account.first_service_on),
        service_to=_day(account.last_service_on),
        discharged_on=_day(account.discharged_on),
        charges=money_text(account.charges),
        insurance_payments=money_text(account.insurance_payments),
        other_payments=money_text(account.payments - account.insurance_payments),
        adjustments=money_text(account.adjustments),
        balance=money_text(account.balance),
        last_payment_on=_day(account.last_payment_on),
        payer_name=_text(coverages[0].company_name) if coverages else "",
    )


def check_footing(account: AccountState, entries_balance: Decimal) -> None:
    """Raise RefusedError, with the difference, when an account's balance is not what its entries come to."""
    difference = account.balance - entries_balance
    if difference:
        raise RefusedError(
            f"charges {money_text(account.charges)} less payments {money_text(account.payments)} less adjustments"
            f" {money_text(account.adjustments)} is {money_text(account.balance)}, and the entries come to"
            f" {money_text(entries_balance)}: a difference of {money_text(difference)}"
        )


def _text(value: str | Null | None) -> str:
    return _CONTROL.sub(" ", known_text(value) or "").strip()


def _day(value: dt.date | Null | None) -> str:
    return "" if value is None or value is NULL else value.isoformat()
