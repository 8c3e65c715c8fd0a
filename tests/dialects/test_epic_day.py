"""Epic, a day: HAR in PID-18, CSN in PV1-19, no EVN, FT1-2 empty in charges, two patients and two accounts merged."""

from dialects.scripted_day import Day, Line, Step, run_day, segment

HAR, OTHER_HAR = "4000010001", "4000010002"
PATIENT = "E55501^^^EPI^EPI~777000101^^^GHMRN^MR"
OTHER_PATIENT = "E55502^^^EPI^EPI~777000102^^^GHMRN^MR"
NAME, ADDRESS = "TESTPATIENT^AURELIA^Q", "1 SAMPLE ST^APT 2^TESTVILLE^IL^60000^USA"


def header(event, number, hour):
    """MSH-8 has the user, MSH-15 and MSH-16 are empty, MSH-9 has two parts."""
    return (
        f"MSH|^~\\&|EPIC|GOODHOPE|HL7BRIDGE|AGENCY|20260105{hour:02}1500-0600|REGUSER|{event}|9{number:06}|P|2.3\n"
        + ("" if event.startswith("DFT") else f"EVN|{event[4:]}|20260105{hour:02}1500-0600\n")
    )


def person(patient=PATIENT, har=HAR, **fields):
    return segment("PID", **({"f3": patient, "f5": NAME, "f18": har and f"{har}^^^GHHAR^HAR"} | fields)) + "\n"


def visit(csn="5000010001", **fields):
    return segment("PV1", f2="O", **({"f19": f"{csn}^^^GHCSN^CSN", "f44": "20260105101500-0600"} | fields)) + "\n"


def registered(number, hour, patient, har, csn, financial_class="COM"):
    return (
        header("ADT^A04", number, hour)
        + person(patient, har, f7="19710418", f8="F", f11=ADDRESS, f13="(555)555-0143")
        + visit(csn, f20=financial_class)
        + segment("GT1", f1="1", f2="88001", f3=NAME, f5=ADDRESS, f6="(555)555-0143", f8="19710418", f11="SEL")
        + "\nIN1|1|1001^SAMPLE PLAN|2001|SAMPLE INSURANCE"
    )


EPIC = Day(
    ehr="epic",
    steps=(
        Step("register", registered(1, 8, PATIENT, HAR, "5000010001")),
        Step("register the same person again, by mistake", registered(2, 9, OTHER_PATIENT, OTHER_HAR, "5000010002")),
        Step(
            "charges: FT1-2 empty, one FT1-3 for both, a text in FT1-15, the price in FT1-12 or FT1-22",
            header("DFT^P03", 3, 10)
            + person()
            + visit()
            + "FT1|1||803001|20260105113321|20260105|CG|T0001||777000101|2||40.00|DEPT||SAMPLETEXT\n"
            + "FT1|2||803001|20260105113321|20260105|CG|T0002||777000101|1|||DEPT||SAMPLETEXT|||||||1170.00",
            (Line(HAR, "charges", "80.00"), Line(HAR, "charges", "1170.00")),
        ),
        Step(
            "a charge on the second account, with ZPA and NTE after it",
            header("DFT^P03", 4, 11)
            + person(OTHER_PATIENT, OTHER_HAR)
            + visit("5000010002")
            + "FT1|1|70004||20260105|20260105|CG|T0003|||1|150.00&USD\nZPA|1|SAMPLE\nNTE|1||SAMPLE NOTE",
            (Line(OTHER_HAR, "charges", "150.00"),),
        ),
        Step(
            "insurance payment and contractual adjustment",
            header("DFT^P03", 5, 12)
            + person()
            + "FT1|1|70005|B0105|20260105|20260105|PY|1101^Insurance payment|||1|800.00\n"
            + "FT1|2|70006|B0105|20260105|20260105|AJ|1102^Contractual adjustment|||1|200.00",
            (Line(HAR, "payments", "800.00"), Line(HAR, "adjustments", "200.00")),
        ),
        Step(
            "a patient payment, and the cheque bounces: PY below zero",
            header("DFT^P03", 6, 13)
            + person()
            + "FT1|1|70007|B0105|20260105|20260105|PY|2101|||1|25.00\n"
            + "FT1|2|70008|B0105|20260105|20260105|PY|2101|||1|-25.00",
            (Line(HAR, "payments", "25.00"), Line(HAR, "payments", "-25.00")),
        ),
        Step(
            "update, with what the account stands at",
            header("ADT^A08", 7, 14)
            + person(f11="2 SAMPLE ST^^TESTVILLE^IL^60000^USA")
            + visit(f20="SP", f46="250.00", f47="1250.00", f48="200.00", f49="800.00", f51="A"),
        ),
        Step("discharge", header("ADT^A03", 8, 15) + person() + visit(f36="01", f45="20260105154500-0600")),
        Step(
            "the two patients are one",
            header("ADT^A40", 9, 16) + person(har="") + f"MRG|{OTHER_PATIENT}",
        ),
        Step(
            "and so are their accounts",
            header("ADT^A41", 10, 17) + person() + f"MRG|{PATIENT}||{OTHER_HAR}^^^GHHAR^HAR",
            merges=(OTHER_HAR, HAR),
        ),
        Step(
            "a late charge to the number that is used no more",
            header("DFT^P03", 11, 18)
            + person(OTHER_PATIENT, OTHER_HAR)
            + "FT1|1|70009||20260105|20260105|CG|T0003|||1|10.00",
            (Line(HAR, "charges", "10.00"),),
        ),
    ),
    account=HAR,
    paid="150.00",
    posting={
        "MSH-3": "HL7BRIDGE",
        "MSH-5": "EPIC",
        "MSH-6": "GOODHOPE",
        "MSH-9.1": "DFT",
        "MSH-9.2": "P03",
        "MSH-12": "2.3",
        "PID-3.1": "E55501",
        "PID-3(2).1": "777000101",
        "PID-3(2).4": "GHMRN",
        "PID-18.1": HAR,
        "PID-18.4": "GHHAR",
        "PID-18.5": "HAR",
        "PV1-19.1": "5000010001",
        "PV1-19.5": "CSN",
        "FT1-6": "PY",
        "FT1-7.1": "AGYPAY",
        "FT1-11.1.1": "150.00",
        "FT1-11.1.2": "USD",
    },
)


def test_a_day_of_epic_ends_with_the_balances_of_its_own_books_and_the_payment_posted_once(tmp_path):
    """Through the real daemon, set up as docs/ehr/epic.md says, restarted, and with the whole day sent again."""
    run_day(tmp_path, EPIC)
