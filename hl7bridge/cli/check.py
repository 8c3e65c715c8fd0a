"""``hl7bridge check``: configuration, mappings, rules, certificates, key, folders -> every problem, in one run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from hl7bridge.cli.common import App, common_options
from hl7bridge.config import Settings, describe, key_path, read_settings_text, read_sound_sections, read_text
from hl7bridge.errors import BridgeError, ConfigError, Problem
from hl7bridge.tomlfile import KeyPath, TomlFile, parse_toml

if TYPE_CHECKING:
    from hl7bridge.mapping.spec import Mapping

_FOR_OTHERS: Final = 0o077  # permission bits of group and world


class Subject(NamedTuple):
    """What is checked: the settings, the file they stand in, and the sections of it that were too wrong to read."""

    settings: Settings
    toml: TomlFile
    unread: frozenset[str]


Check = Callable[[Subject], Iterator[Problem]]


@click.command()
@click.option("--show", is_flag=True, help="Print every value that is in effect, defaults included.")
@common_options
def command(app: App, *, show: bool) -> None:
    """Check configuration, mappings and their examples, rules, certificates, key and folders.

    Prints every problem as FILE:LINE: KEY: PROBLEM (HINT) and exits 1, or says that all is well.
    A certificate that expires within 30 days is said in the same form, and does not fail.
    """
    path = app.config_path
    text = read_text(path)
    toml = parse_toml(text, str(path))
    problems: list[Problem] = []
    try:
        subject = Subject(read_settings_text(text, path), toml, frozenset())
    except ConfigError as error:
        problems += error.problems
        subject = Subject(*_sound(toml))
    for check in _checks():
        problems += check(subject)
    warnings = list(_warnings(subject))
    for problem in [*problems, *warnings]:
        click.echo(str(problem), err=show and not problems)
    if problems:
        click.echo(f"{len(problems)} problem{'s' if len(problems) > 1 else ''}", err=True)
        click.get_current_context().exit(1)
    if show:
        for key, value in describe(subject.settings):
            click.echo(f"{key} = {value}")
    else:
        click.echo(f"{path}: {'nothing is wrong yet' if warnings else 'all is well'}")


def _checks() -> Sequence[Check]:
    """Return the checks that follow the configuration's own, in the order of what they print."""
    from hl7bridge.cli.check_tls import check_certificates

    return (
        check_mappings,
        check_rules,
        check_certificates,
        check_key,
        check_folders,
        check_agency_fields,
        check_forms,
    )


def _warnings(subject: Subject) -> Iterator[Problem]:
    """Return what is right today and will not stay so: it is said, and does not fail."""
    from hl7bridge.cli.check_layouts import warn_of_layouts
    from hl7bridge.cli.check_tls import warn_of_certificates

    yield from warn_of_certificates(subject)
    yield from warn_of_merges(subject)
    yield from warn_of_layouts(subject)


def _sound(toml: TomlFile) -> tuple[Settings, TomlFile, frozenset[str]]:
    settings, unread = read_sound_sections(toml)
    return settings, toml, unread


def check_mappings(subject: Subject) -> Iterator[Problem]:
    """Compile each mapping, run its examples, and look for mappings that are named and not there."""
    from hl7bridge.assemble import check_mapping_file

    if "mappings.folder" in subject.unread:
        return
    folder = subject.settings.mappings.folder
    names = sorted(path.stem for path in folder.glob("*.toml"))
    # What is wrong in a file that several extend is told once.
    yield from dict.fromkeys(problem for name in names for problem in check_mapping_file(folder, name))
    yield from _unknown_mappings(subject, names)


def warn_of_merges(subject: Subject) -> Iterator[Problem]:
    """Return the mappings in use that take registrations and no event that changes identities: merges are lost."""
    from hl7bridge.assemble import read_mapping

    settings = subject.settings
    for name in sorted({name for _, name in _named_mappings(settings)}):
        try:
            mapping = read_mapping(settings.mappings.folder, name)
        except ConfigError:
            continue  # what is wrong with it is said elsewhere
        kinds = {spec.kind for (kind, _), specs in mapping.events.items() if kind == "ADT" for spec, _ in specs}
        if "account" in kinds and "identity" not in kinds:
            file = str(settings.mappings.folder / f"{name}.toml")
            hint = 'take them as generic.toml does ("ADT^A40" = ["identity"] and so on)'
            yield Problem(file, 1, "events", "no event that changes identities is taken: merges are ignored", hint)


def _unknown_mappings(subject: Subject, names: Sequence[str]) -> Iterator[Problem]:
    settings = subject.settings
    for path, name in _named_mappings(settings):
        if name not in names:
            hint = f"there are: {', '.join(names)}" if names else "there are none"
            yield subject.toml.problem(path, f"{settings.mappings.folder / name}.toml: there is no such mapping", hint)


def _named_mappings(settings: Settings) -> list[tuple[KeyPath, str]]:
    """Return the mappings that the configuration uses, and where it names them."""
    named: list[tuple[KeyPath, str]] = [(("mappings", "default"), settings.mappings.default)]
    named += [(("mappings", "senders", sender), name) for sender, name in settings.mappings.senders.items()]
    named += [(("listeners", i, "mapping"), each.mapping) for i, each in enumerate(settings.listeners) if each.mapping]
    outward = enumerate(settings.destinations)
    named += [(("destinations", i, "mapping"), each.mapping) for i, each in outward if each.mapping]
    return named


def check_rules(subject: Subject) -> Iterator[Problem]:
    """Compile the rules, try their examples, and look for agencies that the configuration does not have."""
    from hl7bridge.assemble import read_toml, rule_agency_problems
    from hl7bridge.rules.evaluate_examples import try_examples
    from hl7bridge.rules.spec import compile_rules

    if "rules.file" in subject.unread:
        return
    try:
        file = read_toml(subject.settings.rules.file)
        rules = compile_rules(file)
    except ConfigError as error:
        yield from error.problems
        return
    for number, tried in enumerate(try_examples(rules)):
        if tried.problem:
            yield file.problem(("examples", number), tried.problem, "run hl7bridge rules test")
    if "agencies" in subject.unread:
        return
    yield from rule_agency_problems(subject.settings, rules, file)


def check_agency_fields(subject: Subject) -> Iterator[Problem]:
    """See that each agency is to get only fields that may be sent, and all that it needs."""
    from hl7bridge.assemble import agency_field_problems

    if "agencies" not in subject.unread:
        yield from agency_field_problems(subject.settings, subject.toml)


def check_key(subject: Subject) -> Iterator[Problem]:
    """Read the store's key, and see that nobody else can."""
    from hl7bridge.storage.database import read_key

    if "store" in subject.unread:
        return
    path = key_path(subject.settings)
    key = ("store", "key_file")
    try:
        read_key(path)
    except BridgeError as error:
        yield subject.toml.problem(key, str(error))
        return
    if path.stat().st_mode & _FOR_OTHERS:
        yield subject.toml.problem(key, f"{path}: others can read the key", f"chmod 600 {path}")


def check_folders(subject: Subject) -> Iterator[Problem]:
    """See that the store's folder, the agencies' and the lockboxes' can be written."""
    settings = subject.settings
    if "store" not in subject.unread:
        folder = settings.store.path.parent
        existing = next(each for each in (folder, *folder.parents) if each.exists())
        if not _is_writable(existing):
            yield subject.toml.problem(("store", "path"), f"{existing}: cannot be written by this user")
    for path, exchanged in _exchanged(settings):
        if exchanged is not None and not exchanged.is_dir():
            yield subject.toml.problem(path, f"{exchanged}: there is no such folder", f"mkdir -p {exchanged}")
        elif exchanged is not None and not _is_writable(exchanged):
            yield subject.toml.problem(path, f"{exchanged}: cannot be written by this user")


def _exchanged(settings: Settings) -> Iterator[tuple[KeyPath, Path | None]]:
    """Yield the folders in which files are exchanged, and where the configuration names them."""
    for index, agency in enumerate(settings.agencies):
        yield ("agencies", index, "outgoing"), agency.outgoing
        yield ("agencies", index, "incoming"), agency.incoming
    for index, destination in enumerate(settings.destinations):
        box = destination.lockbox
        if box is not None:
            yield ("destinations", index, "lockbox", "folder"), box.folder
            yield ("destinations", index, "lockbox", "acknowledgements"), box.acknowledgements


def check_forms(subject: Subject) -> Iterator[Problem]:
    """Build one message of each kind for each destination and check it strictly against its version of HL7."""
    from hl7bridge.assemble import outbound_problems, read_mapping
    from hl7bridge.payments.forms import check_form
    from hl7bridge.payments.message import DestinationForm

    settings = subject.settings
    mappings: dict[str, Mapping] = {}
    for name in sorted({each.mapping for each in settings.destinations if each.mapping}):
        with suppress(ConfigError):  # what is wrong with it is said elsewhere
            mappings[name] = read_mapping(settings.mappings.folder, name)
    if "agencies" not in subject.unread:
        yield from outbound_problems(settings, mappings, subject.toml)
    for index, destination in enumerate(settings.destinations):
        mapping = mappings.get(destination.mapping or "")
        if mapping is None and destination.mapping:
            continue
        for breach in check_form(DestinationForm.of(destination, mapping.outbound if mapping else None)):
            yield subject.toml.problem(("destinations", index), breach)


def _is_writable(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
