"""Invented accounts, people and rules for the tests of deciding, placing and sending."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from contextlib import closing
from decimal import Decimal
from pathlib import Path

from hl7bridge.exchange.outgoing import AgencyFolder, Sending, Sent, send_placements
from hl7bridge.layouts.placements_csv import parse_placements
from hl7bridge.ledger.account import AccountState, fold_entries, new_account
from hl7bridge.ledger.ranked import Ranked
from hl7bridge.mapping.records import Coverage, Entry, Guarantor, Patient
from hl7bridge.privacy.sending import USUAL_FIELDS
from hl7bridge.rules.facts import AccountFacts, build_facts
from hl7bridge.rules.signals import Signal, current_signals
from hl7bridge.rules.spec import Rules, compile_rules
from hl7bridge.shipped import read_shipped
from hl7bridge.storage import accounts as table
from hl7bridge.storage.database import Store, new_key, open_store, read_key
from hl7bridge.storage.decisions import Run, run_decisions
from hl7bridge.storage.entries import add_entry, insert_entries
from hl7bridge.storage.signals import add_signal
from hl7bridge.tomlfile import parse_toml

TODAY = dt.date(2026, 3, 2)
NOW = dt.datetime(2026, 3, 2, 14, 0, tzinfo=dt.UTC)
NOW_TEXT = "2026-03-02T14:00:00.000Z"
KEY = bytes(range(32))

PATIENT = Patient(
    facility="NORTHGATE",
    number="MRN-CANARY-1",
    authority="NG",
    family_name="TESTPATIENT",
    given_name="AURELIA",
    birth_on=dt.date(1980, 5, 17),
    street="9 PATIENT WAY",
    city="SAMPLETON",
    state="IL",
    postal_code="60601",
    phone="5550100",
    language="en",
)
GUARANTOR = Guarantor(
    rank=1,
    number="G1",
    family_name="TESTGUARANTOR",
    given_name="BRUNO",
    birth_on=dt.date(1975, 1, 31),
    relationship="SPO",
    street="1 SAMPLE STREET",
    city="SAMPLETON",
    state="IL",
    postal_code="60601",
    phone="5550101",
    language="es",
)
COVERAGE = Coverage(rank=1, plan="P1", company="C1", company_name="SAMPLE MUTUAL", plan_type="HMO")


def days_ago(days: int) -> dt.date:
    """Return a day before TODAY."""
    return TODAY - dt.timedelta(days=days)


def charge(amount: str, days: int, **more: object) -> Entry:
    """Return a charge for a service so many days before TODAY."""
    return Entry(kind="CG", amount=Decimal(amount), payer="unknown", service_on=days_ago(days), **more)


def payment(amount: str, days: int, payer: str = "patient", kind: str = "PY", **more: object) -> Entry:
    """Return a payment made so many days before TODAY; kind AJ is an adjustment."""
    return Entry(kind=kind, amount=Decimal(amount), payer=payer, service_on=days_ago(days), **more)


def account(entries: Iterable[Entry] = (), **changes: object) -> AccountState:
    """Return an account of NORTHGATE with these entries; 150.00 for a service 160 days ago when none is given."""
    state = new_account("NORTHGATE", "A1001", as_of="20260301", message_id=1)._replace(id=1)
    return fold_entries(state, list(entries) or [charge("150.00", 160)])._replace(**changes)


def facts(
    state: AccountState | None = None,
    *,
    patient: Patient | None = PATIENT,
    guarantors: tuple[Guarantor, ...] = (GUARANTOR,),
    coverages: tuple[Coverage, ...] = (COVERAGE,),
    signals: Iterable[Signal] = (),
    last_ended: str = "",
) -> AccountFacts:
    """Return the facts of an account that the shipped rules place, unless something is changed."""
    current = current_signals(signals)
    return build_facts(state or account(), patient, guarantors, coverages, current, last_ended=last_ended)


def signal(name: str, value: str, days: int = 0) -> Signal:
    """Return a signal that has been true for so many days."""
    return Signal(name, value, "test", days_ago(days))


def shipped_rules() -> Rules:
    """Return the rules that the program ships."""
    return compile_rules(parse_toml(read_shipped("rules.toml"), "rules.toml"))


def rules_of(text: str) -> Rules:
    """Return the rules of a TOML text."""
    return compile_rules(parse_toml(text, "rules.toml"))


def new_store(folder: Path) -> Store:
    """Open the store in a folder; the first time it is made."""
    return open_store(folder / "test.db", KEY, create=True)


def put_account(
    store: Store,
    number: str = "A1001",
    *,
    facility: str = "NORTHGATE",
    entries: Iterable[Entry] = (),
    patient: Patient | None = PATIENT,
    guarantors: tuple[Guarantor, ...] = (GUARANTOR,),
    coverages: tuple[Coverage, ...] = (COVERAGE,),
    signals: Iterable[Signal] = (),
    due_on: dt.date | None = dt.date.min,
    **changes: object,
) -> int:
    """Store an account with its people, and return its id. It is due at once unless ``due_on`` says otherwise."""
    told = list(entries) or [charge("150.00", 160)]
    state = account(told, number=number, facility=facility, due_on=due_on, **changes)
    with store.transaction():
        if patient is not None:
            known = table.patient_by_number(store, facility, str(patient.number), str(patient.authority))
            stored = patient._replace(facility=facility)
            patient_id = known.id if known else table.insert_patient(store, stored, "20260301", 1)
            state = state._replace(patient_id=patient_id)
        account_id = table.insert_account(store, state, NOW_TEXT)
        table.write_ranked(store, Guarantor, account_id, [Ranked(each, "20260301") for each in guarantors], 1)
        table.write_ranked(store, Coverage, account_id, [Ranked(each, "20260301") for each in coverages], 1)
        insert_entries(store, account_id, told, source="TEST|NORTHGATE", recorded_at=NOW_TEXT)
        for each in signals:
            add_signal(store, account_id, each, NOW_TEXT)
    return account_id


def run_of(rules: Rules | None = None, **changes: object) -> Run:
    """Return a run of the shipped rules on TODAY."""
    return Run(rules or shipped_rules(), lambda _: TODAY, NOW, "user:tester")._replace(**changes)


def decide_all(store: Store, rules: Rules | None = None, **changes: object) -> list:
    """Run the decisions that are due and return the outcomes."""
    return list(run_decisions(store, run_of(rules, **changes)))


def sending_of(rules: Rules | None = None, **changes: object) -> Sending:
    """Return what sending needs on TODAY."""
    creditors = {"NORTHGATE": "Northgate Sample Hospital"}
    return Sending(rules or shipped_rules(), lambda _: TODAY, creditors, NOW, "user:tester")._replace(**changes)


def agency_in(folder: Path, *, fields: tuple[str, ...] = USUAL_FIELDS) -> AgencyFolder:
    """Return the agency of the shipped rules, with its folder below ``folder``."""
    return AgencyFolder("sample", folder / "outgoing", fields)


def send(store: Store, folder: Path, **changes: object) -> Sent:
    """Send what is queued to the agency below ``folder``, on TODAY."""
    return send_placements(store, [agency_in(folder)], sending_of(**changes))


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return the rows of a placement file, by column."""
    table = parse_placements(path.read_bytes())
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def pay(store: Store, account_id: int, amount: str, payer: str = "patient") -> None:
    """Record a payment of yesterday on an account."""
    with store.transaction():
        state = table.read_account(store, account_id)
        add_entry(
            store,
            state,
            payment(amount, 1, payer),
            source="TEST|NORTHGATE",
            recorded_at=NOW_TEXT,
            due_on=lambda _: None,
        )


def settings_in(folder: Path) -> Path:
    """Write the shipped configuration, rules and a key to a folder, and return the configuration's path."""
    config = folder / "hl7bridge.toml"
    config.write_text(read_shipped("hl7bridge.toml"))
    (folder / "rules.toml").write_text(read_shipped("rules.toml"))
    (folder / "secrets").mkdir()
    key = folder / "secrets" / "store.key"
    key.touch(0o600)
    key.write_text(new_key())
    (folder / "agencies" / "sample" / "outgoing").mkdir(parents=True)
    with new_key_store(config):
        return config


def new_key_store(config: Path) -> closing[Store]:
    """Open the store of a configuration that ``settings_in`` wrote; use it in a with statement."""
    key = read_key(config.parent / "secrets" / "store.key")
    return closing(open_store(config.parent / "data" / "hl7bridge.db", key, create=True))
