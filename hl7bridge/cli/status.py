"""``hl7bridge status``: counts that foot, queues with their age, and whether the daemon runs, at a glance."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from hl7bridge.cli.common import App, common_options, emit_json, emit_rows, json_option
from hl7bridge.cli.pidfile import running_pid
from hl7bridge.money import money_text

if TYPE_CHECKING:
    from hl7bridge.storage.database import Store

_OLDEST_DELIVERY: Final = (
    "SELECT min(at) FROM (SELECT min(created_at) AS at FROM deliveries WHERE status = 'queued'"
    " UNION ALL SELECT min(created_at) FROM deliveries WHERE status = 'sending')"
)
_RECEIVED: Final = "received"
_TOTAL: Final = "(total)"


@click.command()
@json_option
@common_options
def command(app: App, *, as_json: bool) -> None:
    """Show what was received, what became of it, what waits, and for how long."""
    from hl7bridge.expiry import certificate_rows
    from hl7bridge.storage.database import schema_version

    settings = app.settings
    now = app.now()
    with app.open_store() as store:
        store.execute("BEGIN")  # one snapshot, or the counts of a busy daemon would not foot
        found = _read(store, now)
    facts: dict[str, Any] = {
        "daemon": "running" if (pid := running_pid(settings)) else "not running",
        "pid": pid,
        "store": settings.store.path,
        "store_bytes": _size(settings.store.path),
        "schema": schema_version(),
        **found,
        "certificates": certificate_rows(settings, now),
    }
    if as_json:
        emit_json(facts)
    else:
        _print(facts)


def _read(store: Store, now: dt.datetime) -> dict[str, Any]:
    from hl7bridge.storage.discrepancies import count_open
    from hl7bridge.storage.echoes import count_echoes
    from hl7bridge.storage.exceptions import count_open_exceptions
    from hl7bridge.storage.messages import Disposition, read_counters
    from hl7bridge.storage.parked import count_waiting
    from hl7bridge.storage.received_files import count_held
    from hl7bridge.storage.reconciling import count_open_discrepancies
    from hl7bridge.storage.reporting_stops import count_queued_notices, read_stop_state
    from hl7bridge.storage.suspense import count_suspense

    stops = read_stop_state(store)
    parked = count_waiting(store)
    counters = read_counters(store)
    dispositions = [each.value for each in Disposition]
    listeners = [{"listener": name, **_counts(each, dispositions)} for name, each in counters.items()]
    total: Counter[str] = Counter()
    for each in counters.values():
        total.update(each)
    counts = _counts(total, dispositions)
    suspended, dollars = count_suspense(store)
    echoed, silent = count_echoes(store)
    oldest = store.row(_OLDEST_DELIVERY)
    return {
        **counts,
        "foots": counts[_RECEIVED] == sum(counts[each] for each in dispositions),
        "listeners": listeners,
        "parked_waiting": parked.messages,
        "oldest_parked_seconds": _age(parked.oldest_at, now),
        "deliveries": _by_status(store, "deliveries"),
        "oldest_delivery_seconds": _age(oldest[0] if oldest else None, now),
        "placements": _by_status(store, "placements"),
        "notices_queued": count_queued_notices(store),
        "stops_queued": stops.queued,
        "stops_unacknowledged": stops.unacknowledged,
        "oldest_stop_seconds": _age(stops.oldest_at, now),
        "files_held": count_held(store),
        "agency_discrepancies_open": count_open_discrepancies(store),
        "payments": _by_status(store, "payments"),
        "payments_echoed": echoed,
        "payments_not_echoed": silent,
        "suspense_open": suspended,
        "suspense_dollars": money_text(dollars),
        "accounts": _by_status(store, "accounts"),
        "discrepancies_open": count_open(store),
        "exceptions_open": count_open_exceptions(store),
    }


def _counts(counters: dict[str, int] | Counter[str], dispositions: list[str]) -> dict[str, int]:
    """Return received, each disposition (0 when none) and then every other counter."""
    named = (_RECEIVED, *dispositions)
    return {name: counters.get(name, 0) for name in named} | {
        name: value for name, value in sorted(counters.items()) if name not in named
    }


def _by_status(store: Store, table: str) -> dict[str, int]:
    return dict(store.rows(f"SELECT status, count(*) FROM {table} GROUP BY status ORDER BY status"))


def _age(created_at: str | None, now: dt.datetime) -> float | None:
    if created_at is None:
        return None
    return max(0.0, round((now - dt.datetime.fromisoformat(created_at)).total_seconds(), 1))


def _size(store: Path) -> int:
    """Return the bytes of the store and of what is not yet folded into it."""
    return sum(each.stat().st_size for each in (store, Path(f"{store}-wal")) if each.exists())


def _print(facts: dict[str, Any]) -> None:
    process = f" (process {facts['pid']})" if facts["pid"] else ""
    click.echo(f"daemon      {facts['daemon']}{process}")
    click.echo(f"store       {facts['store']} ({facts['store_bytes']} bytes, schema {facts['schema']})")
    for name in ("accounts", "placements", "payments", "deliveries"):
        text = ", ".join(f"{count} {status}" for status, count in facts[name].items()) or "none"
        click.echo(f"{name:<11} {text}")
    if facts["oldest_delivery_seconds"] is not None:
        click.echo(f"            the oldest waits since {facts['oldest_delivery_seconds']:.0f} s")
    if facts["payments_echoed"]:
        count, silent = facts["payments_echoed"], facts["payments_not_echoed"]
        click.echo(f"echoes      {count} payments came back on the feed, {silent} are posted and have not")
    _print_agencies(facts)
    _print_waiting(facts)
    listeners = facts["listeners"]
    if not listeners:
        click.echo("messages    none received yet")
        return
    click.echo("")
    names = list(dict.fromkeys(name for each in listeners for name in each))
    total = {name: facts.get(name, 0) for name in names} | {"listener": _TOTAL}
    emit_rows([*listeners, total], names, as_json=False)
    verdict = "received is the sum of all dispositions" if facts["foots"] else "THE COUNTS DO NOT FOOT"
    click.echo(verdict)


def _print_agencies(facts: dict[str, Any]) -> None:
    """Say what waits between the bridge and the agencies, when anything does."""
    if facts["notices_queued"]:
        click.echo(f"notices     {facts['notices_queued']} to agencies wait to be sent")
    if facts["oldest_stop_seconds"] is not None:
        waiting = facts["stops_queued"] + facts["stops_unacknowledged"]
        age = facts["oldest_stop_seconds"]
        click.echo(f"stops       {waiting} are not acknowledged, the oldest since {age:.0f} s: hl7bridge report stops")
    if facts["files_held"]:
        click.echo(f"files       {facts['files_held']} of agencies are held for a person: hl7bridge files --held")
    if facts["agency_discrepancies_open"]:
        count = facts["agency_discrepancies_open"]
        click.echo(f"agencies    {count} discrepancies with ours are open: hl7bridge reconcile list")


def _print_waiting(facts: dict[str, Any]) -> None:
    """Say what waits for a person."""
    if facts["parked_waiting"]:
        count, age = facts["parked_waiting"], facts["oldest_parked_seconds"]
        click.echo(f"parked      {count} wait for a person, the oldest since {age:.0f} s: hl7bridge messages --waiting")
    if facts["discrepancies_open"]:
        click.echo(f"figures     {facts['discrepancies_open']} of senders are not the ledger's: see accounts show")
    if facts["suspense_open"]:
        count, dollars = facts["suspense_open"], facts["suspense_dollars"]
        click.echo(f"suspense    {count} payments of {dollars} dollars name no account: hl7bridge suspense")
    if facts["exceptions_open"]:
        click.echo(f"exceptions  {facts['exceptions_open']} wait for a person: hl7bridge exceptions")
    for each in facts["certificates"]:
        left = "cannot be read" if each["days"] is None else f"{each['days']} days left"
        click.echo(f"certificate {each['name']}: {left}")
