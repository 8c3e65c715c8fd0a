"""Senders under load that stop and wait, resend what was not answered, and remember what was acknowledged."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

from feed_samples import adt, dft, ft1
from listening import SECONDS, Sender, codes, wait_until

from hl7bridge.storage.database import Store


def messages(worker: int) -> Iterator[tuple[str, bytes]]:
    """Return control ids and messages without end: an account each, then a charge without FT1-2, and so on.

    Without a transaction id nothing but the control id tells a resent charge from a new one; FT1-3 marks it.
    """
    number = 0
    while True:
        number += 1
        control_id = f"W{worker}N{number}"
        account = f"TACC{worker}-{number // 4}"
        entry = ft1("10.00", number="", f3=control_id)
        yield (
            control_id,
            adt(control_id, account=account) if number % 4 == 0 else dft(control_id, entry, account=account),
        )


class Load:
    """Some senders. ``acknowledged`` has each control id that got AA; when started again they go on where they were."""

    def __init__(self, senders: int) -> None:
        self.acknowledged: set[str] = set()
        self.other: list[str] = []
        self._streams = [messages(worker) for worker in range(senders)]
        self._next = [next(stream) for stream in self._streams]
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()

    def start(self, port: int) -> None:
        """Have every sender send, each over one connection, until that breaks or ``stop`` is called."""
        self._stopping.clear()
        self._threads = [threading.Thread(target=self._run, args=(at, port)) for at in range(len(self._streams))]
        for thread in self._threads:
            thread.start()

    def wait_for(self, count: int) -> None:
        """Wait until so many messages are acknowledged."""
        wait_until(lambda: len(self.acknowledged) >= count, f"{len(self.acknowledged)} acknowledged, {self.other[:3]}")

    def wait_for_refusals(self, count: int) -> None:
        """Wait until so many answers were not AA."""
        wait_until(lambda: len(self.other) >= count, f"{len(self.other)} refused")

    def stop(self) -> None:
        """Have the senders stop, and wait for them."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(SECONDS)
            assert not thread.is_alive()

    def _run(self, at: int, port: int) -> None:
        try:
            with Sender(port) as sender:
                while not self._stopping.is_set():
                    control_id, block = self._next[at]
                    (code,) = codes(sender.ask(block))
                    if code == "AA":
                        self.acknowledged.add(control_id)
                        self._next[at] = next(self._streams[at])
                    else:
                        self.other.append(code)
        except (OSError, EOFError):
            pass  # the daemon is gone: what was not answered is sent again, when there is another


def check_store(store: Store, load: Load) -> None:
    """Fail unless every acknowledged message is there once, no entry twice, the sums foot and the file is whole."""
    with closing(store):
        taken = store.rows("SELECT control_id FROM messages WHERE disposition = 'applied'")
        assert len({row[0] for row in taken}) == len(taken)
        assert load.acknowledged <= {row[0] for row in taken}
        assert not store.rows("SELECT batch_id FROM entries GROUP BY batch_id HAVING count(*) > 1")
        entries = {row[0] for row in store.rows("SELECT batch_id FROM entries")}
        charged = {row[0] for row in store.rows("SELECT control_id FROM messages WHERE message_type = 'DFT'")}
        assert entries == charged
        sums = "(SELECT coalesce(sum(amount), 0) FROM entries e WHERE e.account_id = a.id)"
        assert not store.rows(f"SELECT id FROM accounts a WHERE charges <> {sums}")
        counted = dict(store.rows("SELECT name, value FROM counters"))
        found = dict(store.rows("SELECT disposition, count(*) FROM messages GROUP BY disposition"))
        assert counted["received"] == sum(found.values())
        assert {name: counted[name] for name in found} == found
        assert store.rows("PRAGMA integrity_check") == [("ok",)]
        assert store.rows("PRAGMA foreign_key_check") == []
        assert store.rows("PRAGMA cipher_integrity_check") == []
