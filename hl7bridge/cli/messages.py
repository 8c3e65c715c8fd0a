"""``hl7bridge messages``: what arrived, what became of it, what was kept of it, and the same once more."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import click

from hl7bridge.cli.common import ROW_ID, App, cell_text, common_options, emit_json, emit_rows, json_option, list_options
from hl7bridge.cli.revealed import newest_text, note_revealed, visible_bytes, visible_text
from hl7bridge.errors import NotFoundError
from hl7bridge.storage.messages import Disposition

if TYPE_CHECKING:
    from hl7bridge.cli.kept_fields import KeptField
    from hl7bridge.storage.database import Store
    from hl7bridge.storage.messages import MessageRow

COLUMNS: Final = (
    "id", "received_at", "listener", "sending_application", "sending_facility", "message_type", "trigger_event",
    "control_id", "disposition", "ack_code", "reason", "account",
)  # fmt: skip
_DISPOSITIONS: Final = [each.value for each in Disposition]
_REFUSED: Final = frozenset({Disposition.REJECTED, Disposition.UNREADABLE})


@click.group(invoke_without_command=True)
@click.option("--disposition", type=click.Choice(_DISPOSITIONS), help="Only messages of which this became.")
@click.option("--waiting", is_flag=True, help="Only parked messages that still wait for a person.")
@list_options
@click.pass_context
@common_options
def command(app: App, ctx: click.Context, disposition: str | None, limit: int, *, waiting: bool, as_json: bool) -> None:
    """Show what arrived, newest first, and what became of it."""
    if ctx.invoked_subcommand is not None:
        return
    from hl7bridge.storage.messages import list_messages

    with app.open_store() as store:
        what = f"{disposition} messages" if disposition else "messages"
        what += " that wait" if waiting else ""
        note_revealed(app, store, "messages.list", newest_text(limit, what))
        found = list_messages(store, disposition=disposition, is_waiting=waiting, limit=limit and limit + 1)
        rows = map(_printable, found)
        emit_rows(rows, COLUMNS, as_json=as_json, limit=limit, empty="No messages.")


@command.command("show")
@click.argument("message_id", metavar="ID", type=ROW_ID)
@click.option("--reveal", is_flag=True, help="Show patients' values too; the audit log keeps who did.")
@json_option
@common_options
def show(app: App, *, message_id: int, reveal: bool, as_json: bool) -> None:
    """Show all that is known of message ID: its reply, and what was kept of it by segment and field.

    Values that tell of a person are masked. Of a block that could not be read: its size and SHA-256, and with --reveal
    its bytes, escaped.
    """
    from hl7bridge.cli.kept_fields import kept_fields

    with app.open_store() as store:
        row = _require(store, message_id)
        note_revealed(app, store, "messages.reveal" if reveal else "messages.show", f"message {message_id}")
        account = store.row("SELECT number FROM accounts WHERE id = ?", (row.account_id,))
    fields = list(kept_fields(row.content, reveal=reveal))
    facts = _facts(row, account[0] if account else None)
    raw = None if row.raw is None else _raw_facts(row.raw, reveal=reveal)
    if as_json:
        emit_json({**facts, "fields": [each._asdict() for each in fields], "raw": raw})
        return
    for key, value in facts.items():
        click.echo(f"{key}: {cell_text(value)}")
    click.echo()
    if raw is not None:
        click.echo(f"{raw['bytes']} bytes that are no message, SHA-256 {raw['sha256']}")
        click.echo(raw["escaped"] or "--reveal shows them.")
        return
    if not fields:
        click.echo("Nothing was kept.", err=True)
    for line in _field_lines(fields):
        click.echo(line)
    if any(each.masked for each in fields):
        click.echo("*** is a patient's value; --reveal shows it.", err=True)


@command.command("replay")
@click.argument("message_ids", metavar="ID...", type=ROW_ID, nargs=-1, required=True)
@click.option("--force", is_flag=True, help="Also what was taken, was replayed before, or was cut short.")
@json_option
@common_options
def replay(app: App, *, message_ids: tuple[int, ...], force: bool, as_json: bool) -> None:
    """Run each message ID again, as it was kept, through the mapping of today; nobody is answered.

    For what is parked, rejected or unreadable, once the mapping or the listener's policy has been mended. Entries that
    the ledger has already are known by their FT1-2 and not counted twice; those without one are. A parked message that
    is taken now waits no longer. Exit 1 when any is refused again.
    """
    from hl7bridge.assemble import assemble
    from hl7bridge.cli.replaying import replay_messages

    assembled = assemble(app.settings)
    with app.open_store() as store:
        results = replay_messages(app, store, assembled.setup, message_ids, force=force)
    for result in results:
        if as_json:
            emit_json(result._asdict())
        else:
            why = f": {result.reason}" if result.disposition in _REFUSED else ""
            click.echo(f"message {result.replay_of} is message {result.id} now: {result.disposition}{why}")
    if any(result.disposition in _REFUSED for result in results):
        click.get_current_context().exit(1)


@command.command("dismiss")
@click.argument("message_ids", metavar="ID...", type=ROW_ID, nargs=-1, required=True)
@click.option("--reason", required=True, help="Why, for the audit log: what was done instead.")
@json_option
@common_options
def dismiss(app: App, *, message_ids: tuple[int, ...], reason: str, as_json: bool) -> None:
    """Have each parked message ID wait for a person no longer; it stays as it is and is not applied."""
    from hl7bridge.storage.parked import dismiss_message

    chosen = tuple(dict.fromkeys(message_ids))
    with app.open_store() as store, store.transaction():
        for message_id in chosen:
            dismiss_message(store, message_id, now=app.now(), actor=app.actor, reason=reason)
    for message_id in chosen:
        if as_json:
            emit_json({"id": message_id, "dismissed": True})
        else:
            click.echo(f"message {message_id} waits no longer")


def _field_lines(fields: Sequence[KeptField]) -> Iterator[str]:
    """Return the fields under the names of their segments, in columns."""
    from hl7bridge.message.segment_names import SEGMENT_NAMES

    path_width = max((len(each.path) for each in fields), default=0)
    name_width = max((len(each.name) for each in fields), default=0)
    for place, those in groupby(fields, lambda each: each.path.rpartition("-")[0]):
        yield f"{place}  {SEGMENT_NAMES.get(place[:3], '')}".rstrip()
        for each in those:
            yield f"  {each.path:<{path_width}}  {each.name:<{name_width}}  {each.value}"


def _require(store: Store, message_id: int) -> MessageRow:
    from hl7bridge.storage.messages import read_message

    row = read_message(store, message_id)
    if row is None:
        raise NotFoundError(f"no message {message_id}")
    return row


def _facts(row: MessageRow, account: str | None) -> dict[str, Any]:
    """Return every column but the kept content; the reply as its segments."""
    facts = _printable({**row._asdict(), "account": account})
    return {
        **{key: facts[key] for key in COLUMNS},
        "mapping": row.mapping,
        "digest": row.digest.hex(),
        "reply": reply_segments(row.reply),
    }


def reply_segments(reply: bytes) -> list[str]:
    """Return the segments of the blocks that were sent back; none when nobody was answered."""
    from hl7bridge.message.parse import parse_message
    from hl7bridge.wire.mllp import Block, Decoder

    blocks: Sequence[object] = Decoder().feed(reply)
    return [
        visible_text(segment)
        for block in blocks
        if isinstance(block, Block)
        for segment in parse_message(block.data).segments
    ]


def _raw_facts(raw: bytes, *, reveal: bool) -> dict[str, Any]:
    digest = hashlib.sha256(raw).hexdigest()
    return {"bytes": len(raw), "sha256": digest, "escaped": visible_bytes(raw) if reveal else ""}


def _printable(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row whose texts, some of which a sender chose, are safe on a terminal."""
    return {key: visible_text(value) if isinstance(value, str) else value for key, value in row.items()}
