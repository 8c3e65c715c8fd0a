"""The words of a mapping file: its keys, the options of a field, what each field of a record may hold."""

from __future__ import annotations

from typing import Final

from hl7bridge.mapping.records import RECORD_TYPES

SIGNALS_KIND: Final = "signals"
KINDS: Final = (*RECORD_TYPES, SIGNALS_KIND)
TOP_KEYS: Final = frozenset(
    {"format", "name", "description", "extends", "inherit_examples", "events", "tables", "examples", "outbound", *KINDS}
)
FIELD_KEYS: Final = frozenset({"from", "constant", "convert", "table", "value", "when", "required", "invalid", "null"})
SOURCE_KEYS: Final = frozenset({"path", "constant", "convert", "table", "value", "when"})
SIGNAL_KEYS: Final = frozenset({"name", "from", "convert", "table", "value", "when", "each", "invalid"})
RECORD_KEYS: Final = frozenset({"each", "when"})  # of a record's own table, beside its fields
CONDITION_KEYS: Final = frozenset({"path", "is", "in", "not_in", "present", "absent", "starts_with", "events"})
EXAMPLE_KEYS: Final = frozenset({"name", "message", "expect"})

EACH: Final = {"guarantor": "GT1", "coverage": "IN1", "entry": "FT1", "identity": "MRG"}
OF_AN_ACCOUNT: Final = frozenset({"guarantor", "coverage", "entry", "balance", SIGNALS_KIND})
NEVER_NULL: Final = frozenset({"balance", "identity", SIGNALS_KIND})  # a null in what they are read from says nothing
REQUIRED: Final[dict[str, tuple[str, ...]]] = {
    "patient": ("facility", "number"),
    "account": ("facility", "number"),
    "guarantor": (),
    "coverage": (),
    "entry": ("kind", "service_on"),
    "balance": (),
    "identity": ("facility",),
}
# One of these has to be mapped; a balance is made only of a message that has one of them.
ONE_OF: Final = {"entry": ("amount", "unit_amount"), "balance": ("balance", "charges", "adjustments", "payments")}
NEEDS_ANY: Final = frozenset({"balance"})
# What a converter must give for a field to hold it; every other field holds text.
FIELD_HOLDS: Final = {
    **dict.fromkeys(
        (
            "birth_on",
            "died_on",
            "effective_on",
            "expires_on",
            "admitted_on",
            "discharged_on",
            "service_on",
            "posted_on",
        ),
        "date",
    ),
    **dict.fromkeys(("deceased", "billing_hold", "deleted"), "flag"),
    **dict.fromkeys(("amount", "unit_amount", "balance", "charges", "adjustments", "payments"), "money"),
    "quantity": "number",
    "rank": "integer",
}
TEXT_CONVERTERS: Final = ("text", "field", "phone", "name", "address")
FIELD_WORDS: Final = {
    ("entry", "kind"): frozenset({"CG", "CD", "PY", "AJ", "CO"}),
    ("entry", "payer"): frozenset({"insurance", "patient", "unknown"}),
    ("account", "status"): frozenset({"open", "closed", "cancelled"}),
    ("balance", "level"): frozenset({"account", "visit"}),
}
EXAMPLES: Final = {"entry": 'amount = "FT1-11"', "balance": 'balance = "PV1-46"'}
