"""MSH-15 x MSH-16 x outcome x version: every answer that leaves the pipeline, against tables written from the standard.

The replies are read by python-hl7, and their structure is checked by hl7apy; nothing here is computed by our own code.
Source: HL7 v2.5.1 sections 2.9.2, 2.9.3, 2.15.5, 2.15.8; tables 0008, 0155, 0357.
"""

from __future__ import annotations

import hl7
import pytest
from feed_samples import Feed, ft1, message, pid, pv1
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.core import Message
from hl7apy.parser import parse_message, parse_segment

from hl7bridge.storage.database import open_store

CONDITIONS = ("", "AL", "NE", "ER", "SU")
# What is answered: a row is MSH-15, a column MSH-16 (blank, AL, NE, ER, SU). Commit replies begin with C.
ACCEPTED = """
AA     AA     -      -      AA
CA     CA AA  CA     CA     CA AA
-      AA     -      -      AA
-      AA     -      -      AA
CA     CA AA  CA     CA     CA AA
"""
CONTENT_ERROR = """
AE     AE     -      AE     -
CE     CE     CE     CE     CE
-      AE     -      AE     -
CE     CE     CE     CE     CE
-      AE     -      AE     -
"""
REFUSED_TYPE = """
AR     AR     -      AR     -
CR     CR     CR     CR     CR
-      AR     -      AR     -
CR     CR     CR     CR     CR
-      AR     -      AR     -
"""
OUR_FAULT = """
AR     AR     -      AR     -
CE     CE     CE     CE     CE
-      AR     -      AR     -
CE     CE     CE     CE     CE
-      AR     -      AR     -
"""
# For each outcome: its table, and its error's code, text and place (segment, sequence, field).
OUTCOMES = {
    "accepted": (ACCEPTED, None),
    "content error": (CONTENT_ERROR, ("102", "Data type error", ("FT1", "1", "11"))),
    "refused type": (REFUSED_TYPE, ("200", "Unsupported message type", ("MSH", "1", "9"))),
    "our fault": (OUR_FAULT, ("207", "Application internal error", ("MSH", "1", ""))),
}
EVENTS = {"accepted": "A04", "content error": "P03", "refused type": "R01", "our fault": "A04"}
# Version -> MSH-9 with its event as ``*``; whether MSA-3 is still there; whether ERR has its own fields (2.5) or one.
VERSIONS = {
    "2.1": ("ACK", True, False),
    "2.2": ("ACK", True, False),
    "2.3": ("ACK^*", True, False),
    "2.3.1": ("ACK^*", True, False),
    "2.4": ("ACK^*", True, False),
    "2.5": ("ACK^*^ACK", True, True),
    "2.5.1": ("ACK^*^ACK", True, True),
    "2.6": ("ACK^*^ACK", True, True),
    "2.7": ("ACK^*^ACK", False, True),
    "2.7.1": ("ACK^*^ACK", False, True),
    "2.8": ("ACK^*^ACK", False, True),
    "2.8.1": ("ACK^*^ACK", False, True),
    "2.8.2": ("ACK^*^ACK", False, True),
}
# HD up to v2.2 was plain text, without components.
SENDER, FACILITY, RECEIVER, AGENCY = "REG^1.2.3^ISO", "NORTHGATE", "HL7BRIDGE", "AGENCY^9.8^ISO"
CASES = [(accept, application) for accept in CONDITIONS for application in CONDITIONS]


def expected_codes(table):
    """Return (MSH-15, MSH-16) -> the codes of table 0008 that are answered, in order."""
    rows = [line for line in table.splitlines() if line]
    found = {}
    for accept, row in zip(CONDITIONS, rows, strict=True):
        cells = [row[start : start + 7].split() for start in range(0, 35, 7)]
        for application, cell in zip(CONDITIONS, cells, strict=True):
            found[accept, application] = [] if cell == ["-"] else cell
    return found


def names(version):
    """Return MSH-3 to MSH-6 of a message of that version."""
    whole = (SENDER, FACILITY, RECEIVER, AGENCY)
    return tuple(each.partition("^")[0] for each in whole) if version in ("2.1", "2.2") else whole


def made(outcome, version, number, accept, application):
    """Return a message of which this becomes."""
    sender, facility, receiver, agency = names(version)
    msh = {"m3": sender, "m4": facility, "m5": receiver, "m6": agency, "m12": version, "m15": accept}
    msh["m16"] = application
    control_id = f"{version}-{number}"
    number = f"T{control_id}"
    if outcome == "content error":
        return message("DFT^P03", control_id, "EVN|P03", pid(number), ft1("TEN"), **msh)
    kind = "ORU^R01" if outcome == "refused type" else "ADT^A04"
    return message(kind, control_id, "EVN|A04", pid(number), pv1(), **msh)


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Return (outcome, version, MSH-15, MSH-16) -> the payloads that came back, each message sent once."""
    found = {}
    for outcome in OUTCOMES:
        store = open_store(tmp_path_factory.mktemp("store") / "a.db", bytes(range(32)), create=True)
        feed = Feed(store)
        keys = [(outcome, version, *case) for version in VERSIONS for case in CASES]
        blocks = [made(outcome, version, number, *case) for version in VERSIONS for number, case in enumerate(CASES)]
        if outcome == "our fault":
            store.execute("PRAGMA query_only = ON")  # the disk takes nothing any more
        for key, reply in zip(keys, feed.receive(*blocks), strict=True):
            found[key] = [part.removeprefix(b"\x0b").decode() for part in reply.data.split(b"\x1c\r") if part]
        store.close()
    return found


def test_the_tables_have_a_cell_for_each_case():
    """And only codes of table 0008."""
    for table, _ in OUTCOMES.values():
        cells = expected_codes(table)
        assert set(cells) == set(CASES)
        assert {code for codes in cells.values() for code in codes} <= {"AA", "AE", "AR", "CA", "CE", "CR"}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_sender_gets_the_answers_that_it_asks_for(answers, outcome, version):
    """As many as the choreography has, with the right codes, each naming its message."""
    table, _ = OUTCOMES[outcome]
    for number, case in enumerate(CASES):
        replies = [hl7.parse(text) for text in answers[(outcome, version, *case)]]
        codes = [str(reply.segment("MSA")[1]) for reply in replies]
        assert codes == expected_codes(table)[case], case
        assert [str(reply.segment("MSA")[2]) for reply in replies] == [f"{version}-{number}"] * len(codes)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_answer_has_the_form_of_its_version(answers, outcome, version):
    """MSH is built anew, HD for HD; MSA-3 until v2.6; ERR exactly when something is wrong, in the version's form."""
    kind, has_text, has_fields = VERSIONS[version]
    error = OUTCOMES[outcome][1]
    for case in CASES:
        texts = answers[(outcome, version, *case)]
        for text, reply in zip(texts, map(hl7.parse, texts), strict=True):
            msh, msa = reply.segment("MSH"), reply.segment("MSA")
            assert [str(msh[number]) for number in (5, 6, 3, 4)] == list(names(version))
            assert str(msh[9]) == kind.replace("*", EVENTS[outcome])
            assert (str(msh[11]), str(msh[12])) == ("P", version)
            assert str(msh[7])[:8] == "20261121"
            is_application = str(msa[1]).startswith("A") and case != ("", "")
            assert [str(each) for each in msh[15:17]] == (["NE", "NE"] if is_application else [])
            assert (len(msa) > 3 and str(msa[3]) != "") == (error is not None and has_text)
            assert [line[:3] for line in text.split("\r") if line] == ["MSH", "MSA"] + ["ERR"] * (error is not None)
            if error is not None:
                check_err(reply.segment("ERR"), error, has_fields=has_fields)


def check_err(err, error, *, has_fields):
    """Compare ERR with what was wrong: one composite up to v2.4; place, code and severity from v2.5 on."""
    code, text, (segment, sequence, field) = error
    if not has_fields:
        assert str(err[1]) == f"{segment}^{sequence}^{field}^{code}"
        assert len(err) == 2
        return
    assert str(err[1]) == ""
    place = str(err[2]).split("^")
    assert [*place, ""][:3] == [segment, sequence, field]
    assert str(err[3]) == f"{code}^{text}^HL70357"
    assert str(err[4]) == "E"
    assert str(err[8])


def test_every_answer_has_a_control_id_of_its_own(answers):
    """Of at most 20 characters, as MSH-10 has up to v2.6, and never the sender's."""
    for outcome in ("accepted", "content error", "refused type"):  # our fault leaves no row to number answers by
        found = [
            str(hl7.parse(text).segment("MSH")[10])
            for key, texts in answers.items()
            if key[0] == outcome
            for text in texts
        ]
        assert len(set(found)) == len(found)
        assert max(map(len, found)) <= 20
        assert not any(each.startswith("2.") for each in found)


@pytest.mark.parametrize("version", [each for each in VERSIONS if each not in ("2.1", "2.7.1")])
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_form_of_answer_has_the_structure_of_its_version(answers, outcome, version):
    """hl7apy, strict: original mode, a commit reply, an application reply. It knows no 2.7.1, and 2.1 only in part."""
    for case in (("", ""), ("AL", "NE"), ("NE", "AL"), ("NE", "SU")):
        for text in answers[(outcome, version, *case)]:
            first, *others = text.rstrip("\r").split("\r")
            found = Message("ACK", version=version, validation_level=VALIDATION_LEVEL.STRICT)
            found.msh = first
            for line in others:
                found.add(parse_segment(line, version=version, validation_level=VALIDATION_LEVEL.STRICT))
            assert found.validate(), text


def test_hl7apy_reads_the_answers_to_v2_1_as_far_as_it_can(answers):
    """Its tables of that version want a second component in MSH-7, which TS got later."""
    for outcome in OUTCOMES:
        (text,) = answers[outcome, "2.1", "", ""]
        found = parse_message(text, validation_level=VALIDATION_LEVEL.TOLERANT)
        assert found.children[1].msa_2.to_er7() == "2.1-0"
