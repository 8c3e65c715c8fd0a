"""Recorded payments become messages: one each, or together, and nothing twice; who cannot be named is refused."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from outbound_samples import form_of
from payment_samples import NOW, TODAY, add_account, make_payment, make_store, never_due

from hl7bridge.errors import RefusedError, StoreError
from hl7bridge.ledger.ranked import Ranked
from hl7bridge.mapping.records import Guarantor
from hl7bridge.message.parse import parse_message
from hl7bridge.payments.destination import DestinationForm
from hl7bridge.payments.payment import PaymentKind
from hl7bridge.storage import posting
from hl7bridge.storage.accounts import read_account, write_ranked
from hl7bridge.storage.payments import record_payment
from hl7bridge.storage.posting import address_of, preview_payment, queue_payments
from hl7bridge.storage.readdressing import readdress_deliveries

EACH = DestinationForm("ehr")
BY_ACCOUNT = DestinationForm("ehr", batch="account")
BY_FILE = DestinationForm("ehr", batch="remittance")


@pytest.fixture
def store(tmp_path):
    made = make_store(tmp_path)
    yield made
    made.close()


def record(store, account, form, *payments):
    """Record payments and queue what posts them, in one transaction, as a file of an agency does."""
    with store.transaction():
        recorded = [
            record_payment(
                store, each, read_account(store, account.id), form, now=NOW, posted_on=TODAY, due_on=never_due
            )
            for each in payments
        ]
        queue_payments(store, form, account, recorded, posted_on=TODAY, batch_id="B260115001", now=NOW)
    return [each.payment_id for each in recorded]


def deliveries(store):
    """Return how many FT1s each delivery has, and its payments."""
    found = []
    for delivery_id, content in store.rows("SELECT id, content FROM deliveries ORDER BY id"):
        rows = store.rows("SELECT payment_id FROM delivery_payments WHERE delivery_id = ? ORDER BY 1", (delivery_id,))
        found.append((parse_message(content.encode()).count("FT1"), [row[0] for row in rows]))
    return found


def payments(*numbers):
    return [make_payment(f"CHK{number}", "10.00") for number in numbers]


def test_by_default_each_payment_has_a_message_of_its_own(store):
    """In their order."""
    record(store, add_account(store), EACH, *payments(1, 2))
    assert deliveries(store) == [(1, [1]), (1, [2])]


def test_a_file_of_an_agency_may_have_one_message_an_account(store):
    """What the next file brings has a message of its own."""
    account = add_account(store)
    record(store, account, BY_FILE, *payments(1, 2))
    record(store, account, BY_FILE, *payments(3))
    assert deliveries(store) == [(2, [1, 2]), (1, [3])]


def test_an_account_may_have_one_message_for_all_that_waits(store):
    """As long as nobody can have seen it; control id and first payment stay."""
    account = add_account(store)
    other = add_account(store, "777")
    record(store, account, BY_ACCOUNT, *payments(1, 2))
    record(store, other, BY_ACCOUNT, *payments(3))
    record(store, account, BY_ACCOUNT, *payments(4))
    assert deliveries(store) == [(3, [1, 2, 4]), (1, [3])]
    row = store.row("SELECT control_id, payment_id, content FROM deliveries ORDER BY id")
    assert row[0].endswith("000000000001")
    assert row[1] == 1
    assert parse_message(row[2].encode()).control_id == row[0]


@pytest.mark.parametrize(
    "change",
    ["status = 'sending'", "status = 'held'", "attempts = 1", "lost = 1", "last_error = 'AE'", "kind = 'other'"],
)
def test_a_message_that_somebody_may_have_seen_takes_nothing_more(store, change):
    """The next payment has its own, behind it."""
    account = add_account(store)
    record(store, account, BY_ACCOUNT, *payments(1))
    with store.transaction():
        store.execute(f"UPDATE deliveries SET {change}")
    record(store, account, BY_ACCOUNT, *payments(2))
    assert deliveries(store) == [(1, [1]), (1, [2])]


def test_a_message_of_another_form_takes_nothing_more(store):
    """The destination's settings were changed meanwhile."""
    account = add_account(store)
    record(store, account, BY_ACCOUNT, *payments(1))
    record(store, account, DestinationForm("ehr", version="2.3", batch="account"), *payments(2))
    assert deliveries(store) == [(1, [1]), (1, [2])]


def test_a_message_has_a_most(store, monkeypatch):
    """Of payments when it is built, of FT1s when more come."""
    monkeypatch.setattr(posting, "MOST_PAYMENTS", 2)
    monkeypatch.setattr(posting, "MOST_LINES", 3)
    account = add_account(store)
    record(store, account, BY_ACCOUNT, *payments(1, 2, 3, 4, 5))
    assert deliveries(store) == [(2, [1, 2]), (3, [3, 4, 5])]


def test_a_reversal_names_what_it_takes_back_and_a_settlements_rest_is_told_apart(store):
    """From the rows in the store."""
    form = form_of(
        '[outbound.settlement]\ncode = "7200"\n'
        '[[outbound.segments]]\nname = "ZPA"\nfields = { 1 = "{original_transaction_id}" }\n'
    )
    account = add_account(store)
    record(store, account, form, make_payment("CHK1"), make_payment("CHK1R", kind=PaymentKind.REVERSAL))
    first, back = (parse_message(row[0].encode()) for row in store.rows("SELECT content FROM deliveries ORDER BY id"))
    assert back.get("ZPA-1") == first.get("FT1-2")
    with store.transaction():
        (recorded,) = [
            record_payment(
                store, make_payment("S1", kind=PaymentKind.ADJUSTMENT), account, form, now=NOW, posted_on=TODAY,
                due_on=never_due,
            )
        ]  # fmt: skip
        store.execute("UPDATE payments SET settles = 1 WHERE id = ?", (recorded.payment_id,))
        queue_payments(store, form, account, [recorded], posted_on=TODAY, batch_id="B", now=NOW)
    content = store.row("SELECT content FROM deliveries ORDER BY id DESC")[0]
    assert parse_message(content.encode()).get("FT1-7.1") == "7200"


def with_guarantor(store, account, **told):
    """Give an account a guarantor."""
    with store.transaction():
        write_ranked(store, Guarantor, account.id, [Ranked(Guarantor(rank=1, **told), "", "")], 1)


TO_GUARANTOR = '[outbound]\npost_to = "guarantor"\n'


def test_payments_go_to_the_guarantor_that_is_known_first(store):
    """Number and name; an organization has only one name."""
    account = add_account(store)
    with_guarantor(store, account, number="G77", family_name="TESTPATIENT", given_name="AURELIA")
    record(store, account, form_of(TO_GUARANTOR), make_payment())
    assert "GT1|1|G77|TESTPATIENT^AURELIA\r" in store.row("SELECT content FROM deliveries")[0]
    company = add_account(store, "777")
    with_guarantor(store, company, number="G78", organization="TEST & CO")
    assert address_of(store, company).value("guarantor_name") == "TEST \\T\\ CO"


@pytest.mark.parametrize("told", [None, {"number": "G77"}, {"family_name": "TESTPATIENT"}])
def test_a_payment_to_a_guarantor_that_nobody_told_is_refused(store, told):
    """Nothing is recorded."""
    account = add_account(store)
    if told:
        with_guarantor(store, account, **told)
    with pytest.raises(RefusedError, match="no message has brought the account's"):
        record(store, account, form_of(TO_GUARANTOR), make_payment())
    assert store.row("SELECT count(*) FROM payments")[0] == 0


def test_ids_that_the_destinations_character_set_has_not_are_refused(store):
    """A name may lose a letter; a number may not."""
    form = form_of('[outbound]\ncharset = "8859/1"\n')
    account = add_account(store, "Š1")
    with pytest.raises(RefusedError, match="cannot be written in 8859/1"):
        record(store, account, form, make_payment())
    record(store, add_account(store, "777"), form, make_payment())


def test_a_message_that_waits_is_addressed_anew_where_the_site_has_the_ids(store):
    """The note is kept with the delivery."""
    account = add_account(store)
    record(
        store, account, form_of('[[outbound.segments]]\nname = "ZPA"\nfields = { 1 = "{account}" }\n'), make_payment()
    )
    with store.transaction():
        store.execute("UPDATE accounts SET number = '888', pid_18 = '888^^^HOSP^AN' WHERE id = ?", (account.id,))
        assert readdress_deliveries(store, account.id) == 1
    message = parse_message(store.row("SELECT content FROM deliveries")[0].encode())
    assert (message.get("ZPA-1"), message.get("PID-18.1")) == ("888", "888")


def test_a_preview_is_the_message_that_is_queued_then(store):
    """Byte for byte; and nothing is written by it."""
    account = add_account(store)
    form = form_of('[outbound.fee]\ncode = "7900"\n')
    payment = make_payment(fee=Decimal("37.50"))
    with store.transaction():
        shown = preview_payment(store, form, account, payment, posted_on=TODAY, batch_id="B260115001", now=NOW)
    assert deliveries(store) == []
    record(store, account, form, payment)
    assert shown == [store.row("SELECT content FROM deliveries")[0]]


@pytest.mark.parametrize(("left", "wanted"), [(Decimal("20.00"), "20.00"), (None, "350.00"), (Decimal(0), None)])
def test_a_preview_of_a_settlement_shows_what_is_written_off_too(store, left, wanted):
    """What the agency says is left, or else the balance; nothing is left of an account that is paid."""
    account = add_account(store)
    payment = make_payment(is_settlement=True, left=left, trust_on=dt.date(2026, 1, 15))
    shown = preview_payment(store, EACH, account, payment, posted_on=TODAY, batch_id="B", now=NOW)
    amounts = [parse_message(each.encode()).get("FT1-11.1.1") for each in shown]
    assert amounts == ["150.00"] + ([wanted] if wanted else [])


def test_a_preview_of_a_reversal_names_the_payment_that_it_takes_back(store):
    """When the store has it."""
    account = add_account(store)
    form = form_of('[[outbound.segments]]\nname = "ZPA"\nfields = { 1 = "{original_transaction_id}" }\n')
    record(store, account, form, make_payment("CHK1"))
    back = make_payment("CHK1R", kind=PaymentKind.REVERSAL, reversal_of="CHK1")
    (shown,) = preview_payment(store, form, account, back, posted_on=TODAY, batch_id="B", now=NOW)
    assert parse_message(shown.encode()).get("ZPA-1") == store.row("SELECT transaction_id FROM payments")[0]


def test_a_store_without_its_tag_posts_nothing(store):
    """Its payments could not be told from another store's."""
    account = add_account(store)
    with store.transaction():
        store.execute("DELETE FROM meta WHERE key = 'tag'")
    with pytest.raises(StoreError, match="no tag"):
        record(store, account, EACH, make_payment())
