"""Stored messages -> the same through the pipeline once more, in one transaction with the audit rows that say so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from hl7bridge.batch import Received
from hl7bridge.cli.common import App
from hl7bridge.errors import NotFoundError, RefusedError
from hl7bridge.message.text import encode_text
from hl7bridge.pipeline import Pipeline, Policy, Setup
from hl7bridge.storage.audit import append_audit
from hl7bridge.storage.database import Store
from hl7bridge.storage.messages import Disposition, MessageRow, read_message
from hl7bridge.storage.parked import unpark_message

_REPLAYED: Final = frozenset({Disposition.PARKED, Disposition.REJECTED, Disposition.UNREADABLE})
# What the listener says of bytes that never were a whole block: half a message parses, and posts half its charges.
_CUT: Final = ("the block was cut short", "bytes outside a block")
_HEAD_ONLY: Final = "this listener takes at most"
_TAKEN: Final = frozenset({Disposition.APPLIED, Disposition.IGNORED})


class Replayed(NamedTuple):
    """What became of a message that was run again: its new id and disposition."""

    id: int
    replay_of: int
    disposition: str
    reason: str


def replay_messages(app: App, store: Store, setup: Setup, message_ids: Sequence[int], *, force: bool) -> list[Replayed]:
    """Run stored messages again, all or none of them. Raises NotFoundError; RefusedError says why and what to do."""
    now = app.now()
    pipeline = Pipeline(store, setup)
    with store.transaction():
        blocks = [_block(store, setup, message_id, force=force) for message_id in dict.fromkeys(message_ids)]
        replies = pipeline.receive_within(blocks, now)
        results = [
            Replayed(reply.message_id, block.replay_of or 0, str(reply.disposition), reply.reason)
            for block, reply in zip(blocks, replies, strict=True)
        ]
        for result in results:
            subject = f"message {result.replay_of}, now message {result.id}: {result.disposition}"
            append_audit(store, at=now, actor=app.actor, action="messages.replay", subject=subject)
            if result.disposition in _TAKEN:
                unpark_message(store, result.replay_of)
    return results


def _block(store: Store, setup: Setup, message_id: int, *, force: bool) -> Received:
    row = read_message(store, message_id)
    if row is None:
        raise NotFoundError(f"no message {message_id}")
    if row.listener not in setup.policies:
        raise RefusedError(f"message {message_id} came by listener {row.listener}, which is not configured any more")
    data = _kept_bytes(row, setup.policies[row.listener])
    if not force:
        _refuse_twice(store, row)
        if row.disposition == Disposition.UNREADABLE and row.reason.endswith(_CUT):
            raise RefusedError(
                f"message {message_id} was not a whole block ({row.reason}); --force runs what came of it, all the same"
            )
    return Received(row.listener, data, is_answered=False, replay_of=message_id)


def _kept_bytes(row: MessageRow, policy: Policy) -> bytes:
    """Return the bytes to run again, in the character set in which they are read."""
    if row.raw is not None:
        if _HEAD_ONLY in row.reason:
            raise RefusedError(f"of message {row.id} only the beginning was kept: it was too long; have it sent again")
        return row.raw
    _, more, _ = row.content.partition("\r")
    if not more:
        why = f"it {row.reason}" if row.disposition == Disposition.DUPLICATE else "have it sent again"
        raise RefusedError(f"of message {row.id} ({row.disposition}) no more than its header was kept; {why}")
    try:
        return encode_text(row.content, charset=policy.charset, override=policy.charset_overrides)
    except UnicodeEncodeError:
        raise RefusedError(
            f"message {row.id} holds characters that are not of the character set which listener {row.listener} has now"
        ) from None


def _refuse_twice(store: Store, row: MessageRow) -> None:
    """Refuse what was taken already, at first or by an earlier replay: entries without an FT1-2 would count twice."""
    if row.disposition not in _REPLAYED:
        raise RefusedError(f"message {row.id} is {row.disposition}; --force runs it again all the same")
    later = store.row(
        "SELECT id FROM messages WHERE id > ? AND disposition = 'applied' AND reason = ?",
        (row.id, f"replay of message {row.id}"),
    )
    if later is not None:
        raise RefusedError(
            f"message {row.id} was replayed already, as message {later[0]}; --force runs it again all the same"
        )
