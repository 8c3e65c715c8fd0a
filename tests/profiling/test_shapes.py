"""Shapes: no letter or digit of a value is left in one, and memory stays bounded whatever comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.profiling.shapes import MOST_LENGTH, MOST_SHAPES, Shapes, shape_of, shown_shape


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("19710418", "99999999"),
        ("(555)555-0143", "(999)999-9999"),
        ("TESTPATIENT^AURELIA", "AAAAAAAAAAA^AAAAAAA"),
        ("O'Hara-Test", "A'AAAA-AAAA"),
        ("PID|1\rPV1|2", "AAA|9\rAA9|9"),
        ("a\tb\x00c", "A?A?A"),
        ("MÜLLER", "AAAAAA"),
        ("٣4", "99"),
        ("Ü→\u0301\x00", "A???"),
        ("Ü \r~", "A \r~"),
    ],
)
def test_a_shape_has_9_for_a_digit_and_a_for_a_letter_and_keeps_the_signs(text, shape):
    """As long as the text, so that fields can be cut out of it by their delimiters."""
    assert shape_of(text) == shape


@given(st.text(max_size=200))
def test_no_letter_or_digit_of_a_text_is_left_in_its_shape(text):
    """Of whatever language."""
    shape = shape_of(text)
    assert len(shape) == len(text)
    assert not {each for each in shape if each.isalnum()} - {"A", "9"}
    assert all(each == "\r" or " " <= each <= "~" for each in shape)


def test_the_way_that_shapes_take_is_for_texts_only():
    """Bytes have no shape."""
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("ascii", "hl7bridge.shape")


def test_four_and_more_in_a_row_are_shown_as_a_number():
    """A person reads 9{8} at a glance, and 999 as well."""
    assert shown_shape("A99999999") == "A9{8}"
    assert shown_shape("999-AAAA") == "999-A{4}"


def test_values_are_counted_by_shape_and_length_the_most_frequent_first():
    """And of two as frequent, in the order of the signs."""
    shapes = Shapes()
    for text in ("99", "A", "99", "99999999"):
        shapes.add(text)
    shapes.add("A", 2)
    assert shapes.sent == 6
    assert (shapes.shortest, shapes.longest) == (1, 8)
    assert shapes.most_common(2) == [("A", 3), ("99", 2)]
    assert shapes.beyond(2) == 1


def test_a_null_is_counted_apart_and_what_is_blank_not_at_all():
    """Neither is a value."""
    shapes = Shapes()
    for text in ('""', '""', "  ", ""):
        shapes.add(text)
    assert (shapes.nulls, shapes.sent, shapes.counts) == (2, 0, {})


def test_shapes_beyond_the_most_that_are_kept_are_counted_together():
    """A field of names has thousands."""
    shapes = Shapes()
    for size in range(1, MOST_LENGTH):
        for sign in "9A-.":
            shapes.add(sign * size)
    assert len(shapes.counts) == MOST_SHAPES
    assert shapes.more == 4 * (MOST_LENGTH - 1) - MOST_SHAPES
    assert shapes.sent == 4 * (MOST_LENGTH - 1)


def test_a_long_shape_is_kept_by_its_beginning_and_its_length_told():
    """Free text has no shape that comes again."""
    shapes = Shapes()
    shapes.add("A" * 500)
    shapes.add("A" * 400)
    assert shapes.counts == {"A" * MOST_LENGTH + "...": 2}
    assert (shapes.shortest, shapes.longest) == (400, 500)
