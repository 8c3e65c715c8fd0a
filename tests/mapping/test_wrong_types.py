"""What is of another type than a name, where a mapping wants one: told at its place, in words."""

from __future__ import annotations

import pytest

from hl7bridge.errors import ConfigError
from hl7bridge.mapping.compile import compile_mapping
from hl7bridge.tomlfile import parse_toml

BASE = """format = 1
name = "site"
[events]
"ADT^A04" = ["account", "signals"]
[account]
facility = "MSH-4.1"
number = "PID-18.1"
"""


def problems(text):
    """Return every problem of a mapping's text, as a person reads them."""
    with pytest.raises(ConfigError) as raised:
        compile_mapping(parse_toml(BASE + text, "site.toml"))
    return [str(problem) for problem in raised.value.problems]


@pytest.mark.parametrize("table", ["{ a = 1 }", "[]", "3", "true"])
def test_a_table_is_named_by_text(table):
    """One that is written in place, or a list, is not taken for a name."""
    (told,) = problems(
        f'patient_class = {{ from = "PV1-2", table = {table} }}\n[[signals]]\nname = "hold"\nfrom = "ZP1-1"\n'
    )
    assert told == 'site.toml:8: account.patient_class.table: expected the name of a table (write table = "NAME")'


def test_a_signal_is_named_by_text():
    """A name that is missing is told at the signal."""
    (told,) = problems('[[signals]]\nname = 5\nfrom = "ZP1-1"\n')
    assert told == 'site.toml:9: signals[1].name: expected the name of a signal (name = "charity")'
    (told,) = problems('[[signals]]\nfrom = "ZP1-1"\n')
    assert told == 'site.toml:8: signals[1]: expected the name of a signal (name = "charity")'
