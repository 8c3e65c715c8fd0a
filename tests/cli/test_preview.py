"""`preview`: what a new configuration would change on stored traffic; nothing is written, values only when revealed."""

from __future__ import annotations

import io
import re

import pytest
from bridge_samples import Bridge, charges, registration
from preview_samples import GENERIC, RULES, Site, copy_of, previewed, run, take_feed

from hl7bridge.cli.common import App
from hl7bridge.cli.preview import _bar
from hl7bridge.storage.audit import read_audit


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path / "d")
    take_feed(made)
    return made


def test_nothing_differs_and_that_is_exit_0(site):
    """The configuration in force, previewed against itself."""
    code, summary, kinds = site.preview()
    assert code == 0
    assert (summary["differs"], summary["messages"], summary["changed"]) == (False, 2, 0)
    assert (summary["refused_before"], summary["refused_after"], summary["ledgers"]) == (0, 0, 0)
    assert summary["old"].startswith("version 1, in force since ")
    assert summary["new"].endswith("hl7bridge.toml")
    assert kinds["event"] == [
        {"kind": "event", "event": "ADT^A04", "before": 1, "after": 1},
        {"kind": "event", "event": "DFT^P03", "before": 1, "after": 1},
    ]
    assert kinds["field"] == kinds["outcome"] == kinds["account"] == []


def test_a_field_that_is_read_elsewhere_is_told_with_counts_and_no_value(site):
    """Which record and field, in how many messages, and in which: by their ids."""
    site.configure('financial_class = "PV1-20', 'financial_class = "PV1-2', GENERIC)
    before = site.dump()
    code, summary, kinds = site.preview()
    assert code == 1
    assert (summary["changed"], summary["ledgers"]) == (1, 0)
    field = {"record": "account", "field": "financial_class", "messages": 1, "examples": ["1"]}
    assert kinds["field"] == [{"kind": "field", **field}]
    assert site.dump() == before
    shown = site.run("preview", "--exit-code", "--days", 0)
    assert shown.exit_code == 1
    assert "messages    2 read, 1 differ" in shown.stdout
    for secret in ("TESTPATIENT", "5027440", "financial_class: "):
        assert secret not in shown.stdout


def test_an_account_whose_ledger_would_differ_is_rebuilt_with_both_and_told_in_dollars(site):
    """Payments that are read as adjustments: the balance stays, what it is made of does not."""
    site.configure('PY = "PY"', 'PY = "AJ"', GENERIC)
    code, summary, kinds = site.preview()
    assert code == 1
    assert (summary["ledgers"], summary["accounts_compared"]) == (1, 1)
    told = {key: summary[key] for key in ("payments_before", "payments_after", "adjustments_after", "balance_after")}
    assert told == {
        "payments_before": "200.00", "payments_after": "0.00", "adjustments_after": "250.00", "balance_after": "250.00",
    }  # fmt: skip
    (account,) = kinds["account"]
    assert account["differs"] == ["payments", "adjustments", "insurance_payments"]
    assert (account["account"], account["message"], account["before"]) == (1, "1", "aged, sample, primary, automatic")
    assert "number" not in account
    assert "payments 200.00 -> 0.00" in site.run("preview", "--exit-code", "--days", 0).stdout


def test_values_are_shown_when_asked_for_and_the_audit_log_says_who_saw_them(site):
    """The one row that a preview ever writes."""
    site.configure('PY = "PY"', 'PY = "AJ"', GENERIC)
    _, _, kinds = site.preview("--reveal")
    (account,) = kinds["account"]
    assert (account["number"], account["facility"]) == ("5027440", "NORTHGATE")
    assert (account["balance_before"], account["balance_after"]) == ("250.00", "250.00")
    assert {"kind": "field", "record": "entry", "field": "kind", "messages": 1, "examples": ["2: PY -> AJ"]} in kinds[
        "field"
    ]
    with site.store() as store:
        row = next(read_audit(store))
    assert (row["action"], row["subject"]) == ("preview.reveal", "messages: all")
    assert "2: PY -> AJ" in site.run("preview", "--exit-code", "--reveal", "--days", 0).stdout


def test_messages_refused_before_and_after_are_counted_with_why(site):
    """A type that the old one did not know, and one that the new one does not."""
    site.receive(charges("D9", "5027441").replace(b"|CG|", b"|FEE|"))
    site.configure('CHARGE = "CG"', 'CHARGE = "CG"\nFEE = "CG"', GENERIC)
    _, summary, kinds = site.preview()
    assert (summary["refused_before"], summary["refused_after"]) == (1, 0)
    assert kinds["outcome"] == [{"kind": "outcome", "before": "rejected", "after": "applied", "messages": 1}]
    (account,) = kinds["account"]
    assert (account["account"], account["before"]) == (None, "no such account")
    site.take()
    site.configure('CHARGE = "CG"\nFEE = "CG"', 'CHARGE = "CG"', GENERIC)
    code, summary, kinds = site.preview()
    assert code == 1
    assert (summary["refused_before"], summary["refused_after"]) == (0, 1)
    assert kinds["refusal"][0]["refused_for"].startswith("103 FT1-6")
    assert "103 FT1-6" in site.run("preview", "--exit-code", "--days", 0).stdout


def test_an_event_that_is_not_used_any_more_is_told(site):
    """Both in the table of events and as what becomes of its messages."""
    path = site.folder / GENERIC
    path.write_text(re.sub(r'^"ADT\^A04" = .*$', '"ADT^A04" = []', path.read_text(), flags=re.MULTILINE))
    _, _, kinds = site.preview()
    assert {"kind": "event", "event": "ADT^A04", "before": 1, "after": 0} in kinds["event"]
    assert kinds["outcome"] == [{"kind": "outcome", "before": "applied", "after": "ignored", "messages": 1}]


def test_rules_alone_are_previewed_on_every_account_that_owes(site):
    """No message differs; what would be placed does, in dollars. What both place alike is in the totals."""
    take_feed(site, ("5027441",))
    rules = site.folder / "rules.toml"
    rules.write_text(RULES.replace("25.00", "250.01"))
    code, summary, kinds = site.preview()
    assert code == 1
    assert (summary["changed"], summary["ledgers"], summary["placements"]) == (0, 0, 2)
    assert (summary["placed_gone"], summary["placed_gone_dollars"]) == (2, "500.00")
    assert (summary["placed_before"], summary["placed_after_dollars"]) == (2, "0.00")
    account = kinds["account"][0]
    assert (account["account"], account["message"], account["after"]) == (1, None, "not placed")
    assert "only by the old: 2 accounts, 500.00 dollars" in site.run("preview").stdout
    rules.write_text(RULES.replace('agency = "sample"', 'agency = "sample"\ntier = "second"'))
    _, summary, kinds = site.preview("--limit", 1)
    assert (summary["placed_otherwise"], summary["placed_otherwise_dollars"]) == (2, "500.00")
    assert [each["after"] for each in kinds["account"]] == ["aged, sample, second, automatic"]
    rules.write_text(RULES.replace("at_least = 90", "at_least = 91"))
    code, summary, _ = site.preview()
    assert (code, summary["accounts_compared"], summary["placed_after"]) == (0, 2, 2)


def test_only_the_messages_of_the_last_days_are_read_by_the_new_mapping(site):
    """What came before is read by the old one on both sides, so that an account's ledger is whole."""
    with site.store() as store, store.transaction():
        store.execute("UPDATE messages SET received_at = '2020-01-01T00:00:00.000Z'")
    site.configure('CG = "CG"', 'CG = "CD"', GENERIC)
    code, summary, _ = previewed(site.run("preview", "--exit-code", "--json"))
    assert (code, summary["messages"]) == (0, 0)
    again = charges("D7").replace(b"|TX", b"|TY")
    site.receive(again, now=App().now())
    code, summary, _ = previewed(site.run("preview", "--exit-code", "--json"))
    assert (code, summary["messages"], summary["ledgers"]) == (1, 1, 1)
    assert (summary["charges_before"], summary["charges_after"]) == ("1000.00", "500.00")
    assert summary["adjustments_after"] == "600.00"


def test_a_configuration_elsewhere_is_compared_with_one_that_is_named(site, tmp_path):
    """``--old`` names the one in force, and with it the store."""
    new = copy_of(site, tmp_path / "new")
    path = new.parent / GENERIC
    path.write_text(path.read_text().replace('PY = "PY"', 'PY = "AJ"'))
    _, summary, _ = previewed(
        run("preview", "--exit-code", "--config", new, "--old", site.config, "--days", 0, "--json")
    )
    assert (summary["old"], summary["ledgers"]) == (str(site.config), 1)
    assert not (tmp_path / "new" / "data").exists()


def test_files_are_read_instead_of_the_store(site, tmp_path):
    """Their accounts begin with them; only those that a difference touches are rebuilt."""
    feed = tmp_path / "feed.hl7"
    feed.write_bytes(registration("A1", "1") + charges("D1", "1") + registration("A2", "2").replace(b"77^^^", b"78^^^"))
    new = copy_of(site, tmp_path / "new")
    path = new.parent / GENERIC
    path.write_text(path.read_text().replace('PY = "PY"', 'PY = "AJ"'))
    options = ("--config", new, "--old", site.config, feed, "--json")
    code, summary, kinds = previewed(run("preview", "--exit-code", *options))
    assert (code, summary["messages"], summary["accounts_compared"], summary["ledgers"]) == (1, 3, 1, 1)
    assert kinds["account"][0]["message"] == f"{feed}, message 1"
    _, summary, _ = previewed(run("preview", "--exit-code", feed, "--config", site.config, "--json"))
    assert (summary["messages"], summary["differs"]) == (3, False)
    assert "no listener x" in run("preview", "--exit-code", *options, "--listener", "x").stderr


def test_mistakes_of_the_new_configuration_are_told_and_exit_1(site):
    """All of them, with file and line, as `check` tells them."""
    site.configure("birth_on", "born_on", GENERIC)
    result = site.run("preview")
    assert result.exit_code == 1
    assert "unknown field of patient" in result.stderr


def test_a_store_that_knows_of_no_configuration_in_force_says_so(tmp_path):
    """As before the first start of this release."""
    result = Bridge(tmp_path / "d").run("preview")
    assert result.exit_code == 1
    assert "name it with --old" in result.stderr


def test_a_person_who_watches_sees_a_bar_on_stderr(monkeypatch):
    """It moves every hundred messages; stdout stays for the answer."""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    shown = Terminal()
    monkeypatch.setattr("sys.stderr", shown)
    with _bar("reading", 250) as advance:
        for _ in range(250):
            advance(1)
    assert "reading" in shown.getvalue()


def test_the_store_cannot_be_written_while_it_is_previewed(site, monkeypatch):
    """Not even by a mistake of ours: the connection itself refuses."""

    def write(_sides, store, _first, _watch, **_):
        store.execute("DELETE FROM signals")

    monkeypatch.setattr("hl7bridge.preview.preview_stored", write)
    result = site.run("preview")
    assert result.exit_code == 1
    assert "attempt to write a readonly database" in result.stderr


def test_what_waits_in_the_store_is_left_alone_also_by_rules_that_change(site):
    """Every row is the same after a preview of another mapping and other rules."""
    site.configure('PY = "PY"', 'PY = "AJ"', GENERIC)
    site.folder.joinpath("rules.toml").write_text(RULES.replace("25.00", "9.00"))
    before = site.dump(), site.audit()
    assert site.preview()[0] == 1
    assert (site.dump(), site.audit()) == before


def test_before_a_daemon_has_kept_a_version_the_new_file_is_compared_with_the_one_beside_it(tmp_path):
    """And it is read on that one's store when it names none that is there; it alone has nothing to compare with."""
    bridge = Bridge(tmp_path / "d")
    bridge.receive(registration())
    alone = bridge.run("preview")
    assert (alone.exit_code, "name it with --old" in alone.stderr) == (1, True)
    moved = copy_of(bridge, tmp_path / "moved")
    assert (
        "there is no store here; name the configuration in force with --old" in run("preview", "--config", moved).stderr
    )
    new = bridge.folder / "new.toml"
    new.write_text(bridge.config.read_text().replace('path = "data/hl7bridge.db"', 'path = "elsewhere.db"'))
    for text in (bridge.config.read_text(), new.read_text()):
        new.write_text(text)
        code, summary, _ = previewed(run("preview", "--config", new, "--days", 0, "--json"))
        assert (code, summary["messages"], summary["old"]) == (0, 1, str(bridge.config))
