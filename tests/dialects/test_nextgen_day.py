"""NextGen behind Mirth, a day: times to the millisecond, its own words in FT1-6, NE/NE, and Mirth's own replies."""

import pytest
from dialects.scripted_day import Day, Line, Step, run_day, segment

from hl7bridge.delivery.policy import DeliveryRules
from hl7bridge.delivery.verdict import Outcome, judge_reply

ACCOUNT, OTHER = "TACC0001", "TACC0009"
NAME, ADDRESS = "TESTPATIENT^AURELIA^Q", "1 SAMPLE ST^APT 2^TESTVILLE^IL^60000"


def header(event, number, hour):
    """MSH-3 and MSH-4 in several components, times to the millisecond, no reply asked for."""
    stamp = f"20260105{hour:02}1500.{number:03}"
    return (
        f"MSH|^~\\&|NEXTGEN^1.2.3^ISO|NORTHGATE^2.3.4^ISO|HL7BRIDGE||{stamp}||{event}|{stamp[:14]}{number:03}|P|2.4|||NE|NE\n"
        f"EVN|{event[4:]}|{stamp}\n"
    )


def person(number="TST0001", account=ACCOUNT, **fields):
    account = account and f"{account}^^^NGPM^AN"
    return segment("PID", **({"f1": "1", "f3": f"{number}^^^NGPM^MR", "f5": NAME, "f18": account} | fields)) + "\n"


def visit(number="TENC0001", **fields):
    return segment("PV1", **({"f1": "1", "f2": "O", "f19": number} | fields)) + "\n"


def registered(number, hour, patient, account, encounter):
    return (
        header("ADT^A04", number, hour)
        + person(patient, account, f7="19710418", f8="F", f11=ADDRESS, f13="5555550143")
        + visit(encounter, f20="COM", f44="20260105081500.123")
        + segment("GT1", f1="1", f2="TGUA0001", f3=NAME, f5=ADDRESS, f6="5555550143", f8="19710418", f11="SEL")
        + "\nIN1|1|PLAN1|00001|SAMPLE INSURANCE"
    )


NEXTGEN = Day(
    ehr="nextgen",
    steps=(
        Step("register", registered(1, 8, "TST0001", ACCOUNT, "TENC0001")),
        Step("register the same person again, by mistake", registered(2, 9, "TST0009", OTHER, "TENC0009")),
        Step(
            "charges: money with its currency, and FT1-11 empty with a price in FT1-22",
            header("DFT^P03", 3, 10)
            + person()
            + visit()
            + "FT1|1|TTX0001||20260105101500.123|20260105|C|T0001|||1|150.00^USD\n"
            + segment("FT1", f1="2", f2="TTX0002", f4="20260105", f6="C", f7="T0002", f10="2", f22="32.50"),
            (Line(ACCOUNT, "charges", "150.00"), Line(ACCOUNT, "charges", "65.00")),
        ),
        Step(
            "a charge on the second account",
            header("DFT^P03", 4, 11)
            + person("TST0009", OTHER)
            + visit("TENC0009")
            + "FT1|1|TTX0003||20260105|20260105|C|T0003|||1|40|PER DAY",
            (Line(OTHER, "charges", "40.00"),),
        ),
        Step(
            "insurance payment, write-off and co-payment",
            header("DFT^P03", 5, 12)
            + person()
            + "FT1|1|TTX0011|TB01|20260105|20260105|P|INS PAYMENT|||1|90.00\n"
            + "FT1|2|TTX0012|TB01|20260105|20260105|A|INS WRITE-OFF|||1|30.00\n"
            + "FT1|3|TTX0013|TB01|20260105|20260105|CO|PAT PAYMENT|||1|15.00",
            (
                Line(ACCOUNT, "payments", "90.00"),
                Line(ACCOUNT, "adjustments", "30.00"),
                Line(ACCOUNT, "payments", "15.00"),
            ),
        ),
        Step(
            "the co-payment goes back, and a payment of ours comes back: it is counted already",
            header("DFT^P03", 6, 13)
            + person()
            + "FT1|1|TTX0014|TB01|20260105|20260105|CO|PAT PAYMENT|||1|-15.00\n"
            + "FT1|2|TTX0015|TB01|20260105|20260105|P|AGYPAY|||1|7.00",
            (Line(ACCOUNT, "payments", "-15.00"),),
        ),
        Step(
            "update, with what the account stands at",
            header("ADT^A08", 7, 14)
            + person(f11="2 SAMPLE ST^^TESTVILLE^IL^60000")
            + visit(f20="SP", f46="95.00", f47="215.00", f48="30.00", f49="90.00", f51="A"),
        ),
        Step("the encounter ends", header("ADT^A03", 8, 15) + person() + visit(f36="01", f45="20260105154500")),
        Step("the two patients are one", header("ADT^A40", 9, 16) + person(account="") + "MRG|TST0009^^^NGPM^MR"),
        Step(
            "and so are their accounts",
            header("ADT^A41", 10, 17) + person() + f"MRG|TST0001^^^NGPM^MR||{OTHER}^^^NGPM^AN",
            merges=(OTHER, ACCOUNT),
        ),
        Step(
            "a late charge to the number that is used no more",
            header("DFT^P03", 11, 18) + person("TST0009", OTHER) + "FT1|1|TTX0016||20260105|20260105|C|T0003|||1|10.00",
            (Line(ACCOUNT, "charges", "10.00"),),
        ),
    ),
    account=ACCOUNT,
    paid="145.00",
    posting={
        "MSH-5": "NEXTGEN",
        "MSH-6": "NORTHGATE",
        "MSH-9.1": "DFT",
        "MSH-12": "2.4",
        "MSH-15": "Empty.ABSENT",
        "MSH-16": "Empty.ABSENT",
        "PID-3.1": "TST0001",
        "PID-18.1": ACCOUNT,
        "PID-18.4": "NGPM",
        "PV1-19.1": "TENC0001",
        "FT1-6": "PY",
        "FT1-7.1": "AGYPAY",
        "FT1-11.1.1": "145.00",
    },
)


def test_a_day_of_nextgen_ends_with_the_balances_of_its_own_books_and_the_payment_posted_once(tmp_path):
    """Through the real daemon, set up as docs/ehr/nextgen.md says: every message is answered, though MSH-16 says NE."""
    run_day(tmp_path, NEXTGEN)


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (
            "MSH|^~\\&|NEXTGEN|NORTHGATE|HL7BRIDGE||20260105101500.123||ACK|20260105101500.123|P|2.4\rMSA|AA|HB1",
            "ACCEPTED",
        ),
        ("MSH|^~\\&|||||20260105101500.123||ACK^P03|20260105101500.123|P|2.4\rMSA|AE|HB1|An error occurred", "HELD"),
        ("MSH|^~\\&|ECW||HL7BRIDGE||20260105101500||ACK|1|P|2.3\rMSA|AA|HB1", "ACCEPTED"),
    ],
)
def test_replies_as_mirth_makes_them_and_one_without_an_event_are_understood(reply, outcome):
    """Other version than was sent, the time as MSH-10, MSH-9 of one part, no ERR."""
    verdict, _ = judge_reply(reply.encode(), "HB1", DeliveryRules().meanings)
    assert verdict.outcome is Outcome[outcome]
