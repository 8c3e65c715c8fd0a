"""What the service manager is told, and how often it wants to hear."""

from __future__ import annotations

import os
import socket

import pytest

from hl7bridge.notify import notify, reloading, watchdog_seconds


@pytest.fixture(autouse=True)
def _no_manager(monkeypatch):
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_manager_nothing_is_sent():
    """On a terminal."""
    assert notify("READY=1") is False
    assert watchdog_seconds() is None


@pytest.mark.parametrize("name", ["notify", "@hl7bridge-{pid}"])
def test_a_state_goes_to_the_managers_socket(monkeypatch, tmp_path, name):
    """One in the file system, or an abstract one."""
    monkeypatch.chdir(tmp_path)
    name = name.format(pid=os.getpid())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0"))
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        assert notify("READY=1") is True
        assert manager.recv(100) == b"READY=1"


def test_a_manager_that_is_gone_is_no_error(monkeypatch, tmp_path):
    """The bridge is not less a bridge for it."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    assert notify("READY=1") is False


@pytest.mark.parametrize(
    ("microseconds", "pid", "seconds"),
    [
        ("30000000", None, 15.0),
        ("30000000", "own", 15.0),
        ("30000000", "1", None),
        ("0", None, None),
        ("often", None, None),
    ],
)
def test_a_sign_of_life_is_given_twice_as_often_as_asked(monkeypatch, microseconds, pid, seconds):
    """If it is this process that is asked."""
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    if pid is not None:
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "own" else pid)
    assert watchdog_seconds() == seconds


def test_a_reload_is_told_with_the_time_it_began():
    """In microseconds of the monotonic clock, as sd_notify(3) asks."""
    head, _, time = reloading().partition("\nMONOTONIC_USEC=")
    assert head == "RELOADING=1"
    assert int(time) > 0
