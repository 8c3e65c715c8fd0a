"""A file that is held waits for a person: a number out of turn may be released, a mismatch never, and both say why."""

from __future__ import annotations

import pytest
from exchange_samples import acceptance, active, agency_at, placed, put_file, take, taking_of

from hl7bridge.errors import NotFoundError, RefusedError
from hl7bridge.exchange.incoming import refuse_file, release_file
from hl7bridge.storage.placements import read_placement
from hl7bridge.storage.received_files import list_received


def release(store, folder, file_id=1, reason="the first two were sent by mail", **agency):
    """Release a file as the command line does."""
    return release_file(store, [agency_at(folder, **agency)], file_id, reason, taking_of(actor="user:tester"))


def refuse(store, folder, file_id=1, reason="asked for it again", **agency):
    """Refuse a file as the command line does."""
    return refuse_file(store, [agency_at(folder, **agency)], file_id, reason, taking_of(actor="user:tester"))


def lies_in(folder):
    """Return in which places files lie."""
    return sorted({path.parent.name for path in (folder / "incoming").rglob("*.csv")})


def test_a_file_out_of_turn_is_taken_when_a_person_releases_it(store, tmp_path):
    """It is applied then, the next number counts from it, and the audit log has the reason."""
    placed(store, tmp_path)
    put_file(tmp_path, "acknowledgements", 3, [acceptance()])
    take(store, tmp_path)
    assert lies_in(tmp_path) == ["held"]
    came = release(store, tmp_path)
    assert (came.file.status, came.outcomes) == ("taken", {"applied": 1})
    assert read_placement(store, 1).status == "active"
    assert lies_in(tmp_path) == ["taken"]
    [row] = list_received(store)
    assert (row["status"], row["decided_by"], row["reason"]) == (
        "taken",
        "user:tester",
        "the first two were sent by mail",
    )
    assert store.rows("SELECT actor, reason FROM audit WHERE action = 'files.release'") == [
        ("user:tester", "the first two were sent by mail")
    ]
    put_file(tmp_path, "acknowledgements", 4, [acceptance(agency_account="SA-4")])
    assert [each.file.status for each in take(store, tmp_path).files] == ["taken"]


def test_a_file_that_comes_late_is_held_and_may_be_released(store, tmp_path):
    """Number 2 after number 3 had been released."""
    placed(store, tmp_path)
    put_file(tmp_path, "acknowledgements", 3, [acceptance()])
    take(store, tmp_path)
    release(store, tmp_path)
    put_file(tmp_path, "acknowledgements", 2, [acceptance(agency_account="SA-2")])
    [came] = take(store, tmp_path).files
    assert (came.file.status, came.file.problem) == ("held", "number 2 comes after number 3")
    assert release(store, tmp_path, 2).file.status == "taken"


def test_a_gap_that_closes_lets_the_file_come_again_and_its_held_copy_is_refused(store, tmp_path):
    """The agency sends 1 and then 2 again: the copy that waits cannot be applied a second time."""
    placed(store, tmp_path)
    row = acceptance(agency_account="SA-2")
    put_file(tmp_path, "acknowledgements", 2, [row])
    take(store, tmp_path)
    put_file(tmp_path, "acknowledgements", 1, [acceptance()])
    put_file(tmp_path, "acknowledgements", 2, [row])
    assert [each.file.status for each in take(store, tmp_path).files] == ["taken", "taken"]
    with pytest.raises(RefusedError, match="another file with number 2 was taken: refuse this one"):
        release(store, tmp_path)
    assert refuse(store, tmp_path).status == "refused"


@pytest.mark.parametrize("told", [{"records": 9}, {"balance_total": "1.00"}, {"number": ""}, {"agency": "other"}])
def test_what_disagrees_with_its_trailer_is_never_released(store, tmp_path, told):
    """Whoever asks: the agency sends it again."""
    placed(store, tmp_path)
    put_file(tmp_path, "acknowledgements", 1, [acceptance()], told=told)
    take(store, tmp_path)
    with pytest.raises(RefusedError, match=r"cannot be taken, whoever releases it: .*refuse it, and ask the agency"):
        release(store, tmp_path)
    assert read_placement(store, 1).status == "sent"
    assert lies_in(tmp_path) == ["held"]
    assert refuse(store, tmp_path).status == "refused"
    assert lies_in(tmp_path) == ["refused"]


def test_a_refused_number_may_come_again_or_be_left_out(store, tmp_path):
    """The corrected file is number 1 again, or the agency goes on with 2."""
    placed(store, tmp_path)
    for number in (1, 2):
        put_file(tmp_path, "acknowledgements", number, [acceptance()], told={"records": 9})
        take(store, tmp_path)
        refuse(store, tmp_path, number)
    put_file(tmp_path, "acknowledgements", 3, [acceptance()])
    assert [each.file.status for each in take(store, tmp_path).files] == ["taken"]
    put_file(tmp_path, "statuses", 1, [], told={"records": 9})
    take(store, tmp_path)
    refuse(store, tmp_path, 4)
    put_file(tmp_path, "statuses", 1, [{"placement_id": "1", "client_account": "A1001", "status": "skip"}])
    assert [each.file.status for each in take(store, tmp_path).files] == ["taken"]


def test_a_file_that_was_changed_while_it_waited_is_not_released(store, tmp_path):
    """What a person looked at is what is applied, or nothing."""
    placed(store, tmp_path)
    put_file(tmp_path, "acknowledgements", 2, [acceptance()])
    take(store, tmp_path)
    held = tmp_path / "incoming" / "held" / "000001-acknowledgements-000002.csv"
    held.write_bytes(held.read_bytes().replace(b"yes", b"no "))
    with pytest.raises(RefusedError, match="is not what it was when it came"):
        release(store, tmp_path)


def test_only_a_file_that_waits_can_be_decided_and_a_reason_is_needed(store, tmp_path):
    """Not one that was taken, not one that is not there, not one of an agency without a folder."""
    active(store, tmp_path)
    with pytest.raises(RefusedError, match="file in-1 is taken: only a file that is held waits for a person"):
        release(store, tmp_path)
    with pytest.raises(NotFoundError, match="no file in-9"):
        refuse(store, tmp_path, 9)
    put_file(tmp_path, "acknowledgements", 5, [acceptance()])
    take(store, tmp_path)
    with pytest.raises(RefusedError, match="a reason is needed"):
        release(store, tmp_path, 2, reason=" ")
    for agency in ({"incoming": None}, {"name": "other"}):
        with pytest.raises(RefusedError, match="no incoming folder for agency sample"):
            refuse(store, tmp_path, 2, **agency)
