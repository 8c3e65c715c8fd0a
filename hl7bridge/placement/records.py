"""What crosses between the bridge and an agency besides placements: notices to it, and what it answers.

Every layout turns these into its own text and back; nothing else of an account is ever in them.
Source: collections.md 1.2, 1.3, 1.4, 1.8.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple


class NoticeKind(StrEnum):
    """What an agency is told of a placement that it has."""

    SUSPEND = "suspend"  # stop collecting until told to go on
    RESUME = "resume"
    RECALL = "recall"  # stop and give the account back
    CLOSE = "close"  # paid in full, or nothing owed any more
    PAYMENT = "payment"  # the hospital was paid; negative: a payment was taken back
    ADJUSTMENT = "adjustment"  # the hospital lowered the balance; negative: it took that back
    CHARGE = "charge"  # the balance grew, and a person or the agency's settings said to tell
    DEMOGRAPHIC = "demographic"  # the guarantor's name, address or telephone changed
    REFERENCE = "reference"  # the account's number changed


STOPS = frozenset({NoticeKind.SUSPEND, NoticeKind.RECALL, NoticeKind.CLOSE})


class Notice(NamedTuple):
    """One notice as an agency gets it. Money is Decimal dollars, and None where the kind has none; "" is unknown.

    ``balance`` is what the agency may collect once it has taken this notice. ``paid_on`` and ``payer`` (insurance,
    patient, unknown) are of a payment; ``entry`` is the ledger entry's id, unique for the life of the placement.
    ``changes`` are the guarantor's fields that changed, by their names in ``privacy.sending``, as text.
    """

    notice_id: int
    placement_id: int
    client_account: str
    agency_account: str
    kind: NoticeKind
    reason: str
    effective_on: dt.date
    balance: Decimal
    amount: Decimal | None = None
    paid_on: dt.date | None = None
    payer: str = ""
    entry: int | None = None
    former_client_account: str = ""
    changes: tuple[tuple[str, str], ...] = ()


class Acknowledgement(NamedTuple):
    """An agency has taken a placement or a notice, or refuses it with a code.

    Of a placement ``notice_id`` is None and ``notice_kind`` empty. An agency whose layout has no numbers for notices
    gives the kind instead: it means the newest notice of that kind, and those before it, of the placement.
    """

    line: int
    placement_id: int | None
    client_account: str
    is_accepted: bool
    code: str = ""
    agency_account: str = ""
    balance: Decimal | None = None
    received_on: dt.date | None = None
    notice_id: int | None = None
    notice_kind: str = ""


class AgencyStatus(StrEnum):
    """How an agency says it stands with an account."""

    ACTIVE = "active"
    PROMISE_TO_PAY = "promise_to_pay"
    PAYMENT_PLAN = "payment_plan"
    DISPUTE = "dispute"
    CEASE = "cease"
    ATTORNEY = "attorney"
    BANKRUPTCY = "bankruptcy"
    DECEASED = "deceased"
    SKIP = "skip"
    INSURANCE_FOUND = "insurance_found"


class StatusReport(NamedTuple):
    """An agency tells how it stands with an account since a day."""

    line: int
    placement_id: int | None
    client_account: str
    status: AgencyStatus
    on: dt.date | None = None


class Return(NamedTuple):
    """An agency closes a placement and gives the account back. ``code`` is its own; ``kind`` is what it means here."""

    line: int
    placement_id: int | None
    client_account: str
    code: str
    kind: str = "returned"  # returned, paid_in_full, settled or recalled
    balance: Decimal | None = None
    returned_on: dt.date | None = None


class Objection(NamedTuple):
    """An agency objects to a recall, as when a payment is promised."""

    line: int
    placement_id: int | None
    client_account: str
    reason: str
    objected_on: dt.date | None = None


class InventoryLine(NamedTuple):
    """One account that an agency says it has, for reconciliation."""

    line: int
    placement_id: int | None
    client_account: str
    balance: Decimal
    agency_account: str = ""
    original_balance: Decimal | None = None
    received_on: dt.date | None = None
    last_payment_on: dt.date | None = None
    last_payment_amount: Decimal | None = None
    status: str = ""


Answer = Acknowledgement | StatusReport | Return | Objection | InventoryLine
KINDS = {
    "acknowledgements": Acknowledgement,
    "statuses": StatusReport,
    "returns": Return,
    "objections": Objection,
    "inventory": InventoryLine,
}
