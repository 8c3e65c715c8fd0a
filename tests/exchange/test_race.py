"""Holds that arrive at any moment of a send: none is missed, whichever transaction comes first."""

from __future__ import annotations

import random
import threading

import pytest
from exchange_samples import agency_at, go
from placement_samples import GUARANTOR, NOW_TEXT, PATIENT, decide_all, new_store, put_account, rows_of, signal

from hl7bridge.layouts.placements_csv import parse_placements
from hl7bridge.storage.signals import add_signal

ACCOUNTS = 60
HOLDS = (("bankruptcy", "filed"), ("dispute", "open"), ("charity", "approved"), ("deceased", "yes"), ("hold", "yes"))


def tell_at_random(folder, accounts, seed, begun):
    """Have holds come on some accounts, from a connection of their own, while others send."""
    dice = random.Random(seed)  # noqa: S311  (no secret)
    store = new_store(folder)
    try:
        begun.wait()
        for account_id in accounts:
            with store.transaction():
                add_signal(store, account_id, signal(*dice.choice(HOLDS)), NOW_TEXT)
    finally:
        store.close()


@pytest.mark.parametrize("seed", range(4))
def test_an_account_that_is_held_is_cancelled_or_its_stop_follows_it(store, tmp_path, folder, seed):
    """No held account is with the agency without a stop in a later file, and none that is free was kept back."""
    for number in range(ACCOUNTS):
        number_text = f"{number:03}"
        put_account(
            store,
            f"R{number_text}",
            patient=PATIENT._replace(number=f"M{number_text}"),
            guarantors=(GUARANTOR._replace(number=f"G{number_text}"),),
        )
    decide_all(store)
    dice = random.Random(seed)  # noqa: S311  (no secret)
    held = dice.sample(range(1, ACCOUNTS + 1), ACCOUNTS // 2)
    begun = threading.Event()
    teller = threading.Thread(target=tell_at_random, args=(tmp_path, held, seed, begun))
    teller.start()
    begun.set()
    go(store, agency_at(tmp_path), most=7)
    teller.join()
    go(store, agency_at(tmp_path))
    statuses = dict(store.rows("SELECT account_id, status FROM placements"))
    assert {status for account, status in statuses.items() if account not in held} == {"sent"}
    assert {statuses[account] for account in held} <= {"cancelled", "suspended", "recall_pending"}
    stopped = dict(
        store.rows("SELECT p.account_id, n.agency_file_id FROM notices n JOIN placements p ON p.id = n.placement_id")
    )
    for account, file in store.rows("SELECT account_id, agency_file_id FROM placements WHERE sent_at IS NOT NULL"):
        assert (account in stopped) == (account in held)
        assert stopped.get(account, file + 1) > file
    written = [row["client_account"] for path in sorted(folder.glob("placements-*[0-9].csv")) for row in rows_of(path)]
    assert len(written) == len(set(written)) == sum(status != "cancelled" for status in statuses.values())
    assert all(parse_placements(path.read_bytes()).rows for path in folder.glob("stops-*[0-9].csv"))
