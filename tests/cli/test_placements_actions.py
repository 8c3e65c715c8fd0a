"""``hl7bridge placements``: what a person says is told to the agency at once, with a reason, or it is refused."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from placement_samples import charge, new_key_store, put_account, settings_in

from hl7bridge.cli.main import main
from hl7bridge.storage.accounts import read_account
from hl7bridge.storage.audit import read_audit, verify_audit
from hl7bridge.storage.entries import add_entry

WHY = ("--reason", "a test")


@pytest.fixture
def config(tmp_path):
    path = settings_in(tmp_path)
    with new_key_store(path) as store:
        put_account(store, "A1001")
        put_account(store, "A1002")
    invoke(path, "decide", "--as-of", "2026-03-02")
    return path


def invoke(config, *arguments: str):
    return CliRunner().invoke(main, [*arguments, "--config", str(config)])


def run(config, *arguments: str):
    return invoke(config, "placements", *arguments)


def shown(config, number: int = 1) -> dict:
    return json.loads(run(config, "show", str(number), "--json").stdout)


def notices(config, number: int = 1) -> list[tuple[str, str, str, str]]:
    return [(row["kind"], row["reason"], row["amount"], row["status"]) for row in shown(config, number)["notices"]]


def acknowledge(config) -> None:
    with new_key_store(config) as store:
        store.execute("UPDATE placements SET status = 'active', acknowledged_at = sent_at")


def charge_more(config, amount: str = "55.00") -> None:
    with new_key_store(config) as store, store.transaction():
        state = read_account(store, 1)
        entry = charge(amount, 10, transaction_id="T2")
        add_entry(store, state, entry, source="TEST|NORTHGATE", recorded_at="2027", due_on=lambda _: None)


@pytest.mark.parametrize(
    ("command", "status", "kind"), [("suspend", "suspended", "suspend"), ("recall", "recall_pending", "recall")]
)
def test_a_person_stops_an_agency_and_the_file_is_there_when_the_command_ends(config, command, status, kind):
    """The agency gets the reason ``requested``, never the person's words."""
    assert run(config, command, "1").exit_code == 2
    assert "a reason is needed" in run(config, command, "1", "--reason", " ").stderr
    result = run(config, command, "1", "2", *WHY)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"placement 1: {status}\nplacement 2: {status}\n")
    assert notices(config) == [(kind, "requested", "", "sent")]
    found = shown(config)
    assert (found["status"], found["events"][-1]["reason"]) == (status, "a test")
    outgoing = config.parent / "agencies" / "sample" / "outgoing"
    [file] = [each for each in outgoing.glob("stops-*") if "trailer" not in each.name]
    assert "a test" not in file.read_text()
    text = run(config, "show", "1").stdout
    assert "told_balance: 150.00" in text
    assert "requested" in text


def test_what_a_person_suspended_is_resumed_by_a_person(config):
    """Before its acknowledgement it is sent again, after it active."""
    run(config, "suspend", "1", "2", *WHY)
    again = run(config, "suspend", "1", *WHY)
    assert "suspended by a person already" in again.stderr
    assert run(config, "resume", "1", *WHY).stdout.startswith("placement 1: sent\n")
    with new_key_store(config) as store:
        store.execute("UPDATE placements SET acknowledged_at = sent_at")
    assert run(config, "resume", "2", *WHY).stdout.startswith("placement 2: active\n")
    assert "nothing to resume" in run(config, "resume", "2", *WHY).stderr
    assert notices(config) == [("suspend", "requested", "", "sent"), ("resume", "requested", "", "sent")]


def test_nothing_is_resumed_under_a_hold_or_when_nothing_is_owed(config):
    """Whoever asks; and what a hold suspended a person can keep suspended beyond it."""
    acknowledge(config)
    invoke(config, "signals", "set", "A1001", "dispute", "open")
    invoke(config, "payments", "post", "--agency", "sample", "--id", "C1", "--account", "A1002", "--amount", "150.00",
           "--date", "2026-03-01")  # fmt: skip
    refused = run(config, "resume", "1", *WHY)
    assert "placement 1 stays suspended: in force is dispute" in refused.stderr
    assert run(config, "suspend", "1", *WHY).stdout.startswith("placement 1: suspended\n")
    invoke(config, "signals", "set", "A1001", "dispute", "resolved")
    assert shown(config)["status"] == "suspended"
    assert run(config, "resume", "1", *WHY).exit_code == 0
    run(config, "recall", "1", *WHY)
    with new_key_store(config) as store:
        store.execute("UPDATE accounts SET payments = charges WHERE id = 1")
    assert "nothing is owed" in run(config, "resume", "1", *WHY).stderr


def test_new_charges_are_told_or_left_by_a_persons_word(config):
    """And the exception is answered."""
    acknowledge(config)
    assert run(config, "charges", "1", *WHY).exit_code == 2
    assert "no charges wait" in run(config, "charges", "1", "--send", *WHY).stderr
    charge_more(config)
    result = run(config, "charges", "1", "--send", *WHY)
    assert result.stdout.startswith("placement 1: 55.00 dollars, told to the agency\n")
    assert notices(config) == [("charge", "requested", "55.00", "sent")]
    assert (shown(config)["told_balance"], shown(config)["not_told"]) == ("205.00", "0.00")


def test_charges_that_are_left_out_stay_left_out(config):
    """They are owed to the hospital, and the agency does not collect them."""
    acknowledge(config)
    charge_more(config)
    assert run(config, "charges", "1", "--leave", *WHY).stdout == "placement 1: 55.00 dollars, left out\n"
    found = shown(config)
    assert (found["told_balance"], found["not_told"], found["left_out"]) == ("150.00", "0.00", "55.00")
    assert invoke(config, "exceptions", "--json").stdout == ""


def test_an_objection_to_a_recall_is_granted_or_denied(config):
    """Granted the placement goes on for a while; denied the recall stands."""
    acknowledge(config)
    assert "no recall is under way" in run(config, "objection", "1", "--grant", *WHY).stderr
    assert run(config, "objection", "1", *WHY).exit_code == 2
    run(config, "recall", "1", "2", *WHY)
    assert run(config, "objection", "1", "--deny", *WHY).stdout == "placement 1: recall_pending\n"
    assert run(config, "objection", "2", "--grant", *WHY).stdout.startswith("placement 2: active\n")
    with new_key_store(config) as store:
        assert store.row("SELECT count(*) FROM placements WHERE recall_by > updated_at") == (2,)


def test_a_placement_that_waits_in_review_is_declined_with_a_reason(config):
    """Not one that was approved."""
    rules = config.parent / "rules.toml"
    rules.write_text(rules.read_text().replace('mode = "automatic"', 'mode = "review"'))
    with new_key_store(config) as store:
        put_account(store, "A1003")
    invoke(config, "decide", "--as-of", "2026-03-02")
    assert run(config, "decline", "3").exit_code == 2
    assert run(config, "decline", "3", *WHY).stdout == "placement 3: cancelled\n"
    assert "placement 1 is sent, not in review" in run(config, "decline", "1", *WHY).stderr
    assert "no agency has it; cancel it" in recall_queued(config).stderr


def recall_queued(config):
    with new_key_store(config) as store:
        store.execute("UPDATE placements SET status = 'queued' WHERE id = 3")
    return run(config, "recall", "3", *WHY)


@pytest.mark.parametrize("kind", ["recalled", "returned", "settled"])
def test_a_person_says_how_a_placement_ended(config, kind):
    """As when the agency telephones; a settlement always takes a person."""
    run(config, "recall", "1", *WHY)
    assert run(config, "close", "1", "--as", kind, *WHY).stdout == f"placement 1: {kind}\n"
    assert run(config, "close", "1", "--as", "sent", *WHY).exit_code == 2
    assert "does not go from" in run(config, "close", "1", "--as", "returned", *WHY).stderr


def test_all_or_none_and_all_of_it_in_the_audit_log(config):
    """One that is refused undoes the others."""
    assert run(config, "suspend", "1", "99", *WHY).exit_code == 1
    assert shown(config)["status"] == "sent"
    run(config, "suspend", "1", *WHY)
    with new_key_store(config) as store:
        row = next(each for each in read_audit(store) if each["action"] == "placements.suspended")
        assert (row["subject"], row["reason"]) == ("placement 1", "a test")
        assert verify_audit(store).ok


def test_what_changed_before_counts_whatever_a_person_says_now(config):
    """A payment that nobody has told the agency of yet is told first."""
    acknowledge(config)
    with new_key_store(config) as store:
        store.execute("UPDATE patients SET deceased = 1")
    result = run(config, "suspend", "1", *WHY)
    assert "does not go from recall_pending to suspended" in result.stderr
