"""The error tree: what went wrong, where, what was expected and what to do. Never a patient's value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class BridgeError(Exception):
    """Any failure that hl7bridge can explain in one line; the command line prints it and exits 1."""


class Problem(NamedTuple):
    """One mistake in a configuration, mapping or rules file, and how to mend it."""

    file: str
    line: int
    key: str
    problem: str
    hint: str = ""

    def __str__(self) -> str:
        """Return ``file:line: key: problem (hint)``."""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.file}:{self.line}: {self.key}: {self.problem}{hint}"


class ConfigError(BridgeError):
    """One or more mistakes in files that people edit; ``problems`` has them all."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class WireError(BridgeError):
    """The byte stream broke MLLP beyond repair: the connection closes, with no acknowledgement."""


class ErrorCode(NamedTuple):
    """A code of HL7 table 0357 (message error condition codes)."""

    code: str
    text: str


SEGMENT_SEQUENCE = ErrorCode("100", "Segment sequence error")
REQUIRED_FIELD = ErrorCode("101", "Required field missing")
DATA_TYPE = ErrorCode("102", "Data type error")
TABLE_VALUE = ErrorCode("103", "Table value not found")
UNSUPPORTED_TYPE = ErrorCode("200", "Unsupported message type")
UNSUPPORTED_EVENT = ErrorCode("201", "Unsupported event code")
UNSUPPORTED_PROCESSING_ID = ErrorCode("202", "Unsupported processing id")
UNSUPPORTED_VERSION = ErrorCode("203", "Unsupported version id")
UNKNOWN_KEY = ErrorCode("204", "Unknown key identifier")
DUPLICATE_KEY = ErrorCode("205", "Duplicate key identifier")
INTERNAL_ERROR = ErrorCode("207", "Application internal error")


class Location(NamedTuple):
    """Where in a message: 1-based; 0 means not given. Source: ERR-2 (ERL), HL7 v2.5."""

    segment: str
    sequence: int = 1
    field: int = 0
    repetition: int = 0
    component: int = 0
    subcomponent: int = 0

    def __str__(self) -> str:
        """Return the path in words people use, as ``FT1[2]-11.1``."""
        text = self.segment if self.sequence <= 1 else f"{self.segment}[{self.sequence}]"
        if self.field:
            text += f"-{self.field}"
            if self.repetition > 1:
                text += f"({self.repetition})"
            if self.component:
                text += f".{self.component}"
                if self.subcomponent:
                    text += f".{self.subcomponent}"
        return text


class MessageError(BridgeError):
    """A message that is refused: the code and place for ERR, and AE (its content) or AR (not its content).

    ``text`` says what was wrong and what was expected, in the standard's words; it never quotes a value.
    """

    def __init__(self, error: ErrorCode, location: Location, text: str, *, reject: bool = False) -> None:
        self.error = error
        self.location = location
        self.text = text
        self.reject = reject
        super().__init__(f"{location}: {text}")


class StoreError(BridgeError):
    """The database cannot be opened, read or written; nothing was changed."""


class NotFoundError(BridgeError):
    """What a command names does not exist."""


class RefusedError(BridgeError):
    """What was asked is understood and not allowed now; the text says why and what to do."""
