"""A store with payments queued for the EHR, as a remittance of an agency leaves it: everybody in it is invented.

``python -m benchmarks.outbox FOLDER [--payments N]`` makes FOLDER what ``hl7bridge init`` makes, with the store filled.
"""

from __future__ import annotations

import argparse
import datetime as dt
import subprocess
import sys
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Final

from hl7bridge.ledger.account import AccountState, new_account
from hl7bridge.mapping.records import Entry, Patient
from hl7bridge.payments.message import DestinationForm
from hl7bridge.payments.payment import Payment, PaymentKind, batch_id
from hl7bridge.storage.accounts import insert_account, insert_patient, read_account
from hl7bridge.storage.database import Store, open_store, read_key
from hl7bridge.storage.decisions import remember_rules
from hl7bridge.storage.entries import add_entry
from hl7bridge.storage.payments import post_payment
from hl7bridge.times import utc_text
from hl7bridge.versions import load_configuration

FACILITY: Final = "EXAMPLE"
EACH: Final = 2  # payments an account: the second waits for the first
_CHUNK: Final = 1000  # accounts a transaction


def make_outbox(folder: Path, payments: int) -> Path:
    """Make a site with payments queued for the destination that ``init`` writes, and return its configuration."""
    program = [sys.executable, "-m", "hl7bridge", "init", str(folder)]
    subprocess.run(program, check=True, stdout=subprocess.DEVNULL)
    config = folder / "hl7bridge.toml"
    assembled = load_configuration(config)
    settings = assembled.settings.store
    with closing(open_store(settings.path, read_key(settings.key_file), create=True)) as store:
        store.execute("PRAGMA synchronous = OFF")  # what a power cut takes is made again
        _fill(store, payments, dt.datetime.now(dt.UTC))
        with store.transaction():
            remember_rules(store, assembled.rules.version)  # else the daemon decides about every account first
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return config


def _fill(store: Store, payments: int, now: dt.datetime) -> None:
    accounts = -(-payments // EACH)
    for first in range(0, accounts, _CHUNK):
        with store.transaction():
            for number in range(first, min(first + _CHUNK, accounts)):
                _add_account(store, number, now)
    for first in range(0, payments, _CHUNK):
        with store.transaction():
            for number in range(first, min(first + _CHUNK, payments)):
                _post(store, number, number % accounts + 1, now)


def _add_account(store: Store, number: int, now: dt.datetime) -> None:
    patient = Patient(
        facility=FACILITY,
        number=f"TSTM{number}",
        authority=FACILITY,
        family_name="TESTPATIENT",
        given_name=f"NUMBER{number}",
        pid_3=f"TSTM{number}^^^{FACILITY}^MR",
        pid_5=f"TESTPATIENT^NUMBER{number}",
    )
    account = new_account(FACILITY, f"TSTA{number}", as_of="", message_id=1)._replace(
        patient_class="O",
        pid_18=f"TSTA{number}^^^{FACILITY}^AN",
        pv1_19=f"TSTV{number}^^^{FACILITY}^VN",
        patient_id=insert_patient(store, patient, "", 1),
    )
    stored = read_account(store, insert_account(store, account, utc_text(now)))
    charge = Entry(kind="CG", amount=Decimal("900.00"), payer="unknown", service_on=now.date())
    add_entry(store, stored, charge, source=f"BENCH|{FACILITY}", recorded_at=utc_text(now), due_on=_never_due)


def _never_due(_state: AccountState) -> None:
    """Return no day: nothing is decided here."""


def _post(store: Store, number: int, account_id: int, now: dt.datetime) -> None:
    payment = Payment(
        agency="sample",
        agency_payment_id=f"TSTP{number}",
        kind=PaymentKind.PAYMENT,
        amount=Decimal("25.00"),
        paid_on=now.date(),
    )
    post_payment(
        store,
        payment,
        read_account(store, account_id),
        DestinationForm("ehr"),
        now=now,
        posted_on=now.date(),
        batch_id=batch_id(now.date()),
        due_on=_never_due,
    )


def main() -> None:
    """Make the site."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.outbox", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the site is made")
    parser.add_argument("--payments", type=int, default=20_000, help="queued for the EHR [20000]")
    chosen = parser.parse_args()
    make_outbox(chosen.folder, chosen.payments)


if __name__ == "__main__":
    main()
