"""The log of the daemon: an event a line as JSON, also of what fails inside, and never what was sent."""

from __future__ import annotations

import json
import subprocess
import sys

from running_daemon import ROOT

TROUBLE = """
from hl7bridge.cli.serve import _configure_logs
_configure_logs()
from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
log = Logger()
log.info("TESTPATIENT is not logged at all")
log.error("TESTPATIENT went wrong")
try:
    raise ValueError("TESTPATIENT^AURELIA")
except ValueError:
    log.failure("TESTPATIENT")
fail(KeyError("TESTPATIENT"))
log.critical("{x}", x="TESTPATIENT")
"""


def test_a_failure_inside_is_logged_by_kind_and_place_and_never_by_its_text():
    """Also what the networking library reports by itself, which would print a traceback otherwise."""
    ran = subprocess.run([sys.executable, "-c", TROUBLE], capture_output=True, cwd=ROOT, check=True, text=True)
    assert ran.stdout == ""
    assert "TESTPATIENT" not in ran.stderr
    events = [json.loads(line) for line in ran.stderr.splitlines()]
    assert [(event["event"], event["kind"], event["place"]) for event in events] == [
        ("internal_error", "", ""),
        ("internal_error", "ValueError", "<string>:10"),
        ("internal_error", "", ""),
        ("internal_error", "KeyError", ""),
        ("internal_error", "", ""),
    ]
    assert all(event["level"] == "error" and event["timestamp"].endswith("Z") for event in events)
