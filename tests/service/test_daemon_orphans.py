"""A destination that was renamed while payments were on their way: the daemon says what it left behind."""

from __future__ import annotations

from delivery_samples import start_attempt
from listening import wait_until
from payment_samples import add_account, make_payment, post, statuses
from running_daemon import RunningDaemon, edit, make_folder


def test_what_a_renamed_destination_left_behind_is_told_at_the_start_and_can_be_settled(tmp_path):
    """One was being sent, one waits behind it."""
    config = make_folder(tmp_path / "d")
    with RunningDaemon(config) as daemon:
        store = daemon.store()
        daemon.stop()
    account = add_account(store)
    for number in (1, 2):
        post(store, account, make_payment(f"CHK{number}"))
    start_attempt(store, 1)
    edit(config, 'name = "ehr"\nconnect', 'name = "epic"\nconnect')
    with RunningDaemon(config) as daemon:
        wait_until(lambda: statuses(store) == [("unknown", "unknown"), ("queued", "queued")], "unknown")
        told = daemon.wait_for("deliveries_orphaned")
        assert (told["destination"], told["count"]) == ("ehr", 2)
        daemon.stop()
    store.close()
