"""The records of an agency's payment file -> payments posted once, suspense, or a person; in one transaction a file.

What names no account that is known goes to suspense with its dollars; nothing is dropped. Source: collections.md 1.8,
3.4, 3.5.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from hl7bridge.errors import NotFoundError, RefusedError
from hl7bridge.ledger.account import AccountState
from hl7bridge.money import from_cents, money_text
from hl7bridge.payments.message import DestinationForm
from hl7bridge.payments.payment import Payment, PaymentKind, batch_id, payment_differences
from hl7bridge.payments.remittance import RecordKind, Remitted, total_of
from hl7bridge.storage.accounts import find_account, read_account, surviving
from hl7bridge.storage.answering import Answered, find_answered
from hl7bridge.storage.database import Store
from hl7bridge.storage.echoes import find_direct_entry
from hl7bridge.storage.exceptions import open_exception
from hl7bridge.storage.payments import Origin, find_payment, record_payment
from hl7bridge.storage.posting import Recorded, queue_payments
from hl7bridge.storage.received_files import Outcome, OutcomeKind
from hl7bridge.storage.remittances import RemittanceFile, add_remittance, find_remittance
from hl7bridge.storage.suspense import add_suspense, find_suspense, named_account
from hl7bridge.times import utc_text

CHANGED: Final = "payment_changed"
REVERSAL: Final = "reversal_unmatched"
TAKEN_BACK: Final = "adjustment_taken_back"
SETTLEMENT: Final = "settlement"
DIRECT: Final = "the hospital was paid itself: an echo, not posted"
NO_ENTRY: Final = "the ledger has no such payment of that day"
NO_ACCOUNT: Final = "its account is not known"
FEE: Final = "a fee: kept with the file, never the patient's"
_DIRECT: Final = frozenset({RecordKind.DIRECT, RecordKind.DIRECT_REVERSAL})


class Posting(NamedTuple):
    """What payments of one run are posted with: each facility's destination and day, the rules' due day, the time.

    ``careful`` are the agencies whose payments of an account that they never had wait in suspense.
    """

    form_of: Callable[[str], DestinationForm | None]
    today_of: Callable[[str], dt.date]
    due_on: Callable[[AccountState], dt.date | None]
    now: dt.datetime
    careful: frozenset[str] = frozenset()

    def destination(self, facility: str) -> DestinationForm:
        """Return how the EHR of a facility wants its payments; raises RefusedError when there is none."""
        form = self.form_of(facility)
        if form is None:
            raise RefusedError(f"no destination takes payments of facility {facility}; name it in one's facilities")
        return form


class Applied(NamedTuple):
    """What one record did; ``recorded`` is the payment it is, also when that was known before."""

    record: Remitted
    outcome: Outcome
    recorded: Recorded | None = None
    is_suspended: bool = False


def apply_remittance(
    store: Store, file: RemittanceFile, records: Sequence[Remitted], posting: Posting
) -> list[Applied]:
    """Apply every record of one agency's file, inside the caller's transaction, and say what each did.

    The same bytes a second time change nothing. Messages are queued at the end, account by account.
    """
    same = find_remittance(store, file.agency, file.sha256)
    if same is not None:
        return [_repeated(store, record, same) for record in records]
    totals = total_of(records)
    remittance_id = add_remittance(store, file._replace(records=len(records), totals=totals), utc_text(posting.now))
    work = _Remittance(store, file, remittance_id, posting)
    # A reversal may stand before what it takes back.
    applied = [work.apply(record) for record in sorted(records, key=_is_reversal)]
    work.queue()
    return sorted(applied, key=lambda each: each.record.line)


def _is_reversal(record: Remitted) -> bool:
    return record.kind is RecordKind.REVERSAL


def _repeated(store: Store, record: Remitted, remittance_id: int) -> Applied:
    payment = record.payment
    known = find_payment(store, payment.agency, payment.agency_payment_id) if record.is_posted else None
    recorded = None
    if known is not None:
        recorded = Recorded(known.payment_id, payment, known.reverses, is_new=False, status=known.status)
    outcome = Outcome(None, OutcomeKind.IGNORED, f"the same file as remittance {remittance_id}")
    return Applied(record, outcome, recorded)


class _Remittance:
    """One file that is applied."""

    def __init__(self, store: Store, file: RemittanceFile, remittance_id: int, posting: Posting) -> None:
        self._store = store
        self._file = file
        self._id = remittance_id
        self._posting = posting
        self._at = utc_text(posting.now)
        self._waiting: dict[int, list[Recorded]] = {}

    def apply(self, record: Remitted) -> Applied:
        """Apply one record."""
        if record.is_posted:
            return self._known(record) or self._post(record)
        if record.kind is RecordKind.ADJUSTMENT_REVERSAL:
            return self._ask_about_adjustment(record)
        if record.kind in _DIRECT:
            return Applied(record, Outcome(None, OutcomeKind.IGNORED, f"{DIRECT}; {_find_direct(self._store, record)}"))
        return Applied(record, Outcome(None, OutcomeKind.APPLIED, FEE))

    def _post(self, record: Remitted) -> Applied:
        """Record a payment that was not told before; in suspense when that cannot be."""
        try:
            account, placement_id = account_of(self._store, record)
        except (NotFoundError, RefusedError) as error:
            return self._suspend(record, None, str(error))
        if placement_id is None and self._file.agency in self._posting.careful:
            return self._suspend(record, None, "the account was never placed with this agency")
        try:
            with self._store.savepoint():
                recorded = self._record(record.payment, account)
        except RefusedError as error:
            return self._suspend(record, account, str(error), placement_id)
        self._waiting.setdefault(account.id, []).append(recorded)
        if record.payment.is_settlement:
            ask_settlement(self._store, recorded.payment_id, account, self._at)
        ask_about_settled(self._store, recorded.reverses, account, self._at, self._where(record))
        reason = f"payment {recorded.payment_id}"
        return Applied(record, Outcome(placement_id, OutcomeKind.APPLIED, reason), recorded)

    def queue(self) -> None:
        """Queue the messages of what was recorded, account by account, in the order of the file."""
        number = int(self._file.sha256[:4], 16)
        for account_id, recorded in self._waiting.items():
            account = read_account(self._store, account_id)
            today = self._posting.today_of(account.facility)
            queue_payments(
                self._store,
                self._posting.destination(account.facility),
                account,
                recorded,
                posted_on=today,
                batch_id=batch_id(today, number),
                now=self._posting.now,
            )

    def _record(self, payment: Payment, account: AccountState) -> Recorded:
        return record_payment(
            self._store,
            payment,
            account,
            self._posting.destination(account.facility),
            now=self._posting.now,
            posted_on=self._posting.today_of(account.facility),
            due_on=self._posting.due_on,
            origin=Origin(self._id),
        )

    def _known(self, record: Remitted) -> Applied | None:
        """Return what comes of a payment whose id was told before: nothing, or a person when it says other things."""
        payment = record.payment
        found = find_payment(self._store, payment.agency, payment.agency_payment_id)
        if found is not None:
            known, what, account_id = found.payment, f"payment {found.payment_id}", found.account_id
            differences = payment_differences(known, payment)
            if not self._is_same_account(record, account_id):
                differences = ("account", *differences)
            recorded = Recorded(found.payment_id, payment, found.reverses, is_new=False, status=found.status)
        else:
            waiting = find_suspense(self._store, payment.agency, payment.agency_payment_id)
            if waiting is None:
                return None
            what, account_id, recorded = f"suspense {waiting.id}", None, None
            differences = payment_differences(waiting.payment, payment)
            if named_account(record) != waiting.account:
                differences = ("account", *differences)
        if not differences:
            return Applied(record, Outcome(None, OutcomeKind.IGNORED, f"{what}: known"), recorded)
        why = f"{what} came again with another {', '.join(differences)}: nothing was posted; ask the agency"
        self._ask(CHANGED, record, account_id, why)
        return Applied(record, Outcome(None, OutcomeKind.EXCEPTION, why))

    def _is_same_account(self, record: Remitted, account_id: int) -> bool:
        try:
            found, _ = account_of(self._store, record)
        except (NotFoundError, RefusedError):
            return False
        return found.id == surviving(self._store, read_account(self._store, account_id)).id

    def _suspend(
        self, record: Remitted, account: AccountState | None, why: str, placement_id: int | None = None
    ) -> Applied:
        suspense_id = add_suspense(self._store, record, self._id, why, self._posting.now)
        if account is not None and record.payment.kind is PaymentKind.REVERSAL:
            self._ask(REVERSAL, record, account.id, f"suspense {suspense_id}: {why}")
        outcome = Outcome(placement_id, OutcomeKind.EXCEPTION, f"suspense {suspense_id}: {why}")
        return Applied(record, outcome, is_suspended=True)

    def _ask_about_adjustment(self, record: Remitted) -> Applied:
        amount = money_text(record.payment.amount)
        why = f"the agency takes back an adjustment of {amount}: no balance rises by its word; post it by hand or not"
        self._ask(TAKEN_BACK, record, None, why)
        return Applied(record, Outcome(None, OutcomeKind.EXCEPTION, why))

    def _ask(self, kind: str, record: Remitted, account_id: int | None, why: str) -> None:
        reason = f"{self._where(record)}{why}"
        open_exception(
            self._store, kind, account_id, None, message_id=None, reason=reason, at=self._at, each_reason=True
        )

    def _where(self, record: Remitted) -> str:
        return f"agency {self._file.agency}, remittance {self._id}, line {record.line}: "


def account_of(store: Store, record: Remitted) -> tuple[AccountState, int | None]:
    """Return the account that a record means, merged ones followed, and the agency's placement of it if there is one.

    Raises NotFoundError and RefusedError when no account or several could be meant. Money of an account that is not
    with the agency any more is posted all the same.
    """
    agency = record.payment.agency
    if record.placement_id is not None:
        found = find_answered(store, agency, record.placement_id, record.account)
        if isinstance(found, str):
            raise NotFoundError(found)
        return _account(store, found), found.id
    try:
        account = find_account(store, record.account, record.facility)
    except RefusedError:
        placed = find_answered(store, agency, None, record.account)
        if isinstance(placed, str):
            raise
        return _account(store, placed), placed.id
    placed = find_answered(store, agency, None, record.account)
    is_its = not isinstance(placed, str) and placed.account_id == account.id
    return account, placed.id if is_its and not isinstance(placed, str) else None


def _find_direct(store: Store, record: Remitted) -> str:
    """Return which entry of the hospital's own an agency tells back."""
    try:
        account, _ = account_of(store, record)
    except (NotFoundError, RefusedError):
        return NO_ACCOUNT
    sign = -1 if record.kind is RecordKind.DIRECT_REVERSAL else 1
    entry_id = find_direct_entry(store, account.id, sign * record.payment.amount, record.payment.paid_on)
    return NO_ENTRY if entry_id is None else f"entry {entry_id} of the ledger"


def _account(store: Store, found: Answered) -> AccountState:
    return surviving(store, read_account(store, found.account_id))


def ask_settlement(store: Store, payment_id: int, account: AccountState, at: str) -> None:
    """Have a person approve that the rest of a settled account is written off, inside the caller's transaction."""
    left = store.rows("SELECT settlement FROM payments WHERE id = ?", (payment_id,))[0][0]
    why = (
        f"payment {payment_id} settles the account, {money_text(from_cents(left))} dollars are left:"
        f" 'hl7bridge payments approve {payment_id}' writes them off"
    )
    open_exception(store, SETTLEMENT, account.id, None, message_id=None, reason=why, at=at, each_reason=True)


def ask_about_settled(store: Store, reverses: int | None, account: AccountState, at: str, where: str = "") -> None:
    """Have a person look at what was written off for a settlement that is taken back, inside the transaction.

    ``reverses`` is the payment that is taken back, None when none is; ``where`` stands in front of the reason.
    """
    row = store.row("SELECT id FROM payments WHERE settles = ?", (reverses,))
    if row is not None:
        why = f"{where}payment {reverses} was taken back, and adjustment {row[0]} wrote off what it had left"
        open_exception(store, SETTLEMENT, account.id, None, message_id=None, reason=why, at=at, each_reason=True)
