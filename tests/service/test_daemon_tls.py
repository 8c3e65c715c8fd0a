"""TLS at the daemon: who is refused is one line that names the cause, and a renewed certificate costs no connection."""

from __future__ import annotations

import contextlib
import ssl

import pytest
import trustme
from cli_samples import run
from feed_samples import adt
from listening import Sender, codes, wait_until
from running_daemon import RunningDaemon, edit, make_folder
from tls_files import SENDER, STRANGER, THEIRS, sender_context, sent_by, toml_of, write_tls

GOOD = sent_by(THEIRS)
QUIET = {"listening", "ready", "decided", "stopping", "stopped"}
OLD_TLS = {"version": ssl.TLSVersion.TLSv1_1, "ciphers": "ALL:@SECLEVEL=0"}


@pytest.fixture
def config(tmp_path):
    """Return a configuration whose listener takes NORTHGATE's messages from one sender, known by its certificate."""
    made = make_folder(tmp_path / "d")
    tls = toml_of(write_tls(made.parent / "secrets"), f'"{SENDER}" = ["NORTHGATE"]')
    edit(made, 'bind = "127.0.0.1:0"', f'bind = "127.0.0.1:0"\n{tls}')
    return made


def try_to_send(port, context):
    """Send a message, over TLS or in the clear, and return the code of the reply; "" when there is none."""
    with contextlib.suppress(OSError, EOFError), Sender(port, tls=context) as sender:
        return codes(sender.ask(adt("X1")))[0]
    return ""


@pytest.mark.parametrize(
    ("context", "cause"),
    [
        (sender_context(sent_by(STRANGER)), "the sender's certificate was not signed by client_ca"),
        (sender_context(sent_by(THEIRS, begins=-9, ends=-1)), "the sender's certificate has expired"),
        (sender_context(), "the sender showed no certificate"),
        (sender_context(sent_by(THEIRS, "lab.hospital.example")), "the certificate names no configured client"),
        (sender_context(GOOD, **OLD_TLS), "the sender speaks TLS 1.1 or older"),
        (None, "plain text on a TLS port"),
    ],
    ids=["wrong CA", "expired", "no certificate", "unknown client", "TLS 1.1", "plain text"],
)
def test_a_sender_is_refused_with_one_line_that_names_the_cause(config, context, cause):
    """Nothing of it is stored, and a good sender passes before and after."""
    with RunningDaemon(config) as daemon:
        with Sender(daemon.port, tls=sender_context(GOOD)) as early:
            assert codes(early.ask(adt("A1"))) == ["AA"]
            assert try_to_send(daemon.port, context) == ""
            event = daemon.wait_for("tls_refused")
            assert codes(early.ask(adt("A2"))) == ["AA"]
        assert try_to_send(daemon.port, sender_context(GOOD)) == "AA"
        daemon.stop()
        assert (event["listener"], event["peer"], event["cause"]) == ("ehr", "127.0.0.1", cause)
        assert [each["event"] for each in daemon.events if each["event"] not in QUIET] == ["tls_refused"]
        store = daemon.store()
        assert store.rows("SELECT control_id FROM messages ORDER BY id") == [("A1",), ("A2",), ("X1",)]
        store.close()


def test_a_message_for_a_facility_that_is_not_the_senders_is_refused_with_one_line(config):
    """AR, and the connection goes on with its own."""
    with RunningDaemon(config) as daemon:
        with Sender(daemon.port, tls=sender_context(GOOD)) as sender:
            assert codes(sender.ask(adt("A1"), adt("A2", m4="SOUTHGATE"), adt("A3"))) == ["AA", "AR", "AA"]
        event = daemon.wait_for("message_refused")
        assert event["reason"] == "103 MSH-4: the sender's certificate does not allow this facility"
        daemon.stop()
        assert [each["event"] for each in daemon.events if each["event"] not in QUIET] == ["message_refused"]


def test_a_rotated_certificate_is_taken_by_a_reload_and_open_connections_go_on(config):
    """Ours and the authority of senders, by `hl7bridge reload`; then the same again is no change."""
    other = trustme.CA()
    with RunningDaemon(config) as daemon, Sender(daemon.port, tls=sender_context(GOOD)) as early:
        assert codes(early.ask(adt("A1"))) == ["AA"]
        write_tls(config.parent / "secrets", other.issue_cert("127.0.0.1"), STRANGER)
        assert run("reload", "--config", config).exit_code == 0
        assert daemon.wait_for("certificates_reloaded")["listeners"] == ["ehr"]
        daemon.wait_for("reloaded")
        assert codes(early.ask(adt("A2"))) == ["AA"]
        with Sender(daemon.port, tls=sender_context(sent_by(STRANGER), trusts=other)) as late:
            assert codes(late.ask(adt("A3"))) == ["AA"]
            assert codes(early.ask(adt("A4"))) == ["AA"]
        assert try_to_send(daemon.port, sender_context(GOOD, trusts=other)) == ""
        assert daemon.wait_for("tls_refused")["cause"] == "the sender's certificate was not signed by client_ca"
        run("reload", "--config", config)
        daemon.wait_for("reloaded", 2)
        assert len(daemon.named("certificates_reloaded")) == 1
        assert daemon.named("reload_partial") == []
        daemon.stop()


def test_a_certificate_that_cannot_be_used_refuses_the_whole_reload(config):
    """The last good one goes on, and so does everything else of the last good configuration."""
    key = config.parent / "secrets" / "key.pem"
    mapping = config.parent / "mappings" / "generic.toml"
    with RunningDaemon(config) as daemon:
        key.write_bytes(sent_by(STRANGER).private_key_pem.bytes())
        edit(mapping, 'CHARGE = "CG"', 'CHARGE = "CG"\nFEE = "CG"')
        run("reload", "--config", config)
        assert "key.pem: not the key of " in daemon.wait_for("reload_refused")["problem"]
        assert try_to_send(daemon.port, sender_context(GOOD)) == "AA"
        key.unlink()
        run("reload", "--config", config)
        assert "key.pem: cannot read: " in daemon.wait_for("reload_refused", 2)["problem"]
        assert try_to_send(daemon.port, sender_context(GOOD)) == "AA"
        write_tls(config.parent / "secrets")
        run("reload", "--config", config)
        daemon.wait_for("reloaded")
        daemon.stop()
        assert len(daemon.named("reload_refused")) == 2
        assert daemon.named("certificates_reloaded") == []


def test_files_under_other_names_are_taken_by_a_reload_and_another_policy_waits(config):
    """Certificate, key and client_ca may move; who may send for whom, or whether anybody is asked, takes a restart."""
    folder = config.parent / "renewed"
    folder.mkdir()
    old, new = toml_of(write_tls(config.parent / "secrets")), toml_of(write_tls(folder, client_ca=STRANGER))
    clients = f'{SENDER}" = ["NORTHGATE"]'
    with RunningDaemon(config) as daemon:
        edit(config, old.removesuffix(" }"), new.removesuffix(" }"))
        run("reload", "--config", config)
        daemon.wait_for("certificates_reloaded")
        daemon.wait_for("reloaded")
        assert daemon.named("reload_partial") == []
        assert try_to_send(daemon.port, sender_context(sent_by(STRANGER))) == "AA"
        edit(config, clients, f'{SENDER}" = ["SOUTHGATE"]')
        run("reload", "--config", config)
        daemon.wait_for("reload_partial")
        daemon.wait_for("reloaded", 2)
        assert try_to_send(daemon.port, sender_context(sent_by(STRANGER))) == "AA"
        edit(config, f', client_ca = "{folder}/client_ca.pem", clients = {{ "{SENDER}" = ["SOUTHGATE"] }}', "")
        run("reload", "--config", config)
        daemon.wait_for("reload_partial", 2)
        daemon.wait_for("reloaded", 3)
        assert try_to_send(daemon.port, sender_context(sent_by(STRANGER))) == "AA"
        assert try_to_send(daemon.port, sender_context()) == ""
        daemon.stop()


def test_a_certificate_that_expires_is_said_at_start_and_after_a_reload(config):
    """A warning with the days that are left, an error once there are none, and nothing when it is renewed."""
    folder = config.parent / "secrets"
    write_tls(folder, sent_by(STRANGER, "127.0.0.1", begins=-9, ends=12.5))
    with RunningDaemon(config) as daemon:
        event = daemon.wait_for("certificate_expires")
        assert (event["certificate"], event["days"]) == ("listeners.ehr.tls.certificate", 12)
        assert (event["file"], event["level"]) == (f"{folder}/certificate.pem", "warning")
        write_tls(folder, sent_by(STRANGER, "127.0.0.1", begins=-9, ends=-2.5))
        run("reload", "--config", config)
        event = daemon.wait_for("certificate_expires", 2)
        assert (event["days"], event["level"]) == (-3, "error")
        write_tls(folder)
        run("reload", "--config", config)
        wait_until(lambda: len(daemon.named("reloaded")) == 2)
        daemon.stop()
        assert len(daemon.named("certificate_expires")) == 2
