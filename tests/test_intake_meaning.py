"""Status, money and people as messages tell them: cancelled, reopened, told twice, taken back, replaced, asserted."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from feed_samples import Feed, adt, dft, ft1, gt1, in1, message, pid, pv1, segment

from hl7bridge.rules.facts import build_facts
from hl7bridge.storage.accounts import find_account, read_coverages, read_guarantors, read_patient
from hl7bridge.storage.coverage_history import former_coverages
from hl7bridge.storage.discrepancies import count_open, discrepancies_of
from hl7bridge.storage.entries import read_entries
from hl7bridge.storage.messages import read_message
from hl7bridge.storage.signals import read_signals

FIRST, EARLY, LATE, LAST = "20261101080000", "20261102080000", "20261103080000", "20261104080000"


def account_of(feed, number="TACC1"):
    return find_account(feed.store, number)


def entries_of(feed, number="TACC1"):
    return list(read_entries(feed.store, account_of(feed, number).id))


def holds_of(feed):
    """Return the names of the holds of the account."""
    account = account_of(feed)
    people = read_patient(feed.store, account.patient_id), read_guarantors(feed.store, account.id)
    facts = build_facts(account, *people, read_coverages(feed.store, account.id), read_signals(feed.store, account.id))
    return {hold.name for hold in facts.holds}


@pytest.mark.parametrize("event", ["ADT^A11", "ADT^A23", "ADT^A38"])
def test_a_registration_that_is_cancelled_cancels_the_account_and_keeps_its_ledger(feed, event):
    """Whether the cancellation or the charge comes first; nobody is placed for it."""
    cancelled = message(event, "A2", pid(), pv1(), m7=LATE)
    feed.take(adt("A1", m7=FIRST), cancelled, dft("D1", m7=EARLY))
    assert (account_of(feed).status, account_of(feed).balance) == ("cancelled", Decimal(100))
    assert account_of(feed).due_on is None
    assert "account_cancelled" in holds_of(feed)


@pytest.mark.parametrize("event", ["BAR^P06", "BAR^P02"])
def test_an_account_that_ended_is_closed_and_is_not_paid(feed, event):
    """No new charges accrue; what is owed is owed."""
    feed.take(adt("A1", m7=FIRST), dft("D1", m7=EARLY), message(event, "B1", pid(), pv1(), m7=LATE))
    assert (account_of(feed).status, account_of(feed).balance) == ("closed", Decimal(100))


def test_a_discharge_that_is_cancelled_opens_the_account_again_unless_it_was_cancelled_later(feed):
    """By the messages' own times."""
    reopened = message("ADT^A13", "A3", pid(), pv1(), m7=LATE)
    feed.take(adt("A1", m7=FIRST), message("BAR^P06", "B1", pid(), pv1(), m7=EARLY), reopened)
    assert account_of(feed).status == "open"
    feed.take(message("ADT^A11", "A4", pid(), pv1(), m7=EARLY))
    assert account_of(feed).status == "open"
    feed.take(message("ADT^A11", "A5", pid(), pv1(), m7=LAST))
    assert account_of(feed).status == "cancelled"


@pytest.mark.parametrize("event", ["BAR^P10", "BAR^P12"])
def test_procedures_and_diagnoses_are_taken_and_change_nothing(feed, event):
    """They are clinical."""
    (reply,) = feed.take(message(event, "B1", pid(), pv1(), segment("DG1", {1: "1"})))
    assert (reply.disposition, feed.count("accounts"), feed.count("patients")) == ("ignored", 0, 0)


def test_a_patient_who_is_deleted_is_a_tombstone_and_holds_what_is_owed(feed):
    """Nothing is erased."""
    feed.take(adt("A1", gt1(), m7=FIRST), dft("D1", m7=EARLY), message("ADT^A29", "A2", pid(""), m7=LATE))
    patient = read_patient(feed.store, account_of(feed).patient_id)
    assert (patient.deleted, patient.family_name) == (True, "TESTPATIENT")
    assert holds_of(feed) == {"patient_deleted"}


def test_entries_without_an_id_that_are_told_twice_in_a_message_count_once(feed):
    """A charge of another procedure is another charge; a message of another day is not compared."""
    nameless = ft1(number="")
    feed.take(dft("D1", nameless, nameless, ft1(number="", f7="T0002")), dft("D2", nameless))
    assert account_of(feed).charges == Decimal(300)
    assert read_message(feed.store, 1).reason == "1 of its entries are told twice and counted once"


def test_a_negative_entry_names_the_one_that_it_takes_back(feed):
    """The same in type, code, amount and date; each entry is taken back once."""
    charge, reversal = ft1(number="TTX1"), ft1("-100.00", number="TTX9")
    feed.take(dft("D1", charge, ft1("50.00", number="TTX2")), dft("D2", reversal, ft1("-100.00", number="TTX8")))
    assert [(each.entry.amount, each.reverses) for each in entries_of(feed)] == [
        (Decimal(100), None),
        (Decimal(50), None),
        (Decimal(-100), 1),
        (Decimal(-100), None),
    ]
    assert account_of(feed).charges == Decimal(-50)


def test_a_reversal_finds_its_other_half_by_id_or_when_that_comes_late(feed):
    """Under the sender's id and another batch, whatever the date; and a charge that comes after its reversal."""
    feed.take(
        dft("D1", ft1("20.00", "PY", "TTX1"), ft1("20.00", "PY", "TTX2")),
        dft("D2", ft1("-20.00", "PY", "TTX2", f3="B2", f4="20260301")),
        dft("D3", ft1("-7.00", number="TTX5")),
        dft("D4", ft1("7.00", number="TTX4"), ft1("0.00", number="TTX6")),
    )
    assert [each.reverses for each in entries_of(feed)] == [None, None, 2, None, 4, None]


def test_a_charge_and_its_reversal_in_one_message_are_a_pair(feed):
    """Also of an account that is new; the visit stands with each entry."""
    feed.take(message("DFT^P03", "D1", pid(), pv1(f19="TVIS1"), ft1(), ft1("-100.00", number="TTX2")))
    assert [(each.reverses, each.visit_number) for each in entries_of(feed)] == [(None, "TVIS1"), (1, "TVIS1")]


def test_another_plan_at_the_same_place_takes_nothing_of_the_former_which_is_kept(feed):
    """The same plan with other dates is kept as it was too."""
    feed.take(adt("A1", in1(f15="HMO", f12="20260101"), m7=FIRST), adt("A2", in1(f2="PLAN2", f3="2"), m7=EARLY))
    feed.take(adt("A3", in1(f2="PLAN2", f3="2", f13="20261231"), m7=LATE))
    feed.take(adt("A4", in1(f2="PLAN2", f3="2", f13="20270131"), m7=LAST))
    account = account_of(feed)
    (coverage,) = read_coverages(feed.store, account.id)
    assert (coverage.plan, coverage.plan_type, coverage.effective_on) == ("PLAN2", None, None)
    former = former_coverages(feed.store, account.id)
    assert [(each.coverage.plan, each.coverage.expires_on, each.message_id) for each in former] == [
        ("PLAN1", None, 2),
        ("PLAN2", dt.date(2026, 12, 31), 4),
    ]
    assert former[0].coverage.effective_on == dt.date(2026, 1, 1)
    assert former[0].as_of.startswith(FIRST)
    assert former[0].ended_at.startswith("2026-11-21T")


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (1, 0, 2)])
def test_a_lone_null_deletes_all_coverages_and_guarantors_told_before_it(feed, order):
    """And nothing told after it, whatever comes first."""
    messages = (
        adt("A1", gt1(), gt1(f3="SECOND"), in1(), in1(f2="PLAN2"), m7=FIRST),
        adt("A2", 'GT1|1|""', 'IN1|1|""', m7=EARLY),
        adt("A3", gt1(f2="TGUA3"), in1(f2="PLAN3"), m7=LATE),
    )
    feed.take(*(messages[each] for each in order))
    account = account_of(feed)
    assert [each.number for each in read_guarantors(feed.store, account.id)] == ["TGUA3"]
    assert [each.plan for each in read_coverages(feed.store, account.id)] == ["PLAN3"]


def test_a_guarantor_who_is_another_gets_no_address_of_the_former(feed):
    """The second at the same place, with a number of its own."""
    feed.take(adt("A1", gt1(), m7=FIRST), adt("A2", gt1(f2="TGUA2", f3="OTHER^PERSON", f5="", f8=""), m7=EARLY))
    (guarantor,) = read_guarantors(feed.store, account_of(feed).id)
    assert (guarantor.family_name, guarantor.city, guarantor.birth_on) == ("OTHER", None, None)


def test_a_minor_patient_is_nobodys_guarantor_by_default(feed):
    """Without a GT1 no guarantor is known, and where the minor is named as one, that holds."""
    feed.take(message("ADT^A04", "A1", pid(f7="20150101"), pv1()), dft("D1"))
    account = account_of(feed)
    patient = read_patient(feed.store, account.patient_id)
    facts = build_facts(account, patient, read_guarantors(feed.store, account.id), (), {})
    assert (facts.has_address, facts.guarantor_birth_on) == (None, None)


def figures(feed):
    """Return what is open or was: kind, level, visit, ours, theirs, whether it is open."""
    found = discrepancies_of(feed.store, account_of(feed).id)
    return [
        (each.kind, each.level, each.visit_number, str(each.ours), str(each.theirs), each.resolved_at is None)
        for each in found
    ]


def test_a_sender_whose_figures_are_not_ours_changes_no_ledger_and_is_noted_until_it_agrees(feed):
    """One open row a figure; a newer word of another difference moves it on."""
    feed.take(dft("D1", m7=FIRST), message("ADT^A08", "A1", pid(), pv1(f46="90.00", f47="100.00"), m7=EARLY))
    assert figures(feed) == [("balance", "account", "", "100.00", "90.00", True)]
    feed.take(message("ADT^A08", "A2", pid(), pv1(f46="80.00", f48="0.00", f49="1.00"), m7=LATE))
    assert figures(feed) == [
        ("balance", "account", "", "100.00", "80.00", True),
        ("payments", "account", "", "0.00", "1.00", True),
    ]
    assert (count_open(feed.store), account_of(feed).balance) == (2, Decimal(100))
    feed.take(message("ADT^A08", "A3", pid(), pv1(f46="100.00", f49="0.00"), m7=LAST))
    assert count_open(feed.store) == 0
    assert discrepancies_of(feed.store, 1)[0].message_id == 3


def test_a_figure_is_compared_after_the_entries_of_its_message_and_a_late_one_not_at_all(feed):
    """What was true before newer entries is no difference."""
    feed.take(message("DFT^P03", "D1", pid(), pv1(f46="100.00"), ft1(), m7=LATE))
    feed.take(message("DFT^P03", "D2", pid(), pv1(f46="150.00"), ft1("50.00", number="TTX2"), m7=LAST))
    feed.take(message("ADT^A08", "A1", pid(), pv1(f46="1.00", f48='""'), m7=EARLY))
    assert figures(feed) == []


def test_a_visits_figures_are_compared_with_its_own_entries(feed):
    """With the account's while it has one visit; with none while entries cannot be told apart."""

    def told(control_id, visit, *more, **figure):
        return message("DFT^P03", control_id, pid(), pv1(f19=visit, f51="V", **figure), *more)

    feed.take(dft("D1"), told("D2", "TVIS1", ft1("10.00", number="TTX2"), f47="110.00"))
    assert figures(feed) == []
    feed.take(told("D3", "TVIS2", ft1("5.00", number="TTX3"), f46="99.00"))
    assert figures(feed) == []
    apart = [
        message("DFT^P03", f"E{at}", pid("TACC2"), pv1(f19=visit, f51="V", f46=amount), ft1("5.00", kind, f"T{at}"))
        for at, (visit, amount, kind) in enumerate(
            [("V1", "5.00", "CG"), ("V2", "5.00", "CG"), ("V2", "0.00", "AJ"), ("V1", "1.00", "PY")]
        )
    ]
    feed.take(*apart, message("ADT^A08", "A9", pid("TACC2"), pv1(f51="V", f46="9.00")))
    found = discrepancies_of(feed.store, account_of(feed, "TACC2").id)
    assert [(each.kind, each.visit_number, each.ours, each.theirs) for each in found] == [
        ("balance", "V1", Decimal(0), Decimal(1))
    ]


def test_a_segment_of_nothing_but_a_set_id_is_no_guarantor_that_deletes(feed):
    """Only two quotes delete."""
    feed.take(adt("A1", gt1()), adt("A2", segment("GT1", {1: "1"})))
    assert [each.number for each in read_guarantors(feed.store, account_of(feed).id)] != []


def test_a_store_of_another_sender_may_speak_at_the_same_second(store):
    """Of two senders' words of one time the same one counts whichever came first."""
    found = set()
    for order in (("REG", "LAB"), ("LAB", "REG")):
        feed = Feed(store)
        store.execute("DELETE FROM messages")
        for number, sender in enumerate(order):
            told = pid(f"TACC-{order[0]}", f"TMRN-{order[0]}", f15=sender)
            feed.take(message("ADT^A31", f"{order[0]}{number}", told, m3=sender, m7=FIRST))
        found.add(store.rows("SELECT language FROM patients ORDER BY id DESC LIMIT 1")[0][0])
    assert len(found) == 1
