"""What a preview found -> text for people, or a JSON object a line; patients' values only when they are revealed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import click

from hl7bridge.cli.common import cell_text, emit_json, emit_rows
from hl7bridge.cli.revealed import visible_text
from hl7bridge.money import money_text
from hl7bridge.preview import FieldTally, Report
from hl7bridge.rebuilding import AccountPair, OneSide

FIELD_COLUMNS: Final = ("record", "field", "messages", "examples")
EVENT_COLUMNS: Final = ("event", "before", "after")
OUTCOME_COLUMNS: Final = ("before", "after", "messages")
REASON_COLUMNS: Final = ("refused_for", "messages")
ACCOUNT_COLUMNS: Final = ("account", "message", "differs", "before", "after", "placed")
REVEALED_COLUMNS: Final = ("number", "facility", "balance_before", "balance_after")
_PLACING: Final = {
    "before": "would be placed by the old",
    "after": "would be placed by the new",
    "new": "only by the new",
    "gone": "only by the old",
    "otherwise": "by both, but by another rule, agency, tier or mode",
}


class Shown(NamedTuple):
    """A report, the names of the two configurations, and how much of it may be seen.

    ``unseen`` are fields that only the new one names, so that stored messages do not have them.
    """

    report: Report
    old: str
    new: str
    unseen: list[str]
    reveal: bool


def emit_report(shown: Shown, limit: int) -> None:
    """Print the summary, then a line for each event, field, outcome, refusal and account; ``kind`` says which."""
    report = shown.report
    names = {"old": shown.old, "new": shown.new}
    emit_json({"kind": "summary", **names, **_summary(report), "fields_not_kept": shown.unseen})
    for kind, rows in (
        ("event", _event_rows(report, every=True)),
        ("field", _field_rows(shown)),
        ("outcome", _outcome_rows(report)),
        ("refusal", _reason_rows(report)),
        ("account", list(_account_rows(shown))[: limit or None]),
    ):
        for row in rows:
            emit_json({"kind": kind, **row})


def _summary(report: Report) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "differs": report.differs,
        "messages": report.messages,
        "changed": report.changed,
        "header_only": report.header_only,
        "not_whole": report.not_whole,
        "refused_before": report.refused[0],
        "refused_after": report.refused[1],
        "accounts_compared": report.compared,
        "ledgers": report.ledgers,
        "placements": report.placements,
    }
    for name, (before, after) in report.money.items():
        facts |= {f"{name}_before": before, f"{name}_after": after}
    for name, each in report.placing.items():
        facts |= {f"placed_{name}": each.accounts, f"placed_{name}_dollars": each.dollars}
    return facts


def print_report(shown: Shown, limit: int) -> None:
    """Print the totals, then a table for each kind of difference."""
    report = shown.report
    click.echo(f"old         {shown.old}")
    click.echo(f"new         {shown.new}")
    click.echo(f"messages    {report.messages} read, {report.changed} differ")
    for note in _notes(shown):
        click.echo(f"            {note}")
    click.echo(f"refused     {report.refused[0]} before, {report.refused[1]} after")
    click.echo(f"ledgers     {report.ledgers} of {report.compared} accounts differ")
    for name, (before, after) in report.money.items() if report.ledgers else ():
        click.echo(f"            {name} {money_text(before)} -> {money_text(after)}")
    click.echo(f"placements  {report.placements} accounts would be placed otherwise")
    for name, words in _PLACING.items():
        each = report.placing[name]
        click.echo(f"            {words}: {each.accounts} accounts, {money_text(each.dollars)} dollars")
    columns = (*ACCOUNT_COLUMNS, *REVEALED_COLUMNS) if shown.reveal else ACCOUNT_COLUMNS
    tables: list[tuple[list[dict[str, Any]], tuple[str, ...], int]] = [
        (_event_rows(report, every=False), EVENT_COLUMNS, 0),
        (_field_rows(shown), FIELD_COLUMNS, 0),
        (_outcome_rows(report), OUTCOME_COLUMNS, 0),
        (_reason_rows(report), REASON_COLUMNS, 0),
        (list(_account_rows(shown)), columns, limit),
    ]
    for rows, names, most in tables:
        if rows:
            click.echo()
            emit_rows(rows, names, as_json=False, limit=most)


def _notes(shown: Shown) -> Iterator[str]:
    """Yield what the counts do not say: what could not be looked at."""
    report = shown.report
    if report.header_only:
        yield f"{report.header_only} of which no more than MSH was kept would be read by one side only"
    if report.not_whole:
        yield f"{report.not_whole} more were not whole when they came"
    if shown.unseen:
        yield f"only the new mappings name these fields, so none of them was kept: {', '.join(shown.unseen)}"


def _event_rows(report: Report, *, every: bool) -> list[dict[str, Any]]:
    return [
        {"event": visible_text(event), "before": before, "after": after}
        for event, (before, after) in sorted(report.events.items())
        if every or before != after
    ]


def _field_rows(shown: Shown) -> list[dict[str, Any]]:
    found = sorted(shown.report.fields.items(), key=lambda each: (-each[1].messages, each[0]))
    return [
        {"record": record, "field": name, "messages": tally.messages, "examples": _examples(tally, shown.reveal)}
        for (record, name), tally in found
    ]


def _examples(tally: FieldTally, reveal: bool) -> list[str]:  # noqa: FBT001  (one caller, which has it by name)
    values = (f": {_value_text(each.before)} -> {_value_text(each.after)}" if reveal else "" for each in tally.examples)
    return [visible_text(f"{each.label}{value}") for each, value in zip(tally.examples, values, strict=True)]


def _value_text(value: Any) -> str:
    if value is None:
        return "nothing"
    if hasattr(value, "_asdict"):
        told = (f"{name} {cell_text(each)}" for name, each in value._asdict().items() if each is not None)
        return f"({', '.join(told)})"
    return cell_text(value)


def _outcome_rows(report: Report) -> list[dict[str, Any]]:
    found = report.outcomes.most_common()
    return [{"before": before, "after": after, "messages": count} for (before, after), count in found]


def _reason_rows(report: Report) -> list[dict[str, Any]]:
    found = report.reasons.most_common()
    return [{"refused_for": visible_text(reason), "messages": count} for reason, count in found]


def _account_rows(shown: Shown) -> Iterator[dict[str, Any]]:
    """Yield a row for each account that differs: by the store's own id, and when revealed by its number."""
    for each in shown.report.accounts:
        row: dict[str, Any] = {
            "account": each.account_id,
            "message": visible_text(each.label) or None,
            "differs": [*each.ledger, *(["placement"] if each.is_placed_otherwise else [])],
            "before": _place_text(each, each.before),
            "after": _place_text(each, each.after),
            "placed": each.placed or None,
        }
        if shown.reveal:
            row |= _revealed(each)
        yield row


def _revealed(pair: AccountPair) -> dict[str, Any]:
    old, new = (side.account if side else None for side in (pair.before, pair.after))
    one = new or old
    return {
        "number": visible_text(one.number) if one else None,
        "facility": visible_text(one.facility) if one else None,
        "balance_before": old.balance if old else None,
        "balance_after": new.balance if new else None,
    }


def _place_text(pair: AccountPair, side: OneSide | None) -> str:
    if side is None:
        return "no such account"
    return f"placed already ({pair.placed})" if side.place is None else ", ".join(side.place) or "not placed"
