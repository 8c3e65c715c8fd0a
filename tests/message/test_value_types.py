"""A text is a value of its data type, is longer than allowed, or is no value of it."""

from __future__ import annotations

import pytest

from hl7bridge.message.findings import Rule
from hl7bridge.message.value_types import find_breach

GOOD = {
    "NM": ["0", "-1", "+12.50", "150.00", "1."],
    "SI": ["1", "0042"],
    "DT": ["2026", "202602", "20260228", "20240229"],
    "TM": ["10", "1030", "103059", "103059.1234", "1030-0600", "23+1400"],
    "DTM": ["2026", "202601", "20260115", "2026011510", "20260115103000.1-0600", "20260115+0000", "2026-0500"],
    "ST": ["", "anything at all"],
    "ID": ["x" * 500],
}
BAD = {
    "NM": ["", ".5", "1,000", "12 ", "1e3", "\u0661"],
    "SI": ["-1", "1.0", "one"],
    "DT": ["20260229", "202613", "2026-01-15", "0000", "20261", "20260115103000"],
    "TM": ["24", "1060", "1", "103059.", "103059.12345", "10:30"],
    "DTM": ["202601151", "20261315", "2026011524", "20260115103000-06", "20260115103000-1500", "today", "0000"],
}


@pytest.mark.parametrize(("type_name", "text"), [(name, text) for name, texts in GOOD.items() for text in texts])
def test_what_is_a_value_has_no_breach(type_name, text):
    assert find_breach(text, type_name, "2.5.1") is None


@pytest.mark.parametrize(("type_name", "text"), [(name, text) for name, texts in BAD.items() for text in texts])
def test_what_is_no_value_is_said_to_be_none(type_name, text):
    assert find_breach(text, type_name, "2.5.1") is Rule.NO_VALUE


@pytest.mark.parametrize(
    ("type_name", "length", "version"),
    [("ST", 199, "2.5.1"), ("ST", 999, "2.6"), ("IS", 20, "2.3"), ("NM", 16, "2.3"), ("TX", 65536, "2.8.2")],
)
def test_what_is_longer_than_its_type_allows_is_too_long(type_name, length, version):
    assert find_breach("1" * length, type_name, version) is None
    assert find_breach("1" * (length + 1), type_name, version) is Rule.TOO_LONG
