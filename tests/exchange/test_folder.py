"""A file appears in an agency's folder whole or not at all, and only its owner can read it."""

from __future__ import annotations

import os
import stat

import pytest

from hl7bridge.errors import StoreError
from hl7bridge.exchange import folder as module
from hl7bridge.exchange.folder import exclusive, prepare_folder, write_whole


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_is_made_for_its_owner_alone(tmp_path):
    """The parts above it too, when they are not there."""
    folder = tmp_path / "agencies" / "sample" / "outgoing"
    prepare_folder(folder)
    assert mode(folder) == 0o700
    assert list(folder.iterdir()) == []
    prepare_folder(folder)


def test_a_folder_that_is_a_file_is_one_clear_line(tmp_path):
    """No traceback, and the path in front."""
    (tmp_path / "outgoing").write_text("")
    with pytest.raises(StoreError, match="outgoing: cannot write: File exists"):
        prepare_folder(tmp_path / "outgoing")


def test_a_file_is_whole_and_readable_by_its_owner_only(tmp_path):
    """Nothing else is left in the folder; a file of that name is replaced."""
    for data in (b"one", b"two"):
        write_whole(tmp_path, "placements.csv", data)
        assert (tmp_path / "placements.csv").read_bytes() == data
    assert mode(tmp_path / "placements.csv") == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["placements.csv"]


def test_what_a_crash_left_is_written_over(tmp_path):
    """Half a file, with another mode."""
    left = tmp_path / ".placements.csv.tmp"
    left.write_bytes(b"half a file that is longer")
    left.chmod(0o644)
    write_whole(tmp_path, "placements.csv", b"whole")
    assert (tmp_path / "placements.csv").read_bytes() == b"whole"
    assert mode(tmp_path / "placements.csv") == 0o600


def test_a_file_gets_its_name_only_when_its_bytes_are_on_disk(tmp_path, monkeypatch):
    """First the file is synced, then renamed, then the folder is synced."""
    calls = []
    sync = os.fsync

    def note(number: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(number).st_mode)
        calls.append(("folder" if is_folder else "file", (tmp_path / "placements.csv").exists()))
        sync(number)

    monkeypatch.setattr(module.os, "fsync", note)
    write_whole(tmp_path, "placements.csv", b"whole")
    assert calls == [("file", False), ("folder", True)]


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    """One clear line, no file of that name, no half file."""

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", fail)
    with pytest.raises(StoreError, match=r"placements\.csv: cannot write: No space left on device"):
        write_whole(tmp_path, "placements.csv", b"whole")
    assert list(tmp_path.iterdir()) == []


def test_the_lock_lies_beside_the_store_and_is_freed(tmp_path):
    """It can be taken again, also after a failure."""
    with pytest.raises(ZeroDivisionError), exclusive(tmp_path / "test.db"):
        raise ZeroDivisionError
    with exclusive(tmp_path / "test.db"):
        assert mode(tmp_path / "test.db.exchange.lock") == 0o600
