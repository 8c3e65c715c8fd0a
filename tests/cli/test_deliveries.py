"""``deliveries``: what is on its way, and what a person may decide about what is stuck."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from delivery_samples import end_attempt, start_attempt
from payment_samples import add_account, make_payment, post, statuses

from hl7bridge.cli.main import main
from hl7bridge.delivery.policy import DeliveryRules
from hl7bridge.delivery.verdict import NO_REPLY, Outcome, Verdict
from hl7bridge.storage.audit import read_audit
from hl7bridge.storage.database import open_store, read_key

HELD = Verdict(Outcome.HELD, "AE 204 unknown key identifier at PID-3")


class Site:
    """A folder as ``init`` makes it, with a payment in the outbox."""

    def __init__(self, folder):
        assert CliRunner().invoke(main, ["init", str(folder)], catch_exceptions=False).exit_code == 0
        self.config = folder / "hl7bridge.toml"
        key = read_key(folder / "secrets" / "store.key")
        self.store = open_store(folder / "data" / "hl7bridge.db", key, create=True)

    def run(self, *arguments):
        """Run ``deliveries`` as the shell would."""
        given = ["deliveries", *arguments, "--config", str(self.config)]
        return CliRunner().invoke(main, [str(each) for each in given], catch_exceptions=False)

    def rows(self, *options):
        """Return what ``deliveries --json`` shows."""
        return [json.loads(line) for line in self.run("--json", *options).stdout.splitlines()]

    def stick(self, verdict):
        """Have the first delivery end with a verdict."""
        start_attempt(self.store, 1)
        end_attempt(self.store, 1, verdict, DeliveryRules())


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path / "d")
    account = add_account(made.store)
    post(made.store, account)
    post(made.store, account, make_payment("CHK2"))
    yield made
    made.store.close()


def test_deliveries_are_listed_with_the_keys_scripts_rely_on(site):
    """Newest first; nothing in it is a patient's."""
    site.stick(HELD)
    newest, oldest = site.rows()
    assert list(newest)[:8] == [
        "delivery", "destination", "kind", "control_id", "status", "attempts", "next_attempt_at", "last_error",
    ]  # fmt: skip
    assert (newest["delivery"], newest["status"], newest["next_attempt_at"]) == (
        2,
        "queued",
        "2026-01-15T16:30:00.000Z",
    )
    assert (oldest["status"], oldest["attempts"], oldest["last_error"]) == ("held", 1, HELD.reason)
    assert oldest["next_attempt_at"] is None
    shown = site.run().stdout
    assert HELD.reason in shown
    assert "TESTPATIENT" not in shown
    assert [row["delivery"] for row in site.rows("--status", "held")] == [1]


def test_an_empty_outbox_says_so(tmp_path):
    """In words, on stderr."""
    empty = Site(tmp_path / "e")
    assert "No deliveries." in empty.run().stderr
    empty.store.close()


@pytest.mark.parametrize(
    ("verdict", "arguments", "status", "payment"),
    [
        (HELD, ("retry", 1), "queued", "queued"),
        (HELD, ("cancel", 1), "cancelled", "refused"),
        (HELD, ("resolve", 1, "--accepted"), "accepted", "posted"),
        (NO_REPLY, ("resolve", 1, "--accepted"), "accepted", "posted"),
        (NO_REPLY, ("resolve", 1, "--not-received"), "queued", "queued"),
    ],
)
def test_a_person_decides_and_it_is_written_down(site, verdict, arguments, status, payment):
    """Who, what and why."""
    site.stick(verdict)
    result = site.run(*arguments, "--reason", "asked the EHR's people")
    assert (result.exit_code, result.stdout) == (0, f"delivery 1 is {status}\n")
    assert statuses(site.store)[0] == (status, payment)
    entry = next(read_audit(site.store))
    assert (entry["action"], entry["reason"]) == (f"deliveries.{arguments[0]}", "asked the EHR's people")


def test_the_answer_can_be_json(site):
    """The row as the list has it."""
    site.stick(HELD)
    row = json.loads(site.run("retry", 1, "--reason", "mended", "--json").stdout)
    assert (row["delivery"], row["status"], row["attempts"]) == (1, "queued", 0)


def test_several_are_decided_about_together_or_none_is(site):
    """A morning after the EHR refused a code has many; each is written down."""
    site.stick(HELD)
    start_attempt(site.store, 2)
    end_attempt(site.store, 2, NO_REPLY, DeliveryRules())
    refused = site.run("retry", 1, 2, "--reason", "the code is there now")
    assert refused.exit_code == 1
    assert refused.stderr.endswith("(delivery 2; nothing was changed)\n")
    assert [status for status, _ in statuses(site.store)] == ["held", "unknown"]
    taken = site.run("resolve", 1, 2, 1, "--accepted", "--reason", "both seen in the EHR")
    assert taken.stdout == "delivery 1 is accepted\ndelivery 2 is accepted\n"
    assert [each["action"] for each in read_audit(site.store)] == ["deliveries.resolve", "deliveries.resolve", "init"]


def test_a_list_can_be_of_one_destination(site):
    """By its name."""
    assert len(site.rows("--destination", "ehr")) == 2
    assert site.rows("--destination", "other") == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("retry", 1), "the delivery is unknown; look in the destination for its control id"),
        (("cancel", 1), "the delivery is unknown"),
        (("retry", 77), "no delivery 77"),
        (("resolve", 2, "--accepted"), "the delivery is queued"),
    ],
)
def test_what_is_not_allowed_is_one_line(site, arguments, words):
    """Exit 1, nothing changed."""
    site.stick(NO_REPLY)
    before = statuses(site.store)
    result = site.run(*arguments, "--reason", "why not")
    assert result.exit_code == 1
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert statuses(site.store) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("retry", "--reason", "x"),
        ("resolve", 1, "--reason", "x"),
        ("resolve", 1, "--accepted", "--not-received", "--reason", "x"),
    ],
)
def test_wrong_use_is_exit_2(site, arguments):
    """No id, no answer, or both."""
    site.stick(NO_REPLY)
    assert site.run(*arguments).exit_code == 2


def test_blanks_are_no_reason(site):
    """Exit 1."""
    site.stick(HELD)
    result = site.run("retry", 1, "--reason", "  ")
    assert result.exit_code == 1
    assert "a reason is needed" in result.stderr
