"""How often it failed -> when it is tried again, or not at all: growing waits with jitter and a ceiling."""

from __future__ import annotations

import datetime as dt
from typing import Final, NamedTuple

_MOST_DOUBLINGS: Final = 32  # beyond this any ceiling is reached


class RetryPolicy(NamedTuple):
    """The wait before the first retry, the longest wait, and after how many attempts a person decides."""

    first: dt.timedelta = dt.timedelta(seconds=1)
    ceiling: dt.timedelta = dt.timedelta(minutes=5)
    attempts: int = 10


def retry_delay(policy: RetryPolicy, failures: int, jitter: float) -> dt.timedelta:
    """Return how long to wait after ``failures`` in a row (1 or more).

    The wait doubles from ``first`` up to ``ceiling``; ``jitter`` (0 up to 1, random) takes off up to half of it, so
    that senders which failed together do not come back together.
    """
    doublings = min(failures - 1, _MOST_DOUBLINGS)
    is_at_ceiling = policy.first >= policy.ceiling / 2**doublings  # not multiplied: a year doubled 32 times overflows
    return (policy.ceiling if is_at_ceiling else policy.first * 2**doublings) * (1 - jitter / 2)


def decide_retry(policy: RetryPolicy, attempts: int, jitter: float) -> dt.timedelta | None:
    """Return the wait after ``attempts`` that were all put off by the destination, or None when that was the last."""
    return retry_delay(policy, attempts, jitter) if attempts < policy.attempts else None
