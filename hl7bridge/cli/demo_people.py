"""The demo's twelve invented people -> the ADT^A04 and DFT^P03 that their EHR sends, dated from today."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Final, NamedTuple

from hl7bridge.money import ZERO

FACILITY: Final = "NORTHGATE"
_ADULT: Final = 44  # years, of every guarantor but the minor
_CHILD: Final = 12
_HEADER: Final = "MSH|^~\\&|DEMOEHR|{facility}|HL7BRIDGE|AGENCY|{at}||{event}|{control_id}|P|2.5.1"
_INSURED: Final = "IN1|1|PLAN1^SAMPLE PLAN|00001|SAMPLE INSURANCE"
# FT1-6 and FT1-7 of each kind of line. The code of a charge says what was done: it never enters the store.
_LINES: Final = {"C": ("CG", "D0001^DEMO SERVICE"), "P": ("PY", "INSPAY^Insurance payment"), "A": ("AJ", "CONTRACTUAL")}


class Line(NamedTuple):
    """One line of an account: C a charge, P an insurance payment, A a contractual adjustment, so many days ago."""

    kind: str
    days: int
    dollars: str


class Person(NamedTuple):
    """One patient, who is the guarantor unless ``relationship`` says otherwise, and what the agency will remit.

    ``is_placed`` is what the shipped rules must decide; ``story`` says why, in words.
    """

    account: str
    given: str
    story: str
    lines: tuple[Line, ...]
    is_placed: bool = False
    relationship: str = "SEL"
    age: int = _ADULT
    is_deceased: bool = False
    has_address: bool = True
    signal: tuple[str, str] | None = None
    remits: tuple[tuple[str, str], ...] = ()  # kind of payment, dollars

    @property
    def name(self) -> str:
        """Return the name as HL7 writes it."""
        return f"TESTPATIENT^{self.given}"

    def total(self, kind: str) -> Decimal:
        """Return the dollars of one kind of line."""
        return sum((Decimal(line.dollars) for line in self.lines if line.kind == kind), ZERO)

    @property
    def balance(self) -> Decimal:
        """Return what the EHR's own books say is owed before any agency collects."""
        return self.total("C") - self.total("P") - self.total("A")


PEOPLE: Final = (
    Person(
        "5027001", "AURELIA", "insurance paid its part 120 days ago, nothing since",
        (Line("C", 160, "1240.00"), Line("P", 120, "800.00"), Line("A", 120, "190.00")),
        is_placed=True, remits=(("payment", "250.00"),),
    ),
    Person(
        "5027002", "BOREAS", "140 days old, never insured, never paid", (Line("C", 140, "430.00"),),
        is_placed=True, remits=(("payment", "100.00"),),
    ),
    Person(
        "5027003", "CASSIA", "two visits, insurance paid 150 days ago",
        (Line("C", 200, "900.00"), Line("C", 198, "80.00"), Line("P", 150, "500.00")),
        is_placed=True, remits=(("payment", "300.00"), ("adjustment", "180.00")),
    ),
    Person(
        "5027004", "DORIAN", "110 days old", (Line("C", 110, "75.50"),),
        is_placed=True, remits=(("payment", "75.50"), ("reversal", "75.50")),
    ),
    Person("5027005", "ELARA", "30 days old: too young for any rule", (Line("C", 30, "610.00"),)),
    Person(
        "5027006", "FABIAN", "insurance finished 40 days ago, a patient balance remains",
        (Line("C", 60, "900.00"), Line("P", 40, "640.00"), Line("A", 40, "120.00")), is_placed=True,
    ),
    Person(
        "5027007", "GALENA", "the guarantor has died (GT1-25)", (Line("C", 150, "512.25"),),
        relationship="SPO", is_deceased=True,
    ),
    Person("5027008", "HELIOS", "owes less than the minimum of 25.00", (Line("C", 130, "18.00"),)),
    Person("5027009", "IRIDIA", "the guarantor is 12 years old (GT1-8)", (Line("C", 170, "333.00"),), age=_CHILD),
    Person(
        "5027010", "JASPER", "in bankruptcy, told by a signal", (Line("C", 180, "1875.00"),),
        signal=("bankruptcy", "filed"),
    ),
    Person("5027011", "KALLIOPE", "insurance paid it all", (Line("C", 120, "200.00"), Line("P", 95, "200.00"))),
    Person("5027012", "LYSANDER", "no address is known", (Line("C", 190, "264.40"),), has_address=False),
)  # fmt: skip


def registration(person: Person, control_id: str, now: dt.datetime) -> bytes:
    """Return the ADT^A04 that registers a person and the account."""
    address = "1 SAMPLE ST^^TESTVILLE^IL^60000^USA" if person.has_address else ""
    visit = {1: "1", 2: "O", 19: f"V{person.account}^^^{FACILITY}^VN"}
    guarantor = {
        1: "1",
        3: person.name if person.relationship == "SEL" else "TESTGUARANTOR^GORDIAN",
        5: address,
        8: f"{now.year - person.age}0615",
        11: person.relationship,
        25: "Y" if person.is_deceased else "",
    }
    segments = [
        *_opening(person, "ADT^A04^ADT_A01", control_id, now, address),
        _segment("PV1", visit),
        _segment("GT1", guarantor),
    ]
    if person.total("P"):
        segments.append(_INSURED)
    return _message(segments)


def charges(person: Person, control_id: str, now: dt.datetime) -> bytes:
    """Return the DFT^P03 with all lines of the account: charges, insurance payments, adjustments."""
    lines = [_transaction(person, number, line, now) for number, line in enumerate(person.lines, 1)]
    return _message([*_opening(person, "DFT^P03^DFT_P03", control_id, now, ""), *lines])


def broken_charge(person: Person, control_id: str, now: dt.datetime) -> bytes:
    """Return a DFT^P03 whose amount is no number: it must be refused, and said where."""
    return charges(person, control_id, now).replace(person.lines[0].dollars.encode(), b"TEN", 1)


def all_messages(now: dt.datetime) -> Iterator[tuple[str, Person, bytes]]:
    """Return (event, person, message) of everybody: registered first, then charged."""
    for number, person in enumerate(PEOPLE, 1):
        yield "ADT^A04", person, registration(person, f"DEMO-A{number:02}", now)
        yield "DFT^P03", person, charges(person, f"DEMO-D{number:02}", now)


def _opening(person: Person, event: str, control_id: str, now: dt.datetime, address: str) -> list[str]:
    at = f"{now:%Y%m%d%H%M%S}+0000"
    patient = {
        1: "1",
        3: f"M{person.account}^^^{FACILITY}^MR",
        5: person.name,
        7: f"{now.year - person.age}0615",
        11: address,
        18: f"{person.account}^^^{FACILITY}^AN",
    }
    header = _HEADER.format(facility=FACILITY, at=at, event=event, control_id=control_id)
    return [header, f"EVN|{event[4:7]}|{at}", _segment("PID", patient)]


def _transaction(person: Person, number: int, line: Line, now: dt.datetime) -> str:
    kind, code = _LINES[line.kind]
    day = f"{now.date() - dt.timedelta(days=line.days):%Y%m%d}"
    fields = {1: str(number), 2: f"{person.account}{line.kind}{number}", 4: day, 5: day, 6: kind, 7: code, 10: "1"}
    return _segment("FT1", fields | {11: line.dollars})


def _segment(name: str, fields: dict[int, str]) -> str:
    texts = [name, *(fields.get(number, "") for number in range(1, max(fields) + 1))]
    return "|".join(texts).rstrip("|")


def _message(segments: list[str]) -> bytes:
    return "".join(f"{segment}\r" for segment in segments).encode()
