"""The values of hl7bridge.toml: text -> durations, sizes, addresses, paths and names, or the mistake and a hint."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from hl7bridge.config.values import (
    Address,
    Network,
    SettingError,
    parse_bind,
    parse_connect,
    parse_duration,
    parse_name,
    parse_network,
    parse_size,
    parse_time_of_day,
    parse_time_zone,
    parse_years,
)
from hl7bridge.message.charset import find_codec

_UNSAFE_IN_HL7 = re.compile(r"[|~\\\x00-\x1f\x7f]")
_SMALLEST_BLOCK = 1 << 10  # an MSH alone can take this
_LARGEST_BLOCK = 1 << 30  # one block is held in memory


def _refuse(problem: SettingError) -> PydanticCustomError:
    return PydanticCustomError("refused", "{problem}", {"problem": problem.problem, "hint": problem.hint})


def _from_text(parse: Callable[[str], Any], hint: str) -> BeforeValidator:
    def validate(value: object) -> object:
        if not isinstance(value, str):
            raise _refuse(SettingError("expected text in quotes", hint))
        try:
            return parse(value)
        except SettingError as problem:
            raise _refuse(problem) from None

    return BeforeValidator(validate)


def list_to_tuple(value: object) -> object:
    """Return a list as a tuple; anything else is a mistake."""
    if not isinstance(value, list):
        raise _refuse(SettingError("expected a list", 'write ["a", "b"]'))
    return tuple(value)


def _path(value: object, found: ValidationInfo[Path]) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise _refuse(SettingError("expected a path in quotes", "relative paths start at this file's folder"))
    return Path(os.path.abspath(found.context / value))  # noqa: PTH100  (resolve() would follow links)


def _hl7_text(value: str) -> str:
    if _UNSAFE_IN_HL7.search(value):
        raise SettingError("a character that HL7 keeps for itself", "leave out | ~ \\ and control characters")
    return value


def _agency_text(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,20}", value):
        raise SettingError("not a name for files", "1 to 20 letters, digits, - and _")
    return value


def _sender(value: str) -> str:
    if value.count("|") != 1:
        raise SettingError("not a sender", 'write "APPLICATION|FACILITY", as in MSH-3 and MSH-4')
    return value


def _block_size(text: str) -> int:
    size = parse_size(text)
    if not _SMALLEST_BLOCK <= size <= _LARGEST_BLOCK:
        raise SettingError("a block limit is 1 KiB to 1 GiB", 'the default is "16 MiB"')
    return size


def _charset(name: str) -> str:
    if find_codec(name) is None:
        raise SettingError("not a character set that is taken here", 'write a name of table 0211, as "8859/1"')
    return name


def _filled(text: str) -> str:
    if not text.strip():
        raise SettingError("expected some text")
    return text


SettingPath = Annotated[Path, BeforeValidator(_path)]
Duration = Annotated[dt.timedelta, _from_text(parse_duration, 'write "30 s"')]
Years = Annotated[dt.timedelta, _from_text(parse_years, 'write "1095 d"')]
BlockSize = Annotated[int, _from_text(_block_size, 'write "16 MiB"')]
Bind = Annotated[Address, _from_text(parse_bind, 'write "127.0.0.1:2575"')]
Connect = Annotated[Address, _from_text(parse_connect, 'write "127.0.0.1:2576"')]
Name = Annotated[str, _from_text(parse_name, 'write "ehr"')]
TimeZone = Annotated[str, _from_text(parse_time_zone, 'write "America/New_York"')]
TimeOfDay = Annotated[dt.time, _from_text(parse_time_of_day, 'write "05:00"')]
AllowedNetwork = Annotated[Network, _from_text(parse_network, 'write "10.2.0.0/16"')]
Hl7Text = Annotated[str, _from_text(_hl7_text, 'write "TEXT"')]
Filled = Annotated[str, _from_text(_filled, 'write "TEXT"')]
Charset = Annotated[str, _from_text(_charset, 'write "8859/1"')]
AgencyText = Annotated[str, _from_text(_agency_text, 'write "H01"')]
Sender = Annotated[str, _from_text(_sender, 'write "APPLICATION|FACILITY"')]
AckCode = Literal["AA", "AE", "AR", "CA", "CE", "CR"]
Names = Annotated[tuple[Filled, ...], BeforeValidator(list_to_tuple)]
ProcessingId = Literal["P", "T", "D"]
Tolerance = Literal["no_start", "unframed", "start_in_data", "bytes_before_msh", "clipped_msh", "several_messages"]
Sign = Literal["positive", "negative"]
