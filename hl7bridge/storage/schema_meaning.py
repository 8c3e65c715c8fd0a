"""Schema 3 as SQL: all ids of a person or account, merges, times of fields, discrepancies, exceptions, versions."""

from __future__ import annotations

from typing import Final

# Fields of a row whose newest telling is not the row's own as_of are in field_times: see ledger/times.py.
MEANING: Final = """
CREATE TABLE identifiers (
  kind TEXT NOT NULL CHECK (kind IN ('patient', 'account', 'visit', 'alternate_visit')),
  facility TEXT NOT NULL,
  number TEXT NOT NULL,
  authority TEXT NOT NULL,
  target_id INTEGER NOT NULL,
  since TEXT NOT NULL,
  message_id INTEGER,
  retired INTEGER NOT NULL CHECK (retired IN (0, 1)),
  becomes TEXT NOT NULL DEFAULT '', -- the number that took its place, as CX when it has an authority
  PRIMARY KEY (kind, number, facility, authority)
) STRICT, WITHOUT ROWID;
CREATE INDEX identifiers_by_target ON identifiers (target_id, kind);

ALTER TABLE accounts ADD COLUMN authority TEXT NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN merged_into INTEGER REFERENCES accounts (id);
ALTER TABLE accounts ADD COLUMN visit_number TEXT;
ALTER TABLE accounts ADD COLUMN alternate_visit_number TEXT;
ALTER TABLE accounts ADD COLUMN moved_visits INTEGER NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN field_times TEXT NOT NULL DEFAULT '';
ALTER TABLE patients ADD COLUMN merged_into INTEGER REFERENCES patients (id);
ALTER TABLE patients ADD COLUMN deleted INTEGER;
CREATE INDEX accounts_merged ON accounts (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX patients_merged ON patients (merged_into) WHERE merged_into IS NOT NULL;
ALTER TABLE patients ADD COLUMN field_times TEXT NOT NULL DEFAULT '';
ALTER TABLE guarantors ADD COLUMN field_times TEXT NOT NULL DEFAULT '';
ALTER TABLE coverages ADD COLUMN field_times TEXT NOT NULL DEFAULT '';
ALTER TABLE entries ADD COLUMN visit_number TEXT;
ALTER TABLE entries ADD COLUMN reverses INTEGER REFERENCES entries (id);
CREATE INDEX entries_negative ON entries (account_id) WHERE amount < 0;
CREATE INDEX entries_reversing ON entries (reverses) WHERE reverses IS NOT NULL;
ALTER TABLE messages ADD COLUMN patient_id INTEGER REFERENCES patients (id);
CREATE INDEX messages_by_patient ON messages (patient_id) WHERE account_id IS NULL AND patient_id IS NOT NULL;

CREATE TABLE discrepancies (
  id INTEGER PRIMARY KEY,
  account_id INTEGER NOT NULL REFERENCES accounts (id),
  kind TEXT NOT NULL CHECK (kind IN ('balance', 'charges', 'adjustments', 'payments')),
  level TEXT NOT NULL CHECK (level IN ('account', 'visit')),
  visit_number TEXT NOT NULL DEFAULT '',
  ours INTEGER NOT NULL,
  theirs INTEGER NOT NULL,
  message_id INTEGER NOT NULL,
  found_at TEXT NOT NULL,
  resolved_at TEXT
) STRICT;
CREATE UNIQUE INDEX discrepancies_open ON discrepancies (account_id, kind, level, visit_number)
  WHERE resolved_at IS NULL;
CREATE INDEX discrepancies_by_account ON discrepancies (account_id);

CREATE TABLE exceptions (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  account_id INTEGER REFERENCES accounts (id),
  other_account_id INTEGER REFERENCES accounts (id),
  message_id INTEGER,
  reason TEXT NOT NULL,
  opened_at TEXT NOT NULL,
  closed_at TEXT,
  closed_by TEXT,
  resolution TEXT
) STRICT;
CREATE INDEX exceptions_open ON exceptions (id) WHERE closed_at IS NULL;
CREATE INDEX exceptions_by_account ON exceptions (account_id);

CREATE TABLE coverage_history (
  id INTEGER PRIMARY KEY,
  account_id INTEGER NOT NULL REFERENCES accounts (id),
  rank INTEGER NOT NULL,
  plan TEXT, company TEXT, company_name TEXT, plan_type TEXT,
  effective_on TEXT, expires_on TEXT,
  as_of TEXT NOT NULL,
  ended_at TEXT NOT NULL,
  message_id INTEGER NOT NULL
) STRICT;
CREATE INDEX coverage_history_by_account ON coverage_history (account_id, rank, id);

CREATE TABLE config_versions (
  id INTEGER PRIMARY KEY,
  at TEXT NOT NULL,
  actor TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  files TEXT NOT NULL,
  reason TEXT NOT NULL
) STRICT;
"""
