"""Two configurations + traffic, stored or in files -> what is read, owed and placed otherwise; nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple

from hl7bridge.groups import Groups, Touched, chunked
from hl7bridge.money import ZERO
from hl7bridge.policy import Setup
from hl7bridge.reading import (
    REFUSED,
    Difference,
    Pair,
    Sample,
    account_keys,
    find_differences,
    patient_keys,
    read_twice,
)
from hl7bridge.rebuilding import AccountPair, OneSide, Sides, decide_twice, rebuild
from hl7bridge.storage.database import Store
from hl7bridge.storage.messages import Disposition
from hl7bridge.storage.traffic import KeptMessage, count_from, messages_of, read_traffic

MOST_EXAMPLES: Final = 3  # of a field that differs
_CHUNK: Final = 500  # accounts or messages a pair of scratch ledgers
_MONEY: Final = ("charges", "payments", "adjustments", "balance")

# Given what is being done and how much of it there is: for a ``with`` block, a way to tell how much more is done.
Watch = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


def unwatched(_what: str, _total: int) -> AbstractContextManager[Callable[[int], None]]:
    """Tell nobody."""
    return nullcontext(lambda _count: None)


class Example(NamedTuple):
    """One message in which a field differs, with the values on both sides."""

    label: str
    before: Any
    after: Any


@dataclass
class FieldTally:
    """How many messages a field differs in; a message with two entries of which both differ counts once."""

    messages: int = 0
    examples: list[Example] = field(default_factory=list)


@dataclass
class Placing:
    """Accounts and dollars that a set of rules would place, among those that were decided on both sides."""

    accounts: int = 0
    dollars: Decimal = ZERO

    def add(self, dollars: Decimal) -> None:
        """Count one account."""
        self.accounts += 1
        self.dollars += dollars


@dataclass
class Report:
    """What differs. Pairs are of the old and the new configuration; ``accounts`` only those that differ."""

    messages: int = 0
    changed: int = 0  # messages whose records, or what becomes of them, are not the same
    header_only: int = 0  # of these no more than MSH was kept, and one side would read them
    not_whole: int = 0  # cut short, or too long, when they came: there is nothing to read
    refused: list[int] = field(default_factory=lambda: [0, 0])
    reasons: Counter[str] = field(default_factory=Counter)  # why a message is refused by the new one and not the old
    events: dict[str, list[int]] = field(default_factory=dict)  # event -> messages that records are made of
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    fields: dict[tuple[str, str], FieldTally] = field(default_factory=dict)
    compared: int = 0  # accounts that were rebuilt, or decided, on both sides
    ledgers: int = 0
    money: dict[str, list[Decimal]] = field(default_factory=lambda: {name: [ZERO, ZERO] for name in _MONEY})
    placements: int = 0
    placing: dict[str, Placing] = field(
        default_factory=lambda: {name: Placing() for name in ("before", "after", "new", "gone", "otherwise")}
    )
    accounts: list[AccountPair] = field(default_factory=list)
    most_accounts: int | None = None  # how many of them are kept; None: all

    @property
    def differs(self) -> bool:
        """Return whether anything does."""
        return bool(self.changed or self.header_only or self.outcomes or self.ledgers or self.placements)


def preview_stored(
    sides: Sides, store: Store, first: int, watch: Watch = unwatched, *, most_accounts: int | None = None
) -> Report:
    """Return what differs in the messages of a store from an id on; the store is only read.

    The accounts that a difference touches are rebuilt from all that was kept of them; with other rules every account
    that owes is decided by both.
    """
    report = Report(most_accounts=most_accounts)
    groups = Groups(store)
    with watch("reading", count_from(store, first)) as advance:
        for kept in read_traffic(store, first):
            advance(1)
            if not kept.is_whole:
                report.not_whole += 1
                continue
            touched = _look(report, _sample(kept), sides, is_header_only=kept.is_header_only)
            if touched is not None:
                groups.add(touched)
    found = list(groups.groups())
    rebuilt: set[int] = set()
    with watch("rebuilding", len(found)) as advance:
        for size, group in chunked(found, _CHUNK):
            rebuilt |= group.accounts
            messages = messages_of(store, group.accounts, group.patients, group.messages)
            samples = [_sample(each) for each in messages if each.is_whole and not each.is_header_only]
            _rebuild(report, sides, samples, first, store)
            advance(size)
    if sides.before.rules.version != sides.after.rules.version:
        for pair in decide_twice(sides, store, rebuilt):
            _count_account(report, pair)
    return report


def preview_samples(
    sides: Sides, samples: Sequence[Sample], watch: Watch = unwatched, *, most_accounts: int | None = None
) -> Report:
    """Return what differs in messages that are not stored; their accounts begin with them."""
    report = Report(most_accounts=most_accounts)
    groups = Groups(None)
    touched: set[int] = set()
    with watch("reading", len(samples)) as advance:
        for sample in samples:
            advance(1)
            pair = read_twice(sample, sides.before.setup, sides.after.setup)
            if _count(report, sample, pair, is_header_only=False):
                touched.add(sample.number)
            groups.add(_touched(sample, pair))
    is_all = sides.before.rules.version != sides.after.rules.version
    found = [each for each in groups.groups() if is_all or each.messages & touched]
    by_number = {each.number: each for each in samples}
    with watch("rebuilding", len(found)) as advance:
        for size, group in chunked(found, _CHUNK):
            _rebuild(report, sides, [by_number[each] for each in sorted(group.messages)], 0, None)
            advance(size)
    return report


def fields_not_kept(before: Setup, after: Setup) -> list[str]:
    """Return the HL7 fields that only the new mappings name: of messages that came before, they were not kept."""
    old, new = (
        {
            (segment, number)
            for each in setup.mappings.values()
            for segment, numbers in each.keeps.items()
            for number in numbers
        }
        for setup in (before, after)
    )
    return [f"{segment}-{number}" for segment, number in sorted(new - old)]


def _sample(kept: KeptMessage) -> Sample:
    return Sample(
        kept.id, str(kept.id), kept.received_at, kept.listener, kept.text, kept.raw, kept.account_id, kept.patient_id
    )


def _look(report: Report, sample: Sample, sides: Sides, *, is_header_only: bool) -> Touched | None:
    """Count one message; return what it touches when the two sides differ in it."""
    pair = read_twice(sample, sides.before.setup, sides.after.setup)
    return _touched(sample, pair) if _count(report, sample, pair, is_header_only=is_header_only) else None


def _touched(sample: Sample, pair: Pair) -> Touched:
    sides = pair.before.records, pair.after.records
    return Touched(
        sample.number,
        sample.account_id,
        sample.patient_id,
        frozenset(key for records in sides for key in account_keys(records)),
        frozenset(key for records in sides for key in patient_keys(records)),
    )


def _count(report: Report, sample: Sample, pair: Pair, *, is_header_only: bool) -> bool:
    """Add one message to the counts; return whether what is made of it differs."""
    before, after = pair.before, pair.after
    report.messages += 1
    dispositions = before.disposition, after.disposition
    if is_header_only and Disposition.IGNORED in dispositions:
        # What was kept of it is too little to be read: that one side would read it is all that can be said.
        report.header_only += dispositions[0] != dispositions[1]
        return False
    _count_event(report, pair)
    for at, disposition in enumerate(dispositions):
        report.refused[at] += disposition in REFUSED
    if dispositions[0] != dispositions[1]:
        report.changed += 1
        report.outcomes[before.disposition.value, after.disposition.value] += 1
        if after.disposition in REFUSED and before.disposition not in REFUSED:
            report.reasons[after.reason] += 1
        return True
    if before.records == after.records or before.records is None or after.records is None:
        return False
    differences = list(find_differences(before.records, after.records))
    _count_fields(report, sample.label, differences)
    report.changed += bool(differences)
    return bool(differences)


def _count_event(report: Report, pair: Pair) -> None:
    counts = report.events.get(pair.event)
    if counts is None:
        counts = report.events[pair.event] = [0, 0]
    counts[0] += pair.before.records is not None
    counts[1] += pair.after.records is not None


def _count_fields(report: Report, label: str, differences: Iterable[Difference]) -> None:
    seen: set[tuple[str, str]] = set()
    for each in differences:
        key = each.record, each.field
        tally = report.fields.setdefault(key, FieldTally())
        tally.messages += key not in seen
        seen.add(key)
        if len(tally.examples) < MOST_EXAMPLES:
            tally.examples.append(Example(label, each.before, each.after))


def _rebuild(report: Report, sides: Sides, samples: Sequence[Sample], first: int, store: Store | None) -> None:
    """Rebuild accounts on both sides and count in what they differ, and what the ledger refuses on one side alone."""
    rebuilt = rebuild(sides, samples, first, store)
    by_number = {each.number: each for each in samples}
    for number, *found in rebuilt.dispositions:
        if found[0] == found[1] or None in found:
            continue
        pair = read_twice(by_number[number], sides.before.setup, sides.after.setup)
        if pair.before.disposition == pair.after.disposition:  # else it has been counted
            for at, disposition in enumerate(found):
                report.refused[at] += disposition in REFUSED
            report.outcomes[found[0] or "", found[1] or ""] += 1
    for each in rebuilt.accounts:
        _count_account(report, each)


def _count_account(report: Report, pair: AccountPair) -> None:
    report.compared += 1
    if pair.ledger:
        report.ledgers += 1
        for name, sums in report.money.items():
            for at, side in enumerate((pair.before, pair.after)):
                sums[at] += getattr(side.account, name) if side else ZERO
    before, after = (_dollars(side) for side in (pair.before, pair.after))
    for name, dollars in (("before", before), ("after", after)):
        if dollars is not None:
            report.placing[name].add(dollars)
    if pair.is_placed_otherwise:
        report.placements += 1
        kind = "new" if before is None else "gone" if after is None else "otherwise"
        report.placing[kind].add((before if after is None else after) or ZERO)
    is_kept = report.most_accounts is None or len(report.accounts) < report.most_accounts
    if is_kept and (pair.ledger or pair.is_placed_otherwise):
        report.accounts.append(pair)


def _dollars(side: OneSide | None) -> Decimal | None:
    """Return what would be placed of an account, None when it would not be."""
    return side.account.balance if side is not None and side.place else None
