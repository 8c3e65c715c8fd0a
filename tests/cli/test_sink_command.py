"""``hl7bridge sink`` in this process, on a reactor that the test moves: what it says, keeps, refuses; how it ends."""

from __future__ import annotations

import json
import signal

import pytest
import trustme
from cli_samples import run
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory

import hl7bridge.net.reactor

PAYMENT = (
    b"\x0bMSH|^~\\&|HL7BRIDGE||EHR||20260115103000||DFT^P03|%b|P|2.5.1\rPID|1||TMRN1||TESTPATIENT^AURELIA\r"
    b"FT1|1|%b|B1|20260114|20260115|PY|C\r\x1c\r"
)


class Reactor(MemoryReactorClock):
    """Runs what a test planned, instead of waiting for sockets."""

    def __init__(self, *blocks, then=None, problem=None):
        super().__init__()
        self.blocks = blocks
        self.then = then
        self.problem = problem
        self.replies = b""
        self.stopped = 0

    def listenTCP(self, port, factory, backlog=50, interface=""):
        """Listen, unless the port is another's."""
        if self.problem is not None:
            raise CannotListenError(interface, port, self.problem)
        return super().listenTCP(port, factory, backlog, interface)

    def run(self, installSignalHandlers=True):  # noqa: N803  (Twisted's name)
        """Bring the messages, then let a second pass."""
        self.port, self.factory, *_ = self.tcpServers[0]
        if not isinstance(self.factory, TLSMemoryBIOFactory):
            transport = StringTransport()
            sink = self.factory.buildProtocol(None)
            sink.makeConnection(transport)
            for block in self.blocks:
                sink.dataReceived(block)
            self.replies = transport.value()
        if self.then is not None:
            self.then()
        self.advance(1)

    def stop(self):
        """Count how often it was told to stop."""
        self.stopped += 1

    def callFromThread(self, function, *arguments):
        """Call it now: nothing here is in another thread."""
        function(*arguments)


@pytest.fixture
def on(monkeypatch):
    """Put a reactor in the place of Twisted's; signals reach nobody but the test."""
    caught = {}
    monkeypatch.setattr(signal, "signal", caught.__setitem__)

    def put(reactor):
        monkeypatch.setattr(hl7bridge.net.reactor, "reactor", reactor)
        reactor.caught = caught
        return reactor

    return put


def payment(control_id, transaction):
    return PAYMENT % (control_id.encode(), transaction.encode())


def test_each_message_is_a_line_and_the_last_line_has_the_counts(on):
    """One came again as it was, one under its old payment's id in another form; nobody is named."""
    reactor = on(Reactor(payment("HB1", "T1"), payment("HB1", "T1"), payment("HB2", "T1"), b"\x0bhello\x1c\r"))
    result = run("sink", "--bind", "127.0.0.1:0", "--behave", "refuse", "--behave", "accept")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [
        "listening on 127.0.0.1:0; Ctrl-C ends",
        "     1  DFT^P03  HB1  T1  refuse",
        "     2  DFT^P03  HB1 AGAIN  T1  accept",
        "     3  DFT^P03  HB2  T1  accept",
        "     4      -  accept",
        "4 messages, 1 came again; 1 payments (FT1-2), 1 came in another form",
    ]
    assert [reactor.replies.count(each) for each in (b"|AE|HB1", b"|AA|HB1", b"|AA|HB2")] == [1, 1, 1]


def test_json_has_an_object_for_each_event(on):
    """As the command reference names their keys."""
    on(Reactor(payment("HB1", "T1")))
    result = run("sink", "--bind", "127.0.0.1:0", "--json")
    listening, message, ended = map(json.loads, result.stdout.splitlines())
    assert listening == {"event": "listening", "host": "127.0.0.1", "port": 0}
    assert (message["number"], message["connection"], message["control_id"]) == (1, 1, "HB1")
    assert (message["transactions"], message["repeat"], message["behaviour"]) == (["T1"], False, "accept")
    assert ended == {"event": "ended", "messages": 1, "repeats": 0, "transactions": 1, "transactions_changed": 0}


def test_messages_are_kept_as_they_came_for_their_owner_alone(on, tmp_path):
    """One file each, in the order in which they came; the next sink's follow, and none is written over."""
    folder = tmp_path / "got" / "today"
    on(Reactor(payment("HB1", "T1"), payment("HB2", "T2")))
    assert run("sink", "--bind", "127.0.0.1:0", "--save", folder).exit_code == 0
    assert sorted(path.name for path in folder.iterdir()) == ["000001.hl7", "000002.hl7"]
    assert (folder / "000002.hl7").read_bytes() == payment("HB2", "T2")[1:-2]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    on(Reactor(payment("HB3", "T3")))
    assert run("sink", "--bind", "127.0.0.1:0", "--save", folder).exit_code == 0
    assert (folder / "000003.hl7").read_bytes() == payment("HB3", "T3")[1:-2]


def test_it_ends_after_its_count_once_the_last_answer_has_left(on):
    """Not before, and not without one."""
    for most, stopped in ((2, 1), (3, 0)):
        reactor = on(Reactor(payment("HB1", "T1"), payment("HB2", "T2")))
        assert run("sink", "--bind", "127.0.0.1:0", "--count", str(most)).exit_code == 0
        assert reactor.stopped == stopped


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(on, number):
    """With the counts as its last words."""
    reactor = on(Reactor())
    reactor.then = lambda: reactor.caught[number](number, None)
    result = run("sink", "--bind", "127.0.0.1:0")
    assert reactor.stopped == 1
    assert result.stdout.splitlines()[-1].startswith("0 messages")


def test_with_a_certificate_it_takes_tls_alone(on, tmp_path):
    """Also from other machines; a key without a certificate is a mistake."""
    made = trustme.CA().issue_cert("ehr.example")
    made.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    made.private_key_pem.write_to_path(tmp_path / "key.pem")
    (tmp_path / "key.pem").chmod(0o600)
    files = ("--certificate", tmp_path / "cert.pem", "--key", tmp_path / "key.pem")
    reactor = on(Reactor())
    result = run("sink", "--bind", "0.0.0.0:0", *files)
    assert result.exit_code == 0, result.stderr
    assert isinstance(reactor.factory, TLSMemoryBIOFactory)
    assert run("sink", *files[2:]).exit_code == 1


def test_off_loopback_nothing_is_taken_unencrypted_unless_asked_for(on):
    """As the daemon's listeners."""
    on(Reactor())
    refused = run("sink", "--bind", "0.0.0.0:0")
    assert (refused.exit_code, "unencrypted" in refused.stderr) == (1, True)
    assert run("sink", "--bind", "0.0.0.0:0", "--plaintext-off-loopback").exit_code == 0


@pytest.mark.parametrize("problem", [OSError(98, "Address already in use"), "Address already in use"])
def test_a_port_that_is_taken_is_one_line(on, problem):
    """Which names it."""
    on(Reactor(problem=problem))
    result = run("sink", "--bind", "127.0.0.1:2576")
    assert result.exit_code == 1
    assert result.stderr == "hl7bridge: cannot listen on 127.0.0.1:2576: Address already in use\n"


def test_an_address_that_is_none_is_wrong_use():
    """Said before anything listens."""
    result = run("sink", "--bind", "nowhere")
    assert result.exit_code == 2
    assert "--bind" in result.stderr
