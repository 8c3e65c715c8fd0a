"""Settings and the versions that the store keeps of them -> the mapping in force, and the mapping of another time."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hl7bridge.errors import ConfigError

if TYPE_CHECKING:
    from hl7bridge.config import Settings
    from hl7bridge.mapping.spec import Mapping
    from hl7bridge.provenance import Readers
    from hl7bridge.storage.database import Store


def load_readers(settings: Settings, store: Store) -> Readers:
    """Return what reads kept messages again; each mapping is read and compiled when first asked for.

    A mapping that is gone or broken by now reads nothing.
    """
    from hl7bridge.provenance import Readers
    from hl7bridge.storage.config_versions import list_versions

    present = _Present(settings.mappings.folder)
    taken = [change.version for change in list_versions(store) if change.version.was_taken]  # newest first

    @cache
    def former(version_id: int, name: str) -> Mapping | None:
        version = next(each for each in taken if each.id == version_id)
        known = {settings.file.absolute().parent / path: text for path, text in version.files.items()}
        return None if present.is_same(name, known) else _compile(settings.mappings.folder, name, known)

    def former_of(name: str, at: str) -> Mapping | None:
        version = next((each for each in taken if each.at <= at), None)
        return None if version is None else former(version.id, name)

    return Readers(present.mapping, former_of, lambda facility: ZoneInfo(settings.time_zone_of(facility)))


class _Present:
    """The mappings of a folder as they are now, with the texts of the files that each is made of."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mappings: dict[str, Mapping | None] = {}
        self._texts: dict[str, dict[Path, str]] = {}

    def mapping(self, name: str) -> Mapping | None:
        """Return a mapping, or None."""
        if name not in self._mappings:
            from hl7bridge.assemble import read_mapping
            from hl7bridge.config_files import ConfigTexts

            texts = ConfigTexts()
            try:
                self._mappings[name] = read_mapping(self._folder, name, texts)
            except ConfigError:
                self._mappings[name] = None
            self._texts[name] = texts.read_so_far
        return self._mappings[name]

    def is_same(self, name: str, known: dict[Path, str]) -> bool:
        """Return whether a mapping is made of the same texts as in a version."""
        return self.mapping(name) is not None and self._texts[name].items() <= known.items()


def _compile(folder: Path, name: str, known: dict[Path, str]) -> Mapping | None:
    from hl7bridge.assemble import read_mapping
    from hl7bridge.config_files import ConfigTexts

    try:
        return read_mapping(folder, name, ConfigTexts(known))
    except ConfigError:
        return None
