"""A hold against deciding and sending, each on a connection of its own: in no order of events is a held account sent.

The store itself writes down the order in which holds, placements and sendings were committed.
"""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest
from exchange_samples import REACTION
from placement_samples import NOW, NOW_TEXT, agency_in, new_store, put_account, run_of, sending_of, signal

from hl7bridge.exchange.outgoing import send_placements
from hl7bridge.reacting import Reacted, react_to_changes
from hl7bridge.storage.database import Store
from hl7bridge.storage.decisions import run_decisions
from hl7bridge.storage.signals import add_signal

ACCOUNTS = 50
ORDER = (
    "CREATE TABLE happened (id INTEGER PRIMARY KEY, what TEXT NOT NULL, account_id INTEGER NOT NULL)",
    *(
        f"CREATE TRIGGER note_{what} AFTER {event} BEGIN"
        f" INSERT INTO happened (what, account_id) VALUES ('{what}', NEW.account_id); END"
        for what, event in (
            ("held", "INSERT ON signals"),
            ("placed", "INSERT ON placements"),
            ("sent", "UPDATE OF status ON placements WHEN NEW.status = 'sent'"),
        )
    ),
)
HOLDS = [("charity", "approved"), ("bankruptcy", "filed"), ("dispute", "open"), ("fap_pending", "yes")]


def react(store: Store) -> Reacted:
    return react_to_changes(store, REACTION, NOW)


class Holder(threading.Thread):
    """Holds every account, one transaction each, in an order of its own; each as soon as the race lets it."""

    def __init__(self, folder: Path, ids: list[int], seed: int, *, reacts: bool) -> None:
        super().__init__(daemon=True)
        self.folder, self.reacts, self.chance = folder, reacts, random.Random(seed)  # noqa: S311  (a race, no secret)
        self.ids = self.chance.sample(ids, len(ids))
        self.turns = threading.Semaphore(0)

    def run(self) -> None:
        """Hold."""
        store = new_store(self.folder)
        try:
            for account_id in self.ids:
                self.turns.acquire()
                name, value = self.chance.choice(HOLDS)
                with store.transaction():
                    add_signal(store, account_id, signal(name, value), NOW_TEXT)
                    if self.reacts:
                        react(store)
        finally:
            store.close()


def happened(store: Store) -> dict[int, list[str]]:
    """Return what happened to each account, in the order of the commits."""
    found: dict[int, list[str]] = {}
    for what, account_id in store.rows("SELECT what, account_id FROM happened ORDER BY id"):
        found.setdefault(account_id, []).append(what)
    return found


@pytest.mark.parametrize("reacts", [True, False], ids=["told at once", "found by whoever sends"])
@pytest.mark.parametrize("seed", [1, 2])
def test_no_account_is_placed_or_sent_after_its_hold_was_committed(tmp_path, seed, reacts):
    """Whichever wins, the loser sees it: cancelled if it was not sent, stopped if it was."""
    store = new_store(tmp_path)
    for statement in ORDER:
        store.execute(statement)
    ids = [put_account(store, f"T{number}") for number in range(ACCOUNTS)]
    holder = Holder(tmp_path, ids, seed, reacts=reacts)

    def react_and_let_hold(each: Store) -> Reacted:
        """The next hold comes while this transaction is written."""
        holder.turns.release()
        return react(each)

    holder.start()
    is_over, chance = False, random.Random(seed)  # noqa: S311  (a race, no secret)
    while not is_over:
        is_over = not holder.is_alive()
        for _ in run_decisions(store, run_of(), chunk=3):
            if chance.randrange(3) == 0:
                holder.turns.release()
        send_placements(store, [agency_in(tmp_path)], sending_of(react=react_and_let_hold), most=4)
    holder.join()
    orders = happened(store)
    assert orders.keys() == set(ids)
    assert {tuple(order) for order in orders.values()} == {
        ("held",),
        ("placed", "held"),
        ("placed", "sent", "held"),
    }
    stopped = store.rows(
        "SELECT p.status, count(n.id) FROM placements p LEFT JOIN notices n ON n.placement_id = p.id AND n.is_stop = 1"
        " GROUP BY p.id"
    )
    assert {(status, notices > 0) for status, notices in stopped} <= {
        ("cancelled", False),
        ("suspended", True),
        ("recall_pending", True),
    }
    store.close()
