"""Long blocks: what is found out about them before their turn changes nothing of what becomes of them."""

from __future__ import annotations

import contextlib

import pytest
from conftest import KEY
from feed_samples import NOW, Feed, adt, dft, ft1

from hl7bridge.batch import Received
from hl7bridge.errors import SEGMENT_SEQUENCE, Location, MessageError
from hl7bridge.privacy.documents import LONG_SEGMENT
from hl7bridge.storage.database import open_store

DOCUMENT = "OBX|1|ED|PDF||^application^pdf^Base64^" + "QUJD" * (LONG_SEGMENT // 4)
BLOCKS = {
    "applied": [adt("A1", DOCUMENT)],
    "repeated": [adt("A1", DOCUMENT), adt("A1", DOCUMENT)],
    "another document": [dft("D1", ft1(number="T1"), DOCUMENT), dft("D1", ft1(number="T1"), DOCUMENT + "QUJD")],
    "no message": [b"PID|" + b"7" * LONG_SEGMENT],
    "bytes of no character set": [adt("A1", DOCUMENT) + b"\x81\x8d"],
    "refused": [adt("A1", DOCUMENT).replace(b"|P|2.5.1", b"|T|2.5.1")],
}


def outcome(folder, blocks, *, is_read_ahead):
    """Return the replies, and what the store has of the messages and accounts."""
    with contextlib.closing(open_store(folder, KEY, create=True)) as store:
        feed = Feed(store)
        received = [Received("ehr", data) for data in blocks]
        if is_read_ahead:
            received = [feed.pipeline.read_ahead(block) for block in received]
            assert all(block.ahead for block in received)
        replies = [feed.pipeline.receive([block], NOW)[0] for block in received]
        return (
            replies,
            store.rows("SELECT disposition, reason, digest, content, raw, reply FROM messages"),
            store.rows("SELECT number, charges FROM accounts"),
        )


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_that_was_read_ahead_ends_as_one_that_was_not(tmp_path, name):
    """Same replies to the byte, same rows."""
    ahead = outcome(tmp_path / "ahead.db", BLOCKS[name], is_read_ahead=True)
    assert ahead == outcome(tmp_path / "plain.db", BLOCKS[name], is_read_ahead=False)


def test_a_block_with_a_fault_of_the_wire_keeps_it(feed):
    """Nothing is read of what was cut off."""
    fault = MessageError(SEGMENT_SEQUENCE, Location("MSH"), "cut off")
    block = feed.pipeline.read_ahead(Received("ehr", adt("A1", DOCUMENT), fault))
    assert block.ahead.message is fault
    assert feed.pipeline.receive([block], NOW)[0].disposition == "unreadable"
