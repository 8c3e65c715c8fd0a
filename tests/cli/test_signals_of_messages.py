"""Signals that a mapping reads from messages: stored with their source, holding at once, in the order of their time."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest
from bridge_samples import NOW, Bridge, charges, registration

SIGNALS = """
[[signals]]
name = "bankruptcy"
from = "ZBK-2"
table = "bankruptcy"

[[signals]]
name = "charity"
from = "PV1-20.1"
table = "charity"

[tables.bankruptcy]
CH13 = "filed"
DISM = "dismissed"

[tables.charity]
FAP = "approved"
SP = "no"
"""
EVENTS = '["patient", "account?", "guarantor", "coverage", "balance"]'


@pytest.fixture
def bridge(tmp_path):
    made = Bridge(tmp_path / "d")
    path = made.folder / "mappings" / "generic.toml"
    text = path.read_text().replace(EVENTS, EVENTS.replace("]", ', "signals"]'))
    path.write_text(text.replace("\n[tables.payer]", f"\n{SIGNALS}\n[tables.payer]"))
    return made


def told(control_id="A1", code="CH13", sent="20260105101500"):
    """Return a registration with a Z-segment that says something of a bankruptcy."""
    return registration(control_id).replace(b"20260105101500", sent.encode()) + f"ZBK|1|{code}\r".encode()


def signals(bridge):
    """Return name, value and source of what is in force."""
    rows = bridge.rows("signals", "list", "5027440")
    return [(row["name"], row["value"], row["source"]) for row in rows]


def test_a_registration_may_tell_a_signal_of_the_account_that_it_opens(bridge):
    """The account is held from the first moment, and the list of accounts says so."""
    bridge.receive(told(), charges())
    assert signals(bridge) == [("bankruptcy", "filed", "message 1, ZBK-2")]
    (row,) = bridge.rows("accounts")
    assert row["holds"] == ["bankruptcy"]
    bridge.run("decide", "--as-of", "2026-03-01")
    (account,) = bridge.rows("accounts", "show", "5027440")
    (decision,) = [event["text"] for event in account["timeline"] if event["kind"] == "decision"]
    assert "bankruptcy is filed since 2026-01-05 (message 1, ZBK-2)" in decision


def test_a_code_that_is_not_in_the_table_or_a_segment_that_is_not_there_tells_nothing(bridge):
    """Unknown stays unknown."""
    bridge.receive(told(code="OTHER"), registration("A2"))
    assert signals(bridge) == []


def test_a_hold_that_is_lifted_by_the_feed_makes_the_account_due_again(bridge):
    """The next run places it."""
    bridge.receive(told(), charges())
    bridge.run("decide", "--as-of", "2026-03-01")
    bridge.receive(told("A2", "DISM", "20260106101500"))
    bridge.run("decide", "--as-of", "2026-03-02")
    assert [row["account"] for row in bridge.rows("placements")] == ["5027440"]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_order_of_arrival_makes_no_difference(bridge, order):
    """What was sent last is in force; received once more, nothing changes."""
    blocks = [
        told("A1", "CH13", "20260105101500"),
        told("A2", "DISM", "20260106101500"),
        told("A3", "CH13", "20260107101500"),
    ]
    bridge.receive(*(blocks[at] for at in order))
    assert [value for _, value, _ in signals(bridge)] == ["filed"]
    before = bridge.rows("signals", "list", "5027440", "--history")
    bridge.receive(*blocks, now=NOW + dt.timedelta(days=1))
    assert bridge.rows("signals", "list", "5027440", "--history") == before


def test_a_persons_newer_word_stands_against_a_message_that_comes_late(bridge):
    """And a message that was sent after it counts."""
    bridge.receive(told(), charges())
    bridge.run("signals", "set", "5027440", "bankruptcy", "dismissed")
    bridge.receive(told("A2", "CH13", "20260106101500"))
    (found,) = signals(bridge)
    assert found[:2] == ("bankruptcy", "dismissed")
    later = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=5)
    bridge.receive(told("A3", "CH13", f"{later:%Y%m%d%H%M%S}"), now=later + dt.timedelta(minutes=5))
    assert signals(bridge) == [("bankruptcy", "filed", "message 4, ZBK-2")]


def test_a_financial_class_may_tell_a_signal(bridge):
    """By a table of the site's own codes; one signal does not stand in another's way."""
    classed = told().replace(b"V77^^^NORTHGATE^VN\r", b"V77^^^NORTHGATE^VN|FAP\r")
    bridge.receive(classed)
    assert signals(bridge) == [
        ("bankruptcy", "filed", "message 1, ZBK-2"),
        ("charity", "approved", "message 1, PV1-20.1"),
    ]
