"""The rules of framing once more, as plainly as they can be said: all bytes are there and no state is kept."""

import re

from hl7bridge.wire import events as wire
from hl7bridge.wire.mllp import Block, Junk, Oversize, Truncated

PADDING = b"\r\n\x00 "
NAMES = (b"MSH", b"FHS", b"BHS")
OPENING = re.compile(rb"(MSH|FHS|BHS)[^\w\s\x00-\x20\x7f-\xff\"]|(MSH|FHS|BHS)_")
ENDS_BATCH_TEXT = {b"M": NAMES, b"B": (b"BHS", b"FHS"), b"F": (b"FHS",)}


class Model:
    """What a whole connection's bytes are, with nothing but the rules."""

    def __init__(self, data, limit, tolerances):
        self.data, self.limit, self.tolerances = data, limit, tolerances
        self.takes_bare = bool({"no_start", "unframed"} & tolerances)

    def events(self):
        """The events, the stream's end included."""
        found, at = [], 0
        while at < len(self.data):
            start, is_framed = self.find_start(at)
            found += self.junk(self.data[at:start])
            if start == len(self.data):
                break
            begin = start + is_framed
            if begin == len(self.data):
                break
            mark, end = self.find_end(begin, is_framed)
            if end - begin > self.limit:
                return [*found, Oversize(self.limit + 1, self.data[begin : begin + self.limit][: wire.HEAD_BYTES])]
            found += self.block(self.data[begin:end], mark, is_framed)
            at = end + {"FS CR": 2, "FS": 1}.get(mark, 0)
        return found

    def find_start(self, at):
        """Where the next block begins, and whether a start byte stands there; the length when none does."""
        for start in range(at, len(self.data)):
            if self.data[start] == 0x0B:
                return start, True
            is_line = not self.data[at:start].strip(PADDING) or self.data[start - 1] in b"\r\n\x00"
            if self.takes_bare and is_line and OPENING.match(self.data, start):
                return start, False
        return len(self.data), False

    def find_end(self, begin, is_framed):
        """What ends the block, and where."""
        data = self.data
        for at in range(begin if is_framed else begin + 4, len(data)):
            if self.is_start(at, begin):
                return "VT", at
            if data[at] == 0x1C and data[at + 1 : at + 2] == b"\r":
                return "FS CR", at
            if data[at] == 0x1C and self.is_start(at + 1, begin):
                return "FS", at
            if not is_framed and "unframed" in self.tolerances and at > begin + 4 and data[at - 1] in b"\r\n\x00":
                found = OPENING.match(data, at)
                if found and data[at : at + 3] in ENDS_BATCH_TEXT[data[begin : begin + 1]]:
                    return "line", at
        if not is_framed and data[-1] == 0x1C and len(data) - 1 - begin <= self.limit:
            return "FS", len(data) - 1
        return "close", len(data)

    def is_start(self, at, begin):
        """Whether a start byte there begins another block."""
        if self.data[at : at + 1] != b"\x0b":
            return False
        return "start_in_data" not in self.tolerances or at == begin or self.data[at + 1 : at + 4] in NAMES

    def block(self, data, mark, is_framed):
        """What a block becomes, by what ended it."""
        is_marked = mark.startswith("FS")
        notes = () if mark != "FS" else ("end_without_cr",)
        if is_framed and not is_marked:
            return [Truncated(data)] if data else []
        if not is_framed and is_marked and "no_start" not in self.tolerances:
            return self.junk(data + b"\x1c")
        if not is_framed and not is_marked and "unframed" not in self.tolerances:
            return self.junk(data)
        if not is_framed and is_marked:
            notes = ("tolerated_no_start", *notes)
        if not is_framed and not is_marked:
            data, notes = data.rstrip(PADDING), ("tolerated_unframed",)
        if "start_in_data" in self.tolerances and b"\x0b" in data:
            notes = (*notes, "tolerated_start_in_data")
        return [Block(data, notes)]

    def junk(self, data):
        """The events of bytes outside a block."""
        found = []
        while data := data.lstrip(PADDING):
            found.append(Junk(data[: wire.HEAD_BYTES].rstrip(PADDING)))
            data = data[wire.HEAD_BYTES :]
        return found
