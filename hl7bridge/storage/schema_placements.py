"""Schema 4 as SQL: notices to agencies, their files and discrepancies, and which placed accounts have changed."""

from __future__ import annotations

from typing import Final

# A placement's account, its people, coverages and signals may be changed from many places. The triggers below see to
# it that none is forgotten: what they name is looked at in the same transaction (reacting.py), or within a second.
PLACEMENTS: Final = """
ALTER TABLE placements ADD COLUMN status_since TEXT NOT NULL DEFAULT '';
UPDATE placements SET status_since = updated_at;
ALTER TABLE placements ADD COLUMN agency_account TEXT;
ALTER TABLE placements ADD COLUMN acknowledged_at TEXT;
ALTER TABLE placements ADD COLUMN acknowledged_balance INTEGER;
ALTER TABLE placements ADD COLUMN ended_at TEXT;
ALTER TABLE placements ADD COLUMN end_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE placements ADD COLUMN recall_by TEXT;
-- what the agency was told last, see storage/notices.py
ALTER TABLE placements ADD COLUMN told TEXT;
-- the whole snapshot and where each dated fact came from
ALTER TABLE placements ADD COLUMN frozen TEXT;
-- the share of the allocation, as champion
ALTER TABLE placements ADD COLUMN share TEXT NOT NULL DEFAULT '';
-- a digest that keeps a family with one agency
ALTER TABLE placements ADD COLUMN guarantor_key TEXT NOT NULL DEFAULT '';
CREATE INDEX placements_by_guarantor ON placements (guarantor_key, agency) WHERE guarantor_key <> '';
CREATE INDEX placements_by_status ON placements (status, status_since) WHERE status IN
  ('review', 'sent', 'suspended', 'recall_pending');
CREATE INDEX placements_open_by_agency ON placements (agency, status, balance) WHERE status IN
  ('review', 'queued', 'sent', 'acknowledged', 'active', 'suspended', 'recall_pending');
-- the last day on which it holds
ALTER TABLE signals ADD COLUMN until TEXT;
CREATE INDEX guarantors_by_number ON guarantors (number) WHERE number IS NOT NULL AND rank = 1;

-- whether a merge retired the id
ALTER TABLE identifiers ADD COLUMN merged INTEGER NOT NULL DEFAULT 0 CHECK (merged IN (0, 1));

CREATE TABLE notices (
  id INTEGER PRIMARY KEY,
  placement_id INTEGER NOT NULL REFERENCES placements (id),
  agency TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN
    ('suspend', 'resume', 'recall', 'close', 'payment', 'adjustment', 'charge', 'demographic', 'reference')),
  is_stop INTEGER NOT NULL CHECK (is_stop IN (0, 1)),
  reason TEXT NOT NULL,
  content TEXT NOT NULL,
  entry_id INTEGER REFERENCES entries (id),
  cause TEXT NOT NULL,
  event_at TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('queued', 'sent', 'acknowledged', 'cancelled')),
  agency_file_id INTEGER REFERENCES agency_files (id),
  sent_at TEXT,
  acknowledged_at TEXT,
  cancelled_at TEXT
) STRICT;
CREATE INDEX notices_queued ON notices (agency, is_stop, id) WHERE status = 'queued';
CREATE INDEX notices_unacknowledged ON notices (sent_at) WHERE status = 'sent' AND is_stop = 1;
CREATE INDEX notices_by_placement ON notices (placement_id);
CREATE INDEX notices_by_file ON notices (agency_file_id) WHERE agency_file_id IS NOT NULL;
CREATE UNIQUE INDEX notices_by_entry ON notices (placement_id, entry_id) WHERE entry_id IS NOT NULL;

ALTER TABLE agency_files ADD COLUMN layout TEXT NOT NULL DEFAULT 'csv';
ALTER TABLE agency_files ADD COLUMN layout_version INTEGER NOT NULL DEFAULT 1;
-- the file's bytes, compressed: a resend is the same file; NULL for the files of older releases
ALTER TABLE agency_files ADD COLUMN content BLOB;
CREATE INDEX agency_files_writing ON agency_files (agency) WHERE status = 'writing';

CREATE TABLE received_files (
  id INTEGER PRIMARY KEY,
  agency TEXT NOT NULL,
  kind TEXT NOT NULL,
  number INTEGER,
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  records INTEGER NOT NULL,
  total INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('taken', 'held', 'refused', 'duplicate')),
  problem TEXT NOT NULL,
  received_at TEXT NOT NULL,
  decided_at TEXT,
  decided_by TEXT,
  reason TEXT
) STRICT;
CREATE UNIQUE INDEX received_files_taken ON received_files (agency, kind, number) WHERE status = 'taken';
CREATE INDEX received_files_by_number ON received_files (agency, kind, number) WHERE number IS NOT NULL;
CREATE INDEX received_files_by_digest ON received_files (agency, sha256);
CREATE INDEX received_files_held ON received_files (id) WHERE status = 'held';

CREATE TABLE received_records (
  id INTEGER PRIMARY KEY,
  file_id INTEGER NOT NULL REFERENCES received_files (id),
  line INTEGER NOT NULL,
  placement_id INTEGER REFERENCES placements (id),
  kind TEXT NOT NULL,
  content TEXT NOT NULL,
  outcome TEXT NOT NULL CHECK (outcome IN ('applied', 'ignored', 'exception')),
  reason TEXT NOT NULL
) STRICT;
CREATE INDEX received_records_by_file ON received_records (file_id);
CREATE INDEX received_records_by_placement ON received_records (placement_id) WHERE placement_id IS NOT NULL;

CREATE TABLE agency_discrepancies (
  id INTEGER PRIMARY KEY,
  agency TEXT NOT NULL,
  placement_id INTEGER REFERENCES placements (id),
  reference TEXT NOT NULL, -- the account's number as the agency told it, or ours
  kind TEXT NOT NULL CHECK (kind IN ('missing_here', 'missing_there', 'balance', 'status', 'acknowledged_balance')),
  ours TEXT NOT NULL,
  theirs TEXT NOT NULL,
  dollars INTEGER NOT NULL, -- cents: what the difference is about
  file_id INTEGER REFERENCES received_files (id),
  found_at TEXT NOT NULL,
  seen_at TEXT NOT NULL,
  resolved_at TEXT,
  resolved_by TEXT,
  resolution TEXT
) STRICT;
CREATE UNIQUE INDEX agency_discrepancies_open
  ON agency_discrepancies (agency, kind, reference, coalesce(placement_id, 0)) WHERE resolved_at IS NULL;

CREATE TABLE inventories (
  id INTEGER PRIMARY KEY,
  agency TEXT NOT NULL,
  file_id INTEGER REFERENCES received_files (id),
  at TEXT NOT NULL,
  lines INTEGER NOT NULL,
  theirs INTEGER NOT NULL, -- cents: the sum of the balances that the agency has
  matched INTEGER NOT NULL,
  matched_dollars INTEGER NOT NULL, -- cents
  found TEXT NOT NULL -- kind: [how many, cents], of all that did not agree
) STRICT;
CREATE INDEX inventories_by_agency ON inventories (agency, id);

CREATE TABLE stale_placements (
  account_id INTEGER PRIMARY KEY
) STRICT;
"""
_IS_PLACED: Final = "EXISTS (SELECT 1 FROM placements WHERE account_id = {})"
_NOTE: Final = "INSERT INTO stale_placements (account_id) {} ON CONFLICT DO NOTHING; END"
_BY_ACCOUNT: Final = (
    ("guarantors", "INSERT", "NEW"),
    ("guarantors", "UPDATE", "NEW"),
    ("guarantors", "DELETE", "OLD"),
    ("coverages", "INSERT", "NEW"),
    ("coverages", "UPDATE", "NEW"),
    ("coverages", "DELETE", "OLD"),
    ("signals", "INSERT", "NEW"),
)
TRIGGERS: Final = (
    (
        "CREATE TRIGGER placements_see_accounts AFTER UPDATE OF status, number, charges, payments, adjustments,"
        " insurance_payments, plan_code, financial_class, patient_id, merged_into ON accounts"
        f" WHEN {_IS_PLACED.format('NEW.id')} BEGIN {_NOTE.format('VALUES (NEW.id)')}"
    ),
    "CREATE TRIGGER placements_see_patients AFTER UPDATE ON patients BEGIN "
    + _NOTE.format(f"SELECT a.id FROM accounts a WHERE a.patient_id = NEW.id AND {_IS_PLACED.format('a.id')}"),
    "CREATE TRIGGER placements_see_merges AFTER UPDATE OF account_id ON placements BEGIN "
    + _NOTE.format("VALUES (NEW.account_id)"),
    "CREATE TRIGGER placements_see_moved_signals AFTER UPDATE OF account_id ON signals WHEN "
    + _IS_PLACED.format("NEW.account_id")
    + " BEGIN "
    + _NOTE.format("VALUES (NEW.account_id)"),
    *(
        f"CREATE TRIGGER placements_see_{table}_{change.lower()} AFTER {change} ON {table}"
        f" WHEN {_IS_PLACED.format(f'{row}.account_id')} BEGIN {_NOTE.format(f'VALUES ({row}.account_id)')}"
        for table, change, row in _BY_ACCOUNT
    ),
)
