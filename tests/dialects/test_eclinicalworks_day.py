"""eClinicalWorks, a day: v2.3, MSH-4 empty, accounts in PID-4 or PID-2, fees in FT1-22, a PDF, a merge by MRG-2."""

from dialects.scripted_day import Day, Line, Step, run_day, segment

ACCOUNT, OTHER = "TACC0001", "TACC0009"
NAME, ADDRESS = "TESTPATIENT^AURELIA^Q", "1 SAMPLE ST^APT 2^TESTVILLE^IL^60000"


def header(event, number, hour):
    """MSH-4, MSH-5 and MSH-6 are empty, MSH-9 has two parts."""
    stamp = f"20260105{hour:02}1500"
    return f"MSH|^~\\&|ECW||||{stamp}||{event}|ECWD{number:04}|P|2.3\nEVN|{event[4:]}|{stamp}\n"


def person(record="TST0001", account=ACCOUNT, **fields):
    """In ADT the account is PID-4, and PID-22 is a fee schedule."""
    return segment("PID", **({"f1": "1", "f3": record, "f4": account, "f5": NAME} | fields)) + "\n"


def payer(account=ACCOUNT):
    """In the form of DFT that is known the account is PID-2."""
    return segment("PID", f1="1", f2=account, f3="TST0001", f5=NAME) + "\n"


def fee(number, dollars, quantity="1.0"):
    """FT1-2, FT1-7, FT1-11 and FT1-12 are empty."""
    return segment(
        "FT1", f1=number, f4="20260105101500", f5="20260105101500", f6="CG", f10=quantity, f22=dollars, f25="T0001"
    )


def registered(number, hour, record, account):
    return (
        header("ADT^A04", number, hour)
        + person(record, account, f7="19710418", f8="F", f11=ADDRESS, f13="5555550143", f22="FEE2026")
        + segment("GT1", f1="1", f2="TGUA0001", f3=NAME, f5=ADDRESS, f6="5555550143", f8="19710418", f11="SEL")
        + "\nIN1|1|PLAN1|00001|SAMPLE INSURANCE"
    )


ECW = Day(
    ehr="eclinicalworks",
    steps=(
        Step("register", registered(1, 8, "TST0001", ACCOUNT)),
        Step("register the same person again, by mistake", registered(2, 9, "TST0009", OTHER)),
        Step(
            "charges: the account in PID-2, fees in FT1-22, one of them twice, and a PDF",
            header("DFT^P03", 3, 10)
            + payer()
            + segment("PV1", f2="O", f19="TAPT0007")
            + f"\n{fee('1', '185.00')}\n{fee('2', '12.50', '2.0')}\n"
            + "ZX1|6|PDF|PATHOLOGY^Pathology Report^L|SAMPLE|SU5WRU5URUQ=",
            (Line(ACCOUNT, "charges", "185.00"), Line(ACCOUNT, "charges", "25.00")),
        ),
        Step(
            "a charge on the second account, with the account in PID-4",
            header("DFT^P03", 4, 11) + person("TST0009", OTHER) + fee("1", "90.00"),
            (Line(OTHER, "charges", "90.00"),),
        ),
        Step(
            "insurance payment and contractual adjustment",
            header("DFT^P03", 5, 12)
            + payer()
            + "FT1|1|TTX0011|TB01|20260105|20260105|PY|ERA|||1|120.00\n"
            + "FT1|2|TTX0012|TB01|20260105|20260105|AJ|ERAADJ|||1|30.00",
            (Line(ACCOUNT, "payments", "120.00"), Line(ACCOUNT, "adjustments", "30.00")),
        ),
        Step(
            "a patient's card payment is taken back, and a payment of ours comes back: it is counted already",
            header("DFT^P03", 6, 13)
            + payer()
            + "FT1|1|TTX0013|TB02|20260105|20260105|PY|CARD|||1|20.00\n"
            + "FT1|2|TTX0014|TB02|20260105|20260105|PY|CARD|||1|-20.00\n"
            + "FT1|3|TTX0015|TB02|20260105|20260105|PY|AGYPAY|||1|7.00",
            (Line(ACCOUNT, "payments", "20.00"), Line(ACCOUNT, "payments", "-20.00")),
        ),
        Step(
            "update: a new address, and the appointment is over",
            header("ADT^A08", 7, 14)
            + person(f11="2 SAMPLE ST^^TESTVILLE^IL^60000")
            + segment("PV1", f2="O", f19="TAPT0007", f45="20260105113000"),
        ),
        Step(
            "the two patients are one, and so are their accounts: MRG-1 and MRG-2",
            header("ADT^A40", 8, 16) + person() + f"MRG|TST0009|{OTHER}",
            merges=(OTHER, ACCOUNT),
        ),
        Step(
            "a late charge to the number that is used no more",
            header("DFT^P03", 9, 18) + payer(OTHER) + fee("1", "10.00"),
            (Line(ACCOUNT, "charges", "10.00"),),
        ),
    ),
    account=ACCOUNT,
    paid="60.00",
    posting={
        "MSH-3": "HL7BRIDGE",
        "MSH-5": "ECW",
        "MSH-9.1": "DFT",
        "MSH-12": "2.3",
        "PID-2": ACCOUNT,
        "PID-3.1": "TST0001",
        "PID-18.1": ACCOUNT,
        "PV1-19.1": "TAPT0007",
        "FT1-6": "PY",
        "FT1-7.1": "AGYPAY",
        "FT1-11.1.1": "60.00",
    },
)


def test_a_day_of_eclinicalworks_ends_with_the_balances_of_its_own_books_and_the_payment_posted_once(tmp_path):
    """Through the real daemon, set up as docs/ehr/eclinicalworks.md says, restarted, and with the day sent again."""
    run_day(tmp_path, ECW)
