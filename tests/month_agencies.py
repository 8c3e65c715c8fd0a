"""Agencies that know only the public descriptions of their layout: each keeps a book, answers files, and lists it.

What a file says is proved at once: its trailer, its number, and that every new balance is the old one and the amount.
"""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import hashlib
import io
import json
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

from layout_readers import read_notices, read_placements

ZERO = Decimal("0.00")
LOWERS = {"payment": -1, "adjustment": -1, "charge": 1, "PC": -1, "PCR": 1, "DA": -1, "DAR": 1}
LOWERS |= {"PP": -1, "PF": -1, "CR": -1, "DB": 1}
TSI_WORDS = {"SS": "suspend", "RI": "resume", "CN": "recall", "PF": "close"}
SUFFIX = {"csv": ".csv", "jsonl": ".jsonl", "aim": ".txt", "tsi": ".txt"}


@dataclasses.dataclass
class Booked:
    """An account as the agency has it. ``history`` has what happened, in the words of notices."""

    account: str
    balance: Decimal
    placed: Decimal
    is_open: bool = True
    is_stopped: bool = False
    history: list[str] = dataclasses.field(default_factory=list)

    def take(self, kind: str) -> None:
        """Do what a notice says, but for its money."""
        self.history.append(kind)
        if kind in {"suspend", "resume"}:
            self.is_stopped = kind == "suspend"
            self.is_open = self.is_open or kind == "resume"  # a payment was taken back after the close
        elif kind in {"recall", "close"}:
            self.is_open = False


class BookAgency:
    """An agency of layout csv, jsonl or aim."""

    def __init__(self, name: str, layout: str, folder: Path) -> None:
        self.name = name
        self.layout = layout
        self.outgoing = folder / "outgoing"
        self.incoming = folder / "incoming"
        self.book: dict[int, Booked] = {}
        self.placed_total = ZERO
        self.files: list[str] = []
        self._last_notice: dict[int, int] = {}
        self._numbers: dict[str, int] = {}
        self._answered: dict[str, int] = {}

    def open(self) -> dict[int, Booked]:
        """Return the accounts that the agency has."""
        return {placement: each for placement, each in self.book.items() if each.is_open}

    def find(self, account: str) -> Booked | None:
        """Return an account by the hospital's number."""
        return next((each for each in self.book.values() if each.account == account), None)

    # ---- what comes ------------------------------------------------------------------------------------------------

    def read_files(self, day: dt.date) -> int:
        """Read what is new in the folder, and answer it; return how many files there were."""
        fresh = [name for name in sorted(path.name for path in self.outgoing.glob("*.trailer.csv"))
                 if name not in self.files]  # fmt: skip
        placements: list[dict] = []
        notices: list[dict] = []
        for name in fresh:
            kind, data = self._proved(name)
            (placements if kind == "placements" else notices).extend(self._counted(name, kind, data))
            self.files.append(name)
        for each in placements:
            self._take_placement(each)
        self.take_notices(notices)
        self._acknowledge(placements, day)
        self.acknowledge_notices(notices)
        return len(fresh)

    def take_notices(self, notices: list[dict]) -> None:
        """Apply notices in the order of their numbers."""
        for each in sorted(notices, key=lambda one: one["notice"]):
            assert each["notice"] > self._last_notice.get(each["placement"], 0)
            self._last_notice[each["placement"]] = each["notice"]
            booked = self.book[each["placement"]]
            kind = each.get("name") or each["kind"]  # aim has the words in a record of their own
            change = ZERO if each["amount"] is None else LOWERS[each["kind"]] * each["amount"]
            expected = booked.balance + change
            assert each["balance"] == (max(expected, ZERO) if kind == "close" else expected), (booked, each)
            booked.take(kind)
            booked.balance = each["balance"]

    def acknowledge_notices(self, notices: list[dict]) -> None:
        """Acknowledge every notice by its number."""
        self.answer("acknowledgements", [
            {"notice_id": str(each["notice"]), "accepted": "yes", "placement_id": str(each["placement"])}
            for each in notices
        ])  # fmt: skip

    def _trailer(self, name: str) -> dict[str, str]:
        return dict(csv.reader(io.StringIO((self.outgoing / name).read_text(), newline="")))

    def _proved(self, name: str) -> tuple[str, bytes]:
        """Check a file against its trailer: digest, layout, agency and number without a gap."""
        trailer = self._trailer(name)
        data = (self.outgoing / trailer["file"]).read_bytes()
        assert trailer["file"] == name.replace(".trailer.csv", SUFFIX[self.layout])
        assert trailer["sha256"] == hashlib.sha256(data).hexdigest()
        assert (trailer["agency"], trailer["layout"], trailer["layout_version"]) == (self.name, self.layout, "1")
        kind = trailer["kind"]
        assert name.startswith(f"{kind}-")
        assert int(trailer["number"]) == self._numbers.get(kind, 0) + 1
        self._numbers[kind] = int(trailer["number"])
        return kind, data

    def _counted(self, name: str, kind: str, data: bytes) -> list[dict]:
        """Read a file with the independent reader; records and dollars have to be those of the trailer."""
        trailer = self._trailer(name)
        records = (read_placements if kind == "placements" else read_notices)(self.layout, data)
        assert len(records) == int(trailer["records"])
        assert sum((each["balance"] for each in records), ZERO) == Decimal(trailer["balance_total"])
        return records

    def _take_placement(self, each: dict) -> None:
        assert each["balance"] > 0
        assert each["placement"] not in self.book
        known = self.find(each["account"])
        assert known is None or not known.is_open, "an account is placed twice"
        self.book[each["placement"]] = Booked(each["account"], each["balance"], each["balance"])
        self.placed_total += each["balance"]

    # ---- what goes ---------------------------------------------------------------------------------------------------

    def collect(self, placement: int, amount: Decimal) -> None:
        """Take a debtor's payment: only of an account that is open and that no stop has come for."""
        booked = self.book[placement]
        assert booked.is_open
        assert not booked.is_stopped
        booked.balance -= amount

    def give_back(self, placement: int, day: dt.date) -> None:
        """Return an account that cannot be collected."""
        booked = self.book[placement]
        booked.is_open = False
        booked.history.append("returned")
        if self.layout == "aim":
            self._put("returns", [f"ACLS{placement:09}{booked.account:<30}".encode() + b"\r\n"], ZERO)
        else:
            row = {"placement_id": str(placement), "code": "UNC", "balance": f"{booked.balance:.2f}"}
            self.answer("returns", [row | {"returned_on": day.isoformat()}])

    def tell(self, placement: int, status: str, day: dt.date) -> None:
        """Tell how the agency stands with an account."""
        self.answer("statuses", [{"placement_id": str(placement), "status": status, "since": day.isoformat()}])

    def list_book(self, day: dt.date, changed: Iterable[tuple[int, str, Decimal]] = (), without: int = 0) -> None:
        """Send the inventory; ``changed`` are lines (placement, account, balance) instead of or besides the book's."""
        lines = {placement: (each.account, each.balance) for placement, each in self.open().items()}
        lines |= {placement: (account, balance) for placement, account, balance in changed}
        lines.pop(without, None)
        if self.layout == "aim":
            records = [
                _balances("AREC", placement, account, self._placed(placement, balance), balance, day)
                for placement, (account, balance) in lines.items()
            ]
            return self._put("inventory", records, sum((balance for _, balance in lines.values()), ZERO))
        return self.answer("inventory", [
            {"placement_id": str(placement), "client_account": account, "balance": f"{balance:.2f}"}
            for placement, (account, balance) in lines.items()
        ])  # fmt: skip

    def _placed(self, placement: int, balance: Decimal) -> Decimal:
        return self.book[placement].placed if placement in self.book else balance

    def _acknowledge(self, placements: list[dict], day: dt.date) -> None:
        if self.layout == "aim":
            records = [
                _balances("AACK", each["placement"], each["account"], each["balance"], each["balance"], day)
                for each in placements
            ]
            self._put("acknowledgements", records, sum((each["balance"] for each in placements), ZERO))
        else:
            self.answer("acknowledgements", [self._accept_or_refuse(each) for each in placements])

    def _accept_or_refuse(self, each: dict) -> dict[str, str]:
        """Take an account in; of every thirteenth the address is bad."""
        row = {"placement_id": str(each["placement"]), "client_account": each["account"], "notice_id": ""}
        if each["placement"] % 13:
            told = {"accepted": "yes", "code": "", "agency_account": f"SA-{each['placement']}"}
            return row | told | {"balance": f"{each['balance']:.2f}"}
        booked = self.book[each["placement"]]
        booked.is_open = False
        booked.history.append("rejected")
        return row | {"accepted": "no", "code": "bad address", "agency_account": "", "balance": ""}

    def answer(self, kind: str, rows: list[dict[str, str]]) -> None:
        """Write answers as jsonl when that is the layout, else as csv; nothing when there are none."""
        if not rows:
            return None
        total = sum((Decimal(row.get("balance") or 0) for row in rows), ZERO)
        if self.layout == "jsonl":
            data = "".join(json.dumps({name: value or None for name, value in row.items()}) + "\n" for row in rows)
            return self._write(kind, ".jsonl", data.encode(), len(rows), total)
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        return self._write(kind, ".csv", text.getvalue().encode(), len(rows), total)

    def _put(self, kind: str, records: list[bytes], total: Decimal) -> None:
        if records:
            trailer = b"ATRL".ljust(84) + f"{len(records):010}".encode() + b"20260331\r\n"
            self._write(kind, ".txt", b"".join((*records, trailer)), len(records), total)

    def _write(self, kind: str, suffix: str, data: bytes, records: int, total: Decimal) -> None:
        number = self._answered[kind] = self._answered.get(kind, 0) + 1
        path = self.incoming / f"{kind}-{number:06}{suffix}"
        path.write_bytes(data)
        rows = {"file": path.name, "number": number, "agency": self.name, "records": records,
                "balance_total": f"{total:.2f}", "sha256": hashlib.sha256(data).hexdigest()}  # fmt: skip
        trailer = self.incoming / f".{path.stem}.tmp"
        trailer.write_text("key,value\n" + "".join(f"{key},{value}\n" for key, value in rows.items()))
        trailer.rename(self.incoming / f"{path.stem}.trailer.csv")


class TsiAgency(BookAgency):
    """An agency of layout tsi: notices have no numbers, so it takes them as files come and acknowledges by kind."""

    def take_notices(self, notices: list[dict]) -> None:
        """Apply notices in the order of their files, stops first; only money changes a balance."""
        for each in notices:
            assert each["client"] == "H01"
            booked = self.book[each["placement"]]
            if each["amount"]:
                booked.balance += LOWERS[each["kind"]] * each["amount"]
                assert each["balance"] == booked.balance, (booked, each)
            else:
                booked.take(TSI_WORDS[each["kind"]])

    def acknowledge_notices(self, notices: list[dict]) -> None:
        """Acknowledge stops and resumptions, each once a placement."""
        kinds = {(each["placement"], TSI_WORDS[each["kind"]]): None for each in notices if not each["amount"]}
        self.answer("acknowledgements", [
            {"placement_id": str(placement), "accepted": "yes", "notice_kind": kind} for placement, kind in kinds
        ])  # fmt: skip


def _balances(kind: str, placement: int, account: str, placed: Decimal, balance: Decimal, day: dt.date) -> bytes:
    """Return an AACK or AREC record: what was placed from 44, the day from 56, what is owed from 64."""
    record = f"{kind}{placement:09}{account:<30}{placed:<12.2f}{day:%Y%m%d}{balance:<12.2f}19000101"
    return record.ljust(126).encode() + b"\r\n"
