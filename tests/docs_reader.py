"""Markdown documents as data: sections, tables, names in backticks, fenced blocks."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def read(name):
    """The text of a document in docs/."""
    return (DOCS / name).read_text(encoding="utf-8")


def section(text, heading):
    """The text below a heading, up to the next heading of the same or a higher level."""
    found = re.search(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    assert found, f"there is no heading {heading!r}"
    rest = text[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def own_text(text, heading):
    """The text below a heading, up to the next heading of any level."""
    return re.split(r"^#+ ", section(text, heading), maxsplit=1, flags=re.MULTILINE)[0]


def table(text):
    """The rows of all tables in a text, header and rule left out, cells stripped."""
    rows = [
        [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    rules = [at for at, row in enumerate(rows) if set("".join(row)) <= {"-"}]
    return [row for at, row in enumerate(rows) if at not in rules and at + 1 not in rules]


def names(cell):
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def first_names(text):
    """The first name in the first cell of each row."""
    return [names(row[0])[0] for row in table(text) if names(row[0])]


def fenced(text, language):
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
