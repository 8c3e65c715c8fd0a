"""A configuration on disk <-> its version in the store: reading it as a whole, compiling one, writing one back."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from hl7bridge.assemble import Assembled, assemble, check_forms, mapping_reader, read_toml
from hl7bridge.config import Settings, read_settings_text, read_text
from hl7bridge.config_files import ConfigTexts
from hl7bridge.errors import BridgeError, RefusedError
from hl7bridge.mapping.layers import gather
from hl7bridge.storage.config_versions import ConfigVersion
from hl7bridge.storage.folders import sync_folder

_NEW_FOLDER_MODE: Final = 0o755

Files = dict[str, str]  # the text of each file by its path, as ConfigVersion has them


def load_configuration(path: Path, texts: ConfigTexts | None = None) -> Assembled:
    """Return a configuration as it is on disk, checked and compiled as a whole, with the texts it is made of.

    Each file is read once: what is compiled is what ``files_of`` gives. Raises ConfigError with every problem.
    """
    texts = texts or ConfigTexts()
    path = path.absolute()
    try:
        text = texts.read(path)
    except (OSError, UnicodeDecodeError):
        text = read_text(path)  # raises the error that tells of it
    assembled = assemble(read_settings_text(text, path), texts)
    check_forms(assembled)
    return assembled


def files_of(assembled: Assembled) -> Files:
    """Return the files that a configuration is made of, for a version of it: the settings file first, no secret."""
    settings = assembled.settings
    return _named(assembled.texts.read_so_far, settings.file, settings)


def load_version(version: ConfigVersion, folder: Path) -> Assembled:
    """Return a version, compiled from the store alone; ``folder`` is that of the settings.

    Raises ConfigError, as for a mapping that this release reads otherwise.
    """
    known = {folder / path: text for path, text in version.files.items()}
    return load_configuration(next(iter(known)), ConfigTexts(known))


def share_mappings(before: Assembled, after: Assembled) -> Assembled:
    """Return the second configuration with those mappings of the first that say the same in both, file by file."""
    named = {each: _mapping_data(before, each) for each in before.setup.mappings}
    alike = {name: before.setup.mappings[name] for name, data in named.items() if data == _mapping_data(after, name)}
    return after._replace(setup=after.setup._replace(mappings={**after.setup.mappings, **alike}))


def _mapping_data(assembled: Assembled, name: str) -> dict[str, Any] | None:
    if name not in assembled.setup.mappings:
        return None
    folder, texts = assembled.settings.mappings.folder, assembled.texts
    data = gather(read_toml(folder / f"{name}.toml", texts), mapping_reader(folder, texts)).data
    return {key: value for key, value in data.items() if key != "examples"}


def read_present(path: Path, also: Mapping[str, str]) -> Files:
    """Return the files of a configuration as they are on the disk, right or wrong, and those named in ``also``."""
    path = path.absolute()
    texts = ConfigTexts()
    settings: Settings | None = None
    with suppress(BridgeError, OSError, UnicodeDecodeError):
        settings = read_settings_text(texts.read(path), path)
        assemble(settings, texts)
    wanted = [path, *texts.read_so_far, *(path.parent / each for each in also)]
    found = {each: text for each in dict.fromkeys(wanted) if (text := _raw_text(each)) is not None}
    return _named(found, path, settings)


def write_back(files: Mapping[str, str], folder: Path) -> list[Path]:
    """Write a version's files to where they were, and return those that changed; all are made before any is moved.

    A file keeps its owner, group, permissions and extended attributes, and a link goes on leading where it led; a file
    that is not there gets those of the settings file. Raises RefusedError when an owner cannot be kept, OSError.
    """
    model = (folder / next(iter(files))).resolve()
    made: list[tuple[Path, Path]] = []
    try:
        for name, text in files.items():
            path = (folder / name).resolve()
            if _raw_text(path) != text:
                path.parent.mkdir(mode=_NEW_FOLDER_MODE, parents=True, exist_ok=True)
                fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
                made.append((fresh, path))
                _write(fresh, text, path if path.exists() else model)
        for fresh, path in made:
            fresh.replace(path)
    except BaseException:
        for fresh, _ in made:
            fresh.unlink(missing_ok=True)
        raise
    for parent in {path.parent for _, path in made}:
        sync_folder(parent)
    return [path for _, path in made]


def _write(fresh: Path, text: str, model: Path) -> None:
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123  (a descriptor, not a path)
        file.write(text.encode("utf-8", "surrogateescape"))
        if model.exists():
            known, own = model.stat(), os.fstat(descriptor)
            if (known.st_uid, known.st_gid) != (own.st_uid, own.st_gid):
                try:
                    os.fchown(descriptor, known.st_uid, known.st_gid)
                except PermissionError:
                    why = "its owner could not be kept; run this as its owner, or as root"
                    raise RefusedError(f"{model}: {why}") from None
            shutil.copystat(model, fresh)
            os.utime(descriptor)  # changed now, whatever the other's time is
        file.flush()
        os.fsync(descriptor)


def _raw_text(path: Path) -> str | None:
    """Return what a file holds, bytes that are no UTF-8 as surrogates; None when there is none."""
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return None


def _named(texts: Mapping[Path, str], first: Path, settings: Settings | None) -> Files:
    """Return texts by the names that a version has for them, the settings file first."""
    secret = frozenset(_secrets(settings)) if settings is not None else frozenset()
    ordered = sorted(texts, key=lambda each: (each != first, str(each)))
    return {_name(each, first.parent): texts[each] for each in ordered if each.resolve() not in secret}


def _name(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def _secrets(settings: Settings) -> Iterator[Path]:
    """Yield every file that settings name for what it must not tell: they are no part of a version, whatever reads."""
    yield settings.store.key_file.resolve()
    listeners = [each.tls for each in settings.listeners]
    for tls in (*listeners, *(each.tls for each in settings.destinations)):
        for path in tls.model_dump().values() if tls is not None else ():
            if isinstance(path, Path):
                yield path.resolve()
