"""docs/reports.md and the reports say the same: columns, steps, states, kinds, words; and --json has what is told."""

import re

import pytest
from docs_reader import own_text, read, section, table
from payment_samples import add_account, post
from report_samples import NOW_TEXT, TODAY, acknowledged, decided, noticed, put

from hl7bridge.cli import reconcile as reconcile_command
from hl7bridge.cli import report as report_command
from hl7bridge.placement.inventory import CLOSED, COLLECTING, DISCREPANCIES, STOPPED
from hl7bridge.storage.money_days import STATES as MONEY_STATES
from hl7bridge.storage.money_days import report_money, report_money_items
from hl7bridge.storage.reconciling import list_discrepancies, reconcile_inventory
from hl7bridge.storage.reporting import Period
from hl7bridge.storage.reporting_agencies import report_reconciliation, summarize
from hl7bridge.storage.reporting_money import BASES, bucket_names, report_aging
from hl7bridge.storage.reporting_placements import GROUPS, LAGS, STATES, report_lag, report_placements
from hl7bridge.storage.reporting_stops import PLACES, report_holds, report_stops

TEXT = read("reports.md")


def told(heading: str, number: int = 0) -> list[str]:
    """The names in the first cells of one of a section's tables."""
    tables = re.split(r"\n(?:[^|\n].*)?\n", own_text(TEXT, heading))
    found = [part for part in tables if part.lstrip().startswith("|")]
    return [name for row in table(found[number]) for name in re.findall(r"`(\w+)`", row[0])]


def keys_told(command: str) -> set[str]:
    """The JSON keys of a command in the reference, without what stands in brackets."""
    keys = re.search(r"^JSON keys: (.+)\.$", own_text(read("commands.md"), f"hl7bridge {command}"), re.MULTILINE)
    return set(re.split(r", ", re.sub(r" \([^)]*\)", "", keys[1])))


@pytest.fixture
def rows(store):
    """A row of every report."""
    number = acknowledged(store, put(store, "A1"))
    noticed(store, number, "suspend")
    held = [("holds", "holds", "none", "charity: told", False), ("aged", "balance", "at least 1.00", "2.00", True)]
    decided(store, put(store, "A2"), held, eligible=False)
    post(store, add_account(store))
    with store.transaction():
        reconcile_inventory(store, "sample", [], file_id=None, at=NOW_TEXT)
    period = Period()
    return {
        "report placements": next(report_placements(store, period, by="agency", zone="UTC")),
        "report lag": next(report_lag(store, period)),
        "report holds": next(report_holds(store)),
        "report stops": next(report_stops(store, period)),
        "report reconciliation": next(report_reconciliation(store, period, NOW_TEXT)),
        "report aging": next(report_aging(store, lambda _: TODAY, by="service")),
        "report money": next(report_money(store, period, "UTC")),
        "reconcile": next(summarize(store)),
        "reconcile list": next(list_discrepancies(store)),
    }


def test_the_json_keys_of_the_reference_are_those_of_the_reports(rows):
    """None is missing, and none is told that there is not."""
    for command, row in rows.items():
        assert keys_told(command) == set(row), command


def test_the_columns_of_the_tables_are_columns_of_the_reports(rows):
    """A table shows nothing that --json has not under the same name."""
    commands = report_command
    assert set(commands.PLACEMENT_COLUMNS) <= set(rows["report placements"])
    assert set(commands.LAG_COLUMNS) <= set(rows["report lag"])
    assert set(commands.HOLD_COLUMNS) <= set(rows["report holds"])
    assert set(commands.STOP_COLUMNS) <= set(rows["report stops"])
    assert set(commands.RECONCILIATION_COLUMNS) <= set(rows["report reconciliation"])
    assert set(commands.AGING_COLUMNS) <= set(rows["report aging"])
    assert set(commands.MONEY_COLUMNS) <= set(rows["report money"])
    assert set(reconcile_command.COLUMNS) <= set(rows["reconcile"])
    assert set(reconcile_command.LIST_COLUMNS) <= set(rows["reconcile list"])


def test_every_column_has_its_formula(rows):
    """Also those that only --csv and --json have."""
    states = {f"{state}_dollars" for state in STATES}
    assert set(told("report placements", 1)) | states | {"_dollars"} == set(rows["report placements"]) - {"agency"} | {
        "_dollars"
    }
    assert set(told("report stops")) == set(rows["report stops"]) - {"agency", "reason"}
    assert set(told("report reconciliation")) == set(rows["report reconciliation"]) - {"agency", "kind"}
    assert set(told("report aging")) == set(rows["report aging"]) - {"days"}
    assert set(told("report money")) == set(rows["report money"]) - {"day", "facility", "agency", "kind"}


def test_the_items_of_money_are_told(store):
    """What makes a difference, in the order of the reference, and every state that it can be in."""
    post(store, add_account(store))
    item = next(report_money_items(store, Period(), "UTC"))
    assert ", ".join(item) in own_text(read("commands.md"), "hl7bridge report money")
    assert tuple(report_command.ITEM_COLUMNS) == tuple(item)
    assert " + ".join(MONEY_STATES) in own_text(TEXT, "report money")


def test_every_state_step_place_kind_and_measure_is_explained(store, rows):
    """In the order in which they are shown."""
    assert told("report placements") == list(STATES)
    assert told("report lag") == list(LAGS)
    assert told("report holds") == list(PLACES)
    assert told("reconcile") == list(DISCREPANCIES)
    assert told("reconcile", 1) == [row["measure"] for row in summarize(store)]
    for name in (*GROUPS[1:], "agency"):
        assert name in own_text(TEXT, "report placements")


def test_every_bucket_basis_and_word_of_a_status_is_named():
    """The words that an agency may use are those that are compared."""
    aging = own_text(TEXT, "report aging")
    assert all(f"`{name}`" in aging for name in (*bucket_names(), *BASES))
    words = section(TEXT, "reconcile").partition("**Status words.**")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", words)) == COLLECTING | STOPPED | CLOSED
