"""``payments import``: a file is posted whole, what names no account waits in suspense, or every problem is told."""

from __future__ import annotations

import json

import pytest
from payment_samples import add_account, statuses
from payments_site import Site, post

from hl7bridge.message.parse import parse_message
from hl7bridge.storage.audit import read_audit

FILE = """agency_payment_id,account,amount,date,kind
CHK1,5027440,150.00,2026-01-14,
ADJ1,5027440,50.00,2026-01-14,adjustment
"""


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path / "d")
    yield made
    made.store.close()


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
        (FILE + "CHK2,404,-1.00,2026-01-14,\nNSF1,5027440,1.001,2026-01-14,reversal\n", [4, 5]),
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


def test_a_payment_that_comes_again_changed_waits_for_a_person_and_the_others_are_posted(site):
    """Nothing of it is posted; both amounts are named, so that a person can ask the agency."""
    add_account(site.store)
    post(site)
    result = site.run("payments", "import", "-", "--agency", "sample", text=FILE.replace("150.00", "151.00"))
    assert result.exit_code == 0
    assert result.stdout.endswith(", 1 for a person: hl7bridge exceptions\n")
    assert site.counts() == [2, 2, 3]
    [(kind, reason)] = site.store.rows("SELECT kind, reason FROM exceptions")
    assert kind == "payment_changed"
    assert "line 2: payment 1 came again with another amount (150.00, now 151.00)" in reason


def test_what_names_no_account_waits_in_suspense_and_the_others_are_posted(site):
    """With its dollars; so does a reversal of what was never paid."""
    add_account(site.store)
    text = FILE + "CHK2,404,1.00,2026-01-14,\nNSF1,5027440,150.01,2026-01-14,reversal\n"
    result = site.run("payments", "import", "-", "--agency", "sample", "--json", text=text)
    assert "2 posted (150.00 paid, 50.00 adjusted), 0 already posted (0.00 paid), 2 in suspense (-149.01 paid)" in (
        result.stderr
    )
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(row["line"], row["outcome"], row["payment"]) for row in rows] == [
        (2, "applied", 1), (3, "applied", 2), (4, "exception", None), (5, "exception", None),
    ]  # fmt: skip
    assert site.store.rows("SELECT account, amount, reason FROM suspense") == [
        ("404", 100, "no such account"),
        ("5027440", 15001, site.store.row("SELECT reason FROM suspense WHERE id = 2")[0]),
    ]


@pytest.mark.parametrize(("cheque", "code"), [("130.00", 0), ("150.00", 1), ("x", 1)])
def test_gross_less_reversals_less_fees_has_to_be_the_cheque(site, cheque, code):
    """Or nothing is posted, and the difference is told."""
    add_account(site.store)
    text = "agency_payment_id,account,amount,date,fee\nCHK1,5027440,150.00,2026-01-14,20.00\n"
    result = site.run("payments", "import", "-", "--agency", "sample", "--cheque", cheque, text=text)
    assert result.exit_code == code
    assert site.counts()[0] == 1 - code
    if cheque == "150.00":
        assert "150.00 - reversals 0.00 - fees 20.00 = 130.00, and the cheque is 150.00: a difference of 20.00" in (
            result.stderr
        )


def test_the_same_file_again_is_the_same_remittance(site):
    """By its bytes: also a file that is imported under another name."""
    add_account(site.store)
    for _ in range(2):
        result = site.run("payments", "import", "-", "--agency", "sample", text=FILE)
    assert result.stdout == "0 posted (0.00 paid), 2 already posted (150.00 paid, 50.00 adjusted)\n"
    assert site.store.rows("SELECT gross, reversals, fees, paid, records FROM remittances") == [(15000, 0, 0, 15000, 2)]


def test_a_file_of_two_agencies_is_a_remittance_of_each(site):
    """Each with its own totals, and the lines in their order."""
    text = site.config.read_text()
    site.config.write_text(text + '\n[[agencies]]\nname = "second"\noutgoing = "agencies/second/outgoing"\n')
    add_account(site.store)
    rows = "agency_payment_id,account,amount,date,agency\nA,5027440,1.00,2026-01-14,second\n"
    rows += "A,5027440,2.00,2026-01-14,sample\n"
    result = site.run("payments", "import", "-", "--json", text=rows)
    assert [json.loads(line)["agency"] for line in result.stdout.splitlines()] == ["second", "sample"]
    assert site.store.rows("SELECT agency, gross FROM remittances ORDER BY id") == [("sample", 200), ("second", 100)]


def test_the_agencys_own_layout_is_taken_by_suffix_or_by_option(site):
    """A .txt file is written as the agency writes; --layout says otherwise."""
    add_account(site.store)
    text = site.config.read_text().replace('name = "sample"', 'name = "sample"\npayment_layout = "ygc"', 1)
    site.config.write_text(text)
    header = "RECORD|FILENO|FORW_FILE|MASCO_FILE|FORW_ID|FIRM_ID|RET_CODE|PAY_DATE|GROSS_PAY|NET_CLIENT|CHECK_AMT|"
    line = "30|1|5027440|9|H|F|{}|20260114|{}.00||||5.00"
    file = site.folder / "p.txt"
    file.write_text(f"{header}COST_RET|FEES\n{line.format(1, 50)}\n{line.format(6, 30)}\n")
    result = site.run("payments", "import", file)
    assert result.stdout == "1 posted (50.00 paid), 0 already posted (0.00 paid), 1 direct, not posted, fees 10.00\n"
    assert site.run("payments", "import", file, "--layout", "csv").exit_code == 1


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


def test_a_careful_site_suspends_payments_of_accounts_that_the_agency_never_had(site):
    """By a setting of the agency."""
    add_account(site.store)
    text = site.config.read_text().replace('name = "sample"', 'name = "sample"\nunplaced = "suspense"', 1)
    site.config.write_text(text)
    result = site.run("payments", "import", "-", text=FILE)
    assert result.stdout.endswith("2 in suspense (150.00 paid, 50.00 adjusted)\n")
    assert site.counts()[0] == 0
