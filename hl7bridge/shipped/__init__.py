"""The files that ``init`` writes, read from where the package is installed or checked out."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable

_MAPPINGS = "hl7bridge.shipped.mappings"


def read_shipped(name: str) -> str:
    """Return the text of a shipped file: ``hl7bridge.toml`` or ``rules.toml``."""
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")


def read_shipped_mappings() -> dict[str, str]:
    """Return file name -> text of every shipped mapping, by name."""
    files = (each for each in _mappings_folder().iterdir() if each.name.endswith(".toml"))
    return {each.name: each.read_text(encoding="utf-8") for each in sorted(files, key=lambda each: each.name)}


def _mappings_folder() -> Traversable:
    try:
        return resources.files(_MAPPINGS)
    except ModuleNotFoundError:  # a checkout that is not installed: the folder beside the package
        return resources.files("hl7bridge").joinpath("..", "mappings")
