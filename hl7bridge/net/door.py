"""Who is let in at a listener: addresses that may connect, and how many connections there may be."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Final

import structlog

from hl7bridge.net.limits import Limits

if TYPE_CHECKING:
    from hl7bridge.net.connection import ListenerProtocol

QUIET_SECONDS: Final = 60.0  # without a refusal, until a limit counts as no longer reached
_log = structlog.get_logger("hl7bridge.listener")


class _Alarm:
    """One limit: said when the first is refused, and once more when for a while nobody was."""

    def __init__(self, listener: str, limit: str) -> None:
        self._names = {"listener": listener, "limit": limit}
        self._refused = 0
        self._refused_at = 0.0

    def ring(self, peer: str, now: float) -> None:
        if not self._refused:
            _log.warning("connections_full", **self._names, peer=peer)
        self._refused += 1
        self._refused_at = now

    def look(self, now: float) -> None:
        if self._refused and now - self._refused_at >= QUIET_SECONDS:
            _log.info("connections_full_cleared", **self._names, refused=self._refused)
            self._refused = 0


class Door:
    """Lets connections in, or not."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._full = _Alarm(limits.name, "max_connections")
        self._peer_full = _Alarm(limits.name, "max_connections_per_peer")

    def admits(self, peer: str, connections: Collection[ListenerProtocol], now: float) -> bool:
        """Return whether one more connection of this address may be served; one that is stale may have to go for it."""
        limits = self._limits
        if limits.allow and not any(_address(peer) in network for network in limits.allow):
            _log.warning("peer_not_allowed", listener=limits.name, peer=peer)
            return False
        if limits.most_per_peer is None and len(connections) < limits.most_connections:
            return True
        serving = [each for each in connections if not each.is_leaving]
        if limits.most_per_peer is not None:
            same = [each for each in serving if each.peer == peer]
            if len(same) >= limits.most_per_peer:
                stale = [each for each in same if each.is_stale(now)]
                if not stale:
                    self._peer_full.ring(peer, now)
                    return False
                quietest = min(stale, key=lambda each: each.heard_at)
                quietest.give_way(now)
                serving.remove(quietest)
        if len(serving) >= limits.most_connections:
            self._full.ring(peer, now)
            return False
        return True

    def look(self, now: float) -> None:
        """Say which limits are no longer reached."""
        self._full.look(now)
        self._peer_full.look(now)


def _address(text: str) -> IPv4Address | IPv6Address:
    """Return an address; one of IPv4 that came in through an IPv6 socket is one of IPv4."""
    address = ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address
