"""A converter's name and options, as a mapping file has them -> the converter, or what is wrong with an option."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from hl7bridge.mapping.convert import CONVERTERS, Converter, convert_date, convert_money, convert_phone
from hl7bridge.mapping.convert_parts import ADDRESS_PARTS, NAME_PARTS, build_address, build_name
from hl7bridge.mapping.records import NULL
from hl7bridge.message.datatypes import Precision, parse_timestamp
from hl7bridge.message.model import Delimiters
from hl7bridge.money import ZERO

OPTIONS: Final[dict[str, tuple[str, ...]]] = {
    "date": ("formats", "zone"),
    "money": ("implied_decimals", "sign", "loose"),
    "flag": ("yes", "no"),
    "phone": ("form", "region"),
    "name": ("part",),
    "address": ("part",),
}
CONVERTER_NAMES: Final = (*CONVERTERS, "name", "address")
_HL7: Final = "hl7"
_DIRECTIVES: Final = frozenset(["%Y", "%m", "%d", "%b", "%B", "%j", "%H", "%I", "%M", "%S", "%f", "%p", "%z", "%%"])
_MOST_DECIMALS: Final = 4
_SIGNS: Final[dict[str, Callable[[Decimal], Decimal]]] = {
    "as_sent": lambda amount: amount,
    "negate": lambda amount: -amount or ZERO,
    "absolute": abs,
}
_LOOSE: Final = re.compile(r"(\()?([+-])?\$?([+-])?(\d{1,3}(?:,\d{3})+|\d*)(\.\d*)?(-)?(\))?", re.ASCII)
_WHOLE: Final = re.compile(r"[+-]?\d{1,13}", re.ASCII)


class OptionProblem(NamedTuple):
    """What is wrong with one option of a converter, and what would be right."""

    option: str
    problem: str
    hint: str = ""


class OptionError(ValueError):
    """The options of one converter cannot be used; ``problem`` says which and why."""

    def __init__(self, option: str, problem: str, hint: str = "") -> None:
        self.problem = OptionProblem(option, problem, hint)
        super().__init__(problem)


def compile_converter(name: str, options: dict[str, Any]) -> Converter:
    """Return the converter of a known name with known options. Raises OptionError."""
    if name in {"name", "address"}:
        parts = NAME_PARTS if name == "name" else ADDRESS_PARTS
        part = _one_of(options, "part", tuple(parts), None)
        return build_name(part) if name == "name" else build_address(part)
    if not options:
        return CONVERTERS[name]
    build = {"date": _date, "money": _money, "flag": _flag, "phone": _phone}[name]
    return build(options)


def _date(options: dict[str, Any]) -> Converter:
    formats = tuple(_texts(options, "formats")) if "formats" in options else (_HL7,)
    for form in formats:
        _check_form(form)
    zone = _zone(options.get("zone"))

    @lru_cache(maxsize=16384)  # as of the plain converter
    def convert(text: str, delimiters: Delimiters) -> dt.date:
        for form in formats:
            try:
                return _hl7_day(text, zone, delimiters) if form == _HL7 else _formatted_day(text, form, zone)
            except ValueError:
                continue
        raise ValueError("not a date of a form that the mapping gives")

    return convert


def _hl7_day(text: str, zone: ZoneInfo | None, delimiters: Delimiters) -> dt.date:
    if zone is not None:
        sent = parse_timestamp(text, zone)
        if sent.precision >= Precision.HOUR:
            return sent.at.astimezone(zone).date()
    return convert_date(text, delimiters)


def _formatted_day(text: str, form: str, zone: ZoneInfo | None) -> dt.date:
    if not text.isascii():  # strptime takes digits of any script
        raise ValueError("not a date")
    at = dt.datetime.strptime(text.strip(), form)  # noqa: DTZ007 - most forms have no zone; one with %z is aware
    return (at.astimezone(zone) if zone is not None and at.tzinfo is not None else at).date()


def _check_form(form: str) -> None:
    if form == _HL7:
        return
    named = set(re.findall("%.?", form))
    unknown = sorted(named - _DIRECTIVES)
    if unknown:
        hint = (
            "a year of two digits does not name its century: %Y" if "%y" in unknown else "known: %Y %m %d %b %B %j ..."
        )
        raise OptionError("formats", f"{form!r} has {unknown[0]}", hint)
    if "%Y" not in named or not (({"%d"} <= named and named & {"%m", "%b", "%B"}) or "%j" in named):
        raise OptionError("formats", f"{form!r} names no day", 'year, month and day: "%m/%d/%Y"')


def _zone(name: Any) -> ZoneInfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (TypeError, ValueError, OSError, KeyError):
        raise OptionError("zone", "not a time zone", 'for example "America/Chicago"') from None


def _money(options: dict[str, Any]) -> Converter:
    decimals = options.get("implied_decimals", 0)
    if type(decimals) is not int or not 0 <= decimals <= _MOST_DECIMALS:
        raise OptionError("implied_decimals", f"expected a number from 0 to {_MOST_DECIMALS}", "2: 8500 is 85.00")
    loose = options.get("loose", False)
    if not isinstance(loose, bool):
        raise OptionError("loose", "expected true or false")
    signed = _SIGNS[_one_of(options, "sign", tuple(_SIGNS), "as_sent")]

    def convert(text: str, delimiters: Delimiters) -> Decimal:
        marks = re.escape(delimiters.component + delimiters.subcomponent)
        number, currency = re.match(f"([^{marks}]*)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
        number = number.strip()
        if loose:
            number = _tidied(number)
        if decimals:
            if not _WHOLE.fullmatch(number):
                raise ValueError("expected a whole number: its last digits are the decimals")
            sign, digits = ("-" if number[0] == "-" else ""), number.lstrip("+-").rjust(decimals + 1, "0")
            number = f"{sign}{digits[:-decimals]}.{digits[-decimals:]}"
        return signed(convert_money(number + currency, delimiters))

    return convert


def _tidied(number: str) -> str:
    """Return a number without dollar sign and thousands separators, its minus in front: (5.00), 5.00- are negative."""
    found = _LOOSE.fullmatch(number)
    if not found:
        raise ValueError("not an amount of dollars")
    opening, before, after, whole, fraction, trailing, closing = found.groups()
    signs = [sign for sign in (opening, before, after, trailing) if sign]
    if len(signs) > 1 or (opening is None) != (closing is None):
        raise ValueError("not an amount of dollars with one sign")
    minus = "-" if signs and signs[0] != "+" else ""
    return f"{minus}{whole.replace(',', '')}{fraction or ''}"


def _flag(options: dict[str, Any]) -> Converter:
    said = {False: _texts(options, "no"), True: _texts(options, "yes")}
    words = {text.strip().upper(): value for value, texts in said.items() for text in texts}
    if len(words) < len(said[True]) + len(said[False]):
        raise OptionError("no", "a text is there twice, in yes or no")
    known = ", ".join(sorted(words))

    def convert(text: str, _delimiters: Delimiters) -> bool:
        try:
            return words[text.strip().upper()]
        except KeyError:
            raise ValueError(f"expected one of {known}") from None

    return convert


def _phone(options: dict[str, Any]) -> Converter:
    from phonenumbers import SUPPORTED_REGIONS

    form = _one_of(options, "form", ("as_sent", "e164"), "as_sent")
    region = options.get("region", "US")
    if region not in SUPPORTED_REGIONS:
        raise OptionError("region", "not a region", 'two capital letters: "US"')
    if form == "as_sent":
        if "region" in options:
            raise OptionError("region", "a number that is left as sent has no region", 'add form = "e164"')
        return convert_phone

    @lru_cache(maxsize=16384)
    def convert(text: str, delimiters: Delimiters) -> Any:
        sent = convert_phone(text, delimiters)
        return _e164(sent, region) if sent and sent is not NULL else sent or None

    return convert


def _e164(text: Any, region: str) -> str:
    from phonenumbers import NumberParseException, PhoneNumberFormat, format_number, is_possible_number, parse

    try:
        number = parse(text, region)
    except NumberParseException:
        raise ValueError("not a telephone number") from None
    if not is_possible_number(number):
        raise ValueError("not a telephone number: too short or too long")
    return format_number(number, PhoneNumberFormat.E164)


def _texts(options: dict[str, Any], option: str) -> list[str]:
    value = options.get(option)
    if not isinstance(value, list) or not value or not all(isinstance(text, str) and text.strip() for text in value):
        raise OptionError(option, "expected a list of texts", f'{option} = ["..."]')
    return value


def _one_of(options: dict[str, Any], option: str, known: tuple[str, ...], default: str | None) -> str:
    value = options.get(option, default)
    if not isinstance(value, str) or value not in known:
        raise OptionError(option, f"expected one of {', '.join(known)}", f'{option} = "{known[0]}"')
    return value
