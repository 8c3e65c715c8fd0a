"""A payment that waits is addressed anew: whose it is changes, and nothing of what names or tells the payment."""

from __future__ import annotations

import pytest
from payment_samples import NOW, TODAY, make_payment

from hl7bridge.payments.message import VERSIONS, Addressed, DestinationForm, Identifiers, build_payment_message
from hl7bridge.payments.readdress import readdress_message

OLD = Addressed("TMRN2^^^HOSP^MR", "TESTPATIENT^AURELIA", "TACC2^^^HOSP^AN", "TVIS2", "", "O", "TACC2")
NEW = OLD._replace(
    pid_3="TMRN1^^^HOSP^MR", pid_18="TACC1^^^HOSP^AN", pv1_19="TVIS1", pv1_50="TALT1", account_number="TACC1"
)
IDENTIFIERS = Identifiers("HBA1B2000000000071", "A1B20000001Z", "B260115001")


def build(addressed, **form):
    """Return the message of one payment."""
    made = DestinationForm("ehr", **form)
    return build_payment_message(made, make_payment(), addressed, IDENTIFIERS, posted_on=TODAY, at=NOW)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("pid_2", ["", "account"])
def test_it_is_the_message_that_would_be_built_now(version, pid_2):
    """In every version and with the account in PID-2 or not; to and back again."""
    form = {"version": version} | ({"pid_2": pid_2} if pid_2 else {})
    assert readdress_message(build(OLD, **form), NEW) == build(NEW, **form)
    assert readdress_message(build(NEW, **form), OLD) == build(OLD, **form)
    assert readdress_message(build(OLD, **form), OLD) == build(OLD, **form)


@pytest.mark.parametrize("changes", [{"pid_18": ""}, {"pv1_19": "", "pv1_50": ""}])
def test_ids_that_are_no_more_leave_empty_fields(changes):
    """As when a visit moved to another account."""
    fewer = NEW._replace(**changes)
    assert readdress_message(build(OLD), fewer) == build(fewer)


def test_what_would_break_the_framing_and_what_is_not_ascii_go_as_in_a_new_message():
    """A carriage return in an id is escaped; MSH-18 tells the character set."""
    odd = NEW._replace(pid_18="TÄCC1\r^^^HOSP")
    assert readdress_message(build(OLD), odd) == build(odd)
