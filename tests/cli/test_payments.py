"""``payments``: posted once, or refused with a line that helps and nothing written."""

from __future__ import annotations

import json

import pytest
from payment_samples import add_account
from payments_site import Site, post

from hl7bridge.message.parse import parse_message
from hl7bridge.storage.audit import read_audit, verify_audit


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path / "d")
    yield made
    made.store.close()


def test_a_payment_is_posted_and_listed(site):
    """The line says its number; the list has the keys that scripts rely on; the log of who did what has both."""
    add_account(site.store)
    result = post(site)
    assert (result.exit_code, result.stdout) == (0, "payment 1: posted; status queued\n")
    (row,) = site.payments()
    assert row | {"received_at": ""} == {
        "payment": 1,
        "agency": "sample",
        "agency_payment_id": "CHK1",
        "account": "5027440",
        "facility": "NORTHGATE",
        "amount": "150.00",
        "kind": "payment",
        "paid_on": "2026-01-14",
        "status": "queued",
        "received_at": "",
        "delivery": 1,
        "fee": "0.00",
        "trust_on": None,
        "method": "",
        "reverses": None,
        "settlement": None,
        "settles": None,
    }
    actions = [entry["action"] for entry in read_audit(site.store)]
    assert actions[:2] == ["payments.list", "payments.post"]
    assert verify_audit(site.store).ok


def test_the_message_is_addressed_as_the_configuration_says(site):
    """To destination ehr, in its version."""
    add_account(site.store)
    post(site)
    destination, content = site.store.row("SELECT destination, content FROM deliveries")
    message = parse_message(content.encode())
    assert (destination, message.version, message.get("FT1-11.1.1")) == ("ehr", "2.5.1", "150.00")


def test_a_payment_posted_twice_is_one_payment(site):
    """The second time it says so and exits 0."""
    add_account(site.store)
    post(site)
    before = site.counts()
    result = post(site)
    assert (result.exit_code, result.stdout) == (0, "payment 1: already posted, nothing done; status queued\n")
    assert site.counts() == before
    assert json.loads(post_json(site).stdout)["is_new"] is False


def post_json(site):
    given = ["--agency", "sample", "--id", "CHK1", "--account", "5027440", "--amount", "150", "--date", "2026-01-14"]
    return site.run("payments", "post", *given, "--json")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"agency": "nobody"}, "no agency of that name"),
        ({"account": "404"}, "no such account"),
        ({"amount": "1,50"}, "amount:"),
        ({"amount": "-1"}, "amount:"),
        ({"date": "14.1.2026"}, "date:"),
        ({"date": "2999-01-01"}, "has not come yet"),
        ({"id": " "}, "agency_payment_id:"),
        ({"facility": "SOUTHGATE"}, "no such account in that facility"),
        ({"kind": "reversal"}, "takes back"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(site, changes, words):
    """Exit 1."""
    add_account(site.store)
    result = post(site, **changes)
    assert result.exit_code == 1
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert site.counts() == [0, 0, 1]
    assert "payments.post" not in [entry["action"] for entry in read_audit(site.store)]


def test_a_kind_nobody_knows_is_wrong_use(site):
    """Exit 2."""
    assert post(site, kind="gift").exit_code == 2


def test_another_amount_under_a_known_id_is_refused(site):
    """Both amounts are named, so that a person can ask the agency."""
    add_account(site.store)
    post(site)
    result = post(site, amount="175.00")
    assert result.exit_code == 1
    assert "amount (150.00, now 175.00)" in result.stderr
    assert site.counts() == [1, 1, 2]


def test_an_account_in_two_facilities_needs_its_facility(site):
    """Never a guess."""
    add_account(site.store)
    add_account(site.store, facility="SOUTHGATE")
    result = post(site)
    assert result.exit_code == 1
    assert "--facility" in result.stderr
    assert post(site, facility="SOUTHGATE").exit_code == 0
    assert [row["facility"] for row in site.payments()] == ["SOUTHGATE"]


def test_a_facility_without_a_destination_is_refused(site):
    """With what to add."""
    site.config.write_text(site.config.read_text().replace('# facilities = ["NORTHGATE"]', 'facilities = ["WEST"]  #'))
    add_account(site.store)
    result = post(site)
    assert result.exit_code == 1
    assert "no destination takes payments of facility NORTHGATE" in result.stderr


def test_the_posting_day_is_the_facilitys(site):
    """FT1-5 in the facility's zone, which may be another day than ours."""
    zone = '\n[[facilities]]\ncode = "NORTHGATE"\ntime_zone = "{}"\n'
    text = site.config.read_text()
    days = set()
    for number, name in enumerate(("Pacific/Kiritimati", "Pacific/Pago_Pago")):  # 25 hours apart
        site.config.write_text(text + zone.format(name))
        add_account(site.store, f"77{number}")
        assert post(site, id=f"CHK{number}", account=f"77{number}").exit_code == 0
        content = site.store.row("SELECT content FROM deliveries ORDER BY id DESC LIMIT 1")[0]
        days.add(parse_message(content.encode()).get("FT1-5"))
    assert len(days) == 2


def test_payments_are_listed_by_status_and_for_people(site):
    """A table, and words when there is nothing."""
    assert "No payments." in site.run("payments").stderr
    add_account(site.store)
    post(site)
    assert "CHK1" in site.run("payments").stdout
    assert site.payments("--status", "posted") == []
    assert len(site.payments("--status", "queued")) == 1


def test_a_settlement_is_written_off_once_a_person_approves(site):
    """The payment is posted at once, the adjustment only then; a second approval is refused."""
    add_account(site.store)
    given = ["--agency", "sample", "--id", "SET1", "--account", "5027440", "--amount", "300", "--date", "2026-01-14"]
    assert site.run("payments", "post", *given, "--kind", "settlement", "--fee", "60").exit_code == 0
    assert site.store.rows("SELECT kind, amount, fee, settlement FROM payments") == [("payment", 30000, 6000, 20000)]
    [(reason,)] = site.store.rows("SELECT reason FROM exceptions WHERE kind = 'settlement' AND closed_at IS NULL")
    assert "payment 1 settles the account, 200.00 dollars are left" in reason
    assert site.run("payments", "approve", "1", "--reason", " ").exit_code == 1
    result = site.run("payments", "approve", "1", "--reason", "agreed, J.D.")
    assert result.stdout == "payment 2: posted; status queued\n"
    (adjustment, _) = site.payments()
    assert (adjustment["kind"], adjustment["amount"], adjustment["settles"]) == ("adjustment", "200.00", 1)
    assert site.store.row("SELECT charges - payments - adjustments FROM accounts") == (0,)
    assert site.store.rows("SELECT resolution FROM exceptions") == [("agreed, J.D.",)]
    again = site.run("payments", "approve", "1", "--reason", "agreed", "--json")
    assert (again.exit_code, "approved before: the rest is adjustment 2" in again.stderr) == (1, True)
    assert "payments.approve" in [each["action"] for each in read_audit(site.store)]


def test_an_approval_can_say_how_much(site):
    """As one JSON object."""
    add_account(site.store)
    given = ["--agency", "sample", "--id", "SET1", "--account", "5027440", "--amount", "300", "--date", "2026-01-14"]
    site.run("payments", "post", *given, "--kind", "settlement", "--left", "150.00")
    result = site.run("payments", "approve", "1", "--amount", "100.00", "--reason", "agreed", "--json")
    assert json.loads(result.stdout)["amount"] == "100.00"
