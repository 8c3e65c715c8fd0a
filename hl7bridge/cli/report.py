"""``hl7bridge report``: counts, dollars and times of placements, stops, holds, discrepancies, balances and payments."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

from hl7bridge.cli.common import App, cell_text, common_options, emit_json, emit_rows, json_option
from hl7bridge.cli.revealed import visible_text
from hl7bridge.storage.reporting import Period, period_of
from hl7bridge.storage.reporting_money import BASES
from hl7bridge.storage.reporting_placements import GROUPS

if TYPE_CHECKING:
    from hl7bridge.storage.database import Store

# What a terminal shows; --csv and --json have every column.
PLACEMENT_COLUMNS: Final = (
    "made", "waiting", "withdrawn", "unacknowledged", "rejected", "placed", "placed_dollars", "average_dollars",
    "average_age_days", "taken_back", "net_placed_dollars",
)  # fmt: skip
LAG_COLUMNS: Final = ("agency", "step", "unit", "placements", "p50", "p90", "longest")
HOLD_COLUMNS: Final = ("where", "hold", "accounts", "dollars")
STOP_COLUMNS: Final = (
    "agency", "reason", "stops", "queued", "unacknowledged", "acknowledged", "cancelled", "sent_p50", "sent_p99",
    "acknowledged_p50", "acknowledged_p99", "withdrawn",
)  # fmt: skip
RECONCILIATION_COLUMNS: Final = (
    "agency", "kind", "found", "open", "open_dollars", "oldest_days", "resolved", "resolved_by_person",
    "hours_to_resolve_p50", "hours_to_resolve_mean", "matched", "rate_percent",
)  # fmt: skip
AGING_COLUMNS: Final = (
    "days", "accounts", "owed_dollars", "credit_dollars", "dollars", "with_agency", "with_agency_dollars",
)  # fmt: skip
MONEY_COLUMNS: Final = (
    "day", "facility", "agency", "kind", "received_dollars", "posted_dollars", "refused_dollars", "unknown_dollars",
    "waiting_dollars", "suspense_dollars", "returned_dollars", "difference_dollars", "echoed_dollars",
    "reversed_dollars", "closed_at",
)  # fmt: skip
ITEM_COLUMNS: Final = (
    "day", "facility", "agency", "kind", "payment", "suspense", "delivery", "state", "dollars", "now",
)  # fmt: skip
_TOTAL: Final = "(total)"
_DAY: Final = click.DateTime(["%Y-%m-%d"])

Rows = Iterable[dict[str, Any]]


@click.group()
def command() -> None:
    """Show what was placed, how long it took, what is held, stopped, disagreed on, owed, and paid to agencies.

    What each figure is made of: docs/reports.md. No report has a patient's or an account's data.
    """


def _report_options(run: Callable[..., Any]) -> Callable[..., Any]:
    run = click.option("--csv", "as_csv", is_flag=True, help="Comma-separated values, with every column.")(run)
    return common_options(json_option(run))


def _period_options(run: Callable[..., Any]) -> Callable[..., Any]:
    run = click.option(
        "--to", "last", type=_DAY, metavar="DAY", help="The last day, in the reports' zone [default: of all]."
    )(run)
    return click.option(
        "--from", "first", type=_DAY, metavar="DAY", help="The first day, in the reports' zone [default: of all]."
    )(run)


@command.command()
@click.option("--by", type=click.Choice(GROUPS), default="agency", show_default=True, help="A row for each of these.")
@_period_options
@_report_options
def placements(
    app: App, by: str, first: dt.datetime | None, last: dt.datetime | None, *, as_csv: bool, as_json: bool
) -> None:
    """Show how many placements and dollars were made, placed (acknowledged), rejected and taken back."""
    from hl7bridge.storage.reporting_placements import report_placements

    with _snapshot(app) as store:
        period = _period(app, first, last)
        rows = report_placements(store, period, by=by, zone=app.settings.reports.time_zone)
        _emit(rows, (by, *PLACEMENT_COLUMNS), as_csv=as_csv, as_json=as_json, total=by)


@command.command()
@_period_options
@_report_options
def lag(app: App, first: dt.datetime | None, last: dt.datetime | None, *, as_csv: bool, as_json: bool) -> None:
    """Show how long each step took, from the last payment to the agency's acknowledgement: median and 90th of 100."""
    from hl7bridge.storage.reporting_placements import report_lag

    with _snapshot(app) as store:
        _emit(report_lag(store, _period(app, first, last)), LAG_COLUMNS, as_csv=as_csv, as_json=as_json)


@command.command()
@_report_options
def holds(app: App, *, as_csv: bool, as_json: bool) -> None:
    """Show how many accounts and dollars each hold keeps from an agency, or had an agency stop."""
    from hl7bridge.storage.reporting_stops import report_holds

    with _snapshot(app) as store:
        _emit(report_holds(store), HOLD_COLUMNS, as_csv=as_csv, as_json=as_json)


@command.command()
@_period_options
@_report_options
def stops(app: App, first: dt.datetime | None, last: dt.datetime | None, *, as_csv: bool, as_json: bool) -> None:
    """Show how long stops took to be sent and acknowledged: median and 99th of 100, in seconds, by reason."""
    from hl7bridge.storage.reporting_stops import report_stops

    with _snapshot(app) as store:
        _emit(report_stops(store, _period(app, first, last)), STOP_COLUMNS, as_csv=as_csv, as_json=as_json)


@command.command()
@_period_options
@_report_options
def reconciliation(
    app: App, first: dt.datetime | None, last: dt.datetime | None, *, as_csv: bool, as_json: bool
) -> None:
    """Show discrepancies with each agency by kind: found, open, their dollars and age, and how long they lasted."""
    from hl7bridge.storage.reporting_agencies import report_reconciliation
    from hl7bridge.times import utc_text

    with _snapshot(app) as store:
        rows = report_reconciliation(store, _period(app, first, last), utc_text(app.now()))
        _emit(rows, RECONCILIATION_COLUMNS, as_csv=as_csv, as_json=as_json)


@command.command()
@click.option(
    "--by", type=click.Choice(list(BASES)), default="service", show_default=True, help="Days since which day."
)
@_report_options
def aging(app: App, by: str, *, as_csv: bool, as_json: bool) -> None:
    """Show the balances of open accounts by age: all of them, so that the dollars are the ledger's."""
    from hl7bridge.cli.placing import days
    from hl7bridge.storage.reporting_money import report_aging

    with _snapshot(app) as store:
        rows = report_aging(store, days(app.settings, app.now()), by=by)
        _emit(rows, AGING_COLUMNS, as_csv=as_csv, as_json=as_json, total="days")


@command.command()
@click.option("--items", "is_itemised", is_flag=True, help="What makes the differences, one by one.")
@_period_options
@_report_options
def money(
    app: App, first: dt.datetime | None, last: dt.datetime | None, *, is_itemised: bool, as_csv: bool, as_json: bool
) -> None:
    """Show what agencies reported each day: posted, refused, unknown, waiting, in suspense, and the difference."""
    from hl7bridge.storage.money_days import report_money, report_money_items

    with _snapshot(app) as store:
        period, zone = _period(app, first, last), app.settings.reports.time_zone
        if is_itemised:
            _emit(report_money_items(store, period, zone), ITEM_COLUMNS, as_csv=as_csv, as_json=as_json)
        else:
            _emit(report_money(store, period, zone), MONEY_COLUMNS, as_csv=as_csv, as_json=as_json)


@contextmanager
def _snapshot(app: App) -> Iterator[Store]:
    """Open the store as it is at one time, so that the figures of one report go together."""
    with app.open_store() as store:
        store.execute("BEGIN")
        yield store


def _period(app: App, first: dt.datetime | None, last: dt.datetime | None) -> Period:
    if first is not None and last is not None and last < first:
        raise click.UsageError("--to is before --from")
    start = None if first is None else first.date()
    end = None if last is None else last.date()
    return period_of(start, end, app.settings.reports.time_zone)


def _emit(rows: Rows, columns: tuple[str, ...], *, as_csv: bool, as_json: bool, total: str = "") -> None:
    """Print a report; only the table ends with the sums, of what is counted once, under the column ``total``."""
    if as_csv and as_json:
        raise click.UsageError("--csv and --json: one at a time")
    if as_csv:
        _emit_csv(rows)
    elif as_json:
        for row in rows:
            emit_json(row)
    else:
        found = list(rows)
        shown = [{name: _visible(value) for name, value in row.items()} for row in (*found, *_total(found, total))]
        emit_rows(shown, columns, as_json=False, empty="Nothing to report.")


def _total(rows: list[dict[str, Any]], name: str) -> Rows:
    from hl7bridge.storage.reporting_placements import total_row

    return [{**total_row(rows, name), name: _TOTAL}] if name and rows else []


def _visible(value: object) -> object:
    return visible_text(value) if isinstance(value, str) else value


def _emit_csv(rows: Rows) -> None:
    from hl7bridge.layouts.placements_csv import encode_placements

    columns: tuple[str, ...] = ()
    for row in rows:
        if not columns:
            columns = tuple(row)
            _write_csv(encode_placements(columns, []))
        _write_csv(encode_placements([cell_text(row[column]) for column in columns], []))


def _write_csv(data: bytes) -> None:
    click.echo(data.decode("utf-8"), nl=False)
