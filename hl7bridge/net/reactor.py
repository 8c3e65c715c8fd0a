"""The one reactor, on the monotonic clock: a step of the wall clock must not stall every timeout (Twisted #2424)."""

from __future__ import annotations

import time
from typing import Any, cast

from twisted.internet import reactor as _reactor

reactor = cast("Any", _reactor)
reactor.seconds = time.monotonic
