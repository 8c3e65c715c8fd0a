"""What messages say becomes what the store knows: in the order of their times, whatever order they arrive in."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from feed_samples import NOW, Feed, adt, code, dft, ft1, generic_mapping, gt1, in1, message, pid, pv1, refusal, segment

from hl7bridge.intake import event_time, order_text
from hl7bridge.message.parse import parse_message
from hl7bridge.storage.accounts import find_account, read_coverages, read_guarantors, read_patient
from hl7bridge.storage.entries import read_entries

EARLY, LATE = "20261101080000", "20261102080000"
NOW_TEXT = order_text(NOW)


def account_of(feed, number="TACC1"):
    return find_account(feed.store, number)


def person_of(feed, number="TACC1"):
    return read_patient(feed.store, account_of(feed, number).patient_id)


def times(control="ADT^A04", zone=dt.UTC, **msh):
    return event_time(parse_message(message(control, "C1", "EVN|A04|20261101", **msh)), zone, NOW_TEXT)


def test_a_registration_and_its_charge_make_an_account_with_a_balance(feed):
    """Account, patient, guarantor, coverage and entry, each from its segment."""
    feed.take(adt("A1", gt1(), in1()), dft("D1", ft1("150.00"), ft1("50.00", "PY", "TTX2", f7="INSPAY")))
    account = account_of(feed)
    assert (account.charges, account.payments, account.balance) == (
        Decimal("150.00"),
        Decimal("50.00"),
        Decimal("100.00"),
    )
    assert account.insurance_payments == Decimal("50.00")
    assert account.pid_18 == "TACC1"
    assert person_of(feed).family_name == "TESTPATIENT"
    assert [each.relationship for each in read_guarantors(feed.store, account.id)] == ["SEL"]
    assert [each.company_name for each in read_coverages(feed.store, account.id)] == ["SAMPLE INSURANCE"]
    entries = list(read_entries(feed.store, account.id))
    assert [(each.entry.kind, each.entry.amount, each.source, each.message_id) for each in entries] == [
        ("CG", Decimal("150.00"), "REG|NORTHGATE", 2),
        ("PY", Decimal("50.00"), "REG|NORTHGATE", 2),
    ]


def test_an_account_number_is_a_facilitys_own(feed):
    """The same number at another facility is another account and another patient."""
    feed.take(adt("A1"), adt("A2", m4="SOUTHGATE"))
    assert feed.count("accounts") == 2
    assert feed.count("patients") == 2


def test_a_late_older_message_fills_what_is_unknown_and_overwrites_nothing(feed):
    """Patient, account, guarantor and coverage alike; and it is the newer message that stays named as the source."""
    newer = [pid(f11="2 NEW ST^^NEWVILLE"), pv1(f20="BC"), gt1(f3="TESTPATIENT^NEWER", f6=""), in1(f4="NEW INSURANCE")]
    older = [
        pid(f11="1 OLD ST^APT 9^OLDVILLE", f15="EN"),
        pv1(f20="SP", f41="AB"),
        gt1(f3="TESTPATIENT^OLDER", f6="555-0100"),
        in1(f4="OLD INSURANCE", f15="HMO"),
        in1(f1="2", f4="SECOND INSURANCE"),
    ]
    feed.take(message("ADT^A08", "A1", *newer, m7=LATE), message("ADT^A08", "A2", *older, m7=EARLY))
    account, person = account_of(feed), person_of(feed)
    assert (person.street, person.city, person.street_2, person.language) == ("2 NEW ST", "NEWVILLE", "APT 9", "EN")
    assert (account.financial_class, account.account_status, account.message_id) == ("BC", "AB", 1)
    (guarantor,) = read_guarantors(feed.store, account.id)
    assert (guarantor.given_name, guarantor.phone) == ("NEWER", "555-0100")
    coverages = read_coverages(feed.store, account.id)
    assert [(each.company_name, each.plan_type) for each in coverages] == [
        ("NEW INSURANCE", "HMO"),
        ("SECOND INSURANCE", None),
    ]


def test_entries_of_a_late_message_count_whatever_its_time(feed):
    """Money is no matter of who spoke last."""
    feed.take(adt("A1", m7=LATE), dft("D1", m7=EARLY))
    assert account_of(feed).balance == Decimal("100.00")
    assert account_of(feed).as_of.startswith("20261102")


def test_a_newer_message_replaces_clears_and_keeps(feed):
    """A value replaces, two quotes clear, nothing keeps."""
    feed.take(adt("A1", gt1(f6="555-0100", f7="x"), m7=EARLY))
    feed.take(
        message("ADT^A08", "A2", pid(f5="TESTPATIENT^BOREAS"), pv1(f20='""', f24="PLAN"), gt1(f6='""', f5=""), m7=LATE)
    )
    account = account_of(feed)
    assert (account.financial_class, account.plan_code, account.patient_class) == (None, "PLAN", "O")
    assert person_of(feed).given_name == "BOREAS"
    (guarantor,) = read_guarantors(feed.store, account.id)
    assert (guarantor.phone, guarantor.city) == (None, "TESTVILLE")


def test_the_second_of_two_messages_with_one_time_is_the_newer(feed):
    """Many senders know days only; then the order of arrival decides."""
    feed.take(
        message("ADT^A31", "A1", pid(f15="EN"), m7="20261101"),
        message("ADT^A31", "A2", pid(f15="FR"), m7="20261101"),
        adt("A3"),
    )
    assert person_of(feed).language == "FR"


def test_a_message_from_the_future_does_not_lock_the_record(feed):
    """A sender's clock that is a year ahead counts as the time of receipt, and the next message is newer."""
    feed.take(
        message("ADT^A08", "A1", pid(f15="EN"), pv1(), m7="20271101"),
        message("ADT^A08", "A2", pid(f15="FR"), pv1(), m7=""),
    )
    assert person_of(feed).language == "FR"
    assert account_of(feed).as_of[:8] == "20261121"


def test_the_time_of_a_message_is_msh_7_then_evn_2_in_utc():
    """An offset is heeded; without one it is the facility's own time; a degree of precision behind it does no harm."""
    east = dt.timezone(dt.timedelta(hours=-5))
    assert times(m7="20261101080000-0500") == "20261101130000.000000 20261101000000.000000"
    assert times(m7="20261101080000", zone=east) == "20261101130000.000000 20261101050000.000000"
    assert times(m7="20261101080000^S")[:15] == "20261101080000."
    assert times(m7="20261101080000.25")[:19] == "20261101080000.2500"


@pytest.mark.parametrize("time", ["", "SOON", "20261399", "20991231", "00010101000000+1400"])
def test_a_time_that_is_missing_unusable_or_ahead_is_the_time_of_receipt(time):
    """Whatever stands in MSH-7, the message is taken, and is not older than it can be known to be."""
    assert times(m7=time).split(" ")[0] in {NOW_TEXT, "00010101000000.000000"}


def test_evn_2_may_be_missing_or_unusable():
    """No EVN, a short one, or words."""
    assert event_time(parse_message(message("ADT^A04")), dt.UTC, NOW_TEXT).endswith(" ")
    assert event_time(parse_message(message("ADT^A04", "C1", "EVN|A04")), dt.UTC, NOW_TEXT).endswith(" ")
    assert event_time(parse_message(message("ADT^A04", "C1", "EVN|A04|SOON")), dt.UTC, NOW_TEXT).endswith(NOW_TEXT)


def test_a_person_event_touches_no_account_and_makes_those_that_owe_due(feed):
    """A31 with an account number in it: the account's row stays, but its decision may change, so it is made again."""
    feed.take(adt("A1", m7=EARLY), dft("D1", m7=EARLY), adt("A2", account="TACC2", m7=EARLY))
    feed.store.execute("UPDATE accounts SET due_on = '2099-01-01' WHERE number = 'TACC1'")
    before = {number: account_of(feed, number) for number in ("TACC1", "TACC2")}
    feed.take(message("ADT^A31", "A3", pid(f30="Y"), m7=LATE))
    assert person_of(feed).deceased is True
    assert account_of(feed) == before["TACC1"]._replace(due_on=dt.date(2026, 11, 21))
    assert account_of(feed, "TACC2") == before["TACC2"]


def test_a_person_event_that_tells_nothing_new_makes_nothing_due(feed):
    """And one that is late and fills something does."""
    feed.take(adt("A1", m7=LATE), dft("D1", m7=LATE))
    feed.store.execute("UPDATE accounts SET due_on = NULL")
    feed.take(
        message("ADT^A31", "A2", pid(), m7=LATE),
        message("ADT^A31", "A3", pid(), m7="20261103"),
        message("ADT^A31", "A4", pid(), m7=EARLY),
    )
    assert account_of(feed).due_on is None
    feed.take(message("ADT^A31", "A5", pid(f15="EN", f5="LATER^NAME"), m7=EARLY))
    assert account_of(feed).due_on == dt.date(2026, 11, 21)
    assert (person_of(feed).language, person_of(feed).family_name) == ("EN", "TESTPATIENT")


def test_a_patient_is_one_number_of_one_authority(feed):
    """The same number from another authority is another person; no authority is one of its own."""
    for control_id, number in (("A1", "T1^^^HOSP"), ("A2", "T1^^^OTHER"), ("A3", "T1"), ("A4", "T1^^^HOSP^PI")):
        feed.take(message("ADT^A28", control_id, pid(f3=number)))
    assert feed.count("patients") == 3


def test_an_account_follows_the_patient_of_the_newest_message(feed):
    """A late message does not move it back, nor does one without a patient take its owner away."""
    feed.take(
        message("ADT^A08", "A1", pid(number="TMRN1"), pv1(), m7=EARLY),
        message("ADT^A08", "A2", pid(number="TMRN2"), pv1(), m7=LATE),
        message("ADT^A08", "A3", pid(number="TMRN3"), pv1(), m7=EARLY),
        message("DFT^P03", "D1", segment("PID", {18: "TACC1"}), ft1(), m7="20261103"),
    )
    assert person_of(feed).number == "TMRN2"


def test_a_late_message_may_name_the_patient_of_an_account_that_had_none(feed):
    """A charge came first, without a patient."""
    feed.take(message("DFT^P03", "D1", segment("PID", {18: "TACC1"}), ft1(), m7=LATE), adt("A1", m7=EARLY))
    assert person_of(feed).number == "TMRN1"


def test_where_registration_is_required_a_charge_of_an_unknown_account_is_refused(store):
    """AE 204 at PID-18; nothing of it is kept but the message; once the account is registered it is taken."""
    feed = Feed(store, require_account=True)
    reply = feed.send(dft("D1"))
    assert refusal(reply) == ("AE", "204", "PID^1^18^1^1")
    assert (feed.count("accounts"), feed.count("patients"), feed.count("entries")) == (0, 0, 0)
    feed.take(adt("A1"), dft("D2"))
    assert account_of(feed).balance == Decimal("100.00")


def test_guarantors_and_coverages_are_known_by_their_place(feed):
    """The second GT1 is the second guarantor; a message with one leaves the second as it is; none are deleted."""
    feed.take(adt("A1", gt1(), gt1(f3="SECOND^GUARANTOR"), in1(), m7=EARLY))
    feed.take(adt("A2", gt1(f3="FIRST^CHANGED"), m7=LATE), adt("A3", gt1(f3="FIRST^CHANGED"), m7=LATE))
    account = account_of(feed)
    assert [(each.rank, each.family_name) for each in read_guarantors(feed.store, account.id)] == [
        (1, "FIRST"),
        (2, "SECOND"),
    ]
    assert len(read_coverages(feed.store, account.id)) == 1


def test_a_mapping_may_name_the_rank_and_one_that_is_deleted_or_zero_is_the_place(store):
    """GT1-1 says 3: it is the third. Two quotes or 0 say nothing."""
    feed = Feed(
        store, generic_mapping(lambda text: text.replace('number = "GT1-2.1"', 'number = "GT1-2.1"\nrank = "GT1-1"'))
    )
    feed.take(adt("A1", gt1(f1="3"), gt1(f1='""'), gt1(f1="0", f2="TGUA9")))
    ranks = [(each.rank, each.number) for each in read_guarantors(store, account_of(feed).id)]
    assert ranks == [(2, "TGUA1"), (3, "TGUA9")]


def test_flags_and_days_come_back_as_they_were_told(feed):
    """Yes, no and unknown are three things, in the store as in the message."""
    feed.take(adt("A1", gt1(f22="Y", f25="N"), in1(f12="20260101", f13='""')))
    account = account_of(feed)
    (guarantor,) = read_guarantors(feed.store, account.id)
    assert (guarantor.billing_hold, guarantor.deceased, guarantor.birth_on) == (True, False, dt.date(1971, 4, 18))
    (coverage,) = read_coverages(feed.store, account.id)
    assert (coverage.effective_on, coverage.expires_on) == (dt.date(2026, 1, 1), None)
    assert person_of(feed).deceased is None


def test_a_null_in_an_entry_is_no_value(feed):
    """Two quotes for an amount are a missing amount; for a posting date, a batch or a quantity, nothing."""
    assert refusal(feed.send(dft("D1", ft1('""')))) == ("AE", "101", "FT1^1^11")
    entry = ft1("", "PY", '""', f3='""', f5='""', f7='""', f10='""', f12="5.00")
    assert code(feed.send(dft("D2", entry))) == "AA"
    (row,) = read_entries(feed.store, account_of(feed).id)
    assert row.entry[:8] == ("PY", Decimal("5.00"), "unknown", dt.date(2026, 1, 5), None, None, None, "")
