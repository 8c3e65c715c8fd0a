"""A folder as ``init`` makes it with messages received into its store, for the tests of the commands that show them."""

from __future__ import annotations

import datetime as dt
import json

from cli_samples import init_folder, run

from hl7bridge.assemble import assemble
from hl7bridge.batch import Received
from hl7bridge.cli.common import App
from hl7bridge.errors import MessageError
from hl7bridge.pipeline import Pipeline
from hl7bridge.storage.audit import read_audit

NOW = dt.datetime(2026, 1, 15, 16, 30, tzinfo=dt.UTC)
REGISTRATION = (
    "MSH|^~\\&|REG|NORTHGATE|HL7BRIDGE|AGENCY|20260105101500||ADT^A04^ADT_A01|{id}|P|2.5.1\r"
    "EVN|A04|20260105101500\r"
    "PID|1||M77^^^NORTHGATE^MR||TESTPATIENT^AURELIA^Q||19710418|F|||1 SAMPLE ST^^TESTVILLE^IL^60000||(555)555-0143"
    "|||||{account}^^^NORTHGATE^AN\r"
    "PV1|1|O|||||||||||||||||V77^^^NORTHGATE^VN\r"
    "GT1|1|G77|TESTPATIENT^AURELIA^Q||1 SAMPLE ST^^TESTVILLE^IL^60000|(555)555-0143||19710418|F||SEL\r"
    "IN1|1|PLAN1^SAMPLE PLAN|00001|SAMPLE INSURANCE\r"
    "DG1|1||CANARY^INVENTED DIAGNOSIS\r"
)
CHARGES = (
    "MSH|^~\\&|BILL|NORTHGATE|HL7BRIDGE|AGENCY|20260110120000||DFT^P03^DFT_P03|{id}|P|2.5.1\r"
    "EVN|P03|20260110120000\r"
    "PID|1||M77^^^NORTHGATE^MR||TESTPATIENT^AURELIA^Q|||||||||||||{account}^^^NORTHGATE^AN\r"
    "FT1|1|TX1||20250801|20250802|CG|PROC1|||1|500.00\r"
    "FT1|2|TX2||20250901|20250902|PY|INSPAY|||1|200.00\r"
    "FT1|3|TX3||20250901|20250902|AJ|CONTRACTUAL|||1|50.00\r"
)


def registration(control_id="A1", account="5027440"):
    """Return the ADT^A04 of an invented patient and account."""
    return REGISTRATION.format(id=control_id, account=account).encode()


def charges(control_id="D1", account="5027440"):
    """Return a DFT^P03: a charge of 500.00, an insurance payment of 200.00, an adjustment of 50.00."""
    return CHARGES.format(id=control_id, account=account).encode()


class Bridge:
    """A configured bridge in a folder, and what a person asks it."""

    def __init__(self, folder):
        self.folder = folder
        self.config = init_folder(folder)

    def store(self):
        """Open the store, for a ``with`` block."""
        return App(self.config).open_store()

    def configure(self, old, new, file="hl7bridge.toml"):
        """Change a text of one of the files."""
        path = self.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def receive(self, *blocks, fault=None, now=NOW, answered=True):
        """Receive blocks as the daemon does, each in a transaction of its own, and return the replies."""
        setup = assemble(App(self.config).settings).setup
        with self.store() as store:
            pipeline = Pipeline(store, setup)
            return [
                reply for block in blocks for reply in pipeline.receive([Received("ehr", block, fault, answered)], now)
            ]

    def receive_faulty(self, block, error: MessageError):
        """Receive bytes of which the listener says that they are no block."""
        return self.receive(block, fault=error)[0]

    def run(self, *arguments, **options):
        """Run a command as a shell would."""
        return run(*arguments, "--config", self.config, **options)

    def rows(self, *arguments):
        """Return what a command prints with ``--json``, having checked that it exits 0."""
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.stderr
        return [json.loads(line) for line in result.stdout.splitlines()]

    def audit(self):
        """Return (action, subject) of the audit log, newest first, without the row of ``init``."""
        with self.store() as store:
            return [(row["action"], row["subject"]) for row in read_audit(store)][:-1]

    def dump(self):
        """Return every row of every table but the audit log and its head."""
        with self.store() as store:
            tables = [row[0] for row in store.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
            found = {name: store.rows(f"SELECT * FROM {name}") for name in tables if name != "audit"}
        found["meta"] = [row for row in found["meta"] if row[0] != "audit_head"]
        return found
