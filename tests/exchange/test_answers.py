"""What an agency acknowledges or refuses changes what it may change, once; what fits nothing goes to a person."""

from __future__ import annotations

from exchange_samples import (
    about,
    acceptance,
    active,
    agency_at,
    answer,
    exceptions,
    go,
    placed,
    put_file,
    taking_of,
)
from placement_samples import NOW_TEXT, decide_all, put_account, send, signal

from hl7bridge.exchange.incoming import take_files
from hl7bridge.placement.records import NoticeKind
from hl7bridge.storage.notices import list_notices
from hl7bridge.storage.placements import read_events, read_placement
from hl7bridge.storage.signals import add_signal


def test_a_placement_that_is_accepted_is_active_under_the_agencys_number(store, tmp_path):
    """It was acknowledged on its way there; when, for how much and under what number is kept."""
    placed(store, tmp_path)
    [said] = answer(store, tmp_path, "acknowledgements", [acceptance(balance="150.00", agency_account="SA-1")])
    assert said == ("applied", "acknowledged")
    assert [event.to_status for event in read_events(store, 1)] == ["queued", "sent", "acknowledged", "active"]
    assert store.rows("SELECT acknowledged_at, acknowledged_balance, agency_account FROM placements") == [
        (NOW_TEXT, 15000, "SA-1")
    ]
    assert store.rows("SELECT count(*) FROM agency_discrepancies") == [(0,)]


def test_an_acknowledged_balance_that_was_not_sent_is_a_discrepancy(store, tmp_path):
    """The placement is active all the same, and the difference has its dollars."""
    placed(store, tmp_path)
    [said] = answer(store, tmp_path, "acknowledgements", [acceptance(balance="15.00")])
    assert said[0] == "applied"
    assert read_placement(store, 1).status == "active"
    assert store.rows("SELECT kind, placement_id, ours, theirs, dollars FROM agency_discrepancies") == [
        ("acknowledged_balance", 1, "150.00", "15.00", 13500)
    ]


def test_an_acknowledgement_that_comes_twice_is_known(store, tmp_path):
    """Only a number of the agency's own that was not known before is noted."""
    active(store, tmp_path)
    rows = [acceptance(), acceptance(agency_account="SA-2"), acceptance(agency_account="SA-2", code="OK")]
    said = [answer(store, tmp_path, "acknowledgements", [row], at) for at, row in enumerate(rows, 2)]
    assert [each[0][0] for each in said] == ["ignored", "applied", "ignored"]
    assert store.rows("SELECT agency_account FROM placements") == [("SA-2",)]


def test_a_rejection_ends_the_placement_with_its_code_and_a_person_looks(store, tmp_path):
    """It is not placed again; told twice, it is known."""
    placed(store, tmp_path)
    row = acceptance(accepted="no", code="DUP")
    [said] = answer(store, tmp_path, "acknowledgements", [row])
    assert said == ("exception", "rejected with code DUP")
    assert read_placement(store, 1).status == "rejected"
    assert [each[0] for each in exceptions(store)] == ["placement_rejected"]
    assert answer(store, tmp_path, "acknowledgements", [row], 2) == [("ignored", "rejected before")]
    [(outcome, why)] = answer(store, tmp_path, "acknowledgements", [acceptance()], 3)
    assert (outcome, why) == ("exception", "the agency has rejected this placement before")


def test_a_rejection_of_what_was_acknowledged_is_for_a_person(store, tmp_path):
    """The placement stays as it is."""
    active(store, tmp_path)
    [said] = answer(store, tmp_path, "acknowledgements", [acceptance(accepted="no", code="DUP")], 2)
    assert said == ("exception", "the agency rejects a placement that it has acknowledged")
    assert read_placement(store, 1).status == "active"


def test_an_acknowledgement_that_crosses_a_stop_does_not_undo_it(store, tmp_path):
    """The agency took the placement, and it stays suspended."""
    placed(store, tmp_path)
    answer(store, tmp_path, "statuses", [about(status="dispute")])
    assert read_placement(store, 1).status == "suspended"
    assert answer(store, tmp_path, "acknowledgements", [acceptance()]) == [("applied", "acknowledged")]
    assert read_placement(store, 1).status == "suspended"
    assert store.rows("SELECT acknowledged_balance FROM placements") == [(15000,)]


def test_a_notice_is_acknowledged_by_its_number_and_a_recall_is_over_then(store, tmp_path):
    """A stop's time is counted until here."""
    active(store, tmp_path)
    answer(store, tmp_path, "statuses", [about(status="bankruptcy")])
    [file] = send(store, tmp_path).files
    assert (file.kind, file.records) == ("stops", 1)
    [notice] = list_notices(store, 1)
    assert (notice["kind"], notice["status"]) == (NoticeKind.RECALL, "sent")
    row = {"notice_id": str(notice["notice"]), "accepted": "yes", **about()}
    assert answer(store, tmp_path, "acknowledgements", [row], 2) == [("applied", "recall acknowledged")]
    assert read_placement(store, 1).status == "recalled"
    assert [each["status"] for each in list_notices(store, 1)] == ["acknowledged"]
    [said] = answer(store, tmp_path, "acknowledgements", [row | {"code": "OK"}], 3)
    assert said == ("ignored", f"notice {notice['notice']} was acknowledged before")


def test_a_suspension_that_is_acknowledged_leaves_the_placement_suspended(store, tmp_path):
    """Only a recall is over by it. Several notices of a placement may be acknowledged in one file."""
    active(store, tmp_path)
    answer(store, tmp_path, "statuses", [about(status="dispute")])
    store.execute("UPDATE guarantors SET street = '2 OTHER STREET'")
    assert [file.kind for file in go(store, agency_at(tmp_path)).files] == ["stops", "updates"]
    rows = [{"notice_id": str(each["notice"]), "accepted": "yes", **about()} for each in list_notices(store, 1)]
    assert answer(store, tmp_path, "acknowledgements", rows, 2) == [
        ("applied", "suspend acknowledged"),
        ("applied", "demographic acknowledged"),
    ]
    assert read_placement(store, 1).status == "suspended"


def test_notices_are_acknowledged_by_their_kind_where_the_layout_has_no_numbers(store, tmp_path):
    """The last one sent overtakes those before it; what was not sent cannot be acknowledged."""
    active(store, tmp_path)
    for number, value in enumerate(("open", "resolved", "open"), 1):
        with store.transaction():
            add_signal(store, 1, signal("dispute", value), f"2026-03-02T14:0{number}:00.000Z")
        go(store, agency_at(tmp_path, layout="tsi"))
    assert [(each["kind"], each["status"]) for each in list_notices(store, 1)] == [
        ("suspend", "sent"),
        ("resume", "sent"),
        ("suspend", "sent"),
    ]
    row = {**about(), "accepted": "yes", "notice_kind": "suspend"}
    assert answer(store, tmp_path, "acknowledgements", [row], 2) == [("applied", "suspend acknowledged")]
    assert [each["status"] for each in list_notices(store, 1)] == ["acknowledged", "sent", "acknowledged"]
    again, recalled = row | {"code": "OK"}, row | {"notice_kind": "recall"}
    assert answer(store, tmp_path, "acknowledgements", [again], 3) == [("ignored", "notice 3 was acknowledged before")]
    assert answer(store, tmp_path, "acknowledgements", [recalled], 4) == [
        ("exception", "no recall of this placement was sent")
    ]
    refused = row | {"notice_kind": "resume", "accepted": "no", "code": "X"}
    assert answer(store, tmp_path, "acknowledgements", [refused], 5) == [
        ("exception", "notice 2 was refused with code X")
    ]


def test_a_notice_that_is_refused_is_not_acknowledged_and_a_person_is_asked(store, tmp_path):
    """The agency may go on with what it had before; the alarm for the stop stays on."""
    active(store, tmp_path, "A1001", "A1002")
    answer(store, tmp_path, "statuses", [about(status="dispute")])
    send(store, tmp_path)
    [notice] = list_notices(store, 1)
    row = {"notice_id": str(notice["notice"]), "accepted": "no", "code": "X1", **about()}
    wrong = row | about(2, "A1002")
    unknown = row | {"notice_id": "999"}
    said = [
        answer(store, tmp_path, "acknowledgements", [each], at)[0] for at, each in enumerate((row, wrong, unknown), 2)
    ]
    assert said == [
        ("exception", f"notice {notice['notice']} was refused with code X1"),
        ("exception", f"notice {notice['notice']} is of another placement"),
        ("exception", "no notice of that number was sent to this agency"),
    ]
    assert [each["status"] for each in list_notices(store, 1)] == ["sent"]
    assert [each[0] for each in exceptions(store)] == ["notice_refused", "agency_answer", "agency_answer"]


# ---- which placement is meant ---------------------------------------------------------------------------------------


def test_an_answer_that_names_no_placement_of_this_agency_is_kept_and_told(store, tmp_path):
    """Never dropped: unknown, another agency's, another account's, and one that was not sent."""
    placed(store, tmp_path)
    put_account(store, "A1002")
    decide_all(store)
    rows = [
        acceptance(99, "A1"),
        acceptance(1, "A7777"),
        acceptance(2, "A1002"),
        {"client_account": "A9", "accepted": "yes"},
    ]
    said = answer(store, tmp_path, "acknowledgements", rows)
    assert said == [
        ("exception", "no placement of that number was sent to this agency"),
        ("exception", "the placement of that number is of another account"),
        ("exception", "no placement of that number was sent to this agency"),
        ("exception", "no placement of that account was sent to this agency"),
    ]
    assert next(each[2] for each in exceptions(store)) == (
        "agency sample, file in-1, line 2: no placement of that number was sent to this agency"
    )
    assert len(exceptions(store)) == 4
    other = agency_at(tmp_path, name="other", incoming=tmp_path / "theirs")
    path = put_file(tmp_path, "acknowledgements", 1, [acceptance()], told={"agency": "other"})
    path.parent.rename(tmp_path / "theirs")
    [came] = take_files(store, [other], taking_of()).files
    assert came.outcomes == {"exception": 1}
    assert read_placement(store, 1).status == "sent"


def test_an_account_alone_is_enough_when_it_is_clear(store, tmp_path):
    """Of several placements of an account the open one is meant; of accounts in two facilities neither is."""
    placed(store, tmp_path)
    row = {"client_account": "A1001", "accepted": "yes"}
    assert answer(store, tmp_path, "acknowledgements", [row]) == [("applied", "acknowledged")]
    put_account(store, "A1001", facility="SOUTHGATE")
    decide_all(store)
    send(store, tmp_path)
    [said] = answer(store, tmp_path, "statuses", [{"client_account": "A1001", "status": "active"}])
    assert said[0] == "exception"
    assert said[1].startswith("accounts of several facilities have that number")
    store.execute("UPDATE placements SET status = 'returned'")
    [said] = answer(store, tmp_path, "statuses", [{"placement_id": "1", "status": "skip"}], 2)
    assert said == ("applied", "the agency says skip")


def test_an_account_that_was_merged_is_known_by_the_number_it_was_placed_with(store, tmp_path):
    """And by that of the account which is left."""
    placed(store, tmp_path)
    survivor = put_account(store, "A5000", due_on=None)
    store.execute("UPDATE accounts SET merged_into = ?, status = 'merged' WHERE number = 'A1001'", (survivor,))
    store.execute("UPDATE placements SET account_id = ?", (survivor,))
    rows = [{"client_account": "A1001", "status": "active"}, {"client_account": "A5000", "status": "active"}]
    rows.append(about(1, "A1001", status="skip"))
    assert [said[0] for said in answer(store, tmp_path, "statuses", rows)] == ["applied"] * 3
