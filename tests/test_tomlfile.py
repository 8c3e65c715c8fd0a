"""TOML with the line of each key, so that a mistake is named where a person can go."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.errors import ConfigError
from hl7bridge.tomlfile import key_text, parse_toml

TEXT = '''\
# a comment with [brackets] and = signs
title = "one # not a comment"

[store]
path = "data [1]"
"quoted key" = 1
'literal key' = 2
a.b.c = 3

[[listeners]]
name = "first"
list = [
  "x",  # ] is no end here
  "]",
]
tls = { certificate = "c", key = 'k' }

[[listeners]]
text = """
[not.a.table]
fake = 1
an escaped \\""" is no end
"""
literal = \'\'\'
bind = 2 \\\'\'\'
bind = "127.0.0.1:2575"

[listeners.retry]   # below the second listener
first = "1 s"
[[listeners.more]]
x = 1
[[listeners.more]]
x = 2
["odd.name".'and "this"']
y = [[1, 2],
  [3]]
z = 1
of = [ # a list of tables
  { a.b = "x, y]", c = """, ""}""" }, # one
  # two is below
  { b = [1,
    2], d = "" },
] # } ends nothing
end = 2026-01-05 10:15:00
'''


@pytest.fixture
def toml():
    return parse_toml(TEXT, "bridge.toml")


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("store",), 4),
        (("store", "path"), 5),
        (("store", "quoted key"), 6),
        (("store", "literal key"), 7),
        (("store", "a", "b", "c"), 8),
        (("store", "a"), 8),
        (("listeners", 0), 10),
        (("listeners", 0, "name"), 11),
        (("listeners", 0, "list"), 12),
        (("listeners", 0, "list", 0), 13),
        (("listeners", 0, "list", 1), 14),
        (("listeners", 0, "tls"), 16),
        (("listeners", 0, "tls", "certificate"), 16),
        (("listeners", 1, "text"), 19),
        (("listeners", 1, "literal"), 24),
        (("listeners", 1, "bind"), 26),
        (("listeners", 1, "retry"), 28),
        (("listeners", 1, "retry", "first"), 29),
        (("listeners", 1, "more", 0, "x"), 31),
        (("listeners", 1, "more", 1, "x"), 33),
        (("odd.name", 'and "this"', "y"), 35),
        (("odd.name", 'and "this"', "y", 1, 0), 36),
        (("odd.name", 'and "this"', "z"), 37),
        (("odd.name", 'and "this"', "of", 0, "a", "b"), 39),
        (("odd.name", 'and "this"', "of", 1), 41),
        (("odd.name", 'and "this"', "of", 1, "b", 1), 42),
        (("odd.name", 'and "this"', "end"), 44),
    ],
)
def test_each_key_is_found_on_its_line(toml, path, line):
    """Whatever stands in strings, comments and lists around it."""
    assert TEXT.split("\n")[line - 1].strip()
    assert toml.line(path) == line


def test_a_key_that_is_missing_is_named_at_what_should_hold_it(toml):
    """The nearest table above; line 1 when there is none."""
    assert toml.line(("listeners", 0, "bind")) == 10
    assert toml.line(("nothing", "here")) == 1
    assert toml.line(()) == 1


def test_the_values_are_those_of_the_standard_parser(toml):
    """Only lines are added."""
    assert toml.data == tomllib.loads(TEXT)
    assert toml.file == "bridge.toml"


def test_a_problem_is_one_line_that_names_file_line_key_and_fix(toml):
    """Lists are counted from 1, as people do."""
    problem = toml.problem(("listeners", 1, "bind"), "is taken", "choose another")
    assert str(problem) == "bridge.toml:26: listeners[2].bind: is taken (choose another)"
    assert str(toml.problem((), "is wrong")) == "bridge.toml:1: (file): is wrong"


def test_a_key_is_written_as_a_person_would():
    """A number alone can stand first: a list at the top of a mapping's part."""
    assert key_text(("a", 0, "b", "c", 2)) == "a[1].b.c[3]"


@pytest.mark.parametrize(
    ("text", "line"),
    [("a = 1\nb = \n", 2), ("a = 1\na = 2\n", 2), ('a = "open\n', 1), ("[x\n", 1), ("a = 1\n\nb = [1,\n", 3)],
)
def test_a_mistake_of_syntax_is_named_with_its_line(text, line):
    """One problem: nothing after it can be trusted. A text that ends too early is told at its end."""
    with pytest.raises(ConfigError) as raised:
        parse_toml(text, "bridge.toml")
    (problem,) = raised.value.problems
    assert (problem.file, problem.key) == ("bridge.toml", "(syntax)")
    assert line <= problem.line <= line + 1
    assert "at line" not in problem.problem


def test_lines_that_end_as_windows_writes_them_count_the_same():
    """CR LF."""
    toml = parse_toml(TEXT.replace("\n", "\r\n"), "bridge.toml")
    assert toml.line(("listeners", 1, "bind")) == 26


NAMES = st.from_regex(r"[a-z]{1,4}", fullmatch=True)
VALUES = st.sampled_from(['"x"', "1", "[1,\n 2]", '"""\na = 1\n"""', "'[t]'", "{ k = 1 }", '[\n"]", # ]\n]', "1 # ["])


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8, unique_by=lambda pair: pair[0]), st.integers(0, 3))
def test_no_value_hides_the_key_after_it(pairs, tables):
    """Whatever the values are, each key is on the line where it was written."""
    lines = [f"[[t]]\nn = {number}" for number in range(tables)] + ["[own]"]
    expected = {}
    for name, value in pairs:
        expected[name] = sum(line.count("\n") + 1 for line in lines) + 1
        lines.append(f"{name} = {value}")
    toml = parse_toml("\n".join(lines) + "\n", "x.toml")
    assert {name: toml.line(("own", name)) for name in expected} == expected


def test_a_table_name_that_looks_like_a_comment_costs_a_line_number_and_no_value():
    """Nobody writes this; what is lost is the place, never what the file says."""
    toml = parse_toml('["a] # b"]\nx = 1\n', "x.toml")
    assert toml.data == {"a] # b": {"x": 1}}
    assert toml.line(("a] # b", "x")) == 1


def test_a_table_is_found_by_the_first_header_that_names_it():
    """Also one that only its sub-tables name: a misspelt [tabels.payer] is on its own line, not on line 1."""
    file = parse_toml('a = 1\n\n[tabels.payer]\nX = "y"\n\n[[rules]]\nname = "b"\n', "f.toml")
    assert file.line(("tabels",)) == 3
    assert file.line(("tabels", "payer")) == 3
    assert file.line(("rules",)) == 6
    assert file.line(("rules", 0)) == 6
