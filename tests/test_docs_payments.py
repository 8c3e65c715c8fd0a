"""docs/payments.md and the language of ``[outbound]`` say the same, and what it shows works as it stands there."""

from docs_reader import fenced, first_names, names, own_text, read, section, table
from feed_samples import GENERIC
from mapping_samples import gathered
from outbound_samples import FEED, example_problems

from hl7bridge.mapping.compile import compile_mapping
from hl7bridge.mapping.outbound import ADDRESSES, CHOICES, EXAMPLE_KEYS, KEYS, OURS, POSTING_KEYS, VALUES, Posting
from hl7bridge.payments.forms import outbound_problems

TEXT = read("payments.md")
(BLOCK,) = fenced(TEXT, "outbound")


def test_the_section_that_is_shown_works_with_its_examples():
    """As it stands there."""
    assert example_problems(BLOCK) == []


def test_every_key_is_in_its_table_and_shown_once():
    """Of the section, of a posting; each posting has a row with what it is by default."""
    assert first_names(own_text(TEXT, "The section")) == list(KEYS_IN_ORDER)
    keys, postings = table(own_text(TEXT, "Postings"))[:5], table(own_text(TEXT, "Postings"))[5:]
    assert [names(row[0])[0] for row in keys] == [*POSTING_KEYS, "methods"]
    assert [row[0] for row in postings] == list(Posting)
    for key in KEYS:
        assert key in BLOCK, key


KEYS_IN_ORDER = ("version", "charset", "batch", "post_to", "pid_2", *Posting, "fields", "segments", "examples")


def test_every_value_a_field_can_name_is_described():
    """Those of the account first; fields that are not for a site are named."""
    text = section(TEXT, "Fields and segments")
    assert sorted(first_names(text)[: len(ADDRESSES)]) == sorted(ADDRESSES)
    assert first_names(text)[len(ADDRESSES) :] == list(VALUES)
    for segment, number in OURS:
        assert f"{segment}-{number}" in text
    for key in EXAMPLE_KEYS:
        assert f"`{key}`" in section(TEXT, "Examples") or f".{key}]" in section(TEXT, "Examples")
    for key, words in CHOICES.items():
        for word in words:
            assert f"`{word}`" in TEXT, (key, word)
    assert set(KEYS) == set(KEYS_IN_ORDER)


def test_the_shipped_mapping_writes_payments_as_the_standard_has_them():
    """Its own examples hold; a site that extends it inherits them."""
    for text in (GENERIC, 'format = 1\nname = "site"\nextends = "generic"\n[outbound]\nversion = "2.3"\n'):
        file = gathered(text, generic_toml=GENERIC)
        mapping = compile_mapping(file)
        assert outbound_problems(mapping.name, mapping.outbound, file) == []
    assert "[outbound" not in FEED
