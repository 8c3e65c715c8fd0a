"""A destination's settings and its mapping's ``[outbound]`` section -> the form in which its EHR wants payments."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final, Protocol

from hl7bridge.mapping.outbound import Outbound, Posting


class _Codes(Protocol):
    @property
    def payment(self) -> str: ...
    @property
    def adjustment(self) -> str: ...
    @property
    def payment_by_agency(self) -> Mapping[str, str]: ...
    @property
    def adjustment_by_agency(self) -> Mapping[str, str]: ...
    @property
    def model_fields_set(self) -> AbstractSet[str]: ...


class _Settings(Protocol):
    """What a destination's settings must have; the configuration itself is not read here."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def sending_application(self) -> str: ...
    @property
    def sending_facility(self) -> str: ...
    @property
    def receiving_application(self) -> str: ...
    @property
    def receiving_facility(self) -> str: ...
    @property
    def processing_id(self) -> str: ...
    @property
    def payment_sign(self) -> str: ...
    @property
    def adjustment_sign(self) -> str: ...
    @property
    def reversal(self) -> str: ...
    @property
    def pid_2(self) -> str: ...
    @property
    def batch(self) -> str: ...
    @property
    def ack_mode(self) -> str: ...
    @property
    def codes(self) -> _Codes: ...
    @property
    def model_fields_set(self) -> AbstractSet[str]: ...


_NOTHING: Final = Outbound()


@dataclass(frozen=True, slots=True)
class DestinationForm:
    """How one EHR wants its payments: header fields, signs, codes.

    MSH-3 to MSH-6 may have components (``NAME^1.2.3^ISO``). A sign is ``positive`` or ``negative``; ``reversal`` is
    ``negative`` (PY of the opposite sign) or ``credit`` (CD). A code may bring its own text: ``CODE^Text``; the
    mappings by agency go before the code for all. ``pid_2`` is ``empty`` or ``account``. ``outbound`` says the rest,
    and goes before the signs, codes and types here. ``batch`` is ``payment``, ``account`` or ``remittance``.
    """

    name: str
    version: str = "2.5.1"
    sending_application: str = "HL7BRIDGE"
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    processing_id: str = "P"
    payment_sign: str = "positive"
    adjustment_sign: str = "positive"
    reversal: str = "negative"
    payment_code: str = "AGYPAY"
    adjustment_code: str = "AGYADJ"
    pid_2: str = "empty"
    payment_by_agency: Mapping[str, str] = field(default_factory=dict)
    adjustment_by_agency: Mapping[str, str] = field(default_factory=dict)
    batch: str = "payment"
    is_enhanced: bool = False
    outbound: Outbound = _NOTHING

    @classmethod
    def of(cls, settings: _Settings, outbound: Outbound | None = None) -> DestinationForm:
        """Return the form of a destination; what its settings say themselves goes before what ``outbound`` says."""
        said = _NOTHING if outbound is None else _without_own(outbound, settings)
        return cls(
            settings.name,
            said.version or settings.version,
            settings.sending_application,
            settings.sending_facility,
            settings.receiving_application,
            settings.receiving_facility,
            settings.processing_id,
            settings.payment_sign,
            settings.adjustment_sign,
            settings.reversal,
            settings.codes.payment,
            settings.codes.adjustment,
            said.pid_2 or settings.pid_2,
            settings.codes.payment_by_agency,
            settings.codes.adjustment_by_agency,
            said.batch or settings.batch,
            settings.ack_mode == "enhanced",
            said,
        )

    @classmethod
    def alone(cls, name: str, outbound: Outbound) -> DestinationForm:
        """Return the form of a mapping's section for a destination that says nothing itself."""
        plain = cls(name)
        version, pid_2 = outbound.version or plain.version, outbound.pid_2 or plain.pid_2
        return cls(name, version, pid_2=pid_2, batch=outbound.batch or plain.batch, outbound=outbound)

    @property
    def to_guarantor(self) -> bool:
        """Return whether payments post to the guarantor's account (GT1)."""
        return self.outbound.post_to == "guarantor"


def _without_own(outbound: Outbound, settings: _Settings) -> Outbound:
    """Return a section without what the settings say otherwise."""
    own, codes = settings.model_fields_set, settings.codes.model_fields_set
    postings = {posting: outbound.rule(posting) for posting in outbound.postings}
    for posting, sign, code in (
        (Posting.PAYMENT, "payment_sign", "payment"),
        (Posting.ADJUSTMENT, "adjustment_sign", "adjustment"),
    ):
        rule = outbound.rule(posting)
        postings[posting] = rule._replace(
            sign=None if sign in own else rule.sign, code=None if code in codes else rule.code
        )
    if "reversal" in own:
        postings[Posting.REVERSAL] = outbound.rule(Posting.REVERSAL)._replace(type=None, sign=None)
    return outbound._replace(
        version=None if "version" in own else outbound.version,
        pid_2=None if "pid_2" in own else outbound.pid_2,
        batch=None if "batch" in own else outbound.batch,
        postings=postings,
    )
