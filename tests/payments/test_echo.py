"""What tells a payment of ours that comes back from other money of the account."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from hl7bridge.mapping.records import Entry
from hl7bridge.payments.echo import OwnPayment, Sent, Verdict, is_echo_by_content, judge_entry, read_sent
from hl7bridge.payments.forms import sample_messages
from hl7bridge.payments.message import DestinationForm
from hl7bridge.payments.payment import PaymentKind, transaction_id

DAY = dt.date(2026, 1, 15)
PLAIN = Sent("PY", Decimal("1.00"), None, None)
SENT = Sent("PY", Decimal("150.00"), DAY, "AGYPAY")
OWN = OwnPayment(7, 3, "PY", Decimal("150.00"), SENT)
CREDIT = OwnPayment(8, 3, "PY", Decimal("-150.00"), Sent("CD", Decimal("150.00"), DAY, "AGYPAY"))
TURNED = OWN._replace(sent=SENT._replace(amount=Decimal("-150.00")))


def entry(amount: str = "150.00", kind: str = "PY", **changes) -> Entry:
    """An entry as the feed tells it."""
    told = {"service_on": DAY, "code": "AGYPAY", "transaction_id": "EHR1"} | changes
    return Entry(kind=kind, amount=Decimal(amount), **told)


def test_what_was_sent_is_read_from_the_message_itself():
    """Type, dollars, day and code are those of its FT1, also where a destination turns signs and reverses by credit."""
    form = DestinationForm("ehr", payment_sign="negative", reversal="credit", payment_code="PYX^Text")
    sent = {kind: read_sent(text, transaction_id("TEST", 123), PLAIN) for kind, text in sample_messages(form).items()}
    assert sent[PaymentKind.PAYMENT] == ("PY", Decimal("-150.00"), DAY, "PYX")
    assert sent[PaymentKind.REVERSAL] == ("CD", Decimal("150.00"), DAY, "PYX")
    assert sent[PaymentKind.ADJUSTMENT] == ("AJ", Decimal("150.00"), DAY, "AGYADJ")


@pytest.mark.parametrize(
    "content",
    ["", "no message at all", "MSH|\rFT1|1|T1\r", "MSH|^~\\&|\rFT1|1|OTHER\r",
     "MSH|^~\\&|\rFT1|1|T1||20260115||PY|X|||1|money\r",
     "MSH|^~\\&|\rFT1|1|T1||2026||PY|X|||1|1.00\r"],
)  # fmt: skip
def test_what_is_no_such_message_tells_nothing(content):
    """Then the payment itself is all there is to compare with."""
    assert read_sent(content, "T1", PLAIN) is PLAIN


def test_a_message_without_a_code_has_none():
    """Nothing is made up for it; the unit price stands for an extended amount that is empty."""
    text = "MSH|^~\\&|\rFT1|1|T1||20260115||PY||||1||2.50\r"
    assert read_sent(text, "T1", PLAIN) == ("PY", Decimal("2.50"), DAY, None)


@pytest.mark.parametrize(
    ("told", "own", "verdict"),
    [
        (entry(), OWN, Verdict.ECHO),
        (entry(service_on=dt.date(2026, 1, 20), code=None), OWN, Verdict.ECHO),
        (entry("-150.00"), OWN, Verdict.TAKEN_BACK),
        (entry("149.99"), OWN, Verdict.DIFFERS),
        (entry(kind="AJ"), OWN, Verdict.DIFFERS),
        (entry("-150.00"), TURNED, Verdict.ECHO),
        (entry(), TURNED, Verdict.ECHO),
        (entry(kind="CD"), CREDIT, Verdict.ECHO),
        (entry("-150.00"), CREDIT, Verdict.ECHO),
        (entry("150.00"), CREDIT, Verdict.TAKEN_BACK),
        (entry("-150.00", "CD"), CREDIT, Verdict.TAKEN_BACK),
    ],
)
def test_our_id_tells_whose_it_is_and_the_rest_what_became_of_it(told, own, verdict):
    """Signs as sent and as counted are both echoes; the opposite takes it back; other dollars are for a person."""
    assert judge_entry(told, 3, own, None) is verdict


def test_a_type_of_the_sites_own_comes_back_as_its_mapping_has_it():
    """Signs and amounts are compared all the same."""
    own = CREDIT._replace(sent=CREDIT.sent._replace(kind="RV"))
    assert judge_entry(entry("-150.00"), 3, own, None) is Verdict.ECHO
    assert judge_entry(entry(kind="CG"), 3, own, None) is Verdict.DIFFERS
    assert is_echo_by_content(entry("150.00", "CD"), own)


def test_on_another_account_it_is_for_a_person():
    """Whatever the amount."""
    assert judge_entry(entry(), 4, OWN, None) is Verdict.ELSEWHERE


def test_once_it_has_come_back_the_opposite_of_that_takes_it_back():
    """Also where both signs could have been the echo."""
    assert judge_entry(entry("-150.00"), 3, TURNED, Decimal("-150.00")) is Verdict.ECHO
    assert judge_entry(entry("150.00"), 3, TURNED, Decimal("-150.00")) is Verdict.TAKEN_BACK


def test_under_the_ehrs_own_id_everything_has_to_agree():
    """Type, dollars, day and code; without a code nothing tells it from other money of that day."""
    assert is_echo_by_content(entry(), OWN)
    for other in (entry("150.01"), entry(kind="AJ"), entry(service_on=None), entry(code="CASH"), entry("-150.00")):
        assert not is_echo_by_content(other, OWN)
    assert not is_echo_by_content(entry(code=None), OWN._replace(sent=SENT._replace(code=None)))
