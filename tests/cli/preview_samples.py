"""A site whose configuration in force is kept, messages that it took, and what a preview of another tells."""

from __future__ import annotations

import json
import shutil

from bridge_samples import Bridge, charges, registration
from cli_samples import run

from hl7bridge.cli.common import App
from hl7bridge.storage.audit import read_audit
from hl7bridge.storage.config_versions import RELOAD, START, record_version
from hl7bridge.versions import files_of, load_configuration

GENERIC = "mappings/generic.toml"
RULES = """format = 1
[common]
require = [{ fact = "balance", at_least = "25.00" }]
[[rules]]
name = "aged"
agency = "sample"
when = [{ fact = "days_without_payment", at_least = 90 }]
"""


class Site(Bridge):
    """A bridge whose configuration a daemon has taken."""

    def __init__(self, folder):
        super().__init__(folder)
        self.take(START)

    def take(self, reason=RELOAD):
        """Keep the files as they are as what a daemon took; return the version, None when it is no new one."""
        files = files_of(load_configuration(self.config))
        with self.store() as store, store.transaction():
            return record_version(store, files, at=App().now(), actor="daemon", reason=reason)

    def audited(self):
        """Return the rows of the audit log, newest first, without that of ``init``."""
        with self.store() as store:
            return [(row["actor"], row["action"], row["subject"], row["reason"]) for row in read_audit(store)][:-1]

    def preview(self, *arguments):
        """Return the exit code of a preview of the files as they are, and its lines by kind."""
        return previewed(self.run("preview", "--days", 0, "--exit-code", "--json", *arguments))


def previewed(result):
    """Return an exit code, the summary and the other lines by kind."""
    assert result.exit_code in {0, 1}, result.stderr
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    kinds = {
        kind: [each for each in lines if each["kind"] == kind] for kind in ("event", "field", "outcome", "account")
    }
    kinds["refusal"] = [each for each in lines if each["kind"] == "refusal"]
    return result.exit_code, lines[0], kinds


def copy_of(site, folder):
    """Return the settings file of a copy of a site's configuration, without its store."""
    folder.mkdir()
    shutil.copytree(site.folder / "mappings", folder / "mappings")
    for name in ("hl7bridge.toml", "rules.toml"):
        shutil.copy(site.folder / name, folder / name)
    return folder / "hl7bridge.toml"


def take_feed(site, accounts=("5027440",)):
    """Have a site take the registration and charges of accounts."""
    for number, account in enumerate(accounts):
        site.receive(registration(f"A{number}", account), charges(f"D{number}", account))


__all__ = ["GENERIC", "RULES", "Site", "copy_of", "previewed", "run", "take_feed"]
