"""What the pipeline uses of the configuration: each listener's policy, the mappings, whose mapping is whose."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import NamedTuple

from hl7bridge.delivery.policy import DeliveryRules
from hl7bridge.mapping.spec import Mapping as MappingSpec
from hl7bridge.message.model import Message
from hl7bridge.reacting import ReactionSettings
from hl7bridge.rules.due import DueDays


class Policy(NamedTuple):
    """What one listener takes."""

    name: str
    processing_ids: frozenset[str] = frozenset({"P"})
    refuse_reused_control_id: bool = False
    refuse_unmapped: bool = False
    require_account: bool = False
    answer_unasked: bool = False
    mapping: str | None = None
    parks: bool = False  # what would be refused for what it says is taken, and kept for a person
    sequence_protocol: bool = False
    application_ack_to: str | None = None  # the destination of application replies; None: the sender's connection
    charset: str | None = None  # by its name in table 0211, for a message that names none
    charset_overrides: bool = False  # and also for one that does


class Setup(NamedTuple):
    """What of the configuration the pipeline uses; replaced as a whole by a reload.

    Without ``reaction`` no agency is told of what changes: the store keeps what would have to be told.
    """

    policies: Mapping[str, Policy]
    mappings: Mapping[str, MappingSpec]
    senders: Mapping[tuple[str, str], str]
    default_mapping: str
    zone_of: Callable[[str], dt.tzinfo]
    due_on: DueDays
    reaction: ReactionSettings | None = None
    deliveries: Mapping[str, DeliveryRules] = {}  # by destination: how its replies are taken

    def mapping_name(self, listener: str, message: Message) -> str:
        """Return which mapping reads a message: the listener's own, else the sender's, else the default."""
        return self.policies[listener].mapping or self.senders.get(message.sender) or self.default_mapping
