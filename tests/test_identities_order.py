"""A day of merges, moves and corrections, in whatever order it arrives: in the end the same money, owners, people."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from feed_samples import Feed, gt1, in1, message, pid, pv1
from hypothesis import given, settings
from hypothesis import strategies as st
from identity_samples import FACILITY, charged, known, mrg, problems, registered, told

from hl7bridge.storage.accounts import find_account, read_coverages, read_guarantors
from hl7bridge.storage.database import open_store

KEY = bytes(range(32))
NUMBERS = ("TACC1", "TACC2", "TACC3", "TACC8")


def updated(person: int, at: str) -> bytes:
    """Return an update with a guarantor, a plan and a financial class; two people share one guarantor."""
    people = gt1(f2=f"TGUA{person % 2}", f6=f"555014{person}"), in1(f2=f"PLAN{person}")
    visit = pv1(f19=f"TVIS{person}", f20=f"C{person}")
    return message("ADT^A08", f"U{person}", "EVN|A08", pid(f"TACC{person}", f"TMRN{person}"), visit, *people, m7=at)


PEOPLE = tuple(
    each
    for person in (1, 2, 3)
    for each in (
        registered(person, f"20261120080{person}00"),
        charged(person, f"20261120081{person}00"),
        updated(person, f"20261120082{person}00"),
    )
)
TWO_INTO_ONE = told("A41", pid("TACC1", "TMRN1"), mrg("TMRN1", "TACC2"), at="20261120100000")
ONE_INTO_THREE = told("A41", pid("TACC3", "TMRN3"), mrg("TMRN3", "TACC1"), at="20261120110000", control_id="M2")
PATIENTS = told("A40", pid("", "TMRN1"), mrg("TMRN2"), at="20261120101000")
CORRECTED = told("A49", pid("TACC8", "TMRN3"), mrg("TMRN3", "TACC3"), at="20261120120000")
CORRECTED_PATIENT = told("A47", pid("", "TMRN8"), mrg("TMRN3"), at="20261120121000")
ANOTHER_OWNER = told("A44", pid("TACC2", "TMRN3"), mrg("TMRN2", "TACC2"), at="20261120090000")
VISIT = told("A50", pid("TACC1", "TMRN1"), mrg("TMRN1", visit="TVIS1"), pv1(f19="TVIS8"), at="20261120091000")
MOVED_VISIT = told("A45", pid("TACC3", "TMRN3"), mrg("TMRN2", "TACC2", "TVIS2"), pv1(f19="TVIS2"), at="20261120130000")
MERGES = (TWO_INTO_ONE, ONE_INTO_THREE, PATIENTS, CORRECTED, CORRECTED_PATIENT)
MOVES = (ANOTHER_OWNER, VISIT, MOVED_VISIT, PATIENTS)


def outcome(blocks: list[bytes]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what each number leads to after these messages: money and owner; and what else is known."""
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder) / "hl7bridge.db", KEY, create=True)
        feed = Feed(store)
        replies = feed.receive(*blocks)
        assert {reply.disposition for reply in replies} == {"applied"}, [reply.reason for reply in replies]
        feed.check_footing()
        assert problems(store) == []
        found = {number: known(store, number) for number in NUMBERS}
        more = {}
        for number, each in found.items():
            if each is not None:
                state = find_account(store, number, FACILITY)
                people = read_guarantors(store, state.id), read_coverages(store, state.id)
                more[number] = (state.pid_18, state.financial_class, state.patient_class, state.status, people)
        store.close()
    return found, more


@lru_cache
def expected(events: tuple[bytes, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the outcome of the day as it was sent."""
    return outcome([*PEOPLE, *events])


@given(st.permutations([*PEOPLE, *MERGES]))
@settings(max_examples=25, deadline=None)
def test_a_day_of_merges_comes_to_the_same_in_any_order(blocks):
    """All three accounts are one, under its corrected number, and so is what is known of it and of its people."""
    assert outcome(blocks) == expected(MERGES)
    assert {each.number for each in expected(MERGES)[0].values()} == {"TACC8"}


@given(st.permutations([*PEOPLE, *MOVES]))
@settings(max_examples=25, deadline=None)
def test_a_day_of_moves_comes_to_the_same_money_and_owners_in_any_order(blocks):
    """The visit's charge is where the visit is, and each account belongs to whom the newest word says."""
    assert outcome(blocks)[0] == expected(MOVES)[0]


@pytest.mark.parametrize("events", [MERGES, MOVES], ids=["merges", "moves"])
def test_the_day_as_it_was_sent_has_each_charge_once(events):
    """100, 40 and 7 dollars."""
    found = {each.number: each.charges for each in expected(events)[0].values() if each is not None}
    assert sum(found.values()) == 147
