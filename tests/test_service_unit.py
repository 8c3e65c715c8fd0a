"""hl7bridge.service: what systemd lets the daemon do, which is little."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parent.parent / "hl7bridge.service"
BEST_SCORE = 2.0  # of 10, which is no protection at all


@pytest.fixture(scope="module")
def directives():
    found = {}
    for line in UNIT.read_text().splitlines():
        if line and not line.startswith(("#", "[")):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Type", "notify"),
        ("NotifyAccess", "main"),
        ("WatchdogSec", "30"),
        ("Restart", "always"),
        ("User", "hl7bridge"),
        ("UMask", "0077"),
        ("StateDirectory", "hl7bridge"),
        ("ConfigurationDirectory", "hl7bridge"),
        ("LoadCredential", "store.key:/etc/hl7bridge/store.key"),
        ("LimitCORE", "0"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("ProtectProc", "invisible"),
        ("PrivateDevices", "yes"),
        ("PrivateTmp", "yes"),
        ("NoNewPrivileges", "yes"),
        ("CapabilityBoundingSet", ""),
        ("AmbientCapabilities", ""),
        ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX"),
        ("ExecReload", "/bin/kill -HUP $MAINPID"),
    ],
)
def test_the_unit_says(directives, name, value):
    """Each line that the daemon or its safety needs, once."""
    assert directives[name] == [value]


def test_the_daemon_is_the_main_process_of_the_unit(directives):
    """It is reached by way of env, which becomes it; its configuration is named."""
    (start,) = directives["ExecStart"]
    assert start == "/usr/bin/env /opt/hl7bridge/bin/hl7bridge serve --config /etc/hl7bridge/hl7bridge.toml"


def test_system_calls_are_those_of_a_service_and_no_more(directives):
    """None that changes the machine."""
    assert directives["SystemCallFilter"] == ["@system-service", "~@privileged @resources @obsolete"]
    assert directives["SystemCallArchitectures"] == ["native"]


def test_no_secret_and_no_patient_can_be_in_the_environment(directives):
    """Secrets are files."""
    assert not {"Environment", "EnvironmentFile", "PassEnvironment"} & set(directives)


def test_systemd_accepts_the_unit_and_finds_little_exposed():
    """Where systemd is installed, as in .ci/run: `verify` has nothing to say, and the score is 2.0 or better."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        return  # the tests above hold the directives themselves
    verified = subprocess.run([analyze, "verify", UNIT], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
    scored = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager", UNIT], capture_output=True, text=True, check=False
    )
    found = re.search(r"Overall exposure level for hl7bridge.service: ([\d.]+)", scored.stdout)
    assert found
    assert float(found[1]) <= BEST_SCORE
