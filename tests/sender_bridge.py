"""Senders on a running reactor over a real store and its writer thread, for tests that block."""

from __future__ import annotations

import datetime as dt
import socket
import threading

from payment_samples import KEY, add_account, make_payment, make_store, post, statuses
from reactor_thread import in_reactor
from sinks import SECONDS
from twisted.internet.defer import fail

from hl7bridge.delivery.policy import DeliveryRules
from hl7bridge.delivery.retry import RetryPolicy
from hl7bridge.errors import StoreError
from hl7bridge.net.partner import ClientTls
from hl7bridge.net.reactor import reactor
from hl7bridge.net.sender import Link, Sender
from hl7bridge.net.writer import Writer
from hl7bridge.storage.database import open_store
from hl7bridge.storage.deliveries import list_deliveries

QUICK = RetryPolicy(dt.timedelta(milliseconds=10), dt.timedelta(milliseconds=40), 3)
SLOW = RetryPolicy(dt.timedelta(hours=1), dt.timedelta(hours=2), 3)
SILENCE = 0.3  # seconds until a reply that does not come is given up


def utc_now():
    return dt.datetime.now(dt.UTC)


class Bridge:
    """A store, its writer thread, and senders on the running reactor, as the daemon has them."""

    def __init__(self, folder):
        self.store = make_store(folder)  # the command line's connection
        self._own = open_store(folder / "hl7bridge.db", KEY)  # the writer's
        self._writer = Writer(self._own, None, utc_now)
        self._writer.start()
        self._jobs = threading.Condition()
        self._senders = []
        self.on_result = lambda _result: None  # called in the reactor's thread before the sender sees a job's result
        self.failing = 0  # how many of the next jobs the store refuses
        self.accounts = [add_account(self.store, f"50274{number}") for number in range(3)]

    def submit(self, job):
        """Run a job as the daemon does, unless the store is to fail."""
        if self.failing:
            self.failing -= 1
            return fail(StoreError("the disk is full"))
        return self._writer.run(job).addBoth(self._note)

    def _note(self, result):
        self.on_result(result)
        with self._jobs:
            self._jobs.notify_all()
        return result

    def queue(self, *names):
        """Queue payments; A1 is the first account's first."""
        for name in names:
            post(self.store, self.accounts["ABC".index(name[0])], make_payment(name, "150.00"))

    def start(self, port, *, host="127.0.0.1", poll_seconds=0.02, **link):
        """Start a sender."""
        rules = DeliveryRules(link.pop("retry", QUICK), **link.pop("rules", {}))
        values = {"ack_timeout": SECONDS, "connect_timeout": SECONDS, "rules": rules} | link
        made = Link("ehr", host, port, **values)
        sender = in_reactor(Sender, reactor, made, self.submit, poll_seconds=poll_seconds, jitter=lambda: 0.0)
        self._senders.append(sender)
        in_reactor(sender.startService)
        return sender

    def stop(self, sender):
        """Stop a sender and wait until it has stopped."""
        self._senders.remove(sender)
        in_reactor(sender.stopService)

    def wait_for(self, condition):
        """Wait, a job of the writer at a time, until the condition holds in the store."""
        with self._jobs:
            assert self._jobs.wait_for(condition, SECONDS), statuses(self.store)

    def wait_for_statuses(self, *wanted):
        """Wait until the deliveries have these statuses, in the order queued."""
        self.wait_for(lambda: [status for status, _ in statuses(self.store)] == list(wanted))

    def rows(self):
        """Return the deliveries in the order queued."""
        return sorted(list_deliveries(self.store), key=lambda row: row["delivery"])

    def close(self):
        """Stop everything."""
        for sender in list(self._senders):
            self.stop(sender)
        self._writer.stop()
        self._own.close()
        self.store.close()


def events(logs):
    """Return what was logged, in order."""
    return [entry["event"] for entry in logs]


def free_port():
    """Return a port of 127.0.0.1 that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def tls_files(bridge, authority, *, client=None):
    """Write an authority, and a client certificate if there is one, and return them as settings have them."""
    folder = bridge.store.path.parent
    authority.cert_pem.write_to_path(folder / "ca.pem")
    if client is None:
        return ClientTls(folder / "ca.pem")
    folder.joinpath("client.pem").write_bytes(b"".join(blob.bytes() for blob in client.cert_chain_pems))
    client.private_key_pem.write_to_path(folder / "client.key")
    return ClientTls(folder / "ca.pem", folder / "client.pem", folder / "client.key")
