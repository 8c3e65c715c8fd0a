"""Account facts and today -> decision with reasons."""
