"""The blocks of one transaction: what came, what became of each, and the rows and counts written at its end."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from hl7bridge.errors import MessageError
from hl7bridge.intake import order_text
from hl7bridge.mapping.records import Records
from hl7bridge.message.ack import ACCEPTED, Acks, Outcome
from hl7bridge.message.header import Header
from hl7bridge.message.model import Message
from hl7bridge.sequence import Sequences
from hl7bridge.storage.database import Store
from hl7bridge.storage.deliveries import Acknowledgement, add_acknowledgements
from hl7bridge.storage.later import Later
from hl7bridge.storage.messages import (
    Disposition,
    Earlier,
    MessageRow,
    SentId,
    count,
    earlier_messages,
    earlier_of_ids,
    insert_messages,
    next_message_id,
    read_digest,
)
from hl7bridge.storage.opened import REFERRED_TO
from hl7bridge.storage.parked import park_messages
from hl7bridge.storage.strangers import Strangers
from hl7bridge.times import utc_text
from hl7bridge.wire.mllp import encode_block

DIGEST_BYTES: Final = 16
MOST_REASON: Final = 500  # characters of a reason kept with a message
TAKEN: Final = frozenset({Disposition.APPLIED, Disposition.IGNORED, Disposition.PARKED})
REFUSED: Final = frozenset({Disposition.REJECTED, Disposition.UNREADABLE})
_WITH_BYTES: Final = frozenset({Disposition.UNREADABLE, Disposition.PARKED})  # when no text could be made of them


class Ahead(NamedTuple):
    """What was found out about a block before its turn came.

    Its digest, the message or why there is none, and which mapping makes what records of it, or why it makes none.
    """

    digest: bytes
    message: Message | Exception
    mapping: str = ""
    records: Records | Exception | None = None


class Received(NamedTuple):
    """One block as it came.

    ``fault`` says why it can never be a message (cut short, too long). ``is_answered`` False: nobody waits for a reply.
    ``replay_of`` is the id of a stored message that a person sends again. ``facilities`` are the values of MSH-4 that
    the sender's certificate allows; None allows all. ``notes`` are counters of the listener that this block adds to.
    """

    listener: str
    data: bytes
    fault: MessageError | None = None
    is_answered: bool = True
    replay_of: int | None = None
    facilities: frozenset[str] | None = None
    notes: tuple[str, ...] = ()
    ahead: Ahead | None = None


class Reply(NamedTuple):
    """The bytes to write back (none when nobody asked), and what became of the block."""

    data: bytes
    message_id: int
    disposition: Disposition
    reason: str
    message_type: str
    control_id: str


class Found(NamedTuple):
    """What became of one block, before it is written down."""

    disposition: Disposition
    reason: str
    outcome: Outcome = ACCEPTED
    mapping: str = ""
    account_id: int | None = None
    patient_id: int | None = None


class Batch:
    """The rows and counts of one transaction, written together at its end."""

    def __init__(self, store: Store, now: dt.datetime) -> None:
        self.store = store
        self.now = now
        self.now_text = utc_text(now)
        self.now_order = order_text(now)
        self.next_id = next_message_id(store)
        self.later = Later(store, REFERRED_TO)
        self.strangers = Strangers(store)
        self.counts: Counter[tuple[str, str]] = Counter()
        self.sequences = Sequences(store)
        self._parked: list[int] = []
        self._acknowledgements: list[Acknowledgement] = []
        self._rows: list[MessageRow] = []
        self._pending: dict[SentId, list[Earlier]] = {}
        self._stored: dict[SentId, list[Earlier]] = {}
        self._looked_up: set[str] = set()

    def look_up(self, blocks: Sequence[Received]) -> None:
        """Find out for all blocks at once what each of them would ask the store for; they were read ahead."""
        if self.later.has_ids:
            self.later.write()
        read = [block.ahead for block in blocks if block.ahead is not None]
        self._looked_up = {each.message.control_id for each in read if isinstance(each.message, Message)}
        self._stored = earlier_of_ids(self.store, self._looked_up)
        self.strangers.look_up([each.records for each in read if isinstance(each.records, Records)])

    def control_id(self) -> str:
        """Return the MSH-10 of our answer: the message's id, so that the two are found together."""
        return f"HB{self.next_id:012}"

    def earlier(self, control_id: str, application: str, facility: str) -> list[Earlier]:
        """Return what this sender sent before with a control id, in this batch and in the store, newest first."""
        key = control_id, application, facility
        known = control_id in self._looked_up
        stored = self._stored.get(key, []) if known else earlier_messages(self.store, *key)
        return self._pending.get(key, []) + stored

    def earlier_of(self, header: Header, digest: bytes) -> Earlier | None:
        """Return what a block repeats of which no more than the header can be read."""
        application, facility = _sender(header)
        return find_repeated(self.earlier(header.control_id, application, facility), digest)

    def queue_acknowledgement(self, destination: str, text: str) -> None:
        """Have the application reply to the message that is noted next go to a destination."""
        row = Acknowledgement(destination, f"{self.control_id()}A", self.next_id, text)
        self._acknowledgements.append(row)

    def note_duplicate(self, block: Received, digest: bytes, header: Header | None, earlier: Earlier) -> Reply:
        """Write down a block that repeats an earlier one; the reply is the earlier one's, byte for byte."""
        found = Found(Disposition.DUPLICATE, f"repeats message {earlier.id}", account_id=earlier.account_id)
        return self._note(block, digest, header, found, "", earlier.ack_code, earlier.reply)

    def note(self, block: Received, digest: bytes, header: Header | None, found: Found, kept: str, acks: Acks) -> Reply:
        """Write down what became of a block and return its reply."""
        data = b"".join(encode_block(ack) for ack in acks.blocks)
        return self._note(block, digest, header, found, kept, acks.code, data)

    def _note(
        self,
        block: Received,
        digest: bytes,
        header: Header | None,
        found: Found,
        kept: str,
        ack_code: str,
        data: bytes,
    ) -> Reply:
        head = header or Header()
        row = MessageRow(
            self.next_id,
            self.now_text,
            block.listener,
            *_sender(head),
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
            block.data if not kept and found.disposition in _WITH_BYTES else None,
            data,
            None if found.account_id is not None else found.patient_id,
        )
        self._rows.append(row)
        self.counts[block.listener, "received"] += 1
        self.counts[block.listener, found.disposition] += 1
        for name in block.notes:
            self.counts[block.listener, name] += 1
        if found.disposition is Disposition.PARKED:
            self._parked.append(row.id)
        if row.control_id and found.disposition is not Disposition.DUPLICATE:
            key = row.control_id, row.sending_application, row.sending_facility
            told = Earlier(row.id, digest, row.disposition, ack_code, row.reason, data, row.account_id)
            self._pending.setdefault(key, []).insert(0, told)
        self.next_id += 1
        return Reply(data, row.id, found.disposition, row.reason, row.message_type, row.control_id)

    def write(self) -> None:
        """Write all rows and counts."""
        self.later.write()
        insert_messages(self.store, self._rows)
        count(self.store, self.counts)
        self.sequences.write()
        if self._parked:
            park_messages(self.store, self._parked, self.now_text)
        if self._acknowledgements:
            add_acknowledgements(self.store, self._acknowledgements, self.now_text)


def digest_of(store: Store, block: Received) -> bytes:
    """Return what tells this content from others; a replay has that of the message it runs again."""
    if block.ahead is not None:
        return block.ahead.digest
    original = None if block.replay_of is None else read_digest(store, block.replay_of)
    return original or digest_bytes(block.data)


def digest_bytes(data: bytes) -> bytes:
    """Return what tells the bytes of a block from others."""
    return blake2b(data, digest_size=DIGEST_BYTES).digest()


def find_repeated(same_id: Sequence[Earlier], digest: bytes) -> Earlier | None:
    """Return the block of the same content, the one that was taken if any was; our own failures do not count."""
    repeated = None
    for earlier in same_id:
        if earlier.digest == digest and not earlier.reason.startswith("internal error"):
            if earlier.disposition in TAKEN:
                return earlier
            repeated = repeated or earlier
    return repeated


def _sender(header: Header) -> tuple[str, str]:
    """Return MSH-3.1 and MSH-4.1."""
    mark = header.delimiters.component
    return header.sending_application.partition(mark)[0], header.sending_facility.partition(mark)[0]
