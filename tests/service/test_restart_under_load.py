"""Restarts while messages come: the port is held by systemd's own program, and nobody is refused or counted twice."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from feed_samples import adt, dft, ft1
from listening import SECONDS, Sender, codes, wait_until
from running_daemon import ROOT, make_folder

from hl7bridge.storage.database import open_store, read_key

ACTIVATE = shutil.which("systemd-socket-activate")
SENDERS, MESSAGES, RESTARTS = 4, 200, 3
# Starts the daemon again and again on the socket that it was given, as systemd does; its number is in a file.
LOOP = (
    'while [ ! -e "$0/stop" ]; do sh -c \'echo $$ > "$0/pid"; LISTEN_PID=$$ exec "$1" -m hl7bridge serve'
    ' --config "$0/hl7bridge.toml"\' "$0" "$1"; done'
)


class Feed(threading.Thread):
    """A sender that repeats each message until it is acknowledged, on a new connection when the last one ended."""

    def __init__(self, port, name):
        super().__init__()
        self.port, self.prefix = port, name
        self.acknowledged, self.refused, self.failed = [], 0, None

    def run(self):
        """Send all messages."""
        payloads = [adt(f"{self.prefix}A", account=f"ACC{self.prefix}")]
        payloads += [
            dft(f"{self.prefix}{at}", ft1(number=f"{self.prefix}T{at}"), account=f"ACC{self.prefix}")
            for at in range(MESSAGES)
        ]
        sender = None
        for at, payload in enumerate(payloads):
            until = time.monotonic() + 3 * SECONDS
            while len(self.acknowledged) == at:
                if time.monotonic() > until:
                    self.failed = f"message {at} was never acknowledged"
                    return
                try:
                    sender = sender or Sender(self.port)
                    if codes(sender.ask(payload)) == ["AA"]:
                        self.acknowledged.append(at)
                except ConnectionRefusedError:
                    self.refused += 1
                except (OSError, EOFError):
                    sender.socket.close()
                    sender = None
        sender.socket.close()


@pytest.fixture
def activated(tmp_path):
    """Run the loop behind systemd-socket-activate; give the port and the folder."""
    assert ACTIVATE, "install the package systemd"
    folder = make_folder(tmp_path / "d").parent
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [ACTIVATE, "-l", f"127.0.0.1:{port}", "--fdname=ehr", "-E", "PYTHONPATH", "-E", "PATH",
             "sh", "-c", LOOP, str(folder), sys.executable],
            env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=ROOT, stderr=log, stdout=log, start_new_session=True,
        )  # fmt: skip
        wait_until(lambda: b"Listening on" in (tmp_path / "log").read_bytes(), "systemd-socket-activate")
        try:
            yield port, folder
        finally:
            (folder / "stop").touch()
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(SECONDS)


def daemon_pid(folder, last):
    """Return the number of a daemon that is not ``last``, once it runs and listens."""

    def found():
        text = (folder / "pid").read_text().strip() if (folder / "pid").exists() else ""
        return int(text) if text and int(text) != last else 0

    return wait_until(found, "the daemon did not come back")


@pytest.mark.timeout(300)
def test_restarts_under_load_refuse_nobody_and_lose_and_double_nothing(activated):
    """Two stops with SIGTERM and a kill -9 in between, while four senders go on."""
    port, folder = activated
    feeds = [Feed(port, f"S{each}") for each in range(SENDERS)]
    for feed in feeds:
        feed.start()
    last = 0
    for number in range(RESTARTS):
        before = sum(len(feed.acknowledged) for feed in feeds)
        last = daemon_pid(folder, last)
        wait_until(
            lambda before=before: sum(len(f.acknowledged) for f in feeds) > before + 10, "no message went through"
        )
        os.kill(last, signal.SIGKILL if number == 1 else signal.SIGTERM)
    for feed in feeds:
        feed.join(4 * SECONDS)
    assert [(feed.failed, feed.refused, len(feed.acknowledged)) for feed in feeds] == [
        (None, 0, MESSAGES + 1)
    ] * SENDERS
    store = open_store(folder / "data/hl7bridge.db", read_key(folder / "secrets/store.key"))
    applied = store.rows("SELECT control_id FROM messages WHERE disposition = 'applied'")
    assert len(applied) == len(set(applied)) == SENDERS * (MESSAGES + 1)
    assert store.row("SELECT count(*), count(DISTINCT transaction_id) FROM entries") == (SENDERS * MESSAGES,) * 2
    store.close()
