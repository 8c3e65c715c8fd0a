"""The daemon's life: it says when it is ready, answers what it was sent before it stops, and fails in one line."""

from __future__ import annotations

import signal
import socket
import time

import pytest
from feed_samples import adt, dft, ft1
from listening import SECONDS, Sender, codes, control_ids
from running_daemon import RunningDaemon, edit, failed_start, make_folder, serve


@pytest.fixture
def config(tmp_path):
    return make_folder(tmp_path / "d")


def notify_socket(folder):
    """Return a service manager's socket."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.bind(str(folder / "notify"))
    made.settimeout(SECONDS)
    return made


def next_state(notices, prefix):
    """Return the next notice that begins so; others are passed over, but not for ever: signs of life do not end."""
    passed = []
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        state = notices.recv(4096).decode()
        if state.startswith(prefix):
            return state
        passed.append(state)
    raise AssertionError((prefix, passed))


def test_sigterm_answers_all_that_was_sent_before_and_then_ends(config):
    """Eight senders with a message each under way; afterwards nobody is served, and the store is whole."""
    with RunningDaemon(config) as daemon:
        senders = [daemon.sender() for _ in range(8)]
        for at, sender in enumerate(senders):
            sender.send(adt(f"A{at}"), *(dft(f"D{at}-{each}", ft1(number=f"T{at}-{each}")) for each in range(3)))
        daemon.signal(signal.SIGTERM)
        daemon.signal(signal.SIGTERM)
        for at, sender in enumerate(senders):
            assert control_ids(sender.rest()) == [f"A{at}", *(f"D{at}-{each}" for each in range(3))]
            sender.socket.close()
        daemon.stop()
        events = [event["event"] for event in daemon.events]
        assert events[-1] == "stopped"
        assert events.count("stopping") == 1
        with socket.socket() as late:
            assert late.connect_ex(("127.0.0.1", daemon.port)) != 0
        store = daemon.store()
        assert store.row("SELECT count(*) FROM entries") == (24,)
        store.close()


def test_a_stop_waits_for_a_sender_that_holds_its_connection_open(config):
    """It sends nothing and waits for nothing: it is closed."""
    with RunningDaemon(config) as daemon, daemon.sender() as sender:
        assert codes(sender.ask(adt("A1"))) == ["AA"]
        daemon.stop()
        assert sender.rest() == []


def test_the_service_manager_hears_of_readiness_life_reload_and_end(config, tmp_path):
    """READY=1, WATCHDOG=1 again and again, RELOADING=1 with the time and READY=1, STOPPING=1."""
    notices = notify_socket(tmp_path)
    with notices, RunningDaemon(config, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="200000") as daemon:
        next_state(notices, "READY=1")
        next_state(notices, "WATCHDOG=1")
        daemon.signal(signal.SIGHUP)
        assert "\nMONOTONIC_USEC=" in next_state(notices, "RELOADING=1")
        next_state(notices, "READY=1")
        next_state(notices, "WATCHDOG=1")
        daemon.stop()
        next_state(notices, "STOPPING=1")


def test_a_signal_at_the_very_moment_of_readiness_is_heeded(config, tmp_path):
    """Whoever waits for READY may signal at once: a reload is a reload and no death, a stop is a drain."""
    notices = notify_socket(tmp_path)
    with notices, serve(config, NOTIFY_SOCKET=str(tmp_path / "notify")) as process:
        next_state(notices, "READY=1")
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        next_state(notices, "STOPPING=1")
        said = process.communicate(timeout=SECONDS)[1].decode()
    assert process.returncode == 0
    assert '"stopped"' in said


def test_a_service_manager_that_is_not_there_stops_nothing(config, tmp_path):
    """A stale NOTIFY_SOCKET."""
    with RunningDaemon(config, NOTIFY_SOCKET=str(tmp_path / "none"), WATCHDOG_USEC="50000") as daemon:
        with daemon.sender() as sender:
            assert codes(sender.ask(adt("A1"))) == ["AA"]
        daemon.stop()


def test_a_log_that_cannot_be_written_stops_nothing(config):
    """The reader of the log is gone: refusals, which are logged, are answered all the same."""
    with RunningDaemon(config) as daemon:
        port = daemon.port
        daemon.stop()
    edit(config, 'bind = "127.0.0.1:0"', f'bind = "127.0.0.1:{port}"')
    with serve(config) as process:
        process.stderr.readline()
        process.stderr.close()
        with Sender(port) as sender:
            assert codes(sender.ask(*(dft(f"D{at}", ft1("TEN")) for at in range(50)), adt("A1"))) == ["AE"] * 50 + [
                "AA"
            ]
        process.terminate()
        process.wait(SECONDS)


def test_ctrl_c_is_a_stop_like_any_other(config):
    """Once, or many times."""
    with RunningDaemon(config) as daemon:
        for _ in range(3):
            daemon.signal(signal.SIGINT)
        assert daemon.process.wait(SECONDS) == 0
    assert daemon.said == []


def test_a_key_that_is_missing_or_another_stores_is_one_line(config):
    """Exit 1, no traceback, and no key in it."""
    with RunningDaemon(config) as daemon:
        daemon.stop()
    key = config.parent / "secrets/store.key"
    right = key.read_text()
    key.write_text("5" * 64)
    (line,) = failed_start(config)
    assert "the key does not open this store" in line
    assert "555" not in line
    key.write_text(right[:20])
    (line,) = failed_start(config)
    assert "not a key" in line
    assert right[:10] not in line
    key.unlink()
    (line,) = failed_start(config)
    assert "the key file is missing" in line


def test_a_second_daemon_on_the_same_store_is_refused(config):
    """The first goes on; once it is gone, however it went, another may start."""
    with RunningDaemon(config) as daemon:
        (line,) = failed_start(config)
        assert "a daemon is running on this store already" in line
        with daemon.sender() as sender:
            assert codes(sender.ask(adt("A1"))) == ["AA"]
        daemon.kill()
    with RunningDaemon(config) as daemon:
        daemon.stop()


def test_a_port_that_is_taken_is_one_line(config):
    """With the listener's name and the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        edit(config, "127.0.0.1:0", address)
        (line,) = failed_start(config)
    assert line == f"hl7bridge: listener ehr: cannot listen on {address}: Address already in use"


def test_a_certificate_that_cannot_be_used_is_one_line(config):
    """Nothing listens with half of its security."""
    edit(config, 'name = "ehr"\nbind', 'name = "ehr"\ntls = { certificate = "a.crt", key = "a.key" }\nbind')
    assert len(failed_start(config)) == 1


def test_a_mistake_in_the_configuration_is_a_line_each(config):
    """And nothing is started."""
    edit(config, 'run_at = "05:00"', 'run_at = "25:00"\ncolour = "red"')
    lines = failed_start(config)
    assert len(lines) == 2
    assert all("hl7bridge.toml:" in line for line in lines)
