"""A file from an agency is taken whole, once, and only when everything about it agrees; else nothing of it counts."""

from __future__ import annotations

import datetime as dt
import os

import pytest
from exchange_samples import acceptance, active, agency_at, placed, put_file, take, taking_of, write_trailer
from placement_samples import NOW

from hl7bridge.exchange import incoming
from hl7bridge.exchange.incoming import Taken, take_files
from hl7bridge.layouts.layout import MOST_BYTES
from hl7bridge.storage.audit import verify_audit
from hl7bridge.storage.placements import read_placement
from hl7bridge.storage.received_files import count_held, list_received, read_received


def names(folder):
    """Return what lies in a folder and its folders."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def files_of(store):
    """Return each file's number, status and first problem, oldest first."""
    rows = list(list_received(store))[::-1]
    return [(row["number"], row["status"], row["problem"].partition("\n")[0]) for row in rows]


def test_a_file_that_agrees_with_its_trailer_is_taken_and_moved_away(store, tmp_path):
    """The placement is active, the file lies in `taken` with its id in front, and the audit log tells of it."""
    placed(store, tmp_path)
    put_file(tmp_path, "acknowledgements", 1, [acceptance(balance="150.00")])
    [came] = take(store, tmp_path).files
    assert (came.file.status, came.file.number, came.file.records, came.outcomes) == ("taken", 1, 1, {"applied": 1})
    assert read_placement(store, 1).status == "active"
    assert names(tmp_path / "incoming") == [
        "taken/000001-acknowledgements-000001.csv",
        "taken/000001-acknowledgements-000001.trailer.csv",
    ]
    assert store.rows("SELECT actor, subject, reason FROM audit WHERE action = 'files.taken'") == [
        ("daemon", "file in-1 of agency sample", "1 records")
    ]
    assert verify_audit(store).ok
    assert take(store, tmp_path) == Taken()


def test_a_file_waits_for_its_trailer_however_long(store, tmp_path):
    """The trailer is written last: before it is there, the file may be half written."""
    placed(store, tmp_path)
    path = put_file(tmp_path, "acknowledgements", 1, [acceptance()])
    trailer = path.with_name("acknowledgements-000001.trailer.csv")
    trailer.rename(tmp_path / "kept")
    assert take(store, tmp_path) == Taken()
    (tmp_path / "kept").rename(trailer)
    assert len(take(store, tmp_path).files) == 1


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"records": 2}, "records: the trailer says 2, and it is 1"),
        (
            {"balance_total": "150.01"},
            "balance_total: the trailer says 150.01, and the records come to 150.00: a difference of 0.01",
        ),
        ({"agency": "other"}, "agency: the trailer says other, and it is sample"),
        ({"file": "acknowledgements-000009.csv"}, "file: the trailer says acknowledgements-000009.csv, and it is"),
        ({"kind": "returns"}, "kind: the trailer says returns, and it is acknowledgements"),
        ({"sha256": "0" * 64}, f"sha256: the trailer says {'0' * 64}, and it is"),
        ({"number": "x"}, "the trailer: the trailer's number is not understood"),
        ({"number": 3}, "number 3 has come, and 1 to 2 have not"),
    ],
    ids=lambda each: next(iter(each)) if isinstance(each, dict) else "",
)
def test_a_file_that_disagrees_is_held_whole_with_the_difference(store, tmp_path, changes, problem):
    """Nothing of it is applied; it lies in `held` until a person has looked."""
    placed(store, tmp_path)
    put_file(tmp_path, "acknowledgements", 1, [acceptance(balance="150.00")], told=changes)
    [came] = take(store, tmp_path, now=NOW - dt.timedelta(days=30)).files
    assert (came.file.status, came.outcomes) == ("held", {})
    assert came.file.problem.startswith(problem)
    assert read_placement(store, 1).status == "sent"
    assert store.rows("SELECT count(*) FROM received_records") == [(0,)]
    assert names(tmp_path / "incoming") == [
        "held/000001-acknowledgements-000001.csv",
        "held/000001-acknowledgements-000001.trailer.csv",
    ]
    assert count_held(store) == 1


def test_one_bad_line_holds_the_whole_file_and_every_problem_is_told_by_its_line(store, tmp_path):
    """The good lines are not applied either; no value is quoted."""
    placed(store, tmp_path, "A1001", "A1002")
    rows = [acceptance(1), acceptance(2, "A1002", accepted="CANARY"), acceptance(3, "A1003", balance="=1+1")]
    put_file(tmp_path, "acknowledgements", 1, rows)
    [came] = take(store, tmp_path).files
    assert came.file.status == "held"
    assert [line.partition(":")[0] for line in came.file.problem.splitlines()] == ["line 3", "line 4"]
    assert "CANARY" not in came.file.problem
    assert [read_placement(store, number).status for number in (1, 2)] == ["sent", "sent"]


def test_a_trailer_without_the_newer_keys_is_understood(store, tmp_path):
    """An agency that says neither kind nor layout says them by the file's name."""
    placed(store, tmp_path)
    path = put_file(tmp_path, "acknowledgements", 1, [acceptance()])
    trailer = path.with_name("acknowledgements-000001.trailer.csv")
    lines = [line.split(",") for line in trailer.read_text().splitlines()[1:]]
    write_trailer(path, {key: value for key, value in lines if key not in {"kind", "created_at"}})
    assert [came.file.status for came in take(store, tmp_path).files] == ["taken"]


def test_the_same_file_again_is_a_duplicate_and_changes_nothing(store, tmp_path):
    """Under its own name or another, with its trailer; also when the content has moved on since."""
    active(store, tmp_path)
    rows = [acceptance(balance="150.00")]
    put_file(tmp_path, "acknowledgements", 1, rows)
    put_file(tmp_path, "acknowledgements", 1, rows, name="acknowledgements-again.csv")
    before = store.rows("SELECT * FROM placements"), store.rows("SELECT * FROM placement_events")
    assert [came.file.status for came in take(store, tmp_path).files] == ["duplicate"] * 2
    assert (store.rows("SELECT * FROM placements"), store.rows("SELECT * FROM placement_events")) == before
    assert files_of(store) == [
        (1, "taken", ""),
        (1, "duplicate", "the same as file in-1, which is taken"),
        (1, "duplicate", "the same as file in-1, which is taken"),
    ]
    assert store.rows("SELECT count(*) FROM received_records") == [(1,)]


def test_the_same_words_under_the_next_number_are_a_new_file(store, tmp_path):
    """A month's inventory may be last month's, byte for byte."""
    active(store, tmp_path)
    row = {"placement_id": "1", "client_account": "A1001", "balance": "150.00"}
    for number in (1, 2):
        put_file(tmp_path, "inventory", number, [row])
        assert [came.file.status for came in take(store, tmp_path).files] == ["taken"]
    assert store.rows("SELECT count(*) FROM inventories") == [(2,)]


def test_a_number_that_came_before_with_other_content_is_held(store, tmp_path):
    """It may be a correction or a mistake: a person asks."""
    active(store, tmp_path)
    put_file(tmp_path, "acknowledgements", 1, [acceptance(agency_account="SA-1")], name="acknowledgements-x.csv")
    take(store, tmp_path)
    assert files_of(store)[-1] == (1, "held", "number 1 was taken already, as file in-1, with other content")


def test_each_kind_is_numbered_for_itself_and_files_are_taken_in_order(store, tmp_path):
    """Acknowledgements before returns, and each kind by its names."""
    placed(store, tmp_path, "A1001", "A1002")
    put_file(tmp_path, "returns", 1, [{"placement_id": "1", "client_account": "A1001", "code": "B7"}])
    put_file(tmp_path, "acknowledgements", 2, [acceptance(2, "A1002")])
    put_file(tmp_path, "acknowledgements", 1, [acceptance()])
    assert [(came.file.kind, came.file.number) for came in take(store, tmp_path).files] == [
        ("acknowledgements", 1),
        ("acknowledgements", 2),
        ("returns", 1),
    ]
    assert read_placement(store, 1).status == "returned"


def test_a_file_that_looks_cut_short_is_left_alone_until_it_has_settled(store, tmp_path):
    """A slow transfer is no mismatch; after half a minute it is."""
    placed(store, tmp_path)
    path = put_file(tmp_path, "acknowledgements", 1, [acceptance()])
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    now = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)
    assert take(store, tmp_path, now=now + dt.timedelta(seconds=5)) == Taken()
    assert list(list_received(store)) == []
    path.write_bytes(whole)
    assert [came.file.status for came in take(store, tmp_path, now=now).files] == ["taken"]
    put_file(tmp_path, "statuses", 1, [], told={"sha256": "1" * 64})
    late = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)
    assert [came.file.status for came in take(store, tmp_path, now=late).files] == ["held"]


def test_a_file_longer_than_any_is_held_and_not_read(store, tmp_path):
    """Whoever fills the folder fills no memory."""
    placed(store, tmp_path)
    path = put_file(tmp_path, "acknowledgements", 1, [acceptance()])
    os.truncate(path, MOST_BYTES + 1)
    [came] = take(store, tmp_path).files
    assert (came.file.status, came.file.sha256) == ("held", "")
    assert came.file.problem == f"longer than {MOST_BYTES} bytes"


@pytest.mark.parametrize("crashing", ["acknowledgements", "held"])
def test_a_crash_between_the_transaction_and_the_move_applies_nothing_twice(store, tmp_path, monkeypatch, crashing):
    """The next look moves what was settled, and makes no second row of it."""
    placed(store, tmp_path)
    number = 1 if crashing == "acknowledgements" else 5
    put_file(tmp_path, "acknowledgements", number, [acceptance()])

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(incoming, "move_to", crash)
    with pytest.raises(KeyboardInterrupt):
        take(store, tmp_path)
    monkeypatch.undo()
    before = files_of(store)
    assert take(store, tmp_path) == Taken()
    assert files_of(store) == before
    place = "taken" if crashing == "acknowledgements" else "held"
    assert {name.partition("/")[0] for name in names(tmp_path / "incoming")} == {place}


def test_a_file_that_is_written_over_while_it_is_taken_is_looked_at_next(store, tmp_path, monkeypatch):
    """What was read is applied; what came over it is not moved away unseen."""
    placed(store, tmp_path)
    put_file(tmp_path, "acknowledgements", 1, [acceptance()])
    move = incoming.move_to

    def write_over(*moved: object) -> None:
        put_file(tmp_path, "acknowledgements", 1, [acceptance(agency_account="SA-9")])
        move(*moved)

    monkeypatch.setattr(incoming, "move_to", write_over)
    assert [came.file.status for came in take(store, tmp_path).files] == ["taken"]
    monkeypatch.undo()
    assert names(tmp_path / "incoming") == ["acknowledgements-000001.csv", "acknowledgements-000001.trailer.csv"]
    [came] = take(store, tmp_path).files
    assert came.file.problem == "number 1 was taken already, as file in-1, with other content"
    assert store.rows("SELECT agency_account FROM placements") == [(None,)]


def test_one_agencys_trouble_does_not_keep_anothers_files(store, tmp_path):
    """An agency without an incoming folder, one whose folder is a file, and one that is well."""
    placed(store, tmp_path)
    put_file(tmp_path, "acknowledgements", 1, [acceptance()])
    (tmp_path / "file").write_text("")
    well = agency_at(tmp_path)
    ill = well._replace(name="ill", incoming=tmp_path / "file")
    none = well._replace(name="none", incoming=None)
    absent = well._replace(name="absent", incoming=tmp_path / "absent")
    taken = take_files(store, [none, ill, absent, well], taking_of())
    assert [came.file.status for came in taken.files] == ["taken"]
    assert taken.problems == (f"agency ill: {tmp_path / 'file'}: cannot read: Not a directory",)
    assert taken.failed == {"ill"}


def test_a_file_that_an_agency_is_not_told_of_stays_unknown(store):
    """Reading one that is not there says so."""
    with pytest.raises(Exception, match="no file in-7"):
        read_received(store, 7)
