"""MSH -> Header: what an answer needs, read also from a message whose other content cannot be.

Source: HL7 v2.5.1 section 2.15.9.
"""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Final, NamedTuple

from hl7bridge.errors import (
    REQUIRED_FIELD,
    UNSUPPORTED_PROCESSING_ID,
    UNSUPPORTED_TYPE,
    UNSUPPORTED_VERSION,
    Location,
    MessageError,
)
from hl7bridge.message.charset import declared_codec, find_codec, find_declared
from hl7bridge.message.delimiters import DEFAULT, Delimiters, is_delimiter, parse_delimiters

VERSIONS: Final = frozenset(
    {"2.0", "2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.1", "2.8.2", "2.9"}
)
BOM: Final = b"\xef\xbb\xbf"
_FIELDS = 22  # MSH-21 is the last field that any version to 2.5.1 has; shorter headers are padded to it
_PADDING = ("",) * _FIELDS
_MESSAGE = re.compile(rb"[\r\n]MSH")
_MOST_HEADER = 65_536  # bytes of a batch in which its header, or its first message's, is looked for


class Header(NamedTuple):
    """The fields of MSH whole and as sent, but MSH-9 in its three components; "" where the sender sent none."""

    delimiters: Delimiters = DEFAULT
    sending_application: str = ""
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    timestamp: str = ""
    message_type: str = ""
    trigger_event: str = ""
    message_structure: str = ""
    control_id: str = ""
    processing_id: str = ""
    version: str = ""
    accept_ack: str = ""
    application_ack: str = ""
    charset: str = ""
    codec: str = "utf-8"  # Python's name of what the fields were decoded with

    @property
    def sender(self) -> tuple[str, str]:
        """Return MSH-3.1 and MSH-4.1: who sent it."""
        mark = self.delimiters.component
        return self.sending_application.partition(mark)[0], self.sending_facility.partition(mark)[0]


def split_header(segment: str, separator: str) -> list[str]:
    """Return MSH's fields, index as HL7 numbers them (MSH-1 is the separator), padded to MSH-21."""
    fields = segment.split(separator)
    fields.insert(1, separator)
    fields.extend(_PADDING[len(fields) :])
    return fields


def build_header(fields: list[str], delimiters: Delimiters, codec: str) -> Header:
    """Return the header of MSH's fields as ``split_header`` gives them."""
    kind, _, rest = fields[9].partition(delimiters.component)
    event, _, rest = rest.partition(delimiters.component)
    return Header(
        delimiters,
        fields[3],
        fields[4],
        fields[5],
        fields[6],
        fields[7],
        kind,
        event,
        rest.partition(delimiters.component)[0],
        fields[10],
        fields[11],
        fields[12],
        fields[15],
        fields[16],
        fields[18],
        codec,
    )


def drop_opening(data: bytes) -> bytes:
    """Return ``data`` without the byte order mark and blank lines that some senders put before MSH."""
    return data.lstrip(b"\r\n").removeprefix(BOM).lstrip(b"\r\n")


def first_line(data: bytes) -> bytes:
    """Return the bytes before the first CR or LF."""
    end = data.find(b"\r")
    line = data if end < 0 else data[:end]
    return line.partition(b"\n")[0]


def read_header(data: bytes, *, charset: str | None = None, override: bool = False) -> Header | None:
    """Return the header of a block in whatever state the rest is; None when no field of an MSH can be read.

    Decodes with the character set that MSH-18 names, else ``charset``, else UTF-8, and with Latin-1 where that fails:
    the values encode back to the sender's bytes with ``codec``. With ``override``, ``charset`` goes before MSH-18.
    Encoding characters that make no sense read as HL7's own. Of a batch it is the header of its first BHS or FHS that
    has a control id (BHS-11, FHS-11), with version, processing id and character set of the first message.
    """
    data = drop_opening(data)
    if data.startswith((b"FHS", b"BHS")):
        return _read_batch_header(data, charset, override=override)
    line = first_line(data)
    separator = line[3:4].decode("latin-1")
    if not line.startswith(b"MSH") or not is_delimiter(separator):
        return None
    parts = line.split(line[3:4])
    mark = (parts[1][1:2] if len(parts) > 1 else b"").decode("latin-1") or DEFAULT.repetition
    declared = declared_codec(find_declared(parts, line, line[3:4], mark), mark)
    known = find_codec(charset) if charset else None
    codec = (known or declared if override else declared or known) or "utf-8"
    read = _read_fields(line, separator, codec)
    return read and build_header(*read)


def _read_fields(line: bytes, separator: str, codec: str) -> tuple[list[str], Delimiters, str] | None:
    """Return a header's fields, its delimiters, and what it was decoded with."""
    try:
        text = line.decode(codec)
    except UnicodeDecodeError:
        codec = "latin-1"
        text = line.decode(codec)
    fields = split_header(text, separator)
    try:
        delimiters = parse_delimiters(separator, fields[2], codec)
    except MessageError:
        if separator in DEFAULT[1:6]:
            return None
        delimiters = DEFAULT._replace(field=separator, codec=codec)
    return fields, delimiters, codec


def _read_batch_header(data: bytes, charset: str | None, *, override: bool) -> Header | None:
    inside = _MESSAGE.search(data)
    start = inside.end() - 3 if inside else len(data)
    message = read_header(data[start : start + _MOST_HEADER], charset=charset, override=override)
    message = message or Header(processing_id="P")
    first, *others = (line for line in data[:_MOST_HEADER].splitlines() if line)
    headers = []
    for line in (*others[:1], first):
        separator = line[3:4].decode("latin-1")
        is_header = line.startswith((b"FHS", b"BHS")) and is_delimiter(separator)
        read = _read_fields(line, separator, message.codec) if is_header else None
        if read:
            fields, delimiters, codec = read
            rest = message.processing_id, message.version, "", "", message.charset, codec
            # From the third field to the seventh FHS, BHS and MSH are the same. It is of no type, and asks for nothing.
            headers.append(Header._make((delimiters, *fields[3:8], "", "", "", fields[11], *rest)))
    return next((header for header in headers if header.control_id), headers[-1] if headers else None)


def check_header(header: Header, processing_ids: Container[str]) -> None:
    """Do the protocol check on MSH-9, MSH-10, MSH-11 and MSH-12; ``processing_ids`` are the ones taken here.

    Raises MessageError: 200, 202, 203 to be answered AR, and 101 without a control id. An empty MSH-11 or
    MSH-12 is taken. Source: HL7 v2.5.1 section 2.9.2.
    """
    if not header.message_type:
        raise MessageError(UNSUPPORTED_TYPE, Location("MSH", field=9), "the message type is missing", reject=True)
    if not header.control_id:
        raise MessageError(REQUIRED_FIELD, Location("MSH", field=10), "the message control id is missing")
    component = header.delimiters.component
    processing_id = header.processing_id.partition(component)[0]
    if processing_id and processing_id not in processing_ids:
        raise MessageError(
            UNSUPPORTED_PROCESSING_ID,
            Location("MSH", field=11),
            "messages with this processing id are not taken by this listener",
            reject=True,
        )
    version = header.version.partition(component)[0]
    if version and version not in VERSIONS:
        raise MessageError(
            UNSUPPORTED_VERSION,
            Location("MSH", field=12),
            "not a version of HL7 from 2.1 to 2.9",
            reject=True,
        )
