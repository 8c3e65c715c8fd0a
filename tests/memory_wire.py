"""A connection in memory, for what a partner says and does on it."""

from __future__ import annotations

from twisted.internet import error
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

ACK = b"\x0bMSH|^~\\&|EHR|||||ACK|R1|P|2.5.1\rMSA|AA|HB1\r\x1c\r"


class Wire(StringTransport):
    """A connection in memory."""

    def setTcpNoDelay(self, _on):
        """Take the option."""

    def setTcpKeepAlive(self, _on):
        """Take the option."""

    def abortConnection(self):
        """Close at once."""
        self.disconnecting = True


def lose(partner):
    """Close the connection from the other side."""
    partner.connectionLost(Failure(error.ConnectionDone()))
