"""``load`` holds a whole file when its counts do not agree or something in it is out of place."""

from __future__ import annotations

import pytest
from bridge_samples import Bridge
from load_samples import BHS, FHS, NOTHING, batch, feed, load, rows, write


@pytest.fixture
def bridge(tmp_path):
    return Bridge(tmp_path / "d")


def test_a_count_that_does_not_agree_holds_the_whole_file(bridge, tmp_path):
    path = write(tmp_path, batch(*feed(2), count=3))
    for _ in range(2):
        code, row = load(bridge, path)
        assert (code, row) == (
            1,
            {
                "file": "night.hl7",
                "messages": 2,
                "done": 0,
                "status": "held",
                "reason": "BTS-1: it says 3 messages, and there are 2",
                "counts": NOTHING,
            },
        )
    assert rows(bridge) == []
    result = bridge.run("load", path)
    assert result.stdout == (
        "night.hl7: 2 messages; held, nothing was loaded: BTS-1: it says 3 messages, and there are 2\n"
    )
    assert bridge.audit()[0] == ("load.hold", "load 1: 2 messages for listener ehr")


def test_a_count_may_be_overruled_by_a_person_and_the_audit_log_says_so(bridge, tmp_path):
    path = write(tmp_path, batch(*feed(2), count=3))
    load(bridge, path)
    code, row = load(bridge, path, "--ignore-counts")
    assert (code, row["status"], row["done"], row["reason"]) == (0, "loaded", 2, "")
    with bridge.store() as store:
        told = store.rows("SELECT action, subject, reason FROM audit WHERE action LIKE 'load.%' ORDER BY id")
    subject = "load 1: 2 messages for listener ehr"
    assert told == [
        ("load.hold", subject, "BTS-1: it says 3 messages, and there are 2"),
        ("load.begin", subject, "counts ignored: BTS-1: it says 3 messages, and there are 2"),
        ("load.done", subject, "2 applied"),
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (FHS + BHS + b"NTE|1||SECRET\r" + feed(1)[0], "BHS: a segment NTE that belongs to no message stands after it"),
        (b"SECRET\r" + batch(*feed(1)), "FHS: what belongs to no message stands before it"),
        (batch(*feed(1)) + feed(1)[0], "MSH[2]: it stands after FTS, which ends the file"),
        (
            b"\x0b" + BHS + b"ZZZ|1\r\x1c\r\x0b" + feed(1)[0] + b"\x1c\r",
            "BHS: a segment ZZZ that belongs to no message",
        ),
    ],
)
def test_a_batch_with_something_out_of_place_is_held_and_counts_are_not_the_point(bridge, tmp_path, data, reason):
    code, row = load(bridge, write(tmp_path, data), "--ignore-counts")
    assert (code, row["status"], row["done"]) == (1, "held", 0)
    assert row["reason"].startswith(reason)
    assert rows(bridge) == []


def test_a_count_in_a_block_counts_too(bridge, tmp_path):
    path = write(tmp_path, b"\x0b" + batch(*feed(2), count=5) + b"\x1c\r\x0b" + feed(1, 3)[0] + b"\x1c\r")
    assert load(bridge, path)[1]["reason"] == "BTS-1: it says 5 messages, and there are 2"
    assert load(bridge, path, "--ignore-counts")[1]["counts"]["applied"] == 3


def test_a_batch_of_nothing_is_loaded(bridge, tmp_path):
    assert load(bridge, write(tmp_path, batch()))[1] == {
        "file": "night.hl7", "messages": 0, "done": 0, "status": "loaded", "reason": "", "counts": NOTHING,
    }  # fmt: skip
