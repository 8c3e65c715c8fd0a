"""What changes after a placement reaches the agency: stops before all else, each kind of file numbered for itself."""

from __future__ import annotations

import pytest
from exchange_samples import REACTION, active, agency_at, go, put_file, take
from layout_readers import read_notices
from placement_samples import (
    NOW,
    NOW_TEXT,
    decide_all,
    new_store,
    pay,
    put_account,
    sending_of,
    signal,
)

from hl7bridge.errors import StoreError
from hl7bridge.exchange import checking, numbered
from hl7bridge.exchange.outgoing import CHANGES, send_placements
from hl7bridge.layouts.placements_csv import parse_trailer
from hl7bridge.layouts.registry import LAYOUTS
from hl7bridge.placement.records import NoticeKind
from hl7bridge.reacting import Reacted, react_to_changes
from hl7bridge.storage.agency_files import Work, find_work, list_files
from hl7bridge.storage.notices import list_notices
from hl7bridge.storage.placements import read_placement
from hl7bridge.storage.signals import add_signal


def tell(store, account_id, name, value):
    """Have a person tell of a fact."""
    with store.transaction():
        add_signal(store, account_id, signal(name, value), NOW_TEXT)


def change_street(store):
    """Have a guarantor move."""
    store.execute("UPDATE guarantors SET street = '2 OTHER STREET'")


def test_a_stop_goes_in_a_file_of_its_own_before_updates_and_placements(store, tmp_path, folder):
    """Whatever came first; each kind has its own numbers, and a trailer that says the kind."""
    active(store, tmp_path, "A1001", "A1002")
    put_account(store, "A1003")
    decide_all(store)
    pay(store, 1, "20.00", payer="insurance")
    tell(store, 2, "dispute", "open")
    sent = go(store, agency_at(tmp_path))
    assert [(file.kind, file.number, file.name) for file in sent.files] == [
        ("stops", 1, "stops-sample-000001-20260302.csv"),
        ("updates", 1, "updates-sample-000001-20260302.csv"),
        ("placements", 2, "placements-sample-000002-20260302.csv"),
    ]
    [stop] = read_notices("csv", (folder / sent.files[0].name).read_bytes())
    assert (stop["kind"], stop["placement"], stop["account"]) == ("suspend", 2, "A1002")
    [payment] = read_notices("csv", (folder / sent.files[1].name).read_bytes())
    assert (payment["kind"], payment["placement"], str(payment["amount"]), str(payment["balance"])) == (
        "payment",
        1,
        "20.00",
        "130.00",
    )
    trailer = parse_trailer((folder / "updates-sample-000001-20260302.trailer.csv").read_bytes())
    assert (trailer.kind, trailer.records, trailer.balance_total) == ("updates", 1, "130.00")
    assert [each["status"] for each in (*list_notices(store, 1), *list_notices(store, 2))] == ["sent", "sent"]
    assert store.rows("SELECT reason FROM audit WHERE action = 'notices.send'") == [("1 notices",), ("1 notices",)]
    assert [row["file"] for row in list_files(store)] == ["out-4", "out-3", "out-2", "out-1"]
    assert go(store, agency_at(tmp_path)) == ((), (), (), frozenset())


def test_a_stop_that_comes_while_placements_are_written_overtakes_the_rest_of_them(store, tmp_path, monkeypatch):
    """Of six queued placements, two a file, the stop goes out after the first file."""
    active(store, tmp_path, "A1001")
    for number in range(6):
        put_account(store, f"E{number}")
    decide_all(store)
    other = new_store(tmp_path)
    write = numbered.write_whole

    def tell_meanwhile(where, name, data) -> None:
        write(where, name, data)
        if name.startswith("placements-sample-000002") and name.endswith("20260302.csv"):
            tell(other, 1, "cease", "yes")

    monkeypatch.setattr(numbered, "write_whole", tell_meanwhile)
    kinds = [file.kind for file in go(store, agency_at(tmp_path), most=2).files]
    other.close()
    assert kinds == ["placements", "stops", "placements", "placements"]


def test_the_stops_of_every_agency_go_before_the_placements_of_any(store, tmp_path):
    """One agency's long file does not keep another's stop."""
    active(store, tmp_path, "A1001", "A1002")
    store.execute("UPDATE placements SET agency = 'other' WHERE id = 2")
    put_account(store, "A1003")
    decide_all(store)
    tell(store, 2, "dispute", "open")
    second = agency_at(tmp_path)._replace(name="other", folder=tmp_path / "other")
    assert [(file.agency, file.kind) for file in go(store, agency_at(tmp_path), second).files] == [
        ("other", "stops"),
        ("sample", "placements"),
    ]


def test_nothing_is_said_of_a_placement_before_its_own_file_is_there(store, tmp_path, folder, monkeypatch):
    """The disk was full when the placement was written: first its file, then the stop."""
    put_account(store)
    decide_all(store)
    monkeypatch.setattr(numbered, "write_whole", lambda *_: (_ for _ in ()).throw(StoreError("full")))
    go(store, agency_at(tmp_path))
    tell(store, 1, "bankruptcy", "filed")
    sent = go(store, agency_at(tmp_path))
    assert sent.files == ()
    assert sent.stuck == {Work("sample", is_urgent=True), Work("sample", is_urgent=False)}
    assert find_work(store) == {Work("sample", is_urgent=True)}
    monkeypatch.undo()
    assert [file.kind for file in go(store, agency_at(tmp_path)).files] == ["placements", "stops"]


def test_what_stops_before_it_is_sent_is_cancelled_and_the_agency_hears_nothing(store, tmp_path, folder):
    """Nobody is told to stop what he has not got."""
    put_account(store)
    decide_all(store)
    assert find_work(store) == {Work("sample", is_urgent=False)}
    tell(store, 1, "deceased", "yes")
    sent = go(store, agency_at(tmp_path))
    assert sent.files == ()
    [withdrawn] = sent.withdrawn
    assert (withdrawn.placement_id, withdrawn.agency) == (1, "sample")
    assert withdrawn.why.startswith("holds: wanted none, found deceased")
    assert read_placement(store, 1).status == "cancelled"
    assert not folder.exists()


def test_a_notice_that_the_layout_has_no_record_for_is_told_by_a_person(store, tmp_path):
    """TSI-style files carry no address; the notice is cancelled and the exception says what to do."""
    active(store, tmp_path)
    change_street(store)
    sent = go(store, agency_at(tmp_path, layout="tsi"))
    assert (sent.files, sent.problems) == ((), ())
    assert [each["status"] for each in list_notices(store, 1)] == ["cancelled"]
    [(kind, reason)] = store.rows("SELECT kind, reason FROM exceptions")
    assert kind == "agency_not_told"
    assert reason == (
        "placement 1 with agency sample: demographic: layout tsi has no record for demographic; tell the agency"
    )


def test_an_agency_is_told_of_no_field_that_it_does_not_get(store, tmp_path, folder):
    """Fewer fields were configured since: the street is left out, and the whole notice when nothing is left of it."""
    active(store, tmp_path)
    store.execute("UPDATE guarantors SET street = '2 OTHER STREET', city = 'OTHERTON'")
    fields = ("placement_id", "client_account", "balance", "guarantor_city")
    [file] = go(store, agency_at(tmp_path, fields=fields)).files
    [notice] = read_notices("csv", (folder / file.name).read_bytes())
    assert notice["fields"]["guarantor_city"] == "OTHERTON"
    assert "2 OTHER STREET" not in (folder / file.name).read_text()
    store.execute("UPDATE guarantors SET street = '3 OTHER STREET'")
    assert go(store, agency_at(tmp_path, fields=fields)).files == ()
    assert [each["status"] for each in list_notices(store, 1)] == ["sent", "cancelled"]
    assert store.rows("SELECT count(*) FROM exceptions") == [(0,)]


def test_a_stop_that_cannot_be_written_stays_queued_and_is_told(store, tmp_path, monkeypatch):
    """Nobody cancels a stop: it is told until it goes, and the agency's other files go on."""
    active(store, tmp_path, "A1001", "A1002")
    for account_id in (1, 2):
        tell(store, account_id, "dispute", "open")
    with store.transaction():
        react_to_changes(store, REACTION, NOW)
    narrow = LAYOUTS["csv"]._replace(notice_problem=lambda notice: "too long" if notice.placement_id == 1 else "")
    monkeypatch.setattr(checking, "LAYOUTS", {"csv": narrow})
    sent = go(store, agency_at(tmp_path))
    assert [file.records for file in sent.files] == [1]
    [problem] = sent.problems
    assert problem == "agency sample: notice 1 stays queued: too long"
    assert sent.stuck == {Work("sample", is_urgent=True)}
    assert [each["status"] for each in list_notices(store, 1)] == ["queued"]


@pytest.mark.parametrize("layout", ["jsonl", "aim", "tsi"])
def test_an_agency_gets_its_files_in_its_own_layout(store, tmp_path, folder, layout):
    """Name, trailer and content; an independent reader finds the notices."""
    active(store, tmp_path, "A1001", "A1002", "A1003")
    pay(store, 1, "20.00", payer="insurance")
    tell(store, 2, "dispute", "open")
    pay(store, 3, "150.00", payer="insurance")
    sent = go(store, agency_at(tmp_path, layout=layout, client_number="H01"))
    suffix = {"jsonl": "jsonl"}.get(layout, "txt")
    assert [file.name for file in sent.files] == [
        f"stops-sample-000001-20260302.{suffix}",
        f"updates-sample-000001-20260302.{suffix}",
    ]
    stops, updates = (read_notices(layout, (folder / file.name).read_bytes()) for file in sent.files)
    assert {each["placement"] for each in stops} == {2, 3}
    assert {each["placement"] for each in updates} - {3} == {1}
    trailer = parse_trailer((folder / "stops-sample-000001-20260302.trailer.csv").read_bytes())
    assert (trailer.layout, trailer.records) == (layout, 2)


def test_a_file_holds_no_more_records_than_its_layout_allows(store, tmp_path):
    """AIM-style records are long: 200 a file."""
    active(store, tmp_path, *(f"A{number:04}" for number in range(201)))
    for account_id in range(1, 202):
        tell(store, account_id, "dispute", "open")
    with store.transaction():
        react_to_changes(store, REACTION, NOW)
    assert [file.records for file in go(store, agency_at(tmp_path, layout="aim")).files] == [200, 1]


def test_what_cannot_be_made_a_notice_is_told_once_and_left_alone_for_a_while(store, tmp_path):
    """The rest goes on."""
    put_account(store)
    decide_all(store)
    sending = sending_of(react=lambda _: Reacted(problems=("account id 1: its agency was not told of a change",)))
    sent = send_placements(store, [agency_at(tmp_path)], sending)
    assert sent.problems[0] == "account id 1: its agency was not told of a change"
    assert CHANGES in sent.stuck
    assert [file.kind for file in sent.files] == ["placements"]


def test_a_stop_that_is_over_before_it_was_sent_is_sent_all_the_same(store, tmp_path):
    """The agency hears both, in order: what it was told last is what is so."""
    active(store, tmp_path)
    tell(store, 1, "dispute", "open")
    with store.transaction():
        react_to_changes(store, REACTION, NOW)
    tell(store, 1, "dispute", "resolved")
    kinds = [file.kind for file in go(store, agency_at(tmp_path)).files]
    assert kinds == ["stops", "updates"]
    assert [each["kind"] for each in list_notices(store, 1)] == [NoticeKind.SUSPEND, NoticeKind.RESUME]


def test_a_notice_that_is_withdrawn_while_it_is_being_sent_makes_no_file(store, tmp_path):
    """What was queued a moment ago may be cancelled in the very transaction that sends."""
    active(store, tmp_path)
    change_street(store)
    with store.transaction():
        react_to_changes(store, REACTION, NOW)
    calls = []

    def react(each):
        calls.append(each)
        if len(calls) == 2:
            each.execute("UPDATE notices SET status = 'cancelled'")
        return Reacted()

    sent = send_placements(store, [agency_at(tmp_path)], sending_of(react=react))
    assert (sent.files, len(calls)) == ((), 2)


def test_notices_for_an_agency_that_is_not_configured_wait(store, tmp_path):
    """As its placements do."""
    active(store, tmp_path)
    tell(store, 1, "dispute", "open")
    sent = go(store)
    assert sent.files == ()
    assert sent.problems == ("agency sample: 1 notices are queued, and the configuration has no such agency",)
    assert sent.stuck == {Work("sample", is_urgent=True)}
    put_file(tmp_path, "statuses", 1, [])
    assert take(store, tmp_path).problems == ()
