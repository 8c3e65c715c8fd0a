"""Sockets: the listener, the sender and the writer thread."""
