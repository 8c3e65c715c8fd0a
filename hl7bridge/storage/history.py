"""An account's rows in every table -> what happened to it, in order of time; and which message told what of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Final, NamedTuple

from hl7bridge.delivery.delivery import DeliveryStatus
from hl7bridge.money import ZERO, cents_text, money_text
from hl7bridge.rules.evaluate import HOLDS
from hl7bridge.storage.database import Store
from hl7bridge.storage.entries import read_entries
from hl7bridge.storage.placements import decode_reasons

_KINDS: Final = {"CG": "charge", "CD": "credit", "PY": "payment", "AJ": "adjustment", "CO": "copay"}
_MESSAGES: Final = (
    "SELECT received_at, id, message_type, trigger_event, sending_application, sending_facility, control_id,"
    " disposition, reason FROM messages WHERE account_id = ?"
)
_EVENTS: Final = (
    "SELECT e.at, e.id, p.id, p.agency, e.from_status, e.to_status, e.actor, e.reason FROM placements p"
    " JOIN placement_events e ON e.placement_id = p.id WHERE p.account_id = ?"
)
_DELIVERIES: Final = (
    "SELECT d.created_at, d.finished_at, d.id, d.kind, d.destination, d.control_id, d.status, d.attempts, d.last_error,"
    " d.payment_id FROM deliveries d WHERE d.account_id = ?"
)


class Event(NamedTuple):
    """One thing that happened, as a line a person can read; it holds no patient's value. ``at`` is ISO 8601 UTC."""

    at: str
    kind: str
    id: int
    text: str


class Told(NamedTuple):
    """Which message told of a record last. ``rank`` tells guarantors and coverages apart; 0 for the others."""

    kind: str
    rank: int
    message_id: int


class Sender(NamedTuple):
    """Where a message came from, and the mapping that read it."""

    received_at: str
    sender: str
    mapping: str


def account_ids(store: Store, *, facility: str | None = None) -> Iterator[int]:
    """Return the ids of all accounts, or of a facility's, newest first, one at a time."""
    for row in store.execute(
        "SELECT id FROM accounts WHERE facility = coalesce(?, facility) ORDER BY id DESC", (facility,)
    ):
        yield row[0]


def read_timeline(store: Store, account_id: int) -> list[Event]:
    """Return everything that happened to an account, oldest first."""
    # Of one moment, in the order in which one thing makes the next; each list is in order already.
    events = [
        *_messages(store, account_id),
        *_signals(store, account_id),
        *_decisions(store, account_id),
        *_placements(store, account_id),
        *_payments(store, account_id),
        *_entries(store, account_id),
        *_deliveries(store, account_id),
    ]
    return sorted(events, key=lambda event: event.at)


def read_told(store: Store, account_id: int, patient_id: int | None) -> list[Told]:
    """Return which message told last of the patient, and of each guarantor and coverage."""
    told = [
        Told("patient", 0, row[0])
        for row in store.execute("SELECT message_id FROM patients WHERE id = ?", (patient_id,))
    ]
    for kind, table in (("guarantor", "guarantors"), ("coverage", "coverages")):
        rows = store.execute(f"SELECT rank, message_id FROM {table} WHERE account_id = ? ORDER BY rank", (account_id,))
        told += [Told(kind, *row) for row in rows]
    return told


def read_sender(store: Store, message_id: int) -> Sender | None:
    """Return where a message came from; None when it is not stored."""
    row = store.row(
        "SELECT received_at, sending_application || '|' || sending_facility, mapping FROM messages WHERE id = ?",
        (message_id,),
    )
    return None if row is None else Sender(*row)


def _messages(store: Store, account_id: int) -> Iterator[Event]:
    rows = store.execute(f"{_MESSAGES} ORDER BY id", (account_id,))
    for at, number, kind, event, application, facility, control_id, disposition, reason in rows:
        why = f" ({reason})" if reason else ""
        text = f"{kind}^{event} {control_id} from {application}|{facility}: {disposition}{why}"
        yield Event(at, "message", number, text)


def _signals(store: Store, account_id: int) -> Iterator[Event]:
    rows = store.execute(
        "SELECT recorded_at, id, name, value, observed_on, source FROM signals WHERE account_id = ? ORDER BY id",
        (account_id,),
    )
    for at, number, name, value, day, source in rows:
        yield Event(at, "signal", number, f"{name} is {value} since {day}, said {source}")


def _decisions(store: Store, account_id: int) -> Iterator[Event]:
    rows = store.execute(
        "SELECT decided_at, id, as_of, rule, agency, eligible, balance, reasons FROM decisions WHERE account_id = ?"
        " ORDER BY id",
        (account_id,),
    )
    for at, number, day, rule, agency, eligible, balance, reasons in rows:
        said = f"as of {day}, balance {cents_text(balance)}: "
        if eligible:
            said += f"eligible by rule {rule}, agency {agency}"
        else:
            failed = [reason for reason in decode_reasons(reasons) if not reason.held]
            held = [reason for reason in failed if reason.rule == HOLDS] or failed
            said += "not eligible: " + "; ".join(reason.text for reason in held)
        yield Event(at, "decision", number, said)


def _placements(store: Store, account_id: int) -> Iterator[Event]:
    for at, number, placement, agency, source, target, actor, reason in store.execute(
        f"{_EVENTS} ORDER BY e.id", (account_id,)
    ):
        text = f"placement {placement} with {agency}: {source} -> {target} by {actor} ({reason})"
        yield Event(at, "placement", number, text)


def _payments(store: Store, account_id: int) -> Iterator[Event]:
    rows = store.execute(
        "SELECT received_at, id, agency, kind, amount, paid_on, status FROM payments WHERE account_id = ? ORDER BY id",
        (account_id,),
    )
    for at, number, agency, kind, amount, day, status in rows:
        text = f"agency {agency} reported {_article(kind)} {kind} of {cents_text(amount)} on {day}; now {status}"
        yield Event(at, "payment", number, text)


def _entries(store: Store, account_id: int) -> Iterator[Event]:
    balance = ZERO
    for row in read_entries(store, account_id):
        entry = row.entry
        amount = entry.amount or ZERO
        balance += amount if entry.kind == "CG" else -amount
        day = entry.service_on.isoformat() if isinstance(entry.service_on, dt.date) else ""
        text = f"{_KINDS[entry.kind or '']} {money_text(amount)} of {day}, balance {money_text(balance)}"
        yield Event(row.recorded_at, "entry", row.id, text)


def _deliveries(store: Store, account_id: int) -> Iterator[Event]:
    for created, finished, number, kind, destination, control_id, status, attempts, error, payment in store.execute(
        f"{_DELIVERIES} ORDER BY d.id", (account_id,)
    ):
        text = f"{kind} {control_id} of payment {payment}"
        yield Event(created, "delivery", number, f"{text} queued for {destination}")
        tries = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        if finished is not None:
            by = f" by {destination}" if status == DeliveryStatus.ACCEPTED else ""
            yield Event(finished, "delivery", number, f"{text} {status}{by} after {tries}")
        elif error:
            yield Event(created, "delivery", number, f"{text} is {status} after {tries}: {error}")


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"
