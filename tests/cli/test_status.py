"""`status`, `reload`, `audit` and `backup`: what an operator asks a running bridge."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import stat

import pytest
from cli_samples import init_folder, run

from hl7bridge.cli import pidfile
from hl7bridge.cli.common import App
from hl7bridge.cli.pidfile import hold_pid_file, pid_path, running_pid
from hl7bridge.errors import RefusedError
from hl7bridge.storage.database import open_store, read_key
from hl7bridge.storage.messages import count

ACCOUNT = (
    "INSERT INTO accounts (id, facility, number, status, charges, payments, adjustments, insurance_payments, as_of,"
    " message_id, created_at, updated_at) VALUES (1, 'NORTHGATE', '42', 'open', 0, 0, 0, 0, '', 1, '', '')"
)
DELIVERY = (
    "INSERT INTO deliveries (destination, kind, control_id, account_id, content, status, attempts, next_attempt_at,"
    " last_error, created_at) VALUES ('ehr', 'payment', ?, 1, '', ?, 0, '', '', ?)"
)


@pytest.fixture
def config(tmp_path):
    return init_folder(tmp_path / "d")


@pytest.fixture
def store(config):
    with App(config).open_store() as store:
        yield store


def status(config):
    result = run("status", "--json", "--config", config)
    assert result.exit_code == 0
    return json.loads(result.stdout)


def test_a_new_bridge_has_nothing_and_its_counts_foot(config):
    """Every count is there, and 0."""
    found = status(config)
    assert found["daemon"] == "not running"
    assert found["pid"] is None
    assert found["schema"] == 5
    assert found["store_bytes"] > 0
    assert found["foots"] is True
    assert found["received"] == found["applied"] == found["unreadable"] == 0
    assert (found["listeners"], found["deliveries"], found["oldest_delivery_seconds"]) == ([], {}, None)
    assert (found["parked_waiting"], found["oldest_parked_seconds"]) == (0, None)
    assert "messages    none received yet" in run("status", "--config", config).stdout


def test_received_is_the_sum_of_the_dispositions_by_listener_and_in_all(config, store):
    """Counters that are no disposition are shown beside them."""
    with store.transaction():
        count(store, {("ehr", "received"): 5, ("ehr", "applied"): 3, ("ehr", "parked"): 2})
        count(store, {("lab", "received"): 1, ("lab", "rejected"): 1, ("lab", "reused_control_id"): 1})
    found = status(config)
    assert (found["received"], found["applied"], found["parked"], found["rejected"]) == (6, 3, 2, 1)
    assert found["foots"] is True
    assert found["listeners"][1]["listener"] == "lab"
    assert found["listeners"][1]["reused_control_id"] == 1
    lines = run("status", "--config", config).stdout.splitlines()
    assert lines[-1] == "received is the sum of all dispositions"
    assert lines[-2].split() == ["(total)", "6", "3", "0", "0", "2", "1", "0", "1"]


def test_counts_that_do_not_foot_are_said_loudly(config, store):
    """Something was dropped in silence, which must never be."""
    with store.transaction():
        count(store, {("ehr", "received"): 5, ("ehr", "applied"): 4})
    assert status(config)["foots"] is False
    assert "THE COUNTS DO NOT FOOT" in run("status", "--config", config).stdout


def test_queues_are_counted_by_status_and_the_oldest_that_waits_has_its_age(config, store):
    """What is held or accepted does not wait."""
    with store.transaction():
        store.execute(ACCOUNT)
        store.execute(DELIVERY, ("A", "held", "2020-01-01T00:00:00+00:00"))
        store.execute(DELIVERY, ("B", "queued", "2026-01-15T00:00:00Z"))
        store.execute(DELIVERY, ("C", "queued", "9999-01-01T00:00:00+00:00"))
    found = status(config)
    assert found["deliveries"] == {"held": 1, "queued": 2}
    assert found["accounts"] == {"open": 1}
    expected = (App().now().timestamp()) - 1768435200
    assert abs(found["oldest_delivery_seconds"] - expected) < 60
    shown = run("status", "--config", config).stdout
    assert "deliveries  1 held, 2 queued" in shown
    assert "the oldest waits since" in shown


def test_what_differs_and_what_waits_for_a_person_is_counted_while_it_is_open(config, store):
    """Figures of senders that are not the ledger's, and exceptions."""
    with store.transaction():
        store.execute(ACCOUNT)
        for kind, resolved_at in (("balance", None), ("charges", "now")):
            store.execute(
                "INSERT INTO discrepancies (account_id, kind, level, ours, theirs, message_id, found_at, resolved_at)"
                " VALUES (1, ?, 'account', 1, 2, 1, 'now', ?)",
                (kind, resolved_at),
            )
        store.execute("INSERT INTO exceptions (kind, reason, opened_at) VALUES ('unclear', 'r', 'now')")
    found = status(config)
    assert (found["discrepancies_open"], found["exceptions_open"]) == (1, 1)
    shown = run("status", "--config", config).stdout
    assert "figures     1 of senders are not the ledger's" in shown
    assert "exceptions  1 wait for a person: hl7bridge exceptions" in shown


def test_a_delivery_from_the_future_has_waited_no_time(config, store):
    """A clock that was set back makes no negative age."""
    with store.transaction():
        store.execute(ACCOUNT)
        store.execute(DELIVERY, ("C", "sending", "9999-01-01T00:00:00+00:00"))
    assert status(config)["oldest_delivery_seconds"] == 0


def test_a_daemon_runs_while_it_holds_its_file(config):
    """Another on the same store is refused."""
    settings = App(config).settings
    path = pid_path(settings)
    with hold_pid_file(path):
        assert running_pid(settings) == os.getpid()
        assert status(config)["daemon"] == "running"
        assert f"running (process {os.getpid()})" in run("status", "--config", config).stdout
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with pytest.raises(RefusedError, match="a daemon is running on this store already"), hold_pid_file(path):
            pass
        assert running_pid(settings) == os.getpid()
    assert path.exists()
    assert running_pid(settings) is None


def test_a_stale_file_fools_nobody(config):
    """A daemon that was killed leaves its file, with a number that another process may have now."""
    settings = App(config).settings
    pid_path(settings).write_text(f"{os.getpid()}\n")
    assert status(config)["daemon"] == "not running"
    result = run("reload", "--config", config)
    assert result.exit_code == 1
    assert f"no daemon is running on this store (looked at {pid_path(settings)})" in result.stderr


def test_a_file_that_is_held_and_has_no_number_yet_is_no_daemon_to_signal(config):
    """The moment between the lock and the number."""
    path = pid_path(App(config).settings)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert running_pid(App(config).settings) is None


def test_a_look_at_the_file_does_not_keep_a_daemon_from_starting(config, monkeypatch):
    """It tries again, for a moment."""
    path = pid_path(App(config).settings)
    path.touch()
    looking = path.open()
    fcntl.flock(looking, fcntl.LOCK_SH)
    monkeypatch.setattr(pidfile.time, "sleep", lambda _seconds: looking.close())
    with hold_pid_file(path):
        assert running_pid(App(config).settings) == os.getpid()


def test_reload_signals_the_daemon(config):
    """SIGHUP, and a word on where to look."""
    got = []
    before = signal.signal(signal.SIGHUP, lambda *_: got.append("hup"))
    try:
        with hold_pid_file(pid_path(App(config).settings)):
            result = run("reload", "--config", config)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert result.exit_code == 0
    assert got == ["hup"]
    assert f"process {os.getpid()}" in result.stdout


def test_reload_refuses_a_configuration_with_a_mistake(config):
    """It is told here, where somebody reads it."""
    config.write_text(config.read_text() + "\nbogus = 1\n")
    got = []
    before = signal.signal(signal.SIGHUP, lambda *_: got.append("hup"))
    try:
        with hold_pid_file(config.parent / "data/hl7bridge.pid"):
            result = run("reload", "--config", config)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert result.exit_code == 1
    assert "unknown key" in result.stderr
    assert got == []


def test_the_audit_log_can_be_verified_and_listed(config):
    """As lines and as JSON."""
    assert run("audit", "verify", "--config", config).stdout == "audit log: 1 rows, whole\n"
    verified = json.loads(run("audit", "verify", "--json", "--config", config).stdout)
    assert verified == {"rows": 1, "ok": True, "first_bad": None, "why": ""}
    row = json.loads(run("audit", "list", "--json", "--config", config).stdout)
    assert (row["id"], row["action"], row["subject"]) == (1, "init", "store")
    assert "init" in run("audit", "list", "--config", config).stdout


def test_a_broken_audit_log_is_told_and_exits_1(config, store):
    """With the first row that is wrong."""
    with store.transaction():
        store.execute("DROP TRIGGER audit_is_never_changed")
        store.execute("UPDATE audit SET actor = 'x'")
    result = run("audit", "verify", "--config", config)
    assert result.exit_code == 1
    assert result.stderr == "audit log: broken at row 1: row 1 is not what was written\n"
    result = run("audit", "verify", "--json", "--config", config)
    assert (result.exit_code, json.loads(result.stdout)["first_bad"]) == (1, 1)


def test_a_backup_is_encrypted_complete_and_audited(config, tmp_path):
    """The copy's own audit log tells of the copy."""
    target = tmp_path / "copy.db"
    result = run("backup", target, "--config", config)
    assert result.exit_code == 0
    assert result.stdout == f"wrote  {target} ({target.stat().st_size} bytes, encrypted with the store's key)\n"
    copy = open_store(target, read_key(config.parent / "secrets/store.key"))
    assert copy.rows("SELECT action, subject FROM audit ORDER BY id DESC LIMIT 1") == [("backup", f"file {target}")]
    copy.close()
    assert run("audit", "verify", "--config", config).exit_code == 0


def test_a_backup_overwrites_nothing(config, tmp_path):
    """Exit 1."""
    target = tmp_path / "copy.db"
    target.write_text("mine")
    result = run("backup", target, "--config", config)
    assert (result.exit_code, target.read_text()) == (1, "mine")
    assert "a backup overwrites nothing" in result.stderr
