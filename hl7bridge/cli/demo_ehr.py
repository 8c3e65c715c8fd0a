"""The demo's EHR: sends its feed over MLLP, takes the payments that come back, and keeps books of its own."""

from __future__ import annotations

import datetime as dt
import socket
import threading
from contextlib import suppress
from decimal import Decimal
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Final, NamedTuple, Self

from hl7bridge.cli.demo_people import Person
from hl7bridge.cli.mllp_client import Exchange, Mllp
from hl7bridge.errors import DATA_TYPE, Location, MessageError
from hl7bridge.message.ack import ACCEPTED, Outcome, build_acks
from hl7bridge.message.header import read_header
from hl7bridge.message.parse import parse_message
from hl7bridge.money import ZERO, parse_money
from hl7bridge.wire.mllp import Block, Decoder, encode_block

_HOST: Final = "127.0.0.1"
_REPLY_SECONDS: Final = 20.0  # far more than a loaded machine needs
_READ_BYTES: Final = 65536


class Posting(NamedTuple):
    """What one received DFT^P03 posts: MSH-10, FT1-2, the account (PID-18.1), FT1-6 and FT1-11 in dollars."""

    control_id: str
    transaction_id: str
    account: str
    kind: str
    amount: Decimal


class Ehr:
    """A simulated EHR on real sockets: a client of the bridge's listener, and an MLLP port of its own."""

    def __init__(self) -> None:
        self._listening = socket.create_server((_HOST, 0))
        self.port: int = self._listening.getsockname()[1]
        self.postings: list[Posting] = []
        self._arrived: SimpleQueue[Posting] = SimpleQueue()
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, name="demo-ehr", daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        """Return itself, listening."""
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close the port and every connection, and wait for the threads."""
        for each in (self._listening, *self._connections):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(_REPLY_SECONDS)

    def connect(self, port: int) -> Mllp:
        """Return a connection to the bridge's listener, to send the feed on."""
        return Mllp(_HOST, port, timeout=_REPLY_SECONDS)

    def next_posting(self, seconds: float) -> Posting | None:
        """Return the next payment that arrives, or None when none does in time."""
        try:
            return self._arrived.get(timeout=seconds)
        except Empty:
            return None

    def balance(self, person: Person) -> Decimal:
        """Return what an account owes by the EHR's own books: what it billed, less what came back."""
        back = (posting.amount for posting in self.postings if posting.account == person.account)
        return person.balance - sum(back, ZERO)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:  # closed: the demo is over
                return
            self._connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), name="demo-ehr-connection", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        decoder = Decoder()
        with connection, suppress(OSError):
            while data := connection.recv(_READ_BYTES):
                for event in decoder.feed(data):
                    if isinstance(event, Block):
                        connection.sendall(self._take(event.data))

    def _take(self, data: bytes) -> bytes:
        """Post a message to the books, or refuse it, and return the acknowledgement."""
        outcome = ACCEPTED
        try:
            posting = _read_posting(data)
        except (MessageError, ValueError):
            text = "not a payment that can be posted"
            outcome = Outcome(MessageError(DATA_TYPE, Location("FT1", 1, 11), text))
        else:
            self.postings.append(posting)
            self._arrived.put(posting)
        acks = build_acks(
            read_header(data),
            outcome,
            control_id=f"EHR{len(self.postings):05}",
            now=dt.datetime.now(dt.UTC),
            application="DEMOEHR",
        )
        return b"".join(encode_block(block) for block in acks.blocks)


def _read_posting(data: bytes) -> Posting:
    message = parse_message(data)
    return Posting(
        message.control_id,
        str(message.get("FT1-2")),
        str(message.get("PID-18.1")),
        str(message.get("FT1-6")),
        parse_money(str(message.get("FT1-11.1.1"))),
    )


def reply_text(exchange: Exchange) -> str:
    """Return what the bridge answered, as a few words."""
    reply = exchange.reply
    if reply is None:
        return exchange.problem
    return f"{reply.code} {reply.text}".rstrip()
