"""The compiled ``[outbound]`` section of a mapping: how an EHR wants what agencies were paid to be written."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from hl7bridge.tomlfile import KeyPath


class Posting(StrEnum):
    """What one FT1 posts."""

    PAYMENT = "payment"
    ADJUSTMENT = "adjustment"  # a balance that the agency gave up
    SETTLEMENT = "settlement"  # what is left of a settled account, once a person has approved that it is written off
    REVERSAL = "reversal"  # money that went back
    NSF = "nsf"  # the same, and the agency's method says that a cheque bounced
    FEE = "fee"  # what the agency keeps, beside the payment


class PostingRule(NamedTuple):
    """How one kind of posting is written; None is not said.

    ``type`` is FT1-6, ``sign`` that of the amount, ``code`` FT1-7 (its components divided by ``^``). ``codes`` are for
    an agency (``north``), for a medium of it (``north CHK``) or for a medium of any (``* CHK``). ``methods`` of the
    agencies are this posting; only NSF has some.
    """

    type: str | None = None
    sign: str | None = None
    code: str | None = None
    codes: Mapping[str, str] = {}
    methods: frozenset[str] = frozenset()


class Part(NamedTuple):
    """One component of a field: a text, or the name of a value."""

    text: str
    is_value: bool


class FieldRule(NamedTuple):
    """What a field of a segment holds; with no ``parts`` it is left out."""

    field: int
    parts: tuple[Part, ...]


class ExtraSegment(NamedTuple):
    """A Z-segment of the site's own: behind each segment that is named ``after``."""

    name: str
    after: str
    fields: tuple[FieldRule, ...]


class Outbound(NamedTuple):
    """How payments are written; what is None or empty is as the destination or this program has it."""

    version: str | None = None
    charset: str | None = None
    batch: str | None = None
    post_to: str | None = None
    pid_2: str | None = None
    postings: Mapping[Posting, PostingRule] = {}
    fields: Mapping[str, tuple[FieldRule, ...]] = {}  # by the name of their segment
    segments: tuple[ExtraSegment, ...] = ()
    named_at: Mapping[str, KeyPath] = {}  # an agency that a code names -> where the file says so

    def rule(self, posting: Posting) -> PostingRule:
        """Return what is said of a kind of posting."""
        return self.postings.get(posting, PostingRule())


VERSIONS: Final = ("2.3", "2.3.1", "2.4", "2.5", "2.5.1")
# Values of the account, each the whole of a field: when accounts are merged, a message that waits is addressed anew.
ADDRESSES: Final = ("account", "guarantor", "pid_3", "pid_18", "pv1_19", "pv1_50")
VALUES: Final = (
    "agency",
    "agency_payment_id",
    "amount",
    "batch_id",
    "code",
    "fee",
    "method",
    "net",
    "original_transaction_id",
    "paid_on",
    "posted_on",
    "posting",
    "reversal_of",
    "transaction_id",
    "trust_on",
)
SEGMENTS: Final = ("EVN", "PID", "PV1", "FT1", "GT1")
# Fields that name a payment, or tell whose it is and how much: they are not for a site to fill.
OURS: Final = frozenset(
    {("EVN", 1), ("EVN", 2), ("PID", 1), ("PID", 3), ("PV1", 1), ("GT1", 1), ("GT1", 2)}
    | {("FT1", number) for number in (1, 2, 6, 7, 11, 19)}
)
CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "version": VERSIONS,
    "batch": ("payment", "account", "remittance"),
    "post_to": ("account", "guarantor"),
    "pid_2": ("empty", "account"),
}
KEYS: Final = (*CHOICES, "charset", *Posting, "fields", "segments", "examples")
POSTING_KEYS: Final = ("type", "sign", "code", "codes")
SEGMENT_KEYS: Final = ("name", "after", "fields")
EXAMPLE_KEYS: Final = ("name", "posting", "agency", "method", "amount", "fee", "expect")
