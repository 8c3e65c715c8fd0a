"""Schema 5: remittances, suspense, echoes, what a payment's message still waits for, lockboxes, closed days."""

from __future__ import annotations

from typing import Final

PAYMENTS: Final = """
CREATE TABLE remittances (
  id INTEGER PRIMARY KEY,
  agency TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  name TEXT NOT NULL,
  received_file_id INTEGER REFERENCES received_files (id),
  records INTEGER NOT NULL,
  gross INTEGER NOT NULL,
  reversals INTEGER NOT NULL,
  fees INTEGER NOT NULL,
  paid INTEGER NOT NULL,
  received_at TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX remittances_once ON remittances (agency, sha256);

ALTER TABLE payments ADD COLUMN fee INTEGER NOT NULL DEFAULT 0;
ALTER TABLE payments ADD COLUMN trust_on TEXT;
ALTER TABLE payments ADD COLUMN method TEXT NOT NULL DEFAULT '';
ALTER TABLE payments ADD COLUMN reverses INTEGER REFERENCES payments (id);
-- cents left that the agency gave up in a settlement; an adjustment that settles a payment writes them off
ALTER TABLE payments ADD COLUMN settlement INTEGER;
ALTER TABLE payments ADD COLUMN settles INTEGER REFERENCES payments (id);
ALTER TABLE payments ADD COLUMN remittance_id INTEGER REFERENCES remittances (id);
ALTER TABLE payments ADD COLUMN destination TEXT NOT NULL DEFAULT '';
ALTER TABLE payments ADD COLUMN transaction_id TEXT NOT NULL DEFAULT '';
ALTER TABLE payments ADD COLUMN echoed_at TEXT;
ALTER TABLE payments ADD COLUMN echo_message_id INTEGER;
-- when the feed showed that the EHR has undone it of its own accord: the ledger counts that, once
ALTER TABLE payments ADD COLUMN taken_back_at TEXT;
CREATE INDEX payments_by_transaction ON payments (transaction_id) WHERE transaction_id <> '';
CREATE INDEX payments_by_remittance ON payments (remittance_id) WHERE remittance_id IS NOT NULL;
CREATE UNIQUE INDEX payments_settled_once ON payments (settles) WHERE settles IS NOT NULL;
-- several may take back one in parts, together no more than it was
CREATE INDEX payments_by_original ON payments (reverses) WHERE reverses IS NOT NULL;
CREATE INDEX payments_by_day ON payments (received_at);

CREATE TABLE suspense (
  id INTEGER PRIMARY KEY,
  agency TEXT NOT NULL,
  agency_payment_id TEXT NOT NULL,
  account TEXT NOT NULL,
  facility TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('payment', 'adjustment', 'reversal')),
  amount INTEGER NOT NULL CHECK (amount > 0),
  fee INTEGER NOT NULL,
  paid_on TEXT NOT NULL,
  content TEXT NOT NULL,
  remittance_id INTEGER REFERENCES remittances (id),
  reason TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('open', 'assigned', 'returned')),
  opened_at TEXT NOT NULL,
  closed_at TEXT,
  closed_by TEXT,
  resolution TEXT,
  payment_id INTEGER REFERENCES payments (id),
  UNIQUE (agency, agency_payment_id)
) STRICT;
CREATE INDEX suspense_by_day ON suspense (opened_at);
CREATE INDEX suspense_by_payment ON suspense (payment_id) WHERE payment_id IS NOT NULL;
CREATE INDEX suspense_open ON suspense (id) WHERE status = 'open';

ALTER TABLE deliveries ADD COLUMN committed_at TEXT;
ALTER TABLE deliveries ADD COLUMN lost INTEGER NOT NULL DEFAULT 0;
-- 1: it was sent before a person set attempts back to 0; it stays so
ALTER TABLE deliveries ADD COLUMN was_sent INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN lockbox_file_id INTEGER;
-- where in the message the ids of its account stand, for merges; '' is the usual places
ALTER TABLE deliveries ADD COLUMN addressing TEXT NOT NULL DEFAULT '';
CREATE INDEX deliveries_unsettled ON deliveries (destination, id) WHERE status IN ('held', 'unknown');
DROP INDEX deliveries_open;
CREATE INDEX deliveries_queued ON deliveries (destination, payment_id IS NULL, id) WHERE status = 'queued';
CREATE INDEX deliveries_sending ON deliveries (destination, committed_at, id) WHERE status = 'sending';

CREATE TABLE delivery_payments (
  delivery_id INTEGER NOT NULL REFERENCES deliveries (id),
  payment_id INTEGER NOT NULL REFERENCES payments (id),
  PRIMARY KEY (delivery_id, payment_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX delivery_payments_once ON delivery_payments (payment_id);
INSERT INTO delivery_payments (delivery_id, payment_id)
  SELECT id, payment_id FROM deliveries WHERE payment_id IS NOT NULL;

-- entries of the EHR's feed that are payments of ours: in no ledger a second time. In a scratch store, of no payment.
CREATE TABLE echoes (
  id INTEGER PRIMARY KEY,
  payment_id INTEGER UNIQUE REFERENCES payments (id),
  account_id INTEGER REFERENCES accounts (id),
  source TEXT NOT NULL,
  transaction_id TEXT,
  batch_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  amount INTEGER NOT NULL,
  service_on TEXT NOT NULL,
  found_by TEXT NOT NULL CHECK (found_by IN ('id', 'content')),
  message_id INTEGER,
  recorded_at TEXT NOT NULL
) STRICT;
CREATE INDEX echoes_by_transaction ON echoes (transaction_id, source, batch_id) WHERE transaction_id IS NOT NULL;
CREATE INDEX echoes_by_account ON echoes (account_id);

CREATE TABLE lockbox_files (
  id INTEGER PRIMARY KEY,
  destination TEXT NOT NULL,
  number INTEGER NOT NULL,
  name TEXT NOT NULL,
  records INTEGER NOT NULL,
  total INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  content BLOB NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('writing', 'written', 'acknowledged')),
  created_at TEXT NOT NULL,
  written_at TEXT,
  UNIQUE (destination, number)
) STRICT;

CREATE TABLE money_days (
  day TEXT NOT NULL,
  facility TEXT NOT NULL,
  agency TEXT NOT NULL,
  figures TEXT NOT NULL,
  closed_at TEXT NOT NULL,
  closed_by TEXT NOT NULL,
  PRIMARY KEY (day, facility, agency)
) STRICT, WITHOUT ROWID;
"""
