"""A file from an agency and its trailer -> its records, or everything that keeps it from being taken, line by line."""

from __future__ import annotations

from typing import Final, NamedTuple

from hl7bridge.layouts.layout import Layout, Parsed
from hl7bridge.layouts.placements_csv import Trailer, digest_of, parse_trailer
from hl7bridge.money import money_text, parse_money

MOST_TOLD: Final = 100  # characters of a trailer's value that a problem quotes


class Judged(NamedTuple):
    """What a file is. ``is_cut`` says that it may still be being written: its end, or its trailer's, is not there.

    ``parsed`` is applied only when there are no ``problems``.
    """

    trailer: Trailer | None
    parsed: Parsed
    problems: tuple[str, ...]
    is_cut: bool


def judge_file(agency: str, name: str, kind: str, layout: Layout, data: bytes, trailer_data: bytes) -> Judged:
    """Return what is in a file and everything that does not agree with its trailer, its name and its agency."""
    parsed = layout.parse_answers(kind, data)
    problems: list[str] = []
    trailer: Trailer | None = None
    try:
        trailer = parse_trailer(trailer_data)
    except ValueError as error:
        problems.append(f"the trailer: {error}")
    is_cut = trailer is None or trailer.sha256.lower() != digest_of(data)
    if trailer is not None:
        problems += _differences(agency, name, kind, trailer, parsed, digest_of(data))
    if parsed.kind not in {"", kind}:
        problems.append(f"the file has {parsed.kind}, and its name says {kind}")
    problems += [f"line {problem.line}: {problem.problem}" for problem in parsed.problems]
    return Judged(trailer, parsed, tuple(problems), is_cut)


def _differences(agency: str, name: str, kind: str, trailer: Trailer, parsed: Parsed, digest: str) -> list[str]:
    """Return where a trailer does not tell of this file. A trailer need not say the kind: then it says placements."""
    pairs = [
        ("file", trailer.file, name),
        ("agency", trailer.agency, agency),
        ("kind", trailer.kind, trailer.kind if trailer.kind == "placements" else kind),
        ("sha256", trailer.sha256.lower(), digest),
    ]
    if not parsed.problems:  # or the sums would be of what could be read
        pairs.append(("records", str(trailer.records), str(len(parsed.records))))
    problems = [
        f"{key}: the trailer says {_plain(told)}, and it is {found}" for key, told, found in pairs if told != found
    ]
    stated = parse_money(trailer.balance_total)
    if not parsed.problems and stated != parsed.total:
        difference = money_text(stated - parsed.total)
        problems.append(
            f"balance_total: the trailer says {money_text(stated)}, and the records come to"
            f" {money_text(parsed.total)}: a difference of {difference}"
        )
    return problems


def _plain(told: str) -> str:
    """Return what an agency wrote so that no terminal obeys it and no page of it is kept."""
    return told if told.isprintable() and len(told) <= MOST_TOLD else "something else"
