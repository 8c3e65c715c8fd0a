"""An account's rows in every table -> what happened to it, in order of time, as sentences a person can read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Final, NamedTuple

from hl7bridge.delivery.delivery import DeliveryStatus
from hl7bridge.money import ZERO, cents_text, from_cents, money_text
from hl7bridge.rules.evaluate import HOLDS
from hl7bridge.rules.signals import is_holding
from hl7bridge.storage.coverage_history import former_coverages
from hl7bridge.storage.database import Store
from hl7bridge.storage.discrepancies import discrepancies_of
from hl7bridge.storage.entries import read_entries
from hl7bridge.storage.identifiers import ACCOUNT, identifiers_of
from hl7bridge.storage.placements import decode_reasons
from hl7bridge.storage.signals import read_signal_rows
from hl7bridge.storage.tellings import merged_accounts, merged_patients
from hl7bridge.storage.transfer import BACK, MOVED

_KINDS: Final = {"CG": "charge", "CD": "credit", "PY": "payment", "AJ": "adjustment", "CO": "copay"}
# Source: HL7 v2.5.1 chapters 3 and 6; table 0003.
_MEANINGS: Final = {
    "ADT^A01": "admitted", "ADT^A02": "transferred", "ADT^A03": "discharged", "ADT^A04": "registered",
    "ADT^A05": "pre-admitted", "ADT^A06": "became an inpatient", "ADT^A07": "became an outpatient",
    "ADT^A08": "updated", "ADT^A11": "admission cancelled", "ADT^A13": "discharge cancelled",
    "ADT^A23": "visit deleted", "ADT^A28": "person added", "ADT^A29": "person deleted", "ADT^A31": "person updated",
    "BAR^P01": "account set up", "BAR^P02": "account purged", "BAR^P05": "account updated", "BAR^P06": "account ended",
    "DFT^P03": "charges and payments", "DFT^P11": "charges and payments",
}  # fmt: skip
_IDENTITY: Final = {
    "A18": "patients merged", "A24": "patients linked", "A34": "patients merged", "A35": "accounts merged",
    "A36": "patients and accounts merged", "A37": "patients no longer linked", "A39": "patients merged",
    "A40": "patients merged", "A41": "accounts merged", "A42": "visits merged", "A43": "patient number moved",
    "A44": "account moved to another patient", "A45": "visits moved to another account",
    "A47": "patient number changed", "A49": "account number changed", "A50": "visit number changed",
    "A51": "alternate visit number changed",
}  # fmt: skip
_MESSAGES: Final = (
    "SELECT received_at, id, account_id, message_type, trigger_event, sending_application, sending_facility,"
    " control_id, disposition, reason FROM messages"
)
_EVENTS: Final = (
    "SELECT e.at, e.id, p.account_id, p.id, p.agency, e.from_status, e.to_status, e.actor, e.reason, p.balance"
    " FROM placements p JOIN placement_events e ON e.placement_id = p.id"
)
_DELIVERIES: Final = (
    "SELECT created_at, finished_at, id, account_id, kind, destination, control_id, status, attempts, last_error,"
    " payment_id FROM deliveries"
)


# Entries that were moved here: the accounts that their messages addressed.
_TOLD_ELSEWHERE: Final = (
    "SELECT e.id, a.number FROM entries e JOIN messages m ON m.id = e.message_id JOIN accounts a ON a.id = m.account_id"
    f" WHERE e.account_id = ? AND m.account_id <> ? AND e.source NOT LIKE '{MOVED}%'"
)


class Event(NamedTuple):
    """One thing that happened. ``text`` holds no patient's value; ``at`` is ISO 8601 UTC; ``amount`` is dollars."""

    at: str
    kind: str
    id: int
    text: str
    amount: Decimal | None = None
    message: int | None = None


class _Account(NamedTuple):
    """The account, the numbers of those that were merged into it, by id: what is theirs says so; and its people."""

    id: int
    numbers: dict[int, str]
    patients: list[int]

    def whose(self, account_id: int | None) -> str:
        """Return what is put before a sentence."""
        return "" if account_id is None or account_id == self.id else f"account {self.numbers[account_id]}: "

    @property
    def where(self) -> str:
        """Return the condition that finds rows of all of them."""
        return f"account_id IN ({', '.join(map(str, self.numbers))})"


def read_timeline(store: Store, account_id: int) -> list[Event]:
    """Return everything that happened to an account and to those that were merged into it, oldest first."""
    ids = merged_accounts(store, account_id)
    numbers = store.rows(f"SELECT id, number FROM accounts WHERE id IN ({', '.join(map(str, ids))})")
    ((patient_id,),) = store.rows("SELECT patient_id FROM accounts WHERE id = ?", (account_id,))
    account = _Account(account_id, dict(numbers), merged_patients(store, patient_id))
    # Of one moment, in the order in which one thing makes the next; each list is in order already.
    events = [
        *_messages(store, account),
        *_numbers(store, account),
        *_signals(store, account),
        *_coverages(store, account),
        *_decisions(store, account),
        *_placements(store, account),
        *_payments(store, account),
        *_entries(store, account),
        *_deliveries(store, account),
        *_discrepancies(store, account),
        *_exceptions(store, account),
    ]
    return sorted(events, key=lambda event: event.at)


def _messages(store: Store, account: _Account) -> Iterator[Event]:
    people = ", ".join(map(str, account.patients))
    rows = store.execute(
        f"{_MESSAGES} WHERE {account.where} OR (account_id IS NULL AND patient_id IN ({people})) ORDER BY id"
    )
    for at, number, owner, kind, event, application, facility, control_id, disposition, reason in rows:
        said = f"{kind}^{event} {control_id} from {application}|{facility}"
        why = f" ({reason})" if reason else ""
        is_identity = kind == "ADT" and event in _IDENTITY
        meaning = _IDENTITY[event] if is_identity else _MEANINGS.get(f"{kind}^{event}", "told of")
        text = f"{meaning}, by {said}{why}" if disposition == "applied" else f"{said}: {disposition}{why}"
        name = "identity" if is_identity and disposition == "applied" else "message"
        yield Event(at, name, number, account.whose(owner) + text, message=number)


def _numbers(store: Store, account: _Account) -> Iterator[Event]:
    for each in identifiers_of(store, ACCOUNT, account.id):
        row = store.row("SELECT received_at FROM messages WHERE id = ?", (each.message_id,))
        if row is not None and each.becomes:
            new = each.becomes.partition("^")[0]
            text = f"account number {each.number} became {new}, said message {each.message_id}"
            yield Event(row[0], "identity", each.message_id or 0, text, message=each.message_id)


def _signals(store: Store, account: _Account) -> Iterator[Event]:
    received: dict[int | None, str] = dict(store.rows(f"SELECT id, received_at FROM messages WHERE {account.where}"))
    for row in sorted(read_signal_rows(store, account.id)):
        signal = row.signal
        holds = "; it holds the account" if is_holding(signal) else ""
        end = f" until {signal.until}" if signal.until else ""
        text = f"{signal.name} is {signal.value} since {signal.observed_on}{end}, said {signal.source}{holds}"
        at = received.get(row.message_id, row.told_at)
        yield Event(at, "signal", row.id, text, message=row.message_id)


def _coverages(store: Store, account: _Account) -> Iterator[Event]:
    for former in former_coverages(store, account.id):
        row = store.row("SELECT received_at FROM messages WHERE id = ?", (former.message_id,))
        plan = former.coverage
        name = plan.company_name or plan.company or plan.plan or "unnamed"
        text = f"coverage {plan.rank}, {name}, ended or changed, said message {former.message_id}"
        yield Event(row[0] if row else former.ended_at, "coverage", plan.rank or 0, text, message=former.message_id)


def _decisions(store: Store, account: _Account) -> Iterator[Event]:
    rows = store.execute(
        f"SELECT decided_at, id, account_id, as_of, rule, agency, eligible, balance, reasons FROM decisions"
        f" WHERE {account.where} ORDER BY id"
    )
    for at, number, owner, day, rule, agency, eligible, balance, reasons in rows:
        said = f"{account.whose(owner)}as of {day}, balance {cents_text(balance)}: "
        if eligible:
            said += f"eligible by rule {rule}, agency {agency}"
        else:
            failed = [reason for reason in decode_reasons(reasons) if not reason.held]
            held = [reason for reason in failed if reason.rule == HOLDS] or failed
            said += "not eligible: " + "; ".join(reason.text for reason in held)
        yield Event(at, "decision", number, said, from_cents(balance))


def _placements(store: Store, account: _Account) -> Iterator[Event]:
    rows = store.execute(f"{_EVENTS} WHERE p.{account.where} ORDER BY e.id")
    for at, number, owner, placement, agency, source, target, actor, reason, balance in rows:
        text = f"placement {placement} with {agency}: {source} -> {target} by {actor} ({reason})"
        yield Event(at, "placement", number, account.whose(owner) + text, from_cents(balance))


def _payments(store: Store, account: _Account) -> Iterator[Event]:
    rows = store.execute(
        f"SELECT received_at, id, account_id, agency, kind, amount, paid_on, status FROM payments"
        f" WHERE {account.where} ORDER BY id"
    )
    for at, number, owner, agency, kind, amount, day, status in rows:
        text = f"agency {agency} reported {_article(kind)} {kind} of {cents_text(amount)} on {day}; now {status}"
        yield Event(at, "payment", number, account.whose(owner) + text, from_cents(amount))


def _entries(store: Store, account: _Account) -> Iterator[Event]:
    balance = ZERO
    others: dict[int, str] = dict(store.rows(_TOLD_ELSEWHERE, (account.id, account.id)))
    for row in read_entries(store, account.id):
        entry = row.entry
        amount = entry.amount or ZERO
        balance += amount if entry.kind == "CG" else -amount
        day = entry.service_on.isoformat() if isinstance(entry.service_on, dt.date) else ""
        name = _KINDS[entry.kind or ""]
        is_told = entry.payer == "insurance" or (entry.payer == "patient" and entry.kind == "PY")
        payer = f"{entry.payer} " if is_told else ""
        text = f"{payer}{name} {money_text(amount)} of {day}, balance {money_text(balance)}"
        if row.source.startswith(MOVED):
            text += f"; entry {row.reverses} moved to another account by message {row.message_id}"
        elif row.source.startswith(BACK):
            text += f"; came back from another account by message {row.source.removeprefix(BACK)}"
        elif row.reverses is not None:
            text += f"; with entry {row.reverses} a reversal and what it reverses"
        if row.id in others:
            text += f"; of account {others[row.id]}"
        yield Event(row.recorded_at, "entry", row.id, text, amount, row.message_id)


def _deliveries(store: Store, account: _Account) -> Iterator[Event]:
    rows = store.execute(f"{_DELIVERIES} WHERE {account.where} ORDER BY id")
    for created, finished, number, owner, kind, destination, control_id, status, attempts, error, payment in rows:
        text = f"{account.whose(owner)}{kind} {control_id} of payment {payment}"
        yield Event(created, "delivery", number, f"{text} queued for {destination}")
        tries = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        if finished is not None:
            by = f" by {destination}" if status == DeliveryStatus.ACCEPTED else ""
            yield Event(finished, "delivery", number, f"{text} {status}{by} after {tries}")
        elif error:
            yield Event(created, "delivery", number, f"{text} is {status} after {tries}: {error}")


def _discrepancies(store: Store, account: _Account) -> Iterator[Event]:
    for each in discrepancies_of(store, account.id):
        apart = abs(each.theirs - each.ours)
        text = (
            f"the sender says that the {each.level}'s {each.kind} {_verb(each.kind)} {money_text(each.theirs)}, the"
            f" ledger {money_text(each.ours)}: {money_text(apart)} apart (message {each.message_id})"
        )
        yield Event(each.found_at, "discrepancy", each.id, text, apart, each.message_id)
        if each.resolved_at is not None:
            text = f"the {each.level}'s {each.kind} {_verb(each.kind)} as the sender says again"
            yield Event(each.resolved_at, "discrepancy", each.id, text)


def _exceptions(store: Store, account: _Account) -> Iterator[Event]:
    rows = store.execute(
        "SELECT id, reason, message_id, opened_at, closed_at, closed_by, resolution FROM exceptions"
        f" WHERE {account.where} OR other_{account.where} ORDER BY id"
    )
    for number, reason, message, opened, closed, who, resolution in rows:
        yield Event(opened, "exception", number, f"for a person to look at: {reason}", message=message)
        if closed is not None:
            yield Event(closed, "exception", number, f"looked at by {who}: {resolution or 'nothing said'}")


def _verb(kind: str) -> str:
    return "is" if kind == "balance" else "are"


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"
