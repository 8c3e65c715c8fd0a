"""A placement, what its agency was told, and what is so now -> what the agency must be told, and the new status.

Nothing here asks which event came: only what is so and was not told. So a message that comes twice, late, or before
another changes nothing that it should not. Source: collections.md 3.3, EHR event to action.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from hl7bridge.money import ZERO, money_text
from hl7bridge.placement.ledger_news import News, tell_money
from hl7bridge.placement.records import NoticeKind
from hl7bridge.placement.state import Status
from hl7bridge.placement.told import PERSON, Told
from hl7bridge.rules.holds import Hold

NEW_CHARGES: Final = "new_charges"
CREDIT: Final = "credit_balance"
REFUND: Final = "refund_check"
COVERAGE: Final = "coverage_found"
NOTHING_OWED: Final = "nothing_owed"
REOPENED: Final = "payment_reversed"
SUSPEND: Final = "suspend"
RECALL: Final = "recall"
# Whether anything is owed is seen from the balance, and an earlier placement keeps out a new one only.
_NOT_STOPPING: Final = frozenset({"zero_or_credit_balance", "placed_before"})
_NOT_SENT: Final = frozenset({Status.REVIEW, Status.QUEUED})
_COLLECTING: Final = frozenset({Status.SENT, Status.ACKNOWLEDGED, Status.ACTIVE})
_LIVE: Final = _COLLECTING | {Status.SUSPENDED, Status.RECALL_PENDING}


class Known(NamedTuple):
    """What is so now of a placed account, in the words that its agency is told it in.

    ``news`` are the ledger's entries after ``Told.entry``. ``holds`` are those in force today. ``failed`` is why a
    placement that was not sent may not be any more. ``coverages`` are those that can pay for it. ``collected`` is what
    this agency was paid, dollars. ``other_open``: the account has another open placement. ``is_merged``: the account
    was merged into another that is placed too; holds and balance are the other's.
    """

    row: int
    account: str
    balance: Decimal
    last_entry: int
    today: dt.date
    news: tuple[News, ...] = ()
    holds: tuple[Hold, ...] = ()
    failed: str = ""
    people: Mapping[str, str] = {}
    coverages: tuple[str, ...] = ()
    collected: Decimal = ZERO
    is_charity: bool = False
    is_acknowledged: bool = False
    sends_increases: bool = False
    other_open: bool = False
    is_merged: bool = False
    cause: str = ""


class Saying(NamedTuple):
    """A notice to queue, of one entry (``news``) or of an ``amount``.

    ``balance`` is what the agency may collect once it has taken it.
    """

    kind: NoticeKind
    reason: str
    balance: Decimal
    cause: str
    news: News | None = None
    former: str = ""
    changes: tuple[tuple[str, str], ...] = ()
    amount: Decimal | None = None


class Question(NamedTuple):
    """What only a person can settle: an exception's kind and reason."""

    kind: str
    reason: str


class Reaction(NamedTuple):
    """What follows: what the agency then knows, the new status (None: it stays), notices, questions, answered ones."""

    told: Told
    target: Status | None = None
    reason: str = ""
    sayings: tuple[Saying, ...] = ()
    questions: tuple[Question, ...] = ()
    settled: tuple[str, ...] = ()


def react(status: Status, told: Told, known: Known) -> Reaction:
    """Return what must be done about a placement so that its agency acts on what is so now."""
    if status in _NOT_SENT:
        target = Status.CANCELLED if known.failed else None
        return Reaction(told, target, f"withdrawn: {known.failed}" if known.failed else "")
    if status in _LIVE:
        return _ask(_react_live(status, told, known), known)
    if status is Status.PAID_IN_FULL:
        return _ask(_reopen(told, known), known)
    return _ask(Reaction(told), known, is_ended=True)


def _react_live(status: Status, told: Told, known: Known) -> Reaction:
    is_leaving = status is Status.RECALL_PENDING
    reaction = _tell_changes(told, known, is_leaving=is_leaving)
    if is_leaving:
        return reaction
    told = reaction.told
    if min(told.balance, known.balance) <= ZERO:
        said = Saying(NoticeKind.CLOSE, NOTHING_OWED, ZERO, known.cause)
        return reaction._replace(
            told=told._replace(stop=""),
            target=Status.PAID_IN_FULL,
            reason="nothing is owed any more",
            sayings=(*reaction.sayings, said),
        )
    return _stop_or_resume(status, reaction, known)


def _tell_changes(told: Told, known: Known, *, is_leaving: bool) -> Reaction:
    """Return the news of number, money and people, in this order; of a merged account none are told."""
    if known.is_merged:
        return Reaction(told)
    said: list[Saying] = []
    if told.account != known.account:
        said.append(Saying(NoticeKind.REFERENCE, "", told.balance, known.cause, former=told.account))
        told = told._replace(account=known.account)
    money = tell_money(
        told, known.news, row=known.row, balance=known.balance, last_entry=known.last_entry,
        sends_increases=known.sends_increases and not is_leaving,
    )  # fmt: skip
    said += [Saying(each.kind, "", each.balance, each.news.cause or known.cause, each.news) for each in money.notices]
    told = money.told
    changes = tuple((name, known.people.get(name, "")) for name in told.people)
    changes = tuple((name, value) for name, value in changes if value != told.people[name])
    if changes and not is_leaving:
        said.append(Saying(NoticeKind.DEMOGRAPHIC, "", told.balance, known.cause, changes=changes))
        told = told._replace(people={**told.people, **dict(changes)})
    return Reaction(told, sayings=tuple(said))


def _stop_or_resume(status: Status, reaction: Reaction, known: Known) -> Reaction:
    told = reaction.told
    kind, name, why = _wanted(told, known)
    if kind == RECALL or (kind == SUSPEND and status in _COLLECTING):
        is_recall = kind == RECALL
        said = Saying(NoticeKind.RECALL if is_recall else NoticeKind.SUSPEND, name, told.balance, why)
        return reaction._replace(
            told=told._replace(stop=name),
            target=Status.RECALL_PENDING if is_recall else Status.SUSPENDED,
            reason=f"{name}: {why}",
            sayings=(*reaction.sayings, said),
        )
    if status is not Status.SUSPENDED or told.stop in {"", PERSON}:
        return reaction
    if kind == SUSPEND:
        return reaction._replace(told=told._replace(stop=name))  # it stays stopped, for another reason
    said = Saying(NoticeKind.RESUME, told.stop, told.balance, f"{told.stop} has ended")
    return reaction._replace(
        told=told._replace(stop=""),
        target=Status.ACTIVE if known.is_acknowledged else Status.SENT,
        reason=f"{told.stop} has ended",
        sayings=(*reaction.sayings, said),
    )


def _wanted(told: Told, known: Known) -> tuple[str, str, str]:
    """Return whether to suspend or recall ("" for neither), the name of what wants it, and why; a recall first."""
    stops = stopping_holds(known.holds)
    for action in (RECALL, SUSPEND):
        for hold in stops:
            if hold.action == action:
                return action, hold.name, hold.source
    if set(known.coverages) - set(told.coverages):
        return SUSPEND, COVERAGE, "a coverage was added (IN1)"
    return "", "", ""


def stopping_holds(holds: tuple[Hold, ...]) -> tuple[Hold, ...]:
    """Return the holds of those in force that stop an agency which has the account."""
    return tuple(hold for hold in holds if hold.action in {SUSPEND, RECALL} and hold.name not in _NOT_STOPPING)


def _reopen(told: Told, known: Known) -> Reaction:
    """Return the placement's reopening when money was taken back after it was paid; otherwise nothing is told yet."""
    is_taken_back = any(each.is_taken_back for each in known.news)
    if not is_taken_back or known.is_merged or known.other_open or _wanted(told, known)[0]:
        return Reaction(told)
    found = _tell_changes(told, known, is_leaving=True)
    if found.told.balance <= ZERO or known.balance <= ZERO:
        return Reaction(told)
    resumed = Saying(NoticeKind.RESUME, REOPENED, told.balance, known.cause)
    return found._replace(
        target=Status.ACTIVE, reason="money was taken back after it was paid in full",
        sayings=(resumed, *found.sayings),
    )  # fmt: skip


def _ask(reaction: Reaction, known: Known, *, is_ended: bool = False) -> Reaction:
    """Return the reaction with what a person is asked, each once for as long as it is so."""
    told, questions, settled = reaction.told, list(reaction.questions), list(reaction.settled)
    asks = {
        NEW_CHARGES: (
            told.withheld > ZERO and not is_ended,
            f"the balance grew by {money_text(told.withheld)} dollars or more that the agency was not told of",
        ),
        CREDIT: (
            known.balance < ZERO and not (is_ended or known.is_merged),
            f"{money_text(-known.balance)} dollars were paid beyond what was owed: a refund may be due",
        ),
        REFUND: (
            known.is_charity and known.collected > ZERO,
            (
                f"charity care was granted, and the agency had collected {money_text(known.collected)} dollars:"
                " a refund may be due"
            ),
        ),
    }
    for kind, (is_so, reason) in asks.items():
        if is_so and kind not in told.asked:
            told = told.ask(kind)
            questions.append(Question(kind, reason))
        elif not is_so and kind in told.asked:
            told = told.unask(kind)
            settled.append(kind)
    return reaction._replace(told=told, questions=tuple(questions), settled=tuple(settled))
