"""Waits grow, never pass the ceiling, and end."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.delivery.retry import RetryPolicy, decide_retry, retry_delay

POLICY = RetryPolicy(dt.timedelta(seconds=1), dt.timedelta(minutes=5), 10)


@pytest.mark.parametrize(("failures", "seconds"), [(1, 1), (2, 2), (3, 4), (9, 256), (10, 300), (1_000_000, 300)])
def test_a_wait_doubles_up_to_the_ceiling(failures, seconds):
    """Without jitter."""
    assert retry_delay(POLICY, failures, 0.0) == dt.timedelta(seconds=seconds)


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_jitter_takes_off_up_to_half(failures, jitter):
    """Never more, and never adds."""
    longest = retry_delay(POLICY, failures, 0.0)
    assert longest / 2 <= retry_delay(POLICY, failures, jitter) <= longest


@given(
    st.timedeltas(dt.timedelta(microseconds=1), dt.timedelta(days=366)),
    st.timedeltas(dt.timedelta(microseconds=1), dt.timedelta(days=366)),
    st.integers(1, 10_000),
)
def test_no_setting_is_too_large(first, ceiling, failures):
    """The longest wait is the ceiling, whatever the first."""
    assert retry_delay(RetryPolicy(first, ceiling, 1), failures, 0.0) <= ceiling


def test_the_last_attempt_is_the_last():
    """Then a person decides."""
    assert decide_retry(POLICY, 9, 0.0) is not None
    assert decide_retry(POLICY, 10, 0.0) is None
    assert decide_retry(POLICY, 11, 0.0) is None
