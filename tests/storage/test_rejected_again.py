"""A placement that an agency rejects stops its account until a person has corrected what the agency named."""

from __future__ import annotations

import pytest
from exchange_samples import acceptance, placed, put_file, take
from placement_samples import NOW, TODAY, decide_all, new_store, run_of, send

from hl7bridge.rules.evaluate import holds_on
from hl7bridge.storage.cases import read_facts
from hl7bridge.storage.exceptions import close_exception, list_exceptions


@pytest.fixture
def store(tmp_path):
    opened = new_store(tmp_path)
    yield opened
    opened.close()


def reject(store, folder, number: int) -> None:
    """The agency rejects a placement of account A1001."""
    put_file(folder, "acknowledgements", number, [acceptance(number, accepted="no", code="BAD-ADDRESS")])
    assert [came.file.status for came in take(store, folder).files] == ["taken"]
    assert store.rows("SELECT status FROM placements WHERE id = ?", (number,)) == [("rejected",)]


def holds(store) -> list[str]:
    return [hold.name for hold in holds_on(read_facts(store, 1), run_of().rules, TODAY)]


def close(store) -> None:
    (row,) = list_exceptions(store)
    assert row["kind"] == "placement_rejected"
    with store.transaction():
        reason = "the address is corrected"
        close_exception(store, row["exception"], lift_hold=False, now=NOW, actor="user:tester", reason=reason)


def test_a_rejected_account_is_placed_again_once_a_person_has_closed_the_exception(store, tmp_path):
    """Not before; and as a first placement, for no agency has had it."""
    placed(store, tmp_path)
    reject(store, tmp_path, 1)
    assert holds(store) == ["placed_before"]
    assert [outcome.status for outcome in decide_all(store)] == [None]
    close(store)
    assert holds(store) == []
    assert read_facts(store, 1).placement_sequence == 1
    assert [outcome.decision.rule for outcome in decide_all(store)] == ["aged"]


def test_a_second_rejection_stops_it_again(store, tmp_path):
    """Every rejection asks a person anew."""
    placed(store, tmp_path)
    reject(store, tmp_path, 1)
    close(store)
    decide_all(store)
    assert not send(store, tmp_path).problems
    reject(store, tmp_path, 2)
    assert holds(store) == ["placed_before"]
    assert [outcome.status for outcome in decide_all(store)] == [None]
