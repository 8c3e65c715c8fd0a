"""Records of a message -> the dates in them that cannot be right, counted by what is wrong."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from hl7bridge.mapping.convert import convert_date
from hl7bridge.mapping.records import Account, Coverage, Entry, Guarantor, Null, Patient, Record, Records
from hl7bridge.message.delimiters import DEFAULT
from hl7bridge.message.model import Message

OLDEST: Final = dt.date(1900, 1, 1)
TOO_OLD: Final = "before 1900"
AHEAD: Final = "after the message"
_ONE_DAY: Final = dt.timedelta(days=1)  # sender and facility may be in different time zones
_FAR_AHEAD: Final = dt.date.max - _ONE_DAY
_SENT_AT: Final = 7
_DAY_DIGITS: Final = 8
_BY_TYPE: Final[dict[type[Record], tuple[str, ...]]] = {
    Patient: ("birth_on", "died_on"),
    Account: ("admitted_on", "discharged_on"),
    Guarantor: ("birth_on",),
    Coverage: ("effective_on", "expires_on"),
    Entry: ("service_on", "posted_on"),
}
_MAY_LIE_AHEAD: Final = frozenset({"admitted_on", "effective_on", "expires_on"})  # planned, and until further notice
_IN_ORDER: Final[dict[type[Record], tuple[str, str]]] = {
    Patient: ("birth_on", "died_on"),
    Account: ("admitted_on", "discharged_on"),
    Coverage: ("effective_on", "expires_on"),
    Entry: ("service_on", "posted_on"),
}
Day = dt.date | Null | None


class DateChecks:
    """Counts of dates that cannot be right; key: ``record.field`` and what is wrong."""

    def __init__(self, today: dt.date) -> None:
        self._today = today
        self.counts: dict[tuple[str, str], int] = {}

    def take(self, message: Message, records: Records) -> None:
        """Look at every date of the records of a message."""
        day = self._written_on(message)
        latest = min(day, _FAR_AHEAD) + _ONE_DAY
        patient, account = records.patient, records.account
        if patient is not None:
            self._check("patient", patient, latest)
        if account is not None:
            self._check("account", account, latest)
        for kind, several in (
            ("guarantor", records.guarantors),
            ("coverage", records.coverages),
            ("entry", records.entries),
        ):
            for record in several:
                self._check(kind, record, latest)
        born = patient.birth_on if patient is not None else None
        if isinstance(born, dt.date):
            for entry in records.entries:
                self._check_order("entry.service_on", "before the birth", born, entry.service_on)
            if account is not None:
                self._check_order("account.admitted_on", "before the birth", born, account.admitted_on)

    def _check(self, kind: str, record: Any, latest: dt.date) -> None:
        for name in _BY_TYPE[type(record)]:
            day = getattr(record, name)
            if isinstance(day, dt.date):
                if day < OLDEST:
                    self._note(f"{kind}.{name}", TOO_OLD)
                elif day > latest and name not in _MAY_LIE_AHEAD:
                    self._note(f"{kind}.{name}", AHEAD)
        if type(record) in _IN_ORDER:
            first, second = _IN_ORDER[type(record)]
            self._check_order(
                f"{kind}.{second}", f"before {kind}.{first}", getattr(record, first), getattr(record, second)
            )

    def _check_order(self, key: str, wrong: str, first: Day, second: Day) -> None:
        if isinstance(first, dt.date) and isinstance(second, dt.date) and second < first:
            self._note(key, wrong)

    def _note(self, key: str, wrong: str) -> None:
        self.counts[key, wrong] = self.counts.get((key, wrong), 0) + 1

    def _written_on(self, message: Message) -> dt.date:
        """Return the day of MSH-7, for a file may be old; today when that cannot be read or lies ahead itself."""
        try:
            day = convert_date(message.fields("MSH")[0][_SENT_AT][:_DAY_DIGITS], DEFAULT)
        except ValueError:
            return self._today
        return min(day, self._today)
