"""The daemon with a clock that a test moves: ``python virtual_daemon.py serve --config FILE``.

The time is what the file says that VIRTUAL_CLOCK names; the daemon looks at it, and into folders, far more often.
"""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

from hl7bridge import service
from hl7bridge.cli.main import main

_FILE = Path(os.environ["VIRTUAL_CLOCK"])


def virtual_now() -> dt.datetime:
    """Return the time that the test has set."""
    return dt.datetime.fromisoformat(_FILE.read_text())


service._now = virtual_now
service._LOOK_SECONDS = service._CLOCK_SECONDS = service._FOLDER_SECONDS = 0.05

if __name__ == "__main__":
    main(prog_name="hl7bridge")
