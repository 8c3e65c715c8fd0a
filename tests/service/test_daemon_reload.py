"""A reload takes what is right and refuses what is wrong; what runs goes on meanwhile."""

from __future__ import annotations

import signal

import pytest
import trustme
from feed_samples import adt, dft, ft1, message, pid, pv1
from listening import Sender, codes
from running_daemon import RunningDaemon, edit, make_folder

FEE = 'CHARGE = "CG"\nFEE = "CG"'


@pytest.fixture
def config(tmp_path):
    return make_folder(tmp_path / "d")


def test_a_new_mapping_is_taken_and_a_bad_one_leaves_the_last_good_running(config):
    """Every mistake is in the log with file, line and key; the next good reload is taken again."""
    mapping = config.parent / "mappings" / "generic.toml"
    with RunningDaemon(config) as daemon, daemon.sender() as sender:
        assert codes(sender.ask(dft("D1", ft1(kind="FEE")))) == ["AE"]
        edit(mapping, 'CHARGE = "CG"', FEE)
        daemon.signal(signal.SIGHUP)
        assert daemon.wait_for("reloaded")["mappings"] == ["generic"]
        assert codes(sender.ask(dft("D1", ft1(kind="FEE")))) == ["AA"]
        good = mapping.read_text()
        mapping.write_text(
            good.replace('birth_on = { from = "PID-7"', 'born_on = { from = "PID-7"').replace(
                "format = 1", "format = 2"
            )
        )
        daemon.signal(signal.SIGHUP)
        daemon.wait_for("reload_refused", 2)
        problems = [event["problem"] for event in daemon.named("reload_refused")]
        assert "generic.toml:" in problems[0]
        assert "patient.born_on: unknown field of patient (did you mean 'birth_on'?)" in problems[1]
        assert codes(sender.ask(dft("D2", ft1(kind="FEE", number="TTX2")))) == ["AA"]
        mapping.unlink()
        daemon.signal(signal.SIGHUP)
        assert "there is no such file" in daemon.wait_for("reload_refused", 3)["problem"]
        config.write_text(config.read_text() + "[[[")
        daemon.signal(signal.SIGHUP)
        assert "hl7bridge.toml:" in daemon.wait_for("reload_refused", 4)["problem"]
        assert codes(sender.ask(dft("D3", ft1(kind="FEE", number="TTX3")))) == ["AA"]
        daemon.stop()


def test_a_policy_is_taken_and_a_port_waits_for_the_next_start(config):
    """The log says which is which; a listener that is gone from the file goes on until then, with its own mapping."""
    other = config.parent / "mappings" / "other.toml"
    other.write_text(
        (config.parent / "mappings" / "generic.toml").read_text().replace('name = "generic"', 'name = "other"', 1)
    )
    with config.open("a") as file:
        file.write('[[listeners]]\nname = "lab"\nbind = "127.0.0.1:0"\nmapping = "other"\n')
    with RunningDaemon(config) as daemon:
        ports = {event["listener"]: event["port"] for event in daemon.named("listening")}
        text = config.read_text()
        text = text[: text.index('[[listeners]]\nname = "lab"')].replace(
            'bind = "127.0.0.1:0"', 'bind = "127.0.0.1:0"\nunmapped = "refuse"'
        )
        config.write_text(text)
        daemon.signal(signal.SIGHUP)
        daemon.wait_for("reload_partial")
        daemon.wait_for("reloaded")
        with Sender(ports["ehr"]) as ehr, Sender(ports["lab"]) as lab:
            assert codes(ehr.ask(adt("A1", event="A02"))) == ["AR"]
            assert codes(lab.ask(message("ADT^A04", "L1", pid(), pv1()))) == ["AA"]
        daemon.stop()


def test_listeners_differ_in_what_they_take_and_how_they_are_secured(config):
    """A production port in TLS beside a test port in the clear, on loopback."""
    authority = trustme.CA()
    host = authority.issue_cert("127.0.0.1")
    host.private_key_pem.write_to_path(str(config.parent / "secrets" / "ehr.key"))
    host.cert_chain_pems[0].write_to_path(str(config.parent / "secrets" / "ehr.crt"))
    with config.open("a") as file:
        file.write(
            '[[listeners]]\nname = "secure"\nbind = "127.0.0.1:0"\nprocessing_ids = ["T"]\nidle_timeout = "5 min"\n'
            'tls = { certificate = "secrets/ehr.crt", key = "secrets/ehr.key" }\nallow = ["127.0.0.1/32"]\n'
        )
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    with RunningDaemon(config) as daemon:
        ports = {event["listener"]: event for event in daemon.named("listening")}
        assert (ports["ehr"]["tls"], ports["secure"]["tls"]) == (False, True)
        with Sender(ports["secure"]["port"], tls=context) as secure, daemon.sender() as plain:
            assert codes(secure.ask(adt("A1"), adt("A2", m11="T"))) == ["AR", "AA"]
            assert codes(plain.ask(adt("A3"), adt("A4", m11="T"))) == ["AA", "AR"]
        daemon.stop()
