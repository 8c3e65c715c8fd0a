"""An agency that answers: its files and trailers, written as an agency would, and the store that takes them."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
from decimal import Decimal
from pathlib import Path

from layout_samples import write_answers
from placement_samples import NOW, TODAY, agency_in, decide_all, put_account, send, sending_of, shipped_rules

from hl7bridge.exchange.agency import AgencyFolder
from hl7bridge.exchange.incoming import Taken, Taking, take_files
from hl7bridge.exchange.outgoing import Sent, send_placements
from hl7bridge.exchange.remitting import Posting
from hl7bridge.payments.message import DestinationForm
from hl7bridge.reacting import Reacted, ReactionSettings, react_to_changes
from hl7bridge.storage.database import Store
from hl7bridge.storage.received_files import read_outcomes

POSTING = Posting(lambda _: DestinationForm("ehr"), lambda _: TODAY, lambda _: None, NOW)
REACTION = ReactionSettings(shipped_rules(), lambda _: dt.UTC, {})


def agency_at(folder: Path, **changes: object) -> AgencyFolder:
    """Return the agency of the shipped rules with both of its folders below ``folder``."""
    return agency_in(folder)._replace(incoming=folder / "incoming")._replace(**changes)


def taking_of(**changes: object) -> Taking:
    """Return what taking needs on TODAY."""

    def react(store: Store) -> Reacted:
        return react_to_changes(store, REACTION, NOW)

    return Taking(lambda _: TODAY, NOW, "daemon", POSTING, react)._replace(**changes)


def take(store: Store, folder: Path, **changes: object) -> Taken:
    """Take what lies in the agency's incoming folder."""
    return take_files(store, [agency_at(folder)], taking_of(**changes))


def put_file(
    folder: Path,
    kind: str,
    number: int,
    rows: list[dict[str, str]],
    *,
    name: str = "",
    data: bytes | None = None,
    layout: str = "csv",
    told: dict[str, object] | None = None,
) -> Path:
    """Write a file of answers into the incoming folder, and its trailer but for what is told; return its path."""
    incoming = folder / "incoming"
    incoming.mkdir(exist_ok=True)
    path = incoming / (name or f"{kind}-{number:06}.{layout}")
    path.write_bytes(write_answers(layout, rows) if data is None else data)
    amounts = [row["balance"] for row in rows if row.get("balance", "").replace(".", "").isdigit()]
    usual = {
        "file": path.name,
        "number": number,
        "agency": "sample",
        "records": len(rows),
        "balance_total": f"{sum(map(Decimal, amounts), Decimal('0.00')):.2f}",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "created_at": "2026-03-02T13:00:00.000Z",
        "kind": kind,
    }
    write_trailer(path, usual | (told or {}))
    return path


def write_trailer(path: Path, told: dict[str, object]) -> Path:
    """Write the trailer of a file."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("key", "value"), *told.items()])
    trailer = path.with_name(f"{path.stem}.trailer.csv")
    trailer.write_text(text.getvalue())
    return trailer


def acceptance(placement: int = 1, account: str = "A1001", **more: str) -> dict[str, str]:
    """Return an answer that takes a placement."""
    return {"placement_id": str(placement), "client_account": account, "accepted": "yes"} | more


def go(store: Store, *agencies: AgencyFolder, **options: int) -> Sent:
    """Send as the daemon does: what has changed becomes notices first."""
    sending = sending_of(react=lambda each: react_to_changes(each, REACTION, NOW))
    return send_placements(store, agencies, sending, **options)


def placed(store: Store, folder: Path, *accounts: str) -> None:
    """Have accounts of 150.00 placed and sent."""
    for account in accounts or ("A1001",):
        put_account(store, account)
    decide_all(store)
    assert not send(store, folder).problems


def active(store: Store, folder: Path, *accounts: str) -> None:
    """Have accounts of 150.00 placed, sent and acknowledged: they are the placements 1, 2, ..."""
    named = accounts or ("A1001",)
    placed(store, folder, *named)
    rows = [acceptance(number, account, balance="150.00") for number, account in enumerate(named, 1)]
    put_file(folder, "acknowledgements", 1, rows)
    assert [came.file.status for came in take(store, folder).files] == ["taken"]


def answer(store: Store, folder: Path, kind: str, rows: list[dict[str, str]], number: int = 1) -> list[tuple[str, str]]:
    """Have the agency say something, and return the outcome and reason of each line."""
    put_file(folder, kind, number, rows)
    [came] = take(store, folder).files
    assert came.file.status == "taken", came.file.problem
    return [(row["outcome"], row["reason"]) for row in read_outcomes(store, came.file.id)]


def exceptions(store: Store) -> list[tuple]:
    """Return the exceptions that wait, oldest first."""
    return store.rows("SELECT kind, account_id, reason FROM exceptions WHERE closed_at IS NULL ORDER BY id")


def about(placement: int = 1, account: str = "A1001", **more: str) -> dict[str, str]:
    """Return a record about a placement."""
    return {"placement_id": str(placement), "client_account": account} | more
