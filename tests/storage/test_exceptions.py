"""What waits for a person: told once, closed once, with a reason, and never in silence."""

from __future__ import annotations

import pytest
from placement_samples import NOW, NOW_TEXT, PATIENT, put_account

from hl7bridge.errors import NotFoundError, RefusedError
from hl7bridge.storage.audit import read_audit
from hl7bridge.storage.exceptions import (
    close_exception,
    count_open_exceptions,
    hold_account,
    list_exceptions,
    open_exception,
    read_exception,
)
from hl7bridge.storage.signals import read_signals


def put_exception(store, kind="both_placed", account=None, other=None, message_id=7):
    """Store an exception."""
    return open_exception(store, kind, account, other, message_id=message_id, reason="both were placed", at=NOW_TEXT)


def close(store, number=1, *, lift_hold=False, reason="looked into it"):
    """Close an exception as a person does."""
    with store.transaction():
        return close_exception(store, number, lift_hold=lift_hold, now=NOW, actor="user:tester", reason=reason)


def test_the_same_is_told_once_while_it_is_open(store):
    """By kind and accounts; without accounts by message."""
    first, second = put_account(store, "A1"), put_account(store, "A2")
    assert [put_exception(store, account=first, other=second) for _ in range(2)] == [True, False]
    assert put_exception(store, account=second, other=first)
    assert [put_exception(store, "unclear", message_id=each) for each in (7, 7, 8)] == [True, False, True]
    assert count_open_exceptions(store) == 4


def test_a_closed_one_keeps_what_was_done_and_by_whom(store):
    """And the audit log has it as well."""
    put_exception(store)
    assert close(store) == []
    row = read_exception(store, 1)
    assert (row["closed_by"], row["resolution"]) == ("user:tester", "looked into it")
    assert row["closed_at"] is not None
    (audit,) = read_audit(store)
    assert (audit["action"], audit["subject"], audit["reason"]) == (
        "exceptions.close", "exception 1: closed", "looked into it",
    )  # fmt: skip
    assert list(list_exceptions(store, is_open=True)) == []
    assert len(list(list_exceptions(store))) == 1


def test_it_takes_a_reason_and_is_closed_once(store):
    """One that is not there cannot be closed."""
    put_exception(store)
    with pytest.raises(RefusedError, match="a reason is needed"):
        close(store, reason="  ")
    close(store)
    with pytest.raises(RefusedError, match="closed before"):
        close(store)
    with pytest.raises(NotFoundError):
        close(store, 9)


def test_holds_of_a_merge_are_lifted_for_all_accounts_of_its_people_and_no_other_hold_is(store):
    """A hold that a person set stays."""
    first, second = put_account(store, "A1"), put_account(store, "A2")
    stranger = put_account(store, "A3", patient=PATIENT._replace(number="OTHER"))
    put_exception(store, account=first)
    with store.transaction():
        for each in (first, second, stranger):
            hold_account(store, each, NOW_TEXT)
    assert close(store, lift_hold=True) == [first, second]
    assert [read_signals(store, each)["hold"].value for each in (first, second, stranger)] == ["no", "no", "yes"]
