"""Queued placements reach the agency once, checked again at the last moment, whatever fails in between."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from placement_samples import (
    COVERAGE,
    GUARANTOR,
    NOW,
    NOW_TEXT,
    PATIENT,
    agency_in,
    charge,
    decide_all,
    pay,
    payment,
    put_account,
    rows_of,
    send,
    sending_of,
    signal,
)

from hl7bridge.exchange import numbered
from hl7bridge.exchange.outgoing import Sent, send_placements
from hl7bridge.layouts.placements_csv import digest_of, parse_trailer
from hl7bridge.placement.state import Status
from hl7bridge.storage.accounts import read_account
from hl7bridge.storage.audit import verify_audit
from hl7bridge.storage.placements import read_events, read_placement, read_snapshot
from hl7bridge.storage.signals import add_signal

FILE = "placements-sample-000001-20260302.csv"
TRAILER = "placements-sample-000001-20260302.trailer.csv"


def test_what_is_queued_arrives_as_a_file_with_a_trailer_that_proves_it(store, tmp_path, folder):
    """Count, total and digest agree with the file, and the placement says that it was sent."""
    put_account(store)
    put_account(store, "A1002", entries=[charge("200.00", 160), payment("74.50", 100)])
    decide_all(store)
    sent = send(store, tmp_path)
    [file] = sent.files
    assert (file.name, file.number, file.records, file.total) == (FILE, 1, 2, Decimal("275.50"))
    assert (sent.withdrawn, sent.problems) == ((), ())
    assert sorted(path.name for path in folder.iterdir()) == [FILE, TRAILER]
    trailer = parse_trailer((folder / TRAILER).read_bytes())
    digest = digest_of((folder / FILE).read_bytes())
    assert trailer == (FILE, 1, "sample", 2, "275.50", digest, NOW_TEXT, "placements", "csv", 1)
    rows = rows_of(folder / FILE)
    assert [(row["placement_id"], row["client_account"], row["balance"]) for row in rows] == [
        ("1", "A1001", "150.00"),
        ("2", "A1002", "125.50"),
    ]
    assert rows[0]["creditor"] == "Northgate Sample Hospital"
    assert rows[0]["placed_on"] == "2026-03-02"
    assert read_snapshot(store, 1) == rows[0]
    placement = read_placement(store, 1)
    assert (placement.status, placement.sent_at, placement.file) == (Status.SENT, NOW_TEXT, FILE)
    assert read_events(store, 1)[-1] == (NOW_TEXT, "user:tester", "queued", "sent", f"in file {FILE}")
    assert store.rows("SELECT status, written_at FROM agency_files") == [("written", NOW_TEXT)]
    assert store.rows("SELECT action, subject, reason FROM audit WHERE action = 'placements.send'") == [
        ("placements.send", f"file {FILE}", "2 sent, 275.50 dollars")
    ]
    assert verify_audit(store).ok


def test_nothing_queued_makes_no_file_and_no_folder(store, tmp_path, folder):
    """An agency hears nothing when there is nothing."""
    assert send(store, tmp_path) == Sent()
    assert not folder.exists()


def test_the_trailer_appears_after_the_file_it_proves(store, tmp_path, folder, monkeypatch):
    """An agency that waits for the trailer never reads half."""
    put_account(store)
    decide_all(store)
    seen = []
    write = numbered.write_whole

    def note(where, name, data) -> None:
        seen.append((name, sorted(path.name for path in where.iterdir())))
        write(where, name, data)

    monkeypatch.setattr(numbered, "write_whole", note)
    send(store, tmp_path)
    assert seen == [(FILE, []), (TRAILER, [FILE])]


def test_numbers_have_no_gaps_and_a_file_holds_at_most_so_many(store, tmp_path, folder):
    """Five placements, two a file: three files, numbered one to three."""
    for number in range(5):
        put_account(store, f"E{number}")
    decide_all(store)
    sent = send_placements(store, [agency_in(tmp_path)], sending_of(), most=2)
    assert [(file.number, file.records) for file in sent.files] == [(1, 2), (2, 2), (3, 1)]
    put_account(store, "E5")
    decide_all(store)
    [file] = send(store, tmp_path, now=NOW + dt.timedelta(days=1)).files
    assert file.name == "placements-sample-000004-20260303.csv"


@pytest.mark.parametrize(
    ("name", "value"),
    [("bankruptcy", "filed"), ("deceased", "yes"), ("charity", "approved"), ("dispute", "open"), ("hold", "yes")],
)
def test_a_hold_between_queueing_and_sending_cancels_the_placement(store, tmp_path, folder, name, value):
    """The hold is asked for again in the transaction that sends, and the reason is kept."""
    account_id = put_account(store)
    decide_all(store)
    with store.transaction():
        add_signal(store, account_id, signal(name, value), NOW_TEXT)
    sent = send(store, tmp_path)
    [withdrawn] = sent.withdrawn
    assert sent.files == ()
    assert (withdrawn.placement_id, withdrawn.agency) == (1, "sample")
    assert f"{name} is {value}" in withdrawn.why
    assert read_placement(store, 1).status is Status.CANCELLED
    assert f"{name} is {value}" in read_events(store, 1)[-1].reason
    assert list(folder.iterdir()) == []
    assert read_account(store, account_id).due_on is None
    assert store.rows("SELECT subject, reason FROM audit WHERE action = 'placements.send'") == [
        ("agency sample", "1 cancelled")
    ]


def test_a_death_told_by_the_ehr_between_queueing_and_sending_cancels_too(store, tmp_path):
    """Holds do not come by signals alone."""
    put_account(store)
    decide_all(store)
    store.execute("UPDATE patients SET deceased = 1")
    [withdrawn] = send(store, tmp_path).withdrawn
    assert "deceased: the patient has died (PID-30)" in withdrawn.why


@pytest.mark.parametrize(("paid", "status"), [("125.00", "sent"), ("125.01", "cancelled"), ("150.00", "cancelled")])
def test_a_payment_between_queueing_and_sending_counts(store, tmp_path, paid, status):
    """Down to the minimum it is sent with the new balance; a cent below it is cancelled."""
    account_id = put_account(store)
    decide_all(store)
    pay(store, account_id, paid, payer="insurance")
    sent = send(store, tmp_path)
    assert read_placement(store, 1).status == status
    if status == "sent":
        assert read_placement(store, 1).balance == Decimal("25.00")
        assert read_snapshot(store, 1)["balance"] == "25.00"
        assert read_snapshot(store, 1)["insurance_payments"] == "125.00"
        assert sent.files[0].total == Decimal("25.00")
    else:
        assert "balance: wanted at least 25.00, found" in read_events(store, 1)[-1].reason


def test_a_cancelled_placement_comes_back_on_the_day_its_reason_ends(store, tmp_path):
    """A guarantor whose corrected birth date makes a minor is due on the 18th birthday."""
    account_id = put_account(store)
    decide_all(store)
    store.execute("UPDATE guarantors SET birth_on = '2008-06-01'")
    assert len(send(store, tmp_path).withdrawn) == 1
    assert read_account(store, account_id).due_on == dt.date(2026, 6, 1)


def test_no_clinical_or_identity_canary_reaches_the_file(store, tmp_path, folder):
    """Only the allowed fields: not the medical record number, codes, other ids or birth dates."""
    patient = PATIENT._replace(number="CANARY-MRN", pid_3="CANARY-PID3", pid_5="CANARY-PID5", died_on=None)
    put_account(
        store,
        patient=patient,
        guarantors=(GUARANTOR._replace(number="CANARY-GT1-2"),),
        coverages=(COVERAGE._replace(plan="CANARY-PLAN", company="CANARY-COMPANY", plan_type="CANARY-TYPE"),),
        entries=[charge("150.00", 160, code="CANARY-FT1-7", transaction_id="CANARY-FT1-2", batch_id="CANARY-FT1-3")],
        pid_18="CANARY-PID18",
        pv1_19="CANARY-PV1-19",
        pv1_50="CANARY-PV1-50",
        financial_class="CANARY-FC",
        patient_class="CANARY-PC",
        account_status="CANARY-AS",
        signals=[signal("charity", "denied")._replace(source="CANARY-SOURCE")],
    )
    decide_all(store)
    send(store, tmp_path)
    for path in folder.iterdir():
        content = path.read_text()
        assert "CANARY" not in content
        assert "1980-05-17" not in content
        assert "1975-01-31" not in content
    assert "TESTPATIENT" in (folder / FILE).read_text()


def test_an_agencys_name_cannot_lead_out_of_its_folder(store, tmp_path, folder):
    """Only letters, digits, hyphen and underscore stand in a file's name."""
    put_account(store)
    decide_all(store)
    store.execute("UPDATE placements SET agency = '../x.y'")
    [file] = send_placements(store, [agency_in(tmp_path)._replace(name="../x.y")], sending_of()).files
    assert file.name == "placements-___x_y-000001-20260302.csv"
    assert (folder / file.name).exists()


def test_a_facility_without_a_name_is_its_own_creditor(store, tmp_path, folder):
    """The code stands in for the name."""
    put_account(store)
    decide_all(store)
    send(store, tmp_path, creditors={"NORTHGATE": ""})
    assert rows_of(folder / FILE)[0]["creditor"] == "NORTHGATE"


def test_the_same_placement_is_never_in_two_files(store, tmp_path, folder):
    """Sending again sends nothing."""
    put_account(store)
    decide_all(store)
    send(store, tmp_path)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert send(store, tmp_path) == Sent()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
