"""Placements and payments <-> the text of agency files."""
