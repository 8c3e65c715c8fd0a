"""Whole feeds through the generic mapping and a real pipeline: every message has an outcome that can be told.

The messages are the examples of every shipped mapping and the invented samples of other tests. HL7BRIDGE_CORPUS may
name a folder of further messages (``*.hl7``), of which ADT, DFT and BAR are taken.
"""

import os
import re
import tomllib
from pathlib import Path

import pytest
from docs_reader import ROOT
from feed_samples import code
from message_samples import CORPUS

from hl7bridge.cli.mllp_client import header_field, split_messages
from hl7bridge.mapping.compile import compile_mapping
from hl7bridge.storage.messages import Disposition
from hl7bridge.tomlfile import parse_toml

GENERIC = compile_mapping(parse_toml((ROOT / "mappings" / "generic.toml").read_text(encoding="utf-8"), "generic.toml"))
FOLDER = os.environ.get("HL7BRIDGE_CORPUS")
KINDS = (b"ADT", b"DFT", b"BAR")
TABLES = ("patients", "accounts", "entries", "guarantors", "coverages", "identifiers", "discrepancies", "exceptions")


def examples(name):
    """Return the messages of a mapping's examples, in order."""
    data = tomllib.loads((ROOT / "mappings" / f"{name}.toml").read_text(encoding="utf-8"))
    return [message for each in data["examples"] for message in split_messages(each["message"].strip().encode())]


FEEDS = {path.stem: examples(path.stem) for path in sorted((ROOT / "mappings").glob("*.toml"))}
FEEDS["samples"] = list(CORPUS.values())
if FOLDER:
    FEEDS["folder"] = [
        message
        for path in sorted(Path(FOLDER).rglob("*.hl7"))
        for message in split_messages(path.read_bytes())
        if header_field(message, 9)[:3] in KINDS
    ]


def tables(store):
    """Return what the ledger holds."""
    return {name: store.rows(f"SELECT * FROM {name}") for name in TABLES}


@pytest.mark.parametrize("name", FEEDS)
def test_every_message_of_a_feed_has_an_outcome_with_a_reason_and_none_is_an_error_of_ours(feed, name):
    """Applied when the mapping makes something of its event, ignored when not, else refused with a code and a place."""
    replies = [feed.send(block) for block in FEEDS[name]]
    assert replies
    for reply in replies:
        assert not reply.reason.startswith("internal error"), reply
        if reply.disposition in {Disposition.REJECTED, Disposition.UNREADABLE}:
            assert re.match(r"(10[0-4]|20[0-5]) [A-Z]\w\w", reply.reason), reply.reason
        elif reply.disposition is Disposition.IGNORED:
            assert reply.reason
        else:
            assert reply.disposition in {Disposition.APPLIED, Disposition.DUPLICATE}
    rows = feed.store.rows("SELECT message_type, trigger_event, disposition FROM messages")
    for kind, event, disposition in rows:
        if disposition in {Disposition.APPLIED, Disposition.IGNORED}:
            assert bool(GENERIC.events.get((kind, event))) is (disposition == Disposition.APPLIED), (kind, event)
    feed.check_footing()


@pytest.mark.parametrize("name", FEEDS)
def test_a_feed_that_is_sent_again_changes_nothing(feed, name):
    """A duplicate is answered as it was before; what is refused before it is read is refused again."""
    first = [feed.send(block) for block in FEEDS[name]]
    held = tables(feed.store)
    again = [feed.send(block) for block in FEEDS[name]]
    assert tables(feed.store) == held
    for before, after in zip(first, again, strict=True):
        if after.disposition is Disposition.DUPLICATE:
            assert after.data == before.data
        else:
            assert (after.disposition, after.reason) == (Disposition.REJECTED, before.reason)
            assert code(after) == code(before) == "AR"
    feed.check_footing()
