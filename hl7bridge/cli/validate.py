"""``hl7bridge validate``: what the standard, and a site's own profile, say against messages; never a value of one."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from hl7bridge.cli.common import emit_json, json_option, open_input
from hl7bridge.cli.revealed import visible_text
from hl7bridge.errors import MessageError
from hl7bridge.message.conformance import Report, check_message
from hl7bridge.message.definitions import VERSIONS
from hl7bridge.message.findings import Finding, Rule, Severity
from hl7bridge.message.parse import parse_message
from hl7bridge.message.segment_names import segment_name

if TYPE_CHECKING:
    from hl7bridge.message.model import Message
    from hl7bridge.message.profile import Profile

_FEW: Final = 5  # messages, from which on a person who waits is shown how far it is
_CODE = re.compile(r"[A-Z][A-Z0-9]{2}", re.ASCII)
_NUMBERS = re.compile(r"\[\d+\]|\(\d+\)")


class _Checked(NamedTuple):
    """One message: where it stands, what may be said of it, and what was found."""

    file: str
    number: int
    control_id: str
    type: str
    report: Report

    def count(self, severity: Severity) -> int:
        return sum(finding.severity is severity for finding in self.report.findings)


@click.command()
@click.argument("files", metavar="MESSAGE...", nargs=-1, required=True)
@click.option(
    "--profile",
    "profile_path",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also hold them against this site's own list of what must, may and must not be sent (TOML).",
)
@click.option(
    "--version",
    type=click.Choice(VERSIONS),
    metavar="V",
    help="Check by this version of HL7, 2.1 to 2.8.2 [default: the one each message states].",
)
@json_option
def command(files: tuple[str, ...], profile_path: Path | None, version: str | None, *, as_json: bool) -> None:
    """Report how each MESSAGE (a file of messages; - is stdin) breaks the standard, by segment and field.

    Each finding says the place, its name, the rule, and the data type or limit that was expected: never a value. Of a
    version that is not known, the nearest is used. Errors break the standard; warnings are what it tells receivers to
    pass over. Exit 1 when there is an error.
    """
    profile = _read_profile(profile_path) if profile_path else None
    inputs = [(name, number, data) for name in files for number, data in enumerate(_split(name), 1)]
    errors = warnings = clean = 0
    with _progress(len(inputs)) as advance:
        for name, number, data in inputs:
            checked = _check(name, number, data, profile, version or "")
            errors += checked.count(Severity.ERROR)
            warnings += checked.count(Severity.WARNING)
            clean += not checked.report.findings
            emit_json(_row(checked)) if as_json else _print(checked)
            advance()
    if not as_json and len(inputs) > 1:
        click.echo(f"{len(inputs)} messages, {clean} without a finding: {_counts(errors, warnings)}.")
    if errors:
        click.get_current_context().exit(1)


def _read_profile(path: Path) -> Profile:
    from hl7bridge.assemble import read_toml
    from hl7bridge.message.profile import compile_profile

    return compile_profile(read_toml(path))


def _split(name: str) -> list[bytes]:
    from hl7bridge.cli.mllp_client import split_messages

    data = open_input(name)
    return split_messages(data) or [data]  # what holds no message at all is one that cannot be read


def _check(name: str, number: int, data: bytes, profile: Profile | None, version: str) -> _Checked:
    from hl7bridge.message.profile import check_profile

    try:
        message = parse_message(data)
    except MessageError as error:
        finding = Finding(str(error.location), segment_name(error.location.segment), Rule.UNREADABLE, error.text)
        return _Checked(name, number, "", "", Report(version, "", (finding,)))
    report = check_message(message, version)
    if profile is not None:
        wanted = check_profile(profile, message, report.version)
        report = report._replace(findings=(*report.findings, *wanted))
    return _Checked(name, number, message.control_id, _type(message), report)


def _type(message: Message) -> str:
    """Return MSH-9 as ``ADT^A01``; "" when it is no code, and so may be anything."""
    codes = [each for each in (message.message_type, message.trigger_event) if each]
    return "^".join(codes) if all(map(_CODE.fullmatch, codes)) else ""


def _row(checked: _Checked) -> dict[str, Any]:
    report = checked.report
    return {
        "file": checked.file,
        "message": checked.number,
        "control_id": checked.control_id,
        "type": checked.type,
        "version": report.version,
        "structure": report.structure,
        "errors": checked.count(Severity.ERROR),
        "warnings": checked.count(Severity.WARNING),
        "cut": report.is_cut,
        "findings": [_finding_row(finding) for finding in report.findings],
    }


def _finding_row(finding: Finding) -> dict[str, str]:
    segment, is_field, _ = finding.path.partition("-")
    return {
        "path": finding.path,
        "segment": segment_name(segment[:3]),
        "field": finding.name if is_field else "",
        "rule": finding.rule.value,
        "expected": finding.expected,
        "severity": finding.severity.value,
    }


def _print(checked: _Checked) -> None:
    report = checked.report
    told = f"{checked.file}, message {checked.number}: {checked.type or 'no type'} {checked.control_id}".rstrip()
    by = f" by version {report.version}" if report.version else ""
    counts = _counts(checked.count(Severity.ERROR), checked.count(Severity.WARNING))
    click.echo(f"{visible_text(told)}{by}: {counts}")
    for finding, more in _gathered(report.findings):
        row = _finding_row(finding)
        name = ", ".join(filter(None, (row["segment"], row["field"])))
        said = f"{name}: {finding.rule}" if name else f"{finding.rule}"
        expected = f" ({finding.expected})" if finding.expected else ""
        others = f"; {more} more like it" if more else ""
        click.echo(f"  {finding.severity:<8} {finding.path:<14} {said}{expected}{others}")
    if report.is_cut:
        click.echo("  and more: what is this wrong may be no HL7 at all")


def _gathered(findings: Iterable[Finding]) -> list[tuple[Finding, int]]:
    """Return each finding once, and how often it is there again in other segments and repetitions of the same name."""
    first: dict[tuple[str, Rule, str], Finding] = {}
    again: dict[tuple[str, Rule, str], int] = {}
    for finding in findings:
        key = (_NUMBERS.sub("", finding.path), finding.rule, finding.expected)
        again[key] = again.get(key, -1) + 1
        first.setdefault(key, finding)
    return [(finding, again[key]) for key, finding in first.items()]


def _counts(errors: int, warnings: int) -> str:
    if not errors and not warnings:
        return "nothing found"
    return f"{errors} error{'' if errors == 1 else 's'}, {warnings} warning{'' if warnings == 1 else 's'}"


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """Give a way to count a message; a person who waits for more than a few sees a bar on stderr."""
    if total <= _FEW or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty()) as bar:
        task = bar.add_task("checking", total=total)
        yield lambda: bar.advance(task)
