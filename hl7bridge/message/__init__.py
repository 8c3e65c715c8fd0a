"""HL7 v2 text <-> messages, fields and values."""
