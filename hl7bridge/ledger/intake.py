"""Records of a message + what the ledger knows -> what to store: merged records and the entries that are new."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar, cast

from hl7bridge.errors import DATA_TYPE, DUPLICATE_KEY, REQUIRED_FIELD, Location, MessageError
from hl7bridge.ledger.account import AccountState, new_account
from hl7bridge.ledger.times import Told, first_told, merge_told
from hl7bridge.mapping.records import NULL, Account, Entry, Record
from hl7bridge.money import parse_money

_R = TypeVar("_R", bound=Record)
_IDENTITY: Final = 2  # facility and number come first in an account's record
_OPEN: Final = "open"
# An account's state has what a record tells of in two runs, status to patient and authority to alternate visit.
_STATUS, _PATIENT, _AS_OF, _AUTHORITY, _MERGED = map(
    AccountState._fields.index, ("status", "patient_id", "as_of", "authority", "merged_into")
)
_TOLD_AUTHORITY: Final = Account._fields.index("authority") - _IDENTITY
_NONE: Final[frozenset[int]] = frozenset()
_NULLS: Final = frozenset({NULL})  # to look for one by its hash: to compare it with an amount takes long
_AMOUNT = 11
_TRANSACTION = 2
_CODED_KINDS = frozenset({"PY", "AJ", "CO"})
MOST_DOLLARS = 10**11  # a larger amount is a mistake: it would not fit the field lengths of any receiver


def merge_record(known: _R | None, told: _R) -> _R:
    """Return what is known after a record: None keeps, NULL clears, anything else replaces."""
    if known is None:
        return told if _NULLS.isdisjoint(told) else cast("_R", type(told)._make(None if v is NULL else v for v in told))
    values: list[Any] = [
        old if new is None else None if new is NULL else new for old, new in zip(known, told, strict=True)
    ]
    return cast("_R", type(told)._make(values))


def merge_account(
    known: AccountState, told: Account, patient_id: int | None, *, at: str, message_id: int
) -> AccountState:
    """Return the account's state after a record of a message of time ``at``, each field by its own time.

    An older message fills what no newer one has told of, and overwrites nothing. An account that nothing else was told
    of is open.
    """
    before = [*known[_STATUS:_PATIENT], *known[_AUTHORITY:_MERGED], known.patient_id]
    if before[0] == _OPEN:
        before[0] = None  # it is only assumed
    before[_TOLD_AUTHORITY] = before[_TOLD_AUTHORITY] or None
    row = merge_told(before, known.as_of, known.field_times, _told_values(told, patient_id), at)
    newest = (at, message_id) if at >= known.as_of else (known.as_of, known.message_id)
    return _state(known, row, newest)


def first_account(told: Account, patient_id: int | None, *, at: str, message_id: int) -> AccountState:
    """Return what ``merge_account`` makes of an account that was not known before."""
    blank = new_account(str(told.facility), str(told.number), as_of=at, message_id=message_id)
    return _state(blank, first_told(_told_values(told, patient_id), at), (at, message_id))


def _told_values(told: Account, patient_id: int | None) -> list[Any]:
    """Return the fields that a message tells of, as ``ledger.times`` has them."""
    values: list[Any] = [*told[_IDENTITY:], patient_id]
    if values[0] == _OPEN:
        values[0] = NULL
    return values


def _state(known: AccountState, row: Told, newest: tuple[str, int]) -> AccountState:
    """Return an account with the fields of a row. Written out: to replace them by name takes twenty times as long."""
    values = row.values
    return AccountState._make(
        (
            *known[:_STATUS],
            values[0] or _OPEN,
            *values[1:_TOLD_AUTHORITY],
            values[-1],  # the patient
            *known[_PATIENT + 1 : _AS_OF],
            *newest,
            values[_TOLD_AUTHORITY] or "",
            *values[_TOLD_AUTHORITY + 1 : -1],
            *known[_MERGED:-1],
            row.times,
        )
    )


def complete_entries(entries: Iterable[Entry]) -> list[Entry]:
    """Return entries with their amount settled: the extended amount, else unit amount times quantity.

    A charge's or credit's code is dropped: it is a procedure. Raises MessageError at the FT1 that has no amount.
    """
    complete: list[Entry] = []
    for occurrence, told in enumerate(entries, 1):
        # An entry is never changed: a null in one is no value.
        entry = told if _NULLS.isdisjoint(told) else merge_record(None, told)
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


def repeated_entries(entries: Sequence[Entry]) -> frozenset[int]:
    """Return the places of entries without an id that say in every field what one before them in the message says.

    It is one entry, told twice. It takes the entries as told: a charge's code, which is not kept, tells two apart.
    """
    if len(entries) == 1:
        return _NONE
    seen: set[Entry] = set()
    repeated: list[int] = []
    for at, entry in enumerate(entries):
        if not isinstance(entry.transaction_id, str):
            if entry in seen:
                repeated.append(at)
            seen.add(entry)
    return frozenset(repeated)


def new_entries(
    entries: Sequence[Entry], known: dict[tuple[str, str], Entry], repeated: frozenset[int] = _NONE
) -> list[Entry]:
    """Return the entries that the ledger does not have; ``repeated`` are the places of those told twice.

    An entry whose key is known and whose content is the same is a resend and left out. The same key with other
    content is refused: MessageError 205 at its FT1-2.
    """
    seen = dict(known)
    new: list[Entry] = []
    for at, entry in enumerate(entries):
        key = entry_key(entry)
        if key is not None:
            before = seen.get(key)
            if before is not None:
                if (before.kind, before.amount, before.service_on) != (entry.kind, entry.amount, entry.service_on):
                    text = "this transaction id is known with another type, amount or date"
                    raise MessageError(DUPLICATE_KEY, Location("FT1", at + 1, _TRANSACTION), text)
                continue
            seen[key] = entry
        elif at in repeated:
            continue
        new.append(entry)
    return new
