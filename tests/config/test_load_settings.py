"""hl7bridge.toml: what a file means, its safe defaults, and how it is read."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import get_args

import pytest
from config_samples import AGENCY, DESTINATION, LISTENER, read
from pydantic import ValidationError

from hl7bridge.config import (
    Address,
    DestinationSettings,
    Settings,
    describe,
    key_path,
    load_settings,
    read_sound_sections,
)
from hl7bridge.errors import BridgeError, ConfigError, NotFoundError
from hl7bridge.payments.message import VERSIONS
from hl7bridge.shipped import read_shipped
from hl7bridge.tomlfile import parse_toml


def test_the_shipped_file_loads_and_needs_nothing_else(tmp_path):
    """One listener, one destination, one agency, all on loopback."""
    file = tmp_path / "hl7bridge.toml"
    file.write_text(read_shipped("hl7bridge.toml"))
    settings = load_settings(file)
    assert settings.file == file
    assert [each.bind for each in settings.listeners] == [Address("127.0.0.1", 2575)]
    assert [each.connect for each in settings.destinations] == [Address("127.0.0.1", 2576)]
    assert [(each.outgoing, each.incoming) for each in settings.agencies] == [
        (tmp_path / "agencies/sample/outgoing", tmp_path / "agencies/sample/incoming")
    ]
    assert settings.store.path == tmp_path / "data/hl7bridge.db"
    assert settings.store.key_file == tmp_path / "secrets/store.key"
    assert settings.rules.file == tmp_path / "rules.toml"
    assert settings.mappings.folder == tmp_path / "mappings"


def test_every_line_that_the_shipped_file_offers_is_right(tmp_path):
    """The defaults and examples in its comments can be used by taking the "#" away."""
    lines = []
    for line in read_shipped("hl7bridge.toml").splitlines():
        bare = line.removeprefix("# ")
        is_offer = line.startswith("# ") and (bare.startswith("[[") or bare.split(" ")[1:2] == ["="])
        lines.append(bare if is_offer and "[...]" not in line else line)
    text = "\n".join(lines)
    assert "\nidle_timeout" in text
    assert "\n[[facilities]]" in text
    settings = read(text)
    assert settings.facilities[0].time_zone == "America/New_York"
    assert settings.mappings.senders == {"EPIC|NORTHGATE": "epic"}
    written = read(read_shipped("hl7bridge.toml"))
    for offered, default in zip(settings.destinations, written.destinations, strict=True):
        shown = dict.fromkeys(("tls", "idle_close", "mapping")) | {"facilities": ()}
        assert offered.model_copy(update=shown) == default


def test_an_empty_file_has_safe_defaults():
    """Nothing listens and nothing is sent until somebody says where."""
    settings = read("")
    assert (settings.listeners, settings.destinations, settings.agencies) == ((), (), ())
    assert settings.store.path == Path("/srv/data/hl7bridge.db")
    assert settings.rules.run_at == dt.time(5)
    assert settings.reports.time_zone == "UTC"
    assert settings.mappings.default == "generic"


def test_a_listener_has_safe_defaults():
    """Production messages only, 16 MiB at most."""
    (listener,) = read(LISTENER).listeners
    assert listener.processing_ids == ("P",)
    assert listener.max_block == 16 << 20
    assert listener.block_timeout == dt.timedelta(seconds=30)
    assert (listener.idle_timeout, listener.mapping, listener.tls, listener.allow) == (None, None, None, ())
    assert (listener.reused_control_id, listener.unmapped) == ("accept", "ignore")
    assert not listener.require_account


def test_a_destination_has_safe_defaults_and_the_versions_that_payments_are_built_in():
    """The list of versions is kept in two places, because reading settings must not load what builds messages."""
    (destination,) = read(DESTINATION).destinations
    assert destination.retry.first == dt.timedelta(seconds=1)
    assert destination.retry.ceiling == dt.timedelta(minutes=5)
    assert destination.retry.attempts == 10
    assert destination.codes.payment == "AGYPAY"
    assert destination.version == "2.5.1"
    assert get_args(DestinationSettings.model_fields["version"].annotation) == VERSIONS


def test_all_that_can_be_set_is_read():
    """Paths become absolute, durations and sizes values."""
    settings = read(
        LISTENER
        + 'max_block = "1 MiB"\nidle_timeout = "10 min"\nprocessing_ids = ["T", "D"]\nallow = ["10.2.0.0/16", "::1"]\n'
        + 'tls = { certificate = "c.pem", key = "/k.pem", client_ca = "../ca.pem" }\nmapping = "epic"\n'
        + DESTINATION
        + 'facilities = ["NORTHGATE"]\nretry = { first = "2 s", ceiling = "1 h", attempts = 3 }\nversion = "2.3"\n'
        + AGENCY
        + 'fields = ["account", "balance"]\n'
    )
    (listener,), (destination,), (agency,) = settings.listeners, settings.destinations, settings.agencies
    assert listener.max_block == 1 << 20
    assert listener.tls
    assert listener.tls.certificate == Path("/srv/c.pem")
    assert listener.tls.key == Path("/k.pem")
    assert listener.tls.client_ca == Path("/ca.pem")
    assert [str(network) for network in listener.allow] == ["10.2.0.0/16", "::1/128"]
    assert destination.retry.attempts == 3
    assert agency.fields == ("account", "balance")


def test_settings_do_not_change_once_read():
    """A reload makes new ones."""
    settings = read(LISTENER)
    with pytest.raises(ValidationError, match="frozen"):
        settings.listeners[0].name = "other"


def test_equal_files_make_equal_settings():
    """A reload can tell what changed."""
    assert read(LISTENER) == read(LISTENER + "\n# a comment\n")
    assert read(LISTENER) != read(LISTENER + 'unmapped = "refuse"\n')


def test_a_facility_has_the_zone_of_its_days():
    """The reports' zone when it is not configured."""
    settings = read('[reports]\ntime_zone = "America/Chicago"\n[[facilities]]\ncode = "N"\ntime_zone = "UTC"\n')
    assert settings.time_zone_of("N") == "UTC"
    assert settings.time_zone_of("S") == "America/Chicago"


def test_a_file_that_is_missing_or_unreadable_is_one_clear_line(tmp_path):
    """No traceback."""
    with pytest.raises(NotFoundError, match="there is no such file"):
        load_settings(tmp_path / "hl7bridge.toml")
    with pytest.raises(BridgeError, match="cannot read: Is a directory"):
        load_settings(tmp_path)
    file = tmp_path / "latin.toml"
    file.write_bytes(b"# a\n# caf\xe9\n")
    with pytest.raises(ConfigError, match=r"latin\.toml:2: \(encoding\): not UTF-8"):
        load_settings(file)
    file.write_bytes(b"\xef\xbb\xbf[reports]\n")
    assert load_settings(file).reports.time_zone == "UTC"


def test_the_key_is_a_systemd_credential_when_there_is_one(tmp_path, monkeypatch):
    """Otherwise the file of the configuration, which need not exist when it is loaded."""
    settings = read('[store]\nkey_file = "/etc/hl7bridge/store.key"\n')
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert key_path(settings) == Path("/etc/hl7bridge/store.key")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert key_path(settings) == Path("/etc/hl7bridge/store.key")
    (tmp_path / "store.key").write_text("")
    assert key_path(settings) == tmp_path / "store.key"


def test_sections_that_are_right_can_be_read_though_others_are_not():
    """So that `check` goes on to the rules and mappings."""
    toml = parse_toml('listeners = 5\nbogus = 1\n[rules]\nfile = "r.toml"\n[store]\npath = "p"\n', "/srv/x.toml")
    settings, unread = read_sound_sections(toml)
    assert settings.rules.file == Path("/srv/r.toml")
    assert settings.store.path == Path("/srv/p")
    assert unread == {"listeners", "bogus"}


def test_of_a_section_that_is_wrong_the_keys_that_are_right_are_read():
    """A time of day that is none leaves the rules' file to be checked; a file that is no text does not."""
    toml = parse_toml(
        '[rules]\nfile = "r.toml"\nrun_at = "99:00"\n[mappings]\nfolder = 5\n[bogus]\nx = 1\n', "/srv/x.toml"
    )
    settings, unread = read_sound_sections(toml)
    assert settings.rules.file == Path("/srv/r.toml")
    assert unread == {"rules", "rules.run_at", "mappings", "mappings.folder", "bogus", "bogus.x"}


def test_every_value_in_effect_can_be_shown():
    """Defaults included, as they could stand in the file."""
    shown = dict(
        describe(
            read(LISTENER + 'allow = ["10.0.0.0/8"]\n' + DESTINATION + AGENCY + '[mappings.senders]\n"A|B" = "x"\n')
        )
    )
    assert shown["listeners[1].max_block"] == "16 MiB"
    assert shown["listeners[1].block_timeout"] == "30 s"
    assert shown["listeners[1].idle_timeout"] == "(none)"
    assert shown["listeners[1].allow"] == "10.0.0.0/8"
    assert shown["listeners[1].bind"] == "127.0.0.1:2575"
    assert shown["listeners[1].plaintext_off_loopback"] == "false"
    assert shown["destinations[1].retry.ceiling"] == "5 min"
    assert shown["destinations[1].facilities"] == "(none)"
    assert shown["destinations[1].sending_facility"] == ""
    assert shown["agencies[1].outgoing"] == "/srv/out"
    assert shown["agencies[1].incoming"] == "(none)"
    assert shown["agencies[1].suspend_at_most"] == "50 d"
    assert shown["mappings.senders.A|B"] == "x"
    assert shown["rules.run_at"] == "05:00"
    assert dict(describe(read("")))["mappings.senders"] == "(none)"
    assert set(Settings.model_fields) == {key.partition(".")[0].partition("[")[0] for key in shown}
