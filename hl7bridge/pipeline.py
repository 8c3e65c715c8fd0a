"""Received blocks -> replies: ONE transaction a batch, a savepoint a message, and a disposition for every block."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Sequence
from collections.abc import Mapping as Map
from hashlib import blake2b
from typing import Final, NamedTuple

from hl7bridge.errors import (
    DUPLICATE_KEY,
    INTERNAL_ERROR,
    UNSUPPORTED_EVENT,
    UNSUPPORTED_TYPE,
    BridgeError,
    Location,
    MessageError,
)
from hl7bridge.intake import apply_records, event_time, order_text
from hl7bridge.ledger.events import DEFINED_EVENTS
from hl7bridge.mapping.apply import apply_mapping
from hl7bridge.mapping.spec import Mapping
from hl7bridge.message.ack import ACCEPTED, Acks, Outcome, build_acks
from hl7bridge.message.header import Header, check_header, read_header
from hl7bridge.message.model import Message
from hl7bridge.message.parse import parse_message
from hl7bridge.privacy.keeping import Pickers, compile_keeps, kept_text
from hl7bridge.rules.due import DueDays
from hl7bridge.storage.database import DatabaseError, Store
from hl7bridge.storage.messages import (
    Disposition,
    Earlier,
    MessageRow,
    count,
    earlier_messages,
    insert_messages,
    next_message_id,
)
from hl7bridge.times import utc_text
from hl7bridge.wire.mllp import encode_block

DIGEST_BYTES: Final = 16
MOST_REASON: Final = 500  # characters of a reason kept with a message
_ACKNOWLEDGEMENTS: Final = frozenset({"ACK", "MCF"})
_ACCEPTED: Final = frozenset({Disposition.APPLIED, Disposition.IGNORED, Disposition.PARKED})


class Policy(NamedTuple):
    """What one listener takes."""

    name: str
    processing_ids: frozenset[str] = frozenset({"P"})
    refuse_reused_control_id: bool = False
    refuse_unmapped: bool = False
    require_account: bool = False
    answer_unasked: bool = True
    mapping: str | None = None


class Received(NamedTuple):
    """One block as it came.

    ``fault`` says why it can never be a message (cut short, too long). ``is_answered`` False: nobody waits for a reply.
    ``replay_of`` is the id of a stored message that a person sends again.
    """

    listener: str
    data: bytes
    fault: MessageError | None = None
    is_answered: bool = True
    replay_of: int | None = None


class Reply(NamedTuple):
    """The bytes to write back (none when nobody asked), and what became of the block."""

    data: bytes
    message_id: int
    disposition: Disposition
    reason: str
    message_type: str
    control_id: str


class Setup(NamedTuple):
    """What of the configuration the pipeline uses; replaced as a whole by a reload."""

    policies: Map[str, Policy]
    mappings: Map[str, Mapping]
    senders: Map[tuple[str, str], str]
    default_mapping: str
    zone_of: Callable[[str], dt.tzinfo]
    due_on: DueDays


class _Found(NamedTuple):
    """What became of one block, before it is written down."""

    disposition: Disposition
    reason: str
    outcome: Outcome = ACCEPTED
    mapping: str = ""
    account_id: int | None = None


class Pipeline:
    """The synchronous path of a message. Used by one thread, with one store."""

    def __init__(self, store: Store, setup: Setup) -> None:
        self._store = store
        self._keeps: dict[str, Pickers] = {}
        self.use(setup)

    def use(self, setup: Setup) -> None:
        """Take a new configuration from the next batch on."""
        self.setup = setup
        self._keeps = {name: compile_keeps(mapping.keeps) for name, mapping in setup.mappings.items()}

    def receive(self, blocks: Sequence[Received], now: dt.datetime) -> list[Reply]:
        """Store blocks and their effects, and return a reply for each, in order; true once this returns.

        When the batch cannot be stored, each block is tried alone; what cannot be stored then is answered AR 207 and
        leaves no trace, so that the sender sends it again.
        """
        try:
            with self._store.transaction():
                return self.receive_within(blocks, now)
        except (BridgeError, DatabaseError) as error:
            if len(blocks) > 1:
                return [reply for block in blocks for reply in self.receive([block], now)]
            return [_not_stored(blocks[0], now, error)]

    def receive_within(self, blocks: Sequence[Received], now: dt.datetime) -> list[Reply]:
        """Do what ``receive`` does inside the caller's transaction; the replies are true once that is committed."""
        batch = _Batch(self._store, now)
        replies = [self._receive_one(block, batch) for block in blocks]
        batch.write()
        return replies

    def _receive_one(self, block: Received, batch: _Batch) -> Reply:
        digest = blake2b(block.data, digest_size=DIGEST_BYTES).digest()
        message: Message | None = None
        header: Header | None = None
        earlier: Earlier | None = None
        try:
            message = _parse(block)
            header = message.header
            if message.message_type in _ACKNOWLEDGEMENTS:
                found = _Found(Disposition.IGNORED, "an acknowledgement is never answered")
                return batch.note(block, digest, header, found, kept_text(message, None), Acks((), ""))
            check_header(header, self.setup.policies[block.listener].processing_ids)
            if block.replay_of is None:
                earlier = self._earlier(block, message, digest, batch)
                if earlier is not None and earlier.disposition in _ACCEPTED:
                    return batch.note_duplicate(block, digest, header, earlier)
            found = self._apply(block, message, batch)
        except MessageError as error:
            header = header or read_header(block.data)
            disposition = Disposition.UNREADABLE if message is None else Disposition.REJECTED
            found = _Found(disposition, _reason(error), Outcome(error))
        except Exception as error:  # noqa: BLE001  (whatever went wrong is ours: this block is refused, the others go on)
            found = _Found(Disposition.REJECTED, f"internal error: {type(error).__name__}", Outcome(_internal()))
        if earlier is not None and found.disposition is Disposition.REJECTED and found.reason == earlier.reason:
            return batch.note_duplicate(block, digest, header, earlier)
        return self._answer(block, digest, header, message, found, batch)

    def _answer(
        self,
        block: Received,
        digest: bytes,
        header: Header | None,
        message: Message | None,
        found: _Found,
        batch: _Batch,
    ) -> Reply:
        if block.is_answered:
            acks = build_acks(
                header,
                found.outcome,
                control_id=batch.control_id(),
                now=batch.now,
                answer_unasked=self.setup.policies[block.listener].answer_unasked,
            )
        else:
            acks = Acks((), "")
        if message is None:
            kept = ""
        else:
            applied = found.disposition is not Disposition.IGNORED
            kept = kept_text(message, self._keeps[self._mapping_name(block, message)] if applied else None)
            if message.charset_guessed:
                batch.counts[block.listener, "charset_guessed"] += message.charset != "utf-8"
        return batch.note(block, digest, header, found, kept, acks)

    def _earlier(self, block: Received, message: Message, digest: bytes, batch: _Batch) -> Earlier | None:
        """Return the block that this one repeats. Raises MessageError 205 when its control id may not be reused."""
        same_id = batch.earlier(message.control_id, message.sending_application, message.sending_facility)
        for earlier in same_id:
            if earlier.digest == digest and not earlier.reason.startswith("internal error"):
                return earlier
        if any(earlier.digest != digest for earlier in same_id):
            if self.setup.policies[block.listener].refuse_reused_control_id:
                text = "this control id was used for another message"
                raise MessageError(DUPLICATE_KEY, Location("MSH", 1, 10), text)
            batch.counts[block.listener, "reused_control_id"] += 1
        return None

    def _mapping_name(self, block: Received, message: Message) -> str:
        setup = self.setup
        sender = message.sending_application, message.sending_facility
        return setup.policies[block.listener].mapping or setup.senders.get(sender) or setup.default_mapping

    def _apply(self, block: Received, message: Message, batch: _Batch) -> _Found:
        name = self._mapping_name(block, message)
        mapping = self.setup.mappings[name]
        records = apply_mapping(mapping, message)
        policy = self.setup.policies[block.listener]
        if records is None:
            return _unmapped(mapping, message, refuse=policy.refuse_unmapped)
        zone = self.setup.zone_of(message.sending_facility)
        with self._store.savepoint():
            account_id = apply_records(
                self._store,
                records,
                as_of=event_time(message, zone, batch.now_order),
                source=f"{message.sending_application}|{message.sending_facility}",
                message_id=batch.next_id,
                now=batch.now_text,
                due_on=self.setup.due_on,
                may_create=not policy.require_account or message.message_type == "ADT",
            )
        return _Found(Disposition.APPLIED, _replay_reason(block), ACCEPTED, name, account_id)


class _Batch:
    """The rows and counts of one transaction, written together at its end."""

    def __init__(self, store: Store, now: dt.datetime) -> None:
        self.store = store
        self.now = now
        self.now_text = utc_text(now)
        self.now_order = order_text(now)
        self.next_id = next_message_id(store)
        self.counts: Counter[tuple[str, str]] = Counter()
        self._rows: list[MessageRow] = []
        self._pending: dict[tuple[str, str, str], list[Earlier]] = {}

    def control_id(self) -> str:
        """Return the MSH-10 of our answer: the message's id, so that the two are found together."""
        return f"HB{self.next_id:012}"

    def earlier(self, control_id: str, application: str, facility: str) -> list[Earlier]:
        """Return what this sender sent before with a control id, in this batch and in the store, newest first."""
        stored = earlier_messages(self.store, control_id, application, facility)
        return self._pending.get((control_id, application, facility), []) + stored

    def note_duplicate(self, block: Received, digest: bytes, header: Header | None, earlier: Earlier) -> Reply:
        """Write down a block that repeats an earlier one; the reply is the earlier one's, byte for byte."""
        found = _Found(Disposition.DUPLICATE, f"repeats message {earlier.id}", account_id=earlier.account_id)
        return self._note(block, digest, header, found, "", earlier.ack_code, earlier.reply)

    def note(
        self, block: Received, digest: bytes, header: Header | None, found: _Found, kept: str, acks: Acks
    ) -> Reply:
        """Write down what became of a block and return its reply."""
        data = b"".join(encode_block(ack) for ack in acks.blocks)
        return self._note(block, digest, header, found, kept, acks.code, data)

    def _note(
        self,
        block: Received,
        digest: bytes,
        header: Header | None,
        found: _Found,
        kept: str,
        ack_code: str,
        data: bytes,
    ) -> Reply:
        head = header or Header()
        mark = head.delimiters.component
        row = MessageRow(
            self.next_id,
            self.now_text,
            block.listener,
            head.sending_application.partition(mark)[0],
            head.sending_facility.partition(mark)[0],
            head.message_type,
            head.trigger_event,
            head.control_id,
            digest,
            found.disposition,
            ack_code,
            found.reason[:MOST_REASON],
            found.mapping,
            found.account_id,
            kept,
            block.data if found.disposition is Disposition.UNREADABLE else None,
            data,
        )
        self._rows.append(row)
        self.counts[block.listener, "received"] += 1
        self.counts[block.listener, found.disposition] += 1
        if row.control_id and found.disposition is not Disposition.DUPLICATE:
            key = row.control_id, row.sending_application, row.sending_facility
            told = Earlier(row.id, digest, row.disposition, ack_code, row.reason, data, row.account_id)
            self._pending.setdefault(key, []).insert(0, told)
        self.next_id += 1
        return Reply(data, row.id, found.disposition, row.reason, row.message_type, row.control_id)

    def write(self) -> None:
        """Write all rows and counts."""
        insert_messages(self.store, self._rows)
        count(self.store, self.counts)


def _parse(block: Received) -> Message:
    if block.fault is not None:
        raise block.fault
    return parse_message(block.data)


def _reason(error: MessageError) -> str:
    return f"{error.error.code} {error.location}: {error.text}"


def _replay_reason(block: Received) -> str:
    return "" if block.replay_of is None else f"replay of message {block.replay_of}"


def _internal() -> MessageError:
    text = "the message could not be stored; send it again"
    return MessageError(INTERNAL_ERROR, Location("MSH"), text, reject=True)


def _not_stored(block: Received, now: dt.datetime, error: Exception) -> Reply:
    header = read_header(block.data)
    control_id = f"HB{now:%Y%m%d%H%M%S%f}"[:19]
    acks = build_acks(header, Outcome(_internal()), control_id=control_id, now=now)
    data = b"".join(encode_block(ack) for ack in acks.blocks) if block.is_answered else b""
    kind, sent_id = (header.message_type, header.control_id) if header else ("", "")
    return Reply(data, 0, Disposition.REJECTED, f"not stored: {error}", kind, sent_id)


def _unmapped(mapping: Mapping, message: Message, *, refuse: bool) -> _Found:
    kind, event = message.message_type, message.trigger_event
    if kind not in mapping.types:
        text = "messages of this type are not taken"
        raise MessageError(UNSUPPORTED_TYPE, Location("MSH", 1, 9, 1, 1), text, reject=True)
    defined = event in DEFINED_EVENTS.get(kind, frozenset())
    if refuse or not defined:
        text = "no mapping uses this event" if defined else "HL7 defines no such event for this type"
        raise MessageError(UNSUPPORTED_EVENT, Location("MSH", 1, 9, 1, 2), text, reject=True)
    return _Found(Disposition.IGNORED, f"no mapping uses {kind}^{event}")
