"""Two ids of one patient or account -> one: which of them the store knows decides what is done.

Source: HL7 v2.5.1 section 3.6.2, merge and change of identifiers.
"""

from __future__ import annotations

from typing import Final, Protocol

from hl7bridge.errors import DUPLICATE_KEY, MessageError
from hl7bridge.ledger.account import AccountState
from hl7bridge.ledger.arrival import Arrival
from hl7bridge.ledger.identity import Combined, Kind, Name, Outcome, Standing, find_outcome
from hl7bridge.ledger.joining import without_status
from hl7bridge.rules.due import DueDays
from hl7bridge.storage import merging, patients
from hl7bridge.storage.accounts import account_by_ids, account_in_facility, read_account
from hl7bridge.storage.database import Store
from hl7bridge.storage.exceptions import hold_account, open_exception
from hl7bridge.storage.identifiers import add_identifier, identifiers_of, mark_merged

SWAPPED: Final = "merge_maybe_swapped"
BOTH_PLACED: Final = "merge_both_placed"
UNCLEAR: Final = "several patients have an id that the message gives without its authority: none was changed"
_REFUSED: Final = {
    Outcome.CIRCULAR: "the target was merged into the source before: a circle",
    Outcome.TAKEN: "the source was merged into another before",
}


class Occasion:
    """One message's changes: where they are written, and what there is to say of them."""

    def __init__(self, store: Store, arrival: Arrival, due_on: DueDays) -> None:
        self.store = store
        self.arrival = arrival
        self.due_on = due_on
        self.said: list[str] = []
        self.counters: list[str] = []
        self.touched: set[int] = set()  # accounts whose ids may be others now

    def say(self, reason: str, counter: str = "") -> None:
        """Note what was done, once, and what the listener counts."""
        if reason not in self.said:
            self.said.append(reason)
        if counter:
            self.counters.append(counter)

    def ask(self, kind: str, account_id: int | None, other_id: int | None, reason: str) -> None:
        """Have a person look at something."""
        open_exception(
            self.store, kind, account_id, other_id,
            message_id=self.arrival.message_id, reason=reason, at=self.arrival.now,
        )  # fmt: skip
        self.say(reason)

    def ask_both_placed(self, account_id: int, other_id: int, held: list[int]) -> None:
        """Have a person look at what is placed twice, and keep accounts from being placed until then."""
        self.ask("both_placed", account_id, other_id, "both were placed: held until a person has looked")
        self.counters.append(BOTH_PLACED)
        for each in held:
            hold_account(self.store, each, self.arrival.now)

    def ask_to_tell(self, account_id: int, what: str) -> None:
        """Have a person tell the agency that has an account what changed, if one has it."""
        if merging.is_with_agency(self.store, account_id):
            self.ask("agency_not_told", account_id, None, f"{what} while an agency has it: tell the agency")


class Side(Protocol):
    """What is combined: patients or accounts of one facility. Ids are row ids."""

    kind: Kind
    facility: str

    def stand(self, name: Name) -> Standing:
        """Return what an id leads to."""

    def open(self, name: Name) -> int:
        """Store one of which no more than its id is known."""

    def renumber(self, row_id: int, name: Name, *, is_merge: bool = False) -> None:
        """Give one another id; ``is_merge``: it is of another, who was not known."""

    def join(self, source_id: int, target_id: int) -> int:
        """Have all that hangs on the source hang on the target, and return how many rows that were."""

    def has_history(self, row_id: int) -> bool:
        """Return whether anything hangs on one."""

    def authority_of(self, row_id: int) -> str:
        """Return who assigned the id of one."""

    def is_free(self, name: Name) -> bool:
        """Return whether no row, merged or not, has an id as its own."""

    def settle(self, row_id: int, name: Name) -> None:
        """Store what else the event says of the target."""


class Patients:
    """Patients of a facility."""

    kind = Kind.PATIENT

    def __init__(self, occasion: Occasion, facility: str) -> None:
        self._occasion, self._store, self.facility = occasion, occasion.store, facility

    def stand(self, name: Name) -> Standing:
        """Return the patient that an id leads to."""
        found = patients.find_patient(self._store, self.facility, name)
        return Standing(found, found is not None and patients.patient_name(self._store, found).is_same(name))

    def open(self, name: Name) -> int:
        """Store a patient."""
        return patients.open_patient(self._store, self.facility, *name, self._occasion.arrival)

    def renumber(self, row_id: int, name: Name, *, is_merge: bool = False) -> None:  # noqa: ARG002
        """Give a patient another id."""
        patients.renumber_patient(self._store, row_id, *name)

    def join(self, source_id: int, target_id: int) -> int:
        """Bring all accounts under the target. Two patients with placed accounts: nothing new is placed."""
        ours, theirs = (patients.placed_accounts(self._store, each) for each in (target_id, source_id))
        count = patients.join_patient_rows(self._store, source_id, target_id, self._occasion.arrival)
        self._occasion.say(f"patients merged, accounts moved: {count}")
        if ours and theirs:
            held = patients.accounts_of(self._store, target_id)
            self._occasion.ask_both_placed(ours[0], theirs[0], held)
        return count

    def has_history(self, row_id: int) -> bool:
        """Return whether a patient has accounts."""
        return patients.has_accounts(self._store, row_id)

    def authority_of(self, row_id: int) -> str:
        """Return who assigned a patient's id."""
        return patients.patient_name(self._store, row_id).authority

    def is_free(self, name: Name) -> bool:
        """Return whether no row has the id."""
        return not patients.is_taken(self._store, self.facility, name)

    def settle(self, row_id: int, name: Name) -> None:
        """Nothing else is said."""


class Accounts:
    """Accounts of a facility. ``owner`` is whose the target is, as the event says."""

    kind = Kind.ACCOUNT

    def __init__(self, occasion: Occasion, facility: str, owner: Name | None) -> None:
        self._occasion, self._store, self.facility, self._owner = occasion, occasion.store, facility, owner

    def stand(self, name: Name) -> Standing:
        """Return the account that a number leads to."""
        found = account_by_ids(self._store, self.facility, name.number)
        return Standing() if found is None else Standing(found.id, found.number == name.number)

    def open(self, name: Name) -> int:
        """Store an account."""
        return merging.open_account(self._store, self.facility, name, self._occasion.arrival)

    def renumber(self, row_id: int, name: Name, *, is_merge: bool = False) -> None:
        """Give an account another number; what its status was is not the other's."""
        was, now = read_account(self._store, row_id), self._occasion.arrival.now
        merging.renumber_account(self._store, without_status(was) if is_merge else was, name, now)

    def join(self, source_id: int, target_id: int) -> int:
        """Merge an account into another. Both placed: placements stay, and nothing new is placed."""
        occasion, store = self._occasion, self._store
        source, target = read_account(store, source_id), read_account(store, target_id)
        joined = merging.join_account_rows(store, source, target, occasion.arrival, occasion.due_on)
        occasion.say(f"accounts merged, entries moved: {joined.entries}")
        if joined.alike:
            reason = f"{joined.alike} entries have ids that the target has for others: a resend of them is refused"
            occasion.ask("entries_alike", target_id, source_id, reason)
        if joined.is_both_placed:
            occasion.ask_both_placed(target_id, source_id, [target_id])
        return joined.entries

    def has_history(self, row_id: int) -> bool:
        """Return whether an account was ever charged, paid or placed."""
        return merging.has_account_history(self._store, row_id)

    def authority_of(self, row_id: int) -> str:
        """Return who assigned an account's number; "" when nobody said."""
        return read_account(self._store, row_id).authority

    def is_free(self, name: Name) -> bool:
        """Return whether no row has the number."""
        return account_in_facility(self._store, self.facility, name.number) is None

    def settle(self, row_id: int, name: Name) -> None:
        """Have the target belong to whom the event says, and its number to who assigned it."""
        tell_account(self._occasion, read_account(self._store, row_id), name, self._owner)


def tell_account(occasion: Occasion, state: AccountState, name: Name, owner: Name | None) -> bool:
    """Have an account belong to whom an event names, if that is one patient; return whether it changed hands."""
    store, facility, patient_id = occasion.store, state.facility, None
    meant = set() if owner is None else patients.same_number(store, facility, owner)
    if len(meant) <= 1:
        patient_id = patients.find_or_open_patient(store, facility, owner, occasion.arrival)
    elif state.patient_id not in meant:
        occasion.ask("unclear", state.id, None, UNCLEAR)
    authority = name.authority if name.number == state.number else ""
    return merging.tell_owner(store, state, patient_id, occasion.arrival, occasion.due_on, authority)


def combine(occasion: Occasion, side: Side, change: Combined) -> int:
    """Have one id be another from now on, and return the row that both lead to.

    Raises MessageError 205 for a circle, and for a source that was merged into another.
    """
    source, target = side.stand(change.source), side.stand(change.target)
    if _is_change_back(side, change, source, target):
        return _change_back(occasion, side, change, source.row_id or 0)
    is_circular = source.row_id == target.row_id and _leads_to(occasion, side, change, target.row_id)
    outcome = find_outcome(source, target, is_circular=is_circular)
    if outcome in _REFUSED:
        raise MessageError(DUPLICATE_KEY, change.place, _REFUSED[outcome])
    if outcome is Outcome.NOTHING:
        occasion.say("done before: nothing changed")
        return target.row_id or 0
    if change.is_merge and _is_swapped(side, source, target):
        occasion.say("PID and MRG may be swapped: the source is the one with history", SWAPPED)
    authority = change.source.authority or (side.authority_of(source.row_id) if source.row_id else "")
    if change.is_merge and source.row_id is not None:
        mark_merged(occasion.store, side.kind, source.row_id)
    if outcome is Outcome.COMBINE:
        row_id = target.row_id or 0
        side.join(source.row_id or 0, row_id)
    elif outcome is Outcome.RENUMBER:
        row_id = source.row_id or 0
        side.renumber(row_id, change.target, is_merge=change.is_merge)
        occasion.say(f"{side.kind} has its new number")
    else:
        row_id = target.row_id or side.open(change.target)
        occasion.say(f"{side.kind} in MRG is not known here: its number leads to the target from now on")
    _retire(occasion, side, change, authority, row_id)
    side.settle(row_id, change.target)
    return row_id


def _is_swapped(side: Side, source: Standing, target: Standing) -> bool:
    has = [each.row_id is not None and side.has_history(each.row_id) for each in (source, target)]
    return has == [True, False]


def _leads_to(occasion: Occasion, side: Side, change: Combined, row_id: int | None) -> bool:
    """Return whether the target was told to be the source before, over any number of steps."""
    if row_id is None:
        return False
    steps = {each.number: each.becomes for each in identifiers_of(occasion.store, side.kind, row_id) if each.becomes}
    number = change.target.number
    while number in steps:
        number = steps.pop(number).partition("^")[0]
        if number == change.source.number:
            return True
    return False


def _is_change_back(side: Side, change: Combined, source: Standing, target: Standing) -> bool:
    """Return whether a number that was corrected is to be what it was: no circle, for nothing was merged."""
    return (
        not change.is_merge
        and source.row_id is not None
        and (source.row_id, source.is_own, target.is_own) == (target.row_id, True, False)
        and side.is_free(change.target)
    )


def _change_back(occasion: Occasion, side: Side, change: Combined, row_id: int) -> int:
    target = change.target
    names = identifiers_of(occasion.store, side.kind, row_id)
    known = [each for each in names if Name(each.number, each.authority).is_same(target)]
    if any(each.since >= occasion.arrival.as_of for each in known):
        occasion.say("done before: nothing changed")
        return row_id
    for each in known:
        merging.remove_identifier(occasion.store, each)
    authority = side.authority_of(row_id)
    side.renumber(row_id, target if target.authority or not known else Name(target.number, known[0].authority))
    occasion.say(f"{side.kind} has its former number again")
    _retire(occasion, side, change, change.source.authority or authority, row_id)
    return row_id


def _retire(occasion: Occasion, side: Side, change: Combined, authority: str, row_id: int) -> None:
    number, assigned_by = change.target
    add_identifier(
        occasion.store, side.kind, side.facility, change.source.number, authority, row_id,
        since=occasion.arrival.as_of, message_id=occasion.arrival.message_id, retired=1,
        becomes=f"{number}^^^{assigned_by}" if assigned_by else number, merged=int(change.is_merge),
    )  # fmt: skip
