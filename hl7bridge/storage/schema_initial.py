"""The tables of the first release. Money is integer cents, times ISO-8601 UTC text, days YYYY-MM-DD."""

from typing import Final

INITIAL: Final = """
CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;

CREATE TABLE messages (
  id INTEGER PRIMARY KEY,
  received_at TEXT NOT NULL,
  listener TEXT NOT NULL,
  sending_application TEXT NOT NULL,
  sending_facility TEXT NOT NULL,
  message_type TEXT NOT NULL,
  trigger_event TEXT NOT NULL,
  control_id TEXT NOT NULL,
  digest BLOB NOT NULL,
  disposition TEXT NOT NULL CHECK (disposition IN
    ('applied', 'duplicate', 'ignored', 'parked', 'rejected', 'unreadable')),
  ack_code TEXT NOT NULL,
  reason TEXT NOT NULL,
  mapping TEXT NOT NULL,
  account_id INTEGER REFERENCES accounts (id),
  content TEXT NOT NULL,
  raw BLOB,
  reply BLOB NOT NULL
) STRICT;
CREATE INDEX messages_by_control_id ON messages (control_id, sending_application, sending_facility)
  WHERE control_id <> '' AND disposition <> 'duplicate';
CREATE INDEX messages_for_a_person ON messages (disposition, id)
  WHERE disposition IN ('parked', 'rejected', 'unreadable');
CREATE INDEX messages_by_account ON messages (account_id) WHERE account_id IS NOT NULL;

CREATE TABLE counters (
  listener TEXT NOT NULL,
  name TEXT NOT NULL,
  value INTEGER NOT NULL,
  PRIMARY KEY (listener, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE patients (
  id INTEGER PRIMARY KEY,
  facility TEXT NOT NULL,
  number TEXT NOT NULL,
  authority TEXT NOT NULL,
  family_name TEXT, given_name TEXT, middle_name TEXT,
  birth_on TEXT,
  street TEXT, street_2 TEXT, city TEXT, state TEXT, postal_code TEXT, country TEXT,
  phone TEXT,
  language TEXT,
  deceased INTEGER,
  died_on TEXT,
  pid_3 TEXT, pid_5 TEXT,
  as_of TEXT NOT NULL,
  message_id INTEGER NOT NULL,
  UNIQUE (number, facility, authority)
) STRICT;

CREATE TABLE accounts (
  id INTEGER PRIMARY KEY,
  facility TEXT NOT NULL,
  number TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('open', 'closed', 'merged', 'cancelled')),
  patient_class TEXT, financial_class TEXT, account_status TEXT, plan_code TEXT,
  admitted_on TEXT, discharged_on TEXT,
  pid_18 TEXT, pv1_19 TEXT, pv1_50 TEXT,
  patient_id INTEGER REFERENCES patients (id),
  charges INTEGER NOT NULL,
  payments INTEGER NOT NULL,
  adjustments INTEGER NOT NULL,
  insurance_payments INTEGER NOT NULL,
  first_service_on TEXT, last_service_on TEXT,
  last_payment_on TEXT,
  insurance_paid_on TEXT,
  due_on TEXT,
  as_of TEXT NOT NULL,
  message_id INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  UNIQUE (number, facility)
) STRICT;
CREATE INDEX accounts_due ON accounts (due_on) WHERE due_on IS NOT NULL;
CREATE INDEX accounts_by_patient ON accounts (patient_id);

CREATE TABLE guarantors (
  account_id INTEGER NOT NULL REFERENCES accounts (id),
  rank INTEGER NOT NULL,
  number TEXT,
  family_name TEXT, given_name TEXT, middle_name TEXT,
  organization TEXT,
  birth_on TEXT,
  relationship TEXT,
  street TEXT, street_2 TEXT, city TEXT, state TEXT, postal_code TEXT, country TEXT,
  phone TEXT,
  language TEXT,
  deceased INTEGER,
  billing_hold INTEGER,
  as_of TEXT NOT NULL,
  message_id INTEGER NOT NULL,
  PRIMARY KEY (account_id, rank)
) STRICT, WITHOUT ROWID;

CREATE TABLE coverages (
  account_id INTEGER NOT NULL REFERENCES accounts (id),
  rank INTEGER NOT NULL,
  plan TEXT, company TEXT, company_name TEXT, plan_type TEXT,
  effective_on TEXT, expires_on TEXT,
  as_of TEXT NOT NULL,
  message_id INTEGER NOT NULL,
  PRIMARY KEY (account_id, rank)
) STRICT, WITHOUT ROWID;

CREATE TABLE entries (
  id INTEGER PRIMARY KEY,
  account_id INTEGER NOT NULL REFERENCES accounts (id),
  kind TEXT NOT NULL CHECK (kind IN ('CG', 'CD', 'PY', 'AJ', 'CO')),
  amount INTEGER NOT NULL,
  payer TEXT NOT NULL CHECK (payer IN ('insurance', 'patient', 'unknown')),
  service_on TEXT NOT NULL,
  posted_on TEXT,
  code TEXT,
  transaction_id TEXT,
  batch_id TEXT NOT NULL,
  source TEXT NOT NULL,
  message_id INTEGER,
  payment_id INTEGER,
  recorded_at TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX entries_by_transaction ON entries (account_id, source, transaction_id, batch_id);
CREATE TRIGGER entries_are_never_changed BEFORE UPDATE ON entries
  BEGIN SELECT RAISE(ABORT, 'entries are append-only'); END;
CREATE TRIGGER entries_are_never_deleted BEFORE DELETE ON entries
  BEGIN SELECT RAISE(ABORT, 'entries are append-only'); END;

CREATE TABLE signals (
  id INTEGER PRIMARY KEY,
  account_id INTEGER NOT NULL REFERENCES accounts (id),
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  source TEXT NOT NULL,
  observed_on TEXT NOT NULL,
  recorded_at TEXT NOT NULL
) STRICT;
CREATE INDEX signals_by_account ON signals (account_id, name, id);

CREATE TABLE decisions (
  id INTEGER PRIMARY KEY,
  account_id INTEGER NOT NULL REFERENCES accounts (id),
  as_of TEXT NOT NULL,
  decided_at TEXT NOT NULL,
  rules_version TEXT NOT NULL,
  rule TEXT,
  agency TEXT,
  eligible INTEGER NOT NULL CHECK (eligible IN (0, 1)),
  balance INTEGER NOT NULL,
  reasons TEXT NOT NULL
) STRICT;
CREATE INDEX decisions_by_account ON decisions (account_id);

CREATE TABLE placements (
  id INTEGER PRIMARY KEY,
  account_id INTEGER NOT NULL REFERENCES accounts (id),
  decision_id INTEGER NOT NULL REFERENCES decisions (id),
  agency TEXT NOT NULL,
  tier TEXT NOT NULL,
  rule TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('review', 'queued', 'sent', 'acknowledged', 'active', 'suspended',
    'recall_pending', 'recalled', 'paid_in_full', 'settled', 'returned', 'rejected', 'cancelled')),
  balance INTEGER NOT NULL,
  snapshot TEXT,
  agency_file_id INTEGER REFERENCES agency_files (id),
  decided_at TEXT NOT NULL,
  sent_at TEXT,
  updated_at TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX placements_open ON placements (account_id) WHERE status IN
  ('review', 'queued', 'sent', 'acknowledged', 'active', 'suspended', 'recall_pending');
CREATE INDEX placements_by_account ON placements (account_id);
CREATE INDEX placements_by_file ON placements (agency_file_id) WHERE agency_file_id IS NOT NULL;
CREATE INDEX placements_queued ON placements (agency, id) WHERE status = 'queued';

CREATE TABLE placement_events (
  id INTEGER PRIMARY KEY,
  placement_id INTEGER NOT NULL REFERENCES placements (id),
  at TEXT NOT NULL,
  actor TEXT NOT NULL,
  from_status TEXT NOT NULL,
  to_status TEXT NOT NULL,
  reason TEXT NOT NULL
) STRICT;
CREATE INDEX placement_events_by_placement ON placement_events (placement_id);

CREATE TABLE agency_files (
  id INTEGER PRIMARY KEY,
  agency TEXT NOT NULL,
  kind TEXT NOT NULL,
  number INTEGER NOT NULL,
  name TEXT NOT NULL,
  records INTEGER NOT NULL,
  total INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('writing', 'written')),
  created_at TEXT NOT NULL,
  written_at TEXT,
  UNIQUE (agency, kind, number)
) STRICT;

CREATE TABLE payments (
  id INTEGER PRIMARY KEY,
  agency TEXT NOT NULL,
  agency_payment_id TEXT NOT NULL,
  account_id INTEGER NOT NULL REFERENCES accounts (id),
  kind TEXT NOT NULL CHECK (kind IN ('payment', 'adjustment', 'reversal')),
  amount INTEGER NOT NULL CHECK (amount > 0),
  paid_on TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN
    ('received', 'queued', 'sent', 'posted', 'refused', 'unknown', 'reversed')),
  received_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  UNIQUE (agency, agency_payment_id)
) STRICT;
CREATE INDEX payments_by_account ON payments (account_id);

CREATE TABLE deliveries (
  id INTEGER PRIMARY KEY,
  destination TEXT NOT NULL,
  kind TEXT NOT NULL,
  control_id TEXT NOT NULL UNIQUE,
  account_id INTEGER NOT NULL REFERENCES accounts (id),
  payment_id INTEGER REFERENCES payments (id),
  content TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('queued', 'sending', 'accepted', 'held', 'unknown', 'cancelled')),
  attempts INTEGER NOT NULL,
  next_attempt_at TEXT NOT NULL,
  last_error TEXT NOT NULL,
  created_at TEXT NOT NULL,
  finished_at TEXT
) STRICT;
CREATE INDEX deliveries_open ON deliveries (destination, id) WHERE status IN ('queued', 'sending');
CREATE INDEX deliveries_stuck ON deliveries (account_id, id) WHERE status IN
  ('queued', 'sending', 'held', 'unknown');

CREATE TABLE audit (
  id INTEGER PRIMARY KEY,
  at TEXT NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  reason TEXT NOT NULL,
  digest TEXT NOT NULL
) STRICT;
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
  BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit
  BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
"""
