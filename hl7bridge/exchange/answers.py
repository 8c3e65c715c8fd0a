"""The records of a file from an agency -> what each changes here; what fits nothing that is known goes to a person.

Source: collections.md 1.8, agency to hospital; 3.1, the timers and objections; 3.4, what an agency's event does.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from hl7bridge.errors import RefusedError
from hl7bridge.money import ZERO, money_text
from hl7bridge.placement.inventory import ACKNOWLEDGED_BALANCE, BALANCE, Finding
from hl7bridge.placement.records import (
    Acknowledgement,
    AgencyStatus,
    Answer,
    InventoryLine,
    NoticeKind,
    Objection,
    Return,
    StatusReport,
)
from hl7bridge.placement.state import By, Status
from hl7bridge.rules.signals import Signal
from hl7bridge.storage.answering import (
    Answered,
    find_answered,
    find_notice,
    has_open_exception,
    make_due,
    note_acknowledged,
    note_agency_account,
    sent_of_kind,
    sent_to,
    set_recall_by,
)
from hl7bridge.storage.database import Store
from hl7bridge.storage.exceptions import open_exception
from hl7bridge.storage.notices import acknowledge_notice
from hl7bridge.storage.placements import move_placement
from hl7bridge.storage.received_files import Outcome, OutcomeKind, ReceivedFile, add_outcomes
from hl7bridge.storage.reconciling import note_discrepancy, reconcile_inventory
from hl7bridge.storage.signals import add_signal
from hl7bridge.times import utc_text

Told = Acknowledgement | StatusReport | Return | Objection
INVENTORY: Final = "inventory"
UNFIT: Final = "agency_answer"
REJECTED: Final = "placement_rejected"
NOTICE_REFUSED: Final = "notice_refused"
SETTLEMENT: Final = "settlement"
OBJECTED: Final = "recall_objection"
# The agency's word is a signal like any other's: whatever hold it means follows from it.
SIGNALS: Final = {
    AgencyStatus.DISPUTE: ("dispute", "open"),
    AgencyStatus.CEASE: ("cease", "yes"),
    AgencyStatus.ATTORNEY: ("attorney", "yes"),
    AgencyStatus.BANKRUPTCY: ("bankruptcy", "filed"),
    AgencyStatus.DECEASED: ("deceased", "yes"),
    AgencyStatus.INSURANCE_FOUND: ("insurance_pending", "yes"),
}
_ENDINGS: Final = {"returned": Status.RETURNED, "paid_in_full": Status.PAID_IN_FULL, "recalled": Status.RECALLED}


class Answering(NamedTuple):
    """What applying needs to know: each facility's day, the time, and by how much an objection puts off a recall."""

    today_of: Callable[[str], dt.date]
    now: dt.datetime
    objection_extends: dt.timedelta


def apply_answers(store: Store, file: ReceivedFile, records: Sequence[Answer], answering: Answering) -> None:
    """Apply every record of a file and keep what it did, inside the caller's transaction.

    A record that the state of things does not allow changes nothing, and waits for a person.
    """
    lines = [record for record in records if isinstance(record, InventoryLine)]
    work = _Answers(store, file, answering)
    outcomes: list[tuple[Answer, Outcome]]
    if file.kind == INVENTORY:
        sent = sent_to(store, file.agency)
        outcomes = [(line, _compared(line, sent)) for line in lines]
        reconcile_inventory(store, file.agency, lines, file_id=file.id, at=work.at)
    else:
        outcomes = [(record, work.apply(record)) for record in records if not isinstance(record, InventoryLine)]
    add_outcomes(store, file.id, file.kind, outcomes)


def _compared(line: InventoryLine, sent: set[int]) -> Outcome:
    """Return the outcome of a line of an inventory; all of them are compared together."""
    placement_id = line.placement_id if line.placement_id in sent else None
    return Outcome(placement_id, OutcomeKind.APPLIED, "compared: see 'hl7bridge reconcile'")


class _Answers:
    """One file that is applied."""

    def __init__(self, store: Store, file: ReceivedFile, answering: Answering) -> None:
        self.at = utc_text(answering.now)
        self._store = store
        self._file = file
        self._answering = answering
        self._actor = f"agency {file.agency}"

    def apply(self, record: Told) -> Outcome:
        """Apply one record."""
        if isinstance(record, Acknowledgement) and record.notice_id is not None:
            found = find_notice(self._store, self._file.agency, record.notice_id)
        else:
            found = find_answered(self._store, self._file.agency, record.placement_id, record.client_account)
        if isinstance(found, str):
            self._ask(UNFIT, record, None, found)
            return Outcome(None, OutcomeKind.EXCEPTION, found)
        try:
            with self._store.savepoint():
                kind, reason = self._apply_to(record, found)
        except RefusedError as error:
            self._ask(UNFIT, record, found, str(error))
            kind, reason = OutcomeKind.EXCEPTION, str(error)
        return Outcome(found.id, kind, reason)

    def _apply_to(self, record: Told, found: Answered) -> tuple[OutcomeKind, str]:
        if isinstance(record, Acknowledgement):
            return self._acknowledge(record, found)
        if isinstance(record, StatusReport):
            return self._note_status(record, found)
        if isinstance(record, Return):
            return self._return(record, found)
        return self._object(record, found)

    # ---- acknowledgements -------------------------------------------------------------------------------------------

    def _acknowledge(self, record: Acknowledgement, found: Answered) -> tuple[OutcomeKind, str]:
        if record.notice_id is not None or record.notice_kind:
            return self._acknowledge_notice(record, found)
        if not record.is_accepted:
            return self._reject(record, found)
        if found.acknowledged_at is not None:
            if record.agency_account in {"", found.agency_account}:
                return OutcomeKind.IGNORED, "acknowledged before"
            note_agency_account(self._store, found.id, record.agency_account)
            return OutcomeKind.APPLIED, "the agency's own number was noted"
        if found.status is Status.REJECTED:
            raise RefusedError("the agency has rejected this placement before")
        note_acknowledged(
            self._store, found.id, agency_account=record.agency_account, balance=record.balance, at=self.at
        )
        if found.status is Status.SENT:
            self._move(found, Status.ACKNOWLEDGED, f"acknowledged in file in-{self._file.id}")
            self._move(found, Status.ACTIVE, "acknowledged")
        if record.balance is None or record.balance == found.sent:
            return OutcomeKind.APPLIED, "acknowledged"
        self._differ(found, ACKNOWLEDGED_BALANCE, found.sent, record.balance)
        return OutcomeKind.APPLIED, "acknowledged, with another balance than was sent: see 'hl7bridge reconcile'"

    def _reject(self, record: Acknowledgement, found: Answered) -> tuple[OutcomeKind, str]:
        if found.status is Status.REJECTED:
            return OutcomeKind.IGNORED, "rejected before"
        if found.acknowledged_at is not None:
            raise RefusedError("the agency rejects a placement that it has acknowledged")
        why = f"rejected with code {record.code or '(none)'}"
        self._move(found, Status.REJECTED, why)
        make_due(self._store, found.account_id)
        self._ask(REJECTED, record, found, why)
        return OutcomeKind.EXCEPTION, why

    def _acknowledge_notice(self, record: Acknowledgement, found: Answered) -> tuple[OutcomeKind, str]:
        notices = self._meant(record, found)
        if not record.is_accepted:
            why = f"notice {notices[-1]} was refused with code {record.code or '(none)'}"
            self._ask(NOTICE_REFUSED, record, found, why)
            return OutcomeKind.EXCEPTION, why
        taken = [notice for each in notices if (notice := acknowledge_notice(self._store, each, self.at)) is not None]
        if not taken:
            return OutcomeKind.IGNORED, f"notice {notices[-1]} was acknowledged before"
        for notice in taken:
            if notice.kind is NoticeKind.RECALL and found.status is Status.RECALL_PENDING:
                self._move(found, Status.RECALLED, f"recall acknowledged: {notice.reason}")
                found = found._replace(status=Status.RECALLED)
                make_due(self._store, found.account_id)
        return OutcomeKind.APPLIED, f"{taken[-1].kind} acknowledged"

    def _meant(self, record: Acknowledgement, found: Answered) -> list[int]:
        """Return the notices that are acknowledged: one, or all of a kind, for the last overtakes the others."""
        if record.notice_id is not None:
            if record.placement_id not in {None, found.id}:
                raise RefusedError(f"notice {record.notice_id} is of another placement")
            return [record.notice_id]
        sent = sent_of_kind(self._store, found.id, record.notice_kind)
        if not sent:
            raise RefusedError(f"no {record.notice_kind} of this placement was sent")
        return [number for number, is_known in sent if not is_known] or [sent[-1][0]]

    # ---- statuses, returns, objections ------------------------------------------------------------------------------

    def _note_status(self, record: StatusReport, found: Answered) -> tuple[OutcomeKind, str]:
        if found.status is Status.ACKNOWLEDGED:
            self._move(found, Status.ACTIVE, f"the agency says {record.status}")
        if record.status not in SIGNALS:
            return OutcomeKind.APPLIED, f"the agency says {record.status}"
        name, value = SIGNALS[record.status]
        today = self._answering.today_of(found.facility)
        signal = Signal(name, value, self._actor, min(record.on or today, today))
        if add_signal(self._store, found.account_id, signal, self.at):
            return OutcomeKind.APPLIED, f"signal {name} is {value}"
        return OutcomeKind.IGNORED, f"signal {name} was {value} before"

    def _return(self, record: Return, found: Answered) -> tuple[OutcomeKind, str]:
        if record.kind == "settled":
            left = money_text(found.owed if record.balance is None else record.balance)
            why = f"the agency settled it with code {record.code}, {left} dollars are left: approve it or not"
            self._ask(SETTLEMENT, record, found, why)
            return OutcomeKind.EXCEPTION, why
        target = _ENDINGS[record.kind]
        if target is Status.RETURNED and found.status is Status.RECALL_PENDING:
            target = Status.RECALLED  # it gives back what was asked for
        if found.status is target:
            return OutcomeKind.IGNORED, f"{target} before"
        self._move(found, target, f"{record.kind} with code {record.code}")
        make_due(self._store, found.account_id)
        claimed = ZERO if target is Status.PAID_IN_FULL else record.balance
        if claimed is None or claimed == found.owed:
            return OutcomeKind.APPLIED, target.value
        self._differ(found, BALANCE, found.owed, claimed)
        return OutcomeKind.APPLIED, f"{target}, with another balance than here: see 'hl7bridge reconcile'"

    def _object(self, record: Objection, found: Answered) -> tuple[OutcomeKind, str]:
        if found.status is not Status.RECALL_PENDING:
            raise RefusedError(f"an objection to a recall, and the placement is {found.status}")
        if has_open_exception(self._store, OBJECTED, found.account_id):
            return OutcomeKind.IGNORED, "the agency has objected before, and nobody has answered yet"
        until = utc_text(self._until(found) + self._answering.objection_extends)
        set_recall_by(self._store, found.id, until)
        self._ask(OBJECTED, record, found, f"the agency objects to the recall; it has until {until[:10]}")
        return OutcomeKind.EXCEPTION, f"the recall is put off until {until[:10]}; a person answers the objection"

    def _until(self, found: Answered) -> dt.datetime:
        """Return when the recall would have been over; no earlier than now."""
        told = dt.datetime.fromisoformat(found.recall_by) if found.recall_by else self._answering.now
        return max(told, self._answering.now)

    # ---- what they share --------------------------------------------------------------------------------------------

    def _move(self, found: Answered, target: Status, reason: str) -> None:
        move_placement(self._store, found.id, target, by=By.AGENCY, actor=self._actor, at=self.at, reason=reason)

    def _differ(self, found: Answered, kind: str, ours: Any, theirs: Any) -> None:
        finding = Finding(
            self._file.agency, found.id, found.account, kind, money_text(ours), money_text(theirs), abs(ours - theirs)
        )
        note_discrepancy(self._store, finding, file_id=self._file.id, at=self.at)

    def _ask(self, kind: str, record: Answer, found: Answered | None, why: str) -> None:
        """Have a person look at a record."""
        placement = f"placement {found.id}: " if found else ""
        where = f"agency {self._file.agency}, file in-{self._file.id}, line {record.line}"
        account_id = found.account_id if found else None
        open_exception(
            self._store, kind, account_id, None, message_id=None, reason=f"{where}: {placement}{why}", at=self.at
        )
