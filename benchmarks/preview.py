"""Stored messages a second that a preview reads with two mappings, beside the intake of the same messages.

    python -m benchmarks.preview [--messages N] [--rounds N] [--each N]

The store is a real one, encrypted, in a folder that is removed. The new mapping is not the old one, so that every
message is read twice; one in N charges has a code that only the new one knows, and its account is rebuilt.
"""

from __future__ import annotations

import argparse
import datetime as dt
import secrets
import statistics
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Final

from benchmarks.messages import make_templates, number_messages
from hl7bridge.assemble import Assembled
from hl7bridge.batch import Received
from hl7bridge.pipeline import Pipeline
from hl7bridge.preview import preview_stored
from hl7bridge.rebuilding import Sides
from hl7bridge.shipped import read_shipped, read_shipped_mappings
from hl7bridge.storage.database import KEY_BYTES, Store, open_store
from hl7bridge.versions import load_configuration

NOW: Final = dt.datetime(2026, 11, 21, 9, 30, tzinfo=dt.UTC)
_BATCH: Final = 100  # messages a transaction, as a busy daemon has them
_KNOWN: Final = '\nCHARGE = "CG"\n'
_FRAME: Final = slice(1, -2)


def main() -> int:
    """Measure and print. Exit 1 when a preview does not find what it must."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=6000, help="messages in the store [6000]")
    parser.add_argument("--rounds", type=int, default=3, help="readings, of which the median is told [3]")
    parser.add_argument("--each", type=int, default=100, help="one charge in so many differs; 0: none does [100]")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hl7bridge-preview-") as folder:
        before = _configuration(Path(folder) / "before", "")
        after = _configuration(Path(folder) / "after", 'FEE = "CG"\n')
        store = open_store(Path(folder) / "bench.db", secrets.token_bytes(KEY_BYTES), create=True)
        try:
            blocks = _blocks(chosen.messages, chosen.each)
            intake = _fill(store, before, blocks)
            expected = sum(b"|FEE|" in block for block in blocks)
            rates: list[float] = []
            for _ in range(chosen.rounds):
                begun = time.perf_counter()
                report = preview_stored(Sides(before, after, NOW), store, 1)
                rates.append(len(blocks) / (time.perf_counter() - begun))
        finally:
            store.close()
    rate = statistics.median(rates)
    print(f"preview  {rate:,.0f} messages a second: median of {chosen.rounds} readings of {len(blocks)}")
    print(f"         {report.changed} of them differ, {report.ledgers} accounts")
    print(f"intake   {intake:,.0f} messages a second, of the same messages into the same store")
    print(f"ratio    {rate / intake:.2f}")
    return 0 if (report.messages, report.changed) == (len(blocks), expected) else 1


def _configuration(folder: Path, codes: str) -> Assembled:
    """Write the shipped configuration with more codes for FT1-6, and return it."""
    (folder / "mappings").mkdir(parents=True)
    text = read_shipped_mappings()["generic.toml"]
    (folder / "mappings" / "generic.toml").write_text(text.replace(_KNOWN, f"{_KNOWN}{codes}"), encoding="utf-8")
    for name in ("hl7bridge.toml", "rules.toml"):
        (folder / name).write_text(read_shipped(name), encoding="utf-8")
    return load_configuration(folder / "hl7bridge.toml")


def _blocks(count: int, each: int) -> list[bytes]:
    """Return messages, charges and registrations in turn; of one charge in ``each`` the type is FEE."""
    blocks = [numbered.block[_FRAME] for numbered in islice(number_messages(make_templates(7, NOW), 1), count)]
    if each:
        for at in range(0, count, 2 * each):
            blocks[at] = blocks[at].replace(b"|CG|", b"|FEE|")
    return blocks


def _fill(store: Store, assembled: Assembled, blocks: list[bytes]) -> float:
    """Take messages in as the daemon does, and return how many a second."""
    pipeline = Pipeline(store, assembled.setup)
    begun = time.perf_counter()
    for at in range(0, len(blocks), _BATCH):
        now = NOW + dt.timedelta(seconds=at // _BATCH)
        pipeline.receive([Received("ehr", block) for block in blocks[at : at + _BATCH]], now)
    return len(blocks) / (time.perf_counter() - begun)


if __name__ == "__main__":
    sys.exit(main())
