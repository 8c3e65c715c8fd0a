"""Files in agencies' incoming folders -> what they say, applied in one transaction a file; or held whole for a person.

A file is taken once its trailer is there, its name, digest, count and dollars agree with it, every line can be read
and its number is the next. Otherwise nothing of it is applied.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from hl7bridge.errors import BridgeError, RefusedError
from hl7bridge.exchange.agency import AgencyFolder, leave_as_it_is
from hl7bridge.exchange.answers import Answering, apply_answers
from hl7bridge.exchange.arrivals import Arrival, TooLongError, age_of, find_arrivals, move_to, read_regular
from hl7bridge.exchange.folder import exclusive
from hl7bridge.exchange.judging import Judged, judge_file
from hl7bridge.exchange.numbered import trailer_name
from hl7bridge.exchange.remitting import Posting, apply_remittance
from hl7bridge.layouts.layout import MOST_BYTES, Parsed
from hl7bridge.layouts.placements_csv import digest_of
from hl7bridge.layouts.registry import REMITTANCE_LAYOUTS, answering_layout, remittance_layout
from hl7bridge.layouts.remittance import Reading
from hl7bridge.payments.remittance import REMITTANCES, Remitted
from hl7bridge.reacting import Reacted
from hl7bridge.storage.audit import append_audit
from hl7bridge.storage.database import Store
from hl7bridge.storage.received_files import (
    FileStatus,
    ReceivedFile,
    add_outcomes,
    add_received,
    count_outcomes,
    decide_received,
    find_by_digest,
    is_number_taken,
    number_problem,
    problem_text,
    read_received,
)
from hl7bridge.storage.remittances import RemittanceFile
from hl7bridge.times import utc_text

SETTLE_SECONDS: Final = 30.0  # how long a file that looks cut short may still be being written
_MOST_TRAILER: Final = 64 * 1024
_PLACES: Final = {
    FileStatus.TAKEN: "taken",
    FileStatus.DUPLICATE: "taken",
    FileStatus.HELD: "held",
    FileStatus.REFUSED: "refused",
}


class Taking(NamedTuple):
    """What taking files needs to know: each facility's day, the time, and who asked.

    ``react`` is called after a file's records were applied, in the same transaction. ``posting`` is what payments are
    posted with.
    """

    today_of: Callable[[str], dt.date]
    now: dt.datetime
    actor: str
    posting: Posting
    react: Callable[[Store], Reacted] = leave_as_it_is


class Came(NamedTuple):
    """A file that was settled, and how many of its records did what."""

    file: ReceivedFile
    outcomes: dict[str, int]


class Taken(NamedTuple):
    """What one call did. ``problems`` are lines for a person: what they tell of is still where it was."""

    files: tuple[Came, ...] = ()
    problems: tuple[str, ...] = ()
    failed: frozenset[str] = frozenset()


def take_files(store: Store, agencies: Sequence[AgencyFolder], taking: Taking) -> Taken:
    """Take or hold every file that is ready in the incoming folders. Call it outside of a transaction.

    One agency's trouble does not keep another's files back.
    """
    total = Taken()
    with exclusive(store.path):
        for agency in agencies:
            if agency.incoming is None:
                continue
            try:
                for arrival in find_arrivals(agency.incoming, taking.now).ready:
                    came = _take(store, agency, arrival, taking)
                    total = total._replace(files=total.files + ((came,) if came else ()))
            except BridgeError as error:
                problem = f"agency {agency.name}: {error}"
                total = total._replace(problems=(*total.problems, problem), failed=total.failed | {agency.name})
    return total


def _take(store: Store, agency: AgencyFolder, arrival: Arrival, taking: Taking) -> Came | None:
    """Settle one file and move it away; None when it is left for the next look, or was settled before a crash."""
    judged, digest = _read(agency, arrival.folder, (arrival.name, arrival.trailer), arrival.kind, taking)
    with store.transaction():
        status, problems = _status(store, agency, arrival, judged, digest)
        if status is FileStatus.DUPLICATE:
            same = find_by_digest(store, agency.name, arrival.kind, digest)[0]
            if same.name == arrival.name and not _place(arrival.folder, same).exists():
                _move(arrival.folder, same)  # a crash came between the transaction and the move
                return None
            problems = (f"the same as file in-{same.id}, which is {same.status}",)
        if status is FileStatus.HELD and judged.is_cut and 0 <= age_of(arrival, taking.now) < SETTLE_SECONDS:
            return None
        file = ReceivedFile(
            id=0,
            agency=agency.name,
            kind=arrival.kind,
            number=judged.trailer.number if judged.trailer else None,
            name=arrival.name,
            sha256=digest,
            records=len(judged.parsed.records),
            total=judged.parsed.total,
            status=status,
            problem=problem_text(problems),
            received_at=utc_text(taking.now),
        )
        file = file._replace(id=add_received(store, file))
        if status is FileStatus.TAKEN:
            _apply(store, agency, file, judged, taking)
        _audit(store, file, f"files.{status}", problems[0] if problems else f"{file.records} records", taking)
    _move(arrival.folder, file)
    place = _place(arrival.folder, file)
    if digest and place.exists() and digest_of(read_regular(place, MOST_BYTES)) != digest:
        _move_back(arrival.folder, file)  # the agency wrote another over it: that one is looked at next
    return Came(file, count_outcomes(store, file.id))


def _read(agency: AgencyFolder, folder: Path, names: tuple[str, str], kind: str, taking: Taking) -> tuple[Judged, str]:
    """Return what a file says and its digest; a file that is too long has none."""
    layout = answering_layout(agency.layout, names[0])
    if kind == REMITTANCES:
        form = remittance_layout(agency.payment_layout, names[0])
        reading = Reading(agency.name, taking.now)
        layout = layout._replace(parse_answers=lambda _, data: REMITTANCE_LAYOUTS[form](data, reading))
    try:
        data = read_regular(folder / names[0], MOST_BYTES)
        trailer = read_regular(folder / names[1], _MOST_TRAILER)
    except TooLongError as error:
        return Judged(None, Parsed(kind), (str(error),), is_cut=False), ""
    return judge_file(agency.name, names[0], kind, layout, data, trailer), digest_of(data)


def _status(
    store: Store, agency: AgencyFolder, arrival: Arrival, judged: Judged, digest: str
) -> tuple[FileStatus, tuple[str, ...]]:
    """Return what becomes of a file, and why it is not taken."""
    number = None if judged.trailer is None else judged.trailer.number
    wrong = "" if number is None else number_problem(store, agency.name, arrival.kind, number)
    same = find_by_digest(store, agency.name, arrival.kind, digest) if digest else []
    # The same bytes under the next number are the agency's next word, as an inventory that has not changed.
    if same and (judged.problems or wrong):
        return FileStatus.DUPLICATE, ()
    problems = judged.problems + ((wrong,) if wrong else ())
    return (FileStatus.HELD if problems else FileStatus.TAKEN), problems


def _apply(store: Store, agency: AgencyFolder, file: ReceivedFile, judged: Judged, taking: Taking) -> None:
    records = judged.parsed.records
    if file.kind == REMITTANCES:
        remitted = [record for record in records if isinstance(record, Remitted)]
        remittance = RemittanceFile(file.agency, file.sha256, file.name, received_file_id=file.id)
        applied = apply_remittance(store, remittance, remitted, taking.posting)
        add_outcomes(store, file.id, file.kind, [(each.record, each.outcome) for each in applied])
    else:
        answers = [record for record in records if not isinstance(record, Remitted)]
        apply_answers(store, file, answers, Answering(taking.today_of, taking.now, agency.objection_extends))
    taking.react(store)


def release_file(store: Store, agencies: Sequence[AgencyFolder], file_id: int, reason: str, taking: Taking) -> Came:
    """Take a held file although its number is not the next one. Call it outside of a transaction.

    Raises NotFoundError; RefusedError without a reason, when it is not held, or when more than its number is wrong:
    what does not agree with its trailer or cannot be read is never applied.
    """
    with exclusive(store.path):
        agency, folder, file = _held(store, agencies, file_id, reason)
        path = _place(folder, file)
        judged, digest = _read(agency, path.parent, (path.name, trailer_name(path.name)), file.kind, taking)
        judged = _under_first_name(judged, path.name, file.name)
        if digest != file.sha256:
            raise RefusedError(f"file in-{file.id} is not what it was when it came: refuse it, and ask for it again")
        if judged.problems or judged.trailer is None:
            raise RefusedError(
                f"file in-{file.id} cannot be taken, whoever releases it: {judged.problems[0]};"
                " refuse it, and ask the agency to send it again"
            )
        if is_number_taken(store, file.agency, file.kind, judged.trailer.number):
            raise RefusedError(f"another file with number {judged.trailer.number} was taken: refuse this one")
        with store.transaction():
            _decide(store, file, FileStatus.TAKEN, reason, taking)
            _apply(store, agency, file, judged, taking)
        _move_held(folder, file, FileStatus.TAKEN)
    return Came(file._replace(status=FileStatus.TAKEN), count_outcomes(store, file.id))


def refuse_file(
    store: Store, agencies: Sequence[AgencyFolder], file_id: int, reason: str, taking: Taking
) -> ReceivedFile:
    """Say of a held file that it is never applied. Raises NotFoundError; RefusedError as ``release_file`` does."""
    with exclusive(store.path):
        _, folder, file = _held(store, agencies, file_id, reason)
        with store.transaction():
            _decide(store, file, FileStatus.REFUSED, reason, taking)
        _move_held(folder, file, FileStatus.REFUSED)
    return file._replace(status=FileStatus.REFUSED)


def _held(
    store: Store, agencies: Sequence[AgencyFolder], file_id: int, reason: str
) -> tuple[AgencyFolder, Path, ReceivedFile]:
    if not reason.strip():
        raise RefusedError("a reason is needed: say what was found, and what was done")
    file = read_received(store, file_id)
    if file.status is not FileStatus.HELD:
        raise RefusedError(f"file in-{file.id} is {file.status}: only a file that is held waits for a person")
    for agency in agencies:
        if agency.name == file.agency and agency.incoming is not None:
            return agency, agency.incoming, file
    raise RefusedError(f"the configuration has no incoming folder for agency {file.agency}")


def _under_first_name(judged: Judged, name: str, first: str) -> Judged:
    """Return what is wrong with a file that lies under another name than the one its trailer tells."""
    renamed = f"file: the trailer says {first}, and it is {name}"
    return judged._replace(problems=tuple(each for each in judged.problems if each != renamed))


def _decide(store: Store, file: ReceivedFile, status: FileStatus, reason: str, taking: Taking) -> None:
    at = utc_text(taking.now)
    decide_received(store, file.id, status, at=at, actor=taking.actor, reason=reason.strip())
    action = "files.release" if status is FileStatus.TAKEN else "files.refuse"
    _audit(store, file, action, reason.strip(), taking)


def _audit(store: Store, file: ReceivedFile, action: str, reason: str, taking: Taking) -> None:
    subject = f"file in-{file.id} of agency {file.agency}"
    append_audit(store, at=taking.now, actor=taking.actor, action=action, subject=subject, reason=reason)


def _place(folder: Path, file: ReceivedFile) -> Path:
    """Return where a file lies once it is settled: its id is in front, for names come again."""
    return folder / _PLACES[file.status] / f"{file.id:06}-{file.name}"


def _move(folder: Path, file: ReceivedFile) -> None:
    new = _place(folder, file).name
    moves = [(file.name, new), (trailer_name(file.name), trailer_name(new))]
    move_to(folder, _PLACES[file.status], moves)


def _move_back(folder: Path, file: ReceivedFile) -> None:
    place = _place(folder, file)
    for old, name in ((place, file.name), (place.with_name(trailer_name(place.name)), trailer_name(file.name))):
        if not (folder / name).exists():
            old.rename(folder / name)


def _move_held(folder: Path, file: ReceivedFile, status: FileStatus) -> None:
    names = [_place(folder, file).name, trailer_name(_place(folder, file).name)]
    move_to(folder, _PLACES[status], [(f"{_PLACES[FileStatus.HELD]}/{name}", name) for name in names])
