"""docs/ehr/README.md: a row for each EHR that a mapping is shipped for, saying what the mapping reads."""

import re
import tomllib

import click
import pytest
from docs_reader import DOCS, ROOT, names, read, table
from test_docs import ALL_COMMANDS, commands_in

TEXT = read("ehr/README.md")
ROWS = {names(row[1])[0]: row for row in table(TEXT)}
EHRS = sorted(path.stem for path in (ROOT / "mappings").glob("*.toml") if path.stem != "generic")


def test_every_ehr_with_a_mapping_has_a_row_and_a_guide_that_the_row_leads_to():
    """No more, no less; and every other link leads somewhere."""
    assert sorted(ROWS) == EHRS
    for ehr, row in ROWS.items():
        assert re.search(r"\]\(([^)]+)\)", row[0])[1] == f"{ehr}.md"
    for link in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (DOCS / "ehr" / link).exists(), link


def paths_of(ehr, record):
    """Return the fields that the record's number is read from, generic's when the EHR's own mapping says nothing."""
    for name in (ehr, "generic"):
        data = tomllib.loads((ROOT / "mappings" / f"{name}.toml").read_text(encoding="utf-8"))
        number = data.get(record, {}).get("number")
        if number:
            sources = number if isinstance(number, list) else [number]
            texts = [each if isinstance(each, str) else each["path"] for each in sources]
            return {re.match(r"\w+-\d+", text)[0] for text in texts}
    raise AssertionError(ehr)


@pytest.mark.parametrize("ehr", EHRS)
def test_the_row_names_the_fields_that_account_and_patient_are_read_from(ehr):
    """As the mapping has them."""
    for record, column in (("account", 2), ("patient", 3)):
        assert set(re.findall(r"[A-Z]\w\w-\d+", ROWS[ehr][column])) == paths_of(ehr, record)


@pytest.mark.parametrize("path", sorted((DOCS / "ehr").glob("*.md")), ids=lambda path: path.name)
def test_every_command_that_a_guide_types_exists_with_its_options(path):
    """An example that cannot be typed is worse than none."""
    for words in commands_in(path.read_text(encoding="utf-8")):
        name = " ".join(words[:2]) if " ".join(words[:2]) in ALL_COMMANDS else words[0]
        known = {opt for each in ALL_COMMANDS[name].params if isinstance(each, click.Option) for opt in each.opts}
        assert {word for word in words if word.startswith("--")} <= known, words
