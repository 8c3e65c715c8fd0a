"""An outbound form is held against the standard's own tables before it is used."""

from __future__ import annotations

import pytest

from hl7bridge.message.conformance import check_strictly

PAYMENT = (
    "MSH|^~\\&|HL7BRIDGE|AGENCY01|PATACCT|HOSP|20260115103000-0600||DFT^P03^DFT_P03|HB000000000123|P|2.5.1\r"
    "EVN|P03|20260115103000-0600\r"
    "PID|1||100234^^^HOSP^MR~7^^^HOSP^PI||TESTPATIENT^JANE^Q||19800214|F|||1 MAIN ST^^ANYTOWN^IL^60601^USA"
    "|||||||5027440^^^HOSP^AN\r"
    "PV1|1|O|||||||||||||||||V889912^^^HOSP^VN\r"
    "FT1|1|HB0000000071|B260115001|20260114|20260115|PY|AGYCHK^Agency payment^L|||1|150.00&USD|150.00&USD\r"
    "FT1|2|HB0000000072|B260115001|20260114|20260115|AJ|AGYDISC^Discount^L|||1|50.00&USD|50.00&USD\r"
)


@pytest.mark.parametrize("version", ["2.3", "2.3.1", "2.4", "2.5.1"])
def test_the_payment_message_conforms(version):
    text = PAYMENT.replace("|2.5.1\r", f"|{version}\r")
    if version < "2.5":
        text = text.replace("^DFT_P03", "")
    assert check_strictly(text, version) == []


@pytest.mark.parametrize(
    ("good", "bad", "problems"),
    [
        ("|20260114|20260115|PY", "|2026XX14|20260115|PY", ["FT1-4: is not a value of its data type"]),
        ("|PY|", "||", ["FT1-6: required field missing"]),
        ("|AJ|", "||", ["FT1[2]-6: required field missing"]),
        ("^USA|||", "^USA^^^^^^^^^^^^^^^X|||", ["PID-11: has a part that its data type does not define"]),
        ("EVN|P03|20260115103000-0600\r", "", ["EVN: required segment missing"]),
        ("HB0000000071", "H" * 300, ["FT1-2: is longer than this version allows"]),
        ("DFT^P03^DFT_P03", "DFT^P99", ["message structure: is not defined in this version"]),
        ("|2.5.1\r", "|2.4\r", ["MSH-12: does not state version 2.5.1"]),
        ("MSH|", "XSH|", ["MSH: a message must begin with MSH"]),
        ("PV1|1", "PV|1", ["segment 4: does not begin with the name of a segment"]),
        ("PV1|1", "SECRET\rPV1|1", ["segment 4: does not begin with the name of a segment"]),
        ("PV1|1", "XYZ|1|SECRET\rPV1|1", ["XYZ: is not a segment of version 2.5.1"]),
        ("PV1|1", "OBX|1|ST\rPV1|1", ["OBX-3: required field missing"]),
    ],
)
def test_each_problem_is_named_by_place_and_rule(good, bad, problems):
    found = check_strictly(PAYMENT.replace(good, bad, 1), "2.5.1")
    assert found == problems


def test_several_problems_are_all_named_and_no_value_is():
    text = PAYMENT.replace("150.00&USD", "SECRET&USD").replace("19800214", "SECRET")
    found = check_strictly(text, "2.5.1")
    assert [problem.partition(":")[0] for problem in found] == ["PID-7", "FT1-11", "FT1-12"]
    assert "SECRET" not in "".join(found)


def test_a_segment_of_the_sites_own_conforms():
    assert check_strictly(PAYMENT + "ZPY|1|x\r", "2.5.1") == []


def test_the_messages_own_delimiters_are_kept_to():
    text = PAYMENT.translate(str.maketrans("|^~\\&", "$*+!%")).replace("$AJ$", "$$")
    assert check_strictly(text, "2.5.1") == ["FT1[2]-6: required field missing"]
