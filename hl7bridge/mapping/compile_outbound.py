"""The ``[outbound]`` section of a mapping file -> Outbound, or every problem of the section."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from hl7bridge.mapping.context import Context, nearest
from hl7bridge.mapping.outbound import (
    ADDRESSES,
    CHOICES,
    KEYS,
    OURS,
    POSTING_KEYS,
    SEGMENT_KEYS,
    SEGMENTS,
    VALUES,
    ExtraSegment,
    FieldRule,
    Outbound,
    Part,
    Posting,
    PostingRule,
)
from hl7bridge.message.charset import find_codec
from hl7bridge.tomlfile import KeyPath

_TYPE: Final = re.compile(r"[A-Z][A-Z0-9]{1,7}")  # table 0017 and what sites add to it
_CHARGES: Final = ("CG", "CO")
_FIELD: Final = re.compile(r"([A-Z][A-Z0-9]{2})-([1-9][0-9]?)")
_NUMBER: Final = re.compile(r"[1-9][0-9]?")
_NAMED: Final = re.compile(r"\{([^{}]*)\}")
_CODE_FOR: Final = re.compile(r"(\*|[^\s*]+)(?: (\S(?:.*\S)?))?")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_SIGNS: Final = ("positive", "negative")
_ONE_BYTE: Final = ("ascii", "utf-8", "iso8859", "cp125")
_MOST_COMPONENTS: Final = 3  # of FT1-7: code, text, coding system
_IDENTIFYING: Final = (("PID", 18), ("PV1", 19), ("PV1", 50))


def compile_outbound(context: Context) -> Outbound | None:
    """Return what the file says of payments; None when it says nothing. Problems go to the context."""
    said = context.file.data.get("outbound", False)
    if said is False:
        return None
    at: KeyPath = ("outbound",)
    if not isinstance(said, dict):
        context.problem(at, "expected a table", '[outbound] then version = "2.3"')
        return None
    for key in said:
        if key not in KEYS:
            context.unknown(at, key, KEYS, "key")
    chosen = {key: _choice(context, (*at, key), said[key], words) for key, words in CHOICES.items() if key in said}
    postings = {
        posting: _posting(context, (*at, posting.value), said[posting.value], posting)
        for posting in Posting
        if said.get(posting.value, False) is not False
    }
    fields = _fields(context, (*at, "fields"), said.get("fields", {}))
    segments = _segments(context, (*at, "segments"), said.get("segments", []))
    gone = {(name, rule.field) for name, rules in fields.items() for rule in rules if not rule.parts}
    if gone.issuperset(_IDENTIFYING) and chosen.get("post_to") != "guarantor":
        hint = "leave PID-18, PV1-19 or PV1-50 in"
        context.problem((*at, "fields"), "nothing is left that tells the account", hint)
    named = {
        name.split(" ")[0]: (*at, posting.value, "codes", name)
        for posting, rule in postings.items()
        for name in rule.codes
        if not name.startswith("*")
    }
    charset = _charset(context, (*at, "charset"), said["charset"]) if "charset" in said else None
    return Outbound(charset=charset, postings=postings, fields=fields, segments=segments, named_at=named, **chosen)


def _choice(context: Context, at: KeyPath, value: Any, words: tuple[str, ...]) -> str | None:
    if isinstance(value, str) and value in words:
        return value
    context.problem(at, f"expected one of {', '.join(words)}")
    return None


def _charset(context: Context, at: KeyPath, value: Any) -> str | None:
    codec = find_codec(value) if isinstance(value, str) else None
    if codec is None or not codec.startswith(_ONE_BYTE):
        context.problem(at, "not a character set that payments are written in", 'as in table 0211: "8859/1"')
        return None
    return str(value)


def _posting(context: Context, at: KeyPath, said: Any, posting: Posting) -> PostingRule:
    known = (*POSTING_KEYS, "methods") if posting is Posting.NSF else POSTING_KEYS
    if not isinstance(said, dict):
        context.problem(at, "expected a table", f'[outbound.{posting}] then code = "CODE^Text"')
        return PostingRule()
    for key in said:
        if key not in known:
            context.unknown(at, key, known, "key")
    kind, sign = said.get("type"), said.get("sign")
    if kind is not None and not (isinstance(kind, str) and _TYPE.fullmatch(kind)):
        context.problem((*at, "type"), "not a transaction type", '2 to 8 capitals and digits, as in table 0017: "PY"')
        kind = None
    if kind in _CHARGES:
        context.problem(
            (*at, "type"), "a charge, which would come back as a new one", "PY, AJ, CD or a type of the site"
        )
        kind = None
    if sign is not None:
        sign = _choice(context, (*at, "sign"), sign, _SIGNS)
    code = _code(context, (*at, "code"), said["code"]) if "code" in said else None
    if posting is Posting.FEE and "code" not in said:
        context.problem(at, "a fee needs a code of its own", "it must not count as money of the patient")
    methods = said.get("methods", [])
    is_list = isinstance(methods, list) and all(isinstance(each, str) and each for each in methods)
    if posting is Posting.NSF and not (is_list and methods):
        context.problem((*at, "methods"), "expected the agencies' codes of a bounced cheque", 'methods = ["NSF"]')
    return PostingRule(
        kind,
        sign,
        code,
        _codes(context, (*at, "codes"), said.get("codes", {})),
        frozenset(methods) if is_list else frozenset(),
    )


def _code(context: Context, at: KeyPath, value: Any) -> str | None:
    is_code = isinstance(value, str) and value.split("^")[0].strip() and not _CONTROL.search(value)
    if not is_code or value.count("^") >= _MOST_COMPONENTS:
        context.problem(at, "not a code", '"7001", "7001^Agency payment" or "7001^Agency payment^L"')
        return None
    return str(value)


def _codes(context: Context, at: KeyPath, said: Any) -> dict[str, str]:
    if not isinstance(said, dict):
        context.problem(at, "expected codes by agency and medium", '{ north = "7101", "north CHK" = "7102" }')
        return {}
    codes: dict[str, str] = {}
    for name, value in said.items():
        found = _CODE_FOR.fullmatch(name)
        if found is None or (found[1] == "*" and not found[2]):
            context.problem((*at, name), "not an agency or medium", '"north", "north CHK" or "* CHK"')
        elif (code := _code(context, (*at, name), value)) is not None:
            codes[name] = code
    return codes


def _fields(context: Context, at: KeyPath, said: Any) -> dict[str, tuple[FieldRule, ...]]:
    if not isinstance(said, dict):
        context.problem(at, "expected fields", '[outbound.fields] then "FT1-24" = "BRIDGE"')
        return {}
    made: dict[str, tuple[FieldRule, ...]] = {}
    for name, value in said.items():
        found = _FIELD.fullmatch(name)
        if found is None or found[1] not in SEGMENTS:
            context.problem((*at, name), "not a field of a payment's message", f'as "FT1-24", of {", ".join(SEGMENTS)}')
            continue
        segment, number = found[1], int(found[2])
        if (segment, number) in OURS:
            context.problem((*at, name), "this field is not for a site to fill", "see docs/payments.md")
            continue
        parts = _parts(context, (*at, name), value, is_payment=segment == "FT1")
        if parts is not None:
            made[segment] = (*made.get(segment, ()), FieldRule(number, parts))
    return made


def _segments(context: Context, at: KeyPath, said: Any) -> tuple[ExtraSegment, ...]:
    if not isinstance(said, list):
        context.problem(at, "expected a list", '[[outbound.segments]] then name = "ZPA"')
        return ()
    made: dict[str, ExtraSegment] = {}
    for number, each in enumerate(said):
        segment = _segment(context, (*at, number), each)
        if segment is not None and segment.name in made:
            context.problem((*at, number, "name"), "this segment is there twice", "put all its fields into one")
        elif segment is not None:
            made[segment.name] = segment
    return tuple(made.values())


def _segment(context: Context, at: KeyPath, said: Any) -> ExtraSegment | None:
    if not isinstance(said, dict):
        context.problem(at, "expected a table", '[[outbound.segments]] then name = "ZPA"')
        return None
    for key in said:
        if key not in SEGMENT_KEYS:
            context.unknown(at, key, SEGMENT_KEYS, "key")
    name, after, fields = said.get("name"), said.get("after", "FT1"), said.get("fields")
    is_named = isinstance(name, str) and re.fullmatch(r"Z[A-Z0-9]{2}", name) is not None
    if not is_named:
        context.problem((*at, "name"), "not a segment of a site's own", 'Z and two capitals or digits: "ZPA"')
    is_placed = _choice(context, (*at, "after"), after, ("PID", "PV1", "FT1")) is not None
    if not isinstance(fields, dict) or not fields:
        context.problem((*at, "fields"), "expected fields by number", 'fields = { 1 = "{transaction_id}" }')
        return None
    rules = tuple(_numbered(context, (*at, "fields"), fields, is_payment=after == "FT1"))
    return ExtraSegment(str(name), str(after), rules) if is_named and is_placed else None


def _numbered(context: Context, at: KeyPath, said: dict[str, Any], *, is_payment: bool) -> Iterator[FieldRule]:
    for number, value in said.items():
        if not _NUMBER.fullmatch(number):
            context.problem((*at, number), "not the number of a field", "1 to 99")
            continue
        parts = _parts(context, (*at, number), value, is_payment=is_payment)
        if parts is not None:
            yield FieldRule(int(number), parts)


def _parts(context: Context, at: KeyPath, value: Any, *, is_payment: bool) -> tuple[Part, ...] | None:
    """Return a field's components; None, and a problem, when it cannot be written."""
    known = (*VALUES, *ADDRESSES) if is_payment else ADDRESSES
    if not isinstance(value, str) or _CONTROL.search(value):
        context.problem(at, "expected a text", '"TEXT", "{transaction_id}" or "{agency}^{method}"')
        return None
    parts: list[Part] = []
    for component in value.split("^") if value else ():
        found = _NAMED.fullmatch(component)
        if found is None and _NAMED.search(component):
            context.problem(at, "a value is the whole of a component", '"{agency}^{method}"')
            return None
        if found is not None and found[1] not in known:
            is_elsewhere = found[1] in VALUES
            what = "only FT1 and what follows it has values of a payment" if is_elsewhere else "unknown value"
            context.problem(at, what, "known: " + ", ".join(known) if is_elsewhere else nearest(found[1], known))
            return None
        parts.append(Part(component, is_value=False) if found is None else Part(found[1], is_value=True))
    if len(parts) > 1 and any(part.is_value and part.text in ADDRESSES for part in parts):
        context.problem(at, "a number of the account is the whole of a field", '"{pid_18}"')
        return None
    return tuple(parts)
