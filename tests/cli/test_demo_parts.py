"""The demo's EHR, agency and daemon, each by itself: what they take, what they refuse, and how they end."""

from __future__ import annotations

import datetime as dt
import hashlib
import signal
import socket
import subprocess
import sys
from decimal import Decimal

import pytest
from cli_samples import framed, run
from placement_samples import new_key_store, put_account, settings_in

from hl7bridge.cli import demo_site, demo_steps
from hl7bridge.cli.demo_agency import Delivered, read_delivered, write_remittance
from hl7bridge.cli.demo_ehr import Ehr, reply_text
from hl7bridge.cli.demo_people import PEOPLE, charges
from hl7bridge.cli.demo_show import Show
from hl7bridge.cli.demo_site import Site, free_port
from hl7bridge.cli.mllp_client import Exchange
from hl7bridge.errors import BridgeError
from hl7bridge.message.parse import parse_message

NOW = dt.datetime(2026, 1, 15, 16, 30, tzinfo=dt.UTC)


class TestTheEhr:
    """The simulated EHR, on real sockets."""

    def talk(self, ehr, data):
        """Send bytes and return what comes back until the answer is whole."""
        with socket.create_connection(("127.0.0.1", ehr.port), 5) as connection:
            connection.sendall(data)
            answer = b""
            while not answer.endswith(b"\x1c\r"):
                answer += connection.recv(4096)
        return parse_message(answer[1:-2])

    def test_it_posts_what_it_can_read_and_lowers_the_balance(self):
        """Bytes outside a block are passed over."""
        person = PEOPLE[1]
        payment = charges(person, "P1", NOW).replace(b"|CG|", b"|PY|").replace(b"430.00", b"30.00&USD")
        with Ehr() as ehr:
            reply = self.talk(ehr, b"noise" + framed(payment))
            assert reply.get("MSA-1") == "AA"
            posting = ehr.next_posting(5)
            assert (posting.account, posting.kind, posting.amount) == (person.account, "PY", Decimal("30.00"))
            assert ehr.next_posting(0.01) is None
            assert ehr.balance(person) == Decimal("400.00")

    def test_it_refuses_what_it_cannot_read(self):
        """With AE, and its books stay."""
        with Ehr() as ehr:
            assert self.talk(ehr, framed(b"nonsense")).get("MSA-1") == "AE"
            assert ehr.postings == []

    def test_what_came_back_is_told_in_words(self):
        """Also when nothing did."""
        assert reply_text(Exchange("1", None, "no reply in time")) == "no reply in time"


class TestTheAgency:
    """What the agency proves before it believes a file."""

    @pytest.fixture
    def folder(self, tmp_path):
        """Return a folder with one file and its trailer."""
        name = "placements-sample-000001-20260115.csv"
        header = "placement_id,client_account,patient_family_name,patient_given_name,balance\r\n"
        data = f"{header}1,5027001,TESTPATIENT,AURELIA,250.00\r\n".encode()
        (tmp_path / name).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        lines = {
            "key": "value",
            "file": name,
            "number": 1,
            "agency": "sample",
            "records": 1,
            "balance_total": "250.00",
            "sha256": digest,
            "created_at": "2026-01-15T16:30:00.000Z",
        }
        trailer = "".join(f"{key},{value}\r\n" for key, value in lines.items())
        (tmp_path / name.replace(".csv", ".trailer.csv")).write_text(trailer, newline="")
        return tmp_path

    def change(self, folder, pattern, old, new):
        """Change a text of the one file with a name like that."""
        (path,) = (each for each in folder.iterdir() if each.name.endswith(pattern))
        path.write_bytes(path.read_bytes().replace(old.encode(), new.encode()))

    def test_a_file_that_is_as_its_trailer_says_has_no_problem(self, folder):
        """Its own sum is the trailer's."""
        delivered = read_delivered(folder)
        assert delivered.problems == ()
        assert delivered.total == delivered.control_total == Decimal("250.00")

    def test_a_file_that_is_not_as_its_trailer_says_is_refused(self, folder):
        """Digest, count and total."""
        self.change(folder, "0115.csv", "250.00", "260.00")
        self.change(folder, ".trailer.csv", "records,1", "records,2")
        problems = "; ".join(read_delivered(folder).problems)
        assert "not the digest" in problems
        assert "1 rows, and its trailer says 2" in problems
        assert "do not come to 250.00" in problems

    def test_only_accounts_that_were_placed_are_collected(self, tmp_path, folder):
        """Of twelve people here one."""
        lines, net = write_remittance(tmp_path / "r.csv", read_delivered(folder), NOW.date())
        assert (lines, net) == (1, Decimal("250.00"))

    def test_an_empty_folder_or_a_wrong_file_ends_the_demo(self, tmp_path, monkeypatch):
        """It says what is wrong."""
        steps = demo_steps.Demo(Show(), Site(tmp_path), None, 0)
        (tmp_path / demo_steps.OUTGOING).mkdir(parents=True)
        with pytest.raises(BridgeError, match="the agency's folder holds no file"):
            steps._agency()
        monkeypatch.setattr(demo_steps, "read_delivered", lambda _folder: Delivered((), (), ("no digest",)))
        with pytest.raises(BridgeError, match="no digest"):
            steps._agency()

    def test_an_answer_that_is_not_taken_in_time_ends_the_demo(self, tmp_path):
        """The placement was sent, and nobody acknowledges it."""
        config = settings_in(tmp_path)
        with new_key_store(config) as store:
            put_account(store)
        assert run("decide", "--config", config).exit_code == 0
        with pytest.raises(BridgeError, match="the placements were not acknowledged in time"):
            demo_steps.Demo(Show(), Site(tmp_path), None, 0)._wait_until_active(0.0)


class TestTheSite:
    """Commands and the daemon in a folder."""

    def test_a_command_that_fails_says_what_it_said(self, tmp_path):
        """With its exit code."""
        with pytest.raises(BridgeError, match="'hl7bridge accounts' ended with 1: hl7bridge: there is neither"):
            Site(tmp_path).run("accounts")

    def test_settings_that_cannot_be_changed_are_not_passed_over(self, tmp_path):
        """The shipped file has changed, and the demo has not."""
        (tmp_path / "hl7bridge.toml").write_text("")
        with pytest.raises(BridgeError, match="there is no run_at to change"):
            Site(tmp_path).configure({"run_at": "later"})

    def test_a_daemon_that_does_not_start_shows_the_end_of_its_log(self, tmp_path):
        """Its reason, not just that it ended."""
        with (
            pytest.raises(BridgeError, match=r"the daemon did not start: hl7bridge: there is neither"),
            Site(tmp_path).daemon(),
        ):
            pytest.fail("it cannot have started")

    def test_a_daemon_that_ends_badly_is_said_to(self, tmp_path, monkeypatch):
        """Its exit code and the end of its log."""
        site = Site(tmp_path)
        script = (
            "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(3));"
            ' print(\'{"event": "ready"}\', file=sys.stderr, flush=True); signal.pause()'
        )
        monkeypatch.setattr(site, "_program", [sys.executable, "-c", script])
        with pytest.raises(BridgeError, match="the daemon ended with 3"), site.daemon():
            pass

    def test_a_daemon_that_does_not_stop_is_ended(self, monkeypatch):
        """At once, after the time it has."""
        monkeypatch.setattr(demo_site, "_STOP_SECONDS", 0.05)
        with self.stubborn() as process:
            with pytest.raises(BridgeError, match="did not stop within"):
                demo_site._stop(process)
            assert process.returncode == -signal.SIGKILL

    def test_a_second_interrupt_ends_the_daemon_at_once(self, monkeypatch):
        """And is passed on."""
        with self.stubborn() as process:
            real = process.wait
            calls = []

            def wait(timeout=None):
                calls.append(timeout)
                if len(calls) == 1:
                    raise KeyboardInterrupt
                return real(timeout)

            monkeypatch.setattr(process, "wait", wait)
            with pytest.raises(KeyboardInterrupt):
                demo_site._stop(process)
            assert process.returncode == -signal.SIGKILL

    def stubborn(self):
        """Return a process that takes no notice of SIGTERM, and has said so."""
        script = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('x', flush=True); signal.pause()"
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
        process.stdout.readline()
        return process

    def test_a_free_port_can_be_listened_on(self):
        """Nobody has it."""
        port = free_port()
        with socket.create_server(("127.0.0.1", port)) as server:
            assert server.getsockname()[1] == port
