"""Payments are gathered into one lockbox file for ever, and settled by what the EHR says of them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from lockbox_samples import FORM, queue, states, transaction_ids
from outbound_samples import form_of
from payment_samples import NOW, TODAY, add_account, make_store

from hl7bridge.errors import NotFoundError, RefusedError
from hl7bridge.layouts.lockbox import Acknowledged
from hl7bridge.payments.destination import DestinationForm
from hl7bridge.storage import lockbox
from hl7bridge.storage.deliveries import cancel_delivery, retry_delivery
from hl7bridge.storage.lockbox import (
    accept_file,
    gather_file,
    has_queued,
    list_files,
    mark_written,
    read_file,
    settle_file,
    unwritten_files,
)


@pytest.fixture
def store(tmp_path):
    made = make_store(tmp_path)
    yield made
    made.close()


def gather(store, layout="a", destination="box"):
    with store.transaction():
        file = gather_file(store, destination, layout, "1", now=NOW, day=TODAY)
        if file is not None:
            mark_written(store, file.id, NOW)
    return file


def say(store, *lines):
    """Take an acknowledgement: pairs of an id and a status, or of a file's name and a status."""
    told = [
        Acknowledged(
            number,
            "" if name[0] != "l" else name,
            name if name[0] != "l" else "",
            status == "accepted",
            *reason or [""],
        )
        for number, (name, status, *reason) in enumerate(lines, 2)
    ]
    with store.transaction():
        return tuple(settle_file(store, "box", told, NOW))


def test_what_is_queued_is_gathered_once_and_a_file_has_the_next_number(store):
    """Each record's payment is sent then; what comes later is in the next file, other destinations' in none."""
    account = add_account(store)
    queue(store, account, 1, 2)
    queue(store, account, 3, form=DestinationForm("ehr"))
    assert has_queued(store, "box")
    first = gather(store)
    assert (first.name, first.records) == ("lockbox-box-000001-20260115.txt", 2)
    assert first.data.count(b"\r\nD") == 2
    assert not has_queued(store, "box")
    assert gather(store) is None
    queue(store, account, 4)
    assert gather(store, "csv").name == "lockbox-box-000002-20260115.csv"
    sent = ("sending", "sent")
    assert states(store) == [(*sent, 1, 1), (*sent, 1, 1), ("queued", "queued", None, 0), (*sent, 2, 1)]
    rows = list(list_files(store))
    assert [(row["number"], row["records"], row["total"], row["status"], row["waiting"]) for row in rows] == [
        (2, 1, Decimal("10.00"), "written", 1),
        (1, 2, Decimal("20.00"), "written", 2),
    ]
    assert read_file(store, 1) == first


def test_a_file_that_is_not_on_disk_yet_is_there_to_be_written_with_the_same_bytes(store):
    """After a crash between the two."""
    queue(store, add_account(store), 1)
    with store.transaction():
        file = gather_file(store, "box", "a", "1", now=NOW, day=TODAY)
    assert unwritten_files(store, "box") == [file]
    assert unwritten_files(store, "other") == []
    with store.transaction():
        mark_written(store, file.id, NOW)
    assert unwritten_files(store, "box") == []
    with pytest.raises(NotFoundError, match="no lockbox file 9"):
        read_file(store, 9)


def test_payments_with_fees_in_one_message_are_records_of_their_own(store):
    """Each with what the agency called it; a guarantor's account too."""
    form = form_of('[outbound]\nbatch = "remittance"\n[outbound.fee]\ncode = "7900"\n')
    queue(store, add_account(store), 1, 2, form=form, fee=Decimal("2.50"), method="CHK")
    rows = gather(store, "csv", "ehr").data.decode().split("\r\n")[1:-1]
    told = [row.split(",") for row in rows]
    assert [(each[4], each[5], each[6], each[7], each[9]) for each in told] == [
        ("PY", "AGYPAY", "10.00", "CHK", "CHK1"),
        ("AJ", "7900", "2.50", "CHK", "CHK1"),
        ("PY", "AGYPAY", "10.00", "CHK", "CHK2"),
        ("AJ", "7900", "2.50", "CHK", "CHK2"),
    ]
    assert {each[1] for each in told} == {"5027440"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('[outbound.payment]\ncode = "TOOLONG"\n', "not for a lockbox file: the procedure is longer than 6 characters"),
        ('[outbound.fields]\n"FT1-4" = "X"\n', "not for a lockbox file: FT1-4 holds no day"),
    ],
)
def test_what_cannot_be_in_a_file_is_held_and_what_follows_it_waits(store, text, wanted):
    """The other accounts go on; once it is cancelled, the account does."""
    account, other = add_account(store), add_account(store, "777")
    queue(store, account, 1, form=DestinationForm("box", outbound=form_of(text).outbound))
    queue(store, account, 2)
    queue(store, other, 3)
    assert gather(store).records == 1
    assert [state[0] for state in states(store)] == ["held", "queued", "sending"]
    assert store.row("SELECT last_error FROM deliveries")[0] == wanted
    assert gather(store) is None
    with store.transaction():
        cancel_delivery(store, 1, now=NOW, actor="user:test", reason="posted by hand")
    assert gather(store).records == 1


def test_a_file_has_a_most(store, monkeypatch):
    """The rest is in the next."""
    monkeypatch.setattr(lockbox, "MOST_DELIVERIES", 2)
    queue(store, add_account(store), 1, 2, 3)
    assert [gather(store).records, gather(store).records, gather(store)] == [2, 1, None]


def test_an_acknowledgement_settles_payments_by_id_or_by_what_stands_as_check_number(store):
    """Once; the same again does nothing. A file of which all is settled is acknowledged."""
    queue(store, add_account(store), 1, 2)
    gather(store)
    first, second = transaction_ids(store)
    assert say(store, (first, "accepted")) == (1, 0, 0)
    assert next(list_files(store))["status"] == "written"
    assert say(store, (second[-10:], "refused", "no such account")) == (0, 1, 0)
    assert [state[:2] for state in states(store)] == [("accepted", "posted"), ("held", "refused")]
    assert store.row("SELECT last_error FROM deliveries WHERE id = 2")[0] == "no such account"
    assert next(list_files(store))["status"] == "acknowledged"
    assert say(store, (first, "accepted"), (second, "refused")) == (0, 0, 2)


def test_what_the_ehr_refused_goes_into_a_new_file_when_a_person_says_so(store):
    """Held as other deliveries are; a late word about the old file settles it still."""
    queue(store, add_account(store), 1)
    gather(store)
    (name,) = transaction_ids(store)
    assert say(store, (name, "refused")) == (0, 1, 0)
    assert store.row("SELECT last_error FROM deliveries")[0] == "refused in a lockbox acknowledgement"
    with store.transaction():
        retry_delivery(store, 1, now=NOW, actor="user:test", reason="account opened")
    assert gather(store).name == "lockbox-box-000002-20260115.txt"
    assert states(store)[0][2:] == (2, 1)  # a person's retry counts anew
    assert say(store, (name, "accepted")) == (1, 0, 0)


def test_a_whole_file_may_be_acknowledged_with_exceptions(store):
    """A line about a payment goes before the line about its file."""
    queue(store, add_account(store), 1, 2, 3)
    file = gather(store)
    names = transaction_ids(store)
    assert say(store, (file.name, "accepted"), (names[1], "refused", "closed")) == (2, 1, 0)
    assert [state[0] for state in states(store)] == ["accepted", "held", "accepted"]


def test_a_message_of_several_payments_is_taken_when_all_of_them_are(store):
    """And held when one is not; a part of them tells nothing, and nothing at all is taken then."""
    form = DestinationForm("box", batch="remittance")
    account = add_account(store)
    queue(store, account, 1, 2, form=form)
    queue(store, account, 3, 4, form=form)
    file = gather(store)
    names = transaction_ids(store)
    with pytest.raises(RefusedError, match="delivery 2: 1 of its 2 payments are named"):
        say(store, (names[0], "accepted"), (names[1], "accepted"), (names[2], "accepted"))
    assert {state[0] for state in states(store)} == {"sending"}
    assert say(
        store, (names[0], "accepted"), (names[1], "refused"), (names[2], "accepted"), (file.name, "accepted")
    ) == (
        1,
        1,
        0,
    )


def test_an_acknowledgement_of_what_was_never_sent_is_refused_whole(store):
    """Payments that wait, unknown ids, unknown files: every line is told, and the right ones are not taken either."""
    account = add_account(store)
    queue(store, account, 1)
    gather(store)
    queue(store, account, 2)
    names = transaction_ids(store)
    with pytest.raises(RefusedError) as told:
        say(
            store, (names[0], "accepted"), (names[1], "accepted"), ("XXXX00000009", "accepted"), ("lost.txt", "refused")
        )
    assert str(told.value).split("\n") == [
        "line 3: names a payment that no lockbox file of box has",
        "line 4: names a payment that no lockbox file of box has",
        "line 5: names a file that was never written for box",
    ]
    assert states(store)[0][0] == "sending"


def test_a_person_may_say_that_all_of_a_file_was_posted(store):
    """Once: what the EHR has spoken of stays as it is."""
    queue(store, add_account(store), 1, 2, form=FORM)
    gather(store)
    say(store, (transaction_ids(store)[0], "refused"))
    with store.transaction():
        assert tuple(accept_file(store, 1, "seen by J.D.", NOW)) == (1, 0, 0)
    assert [state[0] for state in states(store)] == ["held", "accepted"]
    with pytest.raises(RefusedError, match="has spoken of everything"):
        accept_file(store, 1, "seen by J.D.", NOW)
