"""A seed -> the MLLP blocks of a busy feed: DFT^P03 with three charges and ADT^A08, invented people, no two the same.

A block is cut once at every place where its serial number stands; making one more message is then one ``join``.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from itertools import cycle
from typing import Final, NamedTuple

SERIAL_DIGITS: Final = 9
_MARK: Final = "{serial}"
_PEOPLE: Final = 40  # different persons, so that no answer can come from a cache of one
_FAMILIES: Final = ("TESTPATIENT", "TESTPERSON", "SAMPLEPATIENT", "EXAMPLEPERSON")
_GIVEN: Final = ("AURELIA", "BOREAS", "CALYPSO", "DORIAN", "EVANDER", "FENELLA", "GALATEA", "HESPER")
_STREETS: Final = ("SAMPLE STREET", "EXAMPLE AVENUE", "INVENTED LANE", "SPECIMEN ROAD")
_CLINICIAN: Final = "1999999984^TESTCLINICIAN^ISOLDE^R^^DR^MD^^NPI^L^^^NPI"
_DIAGNOSES: Final = (
    "S52.501A^Unspecified fracture of lower end of right radius, initial encounter^I10~W18.30XA^Fall^I10"
)
_PROCEDURES: Final = (
    ("25607^OPEN TREATMENT OF DISTAL RADIAL FRACTURE^C4", "4360^OPERATING ROOM^ETDEPT"),
    ("01830^ANESTHESIA, FOREARM AND WRIST^C4", "4190^ANESTHESIA SERVICES^ETDEPT"),
    ("73110^RADIOLOGIC EXAMINATION, WRIST, 3 VIEWS^C4", "4320^DIAGNOSTIC RADIOLOGY^ETDEPT"),
)


class Template(NamedTuple):
    """One message without its serial number: the bytes between the places where it stands."""

    pieces: tuple[bytes, ...]

    def block(self, serial: bytes) -> bytes:
        """Return the framed message that bears a serial number of ``SERIAL_DIGITS`` digits."""
        return serial.join(self.pieces)


class Numbered(NamedTuple):
    """A framed message and its MSH-10."""

    control_id: bytes
    block: bytes


def make_templates(seed: int, now: dt.datetime) -> list[Template]:
    """Return charges and registrations in turn, for ``_PEOPLE`` invented people each; the same for the same seed."""
    chance = random.Random(seed)
    templates: list[Template] = []
    for _ in range(_PEOPLE):
        person = _Person.invent(chance, now)
        templates += [_template(_charges(person, chance)), _template(_registration(person))]
    return templates


def number_messages(templates: list[Template], first: int) -> Iterator[Numbered]:
    """Return messages for ever; each has a MSH-10, patient, account, visit and FT1-2 that no other has."""
    for serial, template in enumerate(cycle(templates), first):
        digits = b"%0*d" % (SERIAL_DIGITS, serial)
        yield Numbered(b"BM" + digits, template.block(digits))


class _Person(NamedTuple):
    """What the segments of one invented person have in common."""

    name: str
    birth: str
    address: str
    phone: str
    stamp: str
    service: str
    posted: str

    @classmethod
    def invent(cls, chance: random.Random, now: dt.datetime) -> _Person:
        served = now - dt.timedelta(days=chance.randint(5, 60))
        street = f"{chance.randint(1, 9999)} {chance.choice(_STREETS)}^UNIT {chance.randint(1, 99)}"
        return cls(
            name=f"{chance.choice(_FAMILIES)}^{chance.choice(_GIVEN)}^{chance.choice('ABCDE')}^^MX^^L",
            birth=f"{chance.randint(1935, 2001)}{chance.randint(1, 12):02}{chance.randint(1, 28):02}",
            address=f"{street}^TESTVILLE^IL^6{chance.randint(0, 9999):04}^USA",
            phone=f"(555)555-01{chance.randint(0, 99):02}",
            stamp=f"{now:%Y%m%d%H%M%S}",
            service=f"{served:%Y%m%d}",
            posted=f"{served + dt.timedelta(days=1):%Y%m%d%H%M%S}",
        )


def _template(segments: list[str]) -> Template:
    text = "\r".join(segments) + "\r"
    return Template(tuple(f"\x0b{text}\x1c\r".encode("ascii").split(_MARK.encode())))


def _charges(person: _Person, chance: random.Random) -> list[str]:
    return [
        _header("ORBILL", person, "DFT^P03^DFT_P03", ""),
        f"EVN|P03|{person.stamp}|||OP0031^TESTCLERK^MARLOWE^T|{person.stamp}|EXAMPLE",
        _pid(person),
        _visit(person, f"{_CLINICIAN}|{_CLINICIAN}", _CLINICIAN, f"01|||EXAMPLE||A|||{person.service}0700"),
        *(_charge(person, chance, at) for at in range(1, len(_PROCEDURES) + 1)),
        _guarantor(person),
        _insurance(person),
    ]


def _registration(person: _Person) -> list[str]:
    return [
        _header("REGDESK", person, "ADT^A08^ADT_A01", "|AL|NE"),
        f"EVN|A08|{person.stamp}|||RG0112^TESTCLERK^ODILE^V|{person.stamp}|EXAMPLE",
        _pid(person),
        "PD1|||EXAMPLE FAMILY MEDICINE^^20881",
        _next_of_kin(person, 1, "TESTPATIENT^LYSANDER^F^^MX|SPO^Spouse^HL70063"),
        _next_of_kin(person, 2, "TESTPERSON^MELISANDE^K^^MX|CHD^Child^HL70063"),
        _visit(person, f"{_CLINICIAN}|", "", f"|||EXAMPLE||A|||{person.service}0700"),
        "AL1|1|DA^Drug allergy^HL70127|2670^Codeine^RXNORM|MO^Moderate^HL70128|Nausea and itching, reported by patient",
        f"DG1|1||{_DIAGNOSES.partition('~')[0]}||{person.service}|W",
        _guarantor(person),
        _insurance(person),
    ]


def _header(application: str, person: _Person, kind: str, acknowledgements: str) -> str:
    tail = f"||{acknowledgements}" if acknowledgements else ""
    return f"MSH|^~\\&|{application}|EXAMPLE|HL7BRIDGE|AGENCY|{person.stamp}||{kind}|BM{_MARK}|P|2.5.1{tail}"


def _pid(person: _Person) -> str:
    return (
        f"PID|1||M{_MARK}^^^EXAMPLE^MR~X{_MARK}^^^EXGROUP^PI||{person.name}|TESTMAIDEN^ISMENE^^^^^M|{person.birth}|U"
        f"||2131-1^Other Race^HL70005|{person.address}^H^^TESTCOUNTY||{person.phone}^PRN^PH^^1^555^5550143"
        f"|(555)555-0170^WPN^PH^^1^555^5550170|eng^English^HL70296|M|OTH|A{_MARK}^^^EXAMPLE^AN|999{_MARK}"
        "|||2186-5^Not Hispanic or Latino^HL70189||N||||||N"
    )


def _visit(person: _Person, attending: str, admitting: str, rest: str) -> str:
    return (
        f"PV1|1|O|DAYSURG^ROOM02^01^EXAMPLE^^^MAIN^2|E|||{attending}||ORT||||1|A0||{admitting}|SDC"
        f"|V{_MARK}^^^EXAMPLE^VN|COMM||||||||||||||||{rest}|{person.service}1410"
    )


def _next_of_kin(person: _Person, at: int, who: str) -> str:
    return f"NK1|{at}|{who}|{person.address}|(555)555-0166^PRN^CP||C^Emergency contact^HL70131"


def _charge(person: _Person, chance: random.Random, at: int) -> str:
    code, department = _PROCEDURES[at - 1]
    price = f"{chance.randint(40, 6000)}.{chance.randint(0, 99):02}&USD"
    return (
        f"FT1|{at}|T{_MARK}{at}||{person.service}|{person.posted}|CG|{code}|||1|{price}|{price}|{department}|COMMPLAN"
        f"||EXAMPLE^^^EXAMPLE||O|{_DIAGNOSES}|{_CLINICIAN}|{_CLINICIAN}|{price}|F{_MARK}||{code}"
        "|RT^Right side^C4"
    )


def _guarantor(person: _Person) -> str:
    return (
        f"GT1|1|G{_MARK}|{person.name}||{person.address}|{person.phone}^PRN^PH|(555)555-0170^WPN^PH|{person.birth}|U|P"
        "|SEL^Self^HL70063|999000000||||EXAMPLE INSTRUMENTS LTD|9 SPECIMEN ROAD^^TESTVILLE^IL^60009^USA|(555)555-0180"
    )


def _insurance(person: _Person) -> str:
    return (
        "IN1|1|COMMPLAN^EXAMPLE COMMERCIAL PLAN|99999^^^NAIC|EXAMPLE MUTUAL INSURANCE|PO BOX 1^^TESTVILLE^IL^60009^USA"
        f"|||GRP000042|EXAMPLE INSTRUMENTS LTD|||{person.service[:4]}0101|{person.service[:4]}1231|||{person.name}"
        f"|SEL^Self^HL70063|{person.birth}|{person.address}|Y||1||||||||||||||P{_MARK}|||||||U"
    )
