"""kill -9 while an agency's payment files are taken: each payment is posted once, and the store verifies."""

from __future__ import annotations

import random
import threading

from listening import wait_until
from placement_samples import put_account
from remitting_samples import PAYER, paid, put_payments
from running_daemon import RunningDaemon, make_folder

from hl7bridge.config import load_settings
from hl7bridge.storage.database import open_store, read_key
from hl7bridge.storage.verify import verify_store

ACCOUNTS = 150
ROUNDS = 4


def test_a_daemon_that_is_killed_while_it_takes_payments_posts_each_once(tmp_path):
    """At random moments; the second file has all of the first once more, and what names no account is in suspense."""
    moments = random.Random()  # noqa: S311  (no secret depends on when the daemon dies)
    config = make_folder(tmp_path / "d")
    settings = load_settings(config)
    incoming = settings.agencies[0].incoming
    store = open_store(settings.store.path, read_key(settings.store.key_file))
    for number in range(ACCOUNTS):
        put_account(store, f"K{number}", patient=PAYER._replace(number=f"M{number}"), due_on=None)
    first = [paid(f"C{number}", f"K{number}", "10.00", fee="2.00") for number in range(ACCOUNTS)]
    more = [paid(f"N{number}", f"K{number}", "10.00", kind="reversal") for number in range(0, ACCOUNTS, 2)]
    put_payments(incoming.parent, first)
    put_payments(incoming.parent, [*first, *more, paid("S1", "404")], 2)
    for _ in range(ROUNDS):
        with RunningDaemon(config) as daemon:
            done = threading.Event()
            threading.Timer(moments.uniform(0.0, 0.8), done.set).start()
            done.wait()
            daemon.kill()
    with RunningDaemon(config) as daemon:
        wait_until(lambda: not list(incoming.glob("*.csv")))
        daemon.stop()
    assert store.rows("SELECT number, status FROM received_files ORDER BY id") == [(1, "taken"), (2, "taken")]
    assert store.rows("SELECT kind, count(*), sum(amount), sum(fee) FROM payments GROUP BY kind ORDER BY kind") == [
        ("payment", ACCOUNTS, ACCOUNTS * 1000, ACCOUNTS * 200),
        ("reversal", len(more), len(more) * 1000, 0),
    ]
    assert store.rows("SELECT sum(payments) FROM accounts") == [((ACCOUNTS - len(more)) * 1000,)]
    assert store.rows("SELECT count(*), count(DISTINCT payment_id) FROM delivery_payments") == [
        (ACCOUNTS + len(more), ACCOUNTS + len(more))
    ]
    assert store.rows("SELECT agency_payment_id, status FROM suspense") == [("S1", "open")]
    assert [problem for check in verify_store(store) for problem in check.problems] == []
    store.close()
