"""A message is held against the standard's own tables; what is found is named by place and rule, never by value."""

from __future__ import annotations

import pytest

from hl7bridge.message.conformance import MOST_FINDINGS, check_message, check_strictly
from hl7bridge.message.findings import Finding, Rule, Severity
from hl7bridge.message.parse import parse_message

PAYMENT = (
    "MSH|^~\\&|HL7BRIDGE|AGENCY01|PATACCT|HOSP|20260115103000-0600||DFT^P03^DFT_P03|HB000000000123|P|2.5.1\r"
    "EVN|P03|20260115103000-0600\r"
    "PID|1||100234^^^HOSP^MR~7^^^HOSP^PI||TESTPATIENT^JANE^Q||19800214|F|||1 MAIN ST^^ANYTOWN^IL^60601^USA"
    "|||||||5027440^^^HOSP^AN\r"
    "PV1|1|O|||||||||||||||||V889912^^^HOSP^VN\r"
    "FT1|1|HB0000000071|B260115001|20260114|20260115|PY|AGYCHK^Agency payment^L|||1|150.00&USD|150.00&USD\r"
    "FT1|2|HB0000000072|B260115001|20260114|20260115|AJ|AGYDISC^Discount^L|||1|50.00&USD|50.00&USD\r"
)


def findings(text, version=""):
    """What is found against a message."""
    return list(check_message(parse_message(text.encode()), version).findings)


def changed(good, bad, version="2.5.1"):
    """What is found against the payment after one change, by that version."""
    return findings(PAYMENT.replace(good, bad, 1).replace("|2.5.1\r", f"|{version}\r"))


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
        ("^USA|||", "^USA^^^^^^^^^^^^^^^X|||", ["PID-11.21: is not defined in this version"]),
        ("EVN|P03|20260115103000-0600\r", "", ["EVN: required segment missing"]),
        ("HB0000000071", "H" * 300, ["FT1-2: is longer than this version allows"]),
        ("DFT^P03^DFT_P03", "DFT^P99", ["MSH-9: is not a message of this version"]),
        ("|2.5.1\r", "|2.4\r", ["MSH-12: does not state version 2.5.1"]),
        ("MSH|", "XSH|", ["MSH: a message must begin with MSH"]),
        ("PV1|1", "PV|1", ["segment 4: does not begin with the name of a segment"]),
        ("PV1|1", "SECRET\rPV1|1", ["segment 4: does not begin with the name of a segment"]),
        ("PV1|1", "XYZ|1|SECRET\rPV1|1", ["segment 4: is not a segment of this version"]),
        (
            "PV1|1",
            "OBX|1|ST\rPV1|1",
            ["OBX-3: required field missing", "OBX-11: required field missing", "OBX: is out of place"],
        ),
    ],
)
def test_each_problem_is_named_by_place_and_rule(good, bad, problems):
    found = check_strictly(PAYMENT.replace(good, bad, 1), "2.5.1")
    assert found == problems


def test_several_problems_are_all_named_and_no_value_is():
    text = PAYMENT.replace("150.00&USD", "SECRET&USD").replace("19800214", "SECRET")
    found = check_strictly(text, "2.5.1")
    assert [problem.partition(":")[0] for problem in found] == ["PID-7", "FT1-11.1.1", "FT1-12.1.1"]
    assert "SECRET" not in "".join(found)


def test_a_segment_of_the_sites_own_conforms():
    assert check_strictly(PAYMENT + "ZPY|1|x\r", "2.5.1") == []


def test_the_messages_own_delimiters_are_kept_to():
    text = PAYMENT.translate(str.maketrans("|^~\\&", "$*+!%")).replace("$AJ$", "$$")
    assert check_strictly(text, "2.5.1") == ["FT1[2]-6: required field missing"]


def test_a_finding_has_the_names_the_data_type_and_the_table():
    """As an interface team looks them up."""
    assert changed("|PY|", "||") == [
        Finding("FT1-6", "Transaction type", Rule.FIELD_MISSING, "IS, table 0017"),
    ]
    assert changed("|150.00&USD|", "|x&USD|")[0] == Finding(
        "FT1-11.1.1", "Transaction amount extended: price: quantity", Rule.NO_VALUE, "NM"
    )
    assert changed("HB0000000071", "H" * 200)[0].expected == "ST, at most 199 characters"
    assert changed("PV1|1", "PV1|12345")[0] == Finding("PV1-1", "Set ID PV1", Rule.TOO_LONG, "SI, at most 4 characters")


def test_faults_of_the_tables_names_are_mended():
    """HL7apy calls PID-4 by other fields' names in some versions."""
    found = changed("MR~7^^^HOSP^PI||", "MR|ALT1|", "2.8")
    assert ("PID-4", "Alternate patient id", Rule.WITHDRAWN) in [each[:3] for each in found]


@pytest.mark.parametrize(
    ("good", "bad", "version", "expected"),
    [
        ("EVN|P03|", "EVN|P03|", "2.7", ("EVN-1", "Event type code", Rule.WITHDRAWN, "defined until 2.6")),
        ("|150.00&USD\r", f"|150.00&USD{'|' * 31}X\r", "2.5.1", ("FT1-43", "Ndc qty and uom", Rule.UNDEFINED)),
        ("|150.00&USD\r", f"|150.00&USD{'|' * 90}X|Y\r", "2.5.1", ("FT1-102", "", Rule.UNDEFINED, "")),
        ("PV1|1", "PRT|1\rPV1|1", "2.5.1", ("PRT", "Participation information", Rule.SEGMENT_UNKNOWN)),
        ("PV1|1", "QRD|1\rPV1|1", "2.8", ("QRD", "", Rule.SEGMENT_UNKNOWN, "defined until 2.6")),
        ("PV1|1", "MRG|1\rPV1|1", "2.5.1", ("MRG", "Merge patient information", Rule.SEGMENT_FOREIGN, "")),
        ("JANE^Q||", "JANE^Q^^^MD||", "2.7", ("PID-5.6", "Patient name: degree", Rule.WITHDRAWN, "of XPN")),
        ("|F|", "|F^X^Y|", "2.5.1", ("PID-8.2", "Administrative sex", Rule.UNDEFINED, "of IS")),
        ("|F|", "|F&X|", "2.5.1", ("PID-8.1.2", "Administrative sex", Rule.UNDEFINED, "of IS")),
        ("|F|", "|F~M|", "2.5.1", ("PID-8", "Administrative sex", Rule.REPEATED, "at most 1")),
        ("PV1|1", "PV1|1\rPV1|1", "2.5.1", ("PV1", "Patient visit", Rule.SEGMENT_MISSING)),
        ("|PY|", '|""|', "2.5.1", ("FT1-6", "Transaction type", Rule.REQUIRED_NULL, "IS, table 0017")),
        ("|PY|", "|^&~ |", "2.5.1", ("FT1-6", "Transaction type", Rule.FIELD_MISSING, "IS, table 0017")),
        (
            "^^^HOSP^AN",
            "^^^HOSP",
            "2.8",
            (
                "PID-18.5",
                "Patient account number: identifier type code",
            ),
        ),
        (
            "~7^^^HOSP^PI",
            "~7^^^HOSP^PI^^X",
            "2.5.1",
            (
                "PID-3(2).7",
                "Patient identifier list: effective date",
            ),
        ),
        ("EVN|P03|20260115103000-0600", "EVN|P03|2026-01-15", "2.3", ("EVN-2", "Recorded date time", Rule.NO_VALUE)),
    ],
)
def test_every_rule_of_fields_is_looked_at(good, bad, version, expected):
    if bad.startswith("PV1|1\r"):
        expected = ("PV1[2]", "Patient visit", Rule.REPEATED, "at most 1")
    found = changed(good, bad, version)
    assert expected in [each[: len(expected)] for each in found]


@pytest.mark.parametrize(
    ("bad", "severity"),
    [("EVN|P03|20260115103000-0600|||||||X", Severity.WARNING), ("EVN|P03", Severity.ERROR)],
)
def test_what_a_receiver_is_to_pass_over_is_a_warning(bad, severity):
    (finding,) = changed("EVN|P03|20260115103000-0600", bad)
    assert finding.severity is severity


def test_where_a_message_has_no_mark_for_sub_components_the_whole_is_the_first_of_them():
    """MSH-2 ends before it, so nothing divides the amount and its currency."""
    found = changed("|^~\\&|", "|^~\\|")
    amount = ("FT1-11", "Transaction amount extended", Rule.NO_VALUE, "NM")
    assert (found[0][:4], {each.rule for each in found}) == (amount, {Rule.NO_VALUE})


def test_a_null_says_nothing_where_nothing_is_required():
    assert changed("|19800214|", '|""|') == []
    assert changed("TESTPATIENT^JANE^Q", 'TESTPATIENT^""^Q') == []


@pytest.mark.parametrize(
    ("good", "bad", "structure", "rules"),
    [
        ("DFT^P03^DFT_P03", "DFT^P03^DFT_P11", "DFT_P03", [Rule.OTHER_STRUCTURE]),
        ("DFT^P03^DFT_P03", "DFT^P03", "DFT_P03", []),
        ("DFT^P03^DFT_P03", "DFT^^DFT_P03", "DFT_P03", []),
        ("DFT^P03^DFT_P03", "DFT^P99^DFT_P03", "DFT_P03", []),
        ("DFT^P03^DFT_P03", "DFT^P99^ADT_A01", "", [Rule.NO_MESSAGE]),
        ("DFT^P03^DFT_P03", "ADT^A04^ADT_A01", "ADT_A01", [Rule.SEGMENT_FOREIGN] * 2),
        ("DFT^P03^DFT_P03", "", "", [Rule.FIELD_MISSING]),
        ("DFT^P03^DFT_P03", "MFN^M01^MFN_M01", "MFN_M01", []),
    ],
)
def test_the_structure_is_that_of_type_and_event(good, bad, structure, rules):
    """MSH-9.3 decides only where nothing else does; a structure that is open to any segment is not checked."""
    report = check_message(parse_message(PAYMENT.replace(good, bad).encode()))
    assert (report.structure, [each.rule for each in report.findings]) == (structure, rules)


def test_a_message_without_an_event_takes_it_from_the_event_segment():
    """As v2.1 senders leave it; a null there is none."""
    text = PAYMENT.replace("DFT^P03^DFT_P03", "DFT")
    assert check_message(parse_message(text.encode())).structure == "DFT_P03"
    assert check_message(parse_message(text.replace("EVN|P03", 'EVN|""').encode())).structure == ""


@pytest.mark.parametrize(
    ("stated", "used"),
    [("2.9", "2.8.2"), ("2.7.1", "2.7"), ("2.0", "2.1"), ("2.5.2", "2.5.1"), ("X", "2.5.1"), ("2.5.1^USA", "2.5.1")],
)
def test_an_unknown_version_is_checked_as_the_nearest_and_says_so(stated, used):
    report = check_message(parse_message(PAYMENT.replace("|2.5.1\r", f"|{stated}\r").encode()))
    assert report.version == used
    noted = [each.expected for each in report.findings if each.rule is Rule.OTHER_VERSION]
    assert noted == ([] if stated.startswith("2.5.1") else [f"checked as {used}"])


def test_a_version_that_is_asked_for_is_used():
    text = PAYMENT.replace("|2.5.1\r", "|9.9\r")
    assert check_message(parse_message(text.encode()), "2.5.1").findings == ()
    assert [each.rule for each in findings(PAYMENT, "2.7")][:1] == [Rule.WITHDRAWN]


def test_segments_that_are_missing_at_the_end_stand_last():
    text = "".join(PAYMENT.splitlines(keepends=True)[:4]).replace("\n", "\r")
    assert findings(text) == [Finding("FT1", "Financial transaction", Rule.SEGMENT_MISSING)]


@pytest.mark.parametrize(
    ("observation", "rules"),
    [
        ("OBX|1|NM|1||12", []),
        ("OBX|1|NM|1||many", [Rule.NO_VALUE]),
        ("OBX|1|CE|1||A^B^C^D^E^F^G", [Rule.UNDEFINED]),
        ("OBX|1|XX|1||A^B^C^D^E^F^G", []),
        ("OBX|1||1||A^B^C^D^E^F^G", []),
    ],
)
def test_an_observation_is_held_against_the_type_that_it_names(observation, rules):
    text = PAYMENT.replace("FT1|1", f"{observation}||||||F\rFT1|1", 1)
    assert [each.rule for each in findings(text)] == rules


def test_parts_are_not_looked_for_where_the_tables_do_not_know_them():
    """CM of v2.1 may hold anything; without a fourth sign in MSH-2 nothing is divided further."""
    text = PAYMENT.replace("^~\\&", "^~\\").replace("|DFT^P03^DFT_P03|", "|DFT^P03|").replace("2.5.1\r", "2.1\r")
    found = findings(text.replace("&USD", "").replace("AGYCHK^Agency payment^L", "AGYCHK"))
    assert all("." not in each.path.rpartition(".")[0] for each in found)


def test_what_is_no_hl7_at_all_is_cut_short():
    """A file of 16 MiB must not become as many findings."""
    text = PAYMENT.replace("19800214", "~".join("x" * (MOST_FINDINGS + 5)))
    report = check_message(parse_message(text.encode()))
    assert (report.is_cut, len(report.findings)) == (True, MOST_FINDINGS)
