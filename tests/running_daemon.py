"""The daemon as a process of its own, as systemd runs it: its folder, its log, its port and its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from cli_samples import init_folder
from listening import SECONDS, Sender, wait_until

from hl7bridge.storage.database import Store, open_store, read_key

ROOT = Path(__file__).parent.parent
# Becomes the daemon, with sockets at the descriptors and under the names that a service manager would give them.
PASS_ON = """
import fcntl, os, sys
names, *descriptors = sys.argv[1].split()
moved = [fcntl.fcntl(int(each), fcntl.F_DUPFD, 100) for each in descriptors]
for at, each in enumerate(moved):
    os.dup2(each, 3 + at)
    os.close(each)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(moved)), "LISTEN_FDNAMES": names}
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


def make_folder(folder: Path) -> Path:
    """Write a configuration as ``init`` does, with a port that the kernel chooses, and return its file."""
    config = init_folder(folder)
    edit(config, 'bind = "127.0.0.1:2575"', 'bind = "127.0.0.1:0"')
    edit(config, 'connect = "127.0.0.1:2576"', 'connect = "127.0.0.1:9"')
    return config


def edit(path: Path, old: str, new: str) -> None:
    """Change one place of a file."""
    text = path.read_text()
    assert text.count(old) == 1, (old, text.count(old))
    path.write_text(text.replace(old, new))


def serve(
    config: Path,
    *,
    passed: Sequence[socket.socket] = (),
    names: str = "",
    program: Sequence[str] = ("-m", "hl7bridge"),
    **env: str,
) -> subprocess.Popen[bytes]:
    """Start ``hl7bridge serve``; its log is on a pipe. It gets sockets ``passed``, whose names have colons between."""
    known = {"PYTHONPATH": str(ROOT), **{name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}}
    command = [*program, "serve", "--config", str(config)]
    descriptors = [each.fileno() for each in passed]
    if passed:
        command = ["-c", PASS_ON, " ".join([names or ":", *map(str, descriptors)]), *command]
    return subprocess.Popen(
        [sys.executable, *command],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=known | env,
        cwd=ROOT,
        pass_fds=descriptors,
    )


def failed_start(config: Path, **options: Any) -> list[str]:
    """Start a daemon that cannot run, and return the lines it says that are not log events; it must exit 1."""
    with serve(config, **options) as process:
        said = process.communicate(timeout=SECONDS)[1].decode()
        assert process.returncode == 1, said
    return [line for line in said.splitlines() if not line.startswith("{")]


class RunningDaemon:
    """A daemon that listens. ``events`` has each line of its log that is JSON, ``said`` each line that is not."""

    def __init__(self, config: Path, **options: Any) -> None:
        self.config = config
        self.events: list[dict[str, Any]] = []
        self.said: list[str] = []
        self.process = serve(config, **options)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.wait_for("ready")
        self.port: int = self.wait_for("listening")["port"]

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if line.startswith(b"{"):
                self.events.append(json.loads(line))
            else:
                self.said.append(line.decode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self.process.poll() is None:
            self.kill()
        self._reader.join(SECONDS)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def wait_for(self, event: str, count: int = 1) -> dict[str, Any]:
        """Return the ``count``-th log event of a name, once it is there."""
        return wait_until(
            lambda: len(found := self.named(event)) >= count and found[count - 1], f"{event}: {self.said}"
        )

    def named(self, event: str) -> list[dict[str, Any]]:
        """Return the log events of a name."""
        return [each for each in self.events if each["event"] == event]

    def signal(self, number: int) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill -9."""
        self.process.kill()
        self.process.wait(SECONDS)

    def stop(self) -> None:
        """Stop with SIGTERM; it must end by itself, exit 0, and say nothing that is not a log event."""
        self.signal(signal.SIGTERM)
        assert self.process.wait(SECONDS) == 0
        self._reader.join(SECONDS)
        assert self.said == []

    def sender(self) -> Sender:
        """Return a connection to its first listener."""
        return Sender(self.port)

    def store(self) -> Store:
        """Return a connection to its store; the caller closes it."""
        return open_store(
            self.config.parent / "data" / "hl7bridge.db", read_key(self.config.parent / "secrets/store.key")
        )
