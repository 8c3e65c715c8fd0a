"""A payment's DFT^P03 is what the standard and the destination's settings say, and its EHR can tell whose it is."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from types import SimpleNamespace

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st
from payment_samples import NOW, TODAY, make_payment

from hl7bridge.message.parse import parse_message
from hl7bridge.payments.forms import check_form, sample_messages
from hl7bridge.payments.message import VERSIONS, Addressed, DestinationForm, Identifiers, build_payment_message
from hl7bridge.payments.payment import PaymentKind

ADDRESSED = Addressed(
    pid_3="100234^^^HOSP&1.2.3&ISO^MR~5550199^^^OTHER^PI",
    pid_5="O\\T\\TEST^AURELIA^Q",
    pid_18="5027440^^^HOSP^AN",
    pv1_19="V889912^^^HOSP^VN",
    pv1_50="A77^^^HOSP^VN",
    patient_class="O",
    account_number="5027440",
)
IDENTIFIERS = Identifiers("HBA1B2000000000071", "A1B20000001Z", "B260115001")


def build(payment=None, *, addressed=ADDRESSED, form=None, **settings):
    return build_payment_message(
        form or DestinationForm("ehr", **settings),
        payment or make_payment(),
        addressed,
        IDENTIFIERS,
        posted_on=TODAY,
        at=NOW,
    )


def field(text, path):
    segment, number = path.split("-")
    return str(hl7.parse(text).segment(segment)(int(number)))


def test_the_message_of_the_guide():
    """Character for character."""
    assert build(sending_facility="AGENCY01", receiving_application="PATACCT", receiving_facility="HOSP").split(
        "\r"
    ) == [
        "MSH|^~\\&|HL7BRIDGE|AGENCY01|PATACCT|HOSP|20260115163000+0000||DFT^P03^DFT_P03|HBA1B2000000000071|P|2.5.1",
        "EVN|P03|20260115163000+0000",
        "PID|1||100234^^^HOSP&1.2.3&ISO^MR~5550199^^^OTHER^PI||O\\T\\TEST^AURELIA^Q|||||||||||||5027440^^^HOSP^AN",
        "PV1|1|O|||||||||||||||||V889912^^^HOSP^VN" + "|" * 31 + "A77^^^HOSP^VN",
        "FT1|1|A1B20000001Z|B260115001|20260114|20260115|PY|AGYPAY^Agency payment^L|||1|150.00&USD|150.00&USD"
        + "|" * 18
        + "CHK1^^^sample",
        "",
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_each_form_conforms_strictly_in_each_version(version):
    """Payment, adjustment and reversal, with each convention."""
    assert check_form(DestinationForm("ehr", version=version)) == []
    other = DestinationForm(
        "ehr",
        version=version,
        payment_sign="negative",
        adjustment_sign="negative",
        reversal="credit",
        sending_facility="AGENCY01^1.2.3^ISO",
        payment_code="AGYCHK^Agency payment - check",
    )
    assert check_form(other) == []


def test_a_form_that_does_not_conform_is_named_by_kind_and_place():
    """A processing id that is no table value of the standard's type, say."""
    found = check_form(DestinationForm("ehr", sending_application="A^B^C^D^E"))
    assert found
    assert found[0].startswith("payment: MSH-3")


def test_a_version_without_a_form_is_refused():
    """The versions there are forms for are named."""
    assert check_form(DestinationForm("ehr", version="2.1")) == ["version: expected one of 2.3, 2.3.1, 2.4, 2.5, 2.5.1"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_third_party_reads_what_was_meant(version):
    """python-hl7 and our own reader agree on amount, account and patient, in every version."""
    text = build(version=version)
    assert field(text, "FT1-11") == "150.00&USD"
    assert field(text, "PID-18") == ADDRESSED.pid_18
    assert field(text, "PID-3") == ADDRESSED.pid_3
    assert field(text, "PID-5") == ADDRESSED.pid_5
    assert field(text, "PV1-19") == ADDRESSED.pv1_19
    assert field(text, "PV1-50") == ADDRESSED.pv1_50
    message = parse_message(text.encode())
    assert message.get("FT1-11.1.1") == "150.00"
    assert message.get("PID-5.1") == "O&TEST"
    assert message.get("PID-3(2).1") == "5550199"


@pytest.mark.parametrize("version", VERSIONS)
def test_what_came_with_2_5_is_left_out_before(version):
    """MSH-9.3 and FT1-30."""
    text = build(version=version)
    is_new = version.startswith("2.5")
    assert (field(text, "MSH-9") == "DFT^P03^DFT_P03") is is_new
    assert ("CHK1^^^sample" in text) is is_new


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, [("PY", "150.00"), ("AJ", "150.00"), ("PY", "-150.00")]),
        ({"payment_sign": "negative"}, [("PY", "-150.00"), ("AJ", "150.00"), ("PY", "150.00")]),
        ({"adjustment_sign": "negative"}, [("PY", "150.00"), ("AJ", "-150.00"), ("PY", "-150.00")]),
        ({"reversal": "credit"}, [("PY", "150.00"), ("AJ", "150.00"), ("CD", "150.00")]),
        ({"reversal": "credit", "payment_sign": "negative"}, [("PY", "-150.00"), ("AJ", "150.00"), ("CD", "150.00")]),
    ],
)
def test_signs_are_the_destinations(settings, wanted):
    """HL7 has no rule; a site's convention is a setting."""
    texts = [build(make_payment(kind=kind), **settings) for kind in PaymentKind]
    found = [(field(text, "FT1-6"), field(text, "FT1-11").partition("&")[0]) for text in texts]
    assert found == wanted


def test_codes_are_the_destinations_and_may_bring_their_text():
    """FT1-7 is code, text and coding system L."""
    form = DestinationForm("ehr", payment_code="7001", adjustment_code="7002^Settlement & rest^99SITE")
    texts = [field(text, "FT1-7") for text in sample_messages(form).values()]
    rest = "7002^Settlement \\T\\ rest^99SITE"
    assert texts == ["7001^Agency payment^L", rest, rest, "7001^Agency payment reversal^L"]


def test_an_agency_may_have_codes_of_its_own():
    """Senders that tell agencies apart by the code alone; what is not listed has the code for all."""
    codes = {"payment_by_agency": {"north": "7101"}, "adjustment_by_agency": {"north": "7102^Settled"}}
    found = [
        field(build(make_payment(kind=kind, agency=agency), **codes), "FT1-7").partition("^")[0]
        for agency in ("north", "sample")
        for kind in PaymentKind
    ]
    assert found == ["7101", "7102", "7101", "AGYPAY", "AGYADJ", "AGYPAY"]


def test_pid_2_is_the_account_where_a_destination_wants_it_there():
    """As plain text, escaped; empty for all others."""
    account = ADDRESSED._replace(account_number="50|27")
    assert field(build(addressed=account, pid_2="account"), "PID-2") == "50\\F\\27"
    assert field(build(addressed=account), "PID-2") == ""


def test_free_text_cannot_break_a_field():
    """What an agency calls its payment is escaped."""
    text = build(make_payment("A|B^C&D~E\\F", agency="x&y"))
    assert parse_message(text.encode()).get("FT1-30.1") == "A|B^C&D~E\\F"
    assert parse_message(text.encode()).get("FT1-30.4") == "x&y"


def test_an_echoed_field_cannot_break_a_segment_or_a_block():
    """A line end that a sender put into a name is escaped, as are the framing bytes."""
    text = build(addressed=ADDRESSED._replace(pid_5="TEST\nPATIENT\x0b\x1c\r^AURELIA"))
    assert len(text.split("\r")) == 6
    assert not {"\n", "\x0b", "\x1c"} & set(text)
    assert parse_message(text.encode()).get("PID-5.1") == "TEST\nPATIENT\x0b\x1c\r"


def test_the_patient_class_is_unknown_when_the_account_has_none():
    """PV1-2 is required; U is table 0004's unknown. What the account lacks is not made up."""
    text = build(addressed=ADDRESSED._replace(patient_class="", pv1_50="", pv1_19=""))
    assert text.split("\r")[3] == "PV1|1|U"


def test_the_character_set_is_named_when_it_matters():
    """MSH-18 only for what is not ASCII, wherever it stands."""
    assert len(hl7.parse(build()).segment("MSH")) == 13
    for text in (build(addressed=ADDRESSED._replace(pid_5="PRÜFER^ÉLODIE")), build(receiving_facility="KLINIK-Ü")):
        assert field(text, "MSH-18") == "UNICODE UTF-8"
        assert parse_message(text.encode()).charset == "utf-8"
        assert parse_message(text.encode()).charset_guessed is False


def test_settings_make_a_form():
    """The configuration's own object has what a form needs."""
    codes = SimpleNamespace(
        payment="7001",
        adjustment="7002",
        payment_by_agency={"north": "7101"},
        adjustment_by_agency={"north": "7102"},
        model_fields_set=set(),
    )
    settings = SimpleNamespace(
        name="ehr",
        version="2.3",
        sending_application="A",
        sending_facility="B",
        receiving_application="C",
        receiving_facility="D",
        processing_id="T",
        pid_2="account",
        payment_sign="negative",
        adjustment_sign="positive",
        reversal="credit",
        codes=codes,
        batch="account",
        ack_mode="enhanced",
        model_fields_set=set(),
    )
    signs = ("negative", "positive", "credit")
    codes_by_agency = ({"north": "7101"}, {"north": "7102"})
    form = DestinationForm(
        "ehr", "2.3", "A", "B", "C", "D", "T", *signs, "7001", "7002", "account", *codes_by_agency, "account", True
    )
    assert DestinationForm.of(settings) == form


@given(st.decimals(Decimal("0.01"), Decimal("9999999999.99"), places=2), st.sampled_from(PaymentKind))
def test_money_is_exact(amount, kind):
    """To the cent, for any amount."""
    text = build(make_payment(amount=str(amount), kind=kind))
    assert abs(Decimal(field(text, "FT1-11").partition("&")[0])) == amount


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=40))
def test_any_text_comes_back_as_it_was(text):
    """Escaped going out, read by our own parser."""
    message = parse_message(build(make_payment(text, paid_on=dt.date(2026, 1, 1))).encode())
    assert message.get("FT1-30.1") == text or text == '""'
