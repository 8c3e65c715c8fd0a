"""What every test may lean on: this folder's sample modules are importable, and a store is one fixture away."""

from __future__ import annotations

import pytest
from feed_samples import Feed

from hl7bridge.storage.database import open_store

KEY = bytes(range(32))


@pytest.fixture
def store(tmp_path):
    """Return a new encrypted store, closed after the test."""
    opened = open_store(tmp_path / "hl7bridge.db", KEY, create=True)
    yield opened
    opened.close()


@pytest.fixture
def feed(store):
    """Return a pipeline on that store, with the shipped mapping and rules; after the test its ledger must foot."""
    made = Feed(store)
    yield made
    made.check_footing()
