"""``suspense``: what names no account is shown with its dollars, and a person assigns or returns it."""

from __future__ import annotations

import json

import pytest
from payment_samples import add_account
from payments_site import Site

from hl7bridge.storage.audit import read_audit

FILE = "agency_payment_id,account,amount,date,fee\nCHK1,404,150.00,2026-01-14,30.00\nCHK2,405,1.00,2026-01-14,\n"


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path / "d")
    add_account(made.store)

    assert made.run("payments", "import", "-", text=FILE).exit_code == 0
    yield made
    made.store.close()


def rows(site, *options):
    return [json.loads(line) for line in site.run("suspense", *options, "--json").stdout.splitlines()]


def test_what_waits_is_listed_with_its_dollars(site):
    """Newest first; looking is in the audit log."""
    found = rows(site)
    assert [(row["suspense"], row["account"], row["amount"], row["fee"], row["status"]) for row in found] == [
        (2, "405", "1.00", "0.00", "open"),
        (1, "404", "150.00", "30.00", "open"),
    ]
    assert rows(site, "list") == found
    assert found[0]["reason"] == "no such account"
    assert "CHK1" in site.run("suspense").stdout
    assert [row["action"] for row in read_audit(site.store)].count("suspense.list") == 3
    assert rows(site, "--agency", "other") == []


def test_it_is_assigned_or_returned_with_a_reason(site):
    """And is then shown only with --all."""
    result = site.run("suspense", "assign", "1", "5027440", "--reason", "a digit was wrong, J.D.")
    assert result.stdout == "suspense 1: assigned, payment 1; status queued\n"
    result = site.run("suspense", "return", "2", "--reason", "not ours, J.D.")
    assert result.stdout == "suspense 2: returned, 1.00 dollars\n"
    assert "Nothing is in suspense." in site.run("suspense").stderr
    assert [(row["status"], row["payment"], row["resolution"]) for row in rows(site, "--all")] == [
        ("returned", None, "not ours, J.D."),
        ("assigned", 1, "a digit was wrong, J.D."),
    ]
    assert [row["amount"] for row in site.payments()] == ["150.00"]


def test_what_cannot_be_is_one_line_and_changes_nothing(site):
    """Exit 1; without a reason it is wrong use."""
    assert site.run("suspense", "assign", "1", "5027440").exit_code == 2
    for arguments in (("assign", "9", "5027440"), ("assign", "1", "404"), ("return", "9")):
        result = site.run("suspense", *arguments, "--reason", "x")
        assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert site.counts()[0] == 0


def test_status_tells_what_waits(site):
    """How many, and their dollars."""
    found = json.loads(site.run("status", "--json").stdout)
    assert (found["suspense_open"], found["suspense_dollars"]) == (2, "151.00")
    assert "suspense    2 payments of 151.00 dollars name no account: hl7bridge suspense" in site.run("status").stdout
