"""``hl7bridge sink``: an MLLP port that answers as it is told, for rehearsals of what an EHR's interface may do."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from hl7bridge.cli.common import App, common_options, emit_json, json_option
from hl7bridge.config import Address
from hl7bridge.config.values import SettingError, parse_bind
from hl7bridge.errors import BridgeError, RefusedError

if TYPE_CHECKING:
    from hl7bridge.net.sink import Got

# As in net/sink.py, which is not imported for the help: Twisted takes a third of a second.
BEHAVIOURS: Final = (
    "accept", "refuse", "reject", "delay", "late", "close-after-read", "reset", "wrong-id", "wrong-then-right",
    "garbage", "unframed", "half", "half-and-close", "oversize", "silent",
)  # fmt: skip
_OWNER_ONLY: Final = 0o600


def _address(_context: click.Context, _parameter: click.Parameter, value: str) -> Address:
    try:
        return parse_bind(value)
    except SettingError as error:
        raise click.BadParameter(error.problem) from None


class _Options(NamedTuple):
    """Where the sink listens and what it does."""

    bind: Address
    behaviours: tuple[str, ...]
    delay: float
    save: Path | None
    most: int
    certificate: Path | None
    key: Path | None
    as_json: bool


_file = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.option(
    "--bind",
    callback=_address,
    default="127.0.0.1:2576",
    show_default=True,
    metavar="HOST:PORT",
    help="Where to listen; port 0: one that is free.",
)
@click.option(
    "--behave",
    "behaviours",
    type=click.Choice(BEHAVIOURS),
    multiple=True,
    default=("accept",),
    help="What becomes of a message; given again: of the second, the third ..., the last of all others.",
)
@click.option(
    "--delay", type=click.FloatRange(min=0), default=5.0, show_default=True, help="Seconds, for delay and late."
)
@click.option("--save", type=click.Path(path_type=Path, file_okay=False), help="A folder for every message as it came.")
@click.option("--count", type=click.IntRange(min=0), default=0, help="End after N messages [default: never].")
@click.option("--certificate", type=_file, help="Take TLS alone, with this certificate (PEM).")
@click.option("--key", type=_file, help="Its key.")
@click.option(
    "--plaintext-off-loopback", "plaintext", is_flag=True, help="Take unencrypted messages of other machines."
)
@json_option
@common_options
def command(  # noqa: PLR0913  (one for each option)
    _app: App,
    *,
    bind: Address,
    behaviours: Sequence[str],
    delay: float,
    save: Path | None,
    count: int,
    certificate: Path | None,
    key: Path | None,
    plaintext: bool,
    as_json: bool,
) -> None:
    """Listen as an EHR would, answer as told, and show what came: no patient's data is shown.

    For trying out destinations before go-live. The messages that --save keeps have patients' data in the clear.
    """
    if (certificate is None) != (key is None):
        raise RefusedError("--certificate and --key go together")
    if certificate is None and not plaintext and not bind.is_loopback:
        raise RefusedError(f"{bind}: patient data would cross the network unencrypted (--certificate and --key)")
    _serve(_Options(bind, tuple(behaviours), delay, save, count, certificate, key, as_json))


def _serve(options: _Options) -> None:
    from twisted.internet.error import CannotListenError
    from twisted.protocols.tls import TLSMemoryBIOFactory

    from hl7bridge.net.reactor import reactor
    from hl7bridge.net.sink import Behaviour, Script, SinkFactory
    from hl7bridge.net.tls import ServerTls, server_options

    seen = _Seen(options, lambda: reactor.callLater(_LAST_WORDS, reactor.stop))
    script = Script([Behaviour(each) for each in options.behaviours])
    factory: Any = SinkFactory(reactor, script, seen.take, delay=options.delay)
    if options.certificate is not None and options.key is not None:
        tls = server_options(ServerTls(options.certificate, options.key))
        factory = TLSMemoryBIOFactory(tls, isClient=False, wrappedFactory=factory)
    host, port = options.bind
    try:
        listening = reactor.listenTCP(port, factory, interface=host)
    except CannotListenError as error:
        why = getattr(error.socketError, "strerror", None) or error.socketError
        raise BridgeError(f"cannot listen on {options.bind}: {why}") from None
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: reactor.callFromThread(reactor.stop))
    seen.say({"event": "listening", "host": host, "port": listening.getHost().port})
    reactor.run(installSignalHandlers=False)
    seen.say({"event": "ended", **seen.counts()})


_LAST_WORDS: Final = 0.2  # seconds in which the last answer leaves


class _Seen:
    """Shows and keeps each message, and counts them."""

    def __init__(self, options: _Options, end: Any) -> None:
        self._options = options
        self._end = end
        self._messages = self._repeats = 0
        self._transactions: dict[str, str] = {}  # FT1-2 -> the digest of the message that brought it first
        self._changed = 0
        self._kept = 0  # the number of the last file that an earlier sink left
        if options.save is not None:
            options.save.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._kept = max(
                (int(path.stem) for path in options.save.glob("*.hl7") if path.stem.isdecimal()), default=0
            )

    def take(self, got: Got) -> None:
        """Keep a message, then show it; it is answered after that."""
        self._messages += 1
        self._repeats += got.is_repeat
        known = [each for each in got.transactions if self._transactions.setdefault(each, got.digest) != got.digest]
        self._changed += len(known)
        if self._options.save is not None:
            path = self._options.save / f"{self._kept + got.number:06}.hl7"
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY), "wb") as file:
                file.write(got.data)
        self.say(
            {
                "event": "message",
                "number": got.number,
                "connection": got.connection,
                "at": got.at.isoformat(),
                "message_type": got.message_type,
                "control_id": got.control_id,
                "transactions": list(got.transactions),
                "sha256": got.digest,
                "repeat": got.is_repeat,
                "behaviour": got.behaviour.value,
            }
        )
        if self._messages == self._options.most:
            self._end()

    def counts(self) -> dict[str, int]:
        """Return how many messages and payments (FT1-2) came, how many came again, and how many in another form."""
        return {
            "messages": self._messages,
            "repeats": self._repeats,
            "transactions": len(self._transactions),
            "transactions_changed": self._changed,
        }

    def say(self, row: dict[str, Any]) -> None:
        """Show one event: a JSON object, or a line for people."""
        if self._options.as_json:
            emit_json(row)
            return
        event = row["event"]
        if event == "listening":
            click.echo(f"listening on {row['host']}:{row['port']}; Ctrl-C ends")
        elif event == "message":
            again = " AGAIN" if row["repeat"] else ""
            payments = " ".join(row["transactions"]) or "-"
            click.echo(
                f"{row['number']:>6}  {row['message_type']}  {row['control_id']}{again}  {payments}  {row['behaviour']}"
            )
        else:
            click.echo(
                f"{row['messages']} messages, {row['repeats']} came again; {row['transactions']} payments (FT1-2),"
                f" {row['transactions_changed']} came in another form"
            )
