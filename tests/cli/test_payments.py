"""``payments``: posted once, from the command line or a file, or refused with a line that helps and nothing written."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from payment_samples import add_account, statuses

from hl7bridge.cli.main import main
from hl7bridge.message.parse import parse_message
from hl7bridge.storage.audit import read_audit, verify_audit
from hl7bridge.storage.database import open_store, read_key

FILE = """agency_payment_id,account,amount,date,kind
CHK1,5027440,150.00,2026-01-14,
ADJ1,5027440,50.00,2026-01-14,adjustment
"""


class Site:
    """A folder as ``init`` makes it, with its store open."""

    def __init__(self, folder):
        self.folder = folder
        assert CliRunner().invoke(main, ["init", str(folder)], catch_exceptions=False).exit_code == 0
        self.config = folder / "hl7bridge.toml"
        key = read_key(folder / "secrets" / "store.key")
        self.store = open_store(folder / "data" / "hl7bridge.db", key, create=True)

    def run(self, *arguments, text=None):
        """Run a command as the shell would."""
        given = [*arguments, "--config", str(self.config)]
        return CliRunner().invoke(main, [str(each) for each in given], input=text, catch_exceptions=False)

    def payments(self, *options):
        """Return what ``payments --json`` shows."""
        return [json.loads(line) for line in self.run("payments", "--json", *options).stdout.splitlines()]

    def counts(self):
        """Return how many payments, deliveries and entries there are."""
        return [self.store.row(f"SELECT count(*) FROM {table}")[0] for table in ("payments", "deliveries", "entries")]


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path / "d")
    yield made
    made.store.close()


def post(site, **changes):
    options = {"agency": "sample", "id": "CHK1", "account": "5027440", "amount": "150.00", "date": "2026-01-14"}
    given = [part for name, value in (options | changes).items() for part in (f"--{name}", value)]
    return site.run("payments", "post", *given)


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


def test_a_file_is_posted_whole(site):
    """With its totals; the balance and the batch are its own."""
    add_account(site.store)
    file = site.folder / "remittance.csv"
    file.write_text(FILE)
    result = site.run("payments", "import", file, "--agency", "sample")
    assert result.exit_code == 0
    assert result.stdout == "2 posted (150.00 paid, 50.00 adjusted), 0 already posted (0.00 paid)\n"
    assert statuses(site.store) == [("queued", "queued")] * 2
    assert site.store.row("SELECT charges - payments - adjustments FROM accounts")[0] == 30000
    batches = {parse_message(row[0].encode()).get("FT1-3") for row in site.store.rows("SELECT content FROM deliveries")}
    assert len(batches) == 1
    (entry,) = [each for each in read_audit(site.store) if each["action"] == "payments.import"]
    assert entry["subject"].startswith("agency sample, file sha256 ")


def test_a_file_imported_again_posts_nothing(site):
    """And says what it found; a line that was added is posted."""
    add_account(site.store)
    site.run("payments", "import", "-", "--agency", "sample", text=FILE)
    result = site.run("payments", "import", "-", "--agency", "sample", text=FILE + "CHK2,5027440,1.00,2026-01-14,\n")
    assert result.stdout == "1 posted (1.00 paid), 2 already posted (150.00 paid, 50.00 adjusted)\n"
    assert site.counts()[0] == 3


def test_a_file_can_be_followed_line_by_line(site):
    """One object a line; the totals go to stderr."""
    add_account(site.store)
    result = site.run("payments", "import", "-", "--agency", "sample", "--json", text=FILE)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(row["agency_payment_id"], row["kind"], row["is_new"]) for row in rows] == [
        ("CHK1", "payment", True),
        ("ADJ1", "adjustment", True),
    ]
    assert "2 posted" in result.stderr


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (FILE + "CHK2,5027440,x,2026-01-14,\nCHK3,5027440,1.00,yesterday,\n", [4, 5]),
        (FILE + "CHK2,404,1.00,2026-01-14,\nNSF1,5027440,150.01,2026-01-14,reversal\n", [4, 5]),
        (FILE + "CHK1,5027440,1.00,2026-01-14,\n", [4]),
        ("", [1]),
        (FILE + "CHK2,5027440,1.00,2026-01-14,r\udce9versal\n", [4]),
    ],
)
def test_a_file_with_a_problem_posts_nothing_and_names_every_line(site, text, lines):
    """All or nothing."""
    add_account(site.store)
    file = site.folder / "remittance.csv"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    result = site.run("payments", "import", file, "--agency", "sample")
    assert result.exit_code == 1
    named = [line for line in result.stderr.splitlines() if "remittance.csv:" in line]
    assert [int(line.split("remittance.csv:")[1].split(":")[0]) for line in named] == lines
    assert site.counts() == [0, 0, 1]


def test_a_file_that_changes_a_known_payment_is_refused_whole(site):
    """The good lines wait until a person has asked the agency."""
    add_account(site.store)
    post(site)
    text = FILE.replace("150.00", "151.00")
    result = site.run("payments", "import", "-", "--agency", "sample", text=text)
    assert result.exit_code == 1
    assert "-:2: payment 1 has this agency_payment_id with another amount (150.00, now 151.00)" in result.stderr
    assert site.counts() == [1, 1, 2]


def test_a_file_or_agency_that_is_not_there_is_one_line(site):
    """Exit 1."""
    for arguments in ((site.folder / "gone.csv", "--agency", "sample"), ("-", "--agency", "nobody")):
        result = site.run("payments", "import", *arguments, text=FILE)
        assert result.exit_code == 1
        assert len(result.stderr.splitlines()) == 1


def test_the_only_agency_need_not_be_named(site):
    """A hospital with one agency imports its file with the file's name alone."""
    add_account(site.store)
    result = site.run("payments", "import", "-", text=FILE)
    assert (result.exit_code, site.counts()[0]) == (0, 2), result.stderr
