"""Nothing is read but regular files of agreed names in the folder itself: no links, devices, paths, nothing endless."""

from __future__ import annotations

import datetime as dt
import os

import pytest
from exchange_samples import agency_at, put_file

from hl7bridge.errors import StoreError
from hl7bridge.exchange import arrivals as module
from hl7bridge.exchange.arrivals import (
    Arrival,
    Arrivals,
    TooLongError,
    age_of,
    find_arrivals,
    look_for_files,
    move_to,
    read_regular,
)

LATER = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)


def found(folder):
    """Return the names that are ready, and how much else lies there."""
    seen = find_arrivals(folder / "incoming", LATER)
    return [each.name for each in seen.ready], seen.strays


def test_a_file_with_its_trailer_is_ready_by_kind_and_name(tmp_path):
    """csv, jsonl and txt; the kind is what the name says."""
    put_file(tmp_path, "statuses", 1, [])
    put_file(tmp_path, "acknowledgements", 2, [], layout="jsonl")
    put_file(tmp_path, "acknowledgements", 1, [], name="acknowledgements-000001.txt", data=b"")
    assert found(tmp_path) == (
        ["acknowledgements-000001.txt", "acknowledgements-000002.jsonl", "statuses-000001.csv"],
        0,
    )


@pytest.mark.parametrize(
    "name",
    [
        "payments-000001.csv",
        "acknowledgements.csv",
        "acknowledgements-1.exe",
        "acknowledgements-1.csv.csv",
        "acknowledgements-TEST PATIENT.csv",
        "acknowledgements-\u202e.csv",
        f"acknowledgements-{'9' * 81}.csv",
        "ACKNOWLEDGEMENTS-1.csv",
    ],
)
def test_a_name_that_is_not_agreed_is_never_opened(tmp_path, name):
    """It and its trailer are counted, so that somebody looks."""
    put_file(tmp_path, "statuses", 1, [], name=name)
    assert found(tmp_path) == ([], 2)


def test_hidden_files_and_our_own_folders_are_nobodys_business(tmp_path):
    """A transfer in progress is often hidden; a folder is never entered."""
    incoming = tmp_path / "incoming"
    for name in ("taken", "held", "refused"):
        (incoming / name).mkdir(parents=True)
    (incoming / ".statuses-000001.csv.part").write_text("half")
    assert found(tmp_path) == ([], 0)
    (incoming / "statuses-000001.csv").mkdir()
    (incoming / "statuses-000001.trailer.csv").write_text("")
    assert found(tmp_path) == ([], 2)


@pytest.mark.parametrize("which", ["file", "trailer"])
def test_a_link_a_second_name_and_a_device_are_left_alone(tmp_path, which):
    """Whatever they lead to is not read, taken or moved."""
    path = put_file(tmp_path, "statuses", 1, [])
    part = path if which == "file" else path.with_name("statuses-000001.trailer.csv")
    secret = tmp_path / "secret"
    part.rename(secret)
    part.symlink_to(secret)
    assert found(tmp_path) == ([], 2)
    part.unlink()
    part.hardlink_to(secret)
    assert found(tmp_path) == ([], 2)
    part.unlink()
    os.mkfifo(part)
    assert found(tmp_path) == ([], 2)
    assert secret.exists()


def test_what_becomes_a_link_after_the_look_is_not_followed(tmp_path):
    """The file is opened without following, and what was opened is looked at again."""
    secret = tmp_path / "secret"
    secret.write_text("CANARY")
    link = tmp_path / "statuses-000001.csv"
    link.symlink_to(secret)
    with pytest.raises(StoreError, match="cannot read a file there"):
        read_regular(link, 10)
    link.unlink()
    link.hardlink_to(secret)
    with pytest.raises(StoreError, match="not a regular file with one name"):
        read_regular(link, 10)
    link.unlink()
    os.mkfifo(link)
    with pytest.raises(StoreError, match="not a regular file"):
        read_regular(link, 10)


def test_no_more_is_read_than_a_file_may_have(tmp_path):
    """Ten bytes are ten bytes; eleven are too many."""
    path = tmp_path / "statuses-000001.csv"
    path.write_bytes(b"0123456789")
    assert read_regular(path, 10) == b"0123456789"
    with pytest.raises(TooLongError, match="longer than 9 bytes"):
        read_regular(path, 9)
    with pytest.raises(StoreError, match="cannot read a file there: No such file"):
        read_regular(tmp_path / "absent", 9)


def test_what_lies_there_for_ten_minutes_and_cannot_be_taken_is_counted(tmp_path):
    """A file whose trailer is on its way is not."""
    path = put_file(tmp_path, "statuses", 1, [])
    path.with_name("statuses-000001.trailer.csv").unlink()
    written = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)
    incoming = tmp_path / "incoming"
    assert find_arrivals(incoming, written + dt.timedelta(minutes=9)) == Arrivals()
    assert find_arrivals(incoming, written + dt.timedelta(minutes=11)) == Arrivals(strays=1)


def test_a_file_that_goes_while_we_look_is_no_trouble(tmp_path, monkeypatch):
    """Agencies take back what they have put there."""
    put_file(tmp_path, "statuses", 1, [])

    class Going:
        """A name that is there no more."""

        name = "statuses-000002.csv"

        def stat(self, **_: object) -> None:
            raise FileNotFoundError

    class Trailer(Going):
        name = "statuses-000002.trailer.csv"

    class Scan(list):
        def __enter__(self):
            return self

        def __exit__(self, *_: object):
            return None

    monkeypatch.setattr(module.os, "scandir", lambda _: Scan([Going(), Trailer()]))
    assert find_arrivals(tmp_path, LATER) == Arrivals()


def test_a_folder_that_is_not_there_is_empty_and_one_that_is_a_file_is_told(tmp_path):
    """The look of the daemon leaves it to the taking to tell."""
    assert find_arrivals(tmp_path / "absent", LATER) == Arrivals()
    (tmp_path / "incoming").write_text("")
    with pytest.raises(StoreError, match="incoming: cannot read: Not a directory"):
        find_arrivals(tmp_path / "incoming", LATER)
    agencies = [agency_at(tmp_path), agency_at(tmp_path, name="none", incoming=None)]
    assert look_for_files([*agencies, agency_at(tmp_path, name="absent", incoming=tmp_path / "x")], LATER) == {
        "absent": Arrivals()
    }


def test_the_age_of_a_file_is_that_of_its_last_part(tmp_path):
    """One that is gone has none."""
    path = put_file(tmp_path, "statuses", 1, [])
    arrival = Arrival(path.parent, path.name, "statuses-000001.trailer.csv", "statuses")
    os.utime(path, (1_000_000, 1_000_000))
    os.utime(path.with_name(arrival.trailer), (1_000_060, 1_000_060))
    assert age_of(arrival, dt.datetime.fromtimestamp(1_000_090, dt.UTC)) == 30.0
    path.unlink()
    assert age_of(arrival, LATER) == 0.0


def test_files_are_moved_into_folders_of_their_own_never_through_a_link(tmp_path):
    """The folder is made for its owner alone; what is gone is left out."""
    (tmp_path / "a").write_text("a")
    move_to(tmp_path, "taken", [("a", "1-a"), ("gone", "1-gone")])
    assert (tmp_path / "taken" / "1-a").read_text() == "a"
    assert (tmp_path / "taken").stat().st_mode & 0o777 == 0o700
    (tmp_path / "held").symlink_to(tmp_path / "taken")
    with pytest.raises(StoreError, match="held: is a link"):
        move_to(tmp_path, "held", [])
    (tmp_path / "refused").write_text("")
    with pytest.raises(StoreError, match="refused: cannot move a file there: File exists"):
        move_to(tmp_path, "refused", [])
