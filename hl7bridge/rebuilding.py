"""Messages -> the ledgers that two configurations make of them, in memory, and what the rules of each decide."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import groupby
from typing import Final, NamedTuple

from hl7bridge.assemble import Assembled
from hl7bridge.batch import Received
from hl7bridge.ledger.account import AccountState
from hl7bridge.pipeline import Pipeline, Setup
from hl7bridge.placement.state import OPEN
from hl7bridge.reading import Key, Sample
from hl7bridge.rules.due import DueDays
from hl7bridge.rules.evaluate import decide
from hl7bridge.rules.facts import AccountFacts, Further, build_facts
from hl7bridge.storage.accounts import account_in_facility, read_account
from hl7bridge.storage.cases import read_case, read_facts
from hl7bridge.storage.database import Store
from hl7bridge.storage.echoes import copy_echoes
from hl7bridge.storage.entries import add_entry, read_entries
from hl7bridge.storage.messages import Disposition
from hl7bridge.storage.placements import placements_of
from hl7bridge.storage.scratch import scratch_store
from hl7bridge.storage.signals import add_signal, read_signal_rows, read_signals
from hl7bridge.storage.traffic import owing_accounts
from hl7bridge.storage.transfer import MOVED

TOTALS: Final = ("charges", "payments", "adjustments", "insurance_payments", "status")  # what makes a ledger differ


class Sides(NamedTuple):
    """The two configurations, and the time that is now: it tells the day for which is decided."""

    before: Assembled
    after: Assembled
    now: dt.datetime


class OneSide(NamedTuple):
    """An account as one configuration has it, and where its rules would place it: () for nowhere.

    ``place`` is rule, agency, tier and mode; None for an account that is placed already.
    """

    account: AccountState
    place: tuple[str, ...] | None


class AccountPair(NamedTuple):
    """An account on both sides, None where a side does not make it.

    ``account_id`` is the store's row; ``label`` is of the message that tells of it first; ``placed`` the status of its
    open placement, "" for none: what has one is not decided.
    """

    account_id: int | None
    label: str
    before: OneSide | None
    after: OneSide | None
    placed: str

    @property
    def ledger(self) -> tuple[str, ...]:
        """Return the totals in which the two differ, and the status."""
        if self.before is None or self.after is None:
            return TOTALS
        old, new = self.before.account, self.after.account
        return tuple(name for name in TOTALS if getattr(old, name) != getattr(new, name))

    @property
    def is_placed_otherwise(self) -> bool:
        """Return whether the two sets of rules would place it differently."""
        before, after = ((side.place or () if side else ()) for side in (self.before, self.after))
        return before != after


class _Fed(NamedTuple):
    """What a scratch ledger took: each sample's disposition, and for each of its accounts the first sample of it."""

    dispositions: dict[int, Disposition]
    labels: dict[int, str]


class Rebuilt(NamedTuple):
    """What came of the messages of a group: its accounts, and of each message its disposition on both sides."""

    accounts: list[AccountPair]
    dispositions: list[tuple[int, Disposition | None, Disposition | None]]


def rebuild(sides: Sides, samples: Sequence[Sample], first: int, store: Store | None) -> Rebuilt:
    """Return what both configurations make of messages, which are all there is of the accounts they tell of.

    Messages before ``first`` are read by the old configuration on both sides. What people and agencies told of an
    account is taken from ``store``, which is only read.
    """
    with ExitStack() as stack:
        old, new = (stack.enter_context(scratch_store()) for _ in range(2))
        before, after = sides.before.setup, sides.after.setup
        if store is not None:
            told_of = [each.account_id for each in samples if each.account_id is not None]
            for scratch in (old, new):
                copy_echoes(store, scratch, told_of)
        fed = _feed(old, before, before, samples, first), _feed(new, before, after, samples, first)
        pairs = [_pair(sides, key, (old, new), store, fed) for key in _keys(old, new)]
    asked = (each.number for each in samples if each.number >= first)
    return Rebuilt(pairs, [(each, fed[0].dispositions.get(each), fed[1].dispositions.get(each)) for each in asked])


def decide_twice(sides: Sides, store: Store, rebuilt: set[int]) -> Iterator[AccountPair]:
    """Yield the stored accounts that either set of rules may place, other than ``rebuilt`` ones, decided by both."""
    due = DueDays(sides.before.rules), DueDays(sides.after.rules)
    latest = sides.now.astimezone(dt.UTC).date() + dt.timedelta(days=1)
    for account_id in owing_accounts(store):
        if account_id in rebuilt:
            continue
        account = read_account(store, account_id)
        days = [each(account) for each in due]
        if not any(day is not None and day <= latest for day in days) or _placements(store, account_id)[0]:
            continue
        facts = read_case(store, account_id).facts
        one, other = (_side(each, account, facts, sides.now, "") for each in (sides.before, sides.after))
        yield AccountPair(account_id, "", one, other, "")


def _feed(store: Store, before: Setup, after: Setup, samples: Iterable[Sample], first: int) -> _Fed:
    """Send messages through the pipeline of a scratch store, in the batches in which they came."""
    pipelines = Pipeline(store, before), Pipeline(store, after)
    fed: dict[int, Sample] = {}  # by the id that it has in the scratch store
    dispositions: dict[int, Disposition] = {}
    for (received_at, is_after), batch in groupby(samples, lambda each: (each.received_at, each.number >= first)):
        pipeline = pipelines[is_after]
        blocks = [(each, block) for each in batch if (block := _block(each, pipeline.setup)) is not None]
        replies = pipeline.receive([block for _, block in blocks], dt.datetime.fromisoformat(received_at))
        for (sample, _), reply in zip(blocks, replies, strict=True):
            dispositions[sample.number] = reply.disposition
            fed[reply.message_id] = sample
    rows = store.rows("SELECT account_id, min(id) FROM messages WHERE account_id IS NOT NULL GROUP BY account_id")
    return _Fed(dispositions, {account_id: fed[message_id].label for account_id, message_id in rows})


def _block(sample: Sample, setup: Setup) -> Received | None:
    policy = setup.policies.get(sample.listener)
    if policy is None:
        return None
    try:
        return Received(sample.listener, sample.encode(policy), is_answered=False)
    except UnicodeEncodeError:
        return None


def _keys(*stores: Store) -> list[Key]:
    """Return facility and number of every account of the stores, each once."""
    rows = [row for store in stores for row in store.rows("SELECT facility, number FROM accounts ORDER BY id")]
    return list(dict.fromkeys((facility, number) for facility, number in rows))


def _pair(
    sides: Sides, key: Key, scratches: tuple[Store, Store], store: Store | None, fed: tuple[_Fed, _Fed]
) -> AccountPair:
    stored = account_in_facility(store, *key) if store is not None else None
    placed = ended = label = ""
    further = Further()
    if store is not None and stored is not None:
        placed, ended = _placements(store, stored.id)
        facts = read_facts(store, stored.id)
        further = Further(facts.guarantor_balance, None, facts.placement_sequence, facts.returned_by)
    found: list[OneSide | None] = []
    for scratch, assembled, side in zip(scratches, sides[:2], fed, strict=True):
        account = account_in_facility(scratch, *key)
        if account is None:
            found.append(None)
            continue
        if store is not None and stored is not None:
            _bring_over(store, stored.id, scratch, account)
        case = read_case(scratch, account.id)
        known = case.patient, case.guarantors, case.coverages, read_signals(scratch, account.id)
        more = further._replace(payments=case.facts.payments)
        facts = build_facts(case.account, *known, last_ended=ended, further=more)
        found.append(_side(assembled, case.account, facts, sides.now, placed))
        label = label or side.labels.get(account.id, "")
    return AccountPair(stored.id if stored is not None else None, label, found[0], found[1], placed)


def _placements(store: Store, account_id: int) -> tuple[str, str]:
    """Return the status of an account's open placement, and that of the newest which ended; "" for none."""
    statuses = [each.status for each in placements_of(store, account_id)]
    still = [each.value for each in statuses if each in OPEN]
    ended = [each.value for each in statuses if each not in OPEN]
    return still[-1] if still else "", ended[-1] if ended else ""


def _bring_over(store: Store, account_id: int, scratch: Store, account: AccountState) -> None:
    """Add to a rebuilt account what no message told of it: signals that people set, and money from agencies."""
    with scratch.transaction():
        for row in read_signal_rows(store, account_id):
            if row.message_id is None:
                add_signal(scratch, account.id, row.signal, row.told_at)
        entries = list(read_entries(store, account_id))
        left = {each.reverses for each in entries if each.source.startswith(MOVED)}
        for entry in entries:
            if entry.message_id is None and entry.id not in left:
                account = add_entry(
                    scratch,
                    account,
                    entry.entry,
                    source=entry.source,
                    recorded_at=entry.recorded_at,
                    due_on=lambda _: None,
                )


def _side(assembled: Assembled, account: AccountState, facts: AccountFacts, now: dt.datetime, placed: str) -> OneSide:
    day = assembled.today(account.facility, now)
    if placed:
        return OneSide(account, None)
    found = decide(facts, assembled.rules, day)
    agency = found.agency or found.allocation
    if found.rule is None or agency is None or found.tier is None or found.mode is None:
        return OneSide(account, ())
    return OneSide(account, (found.rule, agency, found.tier, found.mode.value))
