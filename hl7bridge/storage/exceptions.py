"""What only a person can settle <-> the table of exceptions: opened by the daemon, closed by a person with a reason."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator
from typing import Any, Final

from hl7bridge.errors import NotFoundError, RefusedError
from hl7bridge.rules.signals import Signal
from hl7bridge.storage.accounts import read_account
from hl7bridge.storage.audit import append_audit
from hl7bridge.storage.database import Store
from hl7bridge.storage.merging import open_placements, rekey_placements
from hl7bridge.storage.signals import add_signal, make_due, read_signals
from hl7bridge.times import utc_text

REJECTED: Final = "placement_rejected"  # while one is open, its account is not placed again
# What each kind is about; docs/hl7.md says what to do.
KINDS: Final = {
    "both_placed": "two accounts or patients that are one were both placed; nothing new is placed until this is closed",
    "agency_not_told": "an agency has an account under what is no longer so, and cannot be told from here",
    "entries_alike": "entries of two accounts that are one have the same ids and say different things",
    "unclear": "a message moved ids between people in a way that the standard does not tell",
    "new_charges": "the balance of a placed account grew; a person says whether the agency is told",
    "credit_balance": "more was paid on a placed account than was owed; a refund may be due",
    "refund_check": "charity care was granted after an agency had collected; a refund may be due",
    "no_acknowledgement": "an agency has not acknowledged a placement in time",
    "suspended_too_long": "a placement has been suspended for longer than the agency's settings say",
    "recall_overdue": "an agency has not confirmed a recall in time",
    "agency_answer": "an agency answered what fits nothing that is known here: no such placement, or not in its state",
    "placement_rejected": "an agency does not take a placement; its code says why",
    "notice_refused": "an agency does not take a notice: it may go on with what it had before",
    "settlement": "an agency settled for less than is owed; a person approves it or not",
    "payment_changed": "an agency tells other things under the id of a payment that is known; nothing was posted",
    "reversal_unmatched": "an agency takes back what it has not paid, or took back before; the money is in suspense",
    "adjustment_taken_back": "an agency takes back a balance it gave up; a person posts that or not",
    "reversal_alone": "a reversal waits or is out for a payment that was cancelled; its message is held if it can be",
    "echo_differs": "the EHR has posted a payment of ours with another amount or type than it was sent with",
    "echo_elsewhere": "the EHR has posted a payment of ours to another account than it was sent for",
    "echo_taken_back": "the EHR has taken back a payment of ours; the agency may take back the same money",
    "echo_against": "the EHR has a payment of ours that was cancelled, or was never sent as far as is known here",
    "reply_against": "the EHR said the opposite of what a payment counts as here, or has what was never sent",
    "recall_objection": "an agency objects to a recall; a person grants or denies it",
}
HOLD: Final = "hold"
_SOURCE: Final = "merge"
_DAEMON: Final = "daemon"
_SELECT: Final = """
SELECT e.id AS exception, e.kind, a.number AS account, a.facility, o.number AS other_account, e.message_id AS message,
  e.reason, e.opened_at, e.closed_at, e.closed_by, e.resolution, e.account_id, e.other_account_id
FROM exceptions e LEFT JOIN accounts a ON a.id = e.account_id LEFT JOIN accounts o ON o.id = e.other_account_id
"""
_HELD: Final = (
    "SELECT id FROM accounts WHERE id IN (?, ?) OR patient_id IN"
    " (SELECT patient_id FROM accounts WHERE id IN (?, ?) AND patient_id IS NOT NULL) ORDER BY id"
)


def open_exception(
    store: Store,
    kind: str,
    account_id: int | None,
    other_account_id: int | None,
    *,
    message_id: int | None,
    reason: str,
    at: str,
    each_reason: bool = False,
) -> bool:
    """Store what a person must look at, inside the caller's transaction; False when the same is open already.

    The same is one of that kind, of that account or message; with ``each_reason`` one with those words too.
    """
    known = store.row(
        "SELECT 1 FROM exceptions WHERE kind = ? AND account_id IS ? AND other_account_id IS ? AND closed_at IS NULL"
        " AND (account_id IS NOT NULL OR message_id = ? OR ?) AND (reason = ? OR NOT ?)",
        (kind, account_id, other_account_id, message_id, each_reason, reason, each_reason),
    )
    if known is not None:
        return False
    store.execute(
        "INSERT INTO exceptions (kind, account_id, other_account_id, message_id, reason, opened_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (kind, account_id, other_account_id, message_id, reason, at),
    )
    return True


def settle_exceptions(store: Store, kinds: Collection[str], account_id: int, *, at: str) -> None:
    """End exceptions of an account that are so no more, inside the caller's transaction."""
    for kind in kinds:
        store.execute(
            "UPDATE exceptions SET closed_at = ?, closed_by = ?, resolution = ? WHERE kind = ? AND account_id = ?"
            " AND closed_at IS NULL",
            (at, _DAEMON, "it is so no more", kind, account_id),
        )


def is_of_merge(signal: Signal | None) -> bool:
    """Return whether a merge put a hold on an account: it keeps it from being placed, and no agency is told of it."""
    return signal is not None and (signal.name, signal.value, signal.source) == (HOLD, "yes", _SOURCE)


def hold_account(store: Store, account_id: int, at: str) -> None:
    """Keep an account from being placed until a person lifts it."""
    add_signal(store, account_id, Signal(HOLD, "yes", _SOURCE, dt.date.fromisoformat(at[:10])), at)


def count_open_exceptions(store: Store) -> int:
    """Return how many exceptions wait for a person."""
    return int(store.rows("SELECT count(*) FROM exceptions WHERE closed_at IS NULL")[0][0])


def list_exceptions(
    store: Store, *, exception_id: int | None = None, is_open: bool = False
) -> Iterator[dict[str, Any]]:
    """Return exceptions, newest first, one at a time; with ``is_open`` those that wait for a person."""
    where = " WHERE e.id = coalesce(?, e.id)" + (" AND e.closed_at IS NULL" if is_open else "")
    return store.dicts(f"{_SELECT}{where} ORDER BY e.id DESC", (exception_id,))


def read_exception(store: Store, exception_id: int) -> dict[str, Any]:
    """Return one exception; raises NotFoundError."""
    row = next(list_exceptions(store, exception_id=exception_id), None)
    if row is None:
        raise NotFoundError(f"no exception {exception_id}")
    return row


def close_exception(
    store: Store, exception_id: int, *, lift_hold: bool, now: dt.datetime, actor: str, reason: str
) -> list[int]:
    """End an exception with what was done about it, inside the caller's transaction.

    With ``lift_hold`` the holds that it put on accounts are lifted; their ids are returned. A placement that stayed
    with a merged account goes to the account it was merged into once that has none. The account of a rejection is
    decided anew. Raises NotFoundError, and
    RefusedError without a reason or when it was closed before.
    """
    if not reason.strip():
        raise RefusedError("a reason is needed: say what was found, and what was done")
    found = read_exception(store, exception_id)
    if found["closed_at"] is not None:
        raise RefusedError(f"exception {exception_id} was closed before")
    at = utc_text(now)
    store.execute(
        "UPDATE exceptions SET closed_at = ?, closed_by = ?, resolution = ? WHERE id = ?",
        (at, actor, reason.strip(), exception_id),
    )
    _reunite(store, found["account_id"], found["other_account_id"], at=at, actor=actor)
    if found["kind"] == REJECTED:
        make_due(store, found["account_id"])
    lifted = _lift_holds(store, found["account_id"], found["other_account_id"], at, actor) if lift_hold else []
    subject = f"exception {exception_id}: closed" + (f", hold lifted on {len(lifted)} accounts" if lifted else "")
    append_audit(store, at=now, actor=actor, action="exceptions.close", subject=subject, reason=reason.strip())
    return lifted


def _reunite(store: Store, account_id: int | None, other_id: int | None, *, at: str, actor: str) -> None:
    if account_id is None or other_id is None or read_account(store, other_id).merged_into != account_id:
        return
    stuck = open_placements(store, other_id)
    if stuck and open_placements(store, account_id) == stuck:
        rekey_placements(
            store, other_id, account_id, at=at, actor=actor, reason="the only placement of merged accounts"
        )


def _lift_holds(store: Store, account_id: int | None, other_id: int | None, at: str, actor: str) -> list[int]:
    lifted: list[int] = []
    for (each,) in store.rows(_HELD, (account_id, other_id) * 2):
        hold = read_signals(store, each).get(HOLD)
        if is_of_merge(hold):
            add_signal(store, each, Signal(HOLD, "no", actor, dt.date.fromisoformat(at[:10])), at)
            lifted.append(each)
    return lifted
