"""Invented messages that several test files use."""

from __future__ import annotations

import datetime as dt

NOW = dt.datetime(2026, 11, 21, 14, 30, 15, tzinfo=dt.timezone(dt.timedelta(hours=-5)))

DFT = (
    b"MSH|^~\\&|ORMIS|NORTHGATE|BILLING|NORTHGATE_FIN|20261121093015.123-0500||DFT^P03^DFT_P03|T000001|P|2.5.1\r"
    b"EVN|P03|20261121093015\r"
    b"PID|1||MR0001^^^NORTHGATE^MR~E0001^^^NGE&1.2.3&ISO^EPI||TESTPATIENT^AURELIA^J\\T\\J||19710418|F|||"
    b'1482 SYCAMORE TERRACE^APT 4B^ROCHESTER^NY^14604||""|||||AC0001^^^NORTHGATE^AN\r'
    b"PV1\r"
    b"FT1|1|T1||20261121||CG|58661|||1|4187.00&USD\r"
    b"FT1|2|T2||20261121||CG|00840|||1|1215.50&USD\r"
    b"ZZZ|own\r"
)


def adt(**changes):
    """Return an ADT^A01 as bytes; ``changes`` are fields of MSH by ``m`` and number, or ``body`` segments."""
    body = changes.pop("body", b"EVN|A01|20260101120000\rPID|1||900001||TEST^PROBE\rPV1|1|O\r")
    fields = [b"MSH", b"^~\\&", b"PROBE", b"LAB", b"RCV", b"FAC", b"20260101120000", b"", b"ADT^A01^ADT_A01"]
    fields += [b"C1", b"P", b"2.5.1", b"", b"", b"", b"", b"", b""]
    for name, value in changes.items():
        fields[int(name[1:]) - 1] = value
    return b"|".join(fields).rstrip(b"|") + b"\r" + body


CORPUS = {
    "charges": DFT,
    "admission": adt(),
    "line feeds": adt().replace(b"\r", b"\n"),
    "both": adt().replace(b"\r", b"\r\n"),
    "own delimiters": adt().translate(bytes.maketrans(b"|^~\\&", b"$*+!%")),
    "oldest version": adt(m9=b"ADT", m12=b"2.1"),
    "newest version with a fifth sign": adt(m2=b"^~\\&#", m12=b"2.8.2"),
    "utf-8": adt(m18=b"UNICODE UTF-8", body="PID|1||1||MÜLLER^ZOË\r".encode()),
    "latin-1": adt(m18=b"8859/1", body="PID|1||1||MÜLLER^ZOË\r".encode("latin-1")),
    "windows": adt(body="PID|1||1||MÜLLER^ZOË\r".encode("cp1252")),
    "enhanced": adt(m15=b"AL", m16=b"AL"),
    "payment": adt(m9=b"DFT^P03", m12=b"2.3", body=b"PID|1||1\rFT1|1|T9||20261121||PY|AGYPAY|||1|-50.00^USD\r"),
}
