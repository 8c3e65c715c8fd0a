"""One message + two configurations -> what each makes of it, and field by field in what the two differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from hl7bridge.admission import build_refused
from hl7bridge.batch import Received
from hl7bridge.checks import check_event
from hl7bridge.errors import MessageError
from hl7bridge.mapping.apply import apply_mapping
from hl7bridge.mapping.records import Records, Signal
from hl7bridge.message.header import check_header
from hl7bridge.message.model import Message
from hl7bridge.message.parse import parse_message
from hl7bridge.message.text import encode_text
from hl7bridge.policy import Policy, Setup
from hl7bridge.storage.messages import Disposition

REFUSED: Final = frozenset({Disposition.REJECTED, Disposition.UNREADABLE, Disposition.PARKED})
_ACKNOWLEDGEMENTS: Final = frozenset({"ACK", "MCF"})
_ONE: Final = {"guarantors": "guarantor", "coverages": "coverage", "entries": "entry", "identities": "identity"}
ONLY: Final = "(the record)"  # in place of a field: one side makes the record and the other does not

Key = tuple[str, str]  # facility and number


class Sample(NamedTuple):
    """One message to be read twice. ``number`` puts it in order; ``label`` is how people find it.

    ``text`` is of a message that was kept; ``data`` are the bytes of another. ``account_id`` and ``patient_id`` are
    what it was applied to, when it is a stored one.
    """

    number: int
    label: str
    received_at: str
    listener: str
    text: str
    data: bytes | None = None
    account_id: int | None = None
    patient_id: int | None = None

    def encode(self, policy: Policy) -> bytes:
        """Return its bytes in the character set in which a listener reads them. Raises UnicodeEncodeError."""
        if self.data is not None:
            return self.data
        return encode_text(self.text, charset=policy.charset, override=policy.charset_overrides)


class Reading(NamedTuple):
    """What one configuration makes of a message; ``records`` None when it makes none."""

    disposition: Disposition
    records: Records | None
    reason: str = ""


class Pair(NamedTuple):
    """What the old and the new configuration make of one message. ``event`` is "" when it cannot be told."""

    event: str
    before: Reading
    after: Reading


class Difference(NamedTuple):
    """One field of one record in which the two differ; None: not told, or no such record."""

    record: str
    field: str
    before: Any
    after: Any


def read_twice(sample: Sample, before: Setup, after: Setup) -> Pair:
    """Return what each of two configurations makes of a message, before the ledger is asked.

    Where both have one mapping for it, the very same object, it is read once.
    """
    policies = before.policies.get(sample.listener), after.policies.get(sample.listener)
    first = _parse(sample, policies[0])
    second = first if _charset(policies[0]) == _charset(policies[1]) else _parse(sample, policies[1])
    message = next((each for each in (first, second) if isinstance(each, Message)), None)
    event = f"{message.message_type}^{message.trigger_event}" if message else ""
    one = _read(sample, first, before, policies[0])
    if message is not None and message is first is second and policies[0] == policies[1]:
        mappings = (each.mappings[each.mapping_name(sample.listener, message)] for each in (before, after))
        if next(mappings) is next(mappings):
            return Pair(event, one, one)
    return Pair(event, one, _read(sample, second, after, policies[1]))


def _charset(policy: Policy | None) -> tuple[str | None, bool] | None:
    return None if policy is None else (policy.charset, policy.charset_overrides)


def _parse(sample: Sample, policy: Policy | None) -> Message | Reading:
    if policy is None:
        return Reading(Disposition.REJECTED, None, "there is no such listener")
    try:
        return parse_message(sample.encode(policy), charset=policy.charset, override=policy.charset_overrides)
    except MessageError as error:
        found = build_refused(Received(sample.listener, b""), policy, None, None, error)
        return Reading(found.disposition, None, found.reason)
    except UnicodeEncodeError:
        return Reading(Disposition.UNREADABLE, None, "holds characters that the listener's character set lacks")


def _read(sample: Sample, message: Message | Reading, setup: Setup, policy: Policy | None) -> Reading:
    if isinstance(message, Reading) or policy is None:
        return message if isinstance(message, Reading) else Reading(Disposition.REJECTED, None)
    if message.message_type in _ACKNOWLEDGEMENTS:
        return Reading(Disposition.IGNORED, None)
    try:
        check_header(message.header, policy.processing_ids)
        mapping = setup.mappings[setup.mapping_name(sample.listener, message)]
        records = apply_mapping(mapping, message)
        if records is None:
            check_event(mapping, message, refuse=policy.refuse_unmapped)
            return Reading(Disposition.IGNORED, None)
    except MessageError as error:
        found = build_refused(Received(sample.listener, b""), policy, message.header, message, error)
        return Reading(found.disposition, None, found.reason)
    return Reading(Disposition.APPLIED, records)


def find_differences(before: Records, after: Records) -> Iterator[Difference]:
    """Yield each field in which the records of a message differ; of a signal, its value and not where it was read."""
    sides: tuple[Iterable[Any], Iterable[Any]] = before, after
    for name, old, new in zip(Records._fields, *sides, strict=True):
        if old == new:
            continue
        if name == "others":  # both are of one message, and so as many
            for one, other in zip(old, new, strict=True):
                yield from find_differences(one, other)
        elif name == "signals":
            yield from _signals(old, new)
        elif name in _ONE:
            for at in range(max(len(old), len(new))):
                pair = (each[at] if at < len(each) else None for each in (old, new))
                yield from _fields(_ONE[name], *pair)
        else:
            yield from _fields(name, old, new)


def _fields(record: str, old: Any, new: Any) -> Iterator[Difference]:
    if old is None or new is None:
        yield Difference(record, ONLY, old, new)
        return
    for field, one, other in zip(old._fields, old, new, strict=True):
        if one != other:
            yield Difference(record, field, one, other)


def _signals(old: tuple[Signal, ...], new: tuple[Signal, ...]) -> Iterator[Difference]:
    before, after = ({each.name: each.value for each in side} for side in (old, new))
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield Difference("signal", name, before.get(name), after.get(name))


def account_keys(records: Records | None) -> Iterator[Key]:
    """Yield each number that may lead to an account which a message tells of: its own, its visits', merged ones."""
    if records is None:
        return
    told = records.account
    if told is not None:
        for number in (told.number, told.visit_number, told.alternate_visit_number):
            if isinstance(number, str) and isinstance(told.facility, str):
                yield told.facility, number
    for each in records.identities:
        for own in (
            each.account_number, each.visit_number, each.alternate_visit_number,
            each.prior_account_number, each.prior_visit_number, each.prior_alternate_visit_number,
        ):  # fmt: skip
            if own and each.facility:
                yield each.facility, own
    for other in records.others:
        yield from account_keys(other)


def patient_keys(records: Records | None) -> Iterator[Key]:
    """Yield the number of each patient that a message tells of."""
    if records is None:
        return
    told = records.patient
    if told is not None and isinstance(told.number, str) and isinstance(told.facility, str):
        yield told.facility, told.number
    for each in records.identities:
        for own in (each.patient_number, each.prior_patient_number):
            if own and each.facility:
                yield each.facility, own
    for other in records.others:
        yield from patient_keys(other)
