"""Reply -> accepted, retry, held or unknown."""
