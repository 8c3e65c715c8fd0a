"""Oracle Health, a day: FIN in PID-18, alias pools, nulls by habit, MSH-10 of 29 characters, a visit moved."""

from dialects.scripted_day import Day, Line, Step, run_day, segment

FIN, OTHER_FIN = "9100001", "9100002"
# The pools of PID-3 have no types; PID-2 has the number of the encounter's facility.
PATIENT = {"f2": "700101^^^GH MRN^MRN^GH01", "f3": "2500001^^^NG MRN~700101^^^GH MRN~5550001^^^EMPI"}
OTHER_PATIENT = {"f2": "700102^^^GH MRN^MRN^GH01", "f3": "2500002^^^NG MRN~700102^^^GH MRN~5550002^^^EMPI"}
NAME, ADDRESS = "TESTPATIENT^AURELIA^Q^^^^Current", "1 SAMPLE ST^APT 2^TESTVILLE^IL^60000^USA^HOME"
PHONES = "(555)555-0143^HOME~(555)555-0144^A@SAMPLE.EXAMPLE^EMAIL"


def header(event, number, hour, *, processing_id="P", version="2.3", has_evn=True):
    """MSH-10 is longer than HL7's 20 characters; MSH-11, EVN or EVN-1 may be missing."""
    at = f"20260105{hour:02}1500"
    control_id = f"Q{1000000000 + number}T{2000000000 + number}X{300000 + number}"
    text = (
        f"MSH|^~\\&|MILL|GOODHOPE|HL7BRIDGE|AGENCY|{at}||{event}|{control_id}|{processing_id}|{version}||||||8859/1\n"
    )
    return text + (f"EVN||{at}\n" if has_evn else "")


def person(patient=None, fin=FIN, **fields):
    nulls = dict.fromkeys(("f26", "f27", "f28", "f29", "f30"), '""')
    own = (patient or PATIENT) | {"f5": NAME, "f18": fin and f"{fin}^^^GH FIN^FIN NBR^GH01"}
    return segment("PID", f1="1", **(own | nulls | fields)) + "\n"


def visit(number="8200001", **fields):
    said = {"f2": "Outpatient", "f19": f"{number}^0^^^Visit Id", "f41": "Active", "f44": "20260105101500"}
    return segment("PV1", f1="1", **(said | fields)) + "\n"


def registered(number, hour, patient, fin, visit_number):
    return (
        header("ADT^A04", number, hour, processing_id="")
        + person(patient, fin, f7="19710418", f8="F", f11=ADDRESS, f13=PHONES)
        + visit(visit_number, f20="Self Pay")
        + segment("GT1", f1="1", f3=NAME, f5=ADDRESS, f6="(555)555-0143", f8="19710418", f11="SELF")
        + "\nIN1|1|3001^SAMPLE PLAN|4001|SAMPLE INSURANCE"
    )


CERNER = Day(
    ehr="cerner",
    steps=(
        Step("register, with an empty MSH-11", registered(1, 8, PATIENT, FIN, "8200001")),
        Step("register the same person again, by mistake", registered(2, 9, OTHER_PATIENT, OTHER_FIN, "8200002")),
        Step(
            "charges in v2.4: FT1-2 empty, a text in FT1-15, the price in FT1-12 or FT1-22",
            header("DFT^P03", 3, 10, version="2.4")
            + person()
            + visit()
            + "FT1|1||815001|20260105045244|20260105|CG|T0001||700101|2||40.00|GH||SAMPLETEXT|GH\n"
            + "FT1|2||815001|20260105050000|20260105|CG|T0002||700101|1|||GH||SAMPLETEXT|GH||||||1170.00|6040^Cerner",
            (Line(FIN, "charges", "80.00"), Line(FIN, "charges", "1170.00")),
        ),
        Step(
            "a charge on the second FIN, and one that is credited",
            header("DFT^P03", 4, 11)
            + person(OTHER_PATIENT, OTHER_FIN)
            + visit("8200002")
            + "FT1|1|61004||20260105|20260105|CG|T0003|||1|150.00&USD\n"
            + "FT1|2|61005||20260105|20260105|CG|T0003|||1|75.00\n"
            + "FT1|3|61006||20260105|20260105|CD|T0003|||1|75.00",
            (
                Line(OTHER_FIN, "charges", "150.00"),
                Line(OTHER_FIN, "charges", "75.00"),
                Line(OTHER_FIN, "adjustments", "75.00"),
            ),
        ),
        Step(
            "insurance payment, contractual adjustment and a co-payment",
            header("DFT^P03", 5, 12)
            + person()
            + visit()
            + "FT1|1|61007|B0105|20260105|20260105|PY|INSPMT01|||1|800.00\n"
            + "FT1|2|61008|B0105|20260105|20260105|AJ|INSADJ01|||1|200.00\n"
            + "FT1|3|61009|B0105|20260105|20260105|CO|PATPMT01|||1|25.00",
            (Line(FIN, "payments", "800.00"), Line(FIN, "adjustments", "200.00"), Line(FIN, "payments", "25.00")),
        ),
        Step(
            "update, with nulls where nothing is known",
            header("ADT^A08", 6, 13)
            + person(f11="2 SAMPLE ST^^TESTVILLE^IL^60000^USA^HOME")
            + visit(f20="5M^20260105"),
        ),
        Step(
            "discharge, without EVN",
            header("ADT^A03", 7, 14, has_evn=False) + person() + visit(f36="01", f41="DIS", f45="20260105134500"),
        ),
        Step(
            "the two patients are one",
            header("ADT^A40", 8, 15) + person(fin="") + "MRG|700102^^^GH MRN^MRN",
        ),
        Step(
            "the visit moves to the first FIN",
            header("ADT^A45", 9, 16)
            + person()
            + f"MRG|700101^^^GH MRN^MRN||{OTHER_FIN}^^^GH FIN^FIN NBR||8200002^0^^^Visit Id\n"
            + visit("8200002"),
            merges=(OTHER_FIN, FIN),
        ),
    ),
    account=FIN,
    paid="125.00",
    posting={
        "MSH-5": "MILL",
        "MSH-6": "GOODHOPE",
        "MSH-9.2": "P03",
        "MSH-12": "2.4",
        "PID-3.1": "2500001",
        "PID-3(2).1": "700101",
        "PID-3(2).4": "GH MRN",
        "PID-18.1": FIN,
        "PID-18.4": "GH FIN",
        "PID-18.5": "FIN NBR",
        "PID-18.6": "GH01",
        "PV1-2": "O",
        "PV1-19.1": "8200001",
        "PV1-19.5": "Visit Id",
        "FT1-6": "PY",
        "FT1-7.1": "AGYPAY",
        "FT1-11.1.1": "125.00",
    },
)


def test_a_day_of_oracle_health_ends_with_the_balances_of_its_own_books_and_the_payment_posted_once(tmp_path):
    """Through the real daemon, set up as docs/ehr/cerner.md says, restarted, and with the whole day sent again."""
    run_day(tmp_path, CERNER)
