"""A store and the agency's folder beside it."""

from __future__ import annotations

import pytest
from placement_samples import new_store


@pytest.fixture
def store(tmp_path):
    opened = new_store(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "outgoing"
