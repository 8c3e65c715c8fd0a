"""A file that was made stays what it is: it can be sent again byte for byte, and `db verify` proves it."""

from __future__ import annotations

import datetime as dt

import pytest
from exchange_samples import active, agency_at, go
from placement_samples import NOW, NOW_TEXT, decide_all, put_account, rows_of, signal

from hl7bridge.errors import NotFoundError, RefusedError
from hl7bridge.exchange.numbered import resend_file
from hl7bridge.layouts.placements_csv import digest_of
from hl7bridge.storage.agency_files import read_file
from hl7bridge.storage.signals import add_signal
from hl7bridge.storage.verify import verify_store


def test_a_resend_is_the_same_file_byte_for_byte(store, tmp_path, folder):
    """Whatever has changed since: the account, the settings, the day."""
    active(store, tmp_path)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for path in folder.iterdir():
        path.unlink()
    store.execute("UPDATE guarantors SET street = '2 OTHER STREET'")
    later = agency_at(tmp_path, fields=("placement_id", "client_account", "balance"), layout="tsi")
    file = resend_file(store, [later], 1, now=NOW + dt.timedelta(days=9), actor="user:tester")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert rows_of(folder / file.name)[0]["guarantor_street"] == "1 SAMPLE STREET"
    assert digest_of((folder / file.name).read_bytes()) == file.sha256
    assert store.rows("SELECT actor, subject FROM audit WHERE action = 'files.resend'") == [
        ("user:tester", f"file {file.name}")
    ]
    assert store.rows("SELECT written_at FROM agency_files") == [(NOW_TEXT,)]


def test_a_resend_needs_a_file_and_its_agency(store, tmp_path):
    """And says which is missing."""
    active(store, tmp_path)
    with pytest.raises(NotFoundError, match="no file out-9"):
        resend_file(store, [agency_at(tmp_path)], 9, now=NOW, actor="user:tester")
    with pytest.raises(RefusedError, match="has no agency sample"):
        resend_file(store, [], 1, now=NOW, actor="user:tester")
    assert read_file(store, 1).kind == "placements"


@pytest.mark.parametrize("layout", ["csv", "jsonl"])
def test_the_files_of_notices_are_verified_too(store, tmp_path, layout):
    """Count, dollars and digest against what each notice has."""
    active(store, tmp_path)
    with store.transaction():
        add_signal(store, 1, signal("dispute", "open"), NOW_TEXT)
    put_account(store, "A1002")
    decide_all(store)
    go(store, agency_at(tmp_path, layout=layout))

    def wrong():
        return [each for check in verify_store(store) if check.name == "agency files" for each in check.problems]

    assert wrong() == []
    store.execute("UPDATE notices SET content = replace(content, '150.00', '151.00')")
    assert wrong() == ["agency file 2: its count or total is not that of what it has"]
    store.execute("UPDATE notices SET content = replace(content, '151.00', '150.00')")
    store.execute("UPDATE agency_files SET content = NULL WHERE id > 1")
    lost = [2] if layout == "csv" else [2, 3]  # placements in csv can be made again from what was frozen of each
    assert wrong() == [f"agency file {number}: what was frozen of it has changed" for number in lost]
