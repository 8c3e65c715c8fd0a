"""What schema 2 kept of visits in whole fields -> the columns and identifiers of schema 3, as intake writes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

from hl7bridge.errors import MessageError
from hl7bridge.mapping.convert import convert_text
from hl7bridge.mapping.readings import NULL_TEXT, parse_reading, read_part
from hl7bridge.mapping.spec import Reading
from hl7bridge.message.delimiters import DEFAULT, Delimiters
from hl7bridge.message.parse import parse_message

_AUTHORITY: Final = parse_reading("PID-18.4.1")
_VISITS: Final = {"visit": parse_reading("PV1-19.1"), "alternate_visit": parse_reading("PV1-50.1")}
_MANY: Final = 1000  # accounts at a time
_ACCOUNTS: Final = (
    "SELECT id, facility, number, as_of, message_id, pid_18, pv1_19, pv1_50 FROM accounts WHERE id > ?"
    " ORDER BY id LIMIT ?"
)
_MESSAGES: Final = (
    "SELECT account_id, id, received_at, content FROM messages WHERE account_id BETWEEN ? AND ?"
    " AND disposition = 'applied' ORDER BY account_id, id"
)
_ENTRIES: Final = "SELECT id, message_id FROM entries WHERE account_id = ? AND message_id IS NOT NULL"
_SET_ACCOUNT: Final = "UPDATE accounts SET authority = ?, visit_number = ?, alternate_visit_number = ? WHERE id = ?"
_SET_ENTRY: Final = "UPDATE entries SET visit_number = ? WHERE id = ?"
_ADD_IDENTIFIER: Final = (  # a visit is the account's that named it first
    "INSERT INTO identifiers (kind, facility, number, authority, target_id, since, message_id, retired)"
    " VALUES (?, ?, ?, '', ?, ?, ?, 0) ON CONFLICT (kind, number, facility, authority) DO UPDATE SET"
    " target_id = excluded.target_id, since = excluded.since, message_id = excluded.message_id"
    " WHERE excluded.since < identifiers.since"
)
_GUARD: Final = "entries_are_never_changed"


class _Named(NamedTuple):
    """A visit that a message named: its id, the time by which it is put in order, kind and number."""

    message_id: int
    since: str
    kind: str
    number: str


def fill_visits(connection: Any) -> None:
    """Fill what schema 3 has of accounts' visits and authorities; inside the caller's transaction.

    An entry's visit is the one that its message named, else the account's when it never had another. The trigger that
    keeps entries from being changed is off meanwhile: a column that is new gets its first value.
    """
    (guard,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (_GUARD,)).fetchone()
    connection.execute(f"DROP TRIGGER {_GUARD}")
    last = 0
    while accounts := connection.execute(_ACCOUNTS, (last, _MANY)).fetchall():
        last = accounts[-1][0]
        messages = connection.execute(_MESSAGES, (accounts[0][0], last))
        groups = groupby(messages, itemgetter(0))
        owner, told = next(groups, (None, iter(())))
        for account in accounts:
            named: list[_Named] = []
            if account[0] == owner:
                named = [each for row in told for each in _named(*row[1:])]
                owner, told = next(groups, (None, iter(())))
            _fill_account(connection, account, named)
    connection.execute(guard)


def _fill_account(connection: Any, account: tuple[Any, ...], named: list[_Named]) -> None:
    account_id, facility, number, as_of, message_id, pid_18, pv1_19, pv1_50 = account
    sent = zip(_VISITS.items(), (pv1_19, pv1_50), strict=True)
    visits = {kind: _read(reading, field or "", DEFAULT) for (kind, reading), field in sent}
    connection.execute(_SET_ACCOUNT, (_read(_AUTHORITY, pid_18 or "", DEFAULT) or "", *visits.values(), account_id))
    every = [*named, *(_Named(message_id, as_of, kind, visit) for kind, visit in visits.items() if visit)]
    connection.executemany(
        _ADD_IDENTIFIER,
        [
            (each.kind, facility, each.number, account_id, each.since, each.message_id)
            for each in every
            if each.number != number
        ],
    )
    numbers = {each.number for each in every if each.kind == "visit"}
    if numbers:
        only = numbers.pop() if len(numbers) == 1 else None
        of_message = {each.message_id: each.number for each in named if each.kind == "visit"}
        entries = connection.execute(_ENTRIES, (account_id,)).fetchall()
        connection.executemany(_SET_ENTRY, [(of_message.get(message, only), entry) for entry, message in entries])


def _named(message_id: int, received_at: str, content: str) -> Iterator[_Named]:
    """Yield the visits that the kept fields of a message name in its first PV1."""
    if "\rPV1" not in content:
        return
    with suppress(MessageError):  # a delimiter of another character set than ASCII
        message = parse_message(content.encode("utf-8"), charset="UNICODE UTF-8", override=True)
        row = (message.fields("PV1") or [[]])[0]
        since = "".join(filter(str.isdigit, received_at))[:14]
        for kind, reading in _VISITS.items():
            at = reading.path.field
            number = _read(reading, row[at] if at < len(row) else "", message.delimiters)
            if number:
                yield _Named(message_id, since, kind, number)


def _read(reading: Reading, field: str, delimiters: Delimiters) -> str | None:
    text = read_part(reading, field, delimiters)
    return None if text in {"", NULL_TEXT} else convert_text(text, delimiters) or None
