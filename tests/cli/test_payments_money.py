"""``payments reverse``, ``payments close-day`` and ``report money``: what a person sees of money and says of it."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from payment_samples import add_account, statuses
from payments_site import Site, post

from hl7bridge.cli.common import App
from hl7bridge.storage.audit import read_audit

NOW = dt.datetime(2026, 1, 15, 16, 30, tzinfo=dt.UTC)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A site with one account of 500.00, and a payment of 150.00 that the EHR has."""
    monkeypatch.setattr(App, "now", lambda _: NOW)
    made = Site(tmp_path / "d")
    add_account(made.store)
    assert post(made).exit_code == 0
    made.store.execute("UPDATE deliveries SET status = 'accepted'")
    made.store.execute("UPDATE payments SET status = 'posted'")
    yield made
    made.store.close()


def rows(site, *arguments):
    """Return what a command prints with --json."""
    result = site.run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_payment_is_taken_back_with_a_reason(site):
    """The EHR hears of it; the balance is what it was; the audit log has who and why."""
    result = site.run("payments", "reverse", 1, "--reason", "bounced, J.D.")
    assert result.stdout == "payment 1 is taken back by payment 2: it goes out to the EHR\n"
    assert statuses(site.store) == [("accepted", "posted"), ("queued", "queued")]
    assert site.store.row("SELECT charges - payments - adjustments FROM accounts")[0] == 50000
    entry = next(each for each in read_audit(site.store) if each["action"] == "payments.reverse")
    assert entry["reason"] == "bounced, J.D."
    again = site.run("payments", "reverse", 1, "--reason", "again")
    assert (again.exit_code, "taken back before, by payment 2" in again.stderr) == (1, True)
    assert site.run("payments", "reverse", 1).exit_code == 2


def test_what_was_never_sent_is_taken_back_in_silence(site):
    """As lines, and as JSON of the reversal."""
    post(site, id="CHK2", amount="20.00")
    post(site, id="CHK3", amount="30.00")
    result = site.run("payments", "reverse", 2, "--reason", "a mistake")
    assert result.stdout == "payment 2 is taken back by payment 4: the EHR never had it, and is told nothing\n"
    (row,) = rows(site, "payments", "reverse", 3, "--reason", "a mistake")
    assert (row["payment"], row["kind"], row["amount"], row["reverses"], row["is_sent"]) == (
        5, "reversal", "30.00", 3, False,
    )  # fmt: skip


def test_a_settlements_write_off_that_stays_is_named(site):
    """So that a person posts what becomes of it."""
    post(site, id="SET1", amount="300.00", kind="settlement")
    assert site.run("payments", "approve", 2, "--reason", "agreed").exit_code == 0
    result = site.run("payments", "reverse", 2, "--reason", "bounced")
    assert "payment 3, which wrote off the rest of the settlement, stays as it is" in result.stdout


def test_a_day_is_shown_itemised_and_closed(site, monkeypatch):
    """What is not posted is listed; once it is over the day is frozen, and says so."""
    post(site, id="CHK2", amount="20.00")
    (row,) = rows(site, "report", "money")
    assert (row["day"], row["received_dollars"], row["posted_dollars"], row["difference_dollars"]) == (
        "2026-01-15", "170.00", "150.00", "20.00",
    )  # fmt: skip
    (item,) = rows(site, "report", "money", "--items")
    assert (item["payment"], item["state"], item["dollars"], item["now"]) == (2, "waiting", "20.00", "waiting")
    assert "2026-01-15  NORTHGATE" in site.run("report", "money", "--items").stdout
    table = site.run("report", "money", "--csv").stdout.splitlines()
    assert (table[0].split(","), len(table)) == (list(row), 2)
    early = site.run("payments", "close-day", "2026-01-15")
    assert (early.exit_code, "is not over" in early.stderr) == (1, True)
    monkeypatch.setattr(App, "now", lambda _: NOW + dt.timedelta(days=1))
    assert site.run("payments", "close-day", "2026-01-15").stdout == "2026-01-15: 1 rows, difference 20.00; closed\n"
    site.store.execute("UPDATE payments SET status = 'posted'")
    (row,) = rows(site, "report", "money", "--from", "2026-01-15", "--to", "2026-01-15")
    assert (row["posted_dollars"], row["closed_at"]) == ("150.00", "2026-01-16T16:30:00.000Z")
    assert rows(site, "report", "money", "--items")[0]["now"] == "posted"
    assert rows(site, "payments", "close-day", "2026-01-14") == []
    entry = next(each for each in read_audit(site.store) if each["action"] == "payments.close-day")
    assert entry["subject"] == "2026-01-14: 0 rows, difference 0.00"


def test_a_closed_day_as_json_is_what_was_frozen(site, monkeypatch):
    """Row by row."""
    monkeypatch.setattr(App, "now", lambda _: NOW + dt.timedelta(days=1))
    (row,) = rows(site, "payments", "close-day", "2026-01-15")
    assert rows(site, "report", "money") == [row]


def test_status_counts_what_came_back(site):
    """And what is posted and has not."""
    (row,) = rows(site, "status")
    assert (row["payments_echoed"], row["payments_not_echoed"]) == (0, 1)
    site.store.execute("UPDATE payments SET echoed_at = '2026-01-15T16:30:00.000Z'")
    assert "echoes      1 payments came back on the feed, 0 are posted and have not" in site.run("status").stdout
