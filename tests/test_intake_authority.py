"""One patient, told of with and without the authority that assigned the number: one row, whichever comes first."""

from __future__ import annotations

import itertools

import pytest
from feed_samples import adt, message, pid

BARE, FULL, OTHER = "TMRN1", "TMRN1^^^EXAMPLE^MR", "TMRN1^^^OTHER^MR"


def told(control_id, patient, account="TACC1"):
    """Return a registration of a patient by PID-3."""
    return adt(control_id, account=account).replace(pid(account).encode(), pid(account, f3=patient).encode())


def patients(store):
    """Return number, authority and accounts of each patient."""
    return store.rows(
        "SELECT p.number, p.authority, group_concat(a.number) FROM patients p"
        " LEFT JOIN accounts a ON a.patient_id = p.id GROUP BY p.id ORDER BY p.authority"
    )


@pytest.mark.parametrize("order", [*itertools.permutations((BARE, FULL, BARE))], ids=str)
def test_an_authority_that_is_told_once_is_kept_and_the_person_is_one(feed, order):
    """Also when the message that tells it is the older one."""
    feed.take(*(told(f"A{at}", patient) for at, patient in enumerate(order)))
    assert patients(feed.store) == [("TMRN1", "EXAMPLE", "TACC1")]


def test_a_death_told_without_the_authority_is_the_same_persons(feed):
    """So that its account is held."""
    feed.take(told("A1", FULL))
    feed.take(message("ADT^A31", "A2", "EVN|A31", pid("", f3=BARE, f30="Y")))
    assert feed.store.rows("SELECT authority, deceased FROM patients") == [("EXAMPLE", 1)]


def test_two_authorities_are_two_people_and_a_bare_number_is_then_neither(feed):
    """Nothing says whose it is."""
    feed.take(told("A1", FULL), told("A2", OTHER, "TACC2"), told("A3", BARE, "TACC3"))
    assert patients(feed.store) == [
        ("TMRN1", "", "TACC3"),
        ("TMRN1", "EXAMPLE", "TACC1"),
        ("TMRN1", "OTHER", "TACC2"),
    ]
