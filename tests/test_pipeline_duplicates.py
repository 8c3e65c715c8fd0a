"""Resends: the same message again gets the reply it got, nothing counts twice, and a mended one is taken."""

from __future__ import annotations

from decimal import Decimal

import pytest
from feed_samples import Feed, adt, code, dft, ft1, generic_mapping, message, pid, refusal

from hl7bridge.batch import Received
from hl7bridge.storage.accounts import find_account
from hl7bridge.storage.messages import Disposition, read_counters, read_message


def balance(feed, number="TACC1"):
    return find_account(feed.store, number).balance


def unlisted_kind(text):
    """Return the shipped mapping with one more word for a charge."""
    return text.replace('CHARGE = "CG"', 'CHARGE = "CG"\nFEE = "CG"')


def test_a_message_that_comes_again_gets_the_same_reply_byte_for_byte_and_counts_once(feed):
    """Days later as well; the row says which message it repeats, and keeps nothing of it twice."""
    nameless = dft("D1", ft1(f2=""))
    first, second = feed.send(nameless), feed.send(nameless)
    assert second.data == first.data
    assert (second.disposition, second.reason) == (Disposition.DUPLICATE, "repeats message 1")
    assert balance(feed) == Decimal("100.00")
    row = read_message(feed.store, 2)
    assert (row.content, row.raw, row.account_id, row.ack_code) == ("", None, 1, "AA")


def test_a_message_that_comes_twice_in_one_batch_counts_once(feed):
    """A sender that pipelines its retry behind the first."""
    nameless = dft("D1", ft1(f2=""))
    first, second, third = feed.receive(nameless, nameless, nameless)
    assert first.data == second.data == third.data
    assert feed.dispositions() == ["applied", "duplicate", "duplicate"]
    assert balance(feed) == Decimal("100.00")


def test_an_ignored_message_that_comes_again_is_a_duplicate_too(feed):
    """AA both times."""
    first, second = feed.send(adt(event="A02")), feed.send(adt(event="A02"))
    assert feed.dispositions() == ["ignored", "duplicate"]
    assert first.data == second.data


def test_the_same_control_id_of_another_sender_is_another_message(feed):
    """Sender means MSH-3 and MSH-4, as far as their first components."""
    replies = feed.receive(dft("D1"), dft("D1", m3="OTHER"), dft("D1", m4="SOUTHGATE"), dft("D1", m3="REG^1.2^ISO"))
    assert [reply.disposition for reply in replies] == ["applied"] * 4
    assert feed.store.row("SELECT count(DISTINCT sending_application) FROM messages")[0] == 2
    assert read_counters(feed.store)["ehr"]["reused_control_id"] == 1


def test_a_refused_message_that_comes_again_gets_the_same_refusal(feed):
    """The same reply, not another with another id; the row says duplicate."""
    first, second = feed.send(dft("D1", ft1("TEN"))), feed.send(dft("D1", ft1("TEN")))
    assert code(first) == "AE"
    assert second.data == first.data
    assert feed.dispositions() == ["rejected", "duplicate"]


def test_a_refused_message_is_taken_when_it_comes_again_after_the_mapping_was_mended(feed):
    """The sender need do nothing but resend."""
    fee = dft("D1", ft1(kind="FEE"))
    assert refusal(feed.send(fee)) == ("AE", "103", "FT1^1^6^1^1")
    feed.use(generic_mapping(unlisted_kind))
    assert code(feed.send(fee)) == "AA"
    assert feed.dispositions() == ["rejected", "applied"]
    assert code(feed.send(fee)) == "AA"
    assert balance(feed) == Decimal("100.00")


def test_a_message_refused_for_another_reason_than_before_gets_a_reply_of_its_own(feed):
    """The second refusal says what is wrong now."""
    fee = dft("D1", ft1("TEN", "FEE"))
    first = refusal(feed.send(fee))
    feed.use(
        generic_mapping(
            lambda text: unlisted_kind(text).replace('"FT1-11"', '"FT1-12"').replace('["FT1-12", "FT1-22"]', '"FT1-22"')
        )
    )
    second = refusal(feed.send(fee))
    assert first[1] == "103"
    assert second[1] == "101"
    assert feed.dispositions() == ["rejected", "rejected"]


def test_what_failed_by_our_own_fault_is_tried_again_when_it_comes_again(feed):
    """AR 207 is no verdict on the message."""
    feed.pipeline.setup = feed.pipeline.setup._replace(due_on=lambda *_a, **_b: 1 / 0)
    reply = feed.send(dft("D1"))
    assert refusal(reply) == ("AR", "207", "MSH^1")
    assert reply.reason == "internal error: ZeroDivisionError"
    assert code(feed.send(dft("D1"))) == "AR"
    feed.use()
    assert code(feed.send(dft("D1"))) == "AA"
    assert feed.dispositions() == ["rejected", "rejected", "applied"]
    assert balance(feed) == Decimal("100.00")


def test_a_control_id_that_is_used_again_is_a_new_message_where_that_is_accepted(feed):
    """Senders restart their counters: both count, and status shows how often; each resend finds its own reply."""
    first, second = feed.send(dft("1")), feed.send(dft("1", ft1(number="TTX2")))
    assert feed.dispositions() == ["applied", "applied"]
    assert read_counters(feed.store)["ehr"]["reused_control_id"] == 1
    assert balance(feed) == Decimal("200.00")
    assert feed.send(dft("1")).data == first.data
    assert feed.send(dft("1", ft1(number="TTX2"))).data == second.data
    assert feed.dispositions()[2:] == ["duplicate", "duplicate"]


def test_a_control_id_that_is_used_again_is_refused_where_that_is_the_rule(store):
    """AE 205 at MSH-10, every time it comes; the first message's own resend is still a duplicate."""
    feed = Feed(store, refuse_reused_control_id=True)
    first = feed.send(dft("1"))
    second = feed.send(dft("1", ft1(number="TTX2")))
    assert refusal(second) == ("AE", "205", "MSH^1^10")
    assert feed.send(dft("1", ft1(number="TTX2"))).data == second.data
    assert feed.send(dft("1")).data == first.data
    assert feed.dispositions() == ["applied", "rejected", "duplicate", "duplicate"]
    assert balance(feed) == Decimal("100.00")


@pytest.mark.parametrize("refuse", [False, True])
def test_a_message_that_was_refused_or_came_in_half_has_not_used_its_control_id(store, refuse):
    """A connection breaks in mid block, or a sender mends an amount: what follows under the same id is taken."""
    feed = Feed(store, refuse_reused_control_id=refuse)
    fault = feed.send(dft("9", ft1("TEN")))
    assert code(fault) == "AE"
    half = Received("ehr", dft("D1")[:80], fault=_cut_short(), is_answered=False)
    assert feed.receive(half)[0].disposition == Disposition.UNREADABLE
    feed.take(dft("D1"), dft("9", ft1("10.00", number="TTX2")))
    assert "reused_control_id" not in {name for name, value in read_counters(store)["ehr"].items() if value}


def _cut_short():
    from hl7bridge.errors import SEGMENT_SEQUENCE, Location, MessageError

    return MessageError(SEGMENT_SEQUENCE, Location("MSH"), "the block was cut short")


def test_an_unreadable_block_that_comes_again_is_kept_once_and_answered_alike(feed):
    """A sender that repeats for ever does not fill the store with copies."""
    two = message("ADT^A04", "C1", pid(), "MSH|^~\\&|REG|NORTHGATE|||||ADT^A04|C2|P|2.5.1", pid())
    first, second = feed.send(two), feed.send(two)
    assert first.data == second.data
    assert feed.dispositions() == ["unreadable", "duplicate"]
    assert [row[0] is None for row in feed.store.rows("SELECT raw FROM messages ORDER BY id")] == [False, True]


def test_blocks_without_a_header_are_each_kept(feed):
    """There is nothing to know them by."""
    feed.receive(b"HELLO", b"HELLO")
    assert feed.dispositions() == ["unreadable", "unreadable"]


def test_an_entry_with_the_same_transaction_id_in_another_message_counts_once(feed):
    """The EHR sends its day again under new control ids."""
    feed.take(dft("D1"), dft("D2"), dft("D3", ft1(), ft1("5.00", number="TTX2")))
    assert balance(feed) == Decimal("105.00")
    assert feed.count("entries") == 2


def test_the_same_transaction_id_with_other_content_refuses_the_whole_message(feed):
    """AE 205 at that FT1-2, and the good entry beside it is not posted either."""
    feed.take(dft("D1"))
    reply = feed.send(dft("D2", ft1("7.00", number="TTX7"), ft1("100.01")))
    assert refusal(reply) == ("AE", "205", "FT1^2^2")
    assert feed.count("entries") == 1
    assert balance(feed) == Decimal("100.00")


def test_transaction_ids_are_a_senders_own(feed):
    """Two systems that both begin with 1."""
    feed.take(dft("D1"), dft("D1", ft1("7.00"), m3="LAB"))
    assert balance(feed) == Decimal("107.00")


def test_a_replayed_message_that_its_sender_then_repeats_counts_once(feed):
    """A person ran it again from what was kept; the sender's own bytes are the same message, and get AA."""
    fee = dft("D1", ft1(kind="FEE", number=""), m14="not kept")
    assert code(feed.send(fee)) == "AE"
    feed.use(generic_mapping(unlisted_kind))
    kept = read_message(feed.store, 1).content.encode()
    assert kept != fee
    (replayed,) = feed.receive(Received("ehr", kept, is_answered=False, replay_of=1))
    assert (replayed.disposition, replayed.reason) == (Disposition.APPLIED, "replay of message 1")
    resent = feed.send(fee)
    assert (resent.disposition, code(resent)) == (Disposition.DUPLICATE, "AA")
    assert balance(feed) == Decimal("100.00")


def test_a_replay_is_run_though_the_message_was_applied(feed):
    """Forced by a person: entries without an id count again, and that is what was asked for."""
    nameless = dft("D1", ft1(f2=""))
    feed.take(nameless)
    feed.receive(Received("ehr", nameless, is_answered=False, replay_of=1))
    assert balance(feed) == Decimal("200.00")
