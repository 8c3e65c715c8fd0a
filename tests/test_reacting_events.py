"""What the EHR tells of a placed account -> what the agency is told: a test for each row of the action table.

Source: collections.md 3.3. Each goes through the pipeline as a message does, and is true once the message is answered.
"""

from __future__ import annotations

import pytest
from feed_samples import ft1, in1, message, pid, pv1
from identity_samples import mrg, told
from placement_samples import new_store
from reaction_samples import Placed, paid, posted, registered, updated

from hl7bridge.placement.state import Status
from hl7bridge.reacting import AgencyTerms


@pytest.fixture
def store(tmp_path):
    opened = new_store(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def feed(store, tmp_path):
    placed = Placed(store, tmp_path)
    placed.place()
    return placed


def test_an_insurers_payment_lowers_what_the_agency_may_collect(feed):
    """The notice names the payer; the placement goes on."""
    feed.take(posted(paid("60.00", insurer=True), at="20261120130000"))
    assert feed.notices() == [("payment", "", "60.00", "40.00")]
    assert feed.status() is Status.ACTIVE
    content = feed.store.row("SELECT content FROM notices")[0]
    assert '"payer":"insurance","entry":2' in content
    assert '"paid_on":"2026-11-19"' in content


def test_a_patients_payment_is_told_as_a_payment(feed):
    """It may earn the agency its fee."""
    feed.take(posted(ft1("25.00", kind="CO", number="TCO1", f7="COPAY"), at="20261120130000"))
    assert feed.notices() == [("payment", "", "25.00", "75.00")]


@pytest.mark.parametrize("amount", ["100.00", "130.00"])
def test_when_nothing_is_owed_any_more_the_agency_is_told_to_close(feed, amount):
    """A credit is for a person: a refund may be due."""
    feed.take(posted(paid(amount), at="20261120130000"))
    assert feed.status() is Status.PAID_IN_FULL
    assert feed.kinds() == ["payment", "close"]
    assert feed.notices()[-1][1:] == ("nothing_owed", "", "0.00")
    assert feed.exceptions() == (["credit_balance"] if amount == "130.00" else [])


def test_a_payment_taken_back_raises_the_balance_and_reopens_what_was_paid(feed):
    """A bounced cheque."""
    feed.take(posted(paid("40.00"), at="20261120130000"), posted(paid("-40.00", "TPY2"), at="20261120131000"))
    assert feed.notices() == [("payment", "", "40.00", "60.00"), ("payment", "", "-40.00", "100.00")]
    feed.take(posted(paid("100.00", "TPY3"), at="20261120132000"))
    assert feed.status() is Status.PAID_IN_FULL
    feed.take(posted(paid("-100.00", "TPY4"), at="20261120133000"))
    assert feed.status() is Status.ACTIVE
    assert feed.notices()[-2:] == [("resume", "payment_reversed", "", "0.00"), ("payment", "", "-100.00", "100.00")]


def test_a_paid_account_with_a_hold_is_not_reopened_until_the_hold_ends(feed):
    """Nothing is collected under a hold, whatever is owed."""
    feed.take(posted(paid("100.00"), at="20261120130000"))
    feed.signal("dispute", "open")
    feed.take(posted(paid("-100.00", "TPY2"), at="20261120131000"))
    assert feed.status() is Status.PAID_IN_FULL
    feed.signal("dispute", "resolved")
    assert feed.status() is Status.ACTIVE
    assert feed.kinds() == ["payment", "close", "resume", "payment"]


def test_an_adjustment_is_told_and_one_taken_back_waits_for_a_person(feed):
    """What raises the balance other than a payment taken back is not told in silence."""
    feed.take(posted(ft1("30.00", kind="AJ", number="TAJ1"), at="20261120130000"))
    assert feed.notices() == [("adjustment", "", "30.00", "70.00")]
    feed.take(posted(ft1("-10.00", kind="AJ", number="TAJ2"), at="20261120131000"))
    assert len(feed.notices()) == 1
    assert feed.exceptions() == ["new_charges"]
    assert (str(feed.told().balance), str(feed.told().withheld)) == ("70.00", "10.00")


def test_a_coverage_that_is_found_suspends_until_a_person_resumes(feed):
    """An insurer may pay for it."""
    feed.take(updated("A08", "20261120120000", in1()))
    assert feed.status() is Status.SUSPENDED
    assert feed.notices() == [("suspend", "coverage_found", "", "100.00")]
    feed.take(updated("A08", "20261120121000", in1()))
    assert len(feed.notices()) == 1


def test_medicaid_recalls_the_account(feed):
    """Its member may not be billed."""
    feed.take(updated("A08", "20261120120000", in1(f15="MEDICAID")))
    assert feed.status() is Status.RECALL_PENDING
    assert feed.notices() == [("recall", "medicaid_coverage", "", "100.00")]


def test_a_coverage_that_ended_before_the_service_changes_nothing(feed):
    """It cannot pay."""
    feed.take(updated("A08", "20261120120000", in1(f12="20200101", f13="20210101")))
    assert (feed.status(), feed.notices()) == (Status.ACTIVE, [])


def test_an_application_for_assistance_suspends_and_its_refusal_resumes(feed):
    """Collection waits while it is looked at."""
    feed.signal("fap_pending", "yes")
    assert (feed.status(), feed.kinds()) == (Status.SUSPENDED, ["suspend"])
    feed.signal("fap_pending", "no")
    assert feed.status() is Status.ACTIVE
    assert feed.notices()[-1] == ("resume", "fap_pending", "", "100.00")


def test_charity_recalls_and_asks_about_what_the_agency_collected(feed):
    """The agency's own payment is known to it, and may have to be refunded."""
    feed.collect("20.00")
    assert feed.notices() == []
    assert str(feed.told().balance) == "80.00"
    feed.signal("charity", "approved")
    assert feed.status() is Status.RECALL_PENDING
    assert feed.notices() == [("recall", "charity", "", "80.00")]
    assert feed.exceptions() == ["refund_check"]
    feed.take(posted(ft1("80.00", kind="AJ", number="TCH1", f7="CHARITY"), at="20261120130000"))
    assert feed.status() is Status.RECALL_PENDING


def test_partial_charity_is_an_adjustment_and_the_rest_is_collected(feed):
    """The signal alone stops nothing."""
    feed.signal("charity", "partial")
    feed.take(posted(ft1("60.00", kind="AJ", number="TCH1"), at="20261120130000"))
    assert (feed.status(), feed.notices()) == (Status.ACTIVE, [("adjustment", "", "60.00", "40.00")])


@pytest.mark.parametrize(
    ("name", "value"), [("bankruptcy", "filed"), ("deceased", "yes"), ("attorney", "yes"), ("cease", "yes")]
)
def test_what_stops_for_good_or_for_now_stops_at_once(feed, name, value):
    """The notice's reason is the hold's name; whether it suspends or recalls is in the rules."""
    feed.signal(name, value)
    assert feed.status() in {Status.SUSPENDED, Status.RECALL_PENDING}
    [notice] = feed.notices()
    assert notice[:2] == ("suspend" if feed.status() is Status.SUSPENDED else "recall", name)


def test_a_death_that_a_message_tells_recalls(feed):
    """PID-30, in an update of the person."""
    feed.take(message("ADT^A31", "DEATH", "EVN|A31", pid(f30="Y"), m7="20261120130000"))
    assert feed.status() is Status.RECALL_PENDING
    assert feed.notices() == [("recall", "deceased", "", "100.00")]


def test_a_payment_plan_stops_and_a_broken_one_resumes(feed):
    """A contract with the guarantor (PV1-24), or the signal."""
    feed.signal("plan_status", "active")
    assert feed.status() in {Status.SUSPENDED, Status.RECALL_PENDING}
    assert feed.notices()[0][1] == "payment_plan"
    if feed.status() is Status.SUSPENDED:
        feed.signal("plan_status", "failed")
        assert feed.status() is Status.ACTIVE


def test_new_charges_are_not_added_in_silence(feed):
    """A person says whether they are told."""
    feed.take(posted(ft1("55.00", number="TNEW1"), at="20261120130000"))
    assert feed.notices() == []
    assert feed.exceptions() == ["new_charges"]
    assert (str(feed.told().balance), str(feed.told().withheld)) == ("100.00", "55.00")
    feed.take(posted(ft1("-55.00", number="TNEW2"), at="20261120131000"))
    assert (feed.notices(), feed.exceptions()) == ([], [])


def test_an_agency_whose_settings_say_so_is_told_of_charges_at_once(store, tmp_path):
    """The setting ``increases`` is ``send``."""
    feed = Placed(store, tmp_path, AgencyTerms(sends_increases=True))
    feed.place()
    feed.take(
        posted(ft1("55.00", number="TNEW1"), ft1("-5.00", kind="AJ", number="TAJ1"), at="20261120130000"),
    )
    assert feed.notices() == [("charge", "", "55.00", "155.00"), ("adjustment", "", "-5.00", "160.00")]
    assert feed.exceptions() == []


def test_a_merge_tells_the_agency_the_new_number_and_what_came_with_it(feed):
    """The placement goes to the account that is left; its balance is one sum."""
    feed.take(registered("TACC2", "20261120083000"), posted(ft1("40.00", number="TTX9"), account="TACC2"))
    feed.take(told("A35", pid("TACC2", "TMRN1"), mrg("TMRN1", "TACC1"), at="20261120140000"))
    assert feed.kinds() == ["reference"]
    content = feed.store.row("SELECT content FROM notices")[0]
    assert '"client_account":"TACC2"' in content
    assert '"former_client_account":"TACC1"' in content
    assert feed.exceptions() == ["new_charges"]
    assert (str(feed.told().balance), str(feed.told().withheld)) == ("100.00", "40.00")


def test_entries_that_come_by_a_merge_count_as_one_sum(feed):
    """A charge and its payment that were on the other account are not two pieces of news."""
    other = posted(ft1("40.00", number="TTX9"), paid("70.00", "TPY9"), account="TACC2", at="20261120084000")
    feed.take(registered("TACC2", "20261120083000"), other)
    feed.take(told("A35", pid("TACC1", "TMRN1"), mrg("TMRN1", "TACC2"), at="20261120140000"))
    assert feed.notices() == [("adjustment", "", "30.00", "70.00")]


def test_two_placed_accounts_that_merge_stay_with_their_agencies_until_a_person_has_looked(feed):
    """And a hold of the one that is left stops both."""
    second = feed.place("TACC2")
    feed.take(told("A35", pid("TACC1", "TMRN1"), mrg("TMRN1", "TACC2"), at="20261120140000"))
    assert "both_placed" in feed.exceptions()
    assert (feed.status(1), feed.status(second)) == (Status.ACTIVE, Status.ACTIVE)
    feed.signal("bankruptcy", "filed")
    assert feed.kinds(1) == feed.kinds(second) == ["recall"]


def test_a_new_number_is_told(feed):
    """A49."""
    feed.take(told("A49", pid("TACC7", "TMRN1"), mrg("TMRN1", "TACC1"), at="20261120140000"))
    assert feed.kinds() == ["reference"]
    assert feed.exceptions() == []


def test_the_guarantors_new_address_is_told_field_by_field(feed):
    """Only what changed, and only fields that the agency got."""
    feed.take(updated("A08", "20261120120000", f5="9 OTHER WAY^^TESTVILLE^IL^60000", f8="19700101"))
    assert feed.kinds() == ["demographic"]
    content = feed.store.row("SELECT content FROM notices")[0]
    assert '"changes":{"guarantor_street":"9 OTHER WAY"}' in content
    feed.take(updated("A08", "20261120121000", f5="9 OTHER WAY^^TESTVILLE^IL^60000"))
    assert feed.kinds() == ["demographic"]


@pytest.mark.parametrize("event", ["A11", "A23"])
def test_a_cancelled_account_is_recalled(feed, event):
    """It was placed in error."""
    feed.take(message(f"ADT^{event}", "X1", f"EVN|{event}", pid(), pv1(), m7="20261120130000"))
    assert feed.status() is Status.RECALL_PENDING
    assert feed.kinds() == ["recall"]


def test_a_replayed_or_late_message_tells_the_agency_nothing(feed):
    """What it says is known, or is older than what is known."""
    payment = posted(paid("60.00"), at="20261120130000")
    feed.take(payment, payment, updated("A08", "20261120120000", f5="9 OTHER WAY^^TESTVILLE^IL^60000"))
    before = feed.notices()
    feed.take(updated("A08", "20261120110000"), posted(paid("60.00"), at="20261120135000"))
    assert feed.notices() == before
    assert feed.kinds() == ["payment", "demographic"]
