"""A mapping file, the files it extends and its CSV tables -> one mapping, each key with the file and line it is from.

What a file says itself wins over what it inherits; ``false`` takes something inherited away.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from hl7bridge.errors import ConfigError, Problem
from hl7bridge.mapping.csv_table import parse_csv_table
from hl7bridge.mapping.records import RECORD_TYPES
from hl7bridge.mapping.spec import Place
from hl7bridge.tomlfile import KeyPath, TomlFile, key_text, parse_toml

# The name of a file in the mapping's folder -> the name to show, and its text. Raises ValueError saying why not.
ReadText = Callable[[str], tuple[str, str]]
_NAME: Final = re.compile(r"[\w-]+", re.ASCII)
_CSV_NAME: Final = re.compile(r"(?!.*\.\.)[\w-][\w./ -]*\.csv", re.ASCII)
_TABLES: Final = ("events", "tables", "outbound", *RECORD_TYPES)  # merged key by key
_NESTED: Final = ("tables", "outbound")  # and the tables in them too
_LISTS: Final = ("signals", "examples")
_OWN: Final = ("extends", "inherit_examples")  # said of one file, and not inherited


class MappingFile(NamedTuple):
    """A mapping with all that it inherits. ``listed``: for each entry of a merged list, its file and number there."""

    file: str
    data: dict[str, Any]
    places: dict[KeyPath, Place]
    listed: dict[str, tuple[tuple[TomlFile, int], ...]]
    problems: tuple[Problem, ...]

    def place(self, path: Sequence[str | int]) -> Place:
        """Return where the nearest key at or above ``path`` stands."""
        at = self._own_path(path)
        if at is not None:
            file, own = at
            return Place(file.file, file.line(own))
        found = tuple(path)
        while found and found not in self.places:
            found = found[:-1]
        return self.places.get(found, Place(self.file, 1))

    def problem(self, path: Sequence[str | int], problem: str, hint: str = "") -> Problem:
        """Return a Problem at a key, in the file that has it."""
        at = self._own_path(path)
        if at is not None:
            file, own = at
            return file.problem(own, problem, hint)
        place = self.place(path)
        return Problem(place.file, place.line, key_text(path), problem, hint)

    def is_inherited(self, name: str, number: int) -> bool:
        """Return whether an entry of a list is of a file that this one extends."""
        listed = self.listed.get(name, ())
        return number < len(listed) and listed[number][0].file != self.file

    def _own_path(self, path: Sequence[str | int]) -> tuple[TomlFile, KeyPath] | None:
        if len(path) > 1 and isinstance(path[1], int) and path[0] in self.listed:
            file, number = self.listed[str(path[0])][path[1]]
            return file, (path[0], number, *path[2:])
        return None


def no_other_files(_name: str) -> tuple[str, str]:
    """Read nothing: for a mapping that stands alone."""
    raise ValueError("no other file can be read here")


def file_stem(file: str) -> str:
    """Return the name of a mapping's file, without its folder and ``.toml``."""
    return re.split(r"[/\\]", file)[-1].removesuffix(".toml")


def gather(file: TomlFile, read: ReadText = no_other_files) -> MappingFile:
    """Return a mapping file with all that it extends and its CSV tables.

    Raises ConfigError when a file that it extends cannot be had; other problems are in the result.
    """
    files = [file]
    names = [file_stem(file.file)]
    while "extends" in files[-1].data:
        files.append(_base(files[-1], names, read))
    problems: list[Problem] = []
    merged = _layer(files[-1], read, problems)
    _note_nothing_to_remove(merged, None, problems)
    for own in reversed(files[:-1]):
        layer = _layer(own, read, problems)
        _note_nothing_to_remove(layer, merged, problems)
        merged = _merge(merged, layer)
    return merged._replace(problems=tuple(problems))


def _base(file: TomlFile, names: list[str], read: ReadText) -> TomlFile:
    name = file.data["extends"]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigError([file.problem(("extends",), "expected the name of a mapping", 'extends = "generic"')])
    names.append(name)
    if name in names[:-1]:
        circle = " -> ".join(names)
        raise ConfigError([file.problem(("extends",), f"goes round in a circle: {circle}", "one of them must end it")])
    try:
        shown, text = read(f"{name}.toml")
    except ValueError as error:
        hint = "it must be in the same folder"
        raise ConfigError([file.problem(("extends",), f"{name}.toml: {error}", hint)]) from None
    return parse_toml(text, shown)


def _layer(file: TomlFile, read: ReadText, problems: list[Problem]) -> MappingFile:
    """Return one file alone, with its CSV tables read into it."""
    data = dict(file.data)
    places = {path: Place(file.file, line) for path, line in file.lines.items()}
    if isinstance(data.get("tables"), dict):
        data["tables"] = {
            name: _with_csv(file, name, codes, read, places, problems) for name, codes in data["tables"].items()
        }
    listed = {
        name: tuple((file, number) for number in range(len(data[name])))
        for name in _LISTS
        if isinstance(data.get(name), list)
    }
    return MappingFile(file.file, data, places, listed, ())


def _with_csv(
    file: TomlFile,
    name: str,
    codes: Any,
    read: ReadText,
    places: dict[KeyPath, Place],
    problems: list[Problem],
) -> Any:
    """Return the codes of a table; those of its CSV file come before its own, which win."""
    if not isinstance(codes, dict):
        return codes
    if "file" not in codes:
        named = {code: value for code, value in codes.items() if isinstance(value, str) and _CSV_NAME.fullmatch(value)}
        for code, value in named.items():
            what = "the name of a CSV file is no value of a code"
            problems.append(file.problem(("tables", name, code), what, f'file = "{value}"'))
        return {code: value for code, value in codes.items() if code not in named}
    at = ("tables", name, "file")
    own = {code: value for code, value in codes.items() if code != "file"}
    csv_name = codes["file"]
    if not isinstance(csv_name, str) or not _CSV_NAME.fullmatch(csv_name):
        hint = f'file = "{name}.csv", beside the mapping or in a folder below it'
        problems.append(file.problem(at, "expected the name of a CSV file", hint))
        return own
    try:
        shown, text = read(csv_name)
    except ValueError as error:
        problems.append(file.problem(at, f"{csv_name}: {error}", "its place is told from the mapping's folder"))
        return own
    lines, found = parse_csv_table(text, shown)
    problems += found
    places |= {("tables", name, line.code): Place(shown, line.line) for line in lines if line.code not in own}
    return {line.code: line.value for line in lines} | own


def _merge(base: MappingFile, own: MappingFile) -> MappingFile:
    data = {key: value for key, value in base.data.items() if key not in _OWN}
    listed = dict(base.listed)
    if own.data.get("inherit_examples") is False:
        data.pop("examples", None)
        listed.pop("examples", None)
        if isinstance(data.get("outbound"), dict):
            data["outbound"] = {key: value for key, value in data["outbound"].items() if key != "examples"}
    places = {path: place for path, place in base.places.items() if path[0] not in (*_OWN, *_LISTS)}
    for key, value in own.data.items():
        inherited = data.get(key)
        if key in _LISTS and isinstance(value, list) and isinstance(inherited, list):
            data[key], listed[key] = _joined(key, own, base)
            continue
        if value is False and key not in _OWN:
            data.pop(key, None)
            listed.pop(key, None)
            _forget(places, (key,))
            if key in RECORD_TYPES or key == "signals":
                _drop_from_events(data, key)
            continue
        if key in _TABLES and isinstance(value, dict) and isinstance(inherited, dict):
            data[key] = _merged_table(key, inherited, value, places)
            continue
        _forget(places, (key,))
        data[key] = value
        listed.pop(key, None)
        if key in own.listed:
            listed[key] = own.listed[key]
    places |= own.places
    return MappingFile(own.file, data, places, listed, ())


def _merged_table(
    key: str, inherited: dict[str, Any], own: dict[str, Any], places: dict[KeyPath, Place]
) -> dict[str, Any]:
    merged = dict(inherited)
    for name, value in own.items():
        if key in _NESTED and isinstance(value, dict) and isinstance(merged.get(name), dict):
            codes = {**merged[name], **value}
            merged[name] = {code: said for code, said in codes.items() if said is not False}
            continue
        _forget(places, (key, name))
        if value is False:
            merged.pop(name, None)
        else:
            merged[name] = value
    return merged


def _joined(key: str, own: MappingFile, base: MappingFile) -> tuple[list[Any], tuple[tuple[TomlFile, int], ...]]:
    """Return the file's own entries, then the inherited ones; its signals take the place of those of the same name."""
    pairs = list(zip(own.data[key], own.listed[key], strict=True))
    inherited = list(zip(base.data[key], base.listed[key], strict=True))
    if key == "signals":
        names = {_name_of(entry) for entry, _ in pairs}
        inherited = [pair for pair in inherited if _name_of(pair[0]) not in names]
        pairs = [pair for pair in pairs if not is_removal(pair[0])]
    joined = pairs + inherited
    return [entry for entry, _ in joined], tuple(place for _, place in joined)


def _name_of(entry: Any) -> Any:
    return entry.get("name") if isinstance(entry, dict) else None


def is_removal(entry: Any) -> bool:
    """Return whether an entry of ``signals`` takes an inherited one away."""
    return isinstance(entry, dict) and entry.get("from") is False


def _forget(places: dict[KeyPath, Place], path: KeyPath) -> None:
    for known in [known for known in places if known[: len(path)] == path]:
        del places[known]


def _drop_from_events(data: dict[str, Any], kind: str) -> None:
    """Take a record that was taken away out of the inherited events; an event of nothing goes too."""
    events = data.get("events")
    if isinstance(events, dict):
        kept = {
            event: [name for name in kinds if str(name).removesuffix("?") != kind] if isinstance(kinds, list) else kinds
            for event, kinds in events.items()
        }
        data["events"] = {event: kinds for event, kinds in kept.items() if kinds}


def _note_nothing_to_remove(layer: MappingFile, base: MappingFile | None, problems: list[Problem]) -> None:
    """Note each ``false`` that takes away what is not inherited."""
    inherited = base.data if base is not None else {}
    for key, value in layer.data.items():
        if key in _TABLES and isinstance(value, dict):
            _note_keys(layer, (key,), value, inherited.get(key), problems)
            for name, codes in value.items() if key in _NESTED else ():
                if isinstance(codes, dict):
                    known = inherited.get(key)
                    _note_keys(
                        layer, (key, name), codes, known.get(name) if isinstance(known, dict) else None, problems
                    )
        if key == "signals" and isinstance(value, list):
            known = inherited.get(key)
            names = {_name_of(entry) for entry in known} if isinstance(known, list) else set()
            problems += [
                layer.problem((key, number), "nothing to take away: no such signal is inherited", "remove it")
                for number, entry in enumerate(value)
                if is_removal(entry) and _name_of(entry) not in names
            ]
    _note_keys(layer, (), {key: value for key, value in layer.data.items() if key not in _OWN}, inherited, problems)


def _note_keys(layer: MappingFile, at: KeyPath, said: dict[str, Any], known: Any, problems: list[Problem]) -> None:
    names = list(known) if isinstance(known, dict) else []
    for name in (name for name, value in said.items() if value is False and name not in names):
        near = difflib.get_close_matches(name, names, 1)
        hint = f"did you mean {near[0]!r}?" if near else "remove the line"
        problems.append(layer.problem((*at, name), "nothing to take away: it is not inherited", hint))
