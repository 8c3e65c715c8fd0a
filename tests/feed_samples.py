"""Invented messages of an EHR's feed, and a pipeline with the shipped mapping and rules to send them through."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from hl7bridge.batch import Received, Reply
from hl7bridge.mapping.compile import compile_mapping
from hl7bridge.mapping.spec import Mapping
from hl7bridge.message.parse import parse_message
from hl7bridge.pipeline import Pipeline, Policy, Setup
from hl7bridge.rules.due import DueDays
from hl7bridge.rules.spec import compile_rules
from hl7bridge.shipped import read_shipped, read_shipped_mappings
from hl7bridge.storage.database import Store
from hl7bridge.tomlfile import parse_toml

NOW = dt.datetime(2026, 11, 21, 14, 30, 15, tzinfo=dt.UTC)
GENERIC = read_shipped_mappings()["generic.toml"]
OWN_SIGNS = bytes.maketrans(b"|^~\\&", b"$*+!%")
ACCOUNT = "TACC1"


def segment(name: str, fields: dict[int, str] | None = None) -> str:
    """Return a segment whose fields are given by their HL7 numbers."""
    fields = fields or {}
    return "|".join([name, *(fields.get(number, "") for number in range(1, max(fields, default=0) + 1))])


def message(kind: str = "ADT^A04", control_id: str = "C1", *segments: str, **msh: str) -> bytes:
    """Return a message; ``msh`` are fields of MSH by ``m`` and number, as ``m7="20260101"``."""
    fields = {3: "REG", 4: "NORTHGATE", 7: "20261120080000", 9: kind, 10: control_id, 11: "P", 12: "2.5.1"}
    fields |= {int(name[1:]): value for name, value in msh.items()}
    encoding = fields.pop(2, "^~\\&")
    header = segment("MSH", {number - 1: value for number, value in fields.items()} | {1: encoding})
    return "\r".join([header, *segments, ""]).encode()


def pid(account: str = ACCOUNT, number: str = "TMRN1", **fields: str) -> str:
    """Return a PID; ``fields`` by ``f`` and number."""
    known = {1: "1", 3: f"{number}^^^HOSP^MR", 5: "TESTPATIENT^AURELIA^Q", 7: "19710418", 18: account}
    return segment("PID", known | _numbered(fields))


def pv1(**fields: str) -> str:
    """Return a PV1 of an outpatient."""
    return segment("PV1", {1: "1", 2: "O", 20: "SP"} | _numbered(fields))


def gt1(**fields: str) -> str:
    """Return a GT1 of the patient, who is an adult with an address."""
    known = {
        1: "1",
        2: "TGUA1",
        3: "TESTPATIENT^AURELIA",
        5: "1 SAMPLE ST^^TESTVILLE^IL^60000",
        8: "19710418",
        11: "SEL",
    }
    return segment("GT1", known | _numbered(fields))


def in1(**fields: str) -> str:
    """Return an IN1."""
    return segment("IN1", {1: "1", 2: "PLAN1", 3: "00001", 4: "SAMPLE INSURANCE"} | _numbered(fields))


def ft1(amount: str = "100.00", kind: str = "CG", number: str = "TTX1", **fields: str) -> str:
    """Return an FT1; a charge of 100 dollars unless told otherwise."""
    known = {1: "1", 2: number, 4: "20260105", 6: kind, 7: "T0001", 10: "1", 11: amount}
    return segment("FT1", known | _numbered(fields))


def adt(control_id: str = "A1", *more: str, event: str = "A04", account: str = ACCOUNT, **msh: str) -> bytes:
    """Return a registration, with further segments."""
    return message(f"ADT^{event}", control_id, f"EVN|{event}", pid(account), pv1(), *more, **msh)


def dft(control_id: str = "D1", *entries: str, account: str = ACCOUNT, **msh: str) -> bytes:
    """Return entries of an account; one charge unless told otherwise."""
    return message("DFT^P03", control_id, "EVN|P03", pid(account), *(entries or (ft1(),)), **msh)


def _numbered(fields: dict[str, str]) -> dict[int, str]:
    return {int(name[1:]): value for name, value in fields.items()}


def generic_mapping(edit: Callable[[str], str] | None = None) -> Mapping:
    """Return the shipped mapping, compiled; ``edit`` changes its text first."""
    return compile_mapping(parse_toml(edit(GENERIC) if edit else GENERIC, "mappings/generic.toml"))


def make_setup(mapping: Mapping | None = None, **policy) -> Setup:
    """Return what a pipeline runs on: one listener ``ehr``, one mapping for every sender, the shipped rules."""
    rules = compile_rules(parse_toml(read_shipped("rules.toml"), "rules.toml"))
    return Setup(
        policies={"ehr": Policy(name="ehr", **policy)},
        mappings={"generic": mapping or generic_mapping()},
        senders={},
        default_mapping="generic",
        zone_of=lambda _facility: dt.UTC,
        due_on=DueDays(rules),
    )


class Feed:
    """A pipeline on a store, a clock that moves a second a batch, and words for what came of a message."""

    def __init__(self, store: Store, mapping: Mapping | None = None, **policy) -> None:
        self.store = store
        self.pipeline = Pipeline(store, make_setup(mapping, **policy))
        self.now = NOW

    def use(self, mapping: Mapping | None = None, **policy) -> None:
        """Take another mapping and policy, as a reload does."""
        self.pipeline.use(make_setup(mapping, **policy))

    def receive(self, *blocks: bytes | Received) -> list[Reply]:
        """Receive blocks in one batch."""
        self.now += dt.timedelta(seconds=1)
        received = [each if isinstance(each, Received) else Received("ehr", each) for each in blocks]
        return self.pipeline.receive(received, self.now)

    def send(self, block: bytes) -> Reply:
        """Receive one block."""
        return self.receive(block)[0]

    def take(self, *blocks: bytes) -> list[Reply]:
        """Receive blocks, each in a batch of its own, all of which must be accepted."""
        replies = [self.send(block) for block in blocks]
        assert [code(reply) for reply in replies] == ["AA"] * len(blocks), [reply.reason for reply in replies]
        return replies

    def count(self, table: str) -> int:
        """Return how many rows a table has."""
        return self.store.row(f"SELECT count(*) FROM {table}")[0]

    def check_footing(self) -> None:
        """Fail unless each account's totals are the sums of its entries, and the counts are those of the rows."""
        sums = "SELECT coalesce(sum(amount), 0) FROM entries e WHERE e.account_id = a.id AND kind IN"
        wrong = self.store.rows(
            f"SELECT number FROM accounts a WHERE charges <> ({sums} ('CG')) OR payments <> ({sums} ('PY', 'CO'))"
            f" OR adjustments <> ({sums} ('AJ', 'CD'))"
        )
        assert wrong == []
        counted = dict(self.store.rows("SELECT name, sum(value) FROM counters GROUP BY name"))
        found = dict(self.store.rows("SELECT disposition, count(*) FROM messages GROUP BY disposition"))
        assert {name: counted.get(name, 0) for name in found} == found
        assert counted.get("received", 0) == sum(found.values())

    def dispositions(self) -> list[str]:
        """Return the disposition of every block, in the order received."""
        return [row[0] for row in self.store.execute("SELECT disposition FROM messages ORDER BY id")]


def answer(reply: Reply):
    """Return the acknowledgement of a reply as a message."""
    assert reply.data.startswith(b"\x0b")
    assert reply.data.endswith(b"\x1c\r")
    return parse_message(reply.data[1:-2])


def code(reply: Reply) -> str:
    """Return MSA-1 of a reply; "" when there is none."""
    return str(answer(reply).get("MSA-1")) if reply.data else ""


def refusal(reply: Reply) -> tuple[str, str, str]:
    """Return MSA-1, ERR-3.1 and ERR-2 of a refusal; ERR-2 in components as sent."""
    ack = answer(reply)
    return str(ack.get("MSA-1")), str(ack.get("ERR-3.1")), str(ack.get("ERR-2"))
