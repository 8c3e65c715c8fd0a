"""``profile --stored``: what a feed said of late, of the fields that the store kept of it."""

from __future__ import annotations

import datetime as dt
import json
from contextlib import contextmanager

import pytest
from bridge_samples import Bridge, charges, registration

from hl7bridge.errors import SEGMENT_SEQUENCE, Location, MessageError
from hl7bridge.storage.messages import Disposition

FEED = (
    registration("A1"),
    charges("D1"),
    charges("D2").replace(b"INSPAY", b"XINS"),
    registration("A2").replace(b"A04", b"A60"),
)


def profile(bridge, *arguments, code=0):
    """Run the command, having checked its exit code."""
    result = bridge.run("profile", *arguments)
    assert result.exit_code == code, result.stderr
    return result


def rows(bridge, section, *arguments):
    """The rows of one section, as JSON."""
    found = [json.loads(line) for line in profile(bridge, "--json", *arguments).stdout.splitlines()]
    return [row for row in found if row.pop("section") == section]


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A bridge that received messages last winter: applied, a duplicate, ignored, rejected, unreadable, half a one."""
    bridge = Bridge(tmp_path_factory.mktemp("stored"))
    replies = bridge.receive(FEED[0], FEED[0], FEED[1], FEED[3], FEED[2].replace(b"500.00", b"MANY"), b"MSH|^|\r")
    assert [reply.disposition for reply in replies] == [
        Disposition.APPLIED, Disposition.DUPLICATE, Disposition.APPLIED, Disposition.IGNORED, Disposition.REJECTED,
        Disposition.UNREADABLE,
    ]  # fmt: skip
    bridge.receive_faulty(FEED[0][:60], MessageError(SEGMENT_SEQUENCE, Location("MSH"), "the block was cut short"))
    return bridge


def unreadable(bridge):
    """Why stored messages cannot be counted."""
    return {row["why"]: row["messages"] for row in rows(bridge, "unreadable", "--stored")}


def test_the_store_is_read_and_said_to_have_kept_fields_only(stored):
    """Duplicates are counted once."""
    result = profile(stored, "--stored")
    assert result.stdout.splitlines()[0].startswith(
        "6 messages that the store kept, of which only fields that the mapping of their day named are there, on "
    )
    (total,) = rows(stored, "summary", "--stored")
    assert (total["messages"], total["used"], total["refused"]) == (4, 3, 1)
    number = next(row for row in rows(stored, "fields", "--stored") if row["field"] == "account.number")
    assert number["percent"] == "100 %"


def test_what_could_not_be_read_is_told_with_the_reason(stored):
    """Half a message is none, though it might be read as one."""
    found = unreadable(stored)
    assert sum(found.values()) == 2
    assert found["what came was not a whole message"] == 1


def test_progress_is_told_by_the_rows_that_were_passed(stored, monkeypatch):
    """Every so many messages."""
    told = []
    monkeypatch.setattr("hl7bridge.cli.profile_reading._TOLD_AFTER", 2)

    @contextmanager
    def watched(_what, total):
        told.append(total)
        yield told.append

    monkeypatch.setattr("hl7bridge.cli.profile._bar", watched)
    profile(stored, "--stored")
    assert told == [7, 2, 2, 2]


def test_nothing_is_written_to_the_store(stored):
    """It is looked at, and no value of a patient is shown."""
    before = stored.audit(), stored.dump()
    profile(stored, "--stored")
    assert (stored.audit(), stored.dump()) == before


def test_only_the_last_days_are_looked_at(tmp_path):
    """A store has years."""
    bridge = Bridge(tmp_path)
    bridge.receive(FEED[0])
    bridge.receive(FEED[1], now=dt.datetime.now(dt.UTC))
    text = profile(bridge, "--stored", "--days", "7").stdout
    assert text.startswith("1 message that the store kept of the last 7 days, of which only fields")
    assert rows(bridge, "summary", "--stored")[0]["messages"] == 2


def test_messages_of_a_listener_that_is_gone_are_read_as_the_first_ones_are(tmp_path):
    """Whose mapping they had is not known any more."""
    bridge = Bridge(tmp_path)
    bridge.receive(FEED[0], b"MSH|^|\r")
    bridge.configure('name = "ehr"\nbind', 'name = "feed"\nbind')
    assert rows(bridge, "summary", "--stored")[0]["messages"] == 1
    assert sum(unreadable(bridge).values()) == 1


def test_an_event_that_no_mapping_named_when_it_came_lacks_nothing(tmp_path):
    """No more than its header was kept: its fields were not missing."""
    bridge = Bridge(tmp_path)
    bridge.receive(FEED[0], FEED[3])
    bridge.configure("[events]\n", '[events]\n"ADT^A60" = ["patient"]\n', "mappings/generic.toml")
    assert unreadable(bridge) == {"only its header was kept: no mapping named its event that day": 1}
    (total,) = rows(bridge, "summary", "--stored")
    assert (total["messages"], total["refused"]) == (1, 0)


def test_a_store_that_kept_nothing_is_said_to(tmp_path):
    """There is nothing to report."""
    bridge = Bridge(tmp_path)
    assert "kept no message" in profile(bridge, "--stored", code=1).stderr
    assert "of the last 3 days" in profile(bridge, "--stored", "--days", "3", code=1).stderr
