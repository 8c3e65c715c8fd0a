"""Files of a configuration -> their texts, each read once: what is compiled is what is kept as a version of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path


class ConfigTexts:
    """The texts of files by absolute path, remembered as they are read; or, when given ``known``, those and no others.

    ``read_so_far`` has each text just as it stands on the disk, byte order mark and line ends included.
    """

    def __init__(self, known: Mapping[Path, str] | None = None) -> None:
        self._is_closed = known is not None
        self.read_so_far: dict[Path, str] = dict(known or {})

    def read(self, path: Path) -> str:
        """Return a file's text with its lines ended by LF. Raises FileNotFoundError, OSError, UnicodeDecodeError."""
        text = self.read_so_far.get(path)
        if text is None:
            if self._is_closed:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
            text = self.read_so_far[path] = path.read_bytes().decode("utf-8")
        return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
