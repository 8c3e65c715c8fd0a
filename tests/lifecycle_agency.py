"""An invented agency for the lifecycle machine: it reads its files by itself, believes what they say, and answers."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from exchange_samples import put_file
from layout_readers import read_notices, read_placements

TURNING = {"suspend": "stopped", "recall": "recalled", "close": "ended", "resume": "collecting"}
STOPPING = frozenset(TURNING) - {"resume"}
_ORDER = ("stops", "updates", "placements")


@dataclass
class Held:
    """One placement as the agency sees it; ``last`` is the newest notice read, ``turned`` the newest stop or go."""

    account: str
    balance: Decimal
    state: str = "collecting"
    last: int = 0
    turned: int = 0


@dataclass
class Agency:
    """An agency with a folder of its own; ``told`` are notices that it has read and not acknowledged.

    One acts on notices ``by_arrival``, file after file; the other takes files in any order, and goes by their numbers.
    """

    name: str
    folder: Path
    by_arrival: bool = False
    held: dict[int, Held] = field(default_factory=dict)
    told: list[int] = field(default_factory=list)
    read: dict[str, bytes] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    sent: list[tuple[str, int, list[dict[str, str]]]] = field(default_factory=list)

    def look(self) -> None:
        """Read every new file whose trailer is there, by kind and number: gaps, digests, counts and dollars agree."""
        outgoing = self.folder / "outgoing"
        trailers = sorted(outgoing.glob("*.trailer.csv")) if outgoing.exists() else []
        found = {}
        for path in trailers:
            trailer = dict(csv.reader(path.read_text().splitlines()))
            if trailer["file"] not in self.read:
                found[trailer["kind"], int(trailer["number"])] = trailer
        for kind, number in sorted(found, key=lambda key: self._order(found[key])):
            trailer = found[kind, number]
            assert number == self.numbers.get(kind, 0) + 1, f"{kind}: a gap before {number}"
            self.numbers[kind] = number
            data = (outgoing / trailer["file"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == trailer["sha256"]
            self.read[trailer["file"]] = data
            records = self._take(kind, data)
            assert len(records) == int(trailer["records"])
            assert sum((each["balance"] for each in records), Decimal(0)) == Decimal(trailer["balance_total"])

    def _order(self, trailer: dict[str, str]) -> tuple:
        """Return what files are taken in the order of: a placement is known before what is said of it."""
        at = _ORDER.index(trailer["kind"])
        return (trailer["created_at"], at) if self.by_arrival else (-at, int(trailer["number"]))

    def _take(self, kind: str, data: bytes) -> list[dict]:
        if kind == "placements":
            records = read_placements("csv", data)
            for each in records:
                assert each["placement"] not in self.held, "placed twice"
                assert each["balance"] > 0, "nothing is owed"
                self.held[each["placement"]] = Held(each["account"], each["balance"])
            return records
        records = read_notices("csv", data)
        for each in records:
            assert (each["kind"] in STOPPING) is (kind == "stops")
            held = self.held[each["placement"]]
            self.told.append(each["notice"])
            if self.by_arrival or each["notice"] > held.last:
                held.last, held.balance = each["notice"], each["balance"]
            if each["kind"] in TURNING and (self.by_arrival or each["notice"] > held.turned):
                held.turned, held.state = each["notice"], TURNING[each["kind"]]
            if each["kind"] == "reference":
                assert each["fields"]["former_client_account"] == held.account
                held.account = each["account"]
        return records

    def put(self, kind: str, rows: list[dict[str, str]], *, name: str = "", **told: object) -> None:
        """Write a file of answers under the next number of its kind; what is told of it may be wrong."""
        number = 1 + max((number for each, number, _ in self.sent if each == kind), default=0)
        put_file(self.folder, kind, number, rows, name=name, told={"agency": self.name, **told})
        if not told:
            self.sent.append((kind, number, rows))

    def put_again(self, at: int) -> None:
        """Write a file that it has sent before once more, under another name."""
        kind, number, rows = self.sent[at % len(self.sent)]
        put_file(self.folder, kind, number, rows, name=f"{kind}-again-{number:06}.csv", told={"agency": self.name})

    def row(self, placement: int, **more: str) -> dict[str, str]:
        """Return the beginning of a record about a placement."""
        return {"placement_id": str(placement), "client_account": self.held[placement].account} | more
