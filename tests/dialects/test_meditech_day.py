"""MEDITECH, a day: times without seconds, charges in whole cents in ZF2, receipts by mnemonic, all within minutes."""

from dialects.scripted_day import Day, Line, Step, run_day, segment

ACCOUNT, OTHER_ACCOUNT = "G00010001", "G00010002"
PATIENT = "M000101^^^GH.MRN^MR~E000101^^^GH.EMR^PI"
OTHER_PATIENT = "M000102^^^GH.MRN^MR~E000102^^^GH.EMR^PI"
NAME, ADDRESS = "TESTPATIENT^AURELIA^Q", "1 SAMPLE ST^APT 2^TESTVILLE^IL^60000"


def header(application, event, number, minute):
    """MSH-7 and EVN-2 end with the minute."""
    at = f"2026010508{minute:02}"
    names = f"{application}|GOODHOPE|HL7BRIDGE|AGENCY"
    return f"MSH|^~\\&|{names}|{at}||{event}|{30000 + number}|P|2.4\nEVN|{event[4:]}|{at}\n"


def person(patient=PATIENT, account=ACCOUNT, **fields):
    return segment("PID", f1="1", **({"f3": patient, "f5": NAME, "f18": account} | fields)) + "\n"


def visit(account=ACCOUNT, **fields):
    return segment("PV1", f1="1", **({"f2": "O", "f19": account, "f44": "202601050810"} | fields)) + "\n"


def registered(number, minute, patient, account):
    return (
        header("ADM", "ADT^A04", number, minute)
        + person(patient, account, f7="197104180000", f8="F", f11=ADDRESS, f13="(555)555-0143")
        + visit(account, f20="COMM")
        + segment("GT1", f1="1", f3=NAME, f5=ADDRESS, f6="(555)555-0143", f8="197104180000", f11="SELF")
        + "\nIN1|1|SAMPLEPPO|SAMPLEINS|SAMPLE INSURANCE"
    )


MEDITECH = Day(
    ehr="meditech",
    steps=(
        Step("register", registered(1, 10, PATIENT, ACCOUNT)),
        Step("register the same person again, by mistake", registered(2, 10, OTHER_PATIENT, OTHER_ACCOUNT)),
        Step(
            "ancillary charges: no FT1-2, no FT1-11, whole cents in the ZF2 of each, a copay that is no payment",
            header("BILLING", "DFT^P03", 3, 11)
            + person()
            + "FT1|1||BATCH01|20260105|20260105|CG|TCHG1\nZF1|55501|SAMPLEGRP|1500|2500|1000|5000\n"
            + "ZF2|1|55501|20260105|TCHG1|1|8000|2500|5500\n"
            + "FT1|2||BATCH01|20260105|20260105|CG|TCHG2\nZF2|2|55501|20260105|TCHG2|1|117000||117000",
            (Line(ACCOUNT, "charges", "80.00"), Line(ACCOUNT, "charges", "1170.00")),
        ),
        Step(
            "a charge on the second account, in dollars",
            header("BILLING", "DFT^P03", 4, 11)
            + person(OTHER_PATIENT, OTHER_ACCOUNT)
            + "FT1|1||BATCH01|20260105|20260105|CG|TCHG3|||1|150.00",
            (Line(OTHER_ACCOUNT, "charges", "150.00"),),
        ),
        Step(
            "insurance receipt and adjustment, and the same receipt twice in one message is two receipts",
            header("BAR", "DFT^P03", 5, 12)
            + person()
            + "FT1|1|80005|BATCH02|20260105|20260105|PY|RCPT.BC|||1|800.00\n"
            + "FT1|2|80006|BATCH02|20260105|20260105|AJ|ADJ.BC|||1|200.00\n"
            + "FT1|3|80007|BATCH02|20260105|20260105|PY|RCPT.CASH|||1|10.00\n"
            + "FT1|4|80008|BATCH02|20260105|20260105|PY|RCPT.CASH|||1|10.00",
            (
                Line(ACCOUNT, "payments", "800.00"),
                Line(ACCOUNT, "adjustments", "200.00"),
                Line(ACCOUNT, "payments", "10.00"),
                Line(ACCOUNT, "payments", "10.00"),
            ),
        ),
        Step(
            "one of them is taken back, and an agency payment of ours comes back and counts for nothing",
            header("BAR", "DFT^P03", 6, 12)
            + person()
            + "FT1|1|80009|BATCH03|20260105|20260105|PY|RCPT.CASH|||1|-10.00|SAMPLETEXT\n"
            + "FT1|2|80010|BATCH03|20260105|20260105|PY|RCPT.AGY|||1|99.00",
            (Line(ACCOUNT, "payments", "-10.00"),),
        ),
        Step(
            "update in the minute of the registration of the other",
            header("ADM", "ADT^A08", 7, 13) + person(f11="2 SAMPLE ST^^TESTVILLE^IL^60000") + visit(f20="SP"),
        ),
        Step("discharge", header("ADM", "ADT^A03", 8, 13) + person() + visit(f45="202601050813")),
        Step(
            "patient and account of the second registration become those of the first, in one message",
            header("ADM", "ADT^A36", 9, 14) + person() + f"MRG|{OTHER_PATIENT}||{OTHER_ACCOUNT}",
            merges=(OTHER_ACCOUNT, ACCOUNT),
        ),
        Step("billing ends the account", header("BAR", "BAR^P06", 10, 15) + person() + visit()),
    ),
    account=ACCOUNT,
    paid="390.00",
    posting={
        "MSH-5": "BAR",
        "MSH-6": "GOODHOPE",
        "MSH-12": "2.3",
        "PID-3.1": "M000101",
        "PID-3.4": "GH.MRN",
        "PID-3(2).1": "E000101",
        "PID-18": ACCOUNT,
        "PV1-2": "O",
        "PV1-19": ACCOUNT,
        "FT1-6": "PY",
        "FT1-7.1": "RCPT.AGY",
        "FT1-11.1.1": "390.00",
    },
)


def test_a_day_of_meditech_ends_with_the_balances_of_its_own_books_and_the_payment_posted_once(tmp_path):
    """Through the real daemon, set up as docs/ehr/meditech.md says, restarted, and with the whole day sent again."""
    run_day(tmp_path, MEDITECH)
