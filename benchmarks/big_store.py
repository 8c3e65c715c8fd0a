"""A store of any number of accounts, each with people, coverage and five entries, of which some are due for a decision.

    python -m benchmarks.big_store FOLDER [--accounts N] [--due N]

FOLDER becomes what ``hl7bridge init`` makes, with the store filled: a million accounts and five million entries take
some minutes and 2 GB. Rows are written directly, as intake would have left them; everybody in them is invented. The due
accounts lie evenly over the whole store, which is the most that a run can have to read.
"""

from __future__ import annotations

import argparse
import datetime as dt
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from hl7bridge.storage.database import Store, open_store, read_key
from hl7bridge.storage.decisions import remember_rules
from hl7bridge.versions import load_configuration

ACCOUNTS: Final = 1_000_000
ENTRIES: Final = 5  # of each account: two charges, an insurer's payment and its adjustment, and the patient's copay
DUE: Final = 20_000
FIRST_DAYS: Final = 730  # before today: the first account's service; the last one's was yesterday
FACILITY: Final = "EXAMPLE"
_CHUNK: Final = 50_000  # accounts a transaction
# Each statement writes accounts ``first`` to ``last``, numbered from 0. In it, one account i:
_NUMBERS: Final = "WITH RECURSIVE n (i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :last)"
_DAY: Final = "date(:today, printf('-%d days', :days - i * :days / :accounts))"
_IS_DUE: Final = "(i % :each = 0 AND i / :each < :due)"  # of those whose last payment is long ago
_OWES: Final = f"({_IS_DUE} OR i % 5 = 0)"  # the others have paid all that the insurer left
_PATIENTS: Final = f"""
INSERT INTO patients (id, facility, number, authority, family_name, given_name, birth_on, street, city, state,
  postal_code, country, phone, language, as_of, message_id)
{_NUMBERS} SELECT i + 1, :facility, 'TSTM' || i, 'EXAMPLE', 'TESTPATIENT', 'NUMBER' || i,
  date('1950-01-01', (i % 18000) || ' days'), i % 9999 || ' SAMPLE STREET', 'TESTVILLE', 'IL',
  printf('6%04d', i % 10000), 'USA', printf('55555501%02d', i % 100), 'eng', :as_of, 1 FROM n"""
_ACCOUNTS: Final = f"""
INSERT INTO accounts (id, facility, number, status, patient_class, financial_class, discharged_on, patient_id,
  charges, payments, adjustments, insurance_payments, first_service_on, last_service_on, last_payment_on,
  insurance_paid_on, due_on, as_of, message_id, created_at, updated_at)
{_NUMBERS} SELECT i + 1, :facility, 'TSTA' || i, 'open', 'O', 'COMM', {_DAY}, i + 1,
  90000, CASE WHEN {_OWES} THEN 52000 ELSE 75000 END, 15000, 50000, {_DAY}, {_DAY}, date({_DAY}, '35 days'),
  date({_DAY}, '30 days'), CASE WHEN {_IS_DUE} THEN :today WHEN i % 5 = 0 THEN date(:today, '365 days') END,
  :as_of, 1, :at, :at FROM n"""
_GUARANTORS: Final = f"""
INSERT INTO guarantors (account_id, rank, number, family_name, given_name, birth_on, relationship, street, city,
  state, postal_code, country, phone, language, as_of, message_id)
{_NUMBERS} SELECT i + 1, 1, 'TSTG' || i, 'TESTGUARANTOR', 'NUMBER' || i, date('1950-01-01', (i % 18000) || ' days'),
  'SPO', i % 9999 || ' SAMPLE STREET', 'TESTVILLE', 'IL', printf('6%04d', i % 10000), 'USA',
  printf('55555501%02d', i % 100), 'eng', :as_of, 1 FROM n"""
_COVERAGES: Final = f"""
INSERT INTO coverages (account_id, rank, plan, company, company_name, plan_type, as_of, message_id)
{_NUMBERS} SELECT i + 1, 1, 'PLAN1', 'COMPANY1', 'EXAMPLE MUTUAL INSURANCE', 'HMO', :as_of, 1 FROM n"""
# In the order in which they come, the insurer's a month after the service: an account's entries lie apart.
_ENTRIES: Final = f"""
INSERT INTO entries (account_id, kind, amount, payer, service_on, posted_on, transaction_id, batch_id, source,
  message_id, recorded_at)
{_NUMBERS} SELECT i + 1, kind, CASE WHEN kind = 'CO' AND NOT {_OWES} THEN 25000 ELSE cents END, payer,
  date({_DAY}, delay || ' days'), date({_DAY}, delay || ' days'), 'TSTT' || i || '-' || at, '', 'BENCH|EXAMPLE', 1, :at
FROM n, (
  SELECT 1 AS at, 'CG' AS kind, 40000 AS cents, 'unknown' AS payer, 0 AS delay
  UNION ALL SELECT 2, 'CG', 50000, 'unknown', 0
  UNION ALL SELECT 3, 'PY', 50000, 'insurance', 30
  UNION ALL SELECT 4, 'AJ', 15000, 'insurance', 30
  UNION ALL SELECT 5, 'CO', 2000, 'patient', 35)
ORDER BY i * :days / :accounts + delay, i, at"""
_STATEMENTS: Final = (_PATIENTS, _ACCOUNTS, _GUARANTORS, _COVERAGES, _ENTRIES)


def each_due(accounts: int, due: int) -> int:
    """Return which of the accounts is due, one in so many: of the first seven tenths, half a year old and more."""
    return max(1, accounts * 7 // (10 * max(due, 1)))


def fill_store(store: Store, today: dt.date, *, accounts: int, due: int) -> None:
    """Write accounts with all that belongs to them; ``due`` of them are due today. The store is empty before."""
    values = {
        "facility": FACILITY,
        "accounts": accounts,
        "due": due,
        "each": each_due(accounts, due),
        "days": FIRST_DAYS,
        "today": today.isoformat(),
        "as_of": f"{today:%Y%m%d}000000.000000 BENCH|EXAMPLE",
        "at": f"{today.isoformat()}T00:00:00.000Z",
    }
    store.execute("PRAGMA synchronous = OFF")  # what a power cut takes is made again
    for first in range(0, accounts, _CHUNK):
        part = {**values, "first": first, "last": min(first + _CHUNK, accounts)}
        with store.transaction():
            for statement in _STATEMENTS:
                store.execute(statement, part)
    store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.execute("PRAGMA synchronous = FULL")


def make_due_again(store: Store, today: dt.date, *, accounts: int, due: int) -> None:
    """Undo what a run of decisions left, so that the same accounts are due today."""
    with store.transaction():
        for table in ("placement_events", "notices", "placements", "decisions"):
            store.execute(f"DELETE FROM {table}")
        store.execute("UPDATE accounts SET due_on = NULL WHERE due_on <= ?", (today.isoformat(),))
        store.execute(
            f"UPDATE accounts SET due_on = :today WHERE id IN ({_NUMBERS} SELECT i + 1 FROM n WHERE {_IS_DUE})",
            {"today": today.isoformat(), "each": each_due(accounts, due), "due": due, "first": 0, "last": accounts},
        )
    store.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def make_site(folder: Path, *, accounts: int, due: int) -> Path:
    """Make a site with a filled store as ``hl7bridge init`` sets it up, and return its configuration's path."""
    program = [sys.executable, "-m", "hl7bridge", "init", str(folder)]
    subprocess.run(program, check=True, stdout=subprocess.DEVNULL)
    config = folder / "hl7bridge.toml"
    assembled = load_configuration(config)
    settings = assembled.settings.store
    store = open_store(settings.path, read_key(settings.key_file), create=True)
    try:
        fill_store(store, dt.datetime.now(dt.UTC).date(), accounts=accounts, due=due)
        with store.transaction():
            remember_rules(store, assembled.rules.version)  # else the first run looks at every account that owes
    finally:
        store.close()
    return config


def main() -> int:
    """Make the site, and say how large it is and how long it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the site is made")
    parser.add_argument("--accounts", type=int, default=ACCOUNTS, help=f"accounts, of {ENTRIES} entries each [1000000]")
    parser.add_argument("--due", type=int, default=DUE, help="of them due today [20000]")
    chosen = parser.parse_args()
    begun = time.perf_counter()
    config = make_site(chosen.folder, accounts=chosen.accounts, due=chosen.due)
    size = sum(file.stat().st_size for file in (chosen.folder / "data").iterdir())
    took = time.perf_counter() - begun
    print(f"{chosen.accounts:,} accounts, {chosen.accounts * ENTRIES:,} entries, {chosen.due:,} due: {took:.0f} s")
    print(f"{size / 1e9:.2f} GB; hl7bridge decide --config {config}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
