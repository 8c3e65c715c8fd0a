"""The fixed records of the aim layout that are publicly described, and their positions.

Source: collections.md 1.3 (Latitude AIM, export and import file records).
"""

from __future__ import annotations

from typing import Final

from hl7bridge.layouts.fixed import Position, Record

FILE_NUMBER_DIGITS: Final = 9
ACCOUNT_WIDTH: Final = 30
DATA_WIDTH: Final = 100
NO_DAY: Final = "19000101"

_FILE = Position("file_number", 5, 13)
_ACCOUNT = Position("account", 14, 43)
_DEBTOR = Position("debtor_number", 5, 13)
_DEBTORS_FILE = Position("file_number", 14, 22)
_OTHERS: Final = tuple(Position(f"other{number}", 32 + 12 * number, 43 + 12 * number) for number in range(3, 10))
_MONEY: Final = (Position("principal", 44, 55), Position("interest", 56, 67), *_OTHERS)

CACT: Final = Record(
    "CACT",
    3000,
    (
        _FILE,
        _ACCOUNT,
        *_MONEY,
        Position("last_charge", 152, 159),
        Position("last_paid", 160, 167),
        Position("userdate1", 168, 175),
        Position("userdate2", 176, 183),
        Position("userdate3", 184, 191),
    ),
)
CUPP: Final = Record(
    "CUPP",
    3000,
    (
        _DEBTOR,
        _DEBTORS_FILE,
        Position("relationship", 23, 72),
        Position("phone_type", 73, 73),
        Position("status", 74, 74),
        Position("on_hold", 75, 75),
        Position("number", 76, 105),
        Position("ext", 106, 115),
        Position("name", 116, 145),
        Position("source", 146, 175),
    ),
)
CMIS: Final = Record("CMIS", 3000, (_FILE, _ACCOUNT, Position("title", 44, 73), Position("data", 74, 173)))
CPAY: Final = Record(
    "CPAY",
    222,
    (
        _FILE,
        _ACCOUNT,
        *_MONEY,
        Position("payment_date", 152, 159),
        Position("batch_type", 160, 162),
        Position("payment_identifier", 163, 192),
        Position("comment", 193, 222),
    ),
)
_RECALL: Final = (_FILE, _ACCOUNT, Position("recall_reason", 44, 46), Position("objection_date", 47, 54))
CPEN: Final = Record("CPEN", 102, _RECALL)
CFIN: Final = Record("CFIN", 102, _RECALL)
_TRAILER: Final = (Position("agency", 5, 34), Position("agency_name", 35, 84), Position("records", 85, 94))
PLACEMENT_TRAILER: Final = Record(
    "CTRL", 3000, (*_TRAILER, Position("total", 95, 106), Position("created_date", 107, 114))
)
NOTICE_TRAILER: Final = Record("CTRL", 102, (*_TRAILER, Position("created_date", 95, 102)))

# What comes in: the kind of answer, the positions that are read, and how far a line has to reach.
_BALANCES: Final = (
    Position("placement_id", 5, 13),
    Position("client_account", 14, 43),
    Position("original_balance", 44, 55),
    Position("received_on", 56, 63),
    Position("current_balance", 64, 75),
    Position("last_payment_on", 76, 83),
    Position("last_payment_amount", 84, 95),
)
_KEY: Final = (Position("placement_id", 5, 13), Position("client_account", 14, 43))
_DEBTORS_KEY: Final = (Position("placement_id", 14, 22),)
ANSWERS: Final = {
    "AACK": ("acknowledgements", _BALANCES, 55),
    "AREC": ("inventory", _BALANCES, 75),
    "AOBJ": ("objections", (*_KEY, Position("reason", 44, 46), Position("objected_on", 47, 54)), 46),
    "ACLS": ("returns", _KEY, 13),
    "ASTS": ("statuses", (*_DEBTORS_KEY, Position("status", 23, 25), Position("since", 101, 108)), 25),
    "ABKP": ("statuses", (*_DEBTORS_KEY, Position("since", 25, 32)), 22),
    "ADEC": ("statuses", _DEBTORS_KEY, 22),
}
APAY: Final = (
    Position("placement_id", 5, 13),
    Position("account", 14, 43),
    Position("amount", 44, 55),
    Position("date", 56, 63),
    Position("type", 64, 66),
    Position("agency_payment_id", 67, 96),
)
APAY_LEAST: Final = 67  # how far a line has to reach: into the payment's identifier
ANSWER_TRAILER: Final = ("ATRL", (Position("records", 85, 94),))
# ASTS-4: codes are agreed on between the two systems; these are ours.
STATUS_CODES: Final = {
    "ACT": "active",
    "PTP": "promise_to_pay",
    "PLN": "payment_plan",
    "DSP": "dispute",
    "CEA": "cease",
    "ATY": "attorney",
    "BKP": "bankruptcy",
    "DEC": "deceased",
    "SKP": "skip",
    "INS": "insurance_found",
}
