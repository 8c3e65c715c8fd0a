"""Received blocks -> replies: ONE transaction a batch, a savepoint a message, and a disposition for every block."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

from hl7bridge.admission import (
    admit,
    build_refused,
    check_order,
    count_number,
    find_unreadable,
    parse_block,
    read_ahead,
)
from hl7bridge.batch import (
    MOST_REASON,
    REFUSED,
    TAKEN,
    Ahead,
    Batch,
    Found,
    Received,
    Reply,
    digest_of,
    find_repeated,
)
from hl7bridge.checks import check_event, internal_error
from hl7bridge.delivery.verdict import reply_of
from hl7bridge.errors import BridgeError, MessageError, StoreError
from hl7bridge.identities import IdentityChange, apply_identities
from hl7bridge.intake import Applied, apply_records, event_time, source_mark
from hl7bridge.ledger.arrival import Arrival
from hl7bridge.mapping.apply import apply_mapping
from hl7bridge.mapping.records import Records
from hl7bridge.message.ack import ACCEPTED, Acks, Outcome, build_acks
from hl7bridge.message.header import Header, read_header
from hl7bridge.message.model import Message
from hl7bridge.opening import open_account
from hl7bridge.policy import Policy, Setup
from hl7bridge.privacy.keeping import Pickers, compile_keeps, kept_text
from hl7bridge.reacting import react_to_changes
from hl7bridge.storage.addressing import known_account
from hl7bridge.storage.database import DatabaseError, Store
from hl7bridge.storage.messages import Disposition, Earlier
from hl7bridge.storage.settling import settle_by_reply
from hl7bridge.wire.mllp import encode_block

__all__ = ["Pipeline", "Policy", "Setup"]

_ACKNOWLEDGEMENTS: Final = frozenset({"ACK", "MCF"})
_COMMIT_WANTED: Final = frozenset({"AL", "SU"})  # HL7 table 0155
_NOT_ANSWERED: Final = Acks((), "")
_UNCHANGED: Final = IdentityChange()
_TOGETHER: Final = 64  # blocks of which the records are held at once: what most batches have


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

    def read_ahead(self, block: Received) -> Received:
        """Return a long block with its digest and message, so that no other waits for these. For any thread."""
        return read_ahead(block, self.setup.policies[block.listener])

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
            return [self._refuse_unstored(blocks[0], now, error)]

    def receive_within(self, blocks: Sequence[Received], now: dt.datetime) -> list[Reply]:
        """Do what ``receive`` does inside the caller's transaction; the replies are true once that is committed."""
        batch = Batch(self._store, now)
        replies: list[Reply] = []
        for at in range(0, len(blocks), _TOGETHER):
            read = [self._read(block) for block in blocks[at : at + _TOGETHER]]
            batch.look_up(read)
            replies += [self._receive_one(block, batch) for block in read]
        self._require_transaction()
        batch.write()
        if self.setup.reaction is not None:
            react_to_changes(self._store, self.setup.reaction, now)
        return replies

    def _require_transaction(self) -> None:
        """Raise StoreError when the database has undone the transaction by itself, as it may when a disk is full."""
        if not self._store.connection.in_transaction:
            raise StoreError(f"{self._store.path}: the transaction was undone")

    def _read(self, block: Received) -> Received:
        """Return a block with its message and records, or why there are none: what is raised when its turn comes."""
        digest = digest_of(self._store, block)
        policy = self.setup.policies[block.listener]
        name, records = "", None
        try:
            message = parse_block(block, policy)
        except Exception as error:  # noqa: BLE001  (no block may take others with it)
            return block._replace(ahead=Ahead(digest, error))
        if message.message_type not in _ACKNOWLEDGEMENTS:
            try:
                name = self.setup.mapping_name(block.listener, message)
                records = apply_mapping(self.setup.mappings[name], message)
            except Exception as error:  # noqa: BLE001  (as above)
                return block._replace(ahead=Ahead(digest, message, name, error))
        return block._replace(ahead=Ahead(digest, message, name, records))

    def _receive_one(self, block: Received, batch: Batch) -> Reply:
        digest = digest_of(self._store, block)
        policy = self.setup.policies[block.listener]
        message: Message | None = None
        header: Header | None = None
        earlier: Earlier | None = None
        try:
            message = parse_block(block, policy)
            header = message.header
            if message.message_type in _ACKNOWLEDGEMENTS:
                return self._take_acknowledgement(block, policy, message, digest, batch)
            admitted = admit(block, policy, message)
            if admitted is None and block.replay_of is None:
                same_id = batch.earlier(message.control_id, *message.sender)
                earlier = find_repeated(same_id, digest)
                if earlier is not None and earlier.disposition in TAKEN:
                    return batch.note_duplicate(block, digest, header, earlier)
                check_order(block, policy, message, same_id, digest, earlier, batch)
            found = admitted or self._apply(block, policy, message, batch)
        except MessageError as error:
            if message is None:
                header = read_header(block.data, charset=policy.charset, override=policy.charset_overrides)
                earlier = find_unreadable(block, header, digest, batch)
            found = build_refused(block, policy, header, message, error)
        except Exception as error:  # noqa: BLE001  (whatever went wrong is ours: this block is refused, the others go on)
            self._require_transaction()
            found = Found(Disposition.REJECTED, f"internal error: {type(error).__name__}", Outcome(internal_error()))
        if policy.sequence_protocol:
            found = count_number(block, header, message, found, batch)
        if earlier is not None and _is_repeated(found, earlier):
            return batch.note_duplicate(block, digest, header, earlier)
        acks = self._build_acks(block, policy, header, found, batch)
        return batch.note(block, digest, header, found, self._kept(block, message, found, batch), acks)

    def _take_acknowledgement(
        self, block: Received, policy: Policy, message: Message, digest: bytes, batch: Batch
    ) -> Reply:
        """Give an application reply to the delivery that it answers; it is answered only when it asks for a commit."""
        header, settled = message.header, None
        reply = reply_of(message)
        if reply is not None and block.replay_of is None:
            with self._store.savepoint():
                settled = settle_by_reply(self._store, reply, self.setup.deliveries, now=batch.now)
        found = Found(Disposition.IGNORED, "an acknowledgement is never answered")
        if settled is not None:
            counter = "replies_against" if settled.is_against else "application_replies"
            batch.counts[block.listener, counter] += 1
            now = "is now" if settled.is_changed else "was already"
            found = found._replace(reason=f"a reply: delivery {settled.delivery_id} {now} {settled.status.value}")
        acks = _NOT_ANSWERED
        if header.accept_ack.strip().upper() in _COMMIT_WANTED:
            acks = self._build_acks(block, policy, header._replace(application_ack="NE"), found, batch)
        return batch.note(block, digest, header, found, kept_text(message, None), acks)

    def _build_acks(self, block: Received, policy: Policy, header: Header | None, found: Found, batch: Batch) -> Acks:
        if not block.is_answered and block.replay_of is None:
            return _NOT_ANSWERED
        acks = build_acks(
            header,
            found.outcome,
            control_id=batch.control_id(),
            now=batch.now,
            answer_unasked=policy.answer_unasked,
            is_apart=policy.application_ack_to is not None,
        )
        # A replay's answer is for when the sender repeats it: nothing is sent now.
        if acks.apart and policy.application_ack_to is not None and block.is_answered:
            batch.queue_acknowledgement(policy.application_ack_to, acks.apart)
        return acks

    def _kept(self, block: Received, message: Message | None, found: Found, batch: Batch) -> str:
        if message is None:
            return ""
        if message.charset_guessed:
            batch.counts[block.listener, "charset_guessed"] += message.charset != "utf-8"
        pickers = None
        if found.disposition is not Disposition.IGNORED:
            pickers = self._keeps.get(found.mapping or self.setup.mapping_name(block.listener, message))
        return kept_text(message, pickers)

    def _apply(self, block: Received, policy: Policy, message: Message, batch: Batch) -> Found:
        name, records = (block.ahead.mapping, block.ahead.records) if block.ahead else ("", None)
        if isinstance(records, Exception):
            raise records
        if records is None:
            mapping = self.setup.mappings[name]
            check_event(mapping, message, refuse=policy.refuse_unmapped)
            named = message.message_type, message.trigger_event
            unused = f"no mapping uses {'^'.join(named)}"
            return Found(Disposition.IGNORED, "taken; nothing is made of it" if named in mapping.events else unused)
        zone = self.setup.zone_of(_facility_of(records) or message.sender[1])
        source = "|".join(message.sender)
        as_of = f"{event_time(message, zone, batch.now_order)} {source_mark(source)}"
        arrival = Arrival(as_of, source, batch.next_id, batch.now_text)
        may_create = not policy.require_account or message.message_type == "ADT"
        changed = _UNCHANGED
        new = batch.strangers.take(records)
        applied = None
        if records.account is not None and new.account and (new.patient or records.patient is None):
            applied = open_account(batch.later, records, arrival, self.setup.due_on, may_create=may_create)
        if applied is None:
            event = message.trigger_event
            changed, applied = self._apply_known(
                records, event, arrival, batch, is_new=new.account, may_create=may_create
            )
        for counter in (*changed.counters, *applied.counters):
            batch.counts[block.listener, counter] += 1
        reason = "" if block.replay_of is None else f"replay of message {block.replay_of}"
        several = f"{len(records.others) + 1} accounts" if records.others else ""
        reason = "; ".join(filter(None, (reason, changed.reason, several, applied.reason)))
        account_id = changed.account_id if applied.account_id is None else applied.account_id
        patient_id = changed.patient_id if applied.patient_id is None else applied.patient_id
        return Found(Disposition.APPLIED, reason, ACCEPTED, name, account_id, patient_id)

    def _apply_known(
        self, records: Records, event: str, arrival: Arrival, batch: Batch, *, is_new: bool, may_create: bool
    ) -> tuple[IdentityChange, Applied]:
        """Apply what is told of a patient or account that may be known; ``is_new``: the account is not."""
        store, later, due_on = self._store, batch.later, self.setup.due_on
        changed = _UNCHANGED
        if later.has_ids:
            later.write()
        known = None if is_new else known_account(store, later, records)
        if records.identities or records.others:
            later.write()
        with store.savepoint():
            if records.identities:
                changed = apply_identities(store, records.identities, event, arrival, due_on)
                known = known_account(store, later, records)
            applied = apply_records(store, later, records, known, arrival, due_on, may_create=may_create)
            for other in records.others:
                later.write()  # inside the savepoint: what the account before left is of this message
                known = known_account(store, later, other)
                more = apply_records(store, later, other, known, arrival, due_on, may_create=may_create)
                applied = applied._replace(counters=applied.counters + more.counters)
        return changed, applied

    def _refuse_unstored(self, block: Received, now: dt.datetime, error: Exception) -> Reply:
        policy = self.setup.policies.get(block.listener) or Policy(block.listener)
        header = read_header(block.data, charset=policy.charset, override=policy.charset_overrides)
        kind, sent_id = (header.message_type, header.control_id) if header else ("", "")
        data = b""
        if block.is_answered and kind not in _ACKNOWLEDGEMENTS:
            # An application reply that goes apart could not be stored either: silence makes the sender ask again.
            acks = build_acks(
                header,
                Outcome(internal_error()),
                control_id=f"HB{now:%Y%m%d%H%M%S%f}"[:19],
                now=now,
                answer_unasked=policy.answer_unasked,
                is_apart=policy.application_ack_to is not None,
            )
            data = b"".join(encode_block(ack) for ack in acks.blocks)
        why = str(error) if isinstance(error, BridgeError | DatabaseError) else type(error).__name__
        return Reply(data, 0, Disposition.REJECTED, f"not stored: {why}", kind, sent_id)


def _facility_of(records: Records) -> str | None:
    """Return the facility that the mapping finds in a message, whose time zone its times are of."""
    told = records.account or records.patient or (records.identities[0] if records.identities else None)
    return told.facility if told is not None and isinstance(told.facility, str) else None


def _is_repeated(found: Found, earlier: Earlier) -> bool:
    """Return whether a block that was refused gets the stored reply: it was taken before, or refused for the same."""
    if found.disposition is Disposition.PARKED:
        return earlier.disposition in TAKEN
    if found.disposition not in REFUSED:
        return False
    return earlier.disposition in TAKEN or found.reason[:MOST_REASON] == earlier.reason
