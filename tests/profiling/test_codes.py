"""Codes that the mapping's tables do not have: shown when they can be nothing but codes, counted always."""

from __future__ import annotations

import pytest
from feed_samples import GENERIC, dft, ft1, message, pid, pv1, segment
from mapping_samples import ACCOUNT, HEAD, PERSON, compiled
from profiling_samples import counted, generic, section

from hl7bridge.message.path import parse_path
from hl7bridge.profiling.codes import MOST_CODES, is_coded

SITE = f"""{HEAD}
[events]
"ADT^A04" = ["patient", "account"]
[patient]
{PERSON}
{ACCOUNT}
"""


def codes(mapping, *blocks):
    """Return what the report says of codes, as field, code, how often and the note."""
    return [
        (row["field"], row["code"], row["seen"], row["note"]) for row in section(counted(mapping, *blocks), "codes")
    ]


def visits(*classes):
    """Return a registration for each text of PV1-20."""
    return [message("ADT^A04", "C1", pid(), pv1(f20=each)) for each in classes]


def test_a_code_that_no_table_has_is_told_with_how_often_it_came():
    """So that a person adds it, the most frequent first."""
    blocks = [dft("D1", ft1(kind="PY", f7=code)) for code in ("INSPAY", "XINS", "XINS", "WIRE")]
    rows = section(counted(generic(), *blocks), "codes")
    assert rows == [
        {
            "field": "entry.payer",
            "path": "FT1-7.1",
            "table": "payer",
            "code": code,
            "seen": seen,
            "percent": percent,
            "note": "taken as the table's *",
        }
        for code, seen, percent in (("XINS", 2, "50 %"), ("WIRE", 1, "25 %"))
    ]


def test_a_code_that_refuses_the_message_is_told_as_well():
    """Its table has no word for all the others."""
    assert codes(generic(), dft("D1", ft1(kind="QQ"))) == [("entry.kind", "QQ", 1, "")]


def test_the_procedure_of_a_charge_is_never_told():
    """FT1-7 is a procedure there, which never leaves the message; of payments it is a code of the sender's."""
    assert codes(generic(), dft("D1", ft1(f7="99213"), ft1(kind="CD", f7="CREDITED"))) == []


def test_nulls_and_blanks_are_no_codes():
    """They say nothing that a table could have."""
    assert codes(generic(), *(dft("D1", ft1(kind="PY", f7=text)) for text in ('""', " ", "^X"))) == []


def mapped(source, table='A = "x"'):
    """Return a mapping that reads the financial class from sources."""
    return compiled(f"{SITE}financial_class = {source}\n[tables.t]\n{table}\n")


def test_sources_are_looked_at_in_order_until_one_says_something():
    """A code that a later source makes up for is told; one that an earlier one has made superfluous is not."""
    first = '{ path = "PV1-20.1", table = "t" }'
    blocks = visits("A", "B")
    assert codes(mapped(f'[{first}, {{ constant = "x" }}]'), *blocks) == [("account.financial_class", "B", 1, "")]
    assert codes(mapped(f'["PV1-2.1", {first}]'), *blocks) == []
    assert codes(mapped(f'["PV1-50.1", {first}]'), *blocks) == [("account.financial_class", "B", 1, "")]
    only = 'when = { path = "PV1-2", is = "I" }'
    assert codes(mapped(f'[{{ path = "PV1-20.1", table = "t", {only} }}, "PV1-2.1"]'), *blocks) == []


def test_a_null_before_another_source_says_nothing():
    """The next source is asked."""
    blocks = [message("ADT^A04", "C1", pid(), pv1(f50='""', f20="B"))]
    assert codes(mapped('["PV1-50.1", { path = "PV1-20.1", table = "t" }]'), *blocks) == [
        ("account.financial_class", "B", 1, "")
    ]


def test_the_codes_of_a_record_that_is_not_made_are_not_looked_at():
    """Its own condition says that this message makes none."""
    when = '[account.when]\npath = "PV1-2"\nis = "I"\n'
    mapping = compiled(f'{SITE}financial_class = {{ from = "PV1-20.1", table = "t" }}\n{when}[tables.t]\nA = "x"\n')
    assert codes(mapping, *visits("B")) == []


@pytest.mark.parametrize(
    "text", ["TESTPATIENT AURELIA", "A" * 13, "Ä", "=1", "B;C", "123-45-6789", "5550143", "555.0143+"]
)
def test_what_does_not_look_like_a_code_is_counted_and_not_shown(text):
    """A sender's free text may hold anything."""
    mapping = mapped('{ from = "PV1-20.1", table = "t", invalid = "ignore" }')
    assert codes(mapping, *visits(text)) == [
        ("account.financial_class", None, 1, "not shown: they do not look like codes")
    ]


def test_a_field_with_very_many_codes_shows_none_of_them():
    """They are numbers or names, whatever the field is called."""
    mapping = mapped('{ from = "PV1-20.1", table = "t", invalid = "ignore" }')
    blocks = visits(*(f"X{each}" for each in range(MOST_CODES + 1)), "X0", "A")
    assert codes(mapping, *blocks) == [
        ("account.financial_class", None, MOST_CODES + 2, "too many different ones to be codes")
    ]


def test_a_field_that_holds_no_codes_shows_none():
    """A mapping may read a name through a table by mistake."""
    mapping = compiled(
        f'{SITE}financial_class = {{ from = "PID-5.2", table = "t", invalid = "ignore" }}\n[tables.t]\nA = "x"\n'
    )
    assert codes(mapping, *visits("A")) == [
        ("account.financial_class", None, 1, "not shown: they do not look like codes")
    ]


def test_a_sites_own_segment_is_taken_at_its_word():
    """The table that reads it says that it holds codes."""
    mapping = compiled(
        f'{SITE}[[signals]]\nname = "charity"\nfrom = "ZFA-2"\ntable = "t"\n[tables.t]\nGRANTED = "approved"\n'.replace(
            '"account"]', '"account", "signals"]'
        )
    )
    feed = [message("ADT^A04", "C1", pid(), segment("ZFA", {2: code})) for code in ("GRANTED", "MAYBE")]
    assert codes(mapping, *feed) == [("signals[1]", "MAYBE", 1, "")]


@pytest.mark.parametrize(
    ("path", "coded"), [("FT1-6", True), ("PV1-20", True), ("PID-5", False), ("ZZZ-1", True), ("NK1-3", False)]
)
def test_which_fields_hold_codes_is_the_standards_word(path, coded):
    """Names, addresses and numbers do not; a site's own segments may."""
    assert is_coded(parse_path(path)) is coded


def test_a_code_is_known_again_by_the_whole_field(monkeypatch):
    """Most fields repeat; how many are remembered is bounded."""
    monkeypatch.setattr("hl7bridge.profiling.codes._MOST_KNOWN", 1)
    counts = counted(generic(), *(dft("D1", ft1(kind=kind)) for kind in ("CG", "CG", "CHARGE")))
    (tally,) = (each for each in counts.codes.values() if each.key == "entry.kind")
    assert (tally.listed, tally.known) == (3, {"CG"})
    assert "transaction_type" in GENERIC
