"""The values of a placement and the messages that told of an account's records -> where each value is from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from hl7bridge.mapping.records import NULL, Guarantor
from hl7bridge.privacy.sending import SEND_FIELDS

_ACCOUNT: Final = ("client_account", "service_class", "discharged_on")
_PATIENT: Final = tuple(name for name in SEND_FIELDS if name.startswith("patient_"))
_GUARANTOR: Final = {name: name.removeprefix("guarantor_") for name in SEND_FIELDS if name.startswith("guarantor_")}
_COVERAGES: Final = (("payer_name", 0), ("payer_plan_type", 0), ("payer_2_name", 1))
_PATHS: Final = {name: field.source for name, field in SEND_FIELDS.items()}
_UNKNOWN: Final = (None, NULL, "")


class ToldBy(NamedTuple):
    """The message that told last of each record: of the account, the patient, the first guarantor, each coverage."""

    account: int | None = None
    patient: int | None = None
    guarantor: int | None = None
    coverages: tuple[int, ...] = ()


def record_sources(values: Mapping[str, str], guarantors: Sequence[Guarantor], told_by: ToldBy) -> dict[str, str]:
    """Return for each known value that a record has the field it is of and the message that told of the record last.

    A record may have the value from an earlier message than that: ``accounts show --provenance`` finds which.
    """
    guarantor = guarantors[0] if guarantors else Guarantor()
    found = [(field, _PATHS[field], told_by.account) for field in _ACCOUNT]
    found += [(field, _PATHS[field], told_by.patient) for field in _PATIENT]
    for field, name in _GUARANTOR.items():
        is_own = getattr(guarantor, name) not in _UNKNOWN  # else it is the patient's: see rules.facts.responsible
        found.append((field, _PATHS[field], told_by.guarantor) if is_own else (field, "PID", told_by.patient))
    for field, at in _COVERAGES:
        found.append((field, _PATHS[field], told_by.coverages[at] if at < len(told_by.coverages) else None))
    return {
        field: f"{path}, message {message_id} or one before it"
        for field, path, message_id in found
        if message_id is not None and values[field]
    }
