"""MLLP byte stream <-> blocks."""
