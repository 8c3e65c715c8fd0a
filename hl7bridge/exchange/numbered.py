"""Records for an agency -> a file with a number and a trailer: frozen in the store first, then on disk, at any time."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from hl7bridge.errors import RefusedError
from hl7bridge.exchange.agency import AgencyFolder
from hl7bridge.exchange.folder import exclusive, prepare_folder, write_whole
from hl7bridge.layouts.layout import FileContext, Layout
from hl7bridge.layouts.placements_csv import Trailer, digest_of, encode_trailer
from hl7bridge.layouts.registry import LAYOUTS
from hl7bridge.money import ZERO, money_text
from hl7bridge.placement.records import Notice
from hl7bridge.storage.agency_files import (
    AgencyFile,
    FileKind,
    add_file,
    mark_written,
    next_file_number,
    read_content,
    read_file,
)
from hl7bridge.storage.audit import append_audit
from hl7bridge.storage.database import Store
from hl7bridge.times import utc_text

TRAILER: Final = ".trailer.csv"
_UNSAFE_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]")


def start_placements(store: Store, agency: AgencyFolder, now: dt.datetime) -> AgencyFile:
    """Keep a file of placements that is gathered from now on; inside the caller's transaction."""
    layout = LAYOUTS[agency.layout]
    about = _about(store, agency, FileKind.PLACEMENTS, now)
    file = _file(layout, about, FileKind.PLACEMENTS, now)
    return file._replace(id=add_file(store, file, None))


def freeze_notices(
    store: Store, agency: AgencyFolder, kind: FileKind, notices: Sequence[Notice], total: Decimal, now: dt.datetime
) -> AgencyFile:
    """Keep a file of notices; inside the caller's transaction."""
    layout = LAYOUTS[agency.layout]
    about = _about(store, agency, kind, now)
    data = layout.encode_notices(notices, about)
    file = _file(layout, about, kind, now)._replace(records=len(notices), total=total, sha256=digest_of(data))
    return file._replace(id=add_file(store, file, data))


def _about(store: Store, agency: AgencyFolder, kind: FileKind, now: dt.datetime) -> FileContext:
    number = next_file_number(store, agency.name, kind)
    return FileContext(agency.name, number, now.astimezone(dt.UTC).date(), agency.client_number)


def _file(layout: Layout, about: FileContext, kind: FileKind, now: dt.datetime) -> AgencyFile:
    name = f"{kind}-{_UNSAFE_IN_NAMES.sub('_', about.agency)}-{about.number:06}-{about.created_on:%Y%m%d}"
    return AgencyFile(
        id=0,
        agency=about.agency,
        kind=kind,
        number=about.number,
        name=f"{name}.{layout.suffix}",
        records=0,
        total=ZERO,
        sha256="",
        layout=layout.name,
        layout_version=layout.version,
        created_at=utc_text(now),
    )


def write_file(store: Store, agency: AgencyFolder, file: AgencyFile, now: dt.datetime) -> AgencyFile:
    """Write a file and then its trailer from what was frozen, and say so. The bytes are the same at every attempt."""
    data = read_content(store, file)
    prepare_folder(agency.folder)
    write_whole(agency.folder, file.name, data)
    write_whole(agency.folder, trailer_name(file.name), encode_trailer(_trailer(file)))
    with store.transaction():
        mark_written(store, file.id, utc_text(now))
    return file


def trailer_name(name: str) -> str:
    """Return the name of the trailer of a file."""
    return name.rpartition(".")[0] + TRAILER


def resend_file(
    store: Store, agencies: Sequence[AgencyFolder], file_id: int, *, now: dt.datetime, actor: str
) -> AgencyFile:
    """Write a file once more, the same bytes under the same name. Call it outside of a transaction.

    Raises NotFoundError; RefusedError when its agency is not configured; StoreError when it cannot be written.
    """
    with exclusive(store.path):
        file = read_file(store, file_id)
        agency = next((each for each in agencies if each.name == file.agency), None)
        if agency is None:
            raise RefusedError(f"the configuration has no agency {file.agency}, so there is no folder to write to")
        written = write_file(store, agency, file, now)
        with store.transaction():
            append_audit(store, at=now, actor=actor, action="files.resend", subject=f"file {file.name}")
    return written


def _trailer(file: AgencyFile) -> Trailer:
    return Trailer(
        file.name, file.number, file.agency, file.records, money_text(file.total), file.sha256, file.created_at,
        file.kind, file.layout, file.layout_version,
    )  # fmt: skip
