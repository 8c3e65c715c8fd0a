"""docs/placements.md says what the program does: its table of changes, its notices, its timers, its exceptions."""

from __future__ import annotations

import itertools

from docs_reader import first_names, names, read, section, table

from hl7bridge.placement.records import NoticeKind
from hl7bridge.placement.state import TRANSITIONS, By, Status
from hl7bridge.placement_timers import TIMERS
from hl7bridge.reacting import AgencyTerms
from hl7bridge.storage.exceptions import KINDS

TEXT = read("placements.md")
BY = {"a decision": By.RULES, "a person": By.PERSON, "the bridge": By.BRIDGE, "the agency": By.AGENCY}
WITH_AGENCY = ("sent", "acknowledged", "active", "suspended", "recall_pending")


def test_every_status_is_explained():
    """Each once, in the order of a life."""
    told = first_names(section(TEXT, "Statuses"))
    assert sorted(told) == sorted(status.value for status in Status if status is not Status.ELIGIBLE)


def test_the_table_of_changes_is_the_programs_own():
    """Every change, by whom, and whether the agency is told: no row more, none less."""
    told: dict[tuple[str, str], frozenset[By]] = {}
    notified: set[tuple[str, str]] = set()
    for row in table(section(TEXT, "Who may change what")):
        sources = WITH_AGENCY if " to " in row[0] else tuple(names(row[0])) or ("eligible",)
        who = frozenset(each for words, each in BY.items() if words in row[2])
        for pair in itertools.product(sources, names(row[1])):
            assert pair not in told, pair
            told[pair] = who
            if names(row[3]):
                notified.add(pair)
    assert told == {(each.source.value, each.target.value): each.by for each in TRANSITIONS}
    assert notified == {(each.source.value, each.target.value) for each in TRANSITIONS if each.tells_agency}


def test_every_kind_of_notice_is_named_where_it_is_said_what_follows():
    """A kind that is added fails here until somebody says when it is sent."""
    told = set(names(section(TEXT, "What the EHR tells, and what the agency is told")))
    changes = set(names(section(TEXT, "Who may change what")))
    assert {kind.value for kind in NoticeKind} <= told | changes


def test_every_setting_of_an_agency_that_times_something_is_in_the_table_of_timers():
    """And every exception that time opens."""
    text = section(TEXT, "Timers")
    timed = {name for name in AgencyTerms._fields if name not in {"sends_increases", "objection_extends"}}
    assert timed <= set(first_names(text))
    assert {timer.kind for timer in TIMERS} <= set(names(text))


def test_every_kind_of_exception_is_explained_here_or_with_the_merges():
    """With what a person does about it."""
    here = set(first_names(section(TEXT, "What waits for a person")))
    assert set(KINDS) <= here | set(names(read("hl7.md")))
    assert here <= set(KINDS)
