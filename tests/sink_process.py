"""``hl7bridge sink`` as a process of its own: what it said, and what it kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Self

from listening import SECONDS, wait_until
from running_daemon import ROOT


class RunningSink:
    """A sink on a port of its own. ``events`` are its lines; each message as it came is a file of ``saved``."""

    def __init__(self, folder: Path, *behaviours: str, options: tuple[str, ...] = (), port: int = 0) -> None:
        self.saved = folder / "saved"
        self.events: list[dict[str, Any]] = []
        told = [argument for each in behaviours for argument in ("--behave", each)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hl7bridge", "sink", "--bind", f"127.0.0.1:{port}", "--json",
             "--save", str(self.saved), *told, *options],
            stdout=subprocess.PIPE, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port: int = wait_until(lambda: self.events and self.events[0], "the sink does not listen")["port"]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Return what it said of each message."""
        return [each for each in self.events if each["event"] == "message"]

    def stop(self) -> dict[str, Any]:
        """End it, and return its counts; it must exit 0."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(SECONDS) == 0
        self._reader.join(SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.events[-1]
