"""Records of a message + what the ledger knows -> what to store: merged records and the entries that are new."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, cast

from hl7bridge.errors import DATA_TYPE, DUPLICATE_KEY, REQUIRED_FIELD, Location, MessageError
from hl7bridge.ledger.account import AccountState
from hl7bridge.mapping.records import NULL, Account, Entry, Record
from hl7bridge.money import parse_money

_R = TypeVar("_R", bound=Record)
_IDENTITY = frozenset({"facility", "number"})
_AMOUNT = 11
_TRANSACTION = 2
_CODED_KINDS = frozenset({"PY", "AJ", "CO"})
MOST_DOLLARS = 10**11  # a larger amount is a mistake: it would not fit the field lengths of any receiver


def merge_record(known: _R | None, told: _R) -> _R:
    """Return what is known after a record: None keeps, NULL clears, anything else replaces."""
    if known is None:
        return told if NULL not in told else cast("_R", type(told)._make(None if v is NULL else v for v in told))
    values: list[Any] = [
        old if new is None else None if new is NULL else new for old, new in zip(known, told, strict=True)
    ]
    return cast("_R", type(told)._make(values))


def merge_account(
    known: AccountState, told: Account, patient_id: int | None, *, as_of: str, message_id: int, is_newer: bool
) -> AccountState:
    """Return the account's state after a record. An older message fills what is unknown and overwrites nothing."""
    changes: dict[str, Any] = {"patient_id": patient_id}
    for name, value in zip(told._fields, told, strict=True):
        if value is not None and name not in _IDENTITY and (is_newer or getattr(known, name) is None):
            changes[name] = None if value is NULL else value
    if changes.get("status", "") is None:
        changes["status"] = "open"
    if is_newer:
        changes["as_of"] = as_of
        changes["message_id"] = message_id
    return known._replace(**changes)


def complete_entries(entries: Iterable[Entry]) -> list[Entry]:
    """Return entries with their amount settled: the extended amount, else unit amount times quantity.

    A charge's or credit's code is dropped: it is a procedure. Raises MessageError at the FT1 that has no amount.
    """
    complete: list[Entry] = []
    for occurrence, told in enumerate(entries, 1):
        entry = merge_record(None, told)  # an entry is never changed: a null in one is no value
        amount = entry.amount
        place = Location("FT1", occurrence, _AMOUNT)
        if amount is None:
            if entry.unit_amount is None:
                raise MessageError(REQUIRED_FIELD, place, "entry amount is required and missing")
            amount = entry.unit_amount
            if entry.quantity is not None and entry.quantity != 1:
                try:
                    amount = parse_money(f"{amount * entry.quantity:f}")
                except ValueError:
                    raise MessageError(
                        DATA_TYPE, place, "entry amount: unit amount times quantity is not whole cents"
                    ) from None
        if not -MOST_DOLLARS < amount < MOST_DOLLARS:
            raise MessageError(DATA_TYPE, place, "entry amount: too large to be an amount of money")
        kind = entry.kind
        complete.append(
            Entry(
                kind,
                amount,
                entry.payer if kind in _CODED_KINDS and entry.payer else "unknown",
                entry.service_on,
                entry.posted_on,
                entry.code if kind in _CODED_KINDS else None,
                entry.transaction_id,
                entry.batch_id,
            )
        )
    return complete


def entry_key(entry: Entry) -> tuple[str, str] | None:
    """Return (FT1-2, FT1-3), by which a sender's entries of an account are told apart; None without an FT1-2."""
    if not isinstance(entry.transaction_id, str):
        return None
    return entry.transaction_id, entry.batch_id if isinstance(entry.batch_id, str) else ""


def new_entries(entries: Sequence[Entry], known: dict[tuple[str, str], Entry]) -> list[Entry]:
    """Return the entries that the ledger does not have.

    An entry whose key is known and whose content is the same is a resend and left out. The same key with other
    content is refused: MessageError 205 at its FT1-2.
    """
    seen = dict(known)
    new: list[Entry] = []
    for occurrence, entry in enumerate(entries, 1):
        key = entry_key(entry)
        if key is not None:
            before = seen.get(key)
            if before is not None:
                if (before.kind, before.amount, before.service_on) != (entry.kind, entry.amount, entry.service_on):
                    text = "this transaction id is known with another type, amount or date"
                    raise MessageError(DUPLICATE_KEY, Location("FT1", occurrence, _TRANSACTION), text)
                continue
            seen[key] = entry
        new.append(entry)
    return new
