"""docs/mapping.md and the mapping language say the same, and everything that it shows works as it stands there."""

import tomllib

import pytest
from docs_reader import ROOT, fenced, first_names, names, own_text, read, section, table
from feed_samples import GENERIC
from mapping_samples import reader

from hl7bridge.assemble import mapping_problems
from hl7bridge.mapping import vocabulary
from hl7bridge.mapping.check import check_mapping
from hl7bridge.mapping.compile import compile_mapping
from hl7bridge.mapping.convert_options import CONVERTER_NAMES, OPTIONS
from hl7bridge.mapping.layers import gather
from hl7bridge.mapping.records import RECORD_TYPES
from hl7bridge.tomlfile import parse_toml

TEXT = read("mapping.md")
WALK = section(TEXT, "A feed in fifteen minutes")  # its parts make one file: test_docs_mapping_walk.py
BLOCKS = fenced(TEXT.replace(WALK, ""), "toml")
(CODES,) = fenced(TEXT, "csv")
READ = reader({"generic.toml": GENERIC, "payers.csv": CODES})
PART = 'format = 1\nname = "northgate"\nextends = "generic"\ninherit_examples = false\n'


def whole(block):
    """Return a block as a mapping: what is no whole file is what a site's file adds to the shipped mapping."""
    return block if "format = 1" in block else PART + block


def test_every_converter_is_in_the_table_of_converters():
    """In the order in which the program lists them, or any other."""
    assert sorted(first_names(own_text(TEXT, "Converters"))) == sorted(CONVERTER_NAMES)


def test_every_option_of_a_converter_is_documented_with_the_words_it_takes():
    """Each in its own row."""
    rows = table(section(TEXT, "Options of converters"))
    told = [(names(row[0])[0], names(row[1])[0]) for row in rows]
    assert told == [(name, option) for name, options in OPTIONS.items() for option in options]


@pytest.mark.parametrize("kind", RECORD_TYPES)
def test_every_field_of_a_record_is_documented_with_what_it_holds(kind):
    """The fields that a mapping may name, and no others."""
    rows = table(section(TEXT, f"Fields of {kind}"))
    assert [names(row[0])[0] for row in rows] == list(RECORD_TYPES[kind]._fields)
    for row in rows:
        expected = vocabulary.FIELD_HOLDS.get(names(row[0])[0], "text")
        assert row[1].split()[0].rstrip(":;,") == expected, row[0]
        for word in vocabulary.FIELD_WORDS.get((kind, names(row[0])[0]), ()):
            assert f"`{word}`" in row[1]


def test_the_fields_of_the_shipped_mapping_come_from_where_the_tables_say():
    """The last column is the shipped mapping's path."""
    data = tomllib.loads((ROOT / "mappings" / "generic.toml").read_text(encoding="utf-8"))
    for kind in RECORD_TYPES.keys() & data.keys():
        said = {names(row[0])[0]: row[2] for row in table(section(TEXT, f"Fields of {kind}"))}
        for field, value in data[kind].items():
            origin = value.get("from", value) if isinstance(value, dict) else value
            for source in origin if isinstance(origin, list) else [origin]:
                place = source if isinstance(source, str) else source.get("path", source.get("constant"))
                assert place in said[field], f"{kind}.{field}"


def test_every_key_of_a_mapping_file_is_documented():
    """Top level, options of a field, words of a condition, keys of a signal."""
    known = set(first_names(section(TEXT, "The file")))
    assert known == vocabulary.TOP_KEYS | vocabulary.FIELD_KEYS | vocabulary.SOURCE_KEYS
    assert set(first_names(section(TEXT, "Conditions"))) == vocabulary.CONDITION_KEYS
    assert set(first_names(section(TEXT, "Signals"))) == vocabulary.SIGNAL_KEYS


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.strip().splitlines()[0])
def test_every_example_of_the_document_works_as_it_stands(block):
    """Whoever copies it begins with something that compiles, holds, and that the privacy profile allows."""
    checked = check_mapping(parse_toml(whole(block), "northgate.toml"), READ)
    assert [str(problem) for problem in checked.problems] == []
    assert mapping_problems(checked.mapping) == []


def test_the_document_shows_every_part_of_the_language():
    """Or the test before would pass on little."""
    shown = "\n".join(BLOCKS)
    assert len(BLOCKS) >= 8
    for key in vocabulary.TOP_KEYS - {"inherit_examples"} | vocabulary.CONDITION_KEYS - {"absent", "present"}:
        assert key in shown, key


def test_what_to_write_for_what_feeds_do_is_written_in_the_language():
    """Each answer of the table in the beginning compiles, in the field that it is for."""
    rows = {row[0]: names(row[1]) for row in table(section(TEXT, "What to write for what feeds do"))}
    parts = {
        "sends several numbers in PID-3": "[patient]\n{0}",
        "leaves MSH-4 empty": "[patient]\n{0}",
        "writes dates as 01/31/2026": '[patient]\nbirth_on = {{ from = "PID-7", {0} }}',
        "sends cents: 8500 for 85.00": '[entry]\namount = {{ from = "FT1-11", {0} }}',
        "sends payments as negative amounts": (
            '[entry]\namount = {{ from = "FT1-11", convert = {{ name = "money", {0} }} }}'
        ),
        'sends `""` for what it does not know': '[patient]\ncity = {{ from = "PID-11.3", {0} }}',
        "sends an event you do not want": "[events]\n{0}",
    }
    assert parts.keys() < rows.keys()
    for feed, text in parts.items():
        mapping = compile_mapping(gather(parse_toml(PART + text.format(rows[feed][0]), "northgate.toml"), READ))
        assert mapping.name == "northgate"
