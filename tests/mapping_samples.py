"""Mappings as texts, with the files beside them, and messages read through them in both ways."""

from __future__ import annotations

from hl7bridge.errors import ConfigError
from hl7bridge.mapping.apply import apply_mapping
from hl7bridge.mapping.check import check_mapping
from hl7bridge.mapping.compile import compile_mapping
from hl7bridge.mapping.layers import gather
from hl7bridge.message.parse import parse_message
from hl7bridge.tomlfile import parse_toml

PERSON = 'facility = "MSH-4.1"\nnumber = "PID-3.1"\n'
ACCOUNT = '[account]\nfacility = "MSH-4.1"\nnumber = "PID-18.1"\n'
HEAD = 'format = 1\nname = "site"\n'


def reader(files):
    """Return what reads the files of a folder that is a dict."""

    def read(name):
        if name not in files:
            raise ValueError("there is no such file")
        return name, files[name]

    return read


def compiled(text, **files):
    """Return the mapping of a text, with other files of its folder as ``base_toml="..."``."""
    return compile_mapping(gathered(text, **files))


def gathered(text, **files):
    """Return a mapping's file with what it extends."""
    return gather(parse_toml(text, "site.toml"), reader(_named(files)))


def problems(text, **files):
    """Return what stops a mapping from being used, as a person reads it."""
    try:
        compiled(text, **files)
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return []


def checked(text, **files):
    """Return everything that a check says of a mapping."""
    found = check_mapping(parse_toml(text, "site.toml"), reader(_named(files)))
    return [str(problem) for problem in found.problems]


def _named(files):
    return {name.replace("_toml", ".toml").replace("_csv", ".csv"): text for name, text in files.items()}


def careful(mapping):
    """Return a mapping that makes every record the careful way."""
    events = {
        event: tuple((spec._replace(quick=lambda _rows, _row: None), optional) for spec, optional in specs)
        for event, specs in mapping.events.items()
    }
    return mapping._replace(events=events)


def records(mapping, block):
    """Return the records of a message; both ways of making them must agree."""
    made = apply_mapping(mapping, parse_message(block))
    assert apply_mapping(careful(mapping), parse_message(block)) == made
    return made


def person(fields, block):
    """Return the patient that fields of a patient make of a message."""
    return records(compiled(f'{HEAD}[events]\n"ADT^A04" = ["patient"]\n[patient]\n{PERSON}{fields}\n'), block).patient
