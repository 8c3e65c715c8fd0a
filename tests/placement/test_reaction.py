"""What an agency knows and what is so now -> what it must be told: pure, so every status and every order is tried."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.placement.ledger_news import News
from hl7bridge.placement.reaction import Known, react, stopping_holds
from hl7bridge.placement.state import By, Status, find_transition
from hl7bridge.placement.told import PERSON, Told, decode_told, encode_told
from hl7bridge.rules.holds import Action, Hold

TODAY = dt.date(2026, 3, 2)
HUNDRED, ZERO = Decimal("100.00"), Decimal("0.00")
TOLD = Told(1, "A1001", 5, HUNDRED, people={"guarantor_city": "SAMPLETON"}, coverages=("P1|C1|HMO",))
KNOWN = Known(
    1, "A1001", HUNDRED, 5, TODAY, people={"guarantor_city": "SAMPLETON"}, coverages=("P1|C1|HMO",),
    is_acknowledged=True, cause="message 9",
)  # fmt: skip
LIVE = (Status.SENT, Status.ACKNOWLEDGED, Status.ACTIVE, Status.SUSPENDED, Status.RECALL_PENDING)
ENDED = (Status.RETURNED, Status.RECALLED, Status.SETTLED, Status.REJECTED, Status.CANCELLED)
COLLECTING = LIVE[:3]


def hold(name: str = "dispute", action: Action = Action.SUSPEND) -> Hold:
    return Hold(name, f"signal {name}", "a test", action)


def kinds(reaction) -> list[str]:
    return [said.kind.value for said in reaction.sayings]


def paid(amount: str, entry: int = 6, kind: str = "PY", **more) -> News:
    return News(entry, kind, Decimal(amount), cause=f"message {entry}", **more)


def after(*news: News, balance: str, **more) -> Known:
    return KNOWN._replace(news=news, balance=Decimal(balance), last_entry=news[-1].entry, **more)


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.ELIGIBLE}))
def test_where_nothing_has_changed_nothing_is_told(status):
    """In every status."""
    stop = "dispute" if status is Status.SUSPENDED else ""
    holds = (hold(),) if status is Status.SUSPENDED else ()
    told = TOLD._replace(stop=stop)
    reaction = react(status, told, KNOWN._replace(holds=holds))
    assert (reaction.told, reaction.target, reaction.sayings, reaction.questions) == (told, None, (), ())


@pytest.mark.parametrize("status", [Status.REVIEW, Status.QUEUED])
def test_what_was_not_sent_is_withdrawn_and_nobody_is_told(status):
    """The agency never heard of it."""
    reaction = react(status, TOLD, KNOWN._replace(failed="holds: found dispute", balance=ZERO))
    assert (reaction.target, kinds(reaction)) == (Status.CANCELLED, [])
    assert reaction.reason == "withdrawn: holds: found dispute"


@pytest.mark.parametrize("status", COLLECTING)
@pytest.mark.parametrize(
    ("action", "target", "kind"),
    [(Action.SUSPEND, Status.SUSPENDED, "suspend"), (Action.RECALL, Status.RECALL_PENDING, "recall")],
)
def test_a_hold_stops_what_is_collected(status, action, target, kind):
    """The reason is the hold's name, and what ends is that hold."""
    reaction = react(status, TOLD, KNOWN._replace(holds=(hold(action=action),)))
    assert (reaction.target, kinds(reaction), reaction.told.stop) == (target, [kind], "dispute")
    assert reaction.sayings[0].reason == "dispute"
    assert reaction.reason == "dispute: signal dispute"


def test_a_recall_comes_before_a_suspension_and_also_after_one():
    """The stronger word counts."""
    both = (hold("dispute"), hold("bankruptcy", Action.RECALL))
    assert kinds(react(Status.ACTIVE, TOLD, KNOWN._replace(holds=both))) == ["recall"]
    suspended = TOLD._replace(stop="dispute")
    assert kinds(react(Status.SUSPENDED, suspended, KNOWN._replace(holds=both))) == ["recall"]


def test_a_hold_that_does_nothing_to_live_placements_and_the_balances_own_are_no_stops():
    """Zero is seen from the balance; an earlier placement keeps out a new one only."""
    quiet = (
        hold(action=Action.NONE), hold("zero_or_credit_balance", Action.RECALL), hold("placed_before", Action.RECALL)
    )  # fmt: skip
    assert stopping_holds(quiet) == ()
    assert react(Status.ACTIVE, TOLD, KNOWN._replace(holds=quiet)).target is None


@pytest.mark.parametrize(("is_acknowledged", "target"), [(True, Status.ACTIVE), (False, Status.SENT)])
def test_a_suspension_ends_with_its_hold(is_acknowledged, target):
    """What was never acknowledged is only sent, still."""
    told = TOLD._replace(stop="dispute")
    reaction = react(Status.SUSPENDED, told, KNOWN._replace(is_acknowledged=is_acknowledged))
    assert (reaction.target, kinds(reaction), reaction.told.stop) == (target, ["resume"], "")
    assert reaction.sayings[0].reason == "dispute"


def test_another_hold_keeps_it_suspended_and_tells_nothing():
    """It is that one's end which resumes it."""
    reaction = react(Status.SUSPENDED, TOLD._replace(stop="dispute"), KNOWN._replace(holds=(hold("cease"),)))
    assert (reaction.target, kinds(reaction), reaction.told.stop) == (None, [], "cease")


@pytest.mark.parametrize("stop", [PERSON, ""])
def test_what_a_person_suspended_only_a_person_resumes(stop):
    """And so is what an earlier release left suspended."""
    reaction = react(Status.SUSPENDED, TOLD._replace(stop=stop), KNOWN)
    assert (reaction.target, kinds(reaction)) == (None, [])


def test_a_recall_goes_on_whatever_ends_and_still_tells_of_money():
    """The agency may not have stopped yet; people, charges and closing no longer matter."""
    news = (paid("60.00"), paid("20.00", 7, "CG"))
    known = after(*news, balance="60.00", people={"guarantor_city": "OTHERTON"}, sends_increases=True)
    reaction = react(Status.RECALL_PENDING, TOLD._replace(stop="dispute"), known)
    assert (reaction.target, kinds(reaction)) == (None, ["payment"])
    assert reaction.told.withheld == Decimal("20.00")
    assert react(Status.RECALL_PENDING, TOLD, after(paid("100.00"), balance="0.00")).target is None


@pytest.mark.parametrize("status", LIVE[:4])
def test_nothing_owed_closes_and_a_credit_is_asked_about_once(status):
    """From every status but a recall."""
    known = after(paid("120.00"), balance="-20.00")
    reaction = react(status, TOLD._replace(stop="dispute"), known)
    assert (reaction.target, kinds(reaction), reaction.told.stop) == (Status.PAID_IN_FULL, ["payment", "close"], "")
    assert [question.kind for question in reaction.questions] == ["credit_balance"]
    again = react(Status.PAID_IN_FULL, reaction.told, known._replace(news=()))
    assert (again.questions, again.settled) == ((), ())
    refunded = react(Status.PAID_IN_FULL, reaction.told, KNOWN._replace(balance=ZERO))
    assert refunded.settled == ("credit_balance",)


def test_what_is_owed_only_on_charges_that_were_not_told_is_closed_all_the_same():
    """The agency collects what it was told of, no more."""
    news = (paid("50.00", 6, "CG"), paid("100.00", 7))
    reaction = react(Status.ACTIVE, TOLD, after(*news, balance="50.00"))
    assert reaction.target is Status.PAID_IN_FULL
    assert [question.kind for question in reaction.questions] == ["new_charges"]


PAID = TOLD._replace(balance=ZERO, entry=6)
BOUNCED = after(paid("-100.00", 7), balance="100.00")


def test_money_taken_back_reopens():
    """The resume comes first, then why."""
    reaction = react(Status.PAID_IN_FULL, PAID, BOUNCED)
    assert (reaction.target, kinds(reaction)) == (Status.ACTIVE, ["resume", "payment"])
    assert (reaction.told.balance, reaction.told.entry) == (HUNDRED, 7)


@pytest.mark.parametrize(
    "change",
    [
        {"holds": (hold(),)},
        {"other_open": True},
        {"is_merged": True},
        {"coverages": ("P1|C1|HMO", "P2|C2|PPO")},
        {"news": (paid("100.00", 7, "CG"),)},
        {"news": (paid("-100.00", 7),), "balance": ZERO},
    ],
)
def test_it_is_not_reopened_under_a_hold_beside_another_or_for_new_charges(change):
    """And what was not told stays news, for when that ends."""
    reaction = react(Status.PAID_IN_FULL, PAID, BOUNCED._replace(**change))
    assert (reaction.target, kinds(reaction), reaction.told) == (None, [], PAID)


def test_a_new_coverage_suspends_and_a_known_one_that_goes_does_not():
    """Until a person resumes: then it is known."""
    found = KNOWN._replace(coverages=("P1|C1|HMO", "P2|C2|PPO"))
    reaction = react(Status.ACTIVE, TOLD, found)
    assert (reaction.target, reaction.told.stop) == (Status.SUSPENDED, "coverage_found")
    assert react(Status.SUSPENDED, reaction.told, KNOWN).target is Status.ACTIVE
    assert react(Status.ACTIVE, TOLD, KNOWN._replace(coverages=())).target is None


def test_the_number_comes_before_the_money_and_the_people():
    """So that all that follows names the account as the agency then knows it."""
    known = after(paid("10.00"), balance="90.00", account="A2002", people={"guarantor_city": "OTHERTON"})
    reaction = react(Status.ACTIVE, TOLD, known)
    assert kinds(reaction) == ["reference", "payment", "demographic"]
    assert (reaction.sayings[0].former, reaction.told.account) == ("A1001", "A2002")
    assert reaction.sayings[2].changes == (("guarantor_city", "OTHERTON"),)
    assert reaction.told.people == {"guarantor_city": "OTHERTON"}


def test_a_field_that_is_not_known_any_more_is_told_as_empty():
    """And a field that the agency never got is not told."""
    reaction = react(Status.ACTIVE, TOLD, KNOWN._replace(people={"guarantor_phone": "5550100"}))
    assert reaction.sayings[0].changes == (("guarantor_city", ""),)


def test_of_an_account_that_was_merged_beside_another_only_stops_are_told():
    """Its entries count in the other account: what they change there is the other agency's news."""
    merged = after(paid("60.00"), balance="140.00", is_merged=True, account="A2002", row=2)
    assert kinds(react(Status.ACTIVE, TOLD, merged)) == []
    assert kinds(react(Status.ACTIVE, TOLD, merged._replace(holds=(hold(),)))) == ["suspend"]
    assert kinds(react(Status.ACTIVE, TOLD, merged._replace(balance=Decimal("-1.00")))) == ["close"]


@pytest.mark.parametrize("status", [*LIVE, Status.PAID_IN_FULL, *ENDED])
def test_charity_after_the_agency_collected_is_asked_about_once_whatever_the_status(status):
    """Money may have to go back to the patient also when the placement has long ended."""
    known = KNOWN._replace(is_charity=True, collected=Decimal("20.00"))
    told = TOLD if status is not Status.PAID_IN_FULL else PAID
    reaction = react(status, told, known)
    assert [question.kind for question in reaction.questions] == ["refund_check"]
    assert "20.00" in reaction.questions[0].reason
    assert react(status, reaction.told, known).questions == ()


def test_what_the_agency_knows_survives_being_stored():
    """As text in the placement's row, money in cents."""
    told = TOLD._replace(withheld=Decimal("0.10"), stop="dispute").ask("credit_balance").ask("refund_check")
    assert decode_told(encode_told(told)) == told
    assert '"balance":10000,"withheld":10' in encode_told(told)
    assert told.unask("refund_check").asked == ("credit_balance",)


NEWS = st.builds(
    News,
    entry=st.just(0),
    kind=st.sampled_from(["CG", "CD", "PY", "AJ", "CO"]),
    amount=st.decimals("-200", "200", places=2),
    is_own=st.booleans(),
    is_moved=st.booleans(),
)
HOLDS = st.lists(st.builds(hold, st.sampled_from(["a", "b"]), st.sampled_from(Action)), max_size=2).map(tuple)


@given(st.data(), st.lists(st.tuples(st.lists(NEWS, max_size=3), HOLDS, st.booleans()), max_size=8))
def test_whatever_comes_the_agency_is_never_told_to_collect_what_it_should_not(data, steps):
    """After each step, whatever it is.

    What was told and what was kept back make up the balance; under a stop, or with nothing owed, the agency does not
    collect; every change of status is one of the table's; and what was told is not told again.
    """
    status, told, balance, entry = Status.ACTIVE, TOLD, HUNDRED, 5
    sends = data.draw(st.booleans())
    unread: list[News] = []
    for news, holds, is_acknowledged in steps:
        for each in news:
            entry += 1
            balance += each.effect
            unread.append(each._replace(entry=entry))
        known = KNOWN._replace(
            news=tuple(each for each in unread if each.entry > told.entry), balance=balance, last_entry=entry,
            holds=holds, is_acknowledged=is_acknowledged, sends_increases=sends,
        )  # fmt: skip
        reaction = react(status, told, known)
        if reaction.target is not None:
            find_transition(status, reaction.target, By.BRIDGE)
            status = reaction.target
        told = reaction.told
        if told.entry == entry:
            assert told.balance + told.withheld + told.left == balance
        assert told.withheld >= ZERO
        if status in COLLECTING:
            assert told.balance > ZERO
            assert not stopping_holds(holds)
        assert react(status, told, known._replace(news=())).sayings == ()
