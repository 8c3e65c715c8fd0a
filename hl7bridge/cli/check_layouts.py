"""The agencies of a configuration -> what their layouts leave out or lack, before a file goes without it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from hl7bridge.errors import Problem
from hl7bridge.layouts.registry import LAYOUTS

if TYPE_CHECKING:
    from hl7bridge.cli.check import Subject

_NAMED: Final = "tsi"  # the layout whose lines begin with what the agency calls the hospital


def warn_of_layouts(subject: Subject) -> Iterator[Problem]:
    """Tell of fields that were chosen and have no place in the agency's layout, and of a number that it wants."""
    if "agencies" in subject.unread:
        return
    for index, agency in enumerate(subject.settings.agencies):
        left_out = LAYOUTS[agency.layout].leaves_out(agency.fields or ())
        if left_out:
            yield subject.toml.problem(
                ("agencies", index, "fields"),
                f"layout {agency.layout} has no place for {', '.join(left_out)}",
                "leave them out, or see docs/layouts.md",
            )
        if agency.layout == _NAMED and not agency.client_number:
            yield subject.toml.problem(
                ("agencies", index, "layout"),
                f"layout {_NAMED} begins each line with what the agency calls the hospital, and that is empty",
                "set client_number",
            )
