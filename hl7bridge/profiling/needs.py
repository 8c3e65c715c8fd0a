"""What an agency's file, the placement rules and the holds need -> where a feed would say it, and how often it did."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from hl7bridge.mapping.records import NULL, Guarantor, Records
from hl7bridge.privacy.sending import SEND_FIELDS
from hl7bridge.rules.facts import FACTS, responsible
from hl7bridge.rules.signals import SIGNALS
from hl7bridge.rules.spec import Rules, predicates_of

ENOUGH: Final = 95  # percent; below it people have to ask why
# Entries by what they say: "entry:charge" and so on. "responsible." is the first guarantor, who may be the patient.
CHARGE, PAYMENT, INSURER, ADJUSTMENT = "entry:charge", "entry:payment", "entry:insurer", "entry:adjustment"
_ENTRIES: Final = {"CG": CHARGE, "PY": PAYMENT, "CO": PAYMENT, "AJ": ADJUSTMENT, "CD": ADJUSTMENT}
# What a person calls them.
_NAMES: Final = {
    CHARGE: "entry.kind CG",
    PAYMENT: "entry.kind PY or CO",
    INSURER: "entry.payer insurance",
    ADJUSTMENT: "entry.kind AJ or CD",
}
# Each need: alternatives, of which one will do; all keys of an alternative have to be known.
Alternatives = tuple[tuple[str, ...], ...]
OF_FIELDS: Final[dict[str, Alternatives]] = {
    "client_account": (("account.number",),),
    "facility": (("account.facility",),),
    **{f"patient_{name}": ((f"patient.{name}",),) for name in ("family_name", "given_name", "middle_name", "birth_on")},
    **{
        f"guarantor_{name}": ((f"responsible.{name}",),)
        for name in Guarantor._fields
        if f"guarantor_{name}" in SEND_FIELDS
    },
    "service_from": ((CHARGE,),),
    "service_to": ((CHARGE,),),
    "discharged_on": (("account.discharged_on",),),
    "charges": ((CHARGE,),),
    "insurance_payments": ((INSURER,),),
    "other_payments": ((PAYMENT,),),
    "adjustments": ((ADJUSTMENT,),),
    "balance": ((CHARGE,),),
    "last_payment_on": ((PAYMENT,),),
    "payer_name": (("coverage.company_name",),),
    **dict.fromkeys(("itemization_on", "itemization_kind"), (("signal:last_statement",), (PAYMENT,), (CHARGE,))),
    "itemization_balance": ((CHARGE,),),
    "payments_since": ((PAYMENT,),),
    "credits_since": ((ADJUSTMENT,),),
    "first_delinquency_on": ((CHARGE,), ("account.discharged_on",)),
    **dict.fromkeys(("first_statement_on", "eca_not_before", "fap_deadline"), (("signal:first_statement",),)),
    "last_statement_on": (("signal:last_statement",),),
    "statement_count": (("signal:statement_count",),),
    "last_payment_amount": ((PAYMENT,),),
    "last_payment_by": ((PAYMENT,),),
    "last_insurance_payment_on": ((INSURER,),),
    "service_class": (("account.patient_class",),),
    "payer_2_name": (("coverage.company_name",),),
    "payer_plan_type": (("coverage.plan_type",),),
    "insurance_status": ((INSURER,), ("signal:insurance_pending",)),
}
# No feed says these.
OURS: Final = frozenset(
    {"placement_id", "creditor", "tier", "rule", "sequence", "placed_on", "file_no", "interest", "fees", "share"}
    | {"prior_placement_id", "prior_agency"}
)
OF_FACTS: Final[dict[str, Alternatives]] = {
    "balance": ((CHARGE,),),
    "days_without_payment": ((CHARGE,), (PAYMENT,), ("account.discharged_on",)),
    "days_since_discharge": (("account.discharged_on",),),
    "days_since_insurance_payment": ((INSURER,),),
    "days_since_last_payment": ((PAYMENT,),),
    "days_since_service": ((CHARGE,),),
    "days_since_adjudication": ((INSURER,), ("signal:adjudicated",)),
    **{fact.name: ((f"signal:{fact.signal}",),) for fact in FACTS.values() if fact.signal},
    "guarantor_balance": (("responsible.number",),),
    "insurance_status": ((INSURER,), ("signal:insurance_pending",), ("signal:adjudicated",)),
    "payer_kind": (("coverage.plan_type",),),
    "plan_status": (("signal:plan_status",), ("account.plan_code",)),
    "has_address": (("responsible.street", "responsible.city", "responsible.state", "responsible.postal_code"),),
    "address_quality": (("responsible.street", "responsible.city", "responsible.state", "responsible.postal_code"),),
    "guarantor_age": (("responsible.birth_on",),),
    "guarantor_state": (("responsible.state",),),
    "language": (("responsible.language",),),
    "ehr_account_status": (("account.account_status",),),
    "financial_class": (("account.financial_class",),),
    "patient_class": (("account.patient_class",),),
}
ALWAYS_KNOWN: Final = frozenset({"account_status", "facility", "placement_sequence", "holds"})
_ALSO_HOLDS: Final[dict[str, Alternatives]] = {
    "deceased": (("patient.deceased",), ("patient.died_on",), ("guarantor.deceased",)),
    "hold": (("guarantor.billing_hold",),),
    "plan_status": (("account.plan_code",),),
}


class Found(StrEnum):
    """How well a feed says what is needed."""

    NOT_MAPPED = "not mapped"
    NEVER = "never sent"
    PARTLY = "partly"
    SENT = "sent"


_BEST_FIRST: Final = (Found.SENT, Found.PARTLY, Found.NEVER, Found.NOT_MAPPED)


def key_text(key: str) -> str:
    """Return how a report names what a need is made of."""
    return _NAMES.get(key) or key.replace("responsible.", "guarantor.").replace("signal:", "signals ")


class Need(NamedTuple):
    """One thing that is needed, and by whom."""

    name: str
    needed_by: str
    alternatives: Alternatives


class Known(NamedTuple):
    """How often a key was known; ``of`` how often it could have been, None where nobody can say."""

    seen: int
    of: int | None


class Answer(NamedTuple):
    """What a feed says to one need: the best of its alternatives."""

    need: Need
    found: Found
    keys: tuple[str, ...]
    known: Known


class NeedCounts:
    """Counts of what single fields do not tell: kinds of entries, signals, and the guarantor who is the patient."""

    def __init__(self) -> None:
        self.guarantors = 0
        self.counts: dict[str, int] = {}

    def take(self, records: Records) -> None:
        """Count one message's records."""
        counts = self.counts
        if records.guarantors:
            self.guarantors += 1
            guarantor = responsible(records.guarantors, records.patient)
            for name, value in zip(_RESPONSIBLE, guarantor or (), strict=False):
                if value is not None and value is not NULL:
                    counts[name] = counts.get(name, 0) + 1
        for entry in records.entries:
            key = _ENTRIES[entry.kind or ""]
            counts[key] = counts.get(key, 0) + 1
            if entry.payer == "insurance" and key is not CHARGE:
                counts[INSURER] = counts.get(INSURER, 0) + 1
        for signal in records.signals:
            key = f"signal:{signal.name}"
            counts[key] = counts.get(key, 0) + 1


_RESPONSIBLE: Final = tuple(f"responsible.{name}" for name in Guarantor._fields)


def agency_needs(agencies: Iterable[tuple[str, Sequence[str]]]) -> Iterator[Need]:
    """Return what agencies' files need: ``agencies`` are names with the fields that each gets."""
    wanted: dict[str, list[str]] = {}
    for agency, fields in agencies:
        for field in fields:
            if field not in OURS:
                wanted.setdefault(field, []).append(agency)
    for field, names in wanted.items():
        yield Need(field, "agency " + ", ".join(names), OF_FIELDS[field])


def rule_needs(rules: Rules) -> Iterator[Need]:
    """Return the facts that placement rules ask for."""
    wanted: dict[str, list[str]] = {}
    for predicate in predicates_of(rules.common):
        wanted.setdefault(predicate.fact.name, []).append("every rule")
    for rule in rules.rules:
        for predicate in predicates_of(rule.when):
            wanted.setdefault(predicate.fact.name, []).append(f"rule {rule.name}")
    for fact in FACTS:
        if fact in wanted and fact not in ALWAYS_KNOWN:
            yield Need(fact, ", ".join(dict.fromkeys(wanted[fact])), OF_FACTS[fact])


def hold_needs() -> Iterator[Need]:
    """Return the signals that keep an account from an agency: what no feed says has to come by another way."""
    for signal in SIGNALS.values():
        if signal.holding:
            yield Need(signal.name, "hold", ((f"signal:{signal.name}",), *_ALSO_HOLDS.get(signal.name, ())))


def answer(need: Need, is_mapped: Callable[[str], bool], known: Callable[[str], Known]) -> Answer:
    """Return how well a feed says what is needed."""
    answers = [_answer(need, keys, is_mapped, known) for keys in need.alternatives]
    return min(answers, key=lambda each: (_BEST_FIRST.index(each.found), -each.known.seen))


def _answer(
    need: Need, keys: tuple[str, ...], is_mapped: Callable[[str], bool], known: Callable[[str], Known]
) -> Answer:
    if not all(map(is_mapped, keys)):
        return Answer(need, Found.NOT_MAPPED, keys, Known(0, None))
    least = min((known(key) for key in keys), key=lambda each: each.seen)
    found = Found.SENT
    if not least.seen:
        found = Found.NEVER
    elif least.of is not None and least.seen * 100 < least.of * ENOUGH:
        found = Found.PARTLY
    return Answer(need, found, keys, least)
