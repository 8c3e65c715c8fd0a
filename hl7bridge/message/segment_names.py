"""The names of segments in words: hl7apy's tables have none. Source: HL7 v2.5.1 appendix A, v2.8 for ARV and PRT."""

from __future__ import annotations

from typing import Final

SEGMENT_NAMES: Final = {
    "ABS": "Abstract",
    "ACC": "Accident",
    "AL1": "Patient allergy information",
    "ARV": "Access restriction",
    "BLC": "Blood code",
    "DB1": "Disability",
    "DG1": "Diagnosis",
    "DRG": "Diagnosis related group",
    "ERR": "Error",
    "EVN": "Event type",
    "FT1": "Financial transaction",
    "GP1": "Grouping/reimbursement, visit",
    "GP2": "Grouping/reimbursement, procedure line item",
    "GT1": "Guarantor",
    "IN1": "Insurance",
    "IN2": "Insurance additional information",
    "IN3": "Insurance additional information, certification",
    "MRG": "Merge patient information",
    "MSA": "Message acknowledgment",
    "MSH": "Message header",
    "NK1": "Next of kin/associated parties",
    "NTE": "Notes and comments",
    "OBR": "Observation request",
    "OBX": "Observation/result",
    "ORC": "Common order",
    "PD1": "Patient additional demographic",
    "PDA": "Patient death and autopsy",
    "PID": "Patient identification",
    "PR1": "Procedures",
    "PRT": "Participation information",
    "PV1": "Patient visit",
    "PV2": "Patient visit, additional information",
    "RMI": "Risk management incident",
    "ROL": "Role",
    "SFT": "Software",
    "UAC": "User authentication credential",
    "UB1": "UB82 data",
    "UB2": "UB92 data",
}


def segment_name(code: str) -> str:
    """Return what HL7 calls a segment, in words; "" for one that does not meet a billing feed."""
    return SEGMENT_NAMES.get(code, "")
