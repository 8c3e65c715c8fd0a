"""A whole store -> what is wrong with it: the file itself, and every figure that must come to another.

Reads from one snapshot, so that a daemon may go on writing, and a row at a time, so that a store of any size is read
in the same memory. Problems name rows by id and hold no value.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, deque
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any, Final, NamedTuple

from hl7bridge.delivery.delivery import APPLICATION_ACK, PAYMENT_STATUS, DeliveryStatus
from hl7bridge.ledger.account import AccountState, fold_entries, new_account
from hl7bridge.mapping.records import Entry
from hl7bridge.money import from_cents, to_cents
from hl7bridge.payments.payment import Payment, PaymentKind
from hl7bridge.storage.agency_files import content_totals, is_as_frozen, read_file
from hl7bridge.storage.audit import verify_audit
from hl7bridge.storage.cases import OPEN_STATUSES
from hl7bridge.storage.database import DatabaseError, Store
from hl7bridge.storage.echoes import odd_echoes
from hl7bridge.storage.messages import Disposition, read_counters
from hl7bridge.storage.money_days import changed_days
from hl7bridge.storage.verify_money import money_counts, money_problems

MOST_PROBLEMS: Final = 20  # of one check that are told; the rest are counted
_PAGE_READS: Final = 3  # a page that the daemon writes at this moment may read badly; not three times
_MONEY: Final = ("charges", "payments", "adjustments", "insurance_payments")
_DATES: Final = ("first_service_on", "last_service_on", "last_payment_on", "insurance_paid_on")
_TOTALS: Final = (*_MONEY, *_DATES)
_BLANK: Final = new_account("", "", as_of="", message_id=0)
_NO_DAY: Final = dt.date.min
_ENTRIES: Final = "SELECT account_id, kind, amount, payer, service_on FROM entries ORDER BY account_id"
# By the unique index entries_by_transaction: there is none by payment, and none is needed for anything else.
_PAYMENTS: Final = (
    "SELECT p.id, p.agency, p.kind, p.amount, e.payment_id, e.kind, e.amount FROM payments p LEFT JOIN entries e"
    " ON e.account_id = p.account_id AND e.source = 'agency:' || p.agency AND e.transaction_id = p.agency_payment_id"
    " AND e.batch_id = '' ORDER BY p.id"
)


class Check(NamedTuple):
    """One check: what was looked at, with counts, and what is wrong. ``wrong`` counts what ``problems`` leaves out."""

    name: str
    looked_at: str
    wrong: int
    problems: tuple[str, ...]


class _Findings:
    """The problems of one check: the first few as text, all of them counted."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.wrong = 0

    def note(self, problem: str) -> None:
        """Count a problem, and keep it while there are few."""
        self.wrong += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)


_Result = tuple[_Findings, str]


def verify_store(store: Store) -> Iterator[Check]:
    """Check a store, and yield each check as it is done; read it to its end. The snapshot is released then."""
    store.execute("BEGIN")
    try:
        for name, check in CHECKS.items():
            try:
                found, looked_at = check(store)
            except DatabaseError as error:
                yield Check(name, "cannot be read", 1, (str(error),))
            else:
                yield Check(name, looked_at, found.wrong, tuple(found.problems))
    finally:
        if store.connection.in_transaction:  # an error of the disk itself has ended it already
            store.execute("ROLLBACK")


def _check_pages(store: Store) -> _Result:
    """Every page's own authentication code: what bad sectors and tampering break."""
    found = _Findings()
    broken: set[str] = set()
    for attempt in range(_PAGE_READS):
        read = {str(row[0]) for row in store.execute("PRAGMA cipher_integrity_check")}
        broken = read if attempt == 0 else broken & read
        if not broken:
            break
    for problem in sorted(broken):
        found.note(problem)
    pages = store.rows("PRAGMA page_count")[0][0]
    return found, f"{pages} encrypted pages"


def _check_structure(store: Store) -> _Result:
    found = _Findings()
    for row in store.execute(f"PRAGMA integrity_check({MOST_PROBLEMS})"):
        if row[0] != "ok":
            found.note(str(row[0]))
    tables = store.rows("SELECT count(*) FROM sqlite_master WHERE type IN ('table', 'index')")[0][0]
    return found, f"{tables} tables and indexes"


def _check_references(store: Store) -> _Result:
    found = _Findings()
    for table, row_id, parent, _ in store.execute("PRAGMA foreign_key_check"):
        which = "a row" if row_id is None else f"row {row_id}"
        found.note(f"{table}: {which} names a row of {parent} that is not there")
    return found, "all foreign keys"


def _check_accounts(store: Store) -> _Result:
    """Every account's totals and dates against the fold of its entries: two ordered streams, merged."""
    found = _Findings()
    counts: Counter[str] = Counter()

    def counted() -> Iterator[tuple[Any, ...]]:
        for row in store.execute(_ENTRIES):
            counts["entries"] += 1
            yield row

    columns = ", ".join(_TOTALS)
    rows = counted()
    groups = groupby(rows, key=lambda row: int(row[0]))
    group = next(groups, None)
    for account_id, *stored in store.execute(f"SELECT id, {columns} FROM accounts ORDER BY id"):
        counts["accounts"] += 1
        state = _BLANK
        while group is not None and group[0] <= account_id:
            if group[0] == account_id:
                state = fold_entries(state, [_entry(row) for row in group[1]])
            group = next(groups, None)
        expected = _totals(state)
        wrong = [name for name, old, new in zip(_TOTALS, stored, expected, strict=True) if old != new]
        if wrong:
            found.note(f"account id {account_id}: {', '.join(wrong)} not what its entries come to")
    deque(rows, maxlen=0)  # entries of accounts that are not there are counted; the check of references names them
    return found, f"{counts['accounts']} accounts, {counts['entries']} entries"


def _check_identities(store: Store) -> _Result:
    """Each id leads to a row, and what was merged leads to what it became and has nothing left."""
    found = _Findings()
    for kind, target_id in store.execute(
        "SELECT i.kind, i.target_id FROM identifiers i"
        " LEFT JOIN patients p ON i.kind = 'patient' AND p.id = i.target_id"
        " LEFT JOIN accounts a ON i.kind <> 'patient' AND a.id = i.target_id WHERE coalesce(p.id, a.id) IS NULL"
    ):
        found.note(f"an id of a {kind} leads to row {target_id}, which is not there")
    for account_id, status, target_id in store.execute(
        "SELECT a.id, a.status, a.merged_into FROM accounts a LEFT JOIN accounts b ON b.id = a.merged_into"
        " WHERE (a.status = 'merged') <> (a.merged_into IS NOT NULL) OR b.status = 'merged'"
        " OR (a.merged_into IS NOT NULL AND a.charges - a.payments - a.adjustments <> 0)"
    ):
        found.note(f"account id {account_id}: {status}, merged into {target_id}: not as a merge leaves it")
    counts = store.rows("SELECT (SELECT count(*) FROM identifiers), count(*) FROM accounts WHERE status = 'merged'")[0]
    return found, f"{counts[0]} ids, {counts[1]} merged accounts"


def _check_counters(store: Store) -> _Result:
    """Per listener: received is the sum of all dispositions, and each is the number of rows."""
    found = _Findings()
    rows: Counter[tuple[str, str]] = Counter()
    for listener, disposition in store.execute("SELECT listener, disposition FROM messages"):
        rows[listener, disposition] += 1
    counters = read_counters(store)
    for listener in sorted({*counters, *(name for name, _ in rows)}):
        counted = counters.get(listener, {})
        total = sum(counted.get(each, 0) for each in Disposition)
        if counted.get("received", 0) != total:
            found.note(f"listener {listener}: received {counted.get('received', 0)}, dispositions come to {total}")
        for each in Disposition:
            if counted.get(each, 0) != rows[listener, each]:
                found.note(f"listener {listener}: {counted.get(each, 0)} {each}, and {rows[listener, each]} rows")
    return found, f"{sum(rows.values())} messages, {len(counters)} listeners"


def _check_placements(store: Store) -> _Result:
    found = _Findings()
    for account_id, count in store.execute(
        f"SELECT account_id, count(*) FROM placements WHERE status IN ({OPEN_STATUSES})"
        " GROUP BY account_id HAVING count(*) > 1"
    ):
        found.note(f"account id {account_id}: {count} open placements")
    count = store.rows("SELECT count(*) FROM placements")[0][0]
    return found, f"{count} placements"


def _check_payments(store: Store) -> _Result:
    """Each payment has the entry that it makes, and each entry of a payment has its payment."""
    found = _Findings()
    count = 0
    for payment_id, agency, kind, amount, entry_payment, entry_kind, entry_amount in store.execute(_PAYMENTS):
        count += 1
        payment = Payment(agency, "", PaymentKind(kind), from_cents(amount), _NO_DAY)
        if entry_payment is None:
            found.note(f"payment {payment_id}: no entry in the ledger")
        elif entry_payment != payment_id:
            found.note(f"payment {payment_id}: its entry names payment {entry_payment}")
        elif (entry_kind, entry_amount) != (payment.ledger_kind, to_cents(payment.ledger_amount)):
            found.note(f"payment {payment_id}: its entry has another kind or amount")
    for (entry_id,) in store.execute(
        "SELECT e.id FROM entries e LEFT JOIN payments p ON p.id = e.payment_id"
        " WHERE e.payment_id IS NOT NULL AND p.id IS NULL"
    ):
        found.note(f"entry {entry_id}: its payment is not there")
    return found, f"{count} payments"


def _check_deliveries(store: Store) -> _Result:
    """Each payment that was queued has one delivery, whose status says what the payment's is."""
    found = _Findings()
    count = 0
    for delivery_id, status, first_id, payment_id, payment_status in store.execute(
        "SELECT d.id, d.status, d.payment_id, c.payment_id, p.status FROM deliveries d LEFT JOIN delivery_payments c"
        " ON c.delivery_id = d.id LEFT JOIN payments p ON p.id = c.payment_id WHERE d.kind <> ? ORDER BY d.id",
        (APPLICATION_ACK,),
    ):
        count += 1
        if first_id is None or payment_id is None:
            found.note(f"delivery {delivery_id} carries no payment")
        elif PAYMENT_STATUS[DeliveryStatus(status)] != payment_status:
            found.note(f"delivery {delivery_id} is {status}, and its payment {payment_status}")
    for (payment_id,) in store.execute(
        "SELECT p.id FROM payments p LEFT JOIN delivery_payments c ON c.payment_id = p.id"
        " WHERE c.payment_id IS NULL AND p.status <> 'received' ORDER BY p.id"
    ):
        found.note(f"payment {payment_id} is in no delivery")
    return found, f"{count} payments in deliveries"


def _check_remittances(store: Store) -> _Result:
    """Remittances, suspense, reversals, settlements, echoes and closed days fit one another."""
    found = _Findings()
    for problem in (*money_problems(store), *odd_echoes(store), *changed_days(store)):
        found.note(problem)
    return found, money_counts(store)


def _check_files(store: Store) -> _Result:
    """Each agency file's count, total and digest against its placements or notices, and against its frozen bytes."""
    found = _Findings()
    ids = [row[0] for row in store.rows("SELECT id FROM agency_files ORDER BY id")]
    for file_id in ids:
        file = read_file(store, file_id)
        if not file.is_closed:  # the count and the bytes come with the last of its placements
            continue
        if content_totals(store, file) != (file.records, file.total):
            found.note(f"agency file {file_id}: its count or total is not that of what it has")
        if not is_as_frozen(store, file):
            found.note(f"agency file {file_id}: what was frozen of it has changed")
    return found, f"{len(ids)} files"


def _check_audit(store: Store) -> _Result:
    found = _Findings()
    report = verify_audit(store)
    if not report.ok:
        found.note(f"row {report.first_bad}: {report.why}")
    return found, f"{report.rows} rows"


def _entry(row: tuple[Any, ...]) -> Entry:
    _, kind, amount, payer, service_on = row
    return Entry(kind, from_cents(amount), payer, dt.date.fromisoformat(service_on))


def _totals(state: AccountState) -> list[Any]:
    """Return an account's totals and dates as they are stored."""
    money = [to_cents(getattr(state, name)) for name in _MONEY]
    days = [getattr(state, name) for name in _DATES]
    return [*money, *(None if day is None else day.isoformat() for day in days)]


CHECKS: Final[dict[str, Callable[[Store], _Result]]] = {
    "pages": _check_pages,
    "structure": _check_structure,
    "references": _check_references,
    "accounts": _check_accounts,
    "identities": _check_identities,
    "messages": _check_counters,
    "placements": _check_placements,
    "payments": _check_payments,
    "remittances": _check_remittances,
    "deliveries": _check_deliveries,
    "agency files": _check_files,
    "audit log": _check_audit,
}
