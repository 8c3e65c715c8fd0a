"""hl7bridge.toml -> frozen settings, every problem of the file in one run (only service and cli read it)."""

from hl7bridge.config.describe import describe
from hl7bridge.config.load import key_path, load_settings, read_settings_text, read_sound_sections, read_text
from hl7bridge.config.settings import (
    AgencySettings,
    CodesSettings,
    DestinationSettings,
    DestinationTls,
    FacilitySettings,
    ListenerSettings,
    ListenerTls,
    MappingsSettings,
    ReportsSettings,
    RetrySettings,
    RulesSettings,
    Settings,
    StoreSettings,
)
from hl7bridge.config.values import Address, parse_address, parse_connect, parse_duration

__all__ = [
    "Address",
    "AgencySettings",
    "CodesSettings",
    "DestinationSettings",
    "DestinationTls",
    "FacilitySettings",
    "ListenerSettings",
    "ListenerTls",
    "MappingsSettings",
    "ReportsSettings",
    "RetrySettings",
    "RulesSettings",
    "Settings",
    "StoreSettings",
    "describe",
    "key_path",
    "load_settings",
    "parse_address",
    "parse_connect",
    "parse_duration",
    "read_settings_text",
    "read_sound_sections",
    "read_text",
]
