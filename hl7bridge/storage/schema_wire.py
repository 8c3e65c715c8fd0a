"""What schema 2 adds: senders' sequence numbers, parked messages, loaded files, deliveries that carry no payment."""

from typing import Final

WIRE: Final = """
CREATE TABLE sequences (
  listener TEXT NOT NULL,
  application TEXT NOT NULL,
  facility TEXT NOT NULL,
  last INTEGER NOT NULL,
  PRIMARY KEY (listener, application, facility)
) STRICT, WITHOUT ROWID;

CREATE TABLE parked (
  message_id INTEGER PRIMARY KEY REFERENCES messages (id),
  parked_at TEXT NOT NULL
) STRICT;

CREATE TABLE loads (
  id INTEGER PRIMARY KEY,
  sha256 TEXT NOT NULL,
  listener TEXT NOT NULL,
  name TEXT NOT NULL,
  messages INTEGER NOT NULL,
  done INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('loading', 'loaded', 'held')),
  reason TEXT NOT NULL,
  started_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  UNIQUE (sha256, listener)
) STRICT;

CREATE TABLE new_deliveries (
  id INTEGER PRIMARY KEY,
  destination TEXT NOT NULL,
  kind TEXT NOT NULL,
  control_id TEXT NOT NULL UNIQUE,
  account_id INTEGER REFERENCES accounts (id),
  payment_id INTEGER REFERENCES payments (id),
  message_id INTEGER,
  content TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('queued', 'sending', 'accepted', 'held', 'unknown', 'cancelled')),
  attempts INTEGER NOT NULL,
  next_attempt_at TEXT NOT NULL,
  last_error TEXT NOT NULL,
  created_at TEXT NOT NULL,
  finished_at TEXT
) STRICT;
INSERT INTO new_deliveries (id, destination, kind, control_id, account_id, payment_id, content, status, attempts,
    next_attempt_at, last_error, created_at, finished_at)
  SELECT id, destination, kind, control_id, account_id, payment_id, content, status, attempts,
    next_attempt_at, last_error, created_at, finished_at FROM deliveries;
DROP TABLE deliveries;
ALTER TABLE new_deliveries RENAME TO deliveries;
CREATE INDEX deliveries_open ON deliveries (destination, payment_id IS NULL, id)
  WHERE status IN ('queued', 'sending');
CREATE INDEX deliveries_stuck ON deliveries (account_id, id) WHERE status IN
  ('queued', 'sending', 'held', 'unknown');
"""
