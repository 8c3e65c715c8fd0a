"""The library that stands between the daemon and the disk, built from syncshim.c where there is a compiler."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

COMPILER = shutil.which("gcc") or shutil.which("cc")
# It is C, and a newcomer's machine may have no compiler; the gate's has one.
collect_ignore = [] if COMPILER else ["test_power_cut.py", "test_disk_without_space.py"]


@pytest.fixture(scope="session")
def shim(tmp_path_factory):
    """Return the library's path."""
    library = tmp_path_factory.mktemp("shim") / "syncshim.so"
    source = Path(__file__).with_name("syncshim.c")
    options = ["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([COMPILER, *options, "-o", str(library), str(source)], check=True)
    return library
