"""A backup: the whole store as it stood, encrypted with the same key, or no file at all."""

from __future__ import annotations

import stat
import threading

import pytest

from hl7bridge.errors import RefusedError, StoreError
from hl7bridge.storage import backup as module
from hl7bridge.storage.backup import backup_store
from hl7bridge.storage.database import open_store

KEY = bytes(range(32))


@pytest.fixture
def store(tmp_path):
    store = open_store(tmp_path / "a.db", KEY, create=True)
    with store.transaction():
        store.execute("INSERT INTO meta VALUES ('name', 'TESTPATIENT^AURELIA')")
    yield store
    store.close()


def test_the_copy_opens_with_the_same_key_and_holds_what_the_store_holds(store, tmp_path):
    """And nothing in it can be read without."""
    target = tmp_path / "copy.db"
    size = backup_store(store, KEY, target)
    assert size == target.stat().st_size
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert b"AURELIA" not in target.read_bytes()
    with pytest.raises(StoreError, match="the key does not open"):
        open_store(target, bytes(32))
    copy = open_store(target, KEY)
    assert copy.row("SELECT value FROM meta WHERE key = 'name'") == ("TESTPATIENT^AURELIA",)
    copy.close()
    assert not (tmp_path / "copy.db.partial").exists()


def test_a_backup_overwrites_nothing(store, tmp_path):
    """Neither a finished copy nor one that another run is making."""
    target = tmp_path / "copy.db"
    target.write_text("mine")
    with pytest.raises(RefusedError, match="there already"):
        backup_store(store, KEY, target)
    assert target.read_text() == "mine"
    target.unlink()
    partial = tmp_path / "copy.db.partial"
    partial.write_text("another run")
    with pytest.raises(FileExistsError):
        backup_store(store, KEY, target)
    assert partial.read_text() == "another run"
    assert not target.exists()


def test_a_copy_is_of_one_moment_while_others_write(store, tmp_path):
    """Two values that always change together are never apart in a copy."""
    with store.transaction():
        store.execute("INSERT INTO meta VALUES ('a', '0'), ('b', '0')")
    stop = threading.Event()

    def write():
        writer = open_store(store.path, KEY)
        number = 0
        while not stop.is_set():
            number += 1
            with writer.transaction():
                writer.execute("UPDATE meta SET value = ? WHERE key = 'a'", (str(number),))
                writer.execute("UPDATE meta SET value = ? WHERE key = 'b'", (str(number),))
        writer.close()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for number in range(5):
            backup_store(store, KEY, tmp_path / f"{number}.db")
    finally:
        stop.set()
        thread.join()
    for number in range(5):
        copy = open_store(tmp_path / f"{number}.db", KEY)
        values = {value for (value,) in copy.rows("SELECT value FROM meta WHERE key IN ('a', 'b')")}
        copy.close()
        assert len(values) == 1


@pytest.mark.parametrize("part", [0.999, 0.5])
def test_a_copy_that_does_not_read_back_is_not_kept(store, tmp_path, monkeypatch, part):
    """A disk that lies is found before somebody relies on the copy, whether the copy can be opened or not."""
    real = module._copy

    def damaged(store, key, partial):
        real(store, key, partial)
        content = bytearray(partial.read_bytes())
        content[int(len(content) * part)] ^= 0xFF
        partial.write_bytes(content)

    monkeypatch.setattr(module, "_copy", damaged)
    with pytest.raises(StoreError, match="does not read back"):
        backup_store(store, KEY, tmp_path / "copy.db")
    assert not list(tmp_path.glob("copy.db*"))


def test_a_database_error_while_copying_is_one_clear_line_and_leaves_no_file(store, tmp_path):
    """Here: the store was closed."""
    other = open_store(store.path, KEY)
    other.close()
    with pytest.raises(StoreError, match="cannot write the backup"):
        backup_store(other, KEY, tmp_path / "copy.db")
    assert not list(tmp_path.glob("copy.db*"))


def test_a_folder_that_is_not_there_is_told(store, tmp_path):
    """No folder is made by accident."""
    with pytest.raises(FileNotFoundError):
        backup_store(store, KEY, tmp_path / "none" / "copy.db")
