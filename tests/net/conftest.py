"""What tests of the network share."""

from __future__ import annotations

import pytest
from listening import Listening, Sender
from reactor_thread import start_reactor
from sender_bridge import Bridge
from structlog.testing import capture_logs

from hl7bridge.net import listener


@pytest.fixture
def logs():
    with capture_logs() as captured:
        yield captured


@pytest.fixture
def bridge(tmp_path, logs):
    start_reactor()
    running = Bridge(tmp_path)
    yield running
    running.close()


@pytest.fixture
def listening(tmp_path):
    """Run a listener with default limits on a port of its own."""
    with Listening(tmp_path) as made:
        yield made


@pytest.fixture
def sender(listening):
    """Connect to ``listening``."""
    with Sender(listening.port) as made:
        yield made


@pytest.fixture
def quick_sweep(monkeypatch):
    """Have listeners look often for what has taken too long, or each such test would wait a second for nothing."""
    monkeypatch.setattr(listener, "_SWEEP", 0.05)
