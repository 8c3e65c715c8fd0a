"""The ``hl7bridge`` command: a table of commands, each imported when it is used, and one line for any failure."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any, Final

import click

from hl7bridge import __version__
from hl7bridge.errors import BridgeError

# What each command is called, where it is, and the line about it in `hl7bridge --help`: importing them all for the
# help would take a second.
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "init": ("hl7bridge.cli.init:command", "Write a configuration that works as it is, on loopback."),
    "check": ("hl7bridge.cli.check:command", "Check configuration, mappings, rules, certificates and key."),
    "serve": ("hl7bridge.cli.serve:command", "Run the daemon."),
    "demo": ("hl7bridge.cli.demo:command", "Watch a whole round trip, with no set-up."),
    "try": ("hl7bridge.cli.try_message:command", "Show what a message would do, and write nothing."),
    "validate": ("hl7bridge.cli.validate:command", "Report how messages break the standard, never with a value."),
    "profile": ("hl7bridge.cli.profile:command", "Report what a feed says and lacks, never with a value."),
    "send": ("hl7bridge.cli.send:command", "Send files of messages over MLLP and show each reply."),
    "sink": ("hl7bridge.cli.sink:command", "Listen as an EHR would, and answer as you say."),
    "load": ("hl7bridge.cli.load:command", "Take files of messages in, batches too."),
    "messages": ("hl7bridge.cli.messages:command", "What arrived, and what became of it."),
    "accounts": ("hl7bridge.cli.accounts:command", "Accounts and their balances."),
    "signals": ("hl7bridge.cli.signals:command", "Set facts that HL7 has no field for."),
    "rules": ("hl7bridge.cli.rules:command", "Try placement rules: examples, one account, the facts."),
    "decide": ("hl7bridge.cli.decide:command", "Run the placement decisions that are due."),
    "placements": ("hl7bridge.cli.placements:command", "Accounts placed with agencies."),
    "reconcile": ("hl7bridge.cli.reconcile:command", "What agencies list, against what they were sent."),
    "report": ("hl7bridge.cli.report:command", "Placements, lag, holds, stops, reconciliation, aging."),
    "files": ("hl7bridge.cli.agency_files:command", "Files to and from agencies, and those that are held."),
    "payments": ("hl7bridge.cli.payments:command", "Payments from agencies, and what became of them."),
    "suspense": ("hl7bridge.cli.suspense:command", "Payments that name no account; assign or return them."),
    "deliveries": ("hl7bridge.cli.deliveries:command", "Messages on their way to the EHR."),
    "lockbox": ("hl7bridge.cli.lockbox:command", "Files of payments for an EHR that takes no messages."),
    "config": ("hl7bridge.cli.config:command", "Configurations that were in force; what changed; the way back."),
    "preview": ("hl7bridge.cli.preview:command", "What a new configuration would change, on real traffic."),
    "exceptions": ("hl7bridge.cli.exceptions:command", "What only a person can settle, as two placed accounts merged."),
    "reload": ("hl7bridge.cli.reload:command", "Have the running daemon read its configuration again."),
    "status": ("hl7bridge.cli.status:command", "Counts, queues and ages at a glance."),
    "audit": ("hl7bridge.cli.audit:command", "Who saw or changed what; verify that the log is whole."),
    "backup": ("hl7bridge.cli.backup:command", "Copy the store, encrypted, while the daemon runs."),
    "db": ("hl7bridge.cli.db:command", "Verify the store."),
}

_INTERRUPTED: Final = 130  # 128 + SIGINT, what a shell expects
_PIPE_CLOSED: Final = 141  # 128 + SIGPIPE


class CommandTable(click.Group):
    """A group whose commands are imported when they are asked for, and whose failures are lines, not tracebacks."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        """Return the names in the order in which a person meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return a command; None, which click reports as wrong use, when there is none."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        found: click.Command = getattr(importlib.import_module(module), attribute)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. Exit 1 and a line on stderr for each problem when it fails for a reason it can tell."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            _drop_output()
            ctx.exit(_PIPE_CLOSED)
        except KeyboardInterrupt:
            ctx.exit(_INTERRUPTED)
        except BridgeError as error:
            for line in str(error).splitlines():
                click.echo(f"hl7bridge: {line}", err=True)
            ctx.exit(1)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            click.echo(f"hl7bridge: {where}{error.strerror or error}", err=True)
            ctx.exit(1)
        return result


def _drop_output() -> None:
    """Let the interpreter flush what nobody reads into nothing, or it would complain at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _print_version(ctx: click.Context, _option: click.Parameter, *, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from hl7bridge.mapping.spec import MAPPING_FORMAT
    from hl7bridge.storage.database import schema_version

    click.echo(f"hl7bridge {__version__} (schema {schema_version()}, mapping format {MAPPING_FORMAT})")
    ctx.exit()


@click.group(cls=CommandTable, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=lambda ctx, option, value: _print_version(ctx, option, value=value),
    help="Print the versions of program, schema and mapping format.",
)
def main() -> None:
    """Take a hospital's HL7 feed, place unpaid accounts with agencies, and post their payments back."""
