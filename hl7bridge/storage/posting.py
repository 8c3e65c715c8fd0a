"""Recorded payments of one account -> the messages that post them at a destination, queued in the same transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from hl7bridge.errors import RefusedError, StoreError
from hl7bridge.ledger.account import AccountState
from hl7bridge.message.escape import escape
from hl7bridge.money import ZERO
from hl7bridge.payments.joining import count_lines, is_same_form, join_messages
from hl7bridge.payments.message import MESSAGE_KIND, Addressed, DestinationForm, build_message, is_encodable
from hl7bridge.payments.payment import Payment, PaymentKind, PaymentStatus, control_id, transaction_id
from hl7bridge.payments.posting import Item, fee_transaction_id
from hl7bridge.payments.readdress import addressing_of
from hl7bridge.storage.accounts import read_guarantors, read_patient
from hl7bridge.storage.database import Store
from hl7bridge.storage.deliveries import add_delivery, move_delivery
from hl7bridge.storage.reversals import Unsent, find_unsent, judge_reversal
from hl7bridge.times import utc_text

MOST_LINES: Final = 100  # FT1s of one message: no more are added to it
MOST_PAYMENTS: Final = 50  # of one message; each may have a second FT1, for its fee
# The newest message of an account that a destination has never been offered: it may still be given more to say.
_NEWEST: Final = (
    "SELECT id, content, kind = ? AND status = 'queued' AND attempts = 0 AND lost = 0 AND last_error = ''"
    " FROM deliveries WHERE account_id = ? AND destination = ? ORDER BY id DESC LIMIT 1"
)


class Recorded(NamedTuple):
    """A payment in the store; ``is_new`` is False when it had been recorded before and nothing was done.

    ``reverses`` is the payment that it takes back.
    """

    payment_id: int
    payment: Payment
    reverses: int | None
    is_new: bool
    status: PaymentStatus


def queue_payments(
    store: Store,
    form: DestinationForm,
    account: AccountState,
    recorded: Sequence[Recorded],
    *,
    posted_on: dt.date,
    batch_id: str,
    now: dt.datetime,
) -> None:
    """Queue what posts an account's recorded payments, in their order; inside the caller's transaction.

    One message each, or one for all, or added to the account's message that still waits, as the form has it. The
    reversal of what the EHR never had is cancelled at once. Raises RefusedError when the EHR could not tell whose they
    are. ``posted_on`` is the facility's day, ``batch_id`` FT1-3.
    """
    addressed = address_of(store, account, form)
    tag = store_tag(store)
    unsent = {each.payment_id: find_unsent(store, each.reverses) for each in recorded}
    for together in _messages(form, recorded, unsent):
        items = [_item(store, tag, each, batch_id, posted_on) for each in together]
        orphan = unsent[together[0].payment_id]
        can_join = form.batch == "account" and orphan is None
        if can_join and _add_to_waiting(store, form, account, addressed, together, items, now):
            continue
        name = control_id(tag, together[0].payment_id)
        delivery_id = add_delivery(
            store,
            destination=form.name,
            kind=MESSAGE_KIND,
            control_id=name,
            account_id=account.id,
            payment_ids=[each.payment_id for each in together],
            content=build_message(form, items, addressed, name, at=now),
            now=now,
        )
        addressing = addressing_of(form)
        if addressing:
            store.execute("UPDATE deliveries SET addressing = ? WHERE id = ?", (addressing, delivery_id))
        if orphan is not None:
            (only,) = together
            move = judge_reversal(store, only.payment_id, account.id, delivery_id, orphan, utc_text(now))
            move_delivery(store, delivery_id, move.event, now, move.reason)


def _messages(
    form: DestinationForm, recorded: Sequence[Recorded], unsent: Mapping[int, Unsent | None]
) -> Iterator[Sequence[Recorded]]:
    """Yield what goes into one message each; alone is the reversal of a payment that the EHR never had."""
    size = 1 if form.batch == "payment" else MOST_PAYMENTS
    usual = [each for each in recorded if unsent[each.payment_id] is None]
    for start in range(0, len(usual), size):
        yield usual[start : start + size]
    for each in recorded:
        if unsent[each.payment_id] is not None:
            yield [each]


def preview_payment(
    store: Store,
    form: DestinationForm,
    account: AccountState,
    payment: Payment,
    *,
    posted_on: dt.date,
    batch_id: str,
    now: dt.datetime,
) -> list[str]:
    """Return the messages that would post a payment if it were recorded now, alone; nothing is written.

    A settlement has a second one: what it leaves, written off once a person approves. Raises RefusedError as
    ``queue_payments`` does.
    """
    addressed = address_of(store, account, form)
    tag = store_tag(store)
    number = store.rows("SELECT coalesce(max(id), 0) + 1 FROM payments")[0][0]
    parts = [(payment, False)]
    left = account.balance - payment.amount if payment.left is None else payment.left
    if payment.is_settlement and left > ZERO:
        rest = Payment(payment.agency, payment.agency_payment_id, PaymentKind.ADJUSTMENT, left, payment.paid_on)
        parts.append((rest, True))
    original = store.row(
        "SELECT transaction_id FROM payments WHERE agency = ? AND agency_payment_id = ? AND kind = 'payment'",
        (payment.agency, payment.reversal_of),
    )
    messages = []
    for at, (each, is_settling) in enumerate(parts, number):
        ids = transaction_id(tag, at), batch_id, posted_on, fee_transaction_id(tag, at)
        item = Item(each, *ids, is_settling, original[0] if original else "")
        messages.append(build_message(form, [item], addressed, control_id(tag, at), at=now))
    return messages


def _add_to_waiting(
    store: Store,
    form: DestinationForm,
    account: AccountState,
    addressed: Addressed,
    together: Sequence[Recorded],
    items: list[Item],
    now: dt.datetime,
) -> bool:
    """Have an account's newest message post more payments, if nobody can have seen it yet; return whether it does."""
    newest = store.row(_NEWEST, (MESSAGE_KIND, account.id, form.name))
    if newest is None or not newest[2]:
        return False
    delivery_id, content, _ = newest
    first = count_lines(content) + 1
    more = build_message(form, items, addressed, "", at=now, first=first)
    if not is_same_form(content, more) or first - 1 + count_lines(more) > MOST_LINES:
        return False
    store.execute("UPDATE deliveries SET content = ? WHERE id = ?", (join_messages(content, more), delivery_id))
    store.executemany(
        "INSERT INTO delivery_payments (delivery_id, payment_id) VALUES (?, ?)",
        [(delivery_id, each.payment_id) for each in together],
    )
    return True


def _item(store: Store, tag: str, each: Recorded, batch_id: str, posted_on: dt.date) -> Item:
    settles = store.rows("SELECT settles FROM payments WHERE id = ?", (each.payment_id,))[0][0]
    return Item(
        each.payment,
        transaction_id(tag, each.payment_id),
        batch_id,
        posted_on,
        fee_transaction_id(tag, each.payment_id),
        is_settling=settles is not None,
        original_transaction_id="" if each.reverses is None else transaction_id(tag, each.reverses),
    )


def address_of(store: Store, account: AccountState, form: DestinationForm | None = None) -> Addressed:
    """Return by what ids the EHR knows an account now.

    Raises RefusedError when nothing tells whose it is, or a form asks for what is not known or cannot be written.
    """
    patient = read_patient(store, account.patient_id)
    pid_3 = patient.pid_3 if patient else None
    if not isinstance(pid_3, str):
        raise RefusedError(
            "no message has brought the account's patient identifier (PID-3) yet: the EHR could not match it"
        )
    pid_5 = patient.pid_5 if patient and isinstance(patient.pid_5, str) else ""
    pid_18 = account.pid_18 or ""
    if not (pid_18 or account.pv1_19 or account.pv1_50):
        pid_18 = escape(account.number)
    number, name = _guarantor(store, account)
    addressed = Addressed(
        pid_3,
        pid_5,
        pid_18,
        account.pv1_19 or "",
        account.pv1_50 or "",
        account.patient_class or "",
        account.number,
        number,
        name,
    )
    if form is not None:
        _require(form, addressed)
    return addressed


def _guarantor(store: Store, account: AccountState) -> tuple[str, tuple[str, ...]]:
    """Return number and name of who owes first."""
    for each in read_guarantors(store, account.id)[:1]:
        names = [each.family_name or each.organization, each.given_name, each.middle_name]
        told = [name if isinstance(name, str) else "" for name in names]
        while told and not told[-1]:
            told.pop()
        return each.number if isinstance(each.number, str) else "", tuple(told)
    return "", ()


def _require(form: DestinationForm, addressed: Addressed) -> None:
    """See that a form can name the account: what it posts to is known, and its character set has the ids."""
    if form.to_guarantor and not (addressed.guarantor_number and addressed.guarantor_name):
        raise RefusedError("payments post to the guarantor, and no message has brought the account's (GT1-2, GT1-3)")
    charset = form.outbound.charset
    ids = addressed._replace(pid_5="", guarantor_name=())
    if charset is not None and not is_encodable("".join(map(str, ids)), charset):
        raise RefusedError(f"the ids of the account cannot be written in {charset}, the destination's character set")


def store_tag(store: Store) -> str:
    """Return the tag that the ids of this store's messages carry; raises StoreError when it is lost."""
    row = store.row("SELECT value FROM meta WHERE key = 'tag'")
    if row is None:
        raise StoreError(f"{store.path}: the store has no tag; restore it from a backup")
    return str(row[0])
