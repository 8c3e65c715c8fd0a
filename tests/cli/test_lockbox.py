"""``lockbox``: files of payments written, listed, settled and written again by a person."""

from __future__ import annotations

import json

import pytest
from lockbox_samples import states, transaction_ids
from payment_samples import add_account
from payments_site import Site, post

from hl7bridge.storage.audit import read_audit


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path / "d")
    text = made.config.read_text().replace('connect = "127.0.0.1:2576"', 'lockbox = { folder = "box" }', 1)
    made.config.write_text(text)
    add_account(made.store)
    yield made
    made.store.close()


def rows(site):
    return [json.loads(line) for line in site.run("lockbox", "--json").stdout.splitlines()]


def test_a_payment_goes_into_a_file_and_a_person_says_that_it_was_posted(site):
    """From the queue to posted; with a reason, in the audit log."""
    assert site.run("lockbox", "write").stderr == "nothing is queued\n"
    post(site)
    result = site.run("lockbox", "write")
    (path,) = (site.folder / "box").iterdir()
    assert result.stdout == f"wrote {path}: 1 records\n"
    assert rows(site)[0] | {"created_at": "", "written_at": "", "name": ""} == {
        "file": 1, "destination": "ehr", "number": 1, "name": "", "records": 1, "total": "150.00",
        "status": "written", "created_at": "", "written_at": "", "waiting": 1,
    }  # fmt: skip
    assert site.run("lockbox", "accept", 1, "--reason", " ").exit_code == 1
    result = site.run("lockbox", "accept", 1, "--reason", "seen by J.D.")
    assert result.stdout == "1 accepted, 0 held, 0 settled before\n"
    assert states(site.store)[0][:2] == ("accepted", "posted")
    assert next(entry["reason"] for entry in read_audit(site.store)) == "seen by J.D."
    assert "No lockbox files." not in site.run("lockbox").stderr


def test_an_acknowledgement_is_imported_or_refused_with_every_problem(site):
    """The line is named; nothing of it is taken."""
    post(site)
    site.run("lockbox", "write")
    (name,) = transaction_ids(site.store)
    bad = site.run("lockbox", "import", "-", text=f"transaction_id,status\n{name},accepted\nXXXX00000009,accepted\n")
    assert bad.exit_code == 1
    assert "-: line 3: names a payment that no lockbox file of ehr has" in bad.stderr
    good = site.run("lockbox", "import", "-", "--destination", "ehr", text=f"transaction_id,status\n{name},refused\n")
    assert good.stdout == "0 accepted, 1 held, 0 settled before\n"


def test_a_file_that_was_lost_is_written_again(site):
    """The same bytes."""
    post(site)
    site.run("lockbox", "write")
    (path,) = (site.folder / "box").iterdir()
    data = path.read_bytes()
    path.unlink()
    assert site.run("lockbox", "resend", 1).stdout == f"wrote {path.name}: 1 records\n"
    assert path.read_bytes() == data


def test_a_lockbox_has_to_be_meant(site):
    """None of the name, or several."""
    assert "there is ehr" in site.run("lockbox", "write", "--destination", "other").stderr
    more = '\n[[destinations]]\nname = "two"\nlockbox = { folder = "two" }\nfacilities = ["OTHER"]\n'
    site.config.write_text(site.config.read_text() + more)
    assert "there are several lockboxes" in site.run("lockbox", "write").stderr


def test_check_looks_at_the_folders_of_a_lockbox(site):
    """As at the agencies'."""
    assert "destinations[1].lockbox.folder: " in site.run("check").stdout
    (site.folder / "box").mkdir()
    assert site.run("check").exit_code == 0
