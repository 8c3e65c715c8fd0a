"""A store of the release before learns what its whole fields say of visits, so that events that move them do."""

from __future__ import annotations

from decimal import Decimal

import pytest
from feed_samples import Feed, adt, message, pid, pv1, segment
from older_stores import KEY, make_schema_2

from hl7bridge.storage import migrations
from hl7bridge.storage.accounts import find_account
from hl7bridge.storage.database import IntegrityError, open_store
from hl7bridge.storage.entries import read_entries
from hl7bridge.storage.identifiers import ALTERNATE_VISIT, VISIT, find_target, identifiers_of
from hl7bridge.storage.schema_visits import fill_visits
from hl7bridge.storage.verify import verify_store

MSH = "MSH|^~\\&|REG|NORTHGATE|||20261101080000||DFT^P03|D{}|P|2.5.1"


def account(number, row, **fields):
    """Return the statement that makes an account of one charge of 100 dollars an entry."""
    known = {"id": row, "facility": "NORTHGATE", "number": number, "status": "open", "charges": 10000, "payments": 0}
    known |= {"adjustments": 0, "insurance_payments": 0, "as_of": "20261101080000.000000 ", "message_id": row}
    known |= {"first_service_on": "2026-01-05", "last_service_on": "2026-01-05", "created_at": "", "updated_at": ""}
    return insert("accounts", **(known | fields))


def told(row, account_id, pv1_row=None, content=None, disposition="applied"):
    """Return the statement that makes a message with the fields that were kept of it."""
    header = MSH.format(row)
    kept = content if content is not None else "\r".join([header, f"PID|||||||||||||||||T{account_id}", pv1_row or ""])
    return insert(
        "messages", id=row, received_at=f"2026-11-01T08:00:{row:02}.000000+00:00", listener="ehr",
        sending_application="REG", sending_facility="NORTHGATE", message_type="DFT", trigger_event="P03",
        control_id=f"D{row}", digest=b"0", disposition=disposition, ack_code="AA", reason="", mapping="generic",
        account_id=account_id, content=kept.strip("\r"), reply=b"",
    )  # fmt: skip


def charge(account_id, message_id, cents=10000, **fields):
    """Return the statement that makes an entry."""
    known = {"account_id": account_id, "kind": "CG", "amount": cents, "payer": "unknown", "service_on": "2026-01-05"}
    known |= {"transaction_id": f"TTX{message_id}", "batch_id": "", "source": "REG|NORTHGATE", "recorded_at": ""}
    return insert("entries", **known, message_id=message_id, **fields)


def insert(table, **columns):
    """Return an INSERT with its parameters."""
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})", [*columns.values()]


@pytest.fixture
def upgraded(tmp_path):
    """Open a store that the release before made with given rows."""
    stores = []

    def make(*statements):
        make_schema_2(tmp_path / "a.db", statements)
        stores.append(open_store(tmp_path / "a.db", KEY))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def visits_of(store, account_id=1):
    return [each.visit_number for each in read_entries(store, account_id)]


def test_a_visit_that_moves_after_the_upgrade_takes_its_entries_along(upgraded):
    """Charges of two visits, taken by the release before: A45 moves the one and leaves the other."""
    store = upgraded(
        account("TACC3", 1, pv1_19="TV4", pid_18="TACC3", charges=12500),
        told(1, 1, segment("PV1", {19: "TV3"})),
        charge(1, 1),
        told(2, 1, segment("PV1", {19: "TV4"})),
        charge(1, 2, cents=2500),
        insert("counters", listener="ehr", name="received", value=2),
        insert("counters", listener="ehr", name="applied", value=2),
    )
    feed = Feed(store)
    feed.take(adt("A1", account="TACC4"))
    feed.take(message("ADT^A45", "A2", "EVN|A45", pid("TACC4"), "MRG|TMRN1^^^HOSP||TACC3||TV3", pv1(f19="TV3")))
    assert find_account(store, "TACC3").balance == Decimal(25)
    assert find_account(store, "TACC4").balance == Decimal(100)
    assert [check.problems for check in verify_store(store) if check.wrong] == []


def test_an_account_gets_its_visits_and_its_authority_out_of_the_fields_as_they_were_sent(upgraded):
    """The first component, unescaped, as intake reads it; the authority's name is its first part."""
    store = upgraded(
        account("TACC1", 1, pid_18="TACC1^^^HOSP&1.2.3&ISO", pv1_19="T\\S\\V1^7^M10~TV9", pv1_50="TALT1^^^HOSP"),
        account("TACC2", 2, pid_18="TACC2", pv1_19="^^^HOSP"),
        account("TACC5", 5),
    )
    found = find_account(store, "TACC1")
    assert (found.authority, found.visit_number, found.alternate_visit_number) == ("HOSP", "T^V1", "TALT1")
    assert find_target(store, VISIT, "NORTHGATE", "T^V1", "") == 1
    assert find_target(store, ALTERNATE_VISIT, "NORTHGATE", "TALT1", "") == 1
    for number in ("TACC2", "TACC5"):
        other = find_account(store, number)
        assert (other.authority, other.visit_number, other.alternate_visit_number) == ("", None, None)


def test_each_entry_is_of_the_visit_that_its_message_named(upgraded):
    """Of an account with several visits what no message told stays open; the sender's own signs are read."""
    own = "MSH$*+!%$REG$NORTHGATE$$$20261101080000$$DFT*P03$D3$P$2.5.1\rPV1" + "$" * 19 + "TV!S!3*1"
    store = upgraded(
        account("TACC1", 1, pv1_19="TV2"),
        told(1, 1, segment("PV1", {19: "TV1^1"})),
        told(2, 1, segment("PV1", {19: "TV2", 50: "TALT2"})),
        told(3, 1, content=own),
        told(4, 1),
        told(5, 1, segment("PV1", {2: "O"})),
        told(6, 1, segment("PV1", {19: '""'})),
        told(7, 1, content="MSH|^~\\&\rPV1X|"),
        told(8, 1, content="MSH|\rPV1|1"),
        told(9, 1, segment("PV1", {19: "TV7"}), disposition="rejected"),
        *(charge(1, number) for number in range(1, 10)),
        insert("payments", id=1, agency="sample", agency_payment_id="1", account_id=1, kind="payment", amount=1,
               paid_on="2026-01-05", status="received", received_at="", updated_at=""),
        charge(1, None, payment_id=1),
    )  # fmt: skip
    assert visits_of(store) == ["TV1", "TV2", "TV*3", *[None] * 7]
    assert [each.number for each in identifiers_of(store, VISIT, 1)] == ["TV*3", "TV1", "TV2"]
    assert [each.number for each in identifiers_of(store, ALTERNATE_VISIT, 1)] == ["TALT2"]


def test_entries_of_an_account_that_had_one_visit_are_that_ones(upgraded):
    """Also those whose message did not say so, or is no longer kept; an agency's money is no visit's."""
    store = upgraded(
        account("TACC1", 1, pv1_19="TV1"),
        told(1, 1, segment("PV1", {19: "TV1"})),
        told(2, 1),
        *(charge(1, number) for number in (1, 2, 30)),
        charge(1, None),
    )
    assert visits_of(store) == ["TV1", "TV1", "TV1", None]


def test_a_visit_is_the_accounts_that_named_it_first_and_never_an_accounts_own_number(upgraded):
    """As intake has it, whichever account stands first."""
    store = upgraded(
        account("TACC1", 1),
        account("TACC2", 2, pv1_19="TACC2"),
        told(2, 2, segment("PV1", {19: "TV1"})),
        told(3, 1, segment("PV1", {19: "TV1"})),
        told(4, 2, segment("PV1", {19: "TACC2"})),
    )
    assert [(each.number, each.message_id) for each in identifiers_of(store, VISIT, 2)] == [("TV1", 2)]
    assert identifiers_of(store, VISIT, 1) == []


def test_a_ledger_that_was_upgraded_is_append_only_again(upgraded):
    """The trigger was off for the new column alone."""
    store = upgraded(account("TACC1", 1, pv1_19="TV1"), charge(1, 1))
    with pytest.raises(IntegrityError, match="append-only"):
        store.execute("UPDATE entries SET visit_number = NULL")


@pytest.mark.parametrize("table", ["accounts", "patients"])
def test_what_was_merged_into_a_row_is_found_by_an_index(store, table):
    """Not by reading all of a table that may have a million rows."""
    plan = store.rows(f"EXPLAIN QUERY PLAN SELECT id FROM {table} WHERE merged_into = 1")
    assert [f"{table}_merged" in row[3] for row in plan] == [True]


def test_an_upgrade_that_fails_leaves_the_store_as_it_was(tmp_path, monkeypatch):
    """One transaction: the next try begins where this one did."""
    make_schema_2(tmp_path / "a.db", [account("TACC1", 1, pv1_19="TV1"), charge(1, 1)])
    with monkeypatch.context() as broken:
        broken.setattr(migrations, "fill_visits", fill_and_fail)
        with pytest.raises(ArithmeticError):
            open_store(tmp_path / "a.db", KEY)
    store = open_store(tmp_path / "a.db", KEY)
    assert visits_of(store) == ["TV1"]
    store.close()


def fill_and_fail(connection):
    fill_visits(connection)
    raise ArithmeticError
