"""What an FT1 says of each kind of money: type, sign and code, as the destination and its mapping have it."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import pytest
from outbound_samples import form_of, make_item, outbound
from payment_samples import make_payment

from hl7bridge.mapping.outbound import Posting
from hl7bridge.payments.destination import DestinationForm
from hl7bridge.payments.payment import PaymentKind, transaction_id
from hl7bridge.payments.posting import fee_transaction_id, lines_of, paid_transaction_id

BACK = PaymentKind.REVERSAL
GIVEN_UP = PaymentKind.ADJUSTMENT
NSF = '[outbound.nsf]\nmethods = ["NSF"]\n'


def lines(form, item):
    """Return what an item's FT1s say: type, amount and code."""
    return [(line.type, line.amount, line.code) for line in lines_of(form, item)]


def line(form, payment=None, **changes):
    """Return type and amount of a payment's own FT1."""
    return lines(form, make_item(payment, **changes))[0][:2]


def test_a_settlements_rest_is_an_adjustment_with_a_text_of_its_own():
    """And with a type, sign and code of its own where the mapping says so."""
    item = make_item(make_payment(kind=GIVEN_UP), is_settling=True)
    assert lines(form_of("[outbound]\n"), item) == [("AJ", "150.00", "AGYADJ^Agency settlement^L")]
    own = '[outbound.settlement]\ntype = "WO"\nsign = "negative"\ncode = "7200^Settled"\n'
    assert lines(form_of(own), item) == [("WO", "-150.00", "7200^Settled^L")]
    only_adjustments = '[outbound.adjustment]\nsign = "negative"\ncode = "7100"\n'
    assert lines(form_of(only_adjustments), item) == [("AJ", "-150.00", "7100^Agency settlement^L")]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[outbound]\n", ("PY", "-150.00")),
        ('[outbound.payment]\nsign = "negative"\n', ("PY", "150.00")),
        ('[outbound.payment]\ntype = "PM"\n', ("PM", "-150.00")),
        ('[outbound.reversal]\ntype = "CD"\n', ("CD", "150.00")),
        ('[outbound.reversal]\ntype = "RV"\nsign = "negative"\n', ("RV", "-150.00")),
    ],
)
def test_money_that_went_back_is_negative_or_of_another_type(text, wanted):
    """Of the payment's own type the sign tells the direction; of another, the type alone, unless the mapping says."""
    assert line(form_of(text), make_payment(kind=BACK)) == wanted
    bounced = make_payment(kind=BACK, method="NSF")
    assert line(form_of(text + NSF), bounced) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('type = "NS"\n', ("NS", "150.00")),
        ('type = "CD"\nsign = "negative"\n', ("CD", "-150.00")),
        ('type = "PY"\n', ("PY", "-150.00")),
    ],
)
def test_a_bounced_cheque_may_be_told_otherwise_than_other_reversals(text, wanted):
    """By the agency's method; a reversal with another method is told as before."""
    form = form_of(NSF + text + '[outbound.reversal]\ntype = "RV"\n')
    assert line(form, make_payment(kind=BACK, method="NSF")) == wanted
    assert line(form, make_payment(kind=BACK, method="CC")) == ("RV", "150.00")


def test_codes_are_looked_up_from_the_most_special_to_the_most_general():
    """Agency and medium, agency, medium, all; a reversal without a code of its own has the payment's."""
    text = '[outbound.payment]\ncode = "1"\ncodes = { north = "2", "north CHK" = "3", "* CC" = "4" }\n'
    form = form_of(text + NSF + '[outbound.reversal]\ncodes = { "* ACH" = "5" }\n')

    def code(agency, method, kind=PaymentKind.PAYMENT):
        return lines(form, make_item(make_payment(kind=kind, agency=agency, method=method)))[0][2].split("^")[0]

    assert [code("north", "CHK"), code("north", "CC"), code("east", "CC"), code("east", "")] == ["3", "2", "4", "1"]
    assert [code("north", "CHK", BACK), code("north", "ACH", BACK), code("east", "NSF", BACK)] == ["3", "5", "1"]
    own = DestinationForm("ehr", payment_by_agency={"north": "9"}, outbound=outbound(text))
    assert lines(own, make_item(make_payment(agency="north", method="CHK")))[0][2].startswith("9^")


def test_a_fee_is_posted_only_where_the_mapping_says_how():
    """The payment stays gross; a fee that is given back has the other sign; no fee makes no FT1."""
    payment = make_payment(fee=Decimal("37.50"))
    assert lines(form_of("[outbound]\n"), make_item(payment)) == [("PY", "150.00", "AGYPAY^Agency payment^L")]
    form = form_of('[outbound.fee]\ncode = "7900"\n')
    assert lines(form, make_item(payment))[1:] == [("AJ", "37.50", "7900^Agency fee^L")]
    assert lines(form, make_item(make_payment(kind=BACK, fee=Decimal("37.50"))))[1:] == [
        ("AJ", "-37.50", "7900^Agency fee^L")
    ]
    assert len(lines(form, make_item(make_payment()))) == 1
    posted = [each.transaction_id for each in lines_of(form, make_item(payment))]
    assert posted == ["A1B200000001", "A1B2F0000001"]


def test_a_fee_has_an_id_that_no_payment_has():
    """As long as a payment's, and told apart from all of them."""
    assert fee_transaction_id("A1B2", 71) == "A1B2F000001Z"
    assert paid_transaction_id("A1B2F000001Z") == transaction_id("A1B2", 71)
    assert paid_transaction_id(transaction_id("A1B2", 71)) is None
    assert paid_transaction_id("A1B2F1") is None


def settings(own=(), codes=(), **changes):
    """Return a destination's settings, of which those named in ``own`` are in the file."""
    code = {"payment": "AGYPAY", "adjustment": "AGYADJ", "payment_by_agency": {}, "adjustment_by_agency": {}}
    plain = {
        "name": "ehr", "version": "2.5.1", "sending_application": "A", "sending_facility": "", "processing_id": "P",
        "receiving_application": "", "receiving_facility": "", "payment_sign": "positive", "ack_mode": "original",
        "adjustment_sign": "positive", "reversal": "negative", "pid_2": "empty", "batch": "payment",
        "codes": SimpleNamespace(**code, model_fields_set=set(codes)), "model_fields_set": set(own),
    }  # fmt: skip
    return SimpleNamespace(**plain | changes)


SECTION = """
[outbound]
version = "2.3"
pid_2 = "account"
batch = "account"
[outbound.payment]
sign = "negative"
code = "1"
[outbound.adjustment]
sign = "negative"
code = "2"
[outbound.reversal]
type = "CD"
"""


def test_a_destination_takes_from_the_mapping_what_it_does_not_say_itself():
    """Version, PID-2, batches, signs, codes, reversals."""
    form = DestinationForm.of(settings(), outbound(SECTION))
    assert (form.version, form.pid_2, form.batch) == ("2.3", "account", "account")
    assert line(form) == ("PY", "-150.00")
    assert line(form, make_payment(kind=GIVEN_UP)) == ("AJ", "-150.00")
    assert line(form, make_payment(kind=BACK)) == ("CD", "150.00")


def test_what_a_destination_says_itself_wins_over_the_mapping():
    """Key by key, also where it says what is the default anyway."""
    own = ("version", "pid_2", "batch", "payment_sign", "adjustment_sign", "reversal")
    form = DestinationForm.of(settings(own, ("payment", "adjustment")), outbound(SECTION))
    assert (form.version, form.pid_2, form.batch) == ("2.5.1", "empty", "payment")
    assert lines(form, make_item()) == [("PY", "150.00", "AGYPAY^Agency payment^L")]
    assert lines(form, make_item(make_payment(kind=GIVEN_UP))) == [("AJ", "150.00", "AGYADJ^Agency adjustment^L")]
    assert line(form, make_payment(kind=BACK)) == ("PY", "-150.00")
    assert Posting.REVERSAL in form.outbound.postings
