"""The servers that are measured, each a process on a free port: the daemon as ``init`` sets it up, and the peer."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import IO, Final, NamedTuple

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 30.0
_SHIPPED_PORT: Final = "127.0.0.1:2575"


class Server(NamedTuple):
    """A server that listens on a port of loopback."""

    name: str
    pid: int
    port: int


@contextmanager
def bridge(folder: Path) -> Iterator[Server]:
    """Run ``hl7bridge serve`` for the block: encrypted store in ``folder``, synchronous=FULL, the shipped settings."""
    program = [sys.executable, "-m", "hl7bridge"]
    subprocess.run([*program, "init", str(folder)], check=True, stdout=subprocess.DEVNULL)
    config = folder / "hl7bridge.toml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace(_SHIPPED_PORT, "127.0.0.1:0"), encoding="utf-8")
    process = subprocess.Popen([*program, "serve", "--config", str(config)], stderr=subprocess.PIPE, text=True)
    with _running("hl7bridge", process, process.stderr, _listening_port) as server:
        yield server


@contextmanager
def peer() -> Iterator[Server]:
    """Run python-hl7's MLLP server for the block."""
    program = [sys.executable, "-m", "benchmarks.peer_server"]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
    with _running("python-hl7", process, process.stdout, _printed_port) as server:
        yield server


def _listening_port(line: str) -> int | None:
    if '"event": "listening"' not in line:
        return None
    port: int = json.loads(line)["port"]
    return port


def _printed_port(line: str) -> int | None:
    return int(line) if line.strip().isdigit() else None


@contextmanager
def _running(
    name: str, process: subprocess.Popen[str], output: IO[str] | None, port_in: Callable[[str], int | None]
) -> Iterator[Server]:
    """Wait until a line of ``output`` tells the port; read on all the while, so that the server never blocks on it."""
    if output is None:
        raise RuntimeError("the process was started without a pipe")
    found: SimpleQueue[int | None] = SimpleQueue()
    reader = Thread(target=_read_lines, args=(output, port_in, found))
    reader.start()
    try:
        port = found.get(timeout=START_SECONDS)
        if port is None:
            raise RuntimeError(f"{name} ended before it listened")
        yield Server(name, process.pid, port)
    except Empty:
        raise RuntimeError(f"{name} did not listen within {START_SECONDS:.0f} s") from None
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join()
        output.close()


def _read_lines(output: IO[str], port_in: Callable[[str], int | None], found: SimpleQueue[int | None]) -> None:
    """Read a server's output to its end; tell the port, or None when the server ends without having told one."""
    is_told = False
    for line in output:
        port = None if is_told else port_in(line)
        if port is not None:
            found.put(port)
            is_told = True
        elif not is_told:
            sys.stderr.write(line)
    if not is_told:
        found.put(None)
