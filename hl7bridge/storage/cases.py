"""An account's rows -> its case: everything that a decision, a hold or a snapshot is made of."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from hl7bridge.ledger.account import AccountState
from hl7bridge.mapping.records import Coverage, Guarantor, Patient
from hl7bridge.money import ZERO, from_cents
from hl7bridge.placement.itemization import Line
from hl7bridge.placement.lineage import ToldBy
from hl7bridge.placement.snapshot import Frozen, Known, Terms, build_snapshot
from hl7bridge.placement.state import OPEN, Status
from hl7bridge.rules.facts import AccountFacts, Further, Payment, build_facts
from hl7bridge.rules.signals import Signal
from hl7bridge.rules.spec import Rules, predicates_of
from hl7bridge.rules.spec_dates import Dates
from hl7bridge.storage.accounts import read_account, read_coverages, read_guarantors, read_patient
from hl7bridge.storage.database import Row, Store
from hl7bridge.storage.history import read_told
from hl7bridge.storage.signals import read_signals

_LINES: Final = "SELECT kind, amount, payer, service_on, message_id FROM entries WHERE account_id = ? ORDER BY id"
_TERMS: Final = (
    "SELECT p.tier, p.rule, p.sequence, p.share, q.id, q.agency FROM placements p LEFT JOIN placements q ON q.id ="
    " (SELECT max(e.id) FROM placements e WHERE e.account_id = p.account_id AND e.id < p.id"
    " AND e.status NOT IN ('cancelled', 'rejected')) WHERE p.id = ?"
)
_PAYMENTS: Final = (
    "SELECT service_on, amount, payer FROM entries WHERE account_id = ? AND kind IN ('PY', 'CO') AND amount > 0"
)
_SAME_GUARANTOR: Final = "SELECT account_id FROM guarantors WHERE number = ? AND rank = 1 LIMIT ?"
_MOST_ACCOUNTS: Final = 200  # of one guarantor
_OWED: Final = (
    "SELECT coalesce(sum(charges - payments - adjustments), 0) FROM accounts WHERE facility = ? AND status = 'open'"
    " AND id IN"
)
_NEVER_TAKEN: Final = {Status.CANCELLED, Status.REJECTED}  # no agency has had the account by these
# Source: collections.md 3.1: a rejection is a stop flag until it is fixed.
_REJECTION: Final = (
    "SELECT 1 FROM exceptions WHERE kind = 'placement_rejected' AND account_id = ? AND closed_at IS NULL"
)
OPEN_STATUSES: Final = ", ".join(f"'{status}'" for status in OPEN)


class Case(NamedTuple):
    """Everything the bridge knows that a decision or a snapshot is made of; ``signals`` are those in force, by name."""

    account: AccountState
    patient: Patient | None
    guarantors: tuple[Guarantor, ...]
    coverages: tuple[Coverage, ...]
    signals: Mapping[str, Signal]
    facts: AccountFacts


class Scope(NamedTuple):
    """How much of an account is read: all of it, unless nobody will ask.

    Without ``guarantor`` what the guarantor owes elsewhere is not known. Of an account whose last payment is not after
    ``payments_after`` the payments are not read one by one: the day of the last is enough. None: they always are.
    """

    guarantor: bool = True
    payments_after: dt.date | None = None


EVERYTHING: Final = Scope()


def scope_of(rules: Rules, day: dt.date) -> Scope:
    """Return what decisions by some rules on a day need to know of an account."""
    shares = [share.when for each in rules.allocations for share in each.shares]
    asked = [*predicates_of((*rules.common, *itertools.chain(*(rule.when for rule in rules.rules), *shares)))]
    guarantor = any(each.fact.name == "guarantor_balance" for each in asked)
    if any(each.least_payment is not None for each in asked):
        return Scope(guarantor)
    return Scope(guarantor, dt.date.fromordinal(max(1, day.toordinal() - rules.dates.recent_payment_days)))


def read_case(store: Store, account_id: int, account: AccountState | None = None, scope: Scope = EVERYTHING) -> Case:
    """Return what is known of an account now; raises NotFoundError. ``account`` is its row, when that was read."""
    account = account or read_account(store, account_id)
    patient = read_patient(store, account.patient_id)
    guarantors = read_guarantors(store, account_id)
    coverages = read_coverages(store, account_id)
    signals = read_signals(store, account_id)
    placed = store.rows("SELECT status, agency FROM placements WHERE account_id = ? ORDER BY id", (account_id,))
    left_out = {Status.CANCELLED} if _waits_for_a_person(store, account_id, placed) else _NEVER_TAKEN
    made = [(Status(status), agency) for status, agency in placed if status not in left_out]
    ended = [status for status, _ in made if status not in OPEN]
    further = Further(
        guarantor_balance=_guarantor_balance(store, account, guarantors) if scope.guarantor else None,
        payments=_payments(store, account, scope.payments_after),
        sequence=len(made) + (len(ended) == len(made)),
        returned_by=frozenset(agency for status, agency in made if status is Status.RETURNED),
    )
    last_ended = ended[-1] if ended else ""
    facts = build_facts(account, patient, guarantors, coverages, signals, last_ended=last_ended, further=further)
    return Case(account, patient, guarantors, coverages, signals, facts)


def _waits_for_a_person(store: Store, account_id: int, placed: Sequence[Row]) -> bool:
    """Return whether an agency has rejected the account and nobody has said yet that what it named is corrected."""
    if not any(status == Status.REJECTED for status, _ in placed):
        return False
    return store.row(_REJECTION, (account_id,)) is not None


def read_facts(store: Store, account_id: int) -> AccountFacts:
    """Return the facts of an account as they stand; they hold for every day. Raises NotFoundError."""
    return read_case(store, account_id).facts


def _guarantor_balance(store: Store, account: AccountState, guarantors: Sequence[Guarantor]) -> Decimal | None:
    """Return what the first guarantor owes on all open accounts of the facility; None when nobody can tell.

    A number that very many accounts have is nobody's: a feed fills it in for "not known".
    """
    number = guarantors[0].number if guarantors else None
    if not isinstance(number, str) or not number:
        return None
    ids = [row[0] for row in store.execute(_SAME_GUARANTOR, (number, _MOST_ACCOUNTS + 1))]
    if len(ids) > _MOST_ACCOUNTS:
        return None
    if ids == [account.id]:
        return account.balance if account.status == "open" else ZERO
    row = store.row(f"{_OWED} ({', '.join('?' * len(ids))})", (account.facility, *ids))
    return ZERO if row is None else from_cents(row[0])


def _payments(store: Store, account: AccountState, after: dt.date | None) -> tuple[Payment, ...] | None:
    if account.last_payment_on is None:
        return ()
    if after is not None and account.last_payment_on <= after:
        return None
    rows = store.execute(_PAYMENTS, (account.id,))
    return tuple(
        Payment(dt.date.fromisoformat(day), from_cents(cents), payer != "insurance") for day, cents, payer in rows
    )


def freeze(store: Store, case: Case, placement_id: int, *, placed_on: dt.date, creditor: str, dates: Dates) -> Frozen:
    """Return what an agency gets of a placement, and where it is from; read inside the transaction that sends it.

    Raises RefusedError with the difference when the amounts do not foot.
    """
    ((tier, rule, sequence, share, prior_id, prior_agency),) = store.rows(_TERMS, (placement_id,))
    terms = Terms(placement_id, tier, rule, sequence, placed_on, creditor, share, prior_id, prior_agency or "")
    rows = store.execute(_LINES, (case.account.id,))
    lines = [
        Line(kind, from_cents(cents), payer, dt.date.fromisoformat(day), message_id)
        for kind, cents, payer, day, message_id in rows
    ]
    known = Known(*case, lines, _told_by(store, case.account))
    return build_snapshot(terms, known, dates)


def _told_by(store: Store, account: AccountState) -> ToldBy:
    told = read_told(store, account.id, account.patient_id)
    first = {each.kind: each.message_id for each in reversed(told)}
    coverages = tuple(each.message_id for each in told if each.kind == "coverage")
    return ToldBy(account.message_id, first.get("patient"), first.get("guarantor"), coverages)


def encode_frozen(frozen: Frozen) -> str:
    """Return the text in which a placement keeps what was frozen: every value, and where days and sums are from."""
    told = {"values": frozen.snapshot._asdict(), "sources": dict(frozen.sources)}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def decode_frozen(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the values and the sources that ``encode_frozen`` was given."""
    told = json.loads(text)
    return told["values"], told["sources"]


def read_sources(store: Store, placement_id: int) -> dict[str, str]:
    """Return where the days and sums of a placement are from, by field; empty when nothing was sent."""
    row = store.row("SELECT frozen FROM placements WHERE id = ?", (placement_id,))
    return decode_frozen(row[0])[1] if row and row[0] else {}
