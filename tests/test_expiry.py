"""Certificates and how long they last, as `status` and the log have it."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from cli_samples import Certificates, init_folder, run
from running_daemon import edit
from structlog.testing import capture_logs

from hl7bridge.config import load_settings
from hl7bridge.expiry import certificate_rows, read_expiries, warn_of_expiry

NAMES = [
    "listeners.ehr.tls.certificate",
    "listeners.ehr.tls.client_ca",
    "destinations.ehr.tls.certificate",
    "destinations.ehr.tls.ca",
]


@pytest.fixture
def authority(tmp_path):
    return Certificates(tmp_path)


@pytest.fixture
def config(tmp_path, authority):
    """Return a configuration with a certificate that lasts 60 days, and one of 10 days at the destination."""
    made = init_folder(tmp_path / "d")
    (long, long_key), (short, short_key) = (
        authority.issue("long", days=(-1, 60)),
        authority.issue("short", days=(-1, 10)),
    )
    listener = f'tls = {{ certificate = "{long}", key = "{long_key}", client_ca = "{authority.ca}" }}'
    destination = f'tls = {{ ca = "{authority.ca}", certificate = "{short}", key = "{short_key}" }}'
    edit(made, 'bind = "127.0.0.1:2575"', f'bind = "127.0.0.1:2575"\n{listener}')
    edit(made, 'connect = "127.0.0.1:2576"', f'connect = "127.0.0.1:2576"\n{destination}')
    return made


def told(settings, now):
    with capture_logs() as logs:
        warn_of_expiry(settings, now)
    return [(each["event"], each["log_level"], each["certificate"], each.get("days")) for each in logs]


def test_every_certificate_of_listeners_and_destinations_is_looked_at(config):
    """Ours, and the authorities whose word we take; without TLS there is nothing to look at."""
    settings = load_settings(config)
    assert [each.name for each in read_expiries(settings)] == NAMES
    plain = [each.model_copy(update={"tls": None}) for each in settings.listeners]
    assert read_expiries(settings.model_copy(update={"listeners": tuple(plain), "destinations": ()})) == []


def test_the_first_to_expire_of_a_file_counts(config, authority):
    """A chain is as good as each of its certificates."""
    settings = load_settings(config)
    short, _ = authority.issue("shorter", days=(-1, 5))
    with settings.listeners[0].tls.certificate.open("ab") as file:
        file.write(short.read_bytes())
    assert read_expiries(settings)[0].days(dt.datetime.now(dt.UTC)) == 4


def test_the_log_warns_from_thirty_days_before_and_is_louder_when_it_is_too_late(config):
    """Once a look, for each certificate that needs it."""
    settings = load_settings(config)
    expires_at = {each.name: each.expires_at for each in read_expiries(settings)}
    short = expires_at[NAMES[2]]
    day = dt.timedelta(days=1)
    assert told(settings, short - 30 * day) == []
    assert told(settings, short - 29 * day) == [("certificate_expires", "warning", NAMES[2], 29)]
    assert told(settings, short) == [("certificate_expires", "warning", NAMES[2], 0)]
    assert told(settings, short + day / 2) == [("certificate_expires", "error", NAMES[2], -1)]
    assert [each[1:3] for each in told(settings, short + 70 * day)] == [
        ("error", NAMES[0]),
        ("warning", NAMES[1]),
        ("error", NAMES[2]),
        ("warning", NAMES[3]),
    ]


def test_a_file_that_went_missing_is_said_before_a_restart_needs_it(config, authority):
    """The daemon runs on with what it read."""
    authority.ca.unlink()
    settings = load_settings(config)
    now = dt.datetime.now(dt.UTC) - dt.timedelta(days=40)
    assert told(settings, now) == [("certificate_unreadable", "warning", name, None) for name in NAMES[1::2]]
    assert [each["days"] for each in certificate_rows(settings, now)][1::2] == [None, None]


def test_status_shows_the_days_that_are_left(config, authority):
    """As JSON with file and time, and a line each for a person."""
    authority.ca.write_text("junk")
    rows = json.loads(run("status", "--json", "--config", config).stdout)["certificates"]
    assert [row["name"] for row in rows] == NAMES
    assert rows[0] == {
        "name": NAMES[0],
        "file": str(authority.folder / "long.pem"),
        "expires_at": read_expiries(load_settings(config))[0].expires_at.isoformat(),
        "days": 59,
    }
    assert (rows[1]["expires_at"], rows[1]["days"]) == (None, None)
    lines = run("status", "--config", config).stdout.splitlines()
    assert f"certificate {NAMES[0]}: 59 days left" in lines
    assert f"certificate {NAMES[1]}: cannot be read" in lines
