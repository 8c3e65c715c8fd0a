"""The daemon and an EHR in enhanced mode: commits on one port, application replies on the other, a crash between."""

from __future__ import annotations

from dataclasses import replace

from delivery_samples import read_delivery
from feed_samples import message
from listening import codes, wait_until
from payment_samples import FORM, add_account, make_payment, post, statuses
from running_daemon import RunningDaemon, edit, make_folder
from sinks import Sink, answer

ENHANCED = replace(FORM, is_enhanced=True)


def reply(control_id, code):
    """Return an application reply as the EHR's own message, which asks for a commit."""
    return message("ACK^P03^ACK", f"R{control_id}", f"MSA|{code}|{control_id}", m15="AL", m16="NE")


def configure(tmp_path, port):
    config = make_folder(tmp_path / "d")
    settings = f'connect = "127.0.0.1:{port}"\nack_mode = "enhanced"\nwindow = 2'
    edit(config, 'connect = "127.0.0.1:9"', settings)
    return config


def test_payments_are_committed_settled_by_replies_on_a_listener_and_survive_a_kill_between(tmp_path):
    """Each is sent once; what was committed is not unknown after a crash."""
    with Sink(after=answer("CA")) as ehr:
        config = configure(tmp_path, ehr.port)
        with RunningDaemon(config) as daemon:
            store = daemon.store()
            for number in (1, 2):
                account = add_account(store, f"50274{number}")
                post(store, account, make_payment(f"CHK{number}"), form=ENHANCED)
            wait_until(
                lambda: store.row("SELECT count(*) FROM deliveries WHERE committed_at IS NOT NULL") == (2,), "CA"
            )
            daemon.kill()
        with RunningDaemon(config) as daemon:
            with daemon.sender() as sender:
                for number, code in ((1, "AA"), (2, "AE")):
                    assert codes(sender.ask(reply(read_delivery(store, number).control_id, code))) == ["CA"]
            assert statuses(store) == [("accepted", "posted"), ("held", "refused")]
            daemon.stop()
        store.close()
    assert len(ehr.received) == 2
    assert all(b"|||AL|AL" in each.split(b"\r")[0] for each in ehr.received)
