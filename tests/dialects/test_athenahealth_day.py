"""athenahealth, a day: A04, A08, A28 and A31, billing by agreement, a claim on hold, two patients merged."""

from dialects.scripted_day import Day, Line, Step, run_day, segment

ACCOUNT, OTHER = "TACC0001", "TACC0009"
NAME, ADDRESS = "TESTPATIENT^AURELIA^Q", "1 SAMPLE ST^APT 2^TESTVILLE^NY^10000"


def header(event, number, hour):
    return (
        f"MSH|^~\\&|ATHENA|NORTHGATE|HL7BRIDGE||20260105{hour:02}1500||{event}|ATHD{number:04}|P|2.5.1\n"
        f"EVN|{event[4:]}|20260105{hour:02}1500\n"
    )


def person(number="TST0001", account=ACCOUNT, **fields):
    return segment("PID", **({"f1": "1", "f3": f"{number}^^^ATHENA", "f5": NAME, "f18": account} | fields)) + "\n"


def registered(number, hour, patient, account):
    return (
        header("ADT^A04", number, hour)
        + person(patient, account, f7="19710418", f8="F", f11=ADDRESS, f13="5555550143")
        + segment("PV1", f1="1", f2="O", f19=f"V{account}")
        + "\n"
        + segment("GT1", f1="1", f3=NAME, f5=ADDRESS, f6="5555550143", f8="19710418", f11="SEL")
        + "\nIN1|1|PLAN1|00001|SAMPLE INSURANCE||||||||20260101"
    )


ATHENA = Day(
    ehr="athenahealth",
    steps=(
        Step("a person is added, without an account", header("ADT^A28", 1, 7) + person(account="", f7="19710418")),
        Step("register", registered(2, 8, "TST0001", ACCOUNT)),
        Step("register the same person again, by mistake", registered(3, 9, "TST0009", OTHER)),
        Step(
            "charges: one with FT1-11 empty, one with text in money fields that nobody reads",
            header("DFT^P03", 4, 10)
            + person()
            + "FT1|1|TTX0001||20260105|20260105|CG|T0001|||2||60.00\n"
            + "FT1|2|TTX0002||20260105|20260105|CG|T0002|||1|85.00&USD|SEE NOTE|||NONE",
            (Line(ACCOUNT, "charges", "120.00"), Line(ACCOUNT, "charges", "85.00")),
        ),
        Step(
            "a charge on the second account",
            header("DFT^P03", 5, 11) + person("TST0009", OTHER) + "FT1|1|TTX0003||20260105|20260105|CG|T0001|||1|45.00",
            (Line(OTHER, "charges", "45.00"),),
        ),
        Step(
            "insurance payment and adjustment",
            header("DFT^P03", 6, 12)
            + person()
            + "FT1|1|TTX0011|TB01|20260105|20260105|PY|INSEFT^Insurance payment|||1|100.00\n"
            + "FT1|2|TTX0012|TB01|20260105|20260105|AJ|INSADJ^Contractual|||1|25.00",
            (Line(ACCOUNT, "payments", "100.00"), Line(ACCOUNT, "adjustments", "25.00")),
        ),
        Step(
            "a patient's payment is taken back, and a payment of ours comes back: it is counted already",
            header("DFT^P03", 7, 13)
            + person()
            + "FT1|1|TTX0013|TB01|20260105|20260105|PY|PTCARD|||1|20.00\n"
            + "FT1|2|TTX0014|TB01|20260105|20260105|PY|PTCARD|||1|-20.00\n"
            + "FT1|3|TTX0015|TB01|20260105|20260105|PY|COLLAGY|||1|7.00",
            (Line(ACCOUNT, "payments", "20.00"), Line(ACCOUNT, "payments", "-20.00")),
        ),
        Step(
            "update: a new address, the visit is over, and the claim is held",
            header("ADT^A08", 8, 14)
            + person(f11="2 SAMPLE ST^^TESTVILLE^NY^10000")
            + segment("PV1", f1="1", f2="O", f19=f"V{ACCOUNT}", f41="MGRHOLD", f45="20260105113000"),
        ),
        Step(
            "the person is updated, which touches no account",
            header("ADT^A31", 9, 15) + person(account="", f13="5555550144"),
        ),
        Step(
            "the two patients are one: both accounts are now the first one's, each with its own balance",
            header("ADT^A40", 10, 16) + person(account="") + "MRG|TST0009^^^ATHENA",
        ),
        Step(
            "a late charge to the second account, under the patient's old number",
            header("DFT^P03", 11, 18) + person("TST0009", OTHER) + "FT1|1|TTX0016||20260105|20260105|CG|T0001|||1|5.00",
            (Line(OTHER, "charges", "5.00"),),
        ),
    ),
    account=ACCOUNT,
    paid="80.00",
    posting={
        "MSH-5": "ATHENA",
        "MSH-6": "NORTHGATE",
        "MSH-9.1": "DFT",
        "MSH-12": "2.5.1",
        "PID-3.1": "TST0001",
        "PID-3.4": "ATHENA",
        "PID-18.1": ACCOUNT,
        "PV1-19.1": f"V{ACCOUNT}",
        "FT1-6": "PY",
        "FT1-7.1": "COLLAGY",
        "FT1-11.1.1": "80.00",
        "FT1-11.1.2": "USD",
    },
)


def test_a_day_of_athenahealth_ends_with_the_balances_of_its_own_books_and_the_payment_posted_once(tmp_path):
    """Through the real daemon, set up as docs/ehr/athenahealth.md says, restarted, and with the day sent again."""
    run_day(tmp_path, ATHENA)
