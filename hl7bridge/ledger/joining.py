"""Two rows about one patient, account, guarantor or coverage -> one, as if all messages had told of one row.

Each field goes by the time at which it was last told. What names the target stays its own, and nothing is blanked: a
merge says that two records are of one thing, not that what is known of it is gone.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

from hl7bridge.ledger.account import AccountState
from hl7bridge.ledger.ranked import Kind, Ranked, end_before, identity_of
from hl7bridge.ledger.times import Told, encode_times, merge_rows, parse_times, with_mark
from hl7bridge.mapping.records import Account, Patient

_OPEN: Final = "open"
_STATUS: Final = "status"
_FLOOR: Final = "X"
_ACCOUNT_FIELDS: Final = (*Account._fields[2:], "patient_id")  # as ledger.intake.merge_account has them
_OF_ACCOUNT: Final = frozenset({"status", "pid_18", "authority"})
_OF_PATIENT: Final = frozenset({"facility", "number", "authority", "pid_3", "deleted"})


class PatientRow(NamedTuple):
    """What is stored of a patient: the record, when it was last told of, and its fields' own times."""

    patient: Patient
    as_of: str
    field_times: str


def join_accounts(target: AccountState, source: AccountState) -> AccountState:
    """Return the target with what the source's messages told; its totals are not touched.

    The number as it is echoed (PID-18), its authority and the status stay the target's: a duplicate that was cancelled
    cancels nothing else. The visits of the source are the target's.
    """
    row = merge_rows(_told_account(target), _offered(_told_account(source), _ACCOUNT_FIELDS, _OF_ACCOUNT))
    fields = dict(zip(_ACCOUNT_FIELDS, row.values, strict=True))
    fields["status"] = fields["status"] or _OPEN
    fields["authority"] = target.authority
    return target._replace(
        **fields,
        as_of=row.as_of,
        field_times=row.times,
        message_id=source.message_id if source.as_of > target.as_of else target.message_id,
        moved_visits=target.moved_visits + source.moved_visits,
    )


def without_authority(state: AccountState) -> AccountState:
    """Return an account as if nothing had been told of who assigned its number."""
    return state._replace(authority="", field_times=_times_without(state, "authority"))


def without_status(state: AccountState) -> AccountState:
    """Return an account as if nothing had been told of its status."""
    return state._replace(status=_OPEN, field_times=_times_without(state, _STATUS))


def _times_without(state: AccountState, name: str) -> str:
    masks, marks = parse_times(state.field_times)
    others = ~(1 << _ACCOUNT_FIELDS.index(name))
    return encode_times([(time, mask & others) for time, mask in masks], marks)


def join_patients(target: PatientRow, source: PatientRow) -> PatientRow:
    """Return the target with what the source's messages told; its own ids stay, and so does who is deleted."""
    row = merge_rows(
        Told(list(target.patient), target.as_of, target.field_times),
        _offered(Told(list(source.patient), source.as_of, source.field_times), Patient._fields, _OF_PATIENT),
    )
    return PatientRow(Patient._make(row.values), row.as_of, row.times)


def join_ranked(target: Ranked[Kind] | None, source: Ranked[Kind]) -> tuple[Ranked[Kind], Ranked[Kind] | None]:
    """Return who or what stands at a place in the list, and what stood there before, if it was another."""
    if target is None:
        return source, None
    if identity_of(target.record) == identity_of(source.record):
        kept = _offered(Told(list(source.record), source.as_of, source.times), source.record._fields, ())
        row = merge_rows(Told(list(target.record), target.as_of, target.times), kept)
        return Ranked(type(target.record)._make(row.values), row.as_of, row.times), None
    newer, older = (source, target) if source.as_of > target.as_of else (target, source)
    kept_row = end_before(newer, older.as_of)
    return kept_row._replace(times=with_mark(kept_row.times, _FLOOR, older.as_of)), older


def _told_account(state: AccountState) -> Told:
    values = [getattr(state, name) for name in _ACCOUNT_FIELDS]
    values[0] = None if values[0] == _OPEN else values[0]  # what is only assumed was not told
    return Told([None if value == "" else value for value in values], state.as_of, state.field_times)


def _offered(row: Told, names: Collection[str], own: Collection[str]) -> Told:
    """Return a row without the fields that are its own and without what it says is not known."""
    values = [None if name in own else value for name, value in zip(names, row.values, strict=True)]
    valued = sum(1 << at for at, value in enumerate(values) if value is not None)
    masks, marks = parse_times(row.times)
    return Told(values, row.as_of, encode_times([(time, mask & valued) for time, mask in masks], marks))
