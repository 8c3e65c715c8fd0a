"""Invented people whose ids change: the messages of each event, their accounts' placements, what is known after."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import NamedTuple

from feed_samples import Feed, ft1, message, pid, pv1, segment

from hl7bridge.batch import Received, Reply
from hl7bridge.errors import NotFoundError
from hl7bridge.rules.evaluate import Decision
from hl7bridge.rules.spec import Mode
from hl7bridge.storage.accounts import find_account, read_patient
from hl7bridge.storage.database import Store
from hl7bridge.storage.placements import add_decision, add_placement
from hl7bridge.storage.verify import verify_store

FACILITY = "NORTHGATE"
NOT_COMPARED = {"messages", "counters", "sqlite_sequence"}


def mrg(patient: str = "", account: str = "", visit: str = "", alternate: str = "", external: str = "") -> str:
    """Return an MRG: MRG-1, MRG-3, MRG-5, MRG-6, MRG-4."""
    authority = "^^^HOSP^MR" if patient else ""
    fields = {1: f"{patient}{authority}", 3: account, 4: external, 5: visit, 6: alternate}
    return segment("MRG", fields)


def told(event: str, *segments: str, at: str = "20261120120000", control_id: str = "") -> bytes:
    """Return an event that changes identities."""
    return message(f"ADT^{event}", control_id or f"M{event}", f"EVN|{event}", *segments, m7=at)


def registered(person: int, at: str) -> bytes:
    """Return a registration of patient TMRNn with account TACCn and visit TVISn."""
    visit = pv1(f19=f"TVIS{person}", f50=f"TALT{person}")
    return message("ADT^A04", f"R{person}", "EVN|A04", pid(f"TACC{person}", f"TMRN{person}"), visit, m7=at)


def charged(person: int, at: str, amount: str = "") -> bytes:
    """Return a charge of the visit: 100 dollars for the first person, 40 for the second."""
    cents = amount or {1: "100.00", 2: "40.00"}.get(person, "7.00")
    visit = pv1(f19=f"TVIS{person}", f50=f"TALT{person}")
    line = ft1(cents, number=f"TTX{person}")
    return message("DFT^P03", f"D{person}", "EVN|P03", pid(f"TACC{person}", f"TMRN{person}"), visit, line, m7=at)


FIRST = (registered(1, "20261120080000"), charged(1, "20261120081000"))
SECOND = (registered(2, "20261120090000"), charged(2, "20261120091000"))


class Known(NamedTuple):
    """What a number leads to: the account's own number, its balance and charges, and whose it is."""

    number: str
    balance: Decimal
    charges: Decimal
    patient: str


def known(store: Store, number: str) -> Known | None:
    """Return what an account's number leads to, or None."""
    try:
        state = find_account(store, number, FACILITY)
    except NotFoundError:
        return None
    patient = read_patient(store, state.patient_id)
    return Known(state.number, state.balance, state.charges, str(patient.number) if patient else "")


def account_id(store: Store, number: str) -> int:
    """Return the row that has a number as its own."""
    return store.row("SELECT id FROM accounts WHERE number = ?", (number,))[0]


def place(store: Store, number: str, status: str = "active", agency: str = "sample") -> int:
    """Place an account with an agency, and return the placement."""
    with store.transaction():
        state = find_account(store, number, FACILITY)
        decision = Decision((), "aged", agency, "primary", Mode.AUTOMATIC)
        decision_id = add_decision(
            store, state, decision, as_of=state.first_service_on or dt.date(2026, 11, 20), at="", rules_version="1"
        )
        placement, _ = add_placement(store, state, decision, decision_id=decision_id, actor="user:tester", at="")
        store.execute("UPDATE placements SET status = ? WHERE id = ?", (status, placement))
    return placement


def open_placements(store: Store) -> list[tuple[str, str]]:
    """Return agency and account of each open placement."""
    return store.rows(
        "SELECT p.agency, a.number FROM placements p JOIN accounts a ON a.id = p.account_id"
        " WHERE p.status = 'active' ORDER BY p.id"
    )


def exceptions(store: Store) -> list[str]:
    """Return the kinds of exceptions that wait for a person."""
    return [row[0] for row in store.rows("SELECT kind FROM exceptions WHERE closed_at IS NULL ORDER BY id")]


def holds(store: Store) -> list[str]:
    """Return the accounts with a hold."""
    return [
        row[0]
        for row in store.rows(
            "SELECT DISTINCT a.number FROM signals s JOIN accounts a ON a.id = s.account_id"
            " WHERE s.name = 'hold' ORDER BY a.number"
        )
    ]


def replay(feed: Feed, block: bytes) -> Reply:
    """Have a message applied again, as a person does with `messages replay --force`."""
    return feed.receive(Received("ehr", block, replay_of=1))[0]


def dump(store: Store) -> dict[str, list[tuple]]:
    """Return all that is stored, but for what tells of messages themselves."""
    names = [row[0] for row in store.rows("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return {name: store.rows(f"SELECT * FROM {name}") for name in names if name not in NOT_COMPARED}


def renamed(kind: str, at: str, *ids: str, event: str = "") -> bytes:
    """Return a change of a number: event, time, new number, old number."""
    new, old = ids
    segments = {
        "A41": (pid(new, "TMRN1"), mrg("TMRN1", old)),
        "A47": (pid("", new), mrg(old)),
        "A49": (pid(new, "TMRN1"), mrg("TMRN1", old)),
        "A50": (pid("", "TMRN1"), mrg("TMRN1", visit=old), pv1(f19=new)),
    }[kind]
    return told(event or kind, *segments, at=at, control_id=f"{kind}{new}{at}")


def problems(store) -> list[str]:
    """Return what `db verify` finds wrong."""
    return [problem for check in verify_store(store) for problem in check.problems]
