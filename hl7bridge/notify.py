"""What the daemon tells systemd: READY, RELOADING, STOPPING, WATCHDOG. Source: sd_notify(3)."""

from __future__ import annotations

import os
import socket
import time

_MICROSECONDS = 1_000_000


def notify(state: str) -> bool:
    """Send one state to the service manager; False when there is none that listens. Never an error of ours."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):
        address = f"\0{address[1:]}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        try:
            sender.sendto(state.encode(), address)
        except OSError:
            return False
    return True


def reloading() -> str:
    """Return the state that opens a reload; systemd wants the monotonic time with it."""
    return f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}"


def watchdog_seconds() -> float | None:
    """Return how often the service manager wants a sign of life, halved; None when it wants none."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / _MICROSECONDS / 2 if microseconds.isdigit() and int(microseconds) else None
