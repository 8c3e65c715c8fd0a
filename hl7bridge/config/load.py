"""A settings file -> Settings, or one ConfigError with every problem as ``file:line: key: problem (hint)``."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import ValidationError

from hl7bridge.config.across import problems_across
from hl7bridge.config.settings import Section, Settings
from hl7bridge.errors import BridgeError, ConfigError, NotFoundError, Problem
from hl7bridge.tomlfile import TomlFile, parse_toml

_CREDENTIAL: Final = "store.key"
_WORDS: Final = {
    "missing": ("is missing", ""),
    "string_type": ("expected text in quotes", ""),
    "int_type": ("expected a whole number", ""),
    "bool_type": ("expected true or false", ""),
    "model_type": ("expected a table", "write [name], or name = { key = value }"),
    "dict_type": ("expected a table", 'write { "APPLICATION|FACILITY" = "mapping" }'),
}


def load_settings(path: Path) -> Settings:
    """Read and check a settings file; the files that it names need not exist yet.

    Raises ConfigError with every problem, NotFoundError when there is no such file, BridgeError when it is unreadable.
    """
    path = Path(path)
    return read_settings_text(read_text(path), path)


def read_text(path: Path) -> str:
    """Return the text of a TOML file; raises ConfigError when it is not UTF-8, else as load_settings."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise NotFoundError(f"{path}: there is no such file") from None
    except OSError as error:
        raise BridgeError(f"{path}: cannot read: {error.strerror}") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = Problem(str(path), line, "(encoding)", "not UTF-8", "save the file as UTF-8")
        raise ConfigError([problem]) from None


def read_settings_text(text: str, path: Path) -> Settings:
    """Return the settings in ``text``, which stands (or will) at ``path``; raises ConfigError with all problems."""
    toml = parse_toml(text, str(path))
    absolute = path.absolute()
    problems = problems_across(toml)
    try:
        settings = Settings.model_validate(toml.data, context=absolute.parent)
    except ValidationError as error:
        problems += [_problem(toml, dict(each)) for each in error.errors(include_url=False, include_input=False)]
    if problems:
        raise ConfigError(sorted(dict.fromkeys(problems), key=lambda each: each.line))
    settings._file = absolute  # noqa: SLF001  (not a key of the file, so not a field of the model)
    return settings


def read_sound_sections(toml: TomlFile) -> tuple[Settings, frozenset[str]]:
    """Return settings of those sections that are right each alone, and the names of those left out.

    Of a section of keys that is wrong, ``[rules]``, those keys are taken that are right each alone; ``rules.file`` is
    named when it is not one of them, and ``rules`` in any case. For `check`, which goes on to the mappings and rules
    when something else in the file is wrong.
    """
    folder = Path(toml.file).absolute().parent
    sound: dict[str, Any] = {}
    left_out: set[str] = set()
    for key, value in toml.data.items():
        if _is_sound({key: value}, folder):
            sound[key] = value
            continue
        left_out.add(key)
        if isinstance(value, dict):
            kept = {name: each for name, each in value.items() if _is_sound({key: {name: each}}, folder)}
            left_out.update(f"{key}.{name}" for name in value if name not in kept)
            if kept:
                sound[key] = kept
    return Settings.model_validate(sound, context=folder), frozenset(left_out)


def _is_sound(sections: dict[str, Any], folder: Path) -> bool:
    try:
        Settings.model_validate(sections, context=folder)
    except ValidationError:
        return False
    return True


def key_path(settings: Settings) -> Path:
    """Return where the store's key is: the systemd credential ``store.key`` when there is one, else ``key_file``."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    credential = Path(folder) / _CREDENTIAL if folder else None
    return credential if credential and credential.exists() else settings.store.key_file


def _problem(toml: TomlFile, error: dict[str, Any]) -> Problem:
    path = tuple(part for part in error["loc"] if part != "[key]")
    kind = error["type"]
    context = error.get("ctx", {})
    if kind == "extra_forbidden":
        return toml.problem(path, "unknown key", _nearest(path))
    if kind == "literal_error":
        return toml.problem(path, f"expected {context['expected']}")
    if kind in _WORDS:
        return toml.problem(path, *_WORDS[kind])
    if kind == "refused":
        return toml.problem(path, context["problem"], context["hint"])
    return toml.problem(path, error["msg"].replace("Input should be", "should be"))


def _nearest(path: Sequence[str | int]) -> str:
    known = list(_section_at(path[:-1]).model_fields)
    near = difflib.get_close_matches(str(path[-1]), known, n=1)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"


def _section_at(path: Sequence[str | int]) -> type[Section]:
    section: type[Section] = Settings
    for part in path:
        if isinstance(part, str):
            section = _section_in(section.model_fields[part].annotation) or section
    return section


def _section_in(annotation: object) -> type[Section] | None:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    found = (_section_in(argument) for argument in get_args(annotation))
    return next((each for each in found if each), None)
