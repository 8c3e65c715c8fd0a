"""Payments of a real daemon, as MLLP servers read them that share nothing with hl7bridge: python-hl7's and Node's."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import threading
from contextlib import closing
from pathlib import Path

import pytest
from hl7.mllp import start_hl7_server
from listening import SECONDS, wait_until
from payment_samples import PATIENT, add_account, make_payment, post, statuses
from running_daemon import RunningDaemon, edit, make_folder

from hl7bridge.payments.payment import PaymentKind
from hl7bridge.storage.database import open_store, read_key

NODE = Path(__file__).parent.parent / "node"
# Component by component, as an interface team would look at them.
PATHS = (
    *("MSH.9.1", "MSH.9.2", "MSH.10", "PID.3.1", "PID.3.4", "PID.5.1", "PID.18.1", "PID.18.4", "PID.18.5"),
    *("FT1.2", "FT1.4", "FT1.6", "FT1.7.1", "FT1.12.1.1", "FT1.12.1.2"),
)
UNREACHABLE = ("ENOTFOUND", "ECONNREFUSED", "ETIMEDOUT", "EAI_AGAIN", "ENETUNREACH")  # what npm says without a network
ACCOUNTS = 3
KINDS = {
    "150.00": (PaymentKind.PAYMENT, "PY", "AGYPAY", "150.00"),
    "0.01": (PaymentKind.PAYMENT, "PY", "AGYPAY", "0.01"),
    "12.50": (PaymentKind.ADJUSTMENT, "AJ", "AGYADJ", "12.50"),
}


class PythonSink:
    """python-hl7's own server in a thread; it acknowledges as python-hl7's documentation does."""

    def __init__(self):
        self.rows = []
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._thread.start()
        wait_until(lambda: self.port)

    async def _serve(self):
        async with await start_hl7_server(self._answer, "127.0.0.1", 0, encoding="utf-8") as server:
            self.port = server.sockets[0].getsockname()[1]
            await self._ended.wait()

    async def _answer(self, reader, writer):
        try:
            while True:
                message = await reader.readmessage()
                self.rows.append({path: value_at(message, path) for path in PATHS})
                writer.writemessage(message.create_ack())
                await writer.drain()
        except asyncio.IncompleteReadError:  # the daemon has closed
            writer.close()

    def close(self):
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(SECONDS)
        self._loop.close()


def value_at(message, path):
    """Return what python-hl7 finds at ``FT1.12.1.2``."""
    segment, *numbers = path.split(".")
    field, component, subcomponent = [*map(int, numbers), 1, 1][:3]
    return message.extract_field(segment, 1, field, 1, component, subcomponent)


class NodeSink:
    """node-hl7-server's own server in a process of Node."""

    def __init__(self, folder):
        self.rows = []
        self.port = 0
        self.problems = []
        self._process = subprocess.Popen(
            ["node", "sink.cjs", *PATHS], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        wait_until(lambda: self.port)

    def _read(self):
        for line in self._process.stdout:
            row = json.loads(line)
            if "listening" in row:
                self.port = row["listening"]
            else:
                (self.problems if "problem" in row else self.rows).append(row)

    def close(self):
        self._process.stdin.close()
        assert self._process.wait(SECONDS) == 0
        self._reader.join(SECONDS)
        self._process.stdout.close()
        assert self.problems == []


@pytest.fixture(scope="session")
def node_folder(tmp_path_factory):
    """A folder with node-hl7-server, as its lock file has it, from npm."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("npm is not installed: node-hl7-server cannot be had")
    folder = tmp_path_factory.mktemp("node")
    for path in NODE.iterdir():
        shutil.copy(path, folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if any(code in done.stderr for code in UNREACHABLE):
        pytest.skip("npm reaches no registry: node-hl7-server cannot be had")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(params=["python-hl7", "node-hl7-server"])
def sink(request):
    """Each server, with what its connections allow.

    node-hl7-server 2.5.0 keeps what came over a connection, and with each further message hands on all of it again.
    """
    if request.param == "python-hl7":
        made, settings = PythonSink(), "window = 2\n"
    else:
        made, settings = NodeSink(request.getfixturevalue("node_folder")), 'connection = "per_message"\n'
    yield made, settings
    made.close()


def queue_payments(config):
    """Queue three payments for each of some accounts, and return what the EHR must get, account by account."""
    wanted = {}
    key = read_key(config.parent / "secrets" / "store.key")
    with closing(open_store(config.parent / "data" / "hl7bridge.db", key, create=True)) as store:
        for number in range(ACCOUNTS):
            patient = PATIENT._replace(pid_5=f"TESTPÄTIENT{number}^ÅSE")
            account = add_account(store, f"TACC{number}", patient=patient)
            for amount, (kind, *_) in KINDS.items():
                post(store, account, make_payment(f"CHK{number}-{amount}", amount, kind))
            wanted[f"TACC{number}"] = [
                {
                    "MSH.9.1": "DFT",
                    "MSH.9.2": "P03",
                    "PID.3.1": "100234",
                    "PID.3.4": "HOSP",
                    "PID.5.1": f"TESTPÄTIENT{number}",
                    "PID.18.1": f"TACC{number}",
                    "PID.18.4": "HOSP",
                    "PID.18.5": "AN",
                    "FT1.4": "20260114",
                    "FT1.6": kind,
                    "FT1.7.1": code,
                    "FT1.12.1.1": said,
                    "FT1.12.1.2": "USD",
                }
                for _, kind, code, said in KINDS.values()
            ]
    return wanted


def test_every_payment_reaches_an_independent_server_once_as_it_is(tmp_path, sink):
    """In the order of its account, its fields as that server parsed them; its acknowledgement posts the payment."""
    server, settings = sink
    config = make_folder(tmp_path)
    edit(config, 'connect = "127.0.0.1:9"', f'connect = "127.0.0.1:{server.port}"\nack_timeout = "2 s"\n{settings}')
    wanted = queue_payments(config)
    with RunningDaemon(config) as daemon, closing(daemon.store()) as store:
        wait_until(lambda: {status for status, _ in statuses(store)} == {"accepted"}, str(server.rows))
        assert {status for _, status in statuses(store)} == {"posted"}
        known = store.rows("SELECT control_id FROM deliveries ORDER BY id")
        daemon.stop()
    rows = server.rows
    assert sorted(row["MSH.10"] for row in rows) == sorted(each for (each,) in known)
    assert len({row["FT1.2"] for row in rows}) == len(rows)
    for account, messages in wanted.items():
        of_it = [row for row in rows if row["PID.18.1"] == account]
        assert [{path: row[path] for path in each} for row, each in zip(of_it, messages, strict=True)] == messages
