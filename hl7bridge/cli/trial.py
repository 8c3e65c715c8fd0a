"""Messages -> what each would do: the real pipeline in one transaction that is always undone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import NamedTuple

from hl7bridge.admission import parse_block
from hl7bridge.assemble import Assembled
from hl7bridge.batch import Received, Reply
from hl7bridge.cli.messages import reply_segments
from hl7bridge.errors import MessageError
from hl7bridge.ledger.account import AccountState
from hl7bridge.mapping.apply import apply_mapping
from hl7bridge.mapping.records import Records
from hl7bridge.money import ZERO
from hl7bridge.pipeline import Pipeline, Setup
from hl7bridge.placement.state import OPEN
from hl7bridge.rules.evaluate import Decision, decide
from hl7bridge.storage.accounts import account_by_ids, read_account
from hl7bridge.storage.addressing import known_account
from hl7bridge.storage.cases import read_case
from hl7bridge.storage.database import Store
from hl7bridge.storage.later import Later
from hl7bridge.storage.messages import Disposition
from hl7bridge.storage.placements import placements_of


class Change(NamedTuple):
    """What a message does to the ledger. ``stored_id`` is the account's row when the store has it, None when not.

    ``is_new``: this message makes the account. ``placement`` is the status of the account's open placement, "" when
    there is none: an account with one is not decided.
    """

    stored_id: int | None
    account: str
    facility: str
    is_new: bool
    before: Decimal
    after: Decimal
    entries_new: int
    entries_known: int
    as_of: dt.date
    decision: Decision
    placement: str


class Trial(NamedTuple):
    """What became of one message. ``reply`` is the acknowledgement's segments; ``records`` None when none are made."""

    control_id: str
    message_type: str
    trigger_event: str
    mapping: str
    disposition: str
    reason: str
    records: Records | None
    change: Change | None
    ack_code: str
    reply: list[str]


class _UndoneError(Exception):
    """Ends the transaction; nothing of it stays."""


def run_trials(
    store: Store,
    assembled: Assembled,
    listener: str,
    blocks: Sequence[bytes],
    now: dt.datetime,
    day_of: Callable[[str], dt.date],
) -> list[Trial]:
    """Return what each block would do, each after the ones before it. Nothing is written; other writers wait for it."""
    pipeline = Pipeline(store, assembled.setup)
    trials: list[Trial] = []
    with suppress(_UndoneError), store.transaction():
        newest = store.rows("SELECT coalesce(max(id), 0) FROM accounts")[0][0]
        for block in blocks:
            trial = _try_one(store, pipeline, assembled, Received(listener, block), now, day_of)
            trials.append(_only_stored(trial, newest))
        raise _UndoneError
    return trials


def _try_one(
    store: Store,
    pipeline: Pipeline,
    assembled: Assembled,
    block: Received,
    now: dt.datetime,
    day_of: Callable[[str], dt.date],
) -> Trial:
    mapping, records = _read_block(assembled.setup, block)
    before = _known_account(store, records)
    (reply,) = pipeline.receive_within([block], now)
    event, ack_code, account_id = store.rows(
        "SELECT trigger_event, ack_code, account_id FROM messages WHERE id = ?", (reply.message_id,)
    )[0]
    change = None
    if account_id is not None:
        change = _change(store, assembled, account_id, before, records, reply, day_of)
    return Trial(
        reply.control_id,
        reply.message_type,
        event,
        mapping,
        str(reply.disposition),
        reply.reason,
        records,
        change,
        ack_code,
        reply_segments(reply.data),
    )


def _only_stored(trial: Trial, newest: int) -> Trial:
    """Take the row id away from an account that a message of this run made: it will be another's."""
    change = trial.change
    if change is None or change.stored_id is None or change.stored_id <= newest:
        return trial
    return trial._replace(change=change._replace(stored_id=None))


def _read_block(setup: Setup, block: Received) -> tuple[str, Records | None]:
    """Return the mapping's name and the records it makes; the pipeline itself says why there are none."""
    try:
        message = parse_block(block, setup.policies[block.listener])
    except MessageError:
        return "", None
    name = setup.mapping_name(block.listener, message)
    try:
        return name, apply_mapping(setup.mappings[name], message)
    except MessageError:
        return name, None


def _known_account(store: Store, records: Records | None) -> AccountState | None:
    """Return the account that a message addresses, as it stands before; the target of one that merges accounts."""
    if records is None:
        return None
    if records.account is not None:
        return known_account(store, Later(store), records)
    for each in reversed(records.identities):
        if each.account_number:
            visits = each.visit_number, each.alternate_visit_number
            return account_by_ids(store, each.facility or "", each.account_number, *visits)
    return None


def _change(
    store: Store,
    assembled: Assembled,
    account_id: int,
    before: AccountState | None,
    records: Records | None,
    reply: Reply,
    day_of: Callable[[str], dt.date],
) -> Change:
    account = read_account(store, account_id)
    if reply.disposition == Disposition.DUPLICATE:
        before = account
    count = store.rows(
        "SELECT count(*) FROM entries WHERE account_id = ? AND message_id = ?", (account_id, reply.message_id)
    )[0][0]
    day = day_of(account.facility)
    placed = [each.status.value for each in placements_of(store, account_id) if each.status in OPEN]
    return Change(
        account_id if before else None,
        account.number,
        account.facility,
        before is None,
        before.balance if before else ZERO,
        account.balance,
        count,
        (len(records.entries) if records else 0) - count,
        day,
        decide(read_case(store, account_id).facts, assembled.rules, day),
        placed[0] if placed else "",
    )
