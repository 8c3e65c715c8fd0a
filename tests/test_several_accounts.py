"""BAR^P02 and BAR^P06 end several accounts at once: one message, all or nothing. Source: HL7 v2.5.1 section 6.4."""

from __future__ import annotations

import datetime as dt

import pytest
from feed_samples import (
    NOW,
    OWN_SIGNS,
    Feed,
    adt,
    code,
    dft,
    generic_mapping,
    make_setup,
    message,
    pid,
    pv1,
    refusal,
    segment,
)

from hl7bridge.errors import MessageError
from hl7bridge.mapping.apply import apply_mapping
from hl7bridge.mapping.groups import split_accounts
from hl7bridge.message.parse import parse_message
from hl7bridge.provenance import Readers, Subject, trace_account
from hl7bridge.reading import Sample, account_keys, find_differences, patient_keys, read_twice
from hl7bridge.storage.accounts import find_account
from hl7bridge.storage.cases import read_case
from hl7bridge.storage.messages import read_message

ENDED = ("BAR^P06", "B1", "EVN|P06", pid("TACC1", "TMRN1"), pv1(), pid("TACC2", "TMRN2"), pid("TACC3", "TMRN3"), pv1())


def statuses(feed):
    return dict(feed.store.rows("SELECT number, status FROM accounts ORDER BY number"))


@pytest.mark.parametrize("event", ["BAR^P06", "BAR^P02"])
def test_every_account_that_a_message_ends_is_closed(feed, event):
    """Those that are known and those that are not; the message is the first one's and says how many there are."""
    feed.take(adt("A1", account="TACC1"), dft("D1", account="TACC2"))
    feed.take(message(event, *ENDED[1:]))
    assert statuses(feed) == {"TACC1": "closed", "TACC2": "closed", "TACC3": "closed"}
    assert feed.count("patients") == 3
    row = read_message(feed.store, 3)
    assert (row.account_id, row.reason) == (find_account(feed.store, "TACC1").id, "3 accounts")
    feed.check_footing()


def test_a_message_of_one_account_is_as_ever_and_other_events_have_one(feed):
    """Nothing is said of it."""
    feed.take(message("BAR^P06", "B1", pid("TACC1"), pv1()), adt("A1", pid("TACC9"), account="TACC2"))
    assert statuses(feed) == {"TACC1": "closed", "TACC2": "open"}
    assert read_message(feed.store, 1).reason == ""


def test_when_one_of_them_is_refused_none_is_closed(feed):
    """The refusal names that one's own segment; nothing of the ones before it is left, also of new accounts."""
    feed.take(adt("A1", account="TACC1"))
    reply = feed.send(message("BAR^P06", *ENDED[1:4], pid("TACC2", "TMRN2"), pv1(f19="TVIS2"), pid("", "TMRN3")))
    assert refusal(reply) == ("AE", "101", "PID^3^18^1^1")
    assert statuses(feed) == {"TACC1": "open"}
    other = segment("PID", {1: "1", 3: "TMRN1", 18: "TACC1^^^OTHER"})
    feed.take(message("BAR^P06", "B2", segment("PID", {3: "TMRN1", 18: "TACC1^^^HOSP"})))
    last = feed.send(message("BAR^P06", "B3", pid("TACC8", "TMRN8"), pv1(f19="TVIS8"), pid("TACC7", "TMRN7"), other))
    assert code(last) == "AE"
    assert (statuses(feed), feed.count("identifiers"), feed.count("patients")) == ({"TACC1": "closed"}, 0, 1)


def test_a_refusal_of_another_segment_than_pid_names_it_as_it_is():
    """Which PV1 of the message it is, is not counted."""
    mapping = generic_mapping(lambda text: text.replace('{ from = "PV1-44", invalid = "ignore" }', '"PV1-44"', 1))
    with pytest.raises(MessageError, match=r"^PV1-44"):
        apply_mapping(mapping, parse_message(message(*ENDED[:5], pid("TACC2"), pv1(f44="SOON"))))


def test_the_groups_are_cut_at_each_pid_under_the_header_with_the_senders_own_signs():
    """A line of stray text that begins as one is none."""
    block = message("BAR^P02", "B1", "EVN|P02", pid("TACC1"), pv1(), "PIDX|", pid("TACC2"), "PID")
    for own in (block, block.translate(OWN_SIGNS)):
        parts = split_accounts(parse_message(own))
        assert [[each[:3] for each in part.segments] for part in parts] == [
            ["MSH", "EVN", "PID", "PV1", "PID"],
            ["MSH", "EVN", "PID"],
            ["MSH", "EVN", "PID"],
        ]
        assert [part.get("PID-18.1") for part in parts[:2]] == ["TACC1", "TACC2"]
    assert len(split_accounts(parse_message(message("DFT^P02", "B1", pid(), pid())))) == 1


def test_what_reads_a_message_without_applying_it_sees_all_of_its_accounts():
    """A preview rebuilds them all, and tells in what any differs."""
    data = message(*ENDED)
    kept_open = generic_mapping(lambda text: text.replace('{ constant = "closed"', '{ constant = "open"', 1))
    sample = Sample(1, "1", "2026-01-15T00:00:00.000Z", "ehr", "", data)
    pair = read_twice(sample, make_setup(), make_setup(kept_open))
    assert [number for _, number in account_keys(pair.before.records)] == ["TACC1", "TACC2", "TACC3"]
    assert [number for _, number in patient_keys(pair.before.records)] == ["TMRN1", "TMRN2", "TMRN3"]
    found = list(find_differences(pair.before.records, pair.after.records))
    assert [each.field for each in found] == ["status"] * 3


def test_the_provenance_of_each_account_is_its_own_part(feed):
    """Also of those that the message is not noted of."""
    feed.take(message("BAR^P06", "B1", "EVN|P06", pid("TACC1", "TMRN1"), pv1(f18="T1"), pid("TACC2"), pv1(f2="I")))
    readers = Readers(lambda _name: generic_mapping(), lambda _name, _at: None, lambda _facility: dt.UTC)
    for number, patient_class in (("TACC1", "O"), ("TACC2", "I")):
        subject = Subject(read_case(feed.store, find_account(feed.store, number).id), (), (), ())
        found = {(each.record, each.field): each for each in trace_account(feed.store, subject, readers)}
        status, kind = found["account", "status"], found["account", "patient_class"]
        assert (status.message, status.note, kind.value, kind.path) == (1, "", patient_class, "PV1-2.1")


@pytest.mark.parametrize("refuses", [True, False])
def test_an_event_that_the_mapping_names_with_nothing_is_taken(store, refuses):
    """It is not one that no mapping uses, and never refused."""
    feed = Feed(store, refuse_unmapped=refuses)
    (reply,) = feed.take(message("BAR^P12", "B1", pid(), pv1()))
    assert (reply.disposition, reply.reason) == ("ignored", "taken; nothing is made of it")


@pytest.mark.parametrize("event", ["ADT^A04", "ADT^A28", "ADT^A40"])
def test_the_times_of_a_message_are_of_the_zone_of_the_facility_that_the_mapping_finds(store, event):
    """MSH-4 may be empty and the facility the mapping's own word: a late word is one by that facility's clock."""
    mapping = generic_mapping(lambda text: text.replace('facility = "MSH-4.1"', 'facility = { constant = "EAST" }'))
    feed = Feed(store, mapping)
    east = dt.timezone(dt.timedelta(hours=5))
    setup = make_setup(mapping)._replace(zone_of=lambda facility: east if facility == "EAST" else dt.UTC)
    feed.pipeline.use(setup)
    at = (NOW + dt.timedelta(hours=1)).strftime("%Y%m%d%H%M%S")
    feed.take(message(event, "A1", pid(), "MRG|TMRN7^^^HOSP", pv1(), m4="", m7=at))
    table = "identifiers" if event == "ADT^A40" else "patients"
    column = "since" if event == "ADT^A40" else "as_of"
    (told,) = store.row(f"SELECT {column} FROM {table}")
    assert told.startswith(f"{NOW - dt.timedelta(hours=4):%Y%m%d%H%M%S}")
