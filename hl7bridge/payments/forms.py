"""A destination's settings -> what a strict conformance check says of each message form it would be sent."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Final

from hl7bridge.message.conformance import check_strictly
from hl7bridge.payments.message import VERSIONS, Addressed, DestinationForm, Identifiers, build_payment_message
from hl7bridge.payments.payment import Payment, PaymentKind, batch_id, control_id, transaction_id

_DAY: Final = dt.date(2026, 1, 15)
_AT: Final = dt.datetime(2026, 1, 15, 16, 30, tzinfo=dt.UTC)
_INVENTED: Final = Addressed(
    pid_3="100234^^^HOSP^MR~5550199^^^OTHER^PI",
    pid_5="TESTPATIENT^AURELIA^Q",
    pid_18="5027440^^^HOSP^AN",
    pv1_19="V889912^^^HOSP^VN",
    pv1_50="A77^^^HOSP^VN",
    patient_class="O",
    account_number="5027440",
)


def sample_messages(form: DestinationForm) -> dict[PaymentKind, str]:
    """Return one message of each kind for an invented account, as this destination would receive it."""
    identifiers = Identifiers(control_id("TEST", 123), transaction_id("TEST", 123), batch_id(_DAY))
    return {
        kind: build_payment_message(
            form,
            Payment("sample", "CHK004417", kind, Decimal("150.00"), _DAY),
            _INVENTED,
            identifiers,
            posted_on=_DAY,
            at=_AT,
        )
        for kind in PaymentKind
    }


def check_form(form: DestinationForm) -> list[str]:
    """Return each breach of the standard in the messages this destination would receive, and none when all conform."""
    if form.version not in VERSIONS:
        return [f"version: expected one of {', '.join(VERSIONS)}"]
    return [
        f"{kind.value}: {problem}"
        for kind, text in sample_messages(form).items()
        for problem in check_strictly(text, form.version)
    ]
