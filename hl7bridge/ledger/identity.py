"""One group {PID, MRG, PV1} of an event that changes identities -> what changes, and what that means for two ids.

Source: HL7 v2.5.1 sections 3.3.18, 3.3.24, 3.3.30 to 3.3.51 and 3.6.2. The fields of PID and PV1 are the target, which
stays; those of MRG are the source. A merge says that two ids are one thing, a move that a thing hung from the wrong
one, a change that an id was mistyped; none is inferred from another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, StrEnum
from typing import Final, NamedTuple

from hl7bridge.errors import DUPLICATE_KEY, REQUIRED_FIELD, UNSUPPORTED_EVENT, Location, MessageError
from hl7bridge.mapping.records import Identity


class Kind(StrEnum):
    """What an id names; the values are those of the table of identifiers."""

    PATIENT = "patient"
    ACCOUNT = "account"
    VISIT = "visit"
    ALTERNATE_VISIT = "alternate_visit"


class Name(NamedTuple):
    """An id and who assigned it; "" when that was not said."""

    number: str
    authority: str = ""

    def is_same(self, other: Name) -> bool:
        """Return whether two ids are one: an authority that is not said is any."""
        return self.number == other.number and (
            self.authority == other.authority or not (self.authority and other.authority)
        )


class Combined(NamedTuple):
    """``source`` is ``target`` from now on. ``is_merge``: both were used for one thing; else the id was corrected."""

    kind: Kind
    source: Name
    target: Name
    is_merge: bool
    place: Location


class AccountMoved(NamedTuple):
    """An account keeps its number and belongs to another patient."""

    account: Name
    patient: Name


class VisitMoved(NamedTuple):
    """A visit keeps its number and belongs to another account. ``source`` is None when the message does not say."""

    kind: Kind
    visit: Name
    source: Name | None
    target: Name


class Noted(NamedTuple):
    """Nothing changes here, and why. ``is_unclear``: a person should look."""

    reason: str
    is_unclear: bool = False


Change = Combined | AccountMoved | VisitMoved | Noted

ACCOUNT_AUTHORITY: Final = Location("PID", 1, 18, 1, 4)
_PATIENT_MERGES: Final = frozenset({"A18", "A30", "A34", "A36", "A39", "A40"})
_ACCOUNT_MERGES: Final = frozenset({"A35", "A41"})
_WITH_ACCOUNT: Final = frozenset({"A36", "A40"})
_LINKS: Final = {"A24": "two patients are linked; both stay", "A37": "two patients are no longer linked; both stay"}
_VISITS: Final = {  # which id, is it a merge
    "A42": (Kind.VISIT, True),
    "A50": (Kind.VISIT, False),
    "A51": (Kind.ALTERNATE_VISIT, False),
}
_CHANGED: Final = {"A47": Kind.PATIENT, "A49": Kind.ACCOUNT}
_MRG_FIELDS: Final = {Kind.PATIENT: 1, Kind.ACCOUNT: 3, Kind.VISIT: 5, Kind.ALTERNATE_VISIT: 6}
_TARGET_FIELDS: Final = {
    Kind.PATIENT: ("PID", 3),
    Kind.ACCOUNT: ("PID", 18),
    Kind.VISIT: ("PV1", 19),
    Kind.ALTERNATE_VISIT: ("PV1", 50),
}


def target_name(identity: Identity, kind: Kind) -> Name | None:
    """Return the id that stays, of PID or PV1; None when it is not valued."""
    number, authority = {
        Kind.PATIENT: (identity.patient_number, identity.patient_authority),
        Kind.ACCOUNT: (identity.account_number, identity.account_authority),
        Kind.VISIT: (identity.visit_number, None),
        Kind.ALTERNATE_VISIT: (identity.alternate_visit_number, None),
    }[kind]
    return Name(number, authority or "") if number else None


def source_name(identity: Identity, kind: Kind) -> Name | None:
    """Return the id that MRG brings; None when it is not valued."""
    number, authority = {
        Kind.PATIENT: (identity.prior_patient_number, identity.prior_patient_authority),
        Kind.ACCOUNT: (identity.prior_account_number, identity.prior_account_authority),
        Kind.VISIT: (identity.prior_visit_number, None),
        Kind.ALTERNATE_VISIT: (identity.prior_alternate_visit_number, None),
    }[kind]
    return Name(number, authority or "") if number else None


def account_names(identity: Identity, changes: Sequence[Change], group: int) -> list[tuple[Name, Location]]:
    """Return the accounts that changes of a group are about, with the place of who assigned the number.

    Raises MessageError 205 when the group gives one number to two authorities.
    """
    if all(isinstance(each, Noted) or (isinstance(each, Combined) and each.kind is Kind.PATIENT) for each in changes):
        return []
    target, source = target_name(identity, Kind.ACCOUNT), source_name(identity, Kind.ACCOUNT)
    if target is not None and source is not None and target.number == source.number and not target.is_same(source):
        raise another_authority(_mrg(Kind.ACCOUNT, group))
    told = ((target, ACCOUNT_AUTHORITY), (source, _mrg(Kind.ACCOUNT, group)))
    return [(name, place) for name, place in told if name is not None]


def patient_names(changes: Sequence[Change]) -> list[Name]:
    """Return the patients that changes are about: without them nothing can be done."""
    pairs = [(each.source, each.target) for each in changes if isinstance(each, Combined) and each.kind is Kind.PATIENT]
    return [name for pair in pairs for name in pair] + [
        each.patient for each in changes if isinstance(each, AccountMoved)
    ]


def another_authority(place: Location) -> MessageError:
    """Return the refusal of an account's number that is known of another assigning authority."""
    text = "this account number is another authority's; map the facility from the assigning authority"
    return MessageError(DUPLICATE_KEY, place, text)


def plan_changes(event: str, identity: Identity, group: int) -> tuple[Change, ...]:
    """Return what a group of an event changes, in order; ``group`` is its number in the message, from 1.

    Raises MessageError: 101 for an id that the event needs and the group lacks, 205 for an id merged with itself, 201
    for an event that changes no identities.
    """
    if event in _VISITS:
        kind, is_merge = _VISITS[event]
        return (_combined(kind, identity, group, is_merge=is_merge),)
    if event in _CHANGED:
        return (_combined(_CHANGED[event], identity, group, is_merge=False),)
    if event in _LINKS:
        return (Noted(_LINKS[event]),)
    plan = _PLANS.get(event)
    if plan is None:
        raise MessageError(UNSUPPORTED_EVENT, Location("MSH", 1, 9), "this event changes no identities")
    return plan(event, identity, group)


def _plan_patient_merge(event: str, identity: Identity, group: int) -> tuple[Change, ...]:
    changes: list[Change] = []
    source, target = source_name(identity, Kind.PATIENT), target_name(identity, Kind.PATIENT)
    prior_account = source_name(identity, Kind.ACCOUNT) if event in _WITH_ACCOUNT else None
    account = target_name(identity, Kind.ACCOUNT)
    if prior_account is not None and account is not None and not prior_account.is_same(account):
        changes.append(_combined(Kind.ACCOUNT, identity, group, is_merge=True))
    is_same = source is not None and target is not None and source.is_same(target)
    external = (identity.prior_patient_id, identity.patient_id)
    if (source is None or is_same) and all(external) and external[0] != external[1]:
        if not changes:
            changes.append(Noted("only ids in PID-2 and MRG-4 are joined, and nothing is kept by these"))
    elif not (changes and (source is None or is_same)):  # a group may tell of accounts of one patient alone
        changes.append(_combined(Kind.PATIENT, identity, group, is_merge=True))
    return tuple(changes)


def _plan_account_merge(_event: str, identity: Identity, group: int) -> tuple[Change, ...]:
    source, target = source_name(identity, Kind.PATIENT), target_name(identity, Kind.PATIENT)
    if source_name(identity, Kind.ACCOUNT) is None and source and target and not source.is_same(target):
        # As seen in samples: without MRG-3 and with another patient in MRG-1 it is a merge of patients.
        return (_combined(Kind.PATIENT, identity, group, is_merge=True),)
    return (_combined(Kind.ACCOUNT, identity, group, is_merge=True),)


def _plan_patient_move(_event: str, identity: Identity, _group: int) -> tuple[Change, ...]:
    source, target = source_name(identity, Kind.PATIENT), target_name(identity, Kind.PATIENT)
    if source is None or target is None or source.is_same(target):
        return (Noted("a patient's id is under another id of PID-2 now, and nothing is kept by these"),)
    return (Noted("a move of ids between two patients: nothing was moved", is_unclear=True),)


def _plan_account_move(_event: str, identity: Identity, group: int) -> tuple[Change, ...]:
    account = _need_source(Kind.ACCOUNT, identity, group)
    return (AccountMoved(account, _need_target(Kind.PATIENT, identity)),)


def _plan_visit_moves(_event: str, identity: Identity, group: int) -> tuple[Change, ...]:
    target = _need_target(Kind.ACCOUNT, identity)
    source = source_name(identity, Kind.ACCOUNT)
    if source is not None and source.is_same(target):
        raise _same(Kind.ACCOUNT, group)
    moves = []
    for kind in (Kind.VISIT, Kind.ALTERNATE_VISIT):
        # MRG is where the visit was, and it keeps its number: PV1 has the same, or is left out.
        visit = source_name(identity, kind) or target_name(identity, kind)
        if visit is not None:
            moves.append(VisitMoved(kind, visit, source, target))
    if not moves:
        raise _missing(_mrg(Kind.VISIT, group))
    return tuple(moves)


_PLANS: Final[dict[str, Callable[[str, Identity, int], tuple[Change, ...]]]] = {
    **dict.fromkeys(_PATIENT_MERGES, _plan_patient_merge),
    **dict.fromkeys(_ACCOUNT_MERGES, _plan_account_merge),
    "A43": _plan_patient_move,
    "A44": _plan_account_move,
    "A45": _plan_visit_moves,
}


def _combined(kind: Kind, identity: Identity, group: int, *, is_merge: bool) -> Combined:
    source, target = _need_source(kind, identity, group), _need_target(kind, identity)
    if source.is_same(target):
        raise _same(kind, group)
    return Combined(kind, source, target, is_merge, _mrg(kind, group))


def _need_source(kind: Kind, identity: Identity, group: int) -> Name:
    found = source_name(identity, kind)
    if found is None:
        raise _missing(_mrg(kind, group))
    return found


def _need_target(kind: Kind, identity: Identity) -> Name:
    found = target_name(identity, kind)
    if found is None:
        segment, field = _TARGET_FIELDS[kind]
        raise _missing(Location(segment, 1, field))
    return found


def _mrg(kind: Kind, group: int) -> Location:
    return Location("MRG", group, _MRG_FIELDS[kind])


def _missing(place: Location) -> MessageError:
    return MessageError(REQUIRED_FIELD, place, "the id that this event changes is required and missing")


def _same(kind: Kind, group: int) -> MessageError:
    return MessageError(DUPLICATE_KEY, _mrg(kind, group), "source and target are the same: nothing can be done")


class Standing(NamedTuple):
    """What the store knows of an id: the row it leads to, if any, and whether it is that row's own number."""

    row_id: int | None = None
    is_own: bool = False


class Outcome(Enum):
    """What combining a source with a target means for the store."""

    NOTHING = "the source leads to the target already"
    CIRCULAR = "the target leads to the source"
    TAKEN = "the source leads to another already"
    ALIAS = "the source is not known here: its number leads to the target"
    OPEN = "neither is known here: the target is opened, and the source's number leads to it"
    RENUMBER = "the target is not known here: the source gets its number"
    COMBINE = "both are known: what is the source's goes to the target"


def find_outcome(source: Standing, target: Standing, *, is_circular: bool) -> Outcome:
    """Return what a merge or change of an id comes to; ``is_circular``: the target was told to be the source before."""
    if is_circular or (source.row_id is not None and source.row_id == target.row_id and source.is_own):
        return Outcome.CIRCULAR
    if source.row_id is None:
        return Outcome.OPEN if target.row_id is None else Outcome.ALIAS
    if source.row_id == target.row_id:
        return Outcome.NOTHING
    if not source.is_own:
        return Outcome.TAKEN
    return Outcome.RENUMBER if target.row_id is None else Outcome.COMBINE


def renumber_field(field: str | None, old: str, new: str) -> str | None:
    """Return a whole field as it is echoed, in standard delimiters, with an id in it replaced: ``OLD^^^HOSP^MR``.

    ``old`` and ``new`` are the ids as escaped text. Repetitions with other ids stay.
    """
    if field is None:
        return None
    repetitions = (each.partition("^") for each in field.split("~"))
    return "~".join((new if number == old else number) + mark + rest for number, mark, rest in repetitions)
