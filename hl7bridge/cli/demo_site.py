"""A folder -> a configured bridge in it: real commands run there, and the real daemon, stopped whatever happens."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import hl7bridge
from hl7bridge.errors import BridgeError

CONFIG: Final = "hl7bridge.toml"
LOG: Final = "daemon.log"
_START_SECONDS: Final = 60.0  # to listen; a second is usual
_STOP_SECONDS: Final = 30.0
_COMMAND_SECONDS: Final = 120.0
_LOOK_SECONDS: Final = 0.02
_READY: Final = '"event": "ready"'
_LAST_LINES: Final = 5
# A daemon under systemd has these; the one of the demo is its own.
_NOT_OURS: Final = ("CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class Site:
    """One folder with a configuration of its own, and how to run ``hl7bridge`` in it as a shell would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._program = [sys.executable, "-m", "hl7bridge"]
        # The commands run in another folder: say where this very package is, installed or a checkout.
        package = str(Path(hl7bridge.__file__).parents[1])
        path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
        self._environment = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
        self._environment |= {"PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"}

    def run(self, *arguments: str) -> str:
        """Run a command and return what it prints. Raises BridgeError, with what it said, when it does not exit 0."""
        done = subprocess.run(  # noqa: S603  (this very program)
            [*self._program, *arguments],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        if done.returncode:
            said = " ".join(done.stderr.split()) or "it said nothing"
            raise BridgeError(f"'hl7bridge {' '.join(arguments)}' ended with {done.returncode}: {said}")
        return done.stdout

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        """Run a command with ``--json`` and return its rows."""
        return [json.loads(line) for line in self.run(*arguments, "--json").splitlines()]

    def configure(self, changes: dict[str, str]) -> None:
        """Change lines of the settings file. Raises BridgeError when a text to be changed is not there."""
        path = self.folder / CONFIG
        text = path.read_text(encoding="utf-8")
        for old, new in changes.items():
            if old not in text:
                raise BridgeError(f"{path}: there is no {old} to change")
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")

    @contextmanager
    def daemon(self) -> Iterator[None]:
        """Run ``hl7bridge serve`` for the block, listening when it begins; stop it gracefully, also after an error.

        Raises BridgeError with the last lines of its log when it does not start, or does not stop as it should.
        """
        with (self.folder / LOG).open("wb") as log:
            # A session of its own: Ctrl-C is ours to answer, and we tell it to stop ourselves.
            process = subprocess.Popen(  # noqa: S603  (this very program)
                [*self._program, "serve"],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._wait_until_ready(process)
            yield
        finally:
            code = _stop(process)
        if code:
            raise BridgeError(f"the daemon ended with {code}: {self._last_lines()}")

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        log = self.folder / LOG
        deadline = time.monotonic() + _START_SECONDS
        while _READY not in log.read_text(encoding="utf-8"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise BridgeError(f"the daemon did not start: {self._last_lines()}")
            time.sleep(_LOOK_SECONDS)

    def _last_lines(self) -> str:
        lines = (self.folder / LOG).read_text(encoding="utf-8").splitlines()
        return "\n".join(lines[-_LAST_LINES:]) or "its log is empty"


def _stop(process: subprocess.Popen[bytes]) -> int:
    """Tell a daemon to stop and return its exit code; one that does not, or a second Ctrl-C, ends it at once."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(_STOP_SECONDS)
    except BaseException as error:
        process.kill()
        process.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            raise BridgeError(f"the daemon did not stop within {_STOP_SECONDS:.0f} seconds") from None
        raise


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody uses at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
