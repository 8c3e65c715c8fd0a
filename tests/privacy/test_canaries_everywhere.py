"""Canaries in every clinical field of a feed: whole placements later none is in a file, the store, the log or a screen.

The real daemon, an agency of each layout, the EHR that money goes back to, and the commands a person looks with.
"""

from __future__ import annotations

import json
import re
from contextlib import closing

import pytest
from cli_samples import Peer, framed, reply_to, run
from feed_samples import ft1, gt1, in1, message, pid, pv1, segment
from layout_readers import read_notices, read_placements
from listening import codes, wait_until
from running_daemon import RunningDaemon, edit, make_folder

LAYOUTS = ("csv", "jsonl", "aim", "tsi")
SEGMENTS = ("DG1", "PR1", "OBX", "AL1", "NTE", "NK1", "DRG", "PV2", "ORC", "ZZZ")
FIELDS = {
    "PID": (6, 10, 16, 17, 19, 20, 22),
    "PV1": (3, 7, 8, 9, 10, 17),
    "GT1": (12, 16, 17, 18, 19),
    "IN1": (16, 18, 19, 36, 49),
    "FT1": (7, 8, 9, 13, 16, 18, 19, 20, 21, 23, 25, 26),
}
CANARY = re.compile(r"can[^a-z]{0,3}ary", re.IGNORECASE)
PEOPLE = ("AURELIA", "SAMPLE ST", "TESTVILLE")
AGENCY = """
[[agencies]]
name = "{0}"
layout = "{0}"
client_number = "7"
outgoing = "agencies/{0}/outgoing"
incoming = "agencies/{0}/incoming"
"""
RULES = """
[[rules]]
name = "aged_{0}"
agency = "{0}"
when = [{{ fact = "days_without_payment", at_least = 90 }}, {{ fact = "facility", is = "GATE_{0}" }}]
"""


def planted(name: str, **fields: str) -> dict[str, str]:
    """Return a canary in each clinical field of a segment, by ``f`` and number; ``fields`` have something else."""
    return {f"f{number}": f"CANARY{name}{number:02}" for number in FIELDS[name]} | fields


def clinical() -> list[str]:
    """Return whole segments of canaries."""
    return [segment(name, {at: f"CANARY{name}{at:02}" for at in range(1, 25)}) for name in SEGMENTS]


def told(layout: str, kind: str, number: int, *segments: str, **person: str) -> bytes:
    """Return a message of the layout's facility in which everything clinical is a canary."""
    people = [pid(f"ACC{layout}", **planted("PID")), pv1(**planted("PV1"))]
    guarantor = [gt1(**planted("GT1", **person)), in1(**planted("IN1"))] if kind.startswith("ADT") else []
    rows = [f"EVN|{kind[-3:]}", *people, *guarantor, *clinical(), *segments, *clinical()]
    return message(kind, f"C{layout}{number}", *rows, m4=f"GATE_{layout}", m7=f"202611{10 + number}080000")


def charge(amount: str, number: str, day: str = "20250105") -> str:
    return ft1(amount, number=number, **planted("FT1", f4=day))


def payment(amount: str, number: str) -> str:
    return ft1(amount, "PY", number, **planted("FT1", f7="PATPAY", f4="20261101"))


@pytest.fixture
def config(tmp_path):
    """Return the configuration of four facilities, each with an agency of its own layout."""
    made = make_folder(tmp_path / "d")
    text = made.read_text()
    made.write_text(text + "".join(AGENCY.format(layout) for layout in LAYOUTS))
    rules = made.parent / "rules.toml"
    common = rules.read_text().partition("[[rules]]")[0]
    rules.write_text(common + "".join(RULES.format(layout) for layout in LAYOUTS))
    for layout in LAYOUTS:
        for side in ("outgoing", "incoming"):
            (made.parent / "agencies" / layout / side).mkdir(parents=True)
    return made


class Seen:
    """What anybody outside could see, and where."""

    def __init__(self, config) -> None:
        self.config = config
        self.texts: dict[str, str] = {}

    def ask(self, *command, code: int | None = 0) -> str:
        """Run a command and keep what it says."""
        result = run(*command, "--config", self.config)
        assert code is None or result.exit_code == code, (command, result.stderr)
        self.texts[" ".join(map(str, command))] = result.stdout + result.stderr
        return result.stdout

    def feed(self, daemon, *blocks, expected="AA") -> None:
        """Send messages, and keep the replies."""
        with daemon.sender() as sender:
            replies = sender.ask(*blocks)
        assert set(codes(replies)) == {expected}
        self.texts[f"replies {len(self.texts)}"] = b"\n".join(replies).decode()


def files(config, layout: str, kind: str) -> list:
    """Return the data files of a kind that an agency has."""
    folder = config.parent / "agencies" / layout / "outgoing"
    return [path for path in sorted(folder.glob(f"{kind}-*")) if not path.name.endswith(".trailer.csv")]


def dump(store) -> str:
    """Return every value of every row of every table; what a file has is packed, and is looked at as a file."""
    tables = [row[0] for row in store.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
    values = [value for table in tables for row in store.execute(f"SELECT * FROM {table}") for value in row]
    return "\n".join(value.decode("latin-1") if isinstance(value, bytes) else str(value) for value in values)


def live(daemon, config, seen: Seen) -> None:
    """Have an account of each facility placed, paid on, moved, refused, and stopped."""
    for layout in LAYOUTS:
        seen.feed(
            daemon, told(layout, "ADT^A04", 1), told(layout, "DFT^P03", 2, charge("500.00", "T1"))
        )  # fmt: skip
        wrong = (
            told(layout, "DFT^P03", 3, charge("5x0.00", "T2")),
            told(layout, "DFT^P03", 3, charge("1.00", "T3", "9")),
        )
        seen.feed(daemon, *wrong, expected="AE")
    seen.ask("decide", "--dry-run")
    seen.ask("decide")
    for layout in LAYOUTS:
        moved = told(layout, "ADT^A08", 4, f5="2 SAMPLE ST^^TESTVILLE^IL^60001")
        paid = told(layout, "DFT^P03", 5, payment("40.00", "T4"), charge("77.00", "T5", "20261101"))
        seen.feed(daemon, moved, paid)
        wait_until(lambda layout=layout: files(config, layout, "updates"))
        seen.ask(
            "payments", "post", "--agency", layout, "--id", f"P{layout}", "--account", f"ACC{layout}",
            "--amount", "10.00", "--date", "2026-11-02",
        )  # fmt: skip
        seen.ask("signals", "set", f"ACC{layout}", "charity", "approved")
        wait_until(lambda layout=layout: files(config, layout, "stops"))


def look(seen: Seen) -> None:
    """Ask all that a person may ask."""
    for command in (
        "messages", "accounts", "placements", "payments", "deliveries", "exceptions", "status", "reconcile", "files",
        "audit list", "report placements", "report lag", "report holds", "report stops", "report aging",
        "report reconciliation", "db verify",
    ):  # fmt: skip
        seen.ask(*command.split())
        if command != "db verify":
            seen.ask(*command.split(), "--json")
    for row in [json.loads(line) for line in seen.ask("messages", "--json", "--limit", "0").splitlines()]:
        seen.ask("messages", "show", row["id"])
    for number, layout in enumerate(LAYOUTS, 1):
        seen.ask("placements", "show", number)
        seen.ask("placements", "explain", f"ACC{layout}")
        seen.ask("signals", "list", f"ACC{layout}", "--history")
        seen.ask("accounts", "show", f"ACC{layout}", "--reveal")
        seen.ask("accounts", "show", f"ACC{layout}", "--provenance", "--reveal")


def test_nothing_clinical_is_in_a_file_the_store_the_log_a_reply_or_on_a_screen(config):
    """What the agencies need is in their files, in every layout; nothing clinical is anywhere."""
    seen = Seen(config)
    with Peer(lambda block, _: framed(reply_to(block))) as ehr:
        edit(config, 'connect = "127.0.0.1:9"', f'connect = "{ehr.address}"')
        with RunningDaemon(config) as daemon:
            live(daemon, config, seen)
            wait_until(lambda: len(ehr.blocks) >= len(LAYOUTS))
            look(seen)
            daemon.stop()
            seen.texts["log"] = "\n".join([*map(json.dumps, daemon.events), *daemon.said])
        seen.texts["to the EHR"] = b"\n".join(ehr.blocks).decode()
        with closing(daemon.store()) as store:
            seen.texts["store"] = dump(store)
    for path in (each for each in (config.parent / "agencies").rglob("*") if each.is_file()):
        seen.texts[path.name] = path.read_bytes().decode("latin-1")
    assert [where for where, text in seen.texts.items() if CANARY.search(text)] == []
    for layout in LAYOUTS:
        (placed,) = [
            row for path in files(config, layout, "placements") for row in read_placements(layout, path.read_bytes())
        ]
        assert placed["account"] == f"ACC{layout}"
        stopped = [row for path in files(config, layout, "stops") for row in read_notices(layout, path.read_bytes())]
        assert stopped
    assert all(word in seen.texts["store"] for word in PEOPLE)
    assert not [word for word in PEOPLE if word in seen.texts["log"]]


def test_the_canaries_are_there_to_be_found():
    """Or the test above would prove nothing: each field of the list has one, and each segment."""
    text = told("csv", "DFT^P03", 1, charge("1.00", "T1")).decode() + told("csv", "ADT^A04", 1).decode()
    for name, numbers in FIELDS.items():
        for number in numbers:
            assert f"CANARY{name}{number:02}" in text
    assert all(text.count(f"\r{name}|CANARY") >= 2 for name in SEGMENTS)
    assert CANARY.search("CANARYDG103")
