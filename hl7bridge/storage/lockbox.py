"""Deliveries of a lockbox destination <-> numbered files: gathered once, settled by what the EHR says of them."""

from __future__ import annotations

import datetime as dt
import hashlib
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from hl7bridge.delivery.delivery import TRANSITIONS, DeliveryEvent, DeliveryStatus
from hl7bridge.errors import NotFoundError, RefusedError
from hl7bridge.layouts.lockbox import (
    CHECK_LENGTH,
    SUFFIXES,
    Acknowledged,
    LockboxRecord,
    encode_lockbox,
    find_misfit,
)
from hl7bridge.message.model import Message
from hl7bridge.message.parse import parse_message
from hl7bridge.message.text import encode_text
from hl7bridge.money import ZERO, from_cents, parse_money, to_cents
from hl7bridge.storage.database import Store
from hl7bridge.storage.deliveries import move_delivery
from hl7bridge.storage.posting import store_tag
from hl7bridge.times import utc_text

MOST_DELIVERIES: Final = 500  # of a file, which is gathered in one transaction
# Behind one that is held or unknown the other payments of its account wait.
_QUEUED: Final = """
SELECT d.id, d.account_id, d.content FROM deliveries AS d
WHERE d.destination = ? AND d.payment_id IS NOT NULL AND d.status = 'queued'
AND NOT EXISTS (
  SELECT 1 FROM deliveries AS earlier
  WHERE earlier.account_id = d.account_id AND earlier.id < d.id AND earlier.status IN ('held', 'unknown'))
ORDER BY d.id LIMIT ?
"""
_CLAIM: Final = "UPDATE deliveries SET attempts = attempts + 1, last_error = '', lockbox_file_id = ? WHERE id = ?"
_OF: Final = (
    "SELECT substr(p.transaction_id, -7), p.method, p.agency, p.agency_payment_id FROM payments AS p"
    " JOIN delivery_payments AS d ON d.payment_id = p.id WHERE d.delivery_id = ?"
)
_LIST: Final = (
    "SELECT f.id AS file, f.destination, f.number, f.name, f.records, f.total, f.status, f.created_at, f.written_at,"
    " (SELECT count(*) FROM deliveries AS d WHERE d.lockbox_file_id = f.id AND d.status = 'sending') AS waiting"
    " FROM lockbox_files AS f"
)
_NAMED: Final = (
    "SELECT DISTINCT d.delivery_id FROM payments AS p JOIN delivery_payments AS d ON d.payment_id = p.id"
    " JOIN deliveries AS e ON e.id = d.delivery_id WHERE p.transaction_id = ? AND e.destination = ?"
    " AND e.lockbox_file_id IS NOT NULL"
)


class LockboxFile(NamedTuple):
    """A file as it is kept: the bytes are the same however often it is written."""

    id: int
    destination: str
    name: str
    records: int
    data: bytes


class Settled(NamedTuple):
    """What an acknowledgement did: how many deliveries were accepted, held, or settled before."""

    accepted: int
    refused: int
    known: int


def gather_file(
    store: Store, destination: str, layout: str, number: str, *, now: dt.datetime, day: dt.date
) -> LockboxFile | None:
    """Keep the next file of a destination and say that its deliveries are being sent; None when none can go.

    Inside the caller's transaction: what is in a file is in no other. What does not fit into the layout is held.
    """
    gathered: list[tuple[int, list[LockboxRecord]]] = []
    stopped: set[int] = set()
    for delivery_id, account_id, content in store.rows(_QUEUED, (destination, MOST_DELIVERIES)):
        if account_id in stopped:
            continue
        try:
            records = _records(store, delivery_id, content)
            misfit = next(filter(None, (find_misfit(layout, record) for record in records)), "")
        except ValueError:
            records, misfit = [], "FT1-4 holds no day"
        move_delivery(store, delivery_id, DeliveryEvent.STARTED, now)
        if misfit:
            move_delivery(store, delivery_id, DeliveryEvent.REFUSED, now, f"not for a lockbox file: {misfit}")
            stopped.add(account_id)
        else:
            gathered.append((delivery_id, records))
    if not gathered:
        return None
    records = [record for _, each in gathered for record in each]
    data = encode_lockbox(layout, number, day, records)
    last = store.rows("SELECT coalesce(max(number), 0) FROM lockbox_files WHERE destination = ?", (destination,))
    sequence = last[0][0] + 1
    name = f"lockbox-{destination}-{sequence:06}-{day:%Y%m%d}.{SUFFIXES[layout]}"
    total = sum((record.amount for record in records), ZERO)
    file_id = store.insert(
        "INSERT INTO lockbox_files (destination, number, name, records, total, sha256, content, status, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 'writing', ?)",
        (
            destination, sequence, name, len(records), to_cents(total), hashlib.sha256(data).hexdigest(),
            zlib.compress(data), utc_text(now),
        ),
    )  # fmt: skip
    store.executemany(_CLAIM, [(file_id, delivery_id) for delivery_id, _ in gathered])
    return LockboxFile(file_id, destination, name, len(records), data)


def has_queued(store: Store, destination: str) -> bool:
    """Return whether payments wait for a destination's next file; cheap."""
    sql = "SELECT 1 FROM deliveries WHERE destination = ? AND status = 'queued' AND payment_id IS NOT NULL LIMIT 1"
    return store.row(sql, (destination,)) is not None


def unwritten_files(store: Store, destination: str) -> list[LockboxFile]:
    """Return the files that were gathered and may not be on disk, oldest first."""
    rows = store.rows(
        "SELECT id FROM lockbox_files WHERE destination = ? AND status = 'writing' ORDER BY id", (destination,)
    )
    return [read_file(store, row[0]) for row in rows]


def read_file(store: Store, file_id: int) -> LockboxFile:
    """Return a file with its bytes; raises NotFoundError."""
    row = store.row("SELECT id, destination, name, records, content FROM lockbox_files WHERE id = ?", (file_id,))
    if row is None:
        raise NotFoundError(f"no lockbox file {file_id}")
    return LockboxFile(row[0], row[1], row[2], row[3], zlib.decompress(row[4]))


def mark_written(store: Store, file_id: int, now: dt.datetime) -> None:
    """Say that a file is on disk."""
    store.execute(
        "UPDATE lockbox_files SET status = 'written', written_at = ? WHERE id = ? AND status = 'writing'",
        (utc_text(now), file_id),
    )


def last_gathered_at(store: Store, destination: str) -> str | None:
    """Return when the last file of a destination was gathered, or None."""
    row = store.row("SELECT max(created_at) FROM lockbox_files WHERE destination = ?", (destination,))
    return None if row is None else row[0]


def list_files(store: Store) -> Iterator[dict[str, Any]]:
    """Return files, newest first; ``waiting`` counts deliveries that the EHR has said nothing of."""
    for row in store.dicts(f"{_LIST} ORDER BY f.id DESC"):
        yield row | {"total": from_cents(row["total"])}


def settle_file(store: Store, destination: str, lines: Sequence[Acknowledged], now: dt.datetime) -> Settled:
    """Take what an EHR says of files of a destination, inside the caller's transaction; the same again does nothing.

    A delivery is accepted once each of its payments is, and held when one is not. Raises RefusedError, and nothing is
    taken, for payments and files that were never sent, and for a part of the payments of a message.
    """
    verdicts: dict[int, dict[str, Acknowledged]] = {}
    whole: dict[int, Acknowledged] = {}
    problems: list[str] = []
    tag = store_tag(store)
    for line in lines:
        if line.transaction_id:
            text = line.transaction_id
            transaction = tag[: len(tag) + 8 - CHECK_LENGTH] + text if len(text) == CHECK_LENGTH else text
            found = store.row(_NAMED, (transaction, destination))
            if found is None:
                problems.append(f"line {line.line}: names a payment that no lockbox file of {destination} has")
            else:
                verdicts.setdefault(found[0], {})[transaction] = line
            continue
        of_file = store.row("SELECT id FROM lockbox_files WHERE destination = ? AND name = ?", (destination, line.file))
        if of_file is None:
            problems.append(f"line {line.line}: names a file that was never written for {destination}")
        else:
            rows = store.rows("SELECT id FROM deliveries WHERE lockbox_file_id = ?", (of_file[0],))
            whole |= dict.fromkeys((row[0] for row in rows), line)
    chosen = {delivery: line for delivery, line in whole.items() if delivery not in verdicts}
    for delivery, told in verdicts.items():
        refused = next((line for line in told.values() if not line.is_accepted), None)
        count = store.rows("SELECT count(*) FROM delivery_payments WHERE delivery_id = ?", (delivery,))[0][0]
        if refused is None and len(told) < count and delivery not in whole:
            problems.append(f"delivery {delivery}: {len(told)} of its {count} payments are named")
        chosen[delivery] = refused or next(iter(told.values()))
    if problems:
        raise RefusedError("\n".join(problems))
    counts = [_settle(store, delivery, line, now) for delivery, line in sorted(chosen.items())]
    _close_files(store, destination)
    return Settled(counts.count("accepted"), counts.count("held"), counts.count(""))


def accept_file(store: Store, file_id: int, reason: str, now: dt.datetime) -> Settled:
    """Take a person's word that an EHR has all of a file that it has not spoken of; inside the caller's transaction."""
    file = read_file(store, file_id)
    rows = store.rows("SELECT id FROM deliveries WHERE lockbox_file_id = ? AND status = 'sending'", (file_id,))
    if not rows:
        raise RefusedError("the EHR has spoken of everything in that file: see 'hl7bridge deliveries'")
    line = Acknowledged(0, file.name, "", is_accepted=True, reason=reason)
    for (delivery_id,) in rows:
        _settle(store, delivery_id, line, now)
    _close_files(store, file.destination)
    return Settled(len(rows), 0, 0)


def _settle(store: Store, delivery_id: int, line: Acknowledged, now: dt.datetime) -> str:
    """Move one delivery, and return its new status; "" when it was settled before."""
    status = DeliveryStatus(store.rows("SELECT status FROM deliveries WHERE id = ?", (delivery_id,))[0][0])
    events = (
        (DeliveryEvent.ACCEPTED, DeliveryEvent.LATE_ACCEPTED)
        if line.is_accepted
        else (DeliveryEvent.REFUSED, DeliveryEvent.LATE_REFUSED)
    )
    event = next((event for event in events if (status, event) in TRANSITIONS), None)
    if event is None:
        return ""
    reason = line.reason or ("" if line.is_accepted else "refused in a lockbox acknowledgement")
    return move_delivery(store, delivery_id, event, now, reason).value


def _close_files(store: Store, destination: str) -> None:
    store.execute(
        "UPDATE lockbox_files SET status = 'acknowledged' WHERE destination = ? AND status = 'written' AND NOT EXISTS"
        " (SELECT 1 FROM deliveries AS d WHERE d.lockbox_file_id = lockbox_files.id AND d.status = 'sending')",
        (destination,),
    )


def _records(store: Store, delivery_id: int, content: str) -> list[LockboxRecord]:
    """Return what the FT1s of a delivery's message say; a fee is of the payment whose id ends alike."""
    message = parse_message(encode_text(content, errors="replace"))
    known = {row[0]: row[1:] for row in store.rows(_OF, (delivery_id,))}
    account = _text(message, "PID-18.1") or _text(message, "PV1-19.1") or _text(message, "PV1-50.1")
    guarantor = _text(message, "GT1-2.1")
    made = []
    for number in range(1, message.count("FT1") + 1):
        at = f"FT1[{number}]"
        name, day = _text(message, f"{at}-2"), _text(message, f"{at}-4")
        texts = name, account, guarantor, dt.datetime.strptime(day[:8], "%Y%m%d").replace(tzinfo=dt.UTC).date()
        amount = parse_money(_text(message, f"{at}-11.1.1"))
        made.append(
            LockboxRecord(*texts, _text(message, f"{at}-6"), _text(message, f"{at}-7.1"), amount, *known[name[-7:]])
        )
    return made


def _text(message: Message, path: str) -> str:
    found = message.get(path)
    return found if isinstance(found, str) else ""
