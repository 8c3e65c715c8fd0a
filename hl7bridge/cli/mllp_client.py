"""Messages in files -> blocks on a plain socket, one at a time, each with the whole reply to it."""

from __future__ import annotations

import re
import socket
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from hl7bridge.errors import BridgeError, MessageError
from hl7bridge.message.parse import parse_message
from hl7bridge.wire.mllp import Block, Decoder, Junk, encode_block

if TYPE_CHECKING:
    import ssl

_READ_BYTES: Final = 65536
_MESSAGE = re.compile(rb"(?:^|(?<=\r))MSH(?=[^\w\s])")
_ENVELOPE = re.compile(rb"(?:^|(?<=\r))(?:FHS|BHS|BTS|FTS)[^\r]*(?:\r|\Z)")
_CONTROL_ID: Final = 10  # MSH-10
_ACCEPT_ACK: Final = 15  # MSH-15 and MSH-16: who wants an answer; both NE: nobody
_NEVER: Final = b"NE"


class Reply(NamedTuple):
    """What an acknowledgement says: MSA-1, MSA-2 and its text (MSA-3, or else ERR-8 or ERR-7)."""

    code: str
    control_id: str
    text: str


class Exchange(NamedTuple):
    """One message sent: its MSH-10, the reply if one came, and why not if none did."""

    control_id: str
    reply: Reply | None
    problem: str = ""


class _NoReplyError(Exception):
    """The peer did not answer; the text says how."""


def split_messages(data: bytes) -> list[bytes]:
    """Return the messages of a file, segments ended by CR.

    LF and CR LF become CR; the marks of MLLP blocks and of batches (FHS, BHS, BTS, FTS) are left out, and so is
    what stands before the first MSH.
    """
    text = data.removeprefix(b"\xef\xbb\xbf").replace(b"\x1c", b"\r").replace(b"\x0b", b"")
    text = text.replace(b"\r\n", b"\r").replace(b"\n", b"\r")
    text = _ENVELOPE.sub(b"", text)
    starts = [found.start() for found in _MESSAGE.finditer(text)]
    return [text[start:end].rstrip(b"\r") + b"\r" for start, end in pairwise([*starts, len(text)])]


def header_field(message: bytes, number: int) -> bytes:
    """Return MSH-``number`` (3 or more) of a message's bytes; empty when it is not there."""
    fields = message.partition(b"\r")[0].split(message[3:4])
    return fields[number - 1] if number <= len(fields) else b""


def renumber(message: bytes, control_id: str) -> bytes:
    """Return the message with another MSH-10."""
    header, end, rest = message.partition(b"\r")
    separator = message[3:4]
    fields = header.split(separator)
    fields += [b""] * (_CONTROL_ID - len(fields))
    fields[_CONTROL_ID - 1] = control_id.encode("ascii")
    return separator.join(fields) + end + rest


def wants_no_reply(message: bytes) -> bool:
    """Whether the message asks that nobody answers. Source: HL7 v2.5.1 section 2.9.3, table 0155."""
    return header_field(message, _ACCEPT_ACK) == _NEVER == header_field(message, _ACCEPT_ACK + 1)


class Mllp:
    """A peer that is sent one block at a time; connects when first needed, and again after a lost reply."""

    def __init__(self, host: str, port: int, *, timeout: float, context: ssl.SSLContext | None = None) -> None:
        self._address = (host, port)
        self._timeout = timeout
        self._context = context
        self._socket: socket.socket | None = None

    def exchange(self, message: bytes, *, wait: bool = True) -> Exchange:
        """Send a message and return what came back within the timeout (seconds).

        Raises BridgeError when the peer cannot be reached at all.
        """
        control_id = header_field(message, _CONTROL_ID).decode("utf-8", "replace")
        connection = self._socket or self._connect()
        try:
            connection.settimeout(self._timeout)
            connection.sendall(encode_block(message))
            if not wait:
                self.close()  # a peer that answers all the same must not be heard as answering the next message
                return Exchange(control_id, None)
            return Exchange(control_id, _read_reply(_receive(connection, self._timeout)))
        except (_NoReplyError, OSError) as error:
            # A reply that comes later must not be taken for the reply to the next message: start afresh.
            self.close()
            reason = "no reply in time" if isinstance(error, TimeoutError) else f"no reply: {_reason(error)}"
            return Exchange(control_id, None, reason)
        except MessageError as error:
            return Exchange(control_id, None, f"the reply cannot be read: {error}")

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._socket:
            self._socket.close()
            self._socket = None

    def _connect(self) -> socket.socket:
        host, port = self._address
        try:
            connection = socket.create_connection(self._address, self._timeout)
        except OSError as error:
            raise BridgeError(f"cannot connect to {host} port {port}: {_reason(error)}") from None
        if self._context:
            try:
                connection = self._context.wrap_socket(connection, server_hostname=host)
            except OSError as error:
                connection.close()
                raise BridgeError(f"no TLS with {host} port {port}: {_reason(error)}") from None
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        return connection


def _receive(connection: socket.socket, timeout: float) -> bytes:
    """Return the payload of the next block; however its bytes are split."""
    decoder = Decoder()
    deadline = time.monotonic() + timeout
    while True:
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        data = connection.recv(_READ_BYTES)
        events = decoder.feed(data) if data else [*decoder.take_pending(), *decoder.close()]
        for event in events:
            if isinstance(event, Block):
                return event.data
        if not data:
            unframed = any(isinstance(event, Junk) for event in events)
            raise _NoReplyError("it was not in an MLLP block" if unframed else "the connection was closed")


def _read_reply(data: bytes) -> Reply:
    message = parse_message(data)
    msa = [*(message.fields("MSA") or [[]])[0], "", "", "", ""]
    texts = [msa[3]]
    for err in message.fields("ERR"):
        texts += [*err, *[""] * 9][8:6:-1]
    return Reply(msa[1], msa[2], next((text for text in texts if text), ""))


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return str(getattr(error, "verify_message", "") or getattr(error, "reason", "") or error.strerror or error)
    return str(error)
