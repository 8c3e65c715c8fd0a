"""What is wrong with a message is answered with its code and place, has a disposition, and changes nothing."""

from __future__ import annotations

import pytest
from feed_samples import OWN_SIGNS, Feed, adt, answer, code, dft, ft1, generic_mapping, message, pid, pv1, refusal

from hl7bridge.batch import Received
from hl7bridge.errors import DATA_TYPE, Location, MessageError
from hl7bridge.message.parse import parse_message
from hl7bridge.storage.messages import Disposition, list_messages, read_counters, read_message


def header(**fields):
    """Return a registration with other fields of MSH."""
    return message("ADT^A04", "C1", "EVN|A04", pid(), pv1(), **fields)


@pytest.mark.parametrize(
    ("block", "expected", "disposition"),
    [
        (header(m9="ORU^R01"), ("AR", "200", "MSH^1^9^1^1"), "rejected"),
        (header(m9=""), ("AR", "200", "MSH^1^9"), "rejected"),
        (header(m9="ADT^A99"), ("AR", "201", "MSH^1^9^1^2"), "rejected"),
        (header(m9="ADT"), ("AR", "201", "MSH^1^9^1^2"), "rejected"),
        (header(m9="DFT^P99"), ("AR", "201", "MSH^1^9^1^2"), "rejected"),
        (header(m11="T"), ("AR", "202", "MSH^1^11"), "rejected"),
        (header(m11="D^T"), ("AR", "202", "MSH^1^11"), "rejected"),
        (header(m12="3.0"), ("AR", "203", "MSH^1^12"), "rejected"),
        (header(m10=""), ("AE", "101", "MSH^1^10"), "rejected"),
        (header(m18="KLINGON"), ("AE", "103", "MSH^1^18"), "unreadable"),
        (header(m18="UNICODE UTF-16"), ("AE", "103", "MSH^1^18"), "unreadable"),
        (header(m18="UNICODE UTF-8") + b"ZZZ|\xff\r", ("AE", "102", "MSH^1^18"), "unreadable"),
        (header(m18="ASCII") + "ZZZ|Ü\r".encode(), ("AE", "102", "MSH^1^18"), "unreadable"),
        (header() + b"ZZZ|\x81\xff\r", ("AE", "102", "MSH^1^18"), "unreadable"),
        (header() + header(m10="C2"), ("AE", "100", "MSH^2"), "unreadable"),
        (header(m2="^"), ("AE", "102", "MSH^1^2"), "unreadable"),
        (header(m2=""), ("AE", "101", "MSH^1^2"), "unreadable"),
        (header(m2="^^~\\"), ("AE", "102", "MSH^1^2"), "unreadable"),
        (b"PID|1||T1\r", ("AE", "100", "MSH^1"), "unreadable"),
        (b"", ("AE", "100", "MSH^1"), "unreadable"),
        (b"\x00\x01\x02 not HL7 at all", ("AE", "100", "MSH^1"), "unreadable"),
        (b"FHS|^~\\&|REG\rBHS|^~\\&\r" + header(), ("AR", "200", "FHS^1"), "unreadable"),
        (adt(account='""'), ("AE", "101", "PID^1^18^1^1"), "rejected"),
        (dft(account=""), ("AE", "101", "PID^1^18^1^1"), "rejected"),
        (dft("D1", ft1(), ft1("TEN")), ("AE", "102", "FT1^2^11^1"), "rejected"),
        (dft("D1", ft1("1.001")), ("AE", "102", "FT1^1^11^1"), "rejected"),
        (dft("D1", ft1("10&EUR")), ("AE", "102", "FT1^1^11^1"), "rejected"),
        (dft("D1", ft1("")), ("AE", "101", "FT1^1^11"), "rejected"),
        (dft("D1", ft1("999999999999.00")), ("AE", "102", "FT1^1^11"), "rejected"),
        (dft("D1", ft1("", f12="0.01", f10="0.5")), ("AE", "102", "FT1^1^11"), "rejected"),
        (dft("D1", ft1(f4="20260230")), ("AE", "102", "FT1^1^4^1"), "rejected"),
        (dft("D1", ft1(f5="YESTERDAY")), ("AE", "102", "FT1^1^5^1"), "rejected"),
        (dft("D1", ft1(kind="XX")), ("AE", "103", "FT1^1^6^1^1"), "rejected"),
        (dft("D1", ft1(), ft1("5.00")), ("AE", "205", "FT1^2^2"), "rejected"),
    ],
)
def test_a_bad_message_is_answered_with_code_and_place(feed, block, expected, disposition):
    """AR for what is no fault of the content, AE for the content; ERR names the place; nothing is applied."""
    reply = feed.send(block)
    assert refusal(reply) == expected
    assert reply.disposition == disposition
    assert [feed.count(table) for table in ("accounts", "patients", "entries")] == [0, 0, 0]
    row = read_message(feed.store, 1)
    assert (row.raw == block) == (disposition == "unreadable")
    assert row.reason.startswith(f"{expected[1]} ")
    feed.take(adt("NEXT"))


@pytest.mark.parametrize(
    "block",
    [
        header(m11=""),
        header(m11="P^T"),
        header(m12=""),
        header(m12="2.5.1^USA"),
        header(m18=""),
        header(m7="YESTERDAY"),
        header(m3="", m4="NORTHGATE"),
        header(m18="8859/1").replace(b"AURELIA", b"AUR\xc9LIA"),
        header().replace(b"AURELIA", "AURÉLIA".encode()),
        header().replace(b"AURELIA", b"AUR\xc9LIA"),
        header(m9="ADT^A04^ADT_A01"),
        header(m2="^~\\&#", m12="2.8"),
        header(m2="^~\\"),
        header().translate(OWN_SIGNS),
        header().replace(b"\r", b"\n"),
        header().replace(b"\r", b"\r\n"),
        b"\xef\xbb\xbf" + header(),
        b"\r\n" + header(),
        header(m15="AL", m16="NE"),
        header() + b"ZZZ|own\r\rOBX|1\r",
    ],
)
def test_what_senders_do_and_can_be_read_is_taken(feed, block):
    """MSH-11, MSH-12 and MSH-18 may be empty; signs, line ends and byte order marks are the sender's own."""
    reply = feed.send(block)
    assert code(reply) in {"AA", "CA"}
    assert reply.disposition == "applied"
    assert feed.count("accounts") == 1


def test_a_name_in_any_character_set_is_the_same_name(feed):
    """Declared, UTF-8 or Windows: what is stored is text; a guess is counted when it was not UTF-8."""
    feed.take(
        header(m10="C1", m18="8859/1").replace(b"AURELIA", b"AUR\xc9LIA"),
        header(m10="C2").replace(b"AURELIA", "AURÉLIA".encode()).replace(b"TMRN1", b"TMRN2"),
        header(m10="C3").replace(b"AURELIA", b"AUR\xc9LIA").replace(b"TMRN1", b"TMRN3"),
    )
    assert [row[0] for row in feed.store.rows("SELECT given_name FROM patients")] == ["AURÉLIA"] * 3
    assert read_counters(feed.store)["ehr"]["charset_guessed"] == 1


def test_the_reply_is_in_the_senders_signs_and_names_its_message(feed):
    """MSA-2 is MSH-10 to the letter; MSH-3 to 6 are turned round."""
    ack = answer(feed.send(header(m10="C 1/x", m5="BRIDGE", m6="AGENCY").translate(OWN_SIGNS)))
    assert ack.delimiters.field == "$"
    assert (ack.get("MSA-2"), ack.get("MSH-3"), ack.get("MSH-4")) == ("C 1/x", "BRIDGE", "AGENCY")
    assert (ack.get("MSH-5"), ack.get("MSH-6"), ack.get("MSH-9")) == ("REG", "NORTHGATE", "ACK*A04*ACK")


def test_an_event_that_no_mapping_uses_is_accepted_and_ignored(feed):
    """AA, and the reason is kept with the header; the whole ADT feed may be pointed here."""
    reply = feed.send(adt(event="A02"))
    assert (code(reply), reply.disposition, reply.reason) == ("AA", "ignored", "no mapping uses ADT^A02")
    assert read_message(feed.store, 1).content.count("\r") == 0


def test_an_event_that_no_mapping_uses_is_refused_where_that_is_the_rule(store):
    """AR 201."""
    feed = Feed(store, refuse_unmapped=True)
    assert refusal(feed.send(adt(event="A02"))) == ("AR", "201", "MSH^1^9^1^2")
    assert feed.dispositions() == ["rejected"]


def test_an_acknowledgement_is_ignored_and_never_answered(feed):
    """Or two systems would acknowledge each other for ever; whatever else is wrong with it."""
    replies = feed.receive(
        header(m9="ACK^A04"), header(m9="ACK", m12="9.9", m11="T"), header(m9="MCF"), header(m9="ACK", m10="")
    )
    assert [(reply.data, reply.disposition) for reply in replies] == [(b"", "ignored")] * 4
    assert {row["reason"] for row in list_messages(feed.store, disposition=None, limit=0)} == {
        "an acknowledgement is never answered"
    }


@pytest.mark.parametrize(
    ("accept", "application", "policy", "codes"),
    [
        ("", "", {}, ["AA"]),
        ("AL", "NE", {}, ["CA"]),
        ("AL", "AL", {}, ["CA", "AA"]),
        ("NE", "AL", {}, ["AA"]),
        ("ER", "NE", {}, []),
        ("NE", "NE", {}, []),
        ("NE", "NE", {"answer_unasked": True}, ["AA"]),
    ],
)
def test_the_sender_gets_the_answers_it_asks_for(store, accept, application, policy, codes):
    """MSH-15 asks for the commit reply, MSH-16 for the application's; NE and NE is the listener's choice."""
    reply = Feed(store, **policy).send(header(m15=accept, m16=application))
    blocks = [part[1:] for part in reply.data.split(b"\x1c\r") if part]
    assert [parse_message(block).get("MSA-1") for block in blocks] == codes
    assert read_message(store, 1).ack_code == (codes[0] if codes else "")


def test_a_refusal_in_enhanced_mode_is_a_commit_refusal(feed):
    """CR for what the protocol check finds, CE for the content."""
    assert code(feed.send(header(m15="AL", m16="AL", m12="3.0"))) == "CR"
    assert code(feed.send(message("DFT^P03", "D1", pid(), ft1("TEN"), m15="AL"))) == "CE"


def test_what_can_never_be_a_message_is_kept_with_its_bytes(feed):
    """An oversize block is answered by its header; half a block and junk are not."""
    fault = MessageError(DATA_TYPE, Location("MSH"), "far too long")
    oversize, half, junk = feed.receive(
        Received("ehr", header()[:90], fault),
        Received("ehr", header()[:50], fault, is_answered=False),
        Received("ehr", b"GET / HTTP/1.1", fault, is_answered=False),
    )
    assert refusal(oversize) == ("AE", "102", "MSH^1")
    assert answer(oversize).get("MSA-2") == "C1"
    assert (half.data, junk.data) == (b"", b"")
    assert feed.dispositions() == ["unreadable"] * 3
    assert read_message(feed.store, 3).raw == b"GET / HTTP/1.1"


def test_every_block_has_one_row_and_one_disposition_and_the_counts_foot(feed):
    """Received is the sum of the dispositions, and the number of rows."""
    blocks = [adt("A1"), adt("A1"), adt("A2", event="A02"), dft("D1", ft1("TEN")), b"junk", header(m9="ACK"), dft("D2")]
    feed.receive(*blocks)
    feed.receive(*blocks)
    counts = read_counters(feed.store)["ehr"]
    dispositions = {name: counts.get(name, 0) for name in Disposition}
    assert counts["received"] == sum(dispositions.values()) == feed.count("messages") == 14
    for name, value in dispositions.items():
        assert value == feed.store.row("SELECT count(*) FROM messages WHERE disposition = ?", (name,))[0], name


def test_a_mapping_is_chosen_by_listener_then_sender_then_default(store):
    """A site with two systems, each with its own mapping."""
    feed = Feed(store)
    other = generic_mapping(lambda text: text.replace('number = "PID-18.1"', 'number = "PV1-19.1"'))
    setup = feed.pipeline.setup
    both = {"generic": setup.mappings["generic"], "other": other}
    feed.pipeline.use(setup._replace(mappings=both, senders={("LAB", "NORTHGATE"): "other"}))
    visit = message("ADT^A04", "A1", pid(), pv1(f19="TVIS1"), m3="LAB")
    feed.take(visit, adt("A2"))
    assert [row[0] for row in store.rows("SELECT number FROM accounts ORDER BY id")] == ["TVIS1", "TACC1"]
    policies = {"ehr": setup.policies["ehr"]._replace(mapping="other")}
    feed.pipeline.use(setup._replace(mappings=both, policies=policies))
    feed.take(message("ADT^A04", "A3", pid(), pv1(f19="TVIS2")))
    assert [row[0] for row in store.rows("SELECT mapping FROM messages")] == ["other", "generic", "other"]


def test_a_long_reason_is_cut_and_still_known_when_the_message_comes_again(store):
    """A table of many codes makes a long sentence."""
    codes = "\n".join(f'FEE{number:04} = "CG"' for number in range(200))
    feed = Feed(store, generic_mapping(lambda text: text.replace('CHARGE = "CG"', f'CHARGE = "CG"\n{codes}')))
    first, second = feed.send(dft("D1", ft1(kind="FEE"))), feed.send(dft("D1", ft1(kind="FEE")))
    assert len(read_message(store, 1).reason) == 500
    assert second.data == first.data
    assert second.disposition == "duplicate"
