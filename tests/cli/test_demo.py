"""``demo``: the whole round trip in one command, with figures that foot; ended early, it leaves nothing behind."""

from __future__ import annotations

import datetime as dt
import os
import re
import signal
import socket
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from bridge_samples import Bridge, registration
from bridge_samples import charges as bridge_charges
from cli_samples import run

import hl7bridge
from hl7bridge.cli import demo, demo_steps
from hl7bridge.cli.common import App
from hl7bridge.cli.demo_figures import Figure
from hl7bridge.cli.demo_people import PEOPLE
from hl7bridge.cli.demo_show import Show
from hl7bridge.cli.demo_site import LOG, Site
from hl7bridge.cli.demo_steps import run_demo, tell_figures
from hl7bridge.cli.pidfile import running_pid
from hl7bridge.errors import BridgeError

SECONDS = 60.0


@pytest.fixture(autouse=True)
def heard_signals():
    """Have what a test starts hear every signal, also when the tests themselves run under nohup or behind a shell."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number, action in before.items():
        if action is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    yield
    for number, action in before.items():
        signal.signal(number, action)


def start(*arguments, temporary):
    """Start the command as a shell does, with temporary files in a folder of the test's own."""
    environment = os.environ | {"TMPDIR": str(temporary), "PYTHONPATH": str(Path(hl7bridge.__file__).parents[1])}
    return subprocess.Popen(
        [sys.executable, "-m", "hl7bridge", "demo", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def figures(output):
    """Return name -> what each side says, of the summary's figures."""
    lines = output[output.index("Summary:") :].splitlines()
    found = [re.split(r" {2,}", line.strip()) for line in lines if line.rstrip().endswith(("=", "DIFFERS"))]
    return {name: (text, verdict) for name, text, verdict in found}


def numbers(text):
    """Return the numbers that the sides of a figure say."""
    return [Decimal(each.rsplit(" ", 1)[1]) for each in text.split(", ")]


def test_the_whole_demo_runs_by_itself_and_its_figures_foot(tmp_path):
    """From the first message to the last payment's acknowledgement; nothing is left, neither files nor a daemon."""
    process = start(temporary=tmp_path)
    output, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, errors) == (0, "")
    assert list(tmp_path.iterdir()) == []
    found = figures(output)
    assert len(found) == 9
    for text, verdict in found.values():
        assert verdict == "="
        assert len(set(numbers(text))) == 1, text
    owed = sum((person.balance for person in PEOPLE), Decimal(0))
    remitted = Decimal("250.00") + Decimal("100.00") + Decimal("300.00") + Decimal("180.00")
    assert numbers(found["collected"][0]) == [remitted] * 3
    assert numbers(found["owed in the end"][0]) == [owed - remitted] * 2
    assert numbers(found["placed"][0]) == [Decimal("1375.50")] * 3
    total = next(line.split() for line in output.splitlines() if line.split()[:1] == ["total"])
    charged, paid, adjusted, balance = map(Decimal, total[1:])
    assert charged - paid - adjusted == balance == owed - remitted
    assert "AE FT1-11: amount: not a number" in output
    assert "All 9 figures foot." in output
    for command in ("init", "check", "serve", "signals set", "decide", "placements explain", "payments import"):
        assert f"$ hl7bridge {command}" in output


def test_with_a_folder_everything_is_kept_and_only_the_agency_can_read_a_name(tmp_path):
    """The store is encrypted, the log has no values; the daemon has stopped as it should."""
    folder = tmp_path / "kept"
    result = run("demo", "--dir", folder)
    assert result.exit_code == 0, result.stderr
    assert f"cd {folder}" in result.stdout
    names = [path for path in folder.rglob("*") if path.is_file() and b"CASSIA" in path.read_bytes()]
    names = [path for path in names if path.parent.name != "mappings"]  # where examples name the invented too
    assert [path.parent.name for path in names] == ["outgoing"]
    log = (folder / LOG).read_text().splitlines()
    assert '"event": "stopped"' in log[-1]
    app = App(folder / "hl7bridge.toml")
    assert running_pid(app.settings) is None
    assert run("db", "verify", "--config", folder / "hl7bridge.toml").exit_code == 0
    again = run("demo", "--dir", folder)
    assert again.exit_code == 1
    assert "is there already, so nothing was written" in again.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_demo_that_is_interrupted_stops_its_daemon_and_leaves_nothing(tmp_path, number):
    """Ctrl-C, a kill, and a closed terminal are one: exit 130, the folder gone, the port closed."""
    process = start(temporary=tmp_path)
    port = None
    for line in process.stdout:
        port = port or re.search(r"feed on 127\.0\.0\.1:(\d+)", line)
        if "What HL7 has no field for" in line:
            break
    process.send_signal(number)
    process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(port[1])), 5)


def test_a_decision_that_is_not_the_expected_one_ends_the_demo(tmp_path, monkeypatch):
    """A rule that was changed by mistake is not passed over."""
    people = (PEOPLE[0]._replace(is_placed=False), *PEOPLE[1:])
    monkeypatch.setattr(demo_steps, "PEOPLE", people)
    with pytest.raises(BridgeError, match="accounts 5027001 were decided otherwise"):
        run_demo(tmp_path, is_kept=True)
    assert '"event": "stopped"' in (tmp_path / LOG).read_text()


def test_payments_that_do_not_reach_the_ehr_end_the_demo(tmp_path, monkeypatch):
    """An EHR that takes none of them is waited for, and then said to have them not."""
    monkeypatch.setattr(demo_steps, "_POST_SECONDS", 1.0)

    def refuse(_text):
        raise ValueError("not an amount")

    monkeypatch.setattr("hl7bridge.cli.demo_ehr.parse_money", refuse)
    with pytest.raises(BridgeError, match="0 of 6 payments reached the EHR in time"):
        run_demo(tmp_path, is_kept=True)


def test_a_reply_that_is_not_written_down_in_time_ends_the_demo(tmp_path):
    """The EHR has the payment, and nobody says that it is posted."""
    bridge = Bridge(tmp_path)
    bridge.receive(registration(), bridge_charges())
    paid = ("--agency", "sample", "--id", "CHK1", "--account", "5027440", "--amount", "1.00", "--date", "2026-01-14")
    assert bridge.run("payments", "post", *paid).exit_code == 0
    with pytest.raises(BridgeError, match="the payments were not posted in time"):
        demo_steps.Demo(Show(), Site(tmp_path), None, 0)._wait_until_posted(0.0)


def test_the_daemon_decides_by_the_clock_at_another_time_than_the_demos():
    """Also when the demo runs at midnight."""
    assert demo_steps.quiet_time(dt.time(14, 0)) == "23:59"
    assert demo_steps.quiet_time(dt.time(23, 58)) == "12:00"


def test_a_demo_started_with_nohup_outlives_its_terminal(monkeypatch):
    """SIGHUP stays ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with demo._answer_signals() as interrupted:
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
            assert interrupted == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_figure_on_which_two_sides_differ_makes_the_demo_fail(capsys):
    """It is named, with what each side says."""
    figures = [Figure("placed", (("bridge", "1"), ("agency", "1"))), Figure("paid", (("bridge", "1"), ("EHR", "2")))]
    assert not tell_figures(Show(), figures, 1.0)
    assert "paid does not foot: bridge 1, EHR 2" in capsys.readouterr().out


def test_a_figure_that_differs_gives_exit_1(tmp_path, monkeypatch):
    """So that a script sees it."""
    monkeypatch.setattr("hl7bridge.cli.demo_steps.run_demo", lambda *_arguments, **_options: False)
    assert run("demo").exit_code == 1
