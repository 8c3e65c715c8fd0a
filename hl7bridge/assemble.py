"""Settings -> what the daemon and the commands run on: compiled mappings, rules, listener policies, message forms."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hl7bridge.config import DestinationSettings, ListenerSettings, Settings
from hl7bridge.config_files import ConfigTexts
from hl7bridge.delivery.policy import DeliveryRules, UnknownPolicy
from hl7bridge.delivery.retry import RetryPolicy
from hl7bridge.delivery.verdict import Outcome as DeliveryOutcome
from hl7bridge.errors import ConfigError, Problem
from hl7bridge.mapping.check import check_mapping
from hl7bridge.mapping.compile import compile_mapping, sort_problems
from hl7bridge.mapping.layers import ReadText, gather
from hl7bridge.mapping.spec import Mapping
from hl7bridge.message.definitions import is_known
from hl7bridge.payments.message import DestinationForm
from hl7bridge.pipeline import Policy, Setup
from hl7bridge.privacy.keeping import not_allowed
from hl7bridge.privacy.sending import find_field_problems
from hl7bridge.reacting import AgencyTerms, ReactionSettings
from hl7bridge.rules.due import DueDays
from hl7bridge.rules.spec import Rules, compile_rules
from hl7bridge.tomlfile import TomlFile, key_text, parse_toml


class Assembled(NamedTuple):
    """A configuration that has been read, checked and compiled as a whole; ``texts`` are the files it is made of."""

    settings: Settings
    setup: Setup
    rules: Rules
    forms: dict[str, DestinationForm]
    texts: ConfigTexts

    def today(self, facility: str, now: dt.datetime) -> dt.date:
        """Return the day it is in a facility."""
        return now.astimezone(self.setup.zone_of(facility)).date()

    @property
    def reaction(self) -> ReactionSettings:
        """Return what telling agencies of changes runs on."""
        return reaction_settings(self.settings, self.rules)


def assemble(settings: Settings, texts: ConfigTexts | None = None) -> Assembled:
    """Compile everything that the settings name. Raises ConfigError with every problem of every file.

    ``texts`` are the files to read it from, the settings' own among them; those on the disk unless given.
    """
    texts = texts or ConfigTexts()
    problems: list[Problem] = []
    mappings = _mappings(settings, texts, problems)
    rules = None
    try:
        rules_file = read_toml(settings.rules.file, texts)
        rules = compile_rules(rules_file)
        problems += rule_agency_problems(settings, rules, rules_file)
    except ConfigError as error:
        problems += error.problems
    own = read_toml(settings.file, texts)
    problems += agency_field_problems(settings, own)
    problems += outbound_problems(settings, mappings, own)
    if problems or rules is None:
        raise ConfigError(problems)
    setup = Setup(
        policies={each.name: _policy(each) for each in settings.listeners},
        mappings=mappings,
        senders={_sender(pair): name for pair, name in settings.mappings.senders.items()},
        default_mapping=settings.mappings.default,
        zone_of=zones_of(settings),
        due_on=DueDays(rules),
        reaction=reaction_settings(settings, rules),
        deliveries={each.name: delivery_rules(each) for each in settings.destinations},
    )
    return Assembled(settings, setup, rules, forms_of(settings, mappings), texts)


def forms_of(settings: Settings, mappings: dict[str, Mapping] | None = None) -> dict[str, DestinationForm]:
    """Return how each destination wants its payments, by its name.

    ``mappings`` are those that were read before; raises ConfigError with every problem of one that was not.
    """
    known = mappings or {}
    named = {each.mapping for each in settings.destinations if each.mapping}
    known = {name: known.get(name) or read_mapping(settings.mappings.folder, name) for name in named}
    return {
        each.name: DestinationForm.of(each, known[each.mapping].outbound if each.mapping else None)
        for each in settings.destinations
    }


def outbound_problems(settings: Settings, mappings: dict[str, Mapping], file: TomlFile) -> list[Problem]:
    """Return a problem for each destination whose mapping says nothing of payments, or names an unknown agency."""
    problems: list[Problem] = []
    agencies = [each.name for each in settings.agencies]
    for index, destination in enumerate(settings.destinations):
        mapping = mappings.get(destination.mapping or "")
        if mapping is None:
            continue
        at = ("destinations", index, "mapping")
        if mapping.outbound is None:
            hint = "see docs/payments.md, or leave the key out"
            problems.append(file.problem(at, f"mapping {mapping.name} has no [outbound] section", hint))
            continue
        for name, key in mapping.outbound.named_at.items():
            if name not in agencies:
                what = f'{key_text(key)} of mapping {mapping.name} is for an agency that is not configured: "{name}"'
                problems.append(file.problem(at, what, "write the name of one of [[agencies]]"))
    return problems


def delivery_rules(destination: DestinationSettings) -> DeliveryRules:
    """Return how a destination's replies, and the lack of them, are taken."""
    retry = destination.retry
    return DeliveryRules(
        RetryPolicy(retry.first, retry.ceiling, retry.attempts),
        UnknownPolicy(destination.on_unknown),
        destination.echo_within,
        destination.ack_mode == "enhanced",
        destination.application_ack_within,
        {code: DeliveryOutcome(meaning) for code, meaning in destination.verdicts.items()},
    )


def zones_of(settings: Settings) -> Callable[[str], dt.tzinfo]:
    """Return what tells the zone of a facility's days: the reports' zone for one that is not configured."""
    zones = {each.code: ZoneInfo(each.time_zone) for each in settings.facilities}
    default = ZoneInfo(settings.reports.time_zone)
    return lambda facility: zones.get(facility, default)


def reaction_settings(settings: Settings, rules: Rules) -> ReactionSettings:
    """Return what telling agencies of changes runs on."""
    agencies = {
        each.name: AgencyTerms(
            each.acknowledge_within,
            each.stop_within,
            each.suspend_at_most,
            each.recall_within,
            each.objection_extends,
            each.keep_at_most,
            sends_increases=each.increases == "send",
        )
        for each in settings.agencies
    }
    return ReactionSettings(rules, zones_of(settings), agencies)


def read_toml(path: Path, texts: ConfigTexts | None = None) -> TomlFile:
    """Return a TOML file's values and lines; raises ConfigError when it is missing, unreadable or not TOML."""
    try:
        text = (texts or ConfigTexts()).read(path)
    except FileNotFoundError:
        raise ConfigError([Problem(str(path), 1, "(file)", "there is no such file")]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(str(path), 1, "(file)", f"cannot read: {type(error).__name__}")]) from None
    return parse_toml(text, str(path))


def read_mapping(folder: Path, name: str, texts: ConfigTexts | None = None) -> Mapping:
    """Return a compiled mapping of a folder, with what it extends. Raises ConfigError with every problem of it."""
    texts = texts or ConfigTexts()
    mapping = compile_mapping(gather(read_toml(folder / f"{name}.toml", texts), mapping_reader(folder, texts)))
    problems = mapping_problems(mapping)
    if problems:
        raise ConfigError(problems)
    return mapping


def check_mapping_file(folder: Path, name: str) -> list[Problem]:
    """Return every problem of a mapping in a folder: of the file, of what it extends, of its examples, of privacy."""
    texts = ConfigTexts()
    try:
        file = read_toml(folder / f"{name}.toml", texts)
    except ConfigError as error:
        return list(error.problems)
    checked = check_mapping(file, mapping_reader(folder, texts))
    problems = list(checked.problems)
    if file.data.get("name") != name and isinstance(file.data.get("name"), str):
        hint = f'write name = "{name}", or rename the file'
        problems.append(file.problem(("name",), "a mapping is named as its file is", hint))
    problems += mapping_problems(checked.read) if checked.read is not None else []
    if checked.mapping is not None and checked.mapping.outbound is not None and checked.file is not None:
        from hl7bridge.payments import forms

        problems += forms.outbound_problems(checked.mapping.name, checked.mapping.outbound, checked.file)
    return sort_problems(problems, file.file)


def mapping_problems(mapping: Mapping) -> list[Problem]:
    """Return a problem, where it is named, for each field that HL7 does not define or that may not be kept."""
    problems: list[Problem] = []
    for segment, number in not_allowed(mapping.keeps):
        key, place = mapping.named_at[segment, number]
        problem, hint = "the privacy profile does not allow this field to be kept", "see docs/privacy.md"
        if not is_known(segment, number):
            problem, hint = "HL7 defines no such field", "a segment of the site's own begins with Z"
        problems.append(Problem(place.file, place.line, key, f"{segment}-{number}: {problem}", hint))
    return problems


def mapping_reader(folder: Path, texts: ConfigTexts) -> ReadText:
    """Return what reads the other files of a mappings folder: none that a link leads out of it."""

    def read(name: str) -> tuple[str, str]:
        path = folder / name
        try:
            if not path.resolve().is_relative_to(folder.resolve()):
                raise ValueError("it is not in the mappings folder")
            return str(path), texts.read(path)
        except FileNotFoundError:
            raise ValueError("there is no such file") from None
        except UnicodeDecodeError:
            raise ValueError("it is not UTF-8") from None
        except (OSError, RuntimeError) as error:  # the second: links that lead in a circle
            raise ValueError(f"cannot read: {type(error).__name__}") from None

    return read


def rule_agency_problems(settings: Settings, rules: Rules, file: TomlFile) -> list[Problem]:
    """Return a problem for each rule or share that places with an agency which the settings do not have."""
    agencies = sorted(each.name for each in settings.agencies)
    hint = f"there are: {', '.join(agencies)}" if agencies else "there are none"
    return [
        file.problem(path, f'no agency is named "{name}"', hint)
        for path, name in rules.named_agencies
        if name not in agencies
    ]


def agency_field_problems(settings: Settings, file: TomlFile) -> list[Problem]:
    """Return a problem for each name in an agency's ``fields`` that may not be sent, or that is needed and missing."""
    problems: list[Problem] = []
    for index, agency in enumerate(settings.agencies):
        for found in find_field_problems(agency.fields) if agency.fields is not None else ():
            at = ("agencies", index, "fields") if found.at is None else ("agencies", index, "fields", found.at)
            problems.append(file.problem(at, found.problem, found.hint))
    return problems


def _mappings(settings: Settings, texts: ConfigTexts, problems: list[Problem]) -> dict[str, Mapping]:
    mappings: dict[str, Mapping] = {}
    named = {settings.mappings.default, *settings.mappings.senders.values()}
    named |= {each.mapping for each in settings.listeners if each.mapping}
    named |= {each.mapping for each in settings.destinations if each.mapping}
    for name in sorted(named):
        try:
            mappings[name] = read_mapping(settings.mappings.folder, name, texts)
        except ConfigError as error:
            problems += (problem for problem in error.problems if problem not in problems)
    return mappings


def _policy(listener: ListenerSettings) -> Policy:
    return Policy(
        name=listener.name,
        processing_ids=frozenset(listener.processing_ids),
        refuse_reused_control_id=listener.reused_control_id == "refuse",
        refuse_unmapped=listener.unmapped == "refuse",
        require_account=listener.require_account,
        answer_unasked=listener.unasked == "answer",
        mapping=listener.mapping,
        parks=listener.error_policy == "park",
        sequence_protocol=listener.sequence_protocol,
        application_ack_to=listener.application_ack_to,
        charset=listener.charset,
        charset_overrides=listener.charset_for == "all",
    )


def _sender(pair: str) -> tuple[str, str]:
    application, _, facility = pair.partition("|")
    return application, facility


def check_forms(assembled: Assembled) -> None:
    """Check every outbound message form strictly against HL7. Raises ConfigError naming the destination."""
    from hl7bridge.payments.forms import check_form

    settings = assembled.settings
    problems = [
        Problem(str(settings.file), 1, f"destinations.{name}", problem, "see docs/configuration.md, destinations")
        for name, form in assembled.forms.items()
        for problem in check_form(form)
    ]
    if problems:
        raise ConfigError(problems)
