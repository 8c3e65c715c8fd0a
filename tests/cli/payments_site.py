"""A folder as ``init`` makes it, for the commands about payments."""

from __future__ import annotations

import json

from click.testing import CliRunner

from hl7bridge.cli.main import main
from hl7bridge.storage.database import open_store, read_key


class Site:
    """A folder as ``init`` makes it, with its store open."""

    def __init__(self, folder):
        self.folder = folder
        assert CliRunner().invoke(main, ["init", str(folder)], catch_exceptions=False).exit_code == 0
        self.config = folder / "hl7bridge.toml"
        key = read_key(folder / "secrets" / "store.key")
        self.store = open_store(folder / "data" / "hl7bridge.db", key, create=True)

    def run(self, *arguments, text=None):
        """Run a command as the shell would."""
        given = [*arguments, "--config", str(self.config)]
        return CliRunner().invoke(main, [str(each) for each in given], input=text, catch_exceptions=False)

    def payments(self, *options):
        """Return what ``payments --json`` shows."""
        return [json.loads(line) for line in self.run("payments", "--json", *options).stdout.splitlines()]

    def counts(self):
        """Return how many payments, deliveries and entries there are."""
        return [self.store.row(f"SELECT count(*) FROM {table}")[0] for table in ("payments", "deliveries", "entries")]


def post(site, **changes):
    options = {"agency": "sample", "id": "CHK1", "account": "5027440", "amount": "150.00", "date": "2026-01-14"}
    given = [part for name, value in (options | changes).items() for part in (f"--{name}", value)]
    return site.run("payments", "post", *given)
