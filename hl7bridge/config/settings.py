"""The shape of hl7bridge.toml: frozen settings with safe defaults; keys nobody knows are refused."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr

from hl7bridge.config.setting_types import (
    AckCode,
    AgencyText,
    AllowedNetwork,
    Bind,
    BlockSize,
    Charset,
    Connect,
    Duration,
    Filled,
    Hl7Text,
    Name,
    Names,
    ProcessingId,
    Sender,
    SettingPath,
    Sign,
    TimeOfDay,
    TimeZone,
    Tolerance,
    Years,
    list_to_tuple,
)


class Section(BaseModel):
    """What all parts of the file share: nothing is changed once read, no key is made up, no type is guessed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)


class StoreSettings(Section):
    """Where the encrypted database is, and its key."""

    path: SettingPath = Field(default="data/hl7bridge.db", validate_default=True)
    key_file: SettingPath = Field(default="secrets/store.key", validate_default=True)


class ListenerTls(Section):
    """A listener's certificate; with ``client_ca`` a client must show a certificate which that authority signed."""

    certificate: SettingPath
    key: SettingPath
    client_ca: SettingPath | None = None
    clients: dict[Filled, Names] = {}  # name on the client's certificate -> MSH-4 it may send for; empty: any


class ListenerSettings(Section):
    """One MLLP port for an EHR's feed."""

    name: Name
    bind: Bind
    mapping: Name | None = None  # None: chosen by sender
    processing_ids: Annotated[tuple[ProcessingId, ...], BeforeValidator(list_to_tuple)] = ("P",)
    max_block: BlockSize = 16 << 20
    tolerate: Annotated[tuple[Tolerance, ...], BeforeValidator(list_to_tuple)] = ()
    mllp_release: Literal[1, 2] = 1
    charset: Charset | None = None  # None: a message that names none is UTF-8, or else Windows-1252
    charset_for: Literal["blank", "all"] = "blank"
    idle_timeout: Duration | None = None  # None: a quiet connection stays; TCP keep-alive finds a dead one
    block_timeout: Duration = dt.timedelta(seconds=30)
    reply_timeout: Duration = dt.timedelta(seconds=60)
    max_connections: int = Field(default=4096, ge=1, le=100_000)
    max_connections_per_peer: int | None = Field(default=None, ge=1, le=100_000)
    takeover_after: Duration = dt.timedelta(seconds=60)
    error_policy: Literal["nak", "park"] = "nak"
    reused_control_id: Literal["accept", "refuse"] = "accept"
    unmapped: Literal["ignore", "refuse"] = "ignore"
    unasked: Literal["answer", "silent"] = "silent"
    application_ack_to: Name | None = None  # None: on the sender's own connection
    sequence_protocol: bool = False
    batch_reply: Literal["batch", "each"] = "batch"
    require_account: bool = False  # True: a DFT or BAR for an account that no ADT told of is refused (AE 204)
    allow: Annotated[tuple[AllowedNetwork, ...], BeforeValidator(list_to_tuple)] = ()  # empty: any peer
    plaintext_off_loopback: bool = False
    tls: ListenerTls | None = None


class DestinationTls(Section):
    """The authority that must have signed a destination's certificate, and our own certificate if it asks for one."""

    ca: SettingPath
    certificate: SettingPath | None = None
    key: SettingPath | None = None


class RetrySettings(Section):
    """The wait before the first retry, the longest wait, and after how many attempts a delivery is held."""

    first: Duration = dt.timedelta(seconds=1)
    ceiling: Duration = dt.timedelta(minutes=5)
    attempts: int = Field(default=10, ge=1, le=1000)


class CodesSettings(Section):
    """FT1-7 transaction codes (table 0132, the site's own) for what an agency posts."""

    payment: Hl7Text = "AGYPAY"
    adjustment: Hl7Text = "AGYADJ"
    payment_by_agency: dict[Filled, Hl7Text] = {}  # an agency's own codes, before those for all
    adjustment_by_agency: dict[Filled, Hl7Text] = {}


class LockboxSettings(Section):
    """The folder where payments are written as lockbox files, for an EHR that takes no DFT^P03."""

    folder: SettingPath
    layout: Literal["a", "csv"] = "a"
    number: AgencyText = "1"  # the lockbox's, in the header record
    write_at: TimeOfDay | None = None  # None: within a minute of what is queued
    acknowledgements: SettingPath | None = None  # None: a person says what the EHR took


class DestinationSettings(Section):
    """One MLLP port, or a lockbox folder, that takes payments back, and how the EHR behind it wants them."""

    name: Name
    connect: Connect | None = None  # one of connect and lockbox
    lockbox: LockboxSettings | None = None
    mapping: Name | None = None  # whose [outbound] section says how payments are written
    window: int = Field(default=1, ge=1, le=64)  # connections at once; an account's payments stay in order
    connection: Literal["keep", "per_message"] = "keep"
    idle_close: Duration | None = None  # None: a kept connection stays open
    ack_mode: Literal["original", "enhanced"] = "original"
    application_ack_within: Duration = dt.timedelta(hours=1)
    verdicts: dict[AckCode, Literal["accepted", "held", "retry"]] = {}  # empty: AA CA accepted, AE CE held, AR CR retry
    on_unknown: Literal["hold", "resend-same", "query"] = "hold"
    echo_within: Duration = dt.timedelta(hours=1)  # how long "query" waits for the echo
    batch: Literal["payment", "account", "remittance"] = "payment"
    alarm_after: Duration = dt.timedelta(minutes=15)  # age of the oldest payment that is not in the EHR
    ack_timeout: Duration = dt.timedelta(seconds=30)
    connect_timeout: Duration = dt.timedelta(seconds=10)
    version: Literal["2.3", "2.3.1", "2.4", "2.5", "2.5.1"] = "2.5.1"
    sending_application: Hl7Text = "HL7BRIDGE"
    sending_facility: Hl7Text = ""
    receiving_application: Hl7Text = ""
    receiving_facility: Hl7Text = ""
    processing_id: ProcessingId = "P"
    payment_sign: Sign = "positive"
    adjustment_sign: Sign = "positive"
    reversal: Literal["negative", "credit"] = "negative"
    pid_2: Literal["empty", "account"] = "empty"
    codes: CodesSettings = CodesSettings()
    retry: RetrySettings = RetrySettings()
    facilities: Names = ()  # empty: every facility that no other destination names
    plaintext_off_loopback: bool = False
    tls: DestinationTls | None = None


class AgencySettings(Section):
    """One collection agency: the folders files are exchanged in, their layout, what it gets, and by when it answers."""

    name: Name
    outgoing: SettingPath
    incoming: SettingPath | None = None  # None: it answers with no files
    layout: Literal["csv", "jsonl", "aim", "tsi"] = "csv"
    payment_layout: Literal["csv", "jsonl", "aim", "tsi", "ygc"] | None = None  # None: as layout
    unplaced: Literal["post", "suspense"] = "post"  # its payments of accounts that it was never sent
    client_number: AgencyText = ""  # what the agency calls the hospital
    fields: Names | None = None  # None: the shipped allow-list
    acknowledge_within: Duration = dt.timedelta(days=3)
    stop_within: Duration = dt.timedelta(days=1)  # a stop that is not acknowledged by then raises an alarm
    suspend_at_most: Duration = dt.timedelta(days=50)
    recall_within: Duration = dt.timedelta(days=10)
    objection_extends: Duration = dt.timedelta(days=14)
    keep_at_most: Years | None = None  # None: a placement is not recalled for its age
    increases: Literal["review", "send"] = "review"  # a balance that grew: by a person, or told at once


class FacilitySettings(Section):
    """A facility as MSH-4 or the mapping names it, and the zone of its days."""

    code: Filled
    name: str = ""
    time_zone: TimeZone = "UTC"


class RulesSettings(Section):
    """The placement rules and the time of day (reports' zone) at which due accounts are decided."""

    file: SettingPath = Field(default="rules.toml", validate_default=True)
    run_at: TimeOfDay = dt.time(5, 0)
    feed_within: Duration | None = None  # None: placements are sent however long no message has come


class MappingsSettings(Section):
    """The mapping files; ``senders`` is MSH-3|MSH-4 to a mapping's name, ``default`` is for all others."""

    folder: SettingPath = Field(default="mappings", validate_default=True)
    default: Name = "generic"
    senders: dict[Sender, Name] = {}


class ReportsSettings(Section):
    """The zone of the days in reports and of accounts whose facility is not configured."""

    time_zone: TimeZone = "UTC"


class Settings(Section):
    """A whole configuration. Paths are absolute, durations timedeltas, sizes bytes."""

    store: StoreSettings = Field(default={}, validate_default=True)
    listeners: Annotated[tuple[ListenerSettings, ...], BeforeValidator(list_to_tuple)] = ()
    destinations: Annotated[tuple[DestinationSettings, ...], BeforeValidator(list_to_tuple)] = ()
    agencies: Annotated[tuple[AgencySettings, ...], BeforeValidator(list_to_tuple)] = ()
    facilities: Annotated[tuple[FacilitySettings, ...], BeforeValidator(list_to_tuple)] = ()
    rules: RulesSettings = Field(default={}, validate_default=True)
    mappings: MappingsSettings = Field(default={}, validate_default=True)
    reports: ReportsSettings = ReportsSettings()
    _file: Path = PrivateAttr(default=Path("hl7bridge.toml"))

    @property
    def file(self) -> Path:
        """The file these settings came from, absolute."""
        return self._file

    def destination_for(self, facility: str) -> DestinationSettings | None:
        """Return the destination that names ``facility``, else the one that takes all others, else None."""
        for destination in self.destinations:
            if facility in destination.facilities:
                return destination
        return next((each for each in self.destinations if not each.facilities), None)

    def time_zone_of(self, facility: str) -> str:
        """Return the zone of a facility's days; the reports' zone when the facility is not configured."""
        return next((each.time_zone for each in self.facilities if each.code == facility), self.reports.time_zone)
