"""``hl7bridge send``: files of messages -> an MLLP port, and what it answers to each."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from hl7bridge.cli.common import App, common_options, emit_json, json_option, open_input, table_console
from hl7bridge.cli.mllp_client import Exchange, Mllp, Reply, renumber, split_messages, wants_no_reply
from hl7bridge.config import Address, parse_connect
from hl7bridge.config.values import SettingError
from hl7bridge.errors import BridgeError

if TYPE_CHECKING:
    import ssl

_ACCEPTED: Final = frozenset({"AA", "CA"})
_Print = Callable[[str], None]


class _Options(NamedTuple):
    """How the port is reached: files of the TLS connection, and whether there is one."""

    tls: bool
    ca: Path | None
    cert: Path | None
    key: Path | None
    plaintext: bool


class _Outgoing(NamedTuple):
    """One message to send: the file it came from, and its bytes."""

    file: str
    data: bytes


def _address(_context: click.Context, _parameter: click.Parameter, value: str) -> Address:
    try:
        return parse_connect(value)
    except SettingError as error:
        hint = f" ({error.hint})" if error.hint else ""
        raise click.BadParameter(f"{error.problem}{hint}") from None


_file = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("address", metavar="HOST:PORT", callback=_address)
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--tls", is_flag=True, help="Encrypt; the peer's certificate is checked.")
@click.option("--ca", type=_file, help="The authority that must have signed it [default: the system's].")
@click.option("--cert", type=_file, help="Our own certificate, if the peer asks for one.")
@click.option("--key", type=_file, help="Its key.")
@click.option("--plaintext-off-loopback", "plaintext", is_flag=True, help="Send unencrypted to another machine.")
@click.option("--count", type=click.IntRange(min=1), default=1, help="Send all N times, each with a new MSH-10.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Send at most R messages a second.")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), default=30.0, help="Seconds to wait for a reply."
)
@json_option
@common_options
def command(
    _app: App,
    address: Address,
    files: Sequence[str],
    count: int,
    rate: float | None,
    timeout: float,
    *,
    as_json: bool,
    **how: Any,
) -> None:
    """Send the messages of each FILE (- is stdin) over MLLP and print each reply.

    A file may hold many messages, each starting with an MSH segment; line ends become segment ends. Exit 1 when a
    reply is missing or is not AA or CA.
    """
    options = _Options(**how)
    context = _tls(options, address)
    outgoing = [_Outgoing(name, data) for name in files for data in _messages(name)]
    peer = Mllp(address.host, address.port, timeout=timeout, context=context)
    try:
        failed = _send_all(peer, outgoing, count, rate, as_json=as_json)
    finally:
        peer.close()
    if failed:
        click.get_current_context().exit(1)


def _tls(options: _Options, address: Address) -> ssl.SSLContext | None:
    if not options.tls:
        if options.ca or options.cert or options.key:
            raise click.UsageError("--ca, --cert and --key need --tls")
        if not (address.is_loopback or options.plaintext):
            raise click.UsageError("off this machine use --tls, or say --plaintext-off-loopback")
        return None
    if options.key and not options.cert:
        raise click.UsageError("--key needs --cert")
    import ssl

    try:
        context = ssl.create_default_context(cafile=options.ca)
        if options.cert:
            context.load_cert_chain(options.cert, options.key)
    except ssl.SSLError as error:
        raise BridgeError(f"cannot use these certificates: {error.reason or error}") from None
    return context


def _messages(name: str) -> list[bytes]:
    messages = split_messages(open_input(name))
    if not messages:
        raise BridgeError(f"{name}: no message here; a message begins with MSH at the start of a line")
    return messages


def _repeated(outgoing: Sequence[_Outgoing], count: int) -> Iterator[_Outgoing]:
    if count == 1:
        yield from outgoing
        return
    run = f"{time.time_ns() // 1_000_000:X}"  # milliseconds, 11 digits: no two runs share a control id
    for number in range(count):
        for index, each in enumerate(outgoing):
            yield each._replace(data=renumber(each.data, f"{run}-{number * len(outgoing) + index + 1}"))


def _send_all(peer: Mllp, outgoing: Sequence[_Outgoing], count: int, rate: float | None, *, as_json: bool) -> int:
    """Send, print, and return how many were not accepted."""
    total = len(outgoing) * count
    failed = sent = 0
    started = time.monotonic()
    with _progress(total, hidden=as_json) as (write, advance):
        for each in _repeated(outgoing, count):
            if rate:
                time.sleep(max(0.0, started + sent / rate - time.monotonic()))
            begun = time.monotonic()
            exchange = peer.exchange(each.data, wait=not wants_no_reply(each.data))
            is_good = _is_good(exchange)
            failed += not is_good
            sent += 1
            row = _row(each.file, exchange, time.monotonic() - begun, is_good=is_good)
            emit_json(row) if as_json else write(_line(row))
            advance()
    if total > 1 and not as_json:
        seconds = max(time.monotonic() - started, 0.001)
        click.echo(f"{sent} sent, {sent - failed} accepted, {sent / seconds:.0f} a second", err=True)
    return failed


@contextmanager
def _progress(total: int, *, hidden: bool) -> Iterator[tuple[_Print, Callable[[], None]]]:
    """Give a way to print a line and one to count a message: with a bar when a person watches, plain otherwise."""
    if hidden or total == 1 or not sys.stdout.isatty():
        yield click.echo, lambda: None
        return
    from rich.progress import Progress

    with Progress(console=table_console()) as bar:
        task = bar.add_task("sending", total=total)
        yield bar.console.print, lambda: bar.advance(task)


def _is_good(exchange: Exchange) -> bool:
    reply = exchange.reply
    if reply is None:
        return not exchange.problem
    return reply.code in _ACCEPTED and reply.control_id == exchange.control_id


def _row(file: str, exchange: Exchange, seconds: float, *, is_good: bool) -> dict[str, Any]:
    reply = exchange.reply or Reply("", "", "")
    problem = exchange.problem
    if exchange.reply and reply.control_id != exchange.control_id:
        problem = f'the reply is for control id "{reply.control_id}"'
    return {
        "file": file,
        "control_id": exchange.control_id,
        "ack_code": reply.code,
        "text": reply.text,
        "problem": problem,
        "accepted": is_good,
        "milliseconds": round(seconds * 1000, 3),
    }


def _line(row: dict[str, Any]) -> str:
    code = row["ack_code"] or "--"
    said = "; ".join(each for each in (row["problem"], row["text"]) if each)
    return f"{row['file']}: {row['control_id']}  {code}  {said}".rstrip()
