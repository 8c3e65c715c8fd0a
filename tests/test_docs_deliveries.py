"""The table of what moves a delivery says what the program does, cell by cell."""

from __future__ import annotations

import pytest
from docs_reader import read, section

from hl7bridge.delivery.delivery import TRANSITIONS, DeliveryEvent, DeliveryStatus

COLUMNS = (
    DeliveryEvent.STARTED,
    DeliveryEvent.ACCEPTED,
    DeliveryEvent.REFUSED,
    DeliveryEvent.POSTPONED,
    DeliveryEvent.LOST,
    DeliveryEvent.COMMITTED,
    DeliveryEvent.LATE_ACCEPTED,
    DeliveryEvent.LATE_REFUSED,
)
BY_A_PERSON = {
    DeliveryEvent.RETRY: "retry",
    DeliveryEvent.CANCEL: "cancel",
    DeliveryEvent.RESOLVE_ACCEPTED: "`--accepted`",
    DeliveryEvent.RESOLVE_NOT_RECEIVED: "`--not-received`",
}
FINAL = (DeliveryStatus.ACCEPTED, DeliveryStatus.CANCELLED)


def cells():
    """Return the cells of each status's row, the last one being a person's."""
    text = section(read("operations.md"), "Deliveries that wait for a person")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    return {row[0]: row[1:] for row in rows}


@pytest.mark.parametrize("status", [each for each in DeliveryStatus if each not in FINAL])
def test_each_row_says_what_becomes_of_a_delivery(status):
    """An empty cell is what cannot be."""
    row = cells()[status.value]
    assert len(row) == len(COLUMNS) + 1
    for event, cell in zip(COLUMNS, row, strict=False):
        becomes = TRANSITIONS.get((status, event))
        assert cell.split(",")[0].split(";")[0] == (becomes.value if becomes else ""), event
    told = dict(part.rsplit(": ", 1) for part in row[-1].split("; ") if part)
    for event, word in BY_A_PERSON.items():
        becomes = TRANSITIONS.get((status, event))
        assert [value for name, value in told.items() if name.startswith(word)] == ([becomes.value] if becomes else [])


def test_what_is_final_has_no_row():
    """Nothing moves it."""
    assert set(cells()) == {each.value for each in DeliveryStatus if each not in FINAL}
