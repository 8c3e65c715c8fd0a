"""The text of agency files <-> placements, notices, answers and signals."""
