"""What a preview rebuilds: all that hangs together with a difference, with what people and agencies told of it."""

from __future__ import annotations

import pytest
from bridge_samples import charges, registration
from cli_samples import run
from preview_samples import GENERIC, Site, copy_of, previewed, take_feed

from hl7bridge.cli.common import App
from hl7bridge.errors import SEGMENT_SEQUENCE, Location, MessageError

AS_ADJUSTMENT = 'PY = "PY"', 'PY = "AJ"', GENERIC


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path / "d")
    take_feed(made)
    return made


def merge(source, target, control_id="M1"):
    """Return an ADT^A40 of one person, by which an account becomes part of another."""
    return (
        f"MSH|^~\\&|REG|NORTHGATE|||20260112120000||ADT^A40^ADT_A39|{control_id}|P|2.5.1\rEVN|A40|20260112120000\r"
        f"PID|1||M77^^^NORTHGATE^MR||TESTPATIENT^AURELIA|||||||||||||{target}^^^NORTHGATE^AN\r"
        f"MRG|M77^^^NORTHGATE^MR||{source}^^^NORTHGATE^AN\r"
    ).encode()


def test_a_signal_that_a_person_set_holds_on_both_sides(site):
    """No message tells of it, so it is taken from the store."""
    site.configure(*AS_ADJUSTMENT)
    _, summary, _ = site.preview()
    assert (summary["placed_before"], summary["placed_after"]) == (1, 1)
    assert run("signals", "set", "5027440", "dispute", "yes", "--config", site.config).exit_code == 0
    _, summary, kinds = site.preview()
    assert (summary["ledgers"], summary["placed_before"], summary["placed_after"]) == (1, 0, 0)
    assert (kinds["account"][0]["before"], kinds["account"][0]["after"]) == ("not placed", "not placed")


def test_money_from_an_agency_counts_on_both_sides(site):
    """It is in the ledger and came with no message."""
    posted = ("--agency", "sample", "--id", "P1", "--account", "5027440", "--amount", "40.00", "--date", "2026-01-14")
    assert run("payments", "post", *posted, "--config", site.config).exit_code == 0
    site.configure(*AS_ADJUSTMENT)
    _, summary, _ = site.preview()
    assert (summary["payments_before"], summary["payments_after"]) == ("240.00", "40.00")
    assert (summary["balance_before"], summary["balance_after"]) == ("210.00", "210.00")


def test_a_payment_that_came_back_counts_once_on_both_sides(site):
    """Its echo is no entry, whatever a mapping makes of its type."""
    posted = ("--agency", "sample", "--id", "P1", "--account", "5027440", "--amount", "40.00", "--date", "2026-01-14")
    assert run("payments", "post", *posted, "--config", site.config).exit_code == 0
    with site.store() as store:
        (transaction,) = store.rows("SELECT transaction_id FROM payments")[0]
    head = charges("E1").decode().partition("FT1|")[0]
    site.receive(f"{head}FT1|1|{transaction}||20260114|20260115|PY|AGYPAY|||1|40.00\r".encode())
    site.configure(*AS_ADJUSTMENT)
    _, summary, _ = site.preview()
    assert (summary["payments_before"], summary["payments_after"]) == ("240.00", "40.00")
    assert (summary["balance_before"], summary["balance_after"]) == ("210.00", "210.00")


def test_an_account_that_is_placed_is_not_decided(site):
    """Its ledger may differ all the same."""
    assert run("decide", "--config", site.config).exit_code == 0
    site.configure(*AS_ADJUSTMENT)
    _, summary, kinds = site.preview()
    assert (summary["ledgers"], summary["placements"], summary["placed_before"]) == (1, 0, 0)
    assert kinds["account"][0]["before"] == "placed already (sent)"
    rules = site.folder / "rules.toml"
    rules.write_text(rules.read_text().replace('"25.00"', '"26.00"'))
    site.take()
    rules.write_text(rules.read_text().replace('"26.00"', '"9000.00"'))
    _, summary, _ = site.preview()
    assert summary["placements"] == 0


def test_an_account_that_came_back_from_an_agency_is_placed_by_neither(site):
    """A placement that ended stands against another, and the store alone knows of it."""
    assert run("decide", "--config", site.config).exit_code == 0
    with site.store() as store, store.transaction():
        store.execute("UPDATE placements SET status = 'returned'")
    site.configure(*AS_ADJUSTMENT)
    _, summary, kinds = site.preview()
    assert (summary["placed_before"], kinds["account"][0]["before"]) == (0, "not placed")


def test_accounts_that_were_merged_are_rebuilt_together(site):
    """A charge of the one that is no more differs, and the other has it."""
    site.receive(
        registration("A8", "6000001"), charges("D8", "6000001").replace(b"|TX", b"|TZ").replace(b"|CG|", b"|CHARGE|")
    )
    site.receive(merge("6000001", "5027440"))
    site.configure('CHARGE = "CG"', 'CHARGE = "CD"', GENERIC)
    _, summary, kinds = site.preview("--reveal")
    assert summary["changed"] == 1
    differing = {each["number"]: (each["balance_before"], each["balance_after"]) for each in kinds["account"]}
    assert differing == {"5027440": ("500.00", "-500.00")}


def test_what_is_told_of_a_person_alone_touches_the_persons_accounts(site):
    """A person who died, by a field that only the new mapping takes so: the account is not placed any more."""
    site.receive(
        b"MSH|^~\\&|REG|NORTHGATE|||20260113120000||ADT^A31|P1|P|2.5.1\rEVN|A31\r"
        b"PID|1||M77^^^NORTHGATE^MR||TESTPATIENT^AURELIA^Q|||||||||||||||||||||||||YES\r"
    )
    path = site.folder / GENERIC
    text = path.read_text()
    assert "deceased = " in text
    at = text.index("deceased = ")
    path.write_text(text[:at] + text[text.index("\n", at) + 1 :])
    code, summary, kinds = site.preview()
    assert code == 1
    assert [each["field"] for each in kinds["field"]] == ["deceased"]
    assert (summary["accounts_compared"], summary["placed_before"], summary["placed_after"]) == (1, 0, 1)
    assert summary["placed_new_dollars"] == "250.00"
    assert kinds["account"][0]["differs"] == ["placement"]


def test_a_number_that_is_read_elsewhere_makes_another_account(site):
    """The account of today would not be there, and one that nobody knows yet would."""
    site.configure('number = "PID-18.1"', 'number = "PV1-19.1"', GENERIC)
    code, _, kinds = site.preview("--reveal")
    assert code == 1
    told = {each["number"]: (each["before"], each["after"]) for each in kinds["account"]}
    assert told["5027440"][1] == "no such account"
    assert told["V77"][0] == "no such account"


def test_an_entry_that_the_ledger_refuses_on_one_side_is_counted(site):
    """Two messages with one FT1-2: only where they are of different types is the second a mistake."""
    again = charges("D5").replace(b"|CG|", b"|CHARGE|")
    site.receive(again)
    site.configure('CHARGE = "CG"', 'CHARGE = "CD"', GENERIC)
    _, summary, kinds = site.preview()
    assert (summary["refused_before"], summary["refused_after"]) == (0, 1)
    assert {"kind": "outcome", "before": "applied", "after": "rejected", "messages": 1} in kinds["outcome"]


def test_messages_of_which_too_little_was_kept_are_counted_and_not_judged(site):
    """An event that only the new mapping uses, and bytes that never were a message."""
    site.receive(registration("A7", "6000002").replace(b"A04", b"A02"))
    site.receive_faulty(b"MSH|^~", error=MessageError(SEGMENT_SEQUENCE, Location("MSH"), "the block was cut short"))
    site.receive(b"MSH|^~\\&|REG|NORTHGATE|||20260113120000||ACK|K1|P|2.5.1\rMSA|AA|X\r")
    site.configure('"ADT^A04" = ', '"ADT^A02" = ["patient"]\n"ADT^A04" = ', GENERIC)
    code, summary, kinds = site.preview()
    assert code == 1
    assert (summary["header_only"], summary["not_whole"], summary["changed"]) == (1, 1, 0)
    assert kinds["outcome"] == []
    shown = site.run("preview", "--exit-code", "--days", 0).stdout
    assert "1 of which no more than MSH was kept would be read by one side only" in shown
    assert "1 more were not whole when they came" in shown


def test_fields_that_only_the_new_mapping_names_are_told_for_they_were_not_kept(site):
    """Stored messages cannot show what such a field would say."""
    site.configure('financial_class = "PV1-20', 'financial_class = "PV1-21', GENERIC)
    _, summary, _ = site.preview()
    assert summary["fields_not_kept"] == ["PV1-21"]
    assert "none of them was kept: PV1-21" in site.run("preview", "--exit-code", "--days", 0).stdout


def test_a_listener_that_is_gone_takes_nothing(site):
    """Nor does one that takes other processing ids."""
    site.configure('name = "ehr"\nbind', 'name = "new"\nbind')
    _, summary, kinds = site.preview()
    assert (summary["refused_before"], summary["refused_after"]) == (0, 2)
    assert kinds["refusal"] == [{"kind": "refusal", "refused_for": "there is no such listener", "messages": 2}]
    assert kinds["account"][0]["after"] == "no such account"


def test_messages_that_could_not_be_read_may_be_readable_by_another_character_set(site):
    """The bytes were kept; a message that was kept as text is read by both."""
    site.receive(
        registration("A6", "6000003")
        .replace(b"AURELIA", b"AUR\xc9LIA")
        .replace(b"|2.5.1\r", b"|2.5.1||||||UNICODE UTF-8\r")
    )
    site.receive(registration("A5", "6000004").replace(b"AURELIA", "AUR\u4e00LIA".encode()))
    site.configure('name = "ehr"\nbind', 'name = "ehr"\ncharset = "8859/1"\ncharset_for = "all"\nbind')
    code, summary, kinds = site.preview()
    assert code == 1
    assert summary["refused_before"] == 1
    reasons = [each["refused_for"] for each in kinds["refusal"]]
    assert reasons == ["holds characters that the listener's character set lacks"]
    outcomes = {(each["before"], each["after"]) for each in kinds["outcome"]}
    assert outcomes == {("unreadable", "applied"), ("applied", "unreadable")}


def test_signals_that_a_mapping_makes_are_told_by_name(site, tmp_path):
    """From files too, where nothing of the store is looked at."""
    feed = tmp_path / "feed.hl7"
    feed.write_bytes(registration("A1", "1"))
    new = copy_of(site, tmp_path / "new")
    path = new.parent / GENERIC
    text = path.read_text().replace(
        '"guarantor", "coverage", "balance"]', '"guarantor", "coverage", "balance", "signals"]'
    )
    path.write_text(
        text + '\n[[signals]]\nname = "dispute"\nfrom = "PV1-2"\ntable = "dispute"\n[tables.dispute]\nO = "yes"\n'
    )
    result = run("preview", feed, "--config", new, "--old", site.config, "--json", "--reveal")
    if result.exit_code == 1:
        pytest.fail(result.stderr)
    _, summary, kinds = previewed(result)
    assert [(each["record"], each["field"]) for each in kinds["field"]] == [("signal", "dispute")]
    assert kinds["field"][0]["examples"] == [f"{feed}, message 1: nothing -> yes"]
    assert summary["ledgers"] == 0
    assert App(site.config).config_path == site.config
