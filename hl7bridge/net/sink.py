"""Blocks on an MLLP port -> the answer that a rehearsal wants: right, wrong, late, half of one, or none.

What an EHR's interface does on its worst days, on purpose, so that a team sees beforehand what becomes of a payment.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import deque
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from hl7bridge.errors import INTERNAL_ERROR, Location, MessageError
from hl7bridge.message.ack import ACCEPTED, Outcome, build_acks
from hl7bridge.message.header import read_header
from hl7bridge.message.model import Message
from hl7bridge.message.parse import parse_message
from hl7bridge.wire.mllp import Block, Decoder, encode_block

LARGEST_BLOCK: Final = 16 << 20
_OVERSIZE: Final = 2 << 20  # more than any partner should read of a reply
_GARBAGE: Final = b"<html>502 Bad Gateway</html>"
_ANOTHER: Final = "SOMEBODY-ELSES-1"


class Behaviour(StrEnum):
    """What is done with a message after it was read whole."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    REJECT = "reject"
    DELAY = "delay"
    LATE = "late"
    CLOSE = "close-after-read"
    RESET = "reset"
    WRONG_ID = "wrong-id"
    WRONG_THEN_RIGHT = "wrong-then-right"
    GARBAGE = "garbage"
    UNFRAMED = "unframed"
    HALF = "half"
    HALF_AND_CLOSE = "half-and-close"
    OVERSIZE = "oversize"
    SILENT = "silent"


MEANINGS: Final = {
    Behaviour.ACCEPT: "acknowledges with AA, or as MSH-15 and MSH-16 ask",
    Behaviour.REFUSE: "answers AE",
    Behaviour.REJECT: "answers AR: try again later",
    Behaviour.DELAY: "accepts after the delay; the connection's next message waits",
    Behaviour.LATE: "accepts after the delay; what comes meanwhile is answered meanwhile",
    Behaviour.CLOSE: "closes the connection without a word",
    Behaviour.RESET: "resets the connection",
    Behaviour.WRONG_ID: "accepts another message: MSA-2 is not this one's MSH-10",
    Behaviour.WRONG_THEN_RIGHT: "accepts another message, then this one",
    Behaviour.GARBAGE: "answers with a block that is no HL7",
    Behaviour.UNFRAMED: "acknowledges without start and end bytes",
    Behaviour.HALF: "begins to acknowledge and stops half way",
    Behaviour.HALF_AND_CLOSE: "begins to acknowledge and closes",
    Behaviour.OVERSIZE: "answers with a block of two megabytes",
    Behaviour.SILENT: "says nothing; the connection stays open",
}


class Got(NamedTuple):
    """One message that came. ``transactions`` are its FT1-2; ``is_repeat``: its control id came before."""

    number: int
    connection: int
    at: dt.datetime
    control_id: str
    message_type: str
    transactions: tuple[str, ...]
    data: bytes
    behaviour: Behaviour
    is_repeat: bool

    @property
    def digest(self) -> str:
        """Return the SHA-256 of what came, in hexadecimal: the same for a resend that is the same."""
        return hashlib.sha256(self.data).hexdigest()


class Script:
    """Which behaviour the next message meets: one after the other, the last for all that follow."""

    def __init__(self, behaviours: Sequence[Behaviour]) -> None:
        self._rest = deque(behaviours or (Behaviour.ACCEPT,))

    def next(self) -> Behaviour:
        """Return the next message's."""
        return self._rest.popleft() if len(self._rest) > 1 else self._rest[0]


class SinkFactory(Factory):
    """Every connection of one sink. ``on_message`` is called with each message before it is answered."""

    noisy = False

    def __init__(
        self,
        clock: IReactorTime,
        script: Script,
        on_message: Callable[[Got], None],
        *,
        delay: float,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self.clock = clock
        self.script = script
        self.on_message = on_message
        self.delay = delay
        self.now = now
        self.connections = 0
        self.messages = 0
        self.control_ids: set[str] = set()

    def buildProtocol(self, addr: IAddress | None) -> Sink:  # noqa: ARG002, N802  (Twisted's signature)
        """Return the protocol of a new connection."""
        self.connections += 1
        return Sink(self, self.connections)


class Sink(Protocol):
    """One connection: its messages are answered in order, but for those that are answered late."""

    transport: Any

    def __init__(self, owner: SinkFactory, number: int) -> None:
        self._owner = owner
        self._number = number
        self._decoder = Decoder(LARGEST_BLOCK)
        self._waiting: deque[bytes] = deque()
        self._is_busy = False
        self._is_open = True

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Take blocks, in whatever pieces; what is no block is nobody's message."""
        self._waiting += [event.data for event in self._decoder.feed(data) if isinstance(event, Block)]
        self._go_on()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002, N802
        """Forget what was not answered."""
        self._is_open = False
        self._waiting.clear()

    def _go_on(self) -> None:
        while self._waiting and not self._is_busy and self._is_open:
            self._take(self._waiting.popleft())

    def _take(self, data: bytes) -> None:
        owner = self._owner
        owner.messages += 1
        header = read_header(data)
        control_id = header.control_id if header else ""
        got = Got(
            owner.messages,
            self._number,
            owner.now(),
            control_id,
            f"{header.message_type}^{header.trigger_event}" if header else "",
            _transactions(data),
            data,
            owner.script.next(),
            control_id in owner.control_ids,
        )
        owner.control_ids.add(control_id)
        owner.on_message(got)
        self._answer(got)

    def _answer(self, got: Got) -> None:
        right = _acknowledgement(got, ACCEPTED)
        if got.behaviour in {Behaviour.DELAY, Behaviour.LATE}:
            self._is_busy = got.behaviour is Behaviour.DELAY
            self._owner.clock.callLater(self._owner.delay, self._write_late, right)
            return
        self._write(_reply(got, right))
        if got.behaviour in {Behaviour.CLOSE, Behaviour.HALF_AND_CLOSE}:
            self._is_busy = True  # what comes after it is not read any more
            self.transport.loseConnection()
        elif got.behaviour is Behaviour.RESET:
            self._is_busy = True
            self.transport.abortConnection()

    def _write_late(self, reply: bytes) -> None:
        self._is_busy = False
        self._write(reply)
        self._go_on()

    def _write(self, reply: bytes) -> None:
        if reply and self._is_open:
            self.transport.write(reply)


def _reply(got: Got, right: bytes) -> bytes:
    """Return the bytes that a behaviour answers at once; none for those that say nothing."""
    another = right.replace(f"|{got.control_id}|".encode(), f"|{_ANOTHER}|".encode())
    another = another.replace(f"|{got.control_id}\r".encode(), f"|{_ANOTHER}\r".encode())
    refused = MessageError(INTERNAL_ERROR, Location("MSH"), "the sink was told to refuse this")
    rejected = MessageError(INTERNAL_ERROR, Location("MSH"), "the sink was told to reject this", reject=True)
    replies = {
        Behaviour.ACCEPT: right,
        Behaviour.REFUSE: _acknowledgement(got, Outcome(refused)),
        Behaviour.REJECT: _acknowledgement(got, Outcome(rejected)),
        Behaviour.WRONG_ID: another,
        Behaviour.WRONG_THEN_RIGHT: another + right,
        Behaviour.GARBAGE: encode_block(_GARBAGE),
        Behaviour.UNFRAMED: right.strip(b"\x0b\x1c\r"),
        Behaviour.HALF: right[: len(right) // 2],
        Behaviour.HALF_AND_CLOSE: right[: len(right) // 2],
        Behaviour.OVERSIZE: encode_block(b"MSH|^~\\&|" + b"X" * _OVERSIZE),
    }
    return replies.get(got.behaviour, b"")


def _acknowledgement(got: Got, outcome: Outcome) -> bytes:
    header = read_header(got.data)
    if header is None:  # nobody's message can be accepted
        outcome = Outcome(MessageError(INTERNAL_ERROR, Location("MSH"), "no header that can be read", reject=True))
    acks = build_acks(header, outcome, control_id=f"SINK{got.number:08}", now=got.at, application="SINK")
    return b"".join(map(encode_block, acks.blocks))


def _transactions(data: bytes) -> tuple[str, ...]:
    try:
        message: Message = parse_message(data)
    except MessageError:
        return ()
    return tuple(fields[2] for fields in message.fields("FT1") if len(fields) > 2)  # noqa: PLR2004  (FT1-2)
