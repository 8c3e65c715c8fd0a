"""A table of codes in a CSV file beside the mapping: what is read of it, and mistakes at its own lines."""

from __future__ import annotations

import pytest
from feed_samples import dft, ft1
from mapping_samples import HEAD, checked, compiled, problems, records

from hl7bridge.mapping.csv_table import parse_csv_table

CODES = 'code,value\nCHG,CG\n"PMT","PY"\n\n ADJ , AJ \n"*",CO\n'
CSV_SITE = f"""{HEAD}
[events]
"DFT^P03" = ["account", "entry"]
[account]
facility = "MSH-4.1"
number = "PID-18.1"
[entry]
kind = {{ from = "FT1-6.1", table = "kinds" }}
amount = "FT1-11"
service_on = "FT1-4"
[tables.kinds]
file = "kinds.csv"
"""


def test_a_table_may_be_a_csv_file():
    """With a header; blank rows and blanks around cells do not matter, and * is for every other code."""
    kinds = [ft1(kind=kind) for kind in ("CHG", "PMT", "ADJ", "OTHER")]
    for text in (CODES, "\ufeff" + CODES.replace("\n", "\r\n").replace("code,value", "Code, Value")):
        made = records(compiled(CSV_SITE, kinds_csv=text), dft("D1", *kinds))
        assert [entry.kind for entry in made.entries] == ["CG", "PY", "AJ", "CO"]


def test_a_code_beside_the_file_wins_over_the_one_in_it():
    """So a site can share a file and differ in one code."""
    mapping = compiled(CSV_SITE + 'CHG = "CD"\n', kinds_csv=CODES)
    assert records(mapping, dft("D1", ft1(kind="CHG"))).entries[0].kind == "CD"


def test_a_csv_table_is_inherited_and_added_to():
    """From a base in the same folder, whose table it may also replace code by code by a file of its own."""
    text = 'format = 1\nname = "site"\nextends = "base"\n[tables.kinds]\n'
    base = CSV_SITE.replace('"site"', '"base"')
    for own, files in (('PMT = "CO"', {}), ('file = "own.csv"', {"own_csv": "code,value\nPMT,CO\n"})):
        mapping = compiled(text + own, base_toml=base, kinds_csv=CODES, **files)
        made = records(mapping, dft("D1", ft1(kind="PMT"), ft1(kind="CHG")))
        assert [entry.kind for entry in made.entries] == ["CO", "CG"]


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ("", ["kinds.csv:1: (header): expected the columns code and value (code,value)"]),
        ("value,code\nCG,CHG\n", ["kinds.csv:1: (header): expected the columns code and value (code,value)"]),
        (
            "code,value\nCHG\nPMT,PY,x\n,CG\nADJ,\nCHG,CG\nCHG,CD\n",
            [
                "kinds.csv:2: CHG: expected 2 columns, found 1 (quote a cell that has a comma in it)",
                "kinds.csv:3: PMT: expected 2 columns, found 3 (quote a cell that has a comma in it)",
                'kinds.csv:4: (code): a row without its code ("*" is for every code that is not listed)',
                "kinds.csv:5: ADJ: a code without its value (remove the row, or say what the code means)",
                "kinds.csv:7: CHG: this code is there twice, first in line 6 (remove one of them)",
            ],
        ),
        ('code,value\n"CHG"x,CG\n', ["kinds.csv:2: (row): not CSV (a quote inside a quoted cell is doubled)"]),
        (
            "code,value\nCHG,CG\nPMT,PAY\n",
            ["kinds.csv:3: tables.kinds.PMT: kind cannot be that value (one of: AJ, CD, CG, CO, PY)"],
        ),
    ],
)
def test_a_mistake_in_a_csv_file_is_told_at_its_own_line(codes, expected):
    """All of them in one run."""
    assert problems(CSV_SITE, kinds_csv=codes) == expected


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ('"gone.csv"', "gone.csv: there is no such file (its place is told from the mapping's folder)"),
        ('"../kinds.csv"', "expected the name of a CSV file"),
        ('"/etc/kinds.csv"', "expected the name of a CSV file"),
        ('"kinds.txt"', "expected the name of a CSV file"),
        ("5", "expected the name of a CSV file"),
    ],
)
def test_a_csv_file_is_beside_its_mapping(name, problem):
    """No path leads out of the folder."""
    found = problems(CSV_SITE.replace('"kinds.csv"', name), kinds_csv=CODES)
    assert found[0].startswith("site.toml:14: tables.kinds.file: " + problem)
    assert len(found) == 1


def test_lines_are_counted_through_quoted_cells_of_several_lines():
    """A person finds the row that is meant."""
    lines, found = parse_csv_table('code,value\n"A\nB",CG\nC,CD\n', "t.csv")
    assert [(line.code, line.line) for line in lines] == [("A\nB", 3), ("C", 4)]
    assert found == []


@pytest.mark.parametrize("key", ["csv", "path"])
def test_a_csv_file_under_another_key_is_told_with_the_right_one(key):
    """It would be taken for a code otherwise."""
    found = checked(CSV_SITE.replace("file =", f"{key} ="), codes_csv=CODES)
    assert any(f".{key}: the name of a CSV file is no value of a code (file = " in each for each in found), found
