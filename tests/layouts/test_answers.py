"""What an agency answers in csv and jsonl is read, or every problem is told by its line and quotes no value."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from layout_samples import answer_problems as problems
from layout_samples import read_answers as read

from hl7bridge.layouts.answers import COLUMNS, RETURN_KINDS, find_kind
from hl7bridge.layouts.layout import balance_of
from hl7bridge.placement.records import (
    KINDS,
    Acknowledgement,
    AgencyStatus,
    InventoryLine,
    NoticeKind,
    Objection,
    Return,
    StatusReport,
)

DAY = dt.date(2026, 3, 2)
READABLE = ["csv", "jsonl"]
GOOD = {
    "acknowledgements": (
        [
            {
                "placement_id": "41",
                "client_account": "A1001",
                "accepted": "yes",
                "code": "",
                "agency_account": "SA-9",
                "balance": "150.00",
                "received_on": "2026-03-02",
                "notice_id": "",
            },
            {"accepted": "NO", "code": "bad address", "client_account": "A2"},
            {"accepted": "yes", "notice_id": "17"},
            {"accepted": "yes", "placement_id": "41", "notice_kind": "Suspend"},
        ],
        (
            Acknowledgement(0, 41, "A1001", True, "", "SA-9", Decimal("150.00"), DAY),
            Acknowledgement(1, None, "A2", False, "bad address"),
            Acknowledgement(2, None, "", True, notice_id=17),
            Acknowledgement(3, 41, "", True, notice_kind="suspend"),
        ),
    ),
    "statuses": (
        [
            {"placement_id": "41", "status": "promise_to_pay", "since": "2026-03-02"},
            {"placement_id": "41", "status": "Dispute", "since": ""},
        ],
        (
            StatusReport(0, 41, "", AgencyStatus.PROMISE_TO_PAY, DAY),
            StatusReport(1, 41, "", AgencyStatus.DISPUTE, None),
        ),
    ),
    "returns": (
        [
            {"placement_id": "41", "code": "UNC", "kind": "", "balance": "150.00", "returned_on": "2026-03-02"},
            {"placement_id": "42", "code": "PIF", "kind": "paid_in_full", "balance": "0.00", "returned_on": ""},
        ],
        (
            Return(0, 41, "", "UNC", "returned", Decimal("150.00"), DAY),
            Return(1, 42, "", "PIF", "paid_in_full", Decimal("0.00")),
        ),
    ),
    "objections": (
        [{"client_account": "A1001", "reason": "payment promised", "objected_on": "2026-03-02"}],
        (Objection(0, None, "A1001", "payment promised", DAY),),
    ),
    "inventory": (
        [
            {
                "placement_id": "41",
                "client_account": "A1001",
                "balance": "100.00",
                "agency_account": "SA-9",
                "original_balance": "150.00",
                "received_on": "2026-03-02",
                "last_payment_on": "2026-03-02",
                "last_payment_amount": "50",
                "agency_status": "ACT",
            }
        ],
        (
            InventoryLine(
                0, 41, "A1001", Decimal("100.00"), "SA-9", Decimal("150.00"), DAY, DAY, Decimal("50.00"), "ACT"
            ),
        ),
    ),
}


@pytest.mark.parametrize("layout", READABLE)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_of_answer_is_read(layout, kind):
    """And told apart by its names alone when the file's name does not say."""
    rows, expected = GOOD[kind]
    first = 2 if layout == "csv" else 1
    for said in (kind, None):
        found = read(layout, rows, said)
        assert found.problems == ()
        assert (found.kind, found.stated) == (kind, None)
        assert found.records == tuple(each._replace(line=each.line + first) for each in expected)


def test_there_is_a_set_of_columns_for_every_kind():
    """No two kinds can be taken for each other: none has the needed names of another and no others."""
    assert set(COLUMNS) == set(KINDS) == set(GOOD)
    assert {kind: find_kind(columns.known) for kind, columns in COLUMNS.items()} == {kind: kind for kind in KINDS}
    assert RETURN_KINDS[0] == "returned"


@pytest.mark.parametrize(
    ("kind", "total"),
    [("acknowledgements", "150.00"), ("returns", "150.00"), ("inventory", "100.00"), ("statuses", "0")],
)
def test_the_total_of_a_file_is_the_sum_of_its_balances(kind, total):
    """This is what the trailer's balance_total has to be; answers without balances come to nothing."""
    found = read("csv", GOOD[kind][0])
    assert found.total == sum(map(balance_of, found.records)) == Decimal(total)


ONE = {"placement_id": "41"}
NOTICES = ", ".join(NoticeKind)
WRONG = [
    ("acknowledgements", ONE | {"accepted": "perhaps"}, ["accepted: expected one of yes, no"]),
    ("acknowledgements", ONE | {"accepted": ""}, ["accepted: expected one of yes, no"]),
    ("acknowledgements", ONE | {"accepted": "no"}, ["code is empty"]),
    ("acknowledgements", {"placement_id": "", "accepted": "yes"}, ["neither placement_id nor client_account is given"]),
    ("acknowledgements", {"placement_id": "4l", "accepted": "yes"}, ["placement_id: expected digits"]),
    ("acknowledgements", {"placement_id": "\u0661", "accepted": "yes"}, ["placement_id: expected digits"]),
    ("acknowledgements", ONE | {"accepted": "yes", "balance": "1,5"}, ["balance: expected dollars, as 1234.50"]),
    ("acknowledgements", ONE | {"accepted": "yes", "balance": "1e3"}, ["balance: expected dollars, as 1234.50"]),
    ("acknowledgements", ONE | {"accepted": "yes", "balance": "0.005"}, ["balance: expected dollars, as 1234.50"]),
    ("acknowledgements", ONE | {"accepted": "yes", "received_on": "02/03/2026"}, ["received_on: not a day"]),
    ("acknowledgements", ONE | {"accepted": "yes", "received_on": "20260302"}, ["received_on: not a day"]),
    (
        "acknowledgements",
        ONE | {"accepted": "yes", "agency_account": "X" * 51},
        ["agency_account: expected at most 50 printable characters"],
    ),
    (
        "acknowledgements",
        ONE | {"accepted": "yes", "code": "A\x00B"},
        ["code: expected at most 50 printable characters"],
    ),
    (
        "acknowledgements",
        {"client_account": "A\u202eB", "accepted": "yes"},
        ["client_account: expected at most 64 printable characters"],
    ),
    ("acknowledgements", ONE | {"accepted": "yes", "notice_kind": "stop"}, ["notice_kind: expected one of " + NOTICES]),
    (
        "acknowledgements",
        ONE | {"accepted": "yes", "notice_id": "1", "notice_kind": "recall"},
        ["notice_id and notice_kind: expected one of the two"],
    ),
    ("statuses", ONE | {"status": "gone"}, ["status: expected one of " + ", ".join(AgencyStatus)]),
    (
        "returns",
        ONE | {"code": "", "kind": "lost"},
        ["code is empty", "kind: expected one of " + ", ".join(RETURN_KINDS)],
    ),
    ("objections", ONE | {"reason": ""}, ["reason is empty"]),
    ("inventory", ONE | {"balance": ""}, ["balance is empty"]),
    ("inventory", ONE | {"balance": "ten"}, ["balance: expected dollars, as 1234.50"]),
]


@pytest.mark.parametrize("layout", READABLE)
@pytest.mark.parametrize(("kind", "row", "expected"), WRONG)
def test_a_problem_is_told_and_the_record_is_not_used(layout, kind, row, expected):
    """The value itself is in no problem; the good record before it does not hide it."""
    good = dict.fromkeys(row, "") | GOOD[kind][0][0] | {"placement_id": "40"}
    found = read(layout, [good, row], kind)
    assert problems(layout, [good, row], kind) == [(2, each) for each in expected]
    assert [each.placement_id for each in found.records] == [40]


@pytest.mark.parametrize("layout", READABLE)
def test_the_same_account_twice_is_a_problem_but_of_statuses(layout):
    """An inventory would count it twice; a placement and a notice of it are two things."""
    row = ONE | {"balance": "1.00"}
    assert problems(layout, [row, row], "inventory") == [(2, f"the same account as line {2 if layout == 'csv' else 1}")]
    status = ONE | {"status": "skip"}
    assert problems(layout, [status, status], "statuses") == []
    placement = ONE | {"accepted": "yes", "notice_id": ""}
    assert problems(layout, [placement, placement | {"notice_id": "1"}], "acknowledgements") == []


@pytest.mark.parametrize("layout", READABLE)
def test_names_that_are_missing_unknown_or_of_no_kind_are_told(layout):
    """An unknown name is told by its place, for it may be a value that slipped."""
    [(_, unknown)] = problems(layout, [ONE | {"balance": "1.00", "colour": "red"}], "inventory")
    assert unknown.endswith("not known: number 3; inventory have " + ", ".join(COLUMNS["inventory"].known))
    told = [problem for _, problem in problems(layout, [{"agency_account": "1"}], "inventory")]
    assert [each.removeprefix("the header: ") for each in told] == [
        "balance is missing",
        "placement_id or client_account is missing",
    ]
    [(_, of_none)] = problems(layout, [{"colour": "red"}], "")
    assert "of no kind of file (one of " + ", ".join(KINDS) in of_none
