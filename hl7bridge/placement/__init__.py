"""Lifecycle of a placement and what an agency gets."""
