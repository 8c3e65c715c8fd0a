"""Which account a message addresses: by its number, a number it had, or a visit, whatever comes first."""

from __future__ import annotations

from decimal import Decimal

import pytest
from feed_samples import Feed, adt, code, dft, ft1, generic_mapping, gt1, message, pid, pv1, refusal, segment
from placement_samples import shipped_rules

from hl7bridge.rules.due import DueDays
from hl7bridge.storage.accounts import account_by_ids, find_account
from hl7bridge.storage.exceptions import count_open_exceptions
from hl7bridge.storage.identifiers import VISIT, add_identifier, find_target, identifiers_of
from hl7bridge.storage.messages import read_message
from hl7bridge.storage.signals import read_signals

EARLY, LATE = "20261101080000", "20261102080000"
DUE = DueDays(shipped_rules())


def with_visits(text):
    """Return the shipped mapping with the visit's number in place of an account number that is missing."""
    return text.replace('number = "PID-18.1"', 'number = ["PID-18.1", "PV1-19.1", "PV1-50.1"]')


@pytest.fixture
def feed(store):
    return Feed(store, generic_mapping(with_visits))


def of_visit(control_id, *entries, **fields):
    """Return entries that name a visit and no account."""
    return message("DFT^P03", control_id, pid(""), pv1(**(fields or {"f19": "TVIS1"})), *(entries or (ft1(),)))


def registered(control_id, **fields):
    """Return a registration that names account and visit."""
    return message("ADT^A04", control_id, pid(), pv1(**(fields or {"f19": "TVIS1"})))


def balances(feed):
    """Return number -> balance of the accounts that are not merged."""
    rows = feed.store.rows(
        "SELECT number, charges - payments - adjustments FROM accounts WHERE merged_into IS NULL ORDER BY number"
    )
    return {number: Decimal(cents) / 100 for number, cents in rows}


@pytest.mark.parametrize("fields", [{"f19": "TVIS1"}, {"f50": "TVIS1"}])
def test_a_message_that_names_only_a_visit_is_of_the_account_that_the_visit_belongs_to(feed, fields):
    """Also in the batch in which the account is opened."""
    feed.receive(registered("A1", **fields), of_visit("D1", **fields))
    feed.take(of_visit("D2", ft1(number="TTX2"), **fields))
    assert balances(feed) == {"TACC1": Decimal(200)}
    assert find_account(feed.store, "TVIS1").number == "TACC1"
    assert find_account(feed.store, "TVIS1", "NORTHGATE").pid_18 == "TACC1"


@pytest.mark.parametrize("fields", [{"f19": "TVIS1"}, {"f50": "TVIS1"}])
def test_an_account_that_was_opened_under_a_visit_gets_its_own_number_when_it_is_told(feed, fields):
    """One account all the time, and the visit's number still leads to it."""
    feed.take(of_visit("D1", **fields))
    assert balances(feed) == {"TVIS1": Decimal(100)}
    feed.take(registered("A1", **fields), of_visit("D2", ft1(number="TTX2"), **fields))
    assert balances(feed) == {"TACC1": Decimal(200)}
    assert feed.count("accounts") == 1


def test_two_accounts_are_one_when_a_message_tells_that_the_visit_is_of_the_other(feed):
    """The charge under the visit's number counts in the account, once."""
    feed.take(of_visit("D1"), adt("A1"))
    assert balances(feed) == {"TACC1": Decimal(0), "TVIS1": Decimal(100)}
    feed.take(registered("A2"), of_visit("D2"))
    assert balances(feed) == {"TACC1": Decimal(100)}
    feed.check_footing()


def test_both_placed_accounts_that_become_one_are_held_for_a_person(feed):
    """As when a merge says so."""
    feed.take(of_visit("D1"), adt("A1"))
    for account_id in (1, 2):
        feed.store.execute(
            "INSERT INTO decisions (id, account_id, as_of, decided_at, rules_version, eligible, balance, reasons)"
            " VALUES (?, ?, '', '', '', 1, 0, '')",
            (account_id, account_id),
        )
        feed.store.execute(
            "INSERT INTO placements (account_id, decision_id, agency, tier, rule, sequence, status, balance,"
            " decided_at, updated_at) VALUES (?, ?, 'sample', 'primary', 'r', 1, 'sent', 0, '', '')",
            (account_id, account_id),
        )
    feed.take(registered("A2"))
    assert count_open_exceptions(feed.store) == 1
    assert read_signals(feed.store, find_account(feed.store, "TACC1").id)["hold"].value == "yes"


def test_an_account_of_its_own_is_not_taken_for_a_visits(feed):
    """Its number is some visit's number, and it has visits of its own."""
    feed.take(message("ADT^A04", "A1", pid("TVIS1"), pv1(f19="TVIS9")), registered("A2"))
    assert set(balances(feed)) == {"TACC1", "TVIS1"}


def test_a_number_is_never_mixed_with_another_authoritys(feed):
    """205 at PID-18.4; who did not say is taken to mean the same."""
    feed.take(adt("A1", account="TACC1"), adt("A2", account="TACC1^^^HOSP"), adt("A3", account="TACC1"))
    reply = feed.send(dft("D1", account="TACC1^^^CLINIC"))
    assert refusal(reply) == ("AE", "205", "PID^1^18^1^4")
    assert "map the facility from the assigning authority" in reply.reason
    assert find_account(feed.store, "TACC1").authority == "HOSP"
    assert code(feed.send(dft("D2", account="TACC1^^^HOSP"))) == "AA"


def test_a_merged_account_is_followed_and_keeps_its_own_number_where_it_is_echoed(feed):
    """What the sender still says under the old number is of the account that it became."""
    feed.take(adt("A1"), dft("D1", account="TACC2"))
    merge = segment("MRG", {1: "TMRN1^^^HOSP", 3: "TACC2"})
    feed.take(message("ADT^A41", "M1", pid(), merge), dft("D2", ft1(number="TTX2"), account="TACC2^^^HOSP^AN"))
    assert balances(feed) == {"TACC1": Decimal(200)}
    account = find_account(feed.store, "TACC2")
    assert (account.number, account.pid_18, account.authority) == ("TACC1", "TACC1", "")
    assert "merged" in read_message(feed.store, 3).reason


def test_what_is_told_of_a_visit_that_was_moved_is_of_the_account_it_moved_to(feed):
    """Though the sender names the account it left."""
    other = message("ADT^A04", "A2", pid("TACC2"), pv1(f19="TVIS2"))
    moved = message(
        "ADT^A45", "M1", pid("TACC2"), segment("MRG", {1: "TMRN1", 3: "TACC1", 5: "TVIS1"}), pv1(f19="TVIS1")
    )
    late = message("DFT^P03", "D1", pid("TACC1"), pv1(f19="TVIS1"), ft1())
    feed.take(registered("A1"), other, moved, late, dft("D2", ft1("1.00", number="TTX9")))
    assert balances(feed) == {"TACC1": Decimal(1), "TACC2": Decimal(100)}


def test_a_person_only_message_names_the_patient_in_its_row(feed):
    """And one about an account names the account."""
    feed.take(message("ADT^A31", "A1", pid("")), adt("A2"))
    assert [read_message(feed.store, each)[-1] for each in (1, 2)] == [1, None]
    assert [read_message(feed.store, each).account_id for each in (1, 2)] == [None, 1]


def test_a_patient_who_was_merged_is_followed_and_keeps_the_number(feed):
    """Updates under the old number are of the patient it became."""
    feed.take(adt("A1", m7=EARLY), message("ADT^A40", "M1", pid("", "TMRN2"), segment("MRG", {1: "TMRN1^^^HOSP"})))
    feed.take(message("ADT^A31", "A2", pid("", f15="EN")), adt("A3", gt1(), account="TACC2"))
    rows = feed.store.rows("SELECT number, language FROM patients WHERE merged_into IS NULL")
    assert rows == [("TMRN2", "EN")]
    assert feed.store.rows("SELECT count(DISTINCT patient_id) FROM accounts") == [(1,)]


def test_an_id_leads_to_one_row_and_the_first_telling_of_a_visit_counts(feed):
    """A visit moves by an event (A45) only; a retired id is replaced by whoever retires it again."""
    feed.take(registered("A1", f19="TVIS1"), adt("A2", account="TACC2"))
    told = {"message_id": None}

    def add(number, target, since, retired=0, authority=""):
        add_identifier(feed.store, VISIT, "NORTHGATE", number, authority, target, since=since, retired=retired, **told)

    def find(number, authority=""):
        return find_target(feed.store, VISIT, "NORTHGATE", number, authority)

    add("V", 1, "b")
    add("V", 2, "c")
    assert find("V") == find("V", "HOSP") == 1
    add("V", 2, "a")
    assert find("V") == 2
    add("V", 1, "c", retired=1)
    add("V", 2, "a")
    assert find("V") == 1
    add("W", 1, "a", authority="HOSP")
    add("W", 2, "a", authority="CLINIC")
    assert (find("W"), find("W", "HOSP"), find("W", "OTHER"), find("X")) == (None, 1, None, None)
    add("W", 2, "a")
    assert (find("W"), find("W", "OTHER")) == (2, 2)
    assert [each.number for each in identifiers_of(feed.store, VISIT, 1)] == ["TVIS1", "V", "W"]
    assert account_by_ids(feed.store, "NORTHGATE", "X") is None
