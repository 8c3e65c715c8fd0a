"""A message is run through the mapping again: each value has its path, and the line of the file that says so."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from mapping_samples import ACCOUNT, HEAD, compiled

from hl7bridge.mapping.records import NULL
from hl7bridge.message.parse import parse_message
from hl7bridge.tracing import trace_message

MESSAGE = (
    b"MSH|^~\\&|BILL|NORTHGATE|HL7BRIDGE|AGENCY|20260110120000||DFT^P03|C1|P|2.5.1\r"
    b"PID|1||M77|||||||||||||||5027440\r"
    b'PV1|1|O||||||||||||||||||""||||||||||||||||||||||||20260105\r'
    b"FT1|1|TX1||20250801||CG|PROC1||||50.00\r"
    b"FT1|2|TX2||20250901||PY|INSPAY|||||||||||||||20.00\r"
    b"FT1|3|TX3||LATE||PY|INSPAY||||10.00\r"
)
EVENTS = '[events]\n"DFT^P03" = ["account", "entry", "signals"]\n'
ENTRY = (
    '[entry]\nkind = "FT1-6.1"\namount = ["FT1-11", "FT1-22"]\nservice_on = "FT1-4"\ntransaction_id = "FT1-2.1"\n'
    'payer = [{ path = "FT1-7.1", table = "payer" }, { path = "FT1-6.1", value = "patient" }]\n'
    '[tables.payer]\nINSURER = "insurance"\n'
)
SIGNALS = '[[signals]]\nname = "charity"\neach = "FT1"\nfrom = "FT1-7.1"\ntable = "charity"\n'
CHARITY = '[tables.charity]\nINSPAY = "approved"\n'


def traced(text, message=MESSAGE):
    """Return what a mapping makes of the message, by kind."""
    found = {}
    for each in trace_message(compiled(HEAD + text), parse_message(message)):
        found.setdefault(each.kind, []).append(each)
    return found


def test_each_value_has_the_path_it_was_read_at_and_the_line_of_the_mapping():
    """A field that holds nothing, or is null, has none."""
    more = 'patient_class = "PV1-2.1"\nfinancial_class = "PV1-20"\nplan_code = "PV1-24"\n'
    text = f"{EVENTS}{ACCOUNT}{more}{ENTRY}{SIGNALS}{CHARITY}"
    (account,) = traced(text)["account"]
    assert {name: each.path for name, each in account.where.items()} == {
        "facility": "MSH-4.1",
        "number": "PID-18.1",
        "patient_class": "PV1-2.1",
    }
    lines = f"{HEAD}{text}".splitlines()
    place = account.where["number"].place
    assert (place.file, lines[place.line - 1]) == ("site.toml", 'number = "PID-18.1"')
    assert account.record.financial_class is NULL


def test_of_several_sources_the_one_that_says_something_is_told_with_its_segment():
    """A code that a table lacks says nothing when another source follows."""
    first, second = traced(f"{EVENTS}{ACCOUNT}{ENTRY}{SIGNALS}{CHARITY}")["entry"]
    assert (first.number, first.where["amount"].path) == (1, "FT1-11")
    assert (second.number, second.where["amount"].path) == (2, "FT1[2]-22")
    assert (second.record.amount, second.record.service_on) == (Decimal("20.00"), dt.date(2025, 9, 1))
    assert second.where["payer"].path == "FT1[2]-6.1"


def test_a_record_that_the_mapping_refuses_now_is_left_out():
    """The third FT1 has no day; the others are told all the same."""
    assert len(traced(f"{EVENTS}{ACCOUNT}{ENTRY}{SIGNALS}{CHARITY}")["entry"]) == 2


def test_a_signal_has_the_path_and_the_line_of_its_own():
    """Of each segment that tells one."""
    first, second = traced(f"{EVENTS}{ACCOUNT}{ENTRY}{SIGNALS}{CHARITY}")["signal"]
    assert (first.record.value, first.record.path) == ("approved", "FT1-7.1")
    assert second.where["value"].path == "FT1[3]-7.1"


def test_a_constant_is_told_as_one():
    """It has a line, and no path."""
    text = f'{EVENTS}{ACCOUNT}status = {{ constant = "closed" }}\n{ENTRY}{SIGNALS}{CHARITY}'
    (account,) = traced(text)["account"]
    assert account.where["status"].path == "constant"


def test_a_message_of_an_event_that_is_not_mapped_tells_nothing():
    """There is nothing to be told by."""
    assert traced('[events]\n"ADT^A08" = ["account"]\n' + ACCOUNT) == {}


def test_each_group_of_a_message_that_changes_identities_has_its_own_segments():
    """PID and MRG of the second group are the second of their kind."""
    text = '[events]\n"ADT^A40" = ["identity"]\n[identity]\nfacility = "MSH-4.1"\npatient_number = "PID-3.1"\n'
    text += 'prior_patient_number = "MRG-1.1"\n'
    header = MESSAGE.partition(b"\r")[0].replace(b"DFT^P03", b"ADT^A40")
    first, second = traced(text, header + b"\rPID|1||M77\rMRG|M78\rPID|2||M79\rMRG|M80\r")["identity"]
    assert first.where["prior_patient_number"].path == "MRG-1.1"
    assert {name: each.path for name, each in second.where.items()} == {
        "facility": "MSH-4.1",
        "patient_number": "PID[2]-3.1",
        "prior_patient_number": "MRG[2]-1.1",
    }
    assert second.record.patient_number == "M79"
