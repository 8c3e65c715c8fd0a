"""A batch comes to what its messages come to one by one, whoever of them is known, new, merged or refused."""

from __future__ import annotations

import random

import pytest
from feed_samples import NOW, Feed, adt, code, dft, ft1, gt1, in1, message, pid, pv1, segment

from hl7bridge.batch import Received
from hl7bridge.storage.database import open_store

KEY = bytes(range(32))
EVENTS = ("A01", "A03", "A04", "A08", "A11", "A13")
MERGES = ("A18", "A35", "A40", "A41", "A45", "A47", "A49", "A50")


def any_message(chance, number):
    """Return a message about one of few people, accounts and visits, so that many are met again."""
    account, visits = f"TACC{chance.randrange(40)}", ("", f"TVIS{chance.randrange(40)}", f"TACC{chance.randrange(40)}")
    who = pid(
        chance.choice([account, account, account, account, ""]),
        f"TMRN{chance.randrange(25)}",
        f5=chance.choice(["TESTPATIENT^AURELIA", "TESTPATIENT^BOREAS"]),
    )
    visit = pv1(f19=chance.choice(visits), f50=chance.choice(["", "", f"TALT{chance.randrange(20)}"]))
    sent = {"m7": f"20261120{chance.randrange(10, 14)}{chance.randrange(10, 60)}00"}
    control_id = f"C{number if chance.random() < 0.95 else chance.randrange(number + 1)}"
    kind = chance.randrange(20)
    if kind < 8:
        people = chance.choice([(), (gt1(),), (gt1(), in1()), (gt1(f2='""'),), ('GT1|1|""', 'IN1|1|""')])
        event = chance.choice(EVENTS)
        return message(f"ADT^{event}", control_id, f"EVN|{event}", who, visit, *people, **sent)
    if kind < 17:
        amount, number = f"{chance.randrange(-20, 200)}.00", chance.choice(["", f"TTX{chance.randrange(200)}"])
        entries = [ft1(amount, chance.choice(["CG", "PY", "AJ"]), number)] * chance.choice([1, 1, 2])
        return message("DFT^P03", control_id, "EVN|P03", who, visit, *entries, **sent)
    if kind < 19:
        former = {1: f"TMRN{chance.randrange(25)}^^^HOSP", 3: f"TACC{chance.randrange(40)}", 5: chance.choice(visits)}
        event = chance.choice(MERGES)
        return message(f"ADT^{event}", control_id, f"EVN|{event}", who, segment("MRG", former), visit, **sent)
    return chance.choice([b"junk", message("ACK", control_id), message("ADT^A04", control_id, "EVN|A04", pv1())])


def stored(path, messages, size):
    """Return the replies to messages that come in batches of a size, and all rows that they leave."""
    store = open_store(path, KEY, create=True)
    feed = Feed(store)
    blocks = [Received("ehr", each) for each in messages]
    replies = []
    for at in range(0, len(blocks), size):
        replies += feed.pipeline.receive(blocks[at : at + size], NOW)
    tables = store.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'")
    rows = {name: store.rows(f"SELECT * FROM {name}") for (name,) in tables if name not in {"meta", "entries"}}
    feed.check_footing()
    entries = entries_by_account(store)
    store.close()
    return replies, entries, {name: sorted(each, key=repr) for name, each in rows.items()}


def entries_by_account(store):
    """Return the entries of each account in their order; those of two accounts may be numbered in any."""
    rows = store.rows("SELECT * FROM entries ORDER BY account_id, id")
    places = {row[0]: at for at, row in enumerate(rows)} | {None: None}
    return [(*row[1:-1], places[row[-1]]) for row in rows]


@pytest.mark.parametrize("seed", range(3))
def test_a_batch_comes_to_what_its_messages_come_to_one_by_one(tmp_path, seed):
    """Replies and rows, ids and all: what is known of a batch as a whole is never older than its last message."""
    chance = random.Random(seed)  # noqa: S311  (nothing is to be kept secret)
    messages = [any_message(chance, number) for number in range(260)]
    alone = stored(tmp_path / "alone.db", messages, 1)
    for size in (5, 64, 260):
        assert stored(tmp_path / f"{size}.db", messages, size) == alone


def test_an_account_that_is_opened_in_a_batch_is_found_by_what_comes_behind_it(feed):
    """By its number, by its visit, and by the number of a visit that had none of its own yet."""
    visit = message("DFT^P03", "D2", "EVN|P03", pid("TVIS1"), pv1(f19="TVIS1"), ft1(number="T2"))
    named = message("DFT^P03", "D1", "EVN|P03", pid("TACC1"), pv1(f19="TVIS1"), ft1())
    replies = feed.receive(named, visit, dft("D3", ft1(number="T3")), dft("D4", ft1("7.00", number="T3")))
    assert [code(reply) for reply in replies] == ["AA", "AA", "AA", "AE"]
    assert feed.store.rows("SELECT number, charges FROM accounts") == [("TACC1", 30000)]


def test_the_patient_of_a_new_account_may_be_known(feed):
    """Then only the account is new."""
    feed.receive(adt("A1"), adt("A2", account="TACC2"), dft("D3", account="TACC3"))
    assert feed.store.rows("SELECT number, patient_id FROM accounts ORDER BY id") == [
        ("TACC1", 1), ("TACC2", 1), ("TACC3", 1),
    ]  # fmt: skip


def test_an_entry_that_is_taken_back_in_its_own_message_finds_its_other_half(feed):
    """Also when its account is new."""
    feed.send(dft("D1", ft1("5.00", number="T1"), ft1("-5.00", number="T1R")))
    assert feed.store.rows("SELECT amount, reverses FROM entries ORDER BY id") == [(500, None), (-500, 1)]


def test_where_registration_is_required_nothing_stays_of_a_charge_that_comes_before_it(feed):
    """Neither its account nor its patient, whoever else is in the batch."""
    feed.use(require_account=True)
    replies = feed.receive(adt("A1"), dft("D1", account="TACC2"), adt("A3", account="TACC3"))
    assert [code(reply) for reply in replies] == ["AA", "AE", "AA"]
    assert feed.store.rows("SELECT number FROM accounts ORDER BY id") == [("TACC1",), ("TACC3",)]


def test_a_batch_may_be_longer_than_what_is_looked_up_at_once(feed):
    """What waits to be written is written before the next are looked up."""
    new = [message("ADT^A04", f"A{at}", "EVN|A04", pid(f"TACC{at}", f"TMRN{at}"), pv1()) for at in range(70)]
    replies = feed.receive(*new, dft("D1", account="TACC0"))
    assert {code(reply) for reply in replies} == {"AA"}
    assert feed.store.row("SELECT count(*), sum(charges) FROM accounts") == (70, 10000)


def test_where_registration_is_required_a_patient_who_is_known_makes_no_account(feed):
    """The account is new, the patient is not."""
    feed.send(adt("A1"))
    feed.use(require_account=True)
    assert code(feed.send(dft("D1", account="TACC2"))) == "AE"
