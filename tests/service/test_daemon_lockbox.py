"""A daemon whose EHR takes files: a payment is in one of them, whatever becomes of the daemon, and then posted."""

from __future__ import annotations

import os
import time
from contextlib import closing

import pytest
from cli_samples import run
from feed_samples import adt, dft, ft1
from listening import wait_until
from running_daemon import RunningDaemon, edit, make_folder


@pytest.fixture
def config(tmp_path):
    made = make_folder(tmp_path / "d")
    box = 'lockbox = { folder = "box", layout = "csv", acknowledgements = "answers" }'
    edit(made, 'connect = "127.0.0.1:9"', box)
    return made


def test_a_payment_is_written_once_and_settled_by_the_acknowledgement(config):
    """Killed before and after: one file, one record; no connection is ever tried."""
    folder = config.parent / "box"
    with RunningDaemon(config) as daemon:
        with daemon.sender() as sender:
            sender.ask(adt("A1", account="TACC1"), dft("D1", ft1("500.00"), account="TACC1"))
        daemon.kill()
    told = {"agency": "sample", "account": "TACC1", "amount": "150.00", "date": "2026-01-14", "id": "CHK1"}
    options = [part for name, value in told.items() for part in (f"--{name}", value)]
    assert run("payments", "post", *options, "--config", str(config)).exit_code == 0
    with RunningDaemon(config) as daemon:
        assert daemon.wait_for("lockbox_written")["records"] == 1
        daemon.kill()
    (path,) = folder.iterdir()
    transaction = path.read_text().splitlines()[1].split(",")[0]
    answer = config.parent / "answers" / "a.csv"
    answer.parent.mkdir()
    answer.write_text(f"transaction_id,status\n{transaction},accepted\n")
    os.utime(answer, (time.time() - 60,) * 2)
    with RunningDaemon(config) as daemon:
        assert daemon.wait_for("lockbox_acknowledged")["accepted"] == 1
        with closing(daemon.store()) as store:
            wait_until(lambda: store.rows("SELECT status FROM payments") == [("posted",)], "posted")
        daemon.stop()
    assert [each.name for each in folder.iterdir()] == [path.name]
