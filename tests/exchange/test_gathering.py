"""A file of many placements is gathered over short transactions: one file all the same, whatever comes in between."""

from __future__ import annotations

import pytest
from exchange_samples import REACTION, active
from placement_samples import NOW, NOW_TEXT, agency_in, decide_all, put_account, rows_of, send, sending_of, signal

from hl7bridge.errors import RefusedError
from hl7bridge.exchange import gathering
from hl7bridge.exchange.numbered import resend_file
from hl7bridge.exchange.outgoing import send_placements
from hl7bridge.layouts.placements_csv import parse_trailer
from hl7bridge.placement.state import Status
from hl7bridge.reacting import Reacted, react_to_changes
from hl7bridge.storage.agency_files import read_content, read_file
from hl7bridge.storage.placements import read_placement
from hl7bridge.storage.signals import add_signal
from hl7bridge.storage.verify import verify_store

NAME = "placements-sample-{:06}-20260302.csv"


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    """Two placements a transaction."""
    monkeypatch.setattr(gathering, "BATCH", 2)


def queue(store, count: int) -> None:
    for number in range(count):
        put_account(store, f"G{number}")
    decide_all(store)


class Interrupted(Exception):  # noqa: N818  (it stands for a crash, not for an error of the program)
    """The process ends here."""


def at_batch(number: int, act):
    """Return a reaction that does something at the start of the so-many-th batch; the first call of a run is none."""
    calls = iter(range(100))

    def react(store) -> Reacted:
        return act(store) if next(calls) == number else Reacted()

    return react


def crash(_store) -> Reacted:
    raise Interrupted


def numbers_in(path) -> list[str]:
    return [row["placement_id"] for row in rows_of(path)]


def test_all_batches_are_one_file_with_one_count_and_total(store, tmp_path, folder):
    """Whoever reads it cannot tell how it was gathered."""
    queue(store, 5)
    [file] = send(store, tmp_path).files
    assert numbers_in(folder / file.name) == ["1", "2", "3", "4", "5"]
    trailer = parse_trailer((folder / file.name.replace(".csv", ".trailer.csv")).read_bytes())
    assert (trailer.records, trailer.balance_total, trailer.sha256) == (5, "750.00", file.sha256)
    assert store.rows("SELECT reason FROM audit WHERE action = 'placements.send'") == [("5 sent, 750.00 dollars",)]


def test_a_file_is_full_at_its_limit_and_the_rest_is_the_next(store, tmp_path, folder):
    """Also when the limit is no whole number of batches."""
    queue(store, 5)
    sent = send_placements(store, [agency_in(tmp_path)], sending_of(), most=3)
    assert [file.records for file in sent.files] == [3, 2]
    assert numbers_in(folder / NAME.format(2)) == ["4", "5"]


def test_after_a_crash_between_two_batches_the_file_has_what_was_taken_and_the_rest_follows(store, tmp_path, folder):
    """Nothing is lost, nothing is sent twice, no number is left out."""
    queue(store, 5)
    with pytest.raises(Interrupted):
        send(store, tmp_path, react=at_batch(2, crash))
    assert [read_placement(store, number).status.value for number in (2, 3)] == ["sent", "queued"]
    assert list(folder.glob("*")) == []
    first, second = send(store, tmp_path).files
    assert (first.number, second.number) == (1, 2)
    assert numbers_in(folder / first.name) == ["1", "2"]
    assert numbers_in(folder / second.name) == ["3", "4", "5"]
    assert parse_trailer((folder / NAME.format(1).replace(".csv", ".trailer.csv")).read_bytes()).records == 2


def test_a_file_that_is_not_closed_is_not_sent_again_and_is_no_finding(store, tmp_path, folder):
    """Its bytes and its digest are not settled yet."""
    queue(store, 3)
    with pytest.raises(Interrupted):
        send(store, tmp_path, react=at_batch(2, crash))
    with pytest.raises(RefusedError, match="is gathered still"):
        resend_file(store, [agency_in(tmp_path)], 1, now=NOW, actor="user:tester")
    assert [check.problems for check in verify_store(store) if check.problems] == []
    send(store, tmp_path)
    assert read_content(store, read_file(store, 1)) == (folder / NAME.format(1)).read_bytes()


def test_a_stop_that_comes_in_between_closes_the_file_and_goes_before_the_rest(store, tmp_path, folder):
    """It does not wait until everything queued is sent."""
    active(store, tmp_path)
    for number in range(4):
        put_account(store, f"G{number}")
    decide_all(store)

    def hear_of_bankruptcy(store) -> Reacted:
        add_signal(store, 1, signal("bankruptcy", "filed"), NOW_TEXT)
        return react_to_changes(store, REACTION, NOW)

    sent = send(store, tmp_path, react=at_batch(1, hear_of_bankruptcy))
    assert [(file.kind.value, file.records) for file in sent.files] == [
        ("placements", 2), ("stops", 1), ("placements", 2),
    ]  # fmt: skip
    assert read_placement(store, 1).status is Status.RECALL_PENDING


def test_a_stop_that_cannot_be_sent_does_not_cut_files_short(store, tmp_path, folder, monkeypatch):
    """It was tried before; its cause is told, and placements go on."""
    active(store, tmp_path)
    with store.transaction():
        add_signal(store, 1, signal("bankruptcy", "filed"), NOW_TEXT)
        react_to_changes(store, REACTION, NOW)
    queue(store, 4)
    monkeypatch.setattr("hl7bridge.exchange.outgoing.check_notices", lambda *_: ([], ["agency sample: it cannot"]))
    sent = send(store, tmp_path)
    assert [file.records for file in sent.files] == [4]
    assert "agency sample: it cannot" in sent.problems


def test_where_all_that_was_queued_is_withdrawn_there_is_no_file(store, tmp_path, folder):
    """And no number is taken: the next file has it."""
    queue(store, 3)
    for account_id in (1, 2, 3):
        add_signal(store, account_id, signal("cease", "yes"), NOW_TEXT)
    assert send(store, tmp_path).files == ()
    put_account(store, "LATER")
    decide_all(store)
    assert [file.number for file in send(store, tmp_path).files] == [1]
