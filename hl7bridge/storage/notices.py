"""Notices to agencies <-> their table: queued by what changed, frozen when they are sent, and acknowledged."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from hl7bridge.errors import NotFoundError
from hl7bridge.money import money_text
from hl7bridge.placement.reaction import Saying
from hl7bridge.placement.records import STOPS, Notice, NoticeKind
from hl7bridge.storage.database import Row, Store

_COLUMNS: Final = "n.id, n.placement_id, p.account_id, n.agency, n.kind, n.reason, n.event_at"
# Nothing is said of a placement before the file that it is in has been written.
_QUEUED: Final = (
    f"SELECT {_COLUMNS} FROM notices n JOIN placements p ON p.id = n.placement_id"
    " LEFT JOIN agency_files f ON f.id = p.agency_file_id WHERE n.status = 'queued' AND n.agency = ?"
    " AND n.is_stop = ? AND n.id > ? AND coalesce(f.status, 'written') = 'written' ORDER BY n.id LIMIT ?"
)
_RECORD: Final = (
    "SELECT n.content, n.status, n.is_stop, n.placement_id, coalesce(p.agency_account, '') FROM notices n"
    " JOIN placements p ON p.id = n.placement_id WHERE n.id = ?"
)
# A stop overtakes what tells the agency the account's new number, so it names the account as the agency knows it.
_FORMER: Final = (
    "SELECT json_extract(content, '$.former_client_account') FROM notices WHERE placement_id = ? AND id < ?"
    " AND kind = 'reference' AND status = 'queued' ORDER BY id LIMIT 1"
)
_LIST: Final = (
    "SELECT n.id AS notice, n.kind, n.reason, n.status, n.event_at, n.sent_at, n.acknowledged_at, n.cause,"
    " coalesce(f.name, '') AS file, n.content FROM notices n LEFT JOIN agency_files f ON f.id = n.agency_file_id"
    " WHERE n.placement_id = ? ORDER BY n.id"
)


class QueuedNotice(NamedTuple):
    """A notice that waits to be sent."""

    id: int
    placement_id: int
    account_id: int
    agency: str
    kind: NoticeKind
    reason: str
    event_at: str


def queue_saying(
    store: Store, placement_id: int, agency: str, account: str, said: Saying, today: dt.date, at: str
) -> int:
    """Queue what ``placement.reaction`` says, of an account of this number, inside the caller's transaction.

    ``at`` is when the bridge knew: from then on the time to stop is counted. Returns the notice's id.
    """
    news = said.news
    notice = Notice(
        notice_id=0,
        placement_id=placement_id,
        client_account=account,
        agency_account="",
        kind=said.kind,
        reason=said.reason,
        effective_on=today,
        balance=said.balance,
        amount=said.amount if news is None else news.amount,
        paid_on=news.paid_on if news is not None and said.kind is NoticeKind.PAYMENT else None,
        payer=news.payer if news is not None and said.kind is NoticeKind.PAYMENT else "",
        entry=None if news is None else news.entry,
        former_client_account=said.former,
        changes=said.changes,
    )
    return store.insert(
        "INSERT INTO notices (placement_id, agency, kind, is_stop, reason, content, entry_id, cause, event_at, status)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued')",
        (
            placement_id, agency, said.kind, int(said.kind in STOPS), said.reason, _json(notice_content(notice)),
            notice.entry, said.cause, at,
        ),
    )  # fmt: skip


def cancel_queued(store: Store, placement_id: int, *, at: str) -> None:
    """Cancel what waits to be told of a placement that the agency no longer has."""
    store.execute(
        "UPDATE notices SET status = 'cancelled', cancelled_at = ? WHERE placement_id = ? AND status = 'queued'",
        (at, placement_id),
    )


def cancel_resumes(store: Store, placement_id: int, *, at: str) -> None:
    """Cancel the resumes that wait: a stop overtakes them, and they would undo it."""
    store.execute(
        "UPDATE notices SET status = 'cancelled', cancelled_at = ? WHERE placement_id = ? AND kind = 'resume'"
        " AND status = 'queued'",
        (at, placement_id),
    )


def notice_content(notice: Notice) -> dict[str, Any]:
    """Return a notice as it is stored, without the ids that its row has."""
    values = notice._asdict() | {
        "kind": notice.kind.value,
        "effective_on": notice.effective_on.isoformat(),
        "balance": money_text(notice.balance),
        "amount": None if notice.amount is None else money_text(notice.amount),
        "paid_on": None if notice.paid_on is None else notice.paid_on.isoformat(),
        "changes": dict(notice.changes),
    }
    return {name: value for name, value in values.items() if name not in {"notice_id", "placement_id"}}


def queued_notices(store: Store, agency: str, *, stops: bool, after: int, most: int) -> list[QueuedNotice]:
    """Return notices with an id above ``after`` that wait for an agency, oldest first: its stops, or all others."""
    rows = store.execute(_QUEUED, (agency, int(stops), after, most))
    return [_queued(row) for row in rows]


def read_notice_record(store: Store, notice_id: int) -> Notice:
    """Return a notice as the agency gets it, or got it once it was sent; raises NotFoundError."""
    row = store.row(_RECORD, (notice_id,))
    if row is None:
        raise NotFoundError(f"no notice {notice_id}")
    content, status, is_stop, placement_id, agency_account = row
    values = json.loads(content)
    if status == "queued":
        former = store.row(_FORMER, (placement_id, notice_id)) if is_stop else None
        values |= {"agency_account": agency_account} | ({"client_account": former[0]} if former else {})
    return _notice(notice_id, placement_id, values)


def mark_notices_sent(store: Store, ids: Iterable[int], file_id: int, at: str) -> None:
    """Freeze notices as they are now, in a file that is about to be written; inside the caller's transaction."""
    for notice_id in ids:
        record = notice_content(read_notice_record(store, notice_id))
        store.execute(
            "UPDATE notices SET status = 'sent', agency_file_id = ?, sent_at = ?, content = ? WHERE id = ?",
            (file_id, at, _json(record), notice_id),
        )


def notices_of_file(store: Store, file_id: int) -> list[Notice]:
    """Return the notices of a file in their order, as they were frozen."""
    rows = store.execute(
        "SELECT id, placement_id, content FROM notices WHERE agency_file_id = ? ORDER BY id", (file_id,)
    )
    return [_notice(row[0], row[1], json.loads(row[2])) for row in rows]


def acknowledge_notice(store: Store, notice_id: int, at: str) -> QueuedNotice | None:
    """Note that the agency has taken a notice; None when that was known before. Raises NotFoundError."""
    row = store.row(
        f"SELECT {_COLUMNS}, n.acknowledged_at FROM notices n JOIN placements p ON p.id = n.placement_id"
        " WHERE n.id = ?",
        (notice_id,),
    )
    if row is None:
        raise NotFoundError(f"no notice {notice_id}")
    if row[-1] is not None:
        return None
    store.execute("UPDATE notices SET status = 'acknowledged', acknowledged_at = ? WHERE id = ?", (at, notice_id))
    return _queued(row[:-1])


def cancel_notice(store: Store, notice_id: int, *, at: str) -> None:
    """Have a notice not be sent, because it cannot be or need not be any more."""
    store.execute(
        "UPDATE notices SET status = 'cancelled', cancelled_at = ? WHERE id = ? AND status = 'queued'",
        (at, notice_id),
    )


def list_notices(store: Store, placement_id: int) -> Iterator[dict[str, Any]]:
    """Return the notices of a placement, oldest first, as people read them."""
    for row in store.dicts(_LIST, (placement_id,)):
        content = json.loads(row.pop("content"))
        yield row | {"amount": content["amount"] or "", "balance": content["balance"]}


def _queued(row: Row) -> QueuedNotice:
    return QueuedNotice._make((*row[:4], NoticeKind(row[4]), *row[5:]))


def _notice(notice_id: int, placement_id: int, values: dict[str, Any]) -> Notice:
    told = values | {
        "kind": NoticeKind(values["kind"]),
        "effective_on": dt.date.fromisoformat(values["effective_on"]),
        "balance": Decimal(values["balance"]),
        "amount": None if values["amount"] is None else Decimal(values["amount"]),
        "paid_on": None if values["paid_on"] is None else dt.date.fromisoformat(values["paid_on"]),
        "changes": tuple(values["changes"].items()),
    }
    return Notice(notice_id=notice_id, placement_id=placement_id, **told)


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))
