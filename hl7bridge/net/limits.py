"""What one listener bears, in numbers: blocks, connections, waiting; and what it hands its blocks to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network
from types import MappingProxyType
from typing import Final, NamedTuple

from hl7bridge.batch import Received, Reply

MOST_WAITING: Final = (
    64  # messages of one connection that wait for the writer; then we stop reading it, and drop nothing
)
FEWEST_WAITING: Final = 16  # and read on from here
MOST_HELD: Final = 4 * 1024 * 1024  # bytes of one connection that wait for the writer; a longer block may come alone
FEWEST_HELD: Final = 1024 * 1024
MOST_HELD_BY_ALL: Final = 256 * 1024 * 1024  # bytes that wait for the writer, over all connections of a listener
FEWEST_HELD_BY_ALL: Final = 192 * 1024 * 1024
LONG_BYTES: Final = 256 * 1024  # a longer block is read, and a batch taken apart, in a thread of its own
HANDSHAKE_SECONDS: Final = 10.0  # for the TLS handshake

Network = IPv4Network | IPv6Network
Submit = Callable[[Received, Callable[[Reply], None]], None]
ReadAhead = Callable[[Received], Received]


class Limits(NamedTuple):
    """What one listener bears. Durations are seconds; ``idle_seconds`` None keeps a silent connection for ever.

    ``tolerances`` are the names of the repairs that are on. ``clients`` maps the names on senders' certificates to the
    values of MSH-4 they may send; empty asks for none.
    """

    name: str
    most_bytes: int
    block_seconds: float
    idle_seconds: float | None
    allow: Sequence[Network] = ()
    tolerances: frozenset[str] = frozenset()
    release: int = 1
    batch_reply: str = "batch"
    most_connections: int = 4096
    most_per_peer: int | None = None
    takeover_seconds: float = 60.0
    reply_seconds: float = 60.0
    clients: Mapping[str, frozenset[str]] = MappingProxyType({})
