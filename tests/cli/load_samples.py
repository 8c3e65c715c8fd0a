"""Files of invented messages for the tests of ``load``, and what a person sees of them."""

from __future__ import annotations

import json

from bridge_samples import charges, registration

FHS = b"FHS|^~\\&|EHR|NORTHGATE|BRIDGE|AGENCY|||||F1\r"
BHS = b"BHS|^~\\&|EHR|NORTHGATE|BRIDGE|AGENCY|||||B1\r"
NOTHING = dict.fromkeys(("applied", "duplicate", "ignored", "parked", "rejected", "unreadable"), 0)


def feed(count, start=1):
    """Return registrations and charges in turn, each with its own control id."""
    return [
        (charges if number % 2 else registration)(f"N{number}", f"T{number // 2}")
        for number in range(start, start + count)
    ]


def batch(*messages, count=None, file=FHS):
    """Return a batch file of messages; ``count`` is what BTS-1 says."""
    said = len(messages) if count is None else count
    return file + BHS + b"".join(messages) + f"BTS|{said}\r".encode() + (b"FTS|1\r" if file else b"")


def write(folder, data, name="night.hl7"):
    """Write a file and return its path."""
    path = folder / name
    path.write_bytes(data)
    return path


def load(bridge, path, *options):
    """Load one file with ``--json``; return the exit status and what was printed."""
    result = bridge.run("load", path, "--json", *options)
    (row,) = [json.loads(line) for line in result.stdout.splitlines()]
    return result.exit_code, row


def rows(bridge):
    """Return (control id, disposition) of every message, in the order received."""
    with bridge.store() as store:
        return store.rows("SELECT control_id, disposition FROM messages ORDER BY id")
