"""Received blocks -> replies: ONE transaction a batch, a savepoint a message, and a disposition for every block."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from collections.abc import Mapping as Map
from typing import Final, NamedTuple

from hl7bridge.batch import MOST_REASON, Batch, Found, Received, Reply, digest_of, find_repeated
from hl7bridge.errors import (
    DUPLICATE_KEY,
    INTERNAL_ERROR,
    UNSUPPORTED_EVENT,
    UNSUPPORTED_TYPE,
    BridgeError,
    Location,
    MessageError,
    StoreError,
)
from hl7bridge.intake import Arrival, apply_records, event_time, known_account
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
from hl7bridge.storage.messages import Disposition, Earlier
from hl7bridge.wire.mllp import encode_block

_ACKNOWLEDGEMENTS: Final = frozenset({"ACK", "MCF"})
_ACCEPTED: Final = frozenset({Disposition.APPLIED, Disposition.IGNORED, Disposition.PARKED})
_REFUSED: Final = frozenset({Disposition.REJECTED, Disposition.UNREADABLE})


class Policy(NamedTuple):
    """What one listener takes."""

    name: str
    processing_ids: frozenset[str] = frozenset({"P"})
    refuse_reused_control_id: bool = False
    refuse_unmapped: bool = False
    require_account: bool = False
    answer_unasked: bool = False
    mapping: str | None = None
    parks: bool = False  # what would be refused for what it says is taken, and kept for a person
    sequence_protocol: bool = False
    application_ack_to: str | None = None  # the destination of application replies; None: the sender's connection
    charset: str | None = None  # by its name in table 0211, for a message that names none
    charset_overrides: bool = False  # and also for one that does


class Setup(NamedTuple):
    """What of the configuration the pipeline uses; replaced as a whole by a reload."""

    policies: Map[str, Policy]
    mappings: Map[str, Mapping]
    senders: Map[tuple[str, str], str]
    default_mapping: str
    zone_of: Callable[[str], dt.tzinfo]
    due_on: DueDays

    def mapping_name(self, listener: str, message: Message) -> str:
        """Return which mapping reads a message: the listener's own, else the sender's, else the default."""
        return self.policies[listener].mapping or self.senders.get(message.header.sender) or self.default_mapping


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
        except Exception as error:  # noqa: BLE001  (whatever went wrong is ours, and no block may take others with it)
            if len(blocks) > 1:
                return [reply for block in blocks for reply in self.receive([block], now)]
            return [_not_stored(blocks[0], now, error)]

    def receive_within(self, blocks: Sequence[Received], now: dt.datetime) -> list[Reply]:
        """Do what ``receive`` does inside the caller's transaction; the replies are true once that is committed."""
        batch = Batch(self._store, now)
        replies = [self._receive_one(block, batch) for block in blocks]
        self._require_transaction()
        batch.write()
        return replies

    def _require_transaction(self) -> None:
        """Raise StoreError when the database has undone the transaction by itself, as it may when a disk is full."""
        if not self._store.connection.in_transaction:
            raise StoreError(f"{self._store.path}: the transaction was undone")

    def _receive_one(self, block: Received, batch: Batch) -> Reply:
        digest = digest_of(self._store, block)
        message: Message | None = None
        header: Header | None = None
        earlier: Earlier | None = None
        try:
            message = _parse(block)
            header = message.header
            if message.message_type in _ACKNOWLEDGEMENTS:
                found = Found(Disposition.IGNORED, "an acknowledgement is never answered")
                return batch.note(block, digest, header, found, kept_text(message, None), Acks((), ""))
            check_header(header, self.setup.policies[block.listener].processing_ids)
            if block.replay_of is None:
                same_id = batch.earlier(message.control_id, message.sending_application, message.sending_facility)
                earlier = find_repeated(same_id, digest)
                if earlier is not None and earlier.disposition in _ACCEPTED:
                    return batch.note_duplicate(block, digest, header, earlier)
                self._check_reuse(block, same_id, digest, batch, is_new=earlier is None)
            found = self._apply(block, message, batch)
        except MessageError as error:
            header = header or read_header(block.data)
            disposition = Disposition.UNREADABLE if message is None else Disposition.REJECTED
            found = Found(disposition, _reason(error), Outcome(error))
            if message is None and header is not None and block.is_answered:
                earlier = batch.earlier_of(header, digest)
        except Exception as error:  # noqa: BLE001  (whatever went wrong is ours: this block is refused, the others go on)
            self._require_transaction()
            found = Found(Disposition.REJECTED, f"internal error: {type(error).__name__}", Outcome(_internal()))
        if earlier is not None and found.disposition in _REFUSED and found.reason[:MOST_REASON] == earlier.reason:
            return batch.note_duplicate(block, digest, header, earlier)
        return self._answer(block, digest, header, message, found, batch)

    def _answer(
        self,
        block: Received,
        digest: bytes,
        header: Header | None,
        message: Message | None,
        found: Found,
        batch: Batch,
    ) -> Reply:
        if block.is_answered or block.replay_of is not None:  # a replay's answer is for when the sender repeats it
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
            pickers = None
            if found.disposition is not Disposition.IGNORED:
                pickers = self._keeps.get(found.mapping or self.setup.mapping_name(block.listener, message))
            kept = kept_text(message, pickers)
            if message.charset_guessed:
                batch.counts[block.listener, "charset_guessed"] += message.charset != "utf-8"
        return batch.note(block, digest, header, found, kept, acks)

    def _check_reuse(
        self, block: Received, same_id: Sequence[Earlier], digest: bytes, batch: Batch, *, is_new: bool
    ) -> None:
        """Raise MessageError 205 when a control id was used for another message and may not be; else count it."""
        # What was refused or came in half has used up nothing: senders mend a message and send it under its old id.
        if any(earlier.digest != digest and earlier.disposition in _ACCEPTED for earlier in same_id):
            if self.setup.policies[block.listener].refuse_reused_control_id:
                text = "this control id was used for another message"
                raise MessageError(DUPLICATE_KEY, Location("MSH", 1, 10), text)
            batch.counts[block.listener, "reused_control_id"] += is_new

    def _apply(self, block: Received, message: Message, batch: Batch) -> Found:
        name = self.setup.mapping_name(block.listener, message)
        mapping = self.setup.mappings[name]
        records = apply_mapping(mapping, message)
        policy = self.setup.policies[block.listener]
        if records is None:
            return _unmapped(mapping, message, refuse=policy.refuse_unmapped)
        zone = self.setup.zone_of(message.sending_facility)
        known = known_account(self._store, batch.later, records)
        arrival = Arrival(
            event_time(message, zone, batch.now_order), "|".join(message.header.sender), batch.next_id, batch.now_text
        )
        may_create = not policy.require_account or message.message_type == "ADT"
        with self._store.savepoint():
            account_id = apply_records(
                self._store, batch.later, records, known, arrival, self.setup.due_on, may_create=may_create
            )
        return Found(Disposition.APPLIED, _replay_reason(block), ACCEPTED, name, account_id)


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
    kind, sent_id = (header.message_type, header.control_id) if header else ("", "")
    is_answered = block.is_answered and kind not in _ACKNOWLEDGEMENTS
    data = b"".join(encode_block(ack) for ack in acks.blocks) if is_answered else b""
    why = str(error) if isinstance(error, BridgeError | DatabaseError) else type(error).__name__
    return Reply(data, 0, Disposition.REJECTED, f"not stored: {why}", kind, sent_id)


def _unmapped(mapping: Mapping, message: Message, *, refuse: bool) -> Found:
    kind, event = message.message_type, message.trigger_event
    if kind not in mapping.types:
        text = "messages of this type are not taken"
        raise MessageError(UNSUPPORTED_TYPE, Location("MSH", 1, 9, 1, 1), text, reject=True)
    defined = event in DEFINED_EVENTS.get(kind, frozenset())
    if refuse or not defined:
        text = "no mapping uses this event" if defined else "HL7 defines no such event for this type"
        raise MessageError(UNSUPPORTED_EVENT, Location("MSH", 1, 9, 1, 2), text, reject=True)
    return Found(Disposition.IGNORED, f"no mapping uses {kind}^{event}")
