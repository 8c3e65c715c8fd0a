"""What the daemon asks of Python's memory: it does not look for cycles of objects where there are none."""

from __future__ import annotations

import gc

import pytest
from feed_samples import NOW, adt, dft, ft1, make_setup

from hl7bridge.batch import Received
from hl7bridge.cli.serve import YOUNG_OBJECTS
from hl7bridge.pipeline import Pipeline


@pytest.fixture
def collections():
    """A list that gets an item each time Python looks for cycles, as often as it does in the daemon."""
    seen = []
    before = gc.get_threshold()
    gc.collect()
    gc.set_threshold(YOUNG_OBJECTS)
    gc.callbacks.append(lambda phase, _about: seen.append(phase) if phase == "start" else None)
    yield seen
    gc.callbacks.pop()
    gc.set_threshold(*before)


def test_batches_of_messages_do_not_set_python_looking_for_cycles(store, collections):
    """With its own threshold it would look at the youngest objects in each batch, and in time at all, for 40 ms."""
    pipeline = Pipeline(store, make_setup())
    for batch in range(10):
        numbers = range(batch * 32, batch * 32 + 32)
        blocks = [Received("ehr", dft(f"D{at}", ft1("10.00", number=f"T{at}"), account=f"A{at}")) for at in numbers]
        blocks += [Received("ehr", adt(f"A{at}", account=f"A{at}")) for at in numbers]
        assert {reply.disposition for reply in pipeline.receive(blocks, NOW)} == {"applied"}
    assert len(collections) <= 5
