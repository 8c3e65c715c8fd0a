"""A store of the release before: what was placed is stopped, and what was posted is known when it comes back."""

from __future__ import annotations

import datetime as dt

from feed_samples import NOW, Feed, dft, ft1
from older_stores import KEY, make_store_before
from placement_samples import shipped_rules

from hl7bridge.reacting import ReactionSettings, react_to_changes
from hl7bridge.rules.signals import Signal
from hl7bridge.storage.database import open_store
from hl7bridge.storage.signals import add_signal
from hl7bridge.storage.verify import verify_store

ROWS_OF_SCHEMA_3 = (
    "INSERT INTO meta (key, value) VALUES ('tag', 'TTAG')",
    (
        "INSERT INTO accounts (id, facility, number, status, pid_18, charges, payments, adjustments,"
        " insurance_payments, first_service_on, last_service_on, last_payment_on, as_of, message_id, created_at,"
        " updated_at) VALUES (1, 'NORTHGATE', 'TACC1', 'open', 'TACC1', 10000, 2500, 0, 0, '2026-01-05', '2026-01-05',"
        " '2026-11-02', '20261101080000.000000 ', 1, '', '')"
    ),
    (
        "INSERT INTO entries (account_id, kind, amount, payer, service_on, transaction_id, batch_id, source,"
        " message_id, payment_id, recorded_at) VALUES"
        " (1, 'CG', 10000, 'unknown', '2026-01-05', 'TTX1', '', 'REG|NORTHGATE', 1, NULL, '2026-01-06T00:00:00.000Z'),"
        " (1, 'PY', 2500, 'patient', '2026-11-02', 'CHK1', '', 'agency:sample', NULL, 1, '2026-11-03T00:00:00.000Z')"
    ),
    (
        "INSERT INTO decisions (id, account_id, as_of, decided_at, rules_version, rule, agency, eligible, balance,"
        " reasons) VALUES (1, 1, '2026-11-01', '2026-11-01T00:00:00.000Z', 'v', 'aged', 'sample', 1, 10000, '[]')"
    ),
    (
        "INSERT INTO placements (id, account_id, decision_id, agency, tier, rule, sequence, status, balance, snapshot,"
        " decided_at, sent_at, updated_at) VALUES (1, 1, 1, 'sample', 'primary', 'aged', 1, 'sent', 10000,"
        ' \'{"placement_id":"1","client_account":"TACC1","balance":"100.00"}\','
        " '2026-11-01T00:00:00.000Z', '2026-11-01T01:00:00.000Z', '2026-11-01T01:00:00.000Z')"
    ),
    (
        "INSERT INTO payments (id, agency, agency_payment_id, account_id, kind, amount, paid_on, status, received_at,"
        " updated_at) VALUES (1, 'sample', 'CHK1', 1, 'payment', 2500, '2026-11-02', 'posted',"
        " '2026-11-03T00:00:00.000Z', '2026-11-03T00:00:00.000Z')"
    ),
    (
        "INSERT INTO deliveries (id, destination, kind, control_id, account_id, payment_id, content, status, attempts,"
        " next_attempt_at, last_error, created_at, finished_at) VALUES (1, 'ehr', 'DFT^P03', 'HBTTAG000000000001', 1,"
        " 1, 'MSH|^~\\&|HL7BRIDGE||||20261103||DFT^P03|HBTTAG000000000001|P|2.5.1\r"
        "FT1|1|TTAG00000001|B1|20261102|20261103|PY|AGYPAY^^L|||1|25.00&USD\r', 'accepted', 1,"
        " '2026-11-03T00:00:00.000Z', '', '2026-11-03T00:00:00.000Z', '2026-11-03T00:00:01.000Z')"
    ),
)


def test_what_an_older_release_placed_and_posted_goes_on(tmp_path):
    """The agency that has the account is stopped by a charity approval; our own payment that comes back counts once."""
    make_store_before("0004_placements", tmp_path / "a.db", ROWS_OF_SCHEMA_3)
    store = open_store(tmp_path / "a.db", KEY)
    assert store.rows("SELECT transaction_id, destination FROM payments") == [("TTAG00000001", "ehr")]
    assert [check.problems for check in verify_store(store) if check.wrong] == []
    feed = Feed(store)
    feed.take(dft("D1", ft1("25.00", "PY", "TTAG00000001", f4="20261102", f7="AGYPAY")))
    assert store.rows("SELECT payments, status FROM accounts") == [(2500, "open")]
    assert store.rows("SELECT echoed_at IS NULL FROM payments") == [(0,)]
    with store.transaction():
        add_signal(store, 1, Signal("charity", "approved", "user:tester", NOW.date()), "2026-11-21T15:00:00.000Z")
        react_to_changes(store, ReactionSettings(shipped_rules(), lambda _: dt.UTC, {}), NOW)
    assert store.rows("SELECT status FROM placements") == [("recall_pending",)]
    assert store.rows("SELECT kind, reason FROM notices ORDER BY id DESC LIMIT 1") == [("recall", "charity")]
    assert [check.problems for check in verify_store(store) if check.wrong] == []
    store.close()
