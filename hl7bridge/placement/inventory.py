"""One line of an agency's inventory and what the bridge knows of that placement -> where the two do not agree.

Source: collections.md 5, "discrepancy rate"; 1.3, AREC.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from hl7bridge.money import ZERO, money_text
from hl7bridge.placement.records import InventoryLine
from hl7bridge.placement.state import Status

MISSING_HERE: Final = "missing_here"
MISSING_THERE: Final = "missing_there"
BALANCE: Final = "balance"
STATUS: Final = "status"
ACKNOWLEDGED_BALANCE: Final = "acknowledged_balance"
DISCREPANCIES: Final = {
    MISSING_HERE: "the agency lists an account that is not with it as far as is known here",
    MISSING_THERE: "the agency has acknowledged an account and does not list it",
    BALANCE: "the agency's balance is not what it was told last",
    STATUS: "the agency collects what is suspended or over, or does not collect what is active",
    ACKNOWLEDGED_BALANCE: "the balance that the agency says it was given is not what was sent",
}

# An agency's words for where it stands, whatever the case. A word that is not here is not compared.
COLLECTING: Final = frozenset({"active", "open", "promise_to_pay", "payment_plan", "skip"})
STOPPED: Final = frozenset(
    {"suspended", "hold", "dispute", "cease", "attorney", "bankruptcy", "deceased", "insurance_found"}
)
CLOSED: Final = frozenset({"closed", "returned", "recalled", "paid_in_full", "settled"})
LISTED: Final = "listed"

# With the agency, as far as is known here: what it lists is compared.
WITH_AGENCY: Final = frozenset({
    Status.SENT, Status.ACKNOWLEDGED, Status.ACTIVE, Status.SUSPENDED, Status.RECALL_PENDING,
})  # fmt: skip
# What an inventory must list. A recall is over when the agency says so or stops listing it; what was sent and not
# acknowledged may be on its way.
TO_BE_LISTED: Final = frozenset({Status.ACKNOWLEDGED, Status.ACTIVE, Status.SUSPENDED})


class Known(NamedTuple):
    """What is known here of one placement. Money is dollars.

    ``balance`` is what the agency was told last, ``placed`` what was placed; ``in_flight`` are the balances that it
    may have still, because news is on its way; ``is_told`` is False while a stop or a resume is on its way;
    ``is_acknowledged`` is False while the agency has not said that it took the placement.
    """

    placement_id: int
    reference: str
    status: Status
    placed: Decimal
    balance: Decimal
    in_flight: frozenset[Decimal] = frozenset()
    is_told: bool = True
    is_acknowledged: bool = True


class Finding(NamedTuple):
    """One disagreement with an agency: what the bridge says, what the agency says, the dollars that it is about."""

    agency: str
    placement_id: int | None
    reference: str
    kind: str
    ours: str
    theirs: str
    dollars: Decimal


def compare_line(agency: str, line: InventoryLine, known: Known) -> list[Finding]:
    """Return where a line that names a placement of this agency does not agree with what is known here."""

    def found(kind: str, ours: str, theirs: str, dollars: Decimal) -> Finding:
        return Finding(agency, known.placement_id, known.reference, kind, ours, theirs, dollars)

    findings = []
    original = line.original_balance
    if original is not None and original != known.placed:
        about = abs(original - known.placed)
        findings.append(found(ACKNOWLEDGED_BALANCE, money_text(known.placed), money_text(original), about))
    status = _status_found(line.status, known)
    if status is not None:
        findings.append(found(STATUS, known.status, status, line.balance))
    elif known.status in WITH_AGENCY and line.balance != known.balance and line.balance not in known.in_flight:
        about = abs(line.balance - known.balance)
        findings.append(found(BALANCE, money_text(known.balance), money_text(line.balance), about))
    return findings


def unlisted(agency: str, known: Known) -> Finding | None:
    """Return the finding for a placement that an inventory does not list; None when it need not."""
    if known.status not in TO_BE_LISTED or not known.is_acknowledged:
        return None
    return Finding(agency, known.placement_id, known.reference, MISSING_THERE, known.status, "", known.balance)


def unknown_line(agency: str, line: InventoryLine, why: str) -> Finding:
    """Return the finding for a line that belongs to no placement of this agency."""
    number = "" if line.placement_id is None else str(line.placement_id)
    reference = line.client_account or number or f"line {line.line}"
    return Finding(agency, None, reference, MISSING_HERE, why, money_text(line.balance), max(line.balance, ZERO))


def repeated_line(agency: str, line: InventoryLine, known: Known) -> Finding:
    """Return the finding for a placement that one inventory lists twice."""
    return Finding(agency, known.placement_id, known.reference, STATUS, "one account", "listed twice", line.balance)


def _status_found(told: str, known: Known) -> str | None:
    """Return the agency's word when it does not go with our status; None when it does, or may not know better yet."""
    word = told.strip().lower().replace(" ", "_").replace("-", "_")
    if not known.is_told or known.status is Status.RECALL_PENDING:
        return None
    if known.status not in WITH_AGENCY:
        return None if word in CLOSED else word or LISTED
    against = COLLECTING if known.status is Status.SUSPENDED else STOPPED
    return word if word in CLOSED or word in against else None
