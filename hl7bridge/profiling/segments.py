"""The segments of messages -> which came, in how many messages, and which fields of a site's own Z-segments."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from hl7bridge.message.model import Message
from hl7bridge.profiling.shapes import Shapes, shape_of

OTHER: Final = "(other)"  # a line that begins with no segment's name: it may begin with a person's
MOST_OWN: Final = 50  # Z-segments, by name
MOST_FIELDS: Final = 64  # of a Z-segment
# Every segment of any version. hl7apy has them too, and takes a second to say so.
_STANDARD: Final = """
    ABS ACC ADD ADJ AFF AIG AIL AIP AIS AL1 APR ARQ ARV AUT BHS BLC BLG BPO BPX BTS BTX BUI CDM CDO CER CM0 CM1 CM2
    CNS CON CSP CSR CSS CTD CTI DB1 DG1 DMI DON DPS DRG DSC DSP ECD ECR EDU EQL EQP EQU ERQ ERR EVN FAC FHS FT1 FTS
    GOL GP1 GP2 GT1 IAM IAR IIM ILT IN1 IN2 IN3 INV IPC IPR ISD ITM IVC IVT LAN LCC LCH LDP LOC LRL MCP MFA MFE MFI
    MRG MSA MSH NCK NDS NK1 NPU NSC NST NTE OBR OBX ODS ODT OM1 OM2 OM3 OM4 OM5 OM6 OM7 OMC ORC ORG ORO OVR PAC PCE
    PCR PD1 PDA PDC PEO PES PID PKG PM1 PMT PR1 PRA PRB PRC PRD PRT PSG PSH PSL PSS PTH PV1 PV2 PYE QAK QID QPD QRD
    QRF QRI RCP RDF RDT REL RF1 RFI RGS RMI ROL RQ1 RQD RX1 RXA RXC RXD RXE RXG RXO RXR RXV SAC SCD SCH SCP SDD SFT
    SGH SGT SHP SID SLT SPM SPR STF STZ TCC TCD TQ1 TQ2 TXA UAC UB1 UB2 URD URS VAR VND VTQ
"""
STANDARD: Final = frozenset(_STANDARD.split())
_OWN: Final = re.compile(r"Z[A-Z0-9]{2}", re.ASCII)


class SegmentCounts:
    """Counts of segments. Memory is bounded whatever comes."""

    def __init__(self) -> None:
        self.messages: dict[str, int] = {}  # that have the segment
        self.segments: dict[str, int] = {}
        self.own: dict[tuple[str, int], Shapes] = {}  # Z-segment and field -> shapes
        self._names: dict[str, str] = {}

    def take(self, message: Message) -> None:
        """Count the segments of one message."""
        seen: set[str] = set()
        segments, names = self.segments, self._names
        for segment in message.segments:
            start = segment[:3]
            name = names[start] if start in names else self._name(start)
            segments[name] = segments.get(name, 0) + 1
            seen.add(name)
        for name in seen:
            self.messages[name] = self.messages.get(name, 0) + 1
            if name[0] == "Z":
                self._take_own(name, message)

    def _name(self, start: str) -> str:
        """Return the name of a segment, or OTHER for what is none."""
        if _OWN.fullmatch(start):
            if sum(name[0] == "Z" for name in self._names) >= MOST_OWN:
                return OTHER
        elif start not in STANDARD:
            return OTHER
        self._names[start] = start
        return start

    def _take_own(self, name: str, message: Message) -> None:
        for row in message.fields(name):
            for number, text in enumerate(row[1 : MOST_FIELDS + 1], 1):
                if text:
                    self.own.setdefault((name, number), Shapes()).add(shape_of(text))

    def unmapped(self, mapped: Collection[str]) -> list[str]:
        """Return the segments that came and of which the mapping reads nothing, the most frequent first."""
        names = [name for name in self.messages if name not in mapped]
        return sorted(names, key=lambda name: (-self.messages[name], name))
