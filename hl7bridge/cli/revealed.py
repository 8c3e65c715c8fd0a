"""What is shown to a person -> a row in the audit log that says so, and text that no terminal obeys."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hl7bridge.cli.common import App
    from hl7bridge.storage.database import Store


def note_revealed(app: App, store: Store, action: str, subject: str, reason: str = "") -> None:
    """Write an audit row in a transaction of its own; ``subject`` is counts or row ids, never a value.

    Call it before anything is shown: what cannot be written down is not shown. The transaction ends at once, so that
    a person who pages through a long list does not hold up the daemon.
    """
    from hl7bridge.storage.audit import append_audit

    with store.transaction():
        append_audit(store, at=app.now(), actor=app.actor, action=action, subject=subject, reason=reason)


def newest_text(limit: int, what: str) -> str:
    """Return how an audit row names the rows of a list."""
    return f"{what}: the newest {limit}" if limit else f"{what}: all"


def visible_text(text: str) -> str:
    """Return text as it is safe to print: what a terminal would obey, or not show, is written as an escape."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def visible_bytes(data: bytes) -> str:
    r"""Return bytes as printable ASCII; others as ``\x0b``, a backslash doubled, a return as ``\r`` and a new line."""
    parts = [chr(byte) if _is_plain(byte) else _ESCAPES.get(byte, f"\\x{byte:02x}") for byte in data]
    return "".join(parts)


_ESCAPES = {0x5C: "\\\\", 0x0D: "\\r\n", 0x0A: "\\n\n", 0x09: "\\t"}
_FIRST_PRINTABLE, _LAST_PRINTABLE, _BACKSLASH = 0x20, 0x7E, 0x5C


def _is_plain(byte: int) -> bool:
    return _FIRST_PRINTABLE <= byte <= _LAST_PRINTABLE and byte != _BACKSLASH
