"""Entries of the EHR's feed that are payments of ours come back -> confirmed payments, and no second entry.

An entry is an echo by the id that we gave it (FT1-2); else, once for each payment, by account, type, dollars, day and
code. All of it runs in the savepoint of the message.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from hl7bridge.errors import DUPLICATE_KEY, Location, MessageError
from hl7bridge.ledger.arrival import Arrival
from hl7bridge.mapping.records import Entry
from hl7bridge.money import ZERO, from_cents, to_cents
from hl7bridge.payments.echo import (
    ECHOED_KINDS,
    OwnPayment,
    Sent,
    Verdict,
    is_echo_by_content,
    judge_entry,
    read_sent,
)
from hl7bridge.payments.payment import Payment, PaymentKind
from hl7bridge.payments.posting import paid_transaction_id
from hl7bridge.storage.accounts import day_text
from hl7bridge.storage.database import Row, Store
from hl7bridge.storage.exceptions import open_exception
from hl7bridge.storage.settling import settle_by_echo

DIFFERS: Final = "echo_differs"
ELSEWHERE: Final = "echo_elsewhere"
TAKEN_BACK: Final = "echo_taken_back"
AGAINST: Final = "echo_against"
_TRANSACTION: Final = 2
_MANY: Final = 500  # ids to a statement
_OWN: Final = (
    "SELECT p.id, p.account_id, p.kind, p.amount, p.paid_on, p.agency, p.transaction_id, d.content, e.amount"
    " FROM payments p LEFT JOIN delivery_payments c ON c.payment_id = p.id LEFT JOIN deliveries d"
    " ON d.id = c.delivery_id LEFT JOIN echoes e ON e.payment_id = p.id"
)
_BY_ID: Final = f"{_OWN} WHERE p.transaction_id = ? AND p.transaction_id <> ''"  # as its index wants it
_REVERSAL: Final = f"{_OWN} WHERE p.reverses = ? ORDER BY p.id"
# Those that may be in the EHR and have not come back: sent at least once; what was cancelled is the last to be meant.
_BY_CONTENT: Final = (
    f"{_OWN} WHERE p.account_id = ? AND p.amount = ? AND p.echoed_at IS NULL AND"
    " d.attempts + d.lost + d.was_sent > 0 ORDER BY d.status = 'cancelled', p.id"
)
_TAKEN_BACK: Final = (
    "SELECT taken_back_at IS NOT NULL, (SELECT s.id FROM payments s WHERE s.settles = p.id) FROM payments p"
    " WHERE p.id = ?"
)
_COLUMNS: Final = "source, transaction_id, batch_id, kind, amount, service_on, found_by, message_id, recorded_at"
_WORTH: Final = (
    "SELECT 1 WHERE EXISTS (SELECT 1 FROM payments WHERE account_id = ?)"
    " OR EXISTS (SELECT 1 FROM payments WHERE transaction_id = ? AND transaction_id <> '')"
    " OR EXISTS (SELECT 1 FROM echoes WHERE transaction_id = ?)"
)
_KNOWN: Final = (
    "SELECT account_id, kind, amount, service_on FROM echoes WHERE transaction_id = ? AND source = ? AND batch_id = ?"
    " AND (account_id = ? OR account_id IS NULL)"
)


class Echoed(NamedTuple):
    """What is left of a message's entries without the echoes, counters to add to, and what there is to say."""

    entries: list[Entry]
    counters: tuple[str, ...] = ()
    said: str = ""


def take_echoes(
    store: Store,
    account_id: int,
    entries: list[Entry],
    completed: Sequence[Entry],
    told: Sequence[Entry],
    arrival: Arrival,
) -> Echoed:
    """Confirm the payments of ours among entries that are new, and return the entries that count.

    ``completed`` are all entries of the message and ``told`` the same as they were told; ``account_id`` 0 is an account
    that is new. Raises MessageError 205 for an entry whose id is that of an echo that said something else.
    """
    possible = [entry for entry in entries if entry.kind in ECHOED_KINDS and _may_be_echo(store, account_id, entry)]
    if not possible:
        return Echoed(entries)
    work = _Message(store, account_id, list(zip(completed, told, strict=True)), arrival)
    taken = {id(entry) for entry in possible if work.take(entry)}  # of two alike, one may be money
    left = [entry for entry in entries if id(entry) not in taken]
    return Echoed(left, tuple(work.counters), "; ".join(work.said))


class _Message:
    """One message whose entries are looked at."""

    def __init__(self, store: Store, account_id: int, told: list[tuple[Entry, Entry]], arrival: Arrival) -> None:
        self.counters: list[str] = []
        self.said: list[str] = []
        self._store = store
        self._account_id = account_id
        self._told = told
        self._arrival = arrival

    def take(self, entry: Entry) -> bool:
        """Return whether an entry must not be counted; it is noted whose echo it is, or why a person has to look."""
        if isinstance(entry.transaction_id, str):
            row = self._store.row(_BY_ID, (entry.transaction_id,))
            if row is not None:
                return self._take_own(entry, row)
            if self._is_fee(entry, entry.transaction_id):
                self._count("echoes_of_fees")
                return True
            if self._is_known(entry, entry.transaction_id):
                self._count("echoes_repeated")
                return True
        if self._account_id and entry.amount:
            coded = entry._replace(code=self._find(entry)[1].code)
            for row in self._store.rows(_BY_CONTENT, (self._account_id, abs(to_cents(entry.amount)))):
                own = _own(row)
                if is_echo_by_content(coded, own):
                    self._confirm(entry, own, "content")
                    return True
        return False

    def _take_own(self, entry: Entry, row: Row) -> bool:
        own, before = _own(row), None if row[-1] is None else from_cents(row[-1])
        verdict = judge_entry(entry, self._account_id, own, before)
        if verdict is Verdict.ECHO:
            if before is None:
                self._confirm(entry, own, "id")
            else:
                self._count("echoes_repeated")
            return True
        if verdict is Verdict.TAKEN_BACK:
            return self._take_back(entry, own)
        if verdict is Verdict.ELSEWHERE:
            self._ask(ELSEWHERE, own, f"payment {own.id} was posted to another account than it was sent for")
        else:
            self._ask(DIFFERS, own, f"payment {own.id} was posted with another amount or type than it was sent with")
        return True

    def _take_back(self, entry: Entry, own: OwnPayment) -> bool:
        """Return whether the ledger counted already what the EHR takes back: by this, or by a reversal of ours."""
        store = self._store
        is_told, adjustment = store.rows(_TAKEN_BACK, (own.id,))[0]
        row = store.row(_REVERSAL, (own.id,))
        is_whole = row is not None and row[3] == to_cents(abs(own.amount))
        if is_told or (row is not None and is_whole and row[-1] is not None):
            self._count("echoes_repeated")
            return True
        if row is None:
            store.execute("UPDATE payments SET taken_back_at = ? WHERE id = ?", (self._arrival.now, own.id))
            rest = "" if adjustment is None else f", and adjustment {adjustment} wrote off what it had left"
            self._ask(TAKEN_BACK, own, f"the EHR has taken back payment {own.id}; the ledger counts that{rest}")
            return False
        reversal = _own(row)
        if is_whole:
            self._confirm(entry, reversal, "id")
        else:
            self._ask(DIFFERS, own, f"the EHR has taken back payment {own.id}, and payment {reversal.id} a part of it")
        return True

    def _is_fee(self, entry: Entry, transaction_id: str) -> bool:
        """Return whether an entry is the fee of a payment of ours: no money of the patient's in any ledger."""
        paid = paid_transaction_id(transaction_id)
        if paid is None:
            return False
        row = self._store.row(
            "SELECT fee FROM payments WHERE transaction_id = ? AND transaction_id <> '' AND fee <> 0", (paid,)
        )
        return row is not None and abs(to_cents(entry.amount or ZERO)) == abs(row[0])

    def _is_known(self, entry: Entry, transaction_id: str) -> bool:
        key = transaction_id, self._arrival.source, _batch(entry), self._account_id
        row = self._store.row(_KNOWN, key)
        if row is None:
            return False
        if row[0] is None:  # a scratch store: whatever its mapping makes of it
            return True
        if row[1:] != (entry.kind, to_cents(entry.amount or ZERO), day_text(entry.service_on)):
            text = "this transaction id is known with another type, amount or date"
            raise MessageError(DUPLICATE_KEY, Location("FT1", self._find(entry)[0], _TRANSACTION), text)
        return True

    def _find(self, entry: Entry) -> tuple[int, Entry]:
        """Return which FT1 an entry is, and the entry as it was told."""
        return next((at, told) for at, (each, told) in enumerate(self._told, 1) if each is entry)

    def _confirm(self, entry: Entry, own: OwnPayment, found_by: str) -> None:
        store, arrival = self._store, self._arrival
        transaction = entry.transaction_id if isinstance(entry.transaction_id, str) else None
        store.insert(
            f"INSERT INTO echoes (payment_id, account_id, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                own.id, own.account_id, arrival.source, transaction, _batch(entry), entry.kind,
                to_cents(entry.amount or ZERO), day_text(entry.service_on), found_by, arrival.message_id, arrival.now,
            ),
        )  # fmt: skip
        store.execute(
            "UPDATE payments SET echoed_at = ?, echo_message_id = ? WHERE id = ?",
            (arrival.now, arrival.message_id, own.id),
        )
        settled = settle_by_echo(store, own.id, now=dt.datetime.fromisoformat(arrival.now))
        if settled is not None and settled.is_against:
            why = f"the EHR has payment {own.id}, and delivery {settled.delivery_id} is {settled.status.value}"
            self._ask(AGAINST, own, f"{why}: it must not be sent, nor posted by hand")
        self._count("echoes")
        self.said.append(f"echo of payment {own.id}")

    def _ask(self, kind: str, own: OwnPayment, why: str) -> None:
        self._count(kind)
        self.said.append(why)
        open_exception(
            self._store,
            kind,
            own.account_id,
            None,
            message_id=self._arrival.message_id,
            reason=why,
            at=self._arrival.now,
            each_reason=True,
        )

    def _count(self, counter: str) -> None:
        self.counters.append(counter)


def _may_be_echo(store: Store, account_id: int, entry: Entry) -> bool:
    """Return whether it is worth a closer look, in one question: most payments of a feed are a hospital's own."""
    named = entry.transaction_id if isinstance(entry.transaction_id, str) else ""
    return store.row(_WORTH, (account_id, named, named)) is not None


def count_echoes(store: Store) -> tuple[int, int]:
    """Return how many payments came back on the feed, and how many are posted and have not."""
    echoed, silent = store.rows(
        "SELECT count(echoed_at), count(*) - count(echoed_at) FROM payments WHERE echoed_at IS NOT NULL OR"
        " status = 'posted'"
    )[0]
    return echoed, silent


def odd_echoes(store: Store) -> Iterator[str]:
    """Yield payments for which what is noted of their echo does not agree."""
    for (payment_id,) in store.execute(
        "SELECT p.id FROM payments p LEFT JOIN echoes e ON e.payment_id = p.id"
        " WHERE (p.echoed_at IS NULL) <> (e.id IS NULL) OR e.account_id <> p.account_id ORDER BY p.id"
    ):
        yield f"payment {payment_id}: what is noted of its echo does not agree"


def find_direct_entry(store: Store, account_id: int, amount: Decimal, day: dt.date) -> int | None:
    """Return the hospital's own entry of an account that was paid or posted so many dollars on a day, or None."""
    row = store.row(
        "SELECT id FROM entries WHERE account_id = ? AND amount = ? AND kind IN ('PY', 'CO') AND payment_id IS NULL"
        " AND source NOT LIKE 'moved:%' AND (service_on = ? OR posted_on = ?) ORDER BY id LIMIT 1",
        (account_id, to_cents(amount), day.isoformat(), day.isoformat()),
    )
    return None if row is None else int(row[0])


def copy_echoes(store: Store, scratch: Store, account_ids: Iterable[int]) -> None:
    """Have a scratch store know by their ids the echoes of some accounts, so that it counts none of them either."""
    wanted = sorted(set(account_ids))
    for at in range(0, len(wanted), _MANY):
        ids = wanted[at : at + _MANY]
        rows = store.rows(
            f"SELECT {_COLUMNS} FROM echoes WHERE transaction_id IS NOT NULL AND account_id IN"
            f" ({', '.join('?' * len(ids))})",
            ids,
        )
        scratch.executemany(f"INSERT INTO echoes ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


def _batch(entry: Entry) -> str:
    return entry.batch_id if isinstance(entry.batch_id, str) else ""


def _own(row: Row) -> OwnPayment:
    payment_id, account_id, kind, cents, paid_on, agency, transaction_id, content, _ = row
    payment = Payment(agency, "", PaymentKind(kind), from_cents(cents), dt.date.fromisoformat(paid_on))
    plain = Sent(payment.ledger_kind, payment.ledger_amount, payment.paid_on, None)
    sent = read_sent(content or "", transaction_id, plain)
    return OwnPayment(payment_id, account_id, payment.ledger_kind, payment.ledger_amount, sent)
