"""An account's kept messages, run through the mapping again -> for each value, the message, path and line it is of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Final, NamedTuple

from hl7bridge.errors import MessageError
from hl7bridge.intake import event_time, order_text
from hl7bridge.ledger.account import AccountState, fold_entries, new_account
from hl7bridge.ledger.intake import complete_entries, entry_key
from hl7bridge.mapping.groups import split_accounts
from hl7bridge.mapping.records import NULL, Account, Coverage, Entry, Guarantor, Patient
from hl7bridge.mapping.spec import Mapping, Place
from hl7bridge.message.model import Message
from hl7bridge.message.parse import parse_message
from hl7bridge.storage.cases import Case
from hl7bridge.storage.database import Store
from hl7bridge.storage.entries import EntryRow
from hl7bridge.storage.history import Told
from hl7bridge.storage.signals import SignalRow
from hl7bridge.storage.tellings import Kept, kept_messages, merged_accounts, merged_patients, patient_numbers
from hl7bridge.storage.transfer import BACK, MOVED
from hl7bridge.tracing import Traced, Where, trace_message

CHANGED: Final = "the mapping has changed since"
UNKNOWN: Final = "no kept message tells it now; this one told of the record last"
LOST: Final = "what is kept of the message does not tell it now"
TOTALS: Final = (
    "charges", "payments", "adjustments", "insurance_payments", "first_service_on", "last_service_on",
    "last_payment_on", "insurance_paid_on",
)  # fmt: skip
_OWN_WORDS: Final = {"open": "as every account begins", "merged": "the account was merged into another"}
# These are known by what they say themselves: a patient by the number, an entry by its message.
_OF_ANY_ACCOUNT: Final = frozenset({"patient", "entry", "identity"})
# What an event that changes identities tells of the target.
_IDENTITY: Final = {
    "account_number": ("account", "number"),
    "visit_number": ("account", "visit_number"),
    "alternate_visit_number": ("account", "alternate_visit_number"),
    "patient_number": ("patient", "number"),
    "patient_authority": ("patient", "authority"),
}
_TRANSFERRED: Final = (MOVED, BACK)
_Person = Patient | Guarantor | Coverage | Account
_Key = tuple[str, int | str, str]  # kind, number of the record (a balance's level), field


class Readers(NamedTuple):
    """What reads messages again. ``now_of``: a mapping's name -> the mapping in force, None when there is none.

    ``former_of``: a name and a time (ISO 8601 UTC) -> the mapping of then, None when it is the same or not known.
    ``zone_of`` is a facility's time zone.
    """

    now_of: Callable[[str], Mapping | None]
    former_of: Callable[[str, str], Mapping | None]
    zone_of: Callable[[str], dt.tzinfo]


class Subject(NamedTuple):
    """What is known of an account; ``signals`` are those in force, ``told`` who told last of each person and plan."""

    case: Case
    told: Sequence[Told]
    entries: Sequence[EntryRow]
    signals: Sequence[SignalRow]


class Origin(NamedTuple):
    """Where one value is from: a message, and what was read where in it by which line of the mapping.

    ``record`` is as ``guarantor 1`` or ``entry 12``. What no message told has a ``note`` in place of these, and so has
    what is read otherwise now.
    """

    record: str
    field: str
    value: Any
    path: str = ""
    message: int | None = None
    received_at: str | None = None
    sender: str | None = None
    mapping: str | None = None
    place: Place | None = None
    note: str = ""


class _Telling(NamedTuple):
    """One value as a message tells it. ``order`` sorts by the mapping in force, the message's own time, and arrival."""

    order: tuple[bool, str, int]
    value: Any
    where: Where
    kept: Kept

    def origin(self, record: str, field: str) -> Origin:
        kept, where = self.kept, self.where
        note = "" if self.order[0] else CHANGED
        sender = f"{kept.sending_application}|{kept.sending_facility}"
        return Origin(
            record, field, self.value, where.path, kept.id, kept.received_at, sender, kept.mapping, where.place, note
        )


def trace_account(store: Store, subject: Subject, readers: Readers) -> list[Origin]:
    """Return the origin of each value of an account, its people, coverages, signals, entries and totals.

    A value is from the newest message, by its own time, of which the mapping makes that value. Messages of accounts and
    people that were merged into this one count.
    """
    account = subject.case.account
    accounts = merged_accounts(store, account.id)
    patients = merged_patients(store, account.patient_id)
    tellings = _Tellings(subject, patient_numbers(store, patients))
    for kept in kept_messages(store, accounts, patients):
        message = read_kept(kept.content)
        if message is None:
            continue
        received = order_text(dt.datetime.fromisoformat(kept.received_at))
        at = event_time(message, readers.zone_of(account.facility), received)
        mappings = (readers.now_of(kept.mapping), readers.former_of(kept.mapping, kept.received_at))
        parts = split_accounts(message)
        for mapping, is_in_force in zip(mappings, (True, False), strict=True):
            for part in parts:
                told = trace_message(mapping, part) if mapping is not None else []
                is_ours = kept.account_id in accounts if part is message else _names(told, account.number)
                for traced in told:
                    if traced.kind in _OF_ANY_ACCOUNT or is_ours:
                        tellings.add(traced, (is_in_force, at, kept.id), kept)
    return list(tellings.origins())


def _names(told: Sequence[Traced], number: str) -> bool:
    """Return whether a part of a message that tells of several accounts is about the one with a number."""
    return any(each.kind == "account" and each.record.number == number for each in told)


def read_kept(content: str) -> Message | None:
    """Return the message that a kept text is; None when no more than its header was kept, or it cannot be read."""
    if "\r" not in content:
        return None
    try:
        return parse_message(content.encode("utf-8"), charset="UNICODE UTF-8", override=True)
    except MessageError:  # a delimiter of another character set than ASCII
        return None


class _Tellings:
    """What messages tell of one account: of each value the telling that counts."""

    def __init__(self, subject: Subject, patient_numbers: Collection[str]) -> None:
        self._subject = subject
        self._patient_numbers = patient_numbers
        self._records = dict(_records(subject.case))
        self._best: dict[_Key, _Telling] = {}
        self._of_message: dict[int, list[EntryRow]] = {}
        for row in subject.entries:
            if row.message_id is not None and not row.source.startswith(_TRANSFERRED):
                self._of_message.setdefault(row.message_id, []).append(row)

    def add(self, traced: Traced, order: tuple[bool, str, int], kept: Kept) -> None:
        """Take in one record of a message."""
        kind, record, where = traced.kind, traced.record, traced.where
        if kind == "entry":
            self._add_entry(record, where, order, kept)
        elif kind == "signal":
            self._keep(("signal", kept.id, record.name), _Telling(order, record.value, where["value"], kept))
        elif kind == "balance":
            for field in record._fields[1:]:
                if field in where:
                    telling = _Telling(order, getattr(record, field), where[field], kept)
                    self._keep(("balance", record.level or "account", field), telling)
        elif kind == "identity":
            for name, (target, field) in _IDENTITY.items():
                self._add_value((target, 0, field), getattr(record, name), where.get(name), order, kept)
        elif kind != "patient" or record.number in self._patient_numbers:
            number = (getattr(record, "rank", 0) or traced.number) if kind in {"guarantor", "coverage"} else 0
            for field, value in zip(record._fields, record, strict=True):
                self._add_value((kind, number, field), value, where.get(field), order, kept)

    def _add_value(
        self, key: tuple[str, int, str], value: Any, where: Where | None, order: tuple[bool, str, int], kept: Kept
    ) -> None:
        kind, number, field = key
        if where is not None and value == getattr(self._records.get((kind, number)), field, None):
            self._keep(key, _Telling(order, value, where, kept))

    def _keep(self, key: _Key, telling: _Telling) -> None:
        best = self._best.get(key)
        if best is None or telling.order >= best.order:
            self._best[key] = telling

    def _add_entry(self, told: Entry, where: dict[str, Where], order: tuple[bool, str, int], kept: Kept) -> None:
        try:
            (entry,) = complete_entries([told])
        except MessageError:
            return
        row = self._row_of(entry, kept.id, is_in_force=order[0])
        if row is None:
            return
        if "amount" not in where and "unit_amount" in where:
            units = [where[name].path for name in ("unit_amount", "quantity") if name in where]
            where = {**where, "amount": Where(" x ".join(units), where["unit_amount"].place)}
        for field, value in zip(entry._fields, entry, strict=True):
            if field in where and value == getattr(row.entry, field):
                self._keep(("entry", row.id, field), _Telling(order, value, where[field], kept))

    def _row_of(self, told: Entry, message_id: int, *, is_in_force: bool) -> EntryRow | None:
        """Return the first entry that a message made of this content and that is not explained as well yet."""
        for row in self._of_message.get(message_id, ()):
            entry, key = row.entry, entry_key(row.entry)
            known = self._best.get(("entry", row.id, "kind"))
            is_open = known is None or (is_in_force and not known.order[0])
            is_same = (entry.kind, entry.amount, entry.service_on) == (told.kind, told.amount, told.service_on)
            if is_open and is_same and key in (None, entry_key(told)):  # one that was moved may have lost its id
                return row
        return None

    def origins(self) -> Iterator[Origin]:
        """Return the origin of each value, in the order in which an account is shown."""
        last = {(each.kind, each.rank): each.message_id for each in self._subject.told}
        last["account", 0] = self._subject.case.account.message_id
        for (kind, number), record in self._records.items():
            name = f"{kind} {number}" if number else kind
            for field, value in _known_values(record):
                telling = self._best.get((kind, number, field))
                if telling is not None:
                    yield telling.origin(name, field)
                elif field == "status" and value in _OWN_WORDS:
                    yield Origin(name, field, value, note=_OWN_WORDS[value])
                else:
                    yield Origin(name, field, value, message=last.get((kind, number)), note=UNKNOWN)
        yield from self._signal_origins()
        for (kind, level, field), telling in sorted(self._best.items(), key=lambda item: str(item[0])):
            if kind == "balance":
                yield telling.origin(f"balance of the {level}", field)
        yield from _total_origins(self._subject.case.account, self._subject.entries)
        for row in self._subject.entries:
            yield from self._entry_origins(row)

    def _signal_origins(self) -> Iterator[Origin]:
        for row in self._subject.signals:
            signal = row.signal
            telling = self._best.get(("signal", row.message_id or 0, signal.name))
            if telling is not None and telling.value == signal.value:
                yield telling.origin("signal", signal.name)
            elif row.message_id is None:
                note = f"told by {signal.source}"
                yield Origin("signal", signal.name, signal.value, received_at=row.told_at, note=note)
            else:
                yield Origin("signal", signal.name, signal.value, row.path, row.message_id, row.told_at, note=LOST)

    def _entry_origins(self, row: EntryRow) -> Iterator[Origin]:
        name = f"entry {row.id}"
        for field, value in _known_values(row.entry):
            telling = self._best.get(("entry", row.id, field))
            if telling is not None:
                yield telling.origin(name, field)
            elif row.source.startswith(_TRANSFERRED):
                note = f"of entry {row.reverses}: moved by message {row.source.partition(':')[2]}"
                yield Origin(name, field, value, received_at=row.recorded_at, note=note)
            elif row.payment_id is not None:
                yield Origin(name, field, value, received_at=row.recorded_at, note=f"payment {row.payment_id}")
            elif field != "payer" or value != "unknown":  # nobody says that a payer is not known
                yield Origin(name, field, value, message=row.message_id, received_at=row.recorded_at, note=LOST)


def _records(case: Case) -> Iterator[tuple[tuple[str, int], _Person]]:
    account = case.account
    yield ("account", 0), Account(*(getattr(account, field) for field in Account._fields))
    if case.patient is not None:
        yield ("patient", 0), case.patient
    for guarantor in case.guarantors:
        yield ("guarantor", guarantor.rank or 0), guarantor
    for coverage in case.coverages:
        yield ("coverage", coverage.rank or 0), coverage


def _known_values(record: Any) -> Iterator[tuple[str, Any]]:
    for field, value in zip(record._fields, record, strict=True):
        if field != "rank" and value not in (None, NULL, ""):
            yield field, value


def _total_origins(account: AccountState, entries: Sequence[EntryRow]) -> Iterator[Origin]:
    """Return for each total and day of the ledger the entries it comes from."""
    blank = new_account(account.facility, account.number, as_of="", message_id=0)
    alone = [(row, fold_entries(blank, [row.entry])) for row in entries]
    for field in TOTALS:
        value = getattr(account, field)
        if field.endswith("_on"):
            rows = [row for row, state in alone if value is not None and getattr(state, field) == value]
        else:
            rows = [row for row, state in alone if getattr(state, field)]
        if rows:
            numbers = ", ".join(str(row.id) for row in rows)
            yield Origin("ledger", field, value, note=f"of entries {numbers}")
