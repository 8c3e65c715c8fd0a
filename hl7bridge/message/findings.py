"""What can be found against a message, in the sender's terms: place, name, rule, what was expected; never a value."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Severity(StrEnum):
    """Whether a finding breaks the standard, or is what it tells a receiver to pass over."""

    ERROR = "error"
    WARNING = "warning"


class Rule(StrEnum):
    """The rules that a message can break, in the words that a person reads."""

    UNREADABLE = "cannot be read"
    NO_SEGMENT = "does not begin with the name of a segment"
    NO_MESSAGE = "is not a message of this version"
    OTHER_STRUCTURE = "names another structure than this version defines for the event"
    OTHER_VERSION = "is not a version that can be checked"
    SEGMENT_UNKNOWN = "is not a segment of this version"
    SEGMENT_FOREIGN = "is not part of this message"
    SEGMENT_MISSING = "required segment missing"
    SEGMENT_MISPLACED = "is out of place"
    REPEATED = "is repeated too often"
    FIELD_MISSING = "required field missing"
    COMPONENT_MISSING = "required component missing"
    REQUIRED_NULL = "is required, and holds only the mark for deletion"
    WITHDRAWN = "is withdrawn in this version"
    UNDEFINED = "is not defined in this version"
    TOO_LONG = "is longer than this version allows"
    NO_VALUE = "is not a value of its data type"
    PROFILE_MISSING = "is required by the profile"
    PROFILE_VALUE = "is not one of the values that the profile allows"
    PROFILE_FORBIDDEN = "is forbidden by the profile"

    @property
    def severity(self) -> Severity:
        """Return how grave a breach is. Source: HL7 v2.5.1 section 2.6.2, what a receiver is to ignore."""
        return Severity.WARNING if self in _PASSED_OVER else Severity.ERROR


_PASSED_OVER = frozenset(
    {
        Rule.OTHER_VERSION,
        Rule.SEGMENT_UNKNOWN,
        Rule.SEGMENT_FOREIGN,
        Rule.REPEATED,
        Rule.REQUIRED_NULL,
        Rule.WITHDRAWN,
        Rule.UNDEFINED,
    }
)


class Finding(NamedTuple):
    """One breach: ``path`` as ``FT1[2]-11.1``, or ``segment 4`` for what is none.

    ``name`` is what HL7 calls the place, in words; ``expected`` the data type and table, a limit, or the choices of
    a profile; both "" when there is nothing to say. Nothing here is taken from a field of the message.
    """

    path: str
    name: str
    rule: Rule
    expected: str = ""

    @property
    def severity(self) -> Severity:
        """Return whether it is an error or a warning."""
        return self.rule.severity
