"""hl7bridge: the daemon between a hospital's EHR (HL7 v2) and its collection agencies."""

__version__ = "0.1.0"
