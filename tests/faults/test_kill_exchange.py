"""kill -9 while files go to an agency and come from it: each placement in one file, each answer applied once."""

from __future__ import annotations

import random
import threading

from exchange_samples import acceptance, put_file
from layout_readers import read_placements
from listening import wait_until
from placement_samples import GUARANTOR, PATIENT, put_account
from running_daemon import RunningDaemon, edit, make_folder

from hl7bridge.config import load_settings
from hl7bridge.layouts.placements_csv import digest_of, parse_trailer
from hl7bridge.storage.database import open_store, read_key
from hl7bridge.storage.verify import verify_store

ACCOUNTS = 120
ROUNDS = 3


def killed(config, moments):
    """Run a daemon, and kill it at a moment of its first seconds."""
    with RunningDaemon(config) as daemon:
        done = threading.Event()
        threading.Timer(moments.uniform(0.0, 0.8), done.set).start()
        done.wait()
        daemon.kill()


def written(outgoing):
    """Return the placements of every whole file, each proved by its trailer; numbers have no gap."""
    trailers = [parse_trailer(path.read_bytes()) for path in sorted(outgoing.glob("placements-*.trailer.csv"))]
    assert [trailer.number for trailer in trailers] == list(range(1, len(trailers) + 1))
    placements = []
    for trailer in trailers:
        data = (outgoing / trailer.file).read_bytes()
        assert digest_of(data) == trailer.sha256
        placements += [each["placement"] for each in read_placements("csv", data)]
    return placements


def test_a_daemon_that_is_killed_while_it_exchanges_files_loses_and_repeats_nothing(tmp_path):
    """Three times each way, at a random moment; then it goes on, and the store verifies."""
    moments = random.Random()  # noqa: S311  (no secret depends on when the daemon dies)
    config = make_folder(tmp_path / "d")
    edit(config, 'run_at = "05:00"', 'run_at = "00:00"')
    settings = load_settings(config)
    agency = settings.agencies[0]
    with_key = read_key(settings.store.key_file)
    store = open_store(settings.store.path, with_key)
    for number in range(ACCOUNTS):
        guarantor = GUARANTOR._replace(number=f"G{number}")
        put_account(store, f"K{number}", patient=PATIENT._replace(number=f"M{number}"), guarantors=(guarantor,))
    for _ in range(ROUNDS):
        killed(config, moments)
    with RunningDaemon(config) as daemon:
        wait_until(lambda: store.rows("SELECT count(*) FROM placements WHERE status = 'sent'") == [(ACCOUNTS,)])
        wait_until(lambda: store.rows("SELECT count(*) FROM agency_files WHERE status = 'writing'") == [(0,)])
        daemon.stop()
    assert sorted(written(agency.outgoing)) == list(range(1, ACCOUNTS + 1))
    accounts = dict(store.rows("SELECT p.id, a.number FROM placements p JOIN accounts a ON a.id = p.account_id"))
    half = ACCOUNTS // 2
    for number, ids in ((1, range(1, half)), (2, range(half, ACCOUNTS + 1))):
        put_file(agency.incoming.parent, "acknowledgements", number, [acceptance(each, accounts[each]) for each in ids])
    for _ in range(ROUNDS):
        killed(config, moments)
    with RunningDaemon(config) as daemon:
        wait_until(lambda: store.rows("SELECT count(*) FROM placements WHERE status = 'active'") == [(ACCOUNTS,)])
        wait_until(lambda: not list(agency.incoming.glob("*.csv")))
        daemon.stop()
    assert store.rows("SELECT number, status FROM received_files ORDER BY id") == [(1, "taken"), (2, "taken")]
    assert store.rows("SELECT count(*) FROM received_records") == [(ACCOUNTS,)]
    assert [problem for check in verify_store(store) for problem in check.problems] == []
    store.close()
