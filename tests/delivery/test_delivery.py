"""What may become of a delivery: one table, checked cell by cell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.delivery.delivery import PAYMENT_STATUS, TRANSITIONS, DeliveryEvent, DeliveryStatus, next_status
from hl7bridge.errors import RefusedError

ALLOWED = [(status, event) for status in DeliveryStatus for event in DeliveryEvent if (status, event) in TRANSITIONS]
REFUSED = [
    (status, event) for status in DeliveryStatus for event in DeliveryEvent if (status, event) not in TRANSITIONS
]
BY_A_PERSON = {
    DeliveryEvent.RETRY,
    DeliveryEvent.CANCEL,
    DeliveryEvent.RESOLVE_ACCEPTED,
    DeliveryEvent.RESOLVE_NOT_RECEIVED,
}
BY_THE_EHR = {DeliveryEvent.COMMITTED, DeliveryEvent.LATE_ACCEPTED, DeliveryEvent.LATE_REFUSED}


@pytest.mark.parametrize(("status", "event"), ALLOWED)
def test_what_can_be_is_done(status, event):
    """The table says what it becomes."""
    assert next_status(status, event) is TRANSITIONS[status, event]


@pytest.mark.parametrize(("status", "event"), REFUSED)
def test_what_cannot_be_is_refused_and_the_way_out_is_named(status, event):
    """The line says what it is now."""
    with pytest.raises(RefusedError, match=status.value):
        next_status(status, event)


def test_nothing_happens_to_what_is_accepted_or_cancelled():
    """Both are final."""
    assert not [status for status, _ in TRANSITIONS if status in (DeliveryStatus.ACCEPTED, DeliveryStatus.CANCELLED)]


@pytest.mark.parametrize("stuck", [DeliveryStatus.HELD, DeliveryStatus.UNKNOWN])
def test_only_a_person_or_the_ehrs_own_word_moves_what_is_held_or_unknown(stuck):
    """The daemon never sends it again by itself."""
    moved = {event: status for (each, event), status in TRANSITIONS.items() if each is stuck}
    assert set(moved) <= BY_A_PERSON | BY_THE_EHR
    assert DeliveryStatus.QUEUED not in {status for event, status in moved.items() if event in BY_THE_EHR}


@pytest.mark.parametrize("status", [each for each in DeliveryStatus if each is not DeliveryStatus.CANCELLED])
def test_an_ehr_that_says_it_has_it_is_believed_whatever_was_thought_before(status):
    """A late reply, an application reply or an echo: posted, and never sent again."""
    if status is DeliveryStatus.ACCEPTED:
        assert (status, DeliveryEvent.LATE_ACCEPTED) not in TRANSITIONS
    else:
        assert TRANSITIONS[status, DeliveryEvent.LATE_ACCEPTED] is DeliveryStatus.ACCEPTED


@given(st.lists(st.sampled_from(sorted(set(DeliveryEvent) - BY_A_PERSON - {DeliveryEvent.RESENT}))))
def test_without_a_person_nothing_that_may_have_arrived_is_sent_twice(events):
    """Whatever happens, after a lost reply no attempt starts, unless the policy is to resend."""
    status, is_lost = DeliveryStatus.QUEUED, False
    for event in events:
        try:
            status = next_status(status, event)
        except RefusedError:
            continue
        assert not (is_lost and event is DeliveryEvent.STARTED)
        is_lost |= event is DeliveryEvent.LOST


def test_every_delivery_status_has_a_payment_status():
    """And posted means accepted, nothing else."""
    assert set(PAYMENT_STATUS) == set(DeliveryStatus)
    assert [status for status, payment in PAYMENT_STATUS.items() if payment == "posted"] == [DeliveryStatus.ACCEPTED]
