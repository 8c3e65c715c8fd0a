"""Small configurations, and what is wrong with a text, for the tests of settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from hl7bridge.config import read_settings_text
from hl7bridge.errors import ConfigError

PLAINTEXT = (
    "patient data would cross the network unencrypted"
    " (add tls = { ... }, or say plaintext_off_loopback = true when a VPN carries it)"
)
LISTENER = '[[listeners]]\nname = "ehr"\nbind = "127.0.0.1:2575"\n'
DESTINATION = '[[destinations]]\nname = "ehr"\nconnect = "127.0.0.1:2576"\n'
AGENCY = '[[agencies]]\nname = "sample"\noutgoing = "out"\n'


def read(text):
    """Return the settings of a text that stands at /srv/hl7bridge.toml."""
    return read_settings_text(text, Path("/srv/hl7bridge.toml"))


def problems(text):
    """Return what is wrong with a text: LINE: KEY: PROBLEM (HINT)."""
    with pytest.raises(ConfigError) as raised:
        read(text)
    return [str(problem).removeprefix("/srv/hl7bridge.toml:") for problem in raised.value.problems]
