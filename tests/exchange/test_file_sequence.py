"""Files that come in any order, twice, corrected, released or refused: each number is taken once, each word once."""

from __future__ import annotations

import tempfile
from pathlib import Path

from exchange_samples import agency_at, placed, put_file, take, taking_of
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from placement_samples import new_store

from hl7bridge.errors import RefusedError
from hl7bridge.exchange.incoming import refuse_file, release_file
from hl7bridge.storage.received_files import list_received


class Files(RuleBasedStateMachine):
    """An agency that numbers its files badly, and a person who decides about what is held."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name)
        self.store = new_store(self.path)
        placed(self.store, self.path)
        self.sent = 0

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    def rows(self, status=""):
        """Return the files that came, oldest first."""
        rows = [row for row in list_received(self.store) if row["status"].startswith(status)]
        return sorted(rows, key=lambda row: int(row["file"].removeprefix("in-")))

    @rule(number=st.integers(1, 6), word=st.integers(1, 4), is_wrong=st.booleans())
    def come(self, number, word, is_wrong):
        """Put a file into the folder: its word is what it says, its number is what it is called."""
        self.sent += 1
        row = {"placement_id": "1", "client_account": "A1001", "status": "skip", "since": f"2026-01-0{word}"}
        told = {"records": 7} if is_wrong else {}
        expected = max([each["number"] for each in self.rows("taken")], default=0) + 1
        refused = {each["number"] for each in self.rows("refused")}
        put_file(self.path, "statuses", number, [row], name=f"statuses-{self.sent}.csv", told=told)
        [came] = take(self.store, self.path).files
        is_next = number >= expected and all(each in refused for each in range(expected, number))
        assert (came.file.status == "taken") == (is_next and not is_wrong)

    @precondition(lambda self: self.rows("held"))
    @rule(data=st.data(), is_released=st.booleans())
    def decide(self, data, is_released):
        """Release or refuse what is held: a mismatch is never released, nor is a number that was taken."""
        row = data.draw(st.sampled_from(self.rows("held")))
        file_id = int(row["file"].removeprefix("in-"))
        taken = {each["number"] for each in self.rows("taken")}
        settle = release_file if is_released else refuse_file
        is_allowed = not is_released or not ("records" in row["problem"] or row["number"] in taken)
        try:
            settle(self.store, [agency_at(self.path)], file_id, "looked at", taking_of())
        except RefusedError:
            assert not is_allowed
        else:
            assert is_allowed

    @invariant()
    def each_number_is_taken_once_and_only_what_was_taken_is_applied(self):
        """And every file that came has one row, and lies where its status says."""
        taken = self.rows("taken")
        assert len({each["number"] for each in taken}) == len(taken)
        assert self.store.rows("SELECT count(*) FROM received_records") == [(len(taken),)]
        assert len(self.rows()) == self.sent
        for status, place in (("taken", "taken"), ("held", "held"), ("refused", "refused")):
            lying = list((self.path / "incoming" / place).glob("*-statuses-*.csv"))
            files = {each.name for each in lying if ".trailer." not in each.name}
            assert {f"{int(each['file'][3:]):06}-{each['name']}" for each in self.rows(status)} <= files


Files.TestCase.settings = settings(
    max_examples=12, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)
TestFiles = Files.TestCase
