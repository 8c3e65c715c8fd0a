"""``load``: files of messages as if a listener had received them, once each."""

from __future__ import annotations

import json
import os
import sys

import pytest
from bridge_samples import Bridge, registration
from load_samples import NOTHING, batch, feed, load, rows, write

from hl7bridge.cli import loading
from hl7bridge.cli.load import _bar
from hl7bridge.storage.messages import read_counters

SECRETS = ("TESTPATIENT", "AURELIA", "5027440")


@pytest.fixture
def bridge(tmp_path):
    return Bridge(tmp_path / "d")


def test_each_message_of_a_batch_file_is_taken_as_the_listener_would(bridge, tmp_path):
    code, row = load(bridge, write(tmp_path, batch(*feed(4))))
    assert (code, row) == (
        0,
        {
            "file": "night.hl7",
            "messages": 4,
            "done": 4,
            "status": "loaded",
            "reason": "",
            "counts": {**NOTHING, "applied": 4},
        },
    )
    assert rows(bridge) == [(f"N{number}", "applied") for number in range(1, 5)]
    assert {(row["listener"], row["ack_code"]) for row in bridge.rows("messages")} == {("ehr", "AA")}
    with bridge.store() as store:
        counted = read_counters(store)["ehr"]
    assert (counted["received"], counted["applied"]) == (4, 4)


@pytest.mark.parametrize(
    "data",
    [
        b"".join(feed(3)),
        b"".join(feed(3)).replace(b"\r", b"\n"),
        b"\xef\xbb\xbf" + b"\r\n".join(feed(3)).replace(b"\r", b"\r\n"),
        b"".join(b"\x0b%b\x1c\r" % each for each in feed(3)),
        b"".join(b"\x0b%b\x1c\r\n" % each for each in [*feed(2), batch(*feed(1, 3), file=b"")]),
        batch(*feed(3)).replace(b"\r", b"\n"),
        b"".join(feed(3)) + b"BTS|3\r",
    ],
    ids=["plain", "lines", "windows", "blocks", "a batch in a block", "batch of lines", "trailer alone"],
)
def test_a_file_may_hold_messages_one_after_another_or_blocks_or_a_batch(bridge, tmp_path, data):
    """However the file has them, they are the bytes that came over the wire: a message that came before is known."""
    bridge.receive(feed(3)[1])
    code, row = load(bridge, write(tmp_path, data))
    assert (code, row["messages"], row["counts"]) == (0, 3, {**NOTHING, "applied": 2, "duplicate": 1})


def test_a_line_a_file_says_what_became_of_its_messages_and_where_to_look(bridge, tmp_path):
    unmapped = registration("A9").replace(b"A04", b"A60")
    first = write(tmp_path, b"".join((*feed(2), feed(1)[0], unmapped)))
    second = write(tmp_path, feed(1, 7)[0].replace(b"|P|2.5.1", b"|P|9.9"), "bad.hl7")
    result = bridge.run("load", first, second)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "night.hl7: 4 messages: 2 applied, 1 duplicate, 1 ignored",
        "bad.hl7: 1 messages: 1 rejected",
    ]
    assert "hl7bridge messages --disposition rejected" in result.stderr
    assert not any(secret in result.output for secret in SECRETS)


def test_a_file_that_is_loaded_says_so_and_is_left_alone(bridge, tmp_path):
    """It is known by its content and not by its name."""
    load(bridge, write(tmp_path, batch(*feed(2)), "bad.hl7"))
    before = bridge.dump()
    code, row = load(bridge, write(tmp_path, batch(*feed(2)), "again.hl7"))
    assert (code, row["status"], row["done"], row["counts"]["applied"]) == (0, "loaded", 2, 2)
    assert row["reason"].startswith("loaded already, by 20")
    assert bridge.dump() == before
    result = bridge.run("load", tmp_path / "again.hl7")
    assert result.exit_code == 0
    assert "bad.hl7: 2 messages; loaded already, by" in result.stdout


def test_a_file_with_refused_messages_is_told_as_that_once(bridge, tmp_path):
    path = write(tmp_path, feed(1)[0].replace(b"|P|2.5.1", b"|P|9.9"))
    assert load(bridge, path)[0] == 1
    assert load(bridge, path)[0] == 0


def test_what_is_no_message_is_kept_as_unreadable_and_never_applied(bridge, tmp_path):
    """Text before the first message, half a block, and a message longer than the listener takes."""
    bridge.configure('# max_block = "16 MiB"', 'max_block = "1 KiB"')
    long = feed(1)[0] + b"NTE|1||" + b"x" * 2000 + b"\r"
    path = write(tmp_path, b"exported by nobody\r" + long + feed(1, 2)[0])
    code, row = load(bridge, path)
    assert (code, row["counts"]) == (1, {**NOTHING, "unreadable": 2, "applied": 1})
    path = write(tmp_path, b"\x0b" + feed(1, 3)[0][:200] + b"\x0b" + feed(1, 4)[0] + b"\x1c\r", "cut.hl7")
    assert load(bridge, path)[1]["counts"] == {**NOTHING, "unreadable": 1, "applied": 1}
    assert [(row["reason"], row["ack_code"]) for row in bridge.rows("messages")][::-1] == [
        ("100 MSH: bytes outside a block", ""),
        (f"104 MSH: {len(long)} bytes; this listener takes at most 1024", "AE"),
        ("", "AA"),
        ("100 MSH: the block was cut short", ""),
        ("", "AA"),
    ]


def test_a_file_without_a_message_is_refused_and_the_others_are_loaded(bridge, tmp_path):
    paths = [write(tmp_path, b"no message\n", "a.txt"), write(tmp_path, b"", "b.txt"), write(tmp_path, feed(1)[0])]
    result = bridge.run("load", *paths, "--json")
    assert result.exit_code == 1
    said = "no message here; a message begins with MSH at the start of a line"
    assert result.stderr.splitlines() == [f"hl7bridge: a.txt: {said}", f"hl7bridge: b.txt: {said}"]
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(row["file"], row["status"]) for row in told] == [
        ("a.txt", "refused"), ("b.txt", "refused"), ("night.hl7", "loaded"),
    ]  # fmt: skip


def test_a_name_is_printed_without_its_folder_and_without_what_a_terminal_obeys(bridge, tmp_path):
    path = tmp_path / os.fsdecode(b"n\xff\x1b[2Jight.hl7")
    path.write_bytes(feed(1)[0])
    assert bridge.run("load", path).stdout == "n\ufffd\\x1b[2Jight.hl7: 1 messages: 1 applied\n"


def test_a_pipe_is_refused_because_it_cannot_be_read_twice(bridge, tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDWR)
    try:
        result = bridge.run("load", path)
    finally:
        os.close(descriptor)
    assert (result.exit_code, result.stderr) == (
        1,
        "hl7bridge: pipe: not a plain file; it is read twice, so write it to one first\n",
    )


def test_a_file_that_changes_meanwhile_is_not_gone_on_with(bridge, tmp_path, monkeypatch):
    """Of what was there at first nothing is lost: the chunks that were stored stay."""
    path = write(tmp_path, b"".join(feed(120)))
    chunks = loading._chunks

    def grow(units):
        for number, chunk in enumerate(chunks(units)):
            if number == 1:
                with path.open("ab") as file:
                    file.write(b"x")
            yield chunk

    monkeypatch.setattr(loading, "_chunks", grow)
    result = bridge.run("load", path)
    assert result.exit_code == 1
    assert "night.hl7: the file changed while it was read" in result.stderr
    assert len(rows(bridge)) == loading.CHUNK_MESSAGES


def test_large_messages_go_in_smaller_chunks(bridge, tmp_path):
    big = [each + b"NTE|1||" + b"x" * 600_000 + b"\r" for each in feed(5)]
    assert [len(chunk) for chunk in loading._chunks([loading.Unit(each, None, True) for each in big])] == [2, 2, 1]
    assert load(bridge, write(tmp_path, b"".join(big)))[1]["counts"]["applied"] == 5


def test_a_listeners_own_policy_and_limit_apply(bridge, tmp_path):
    """The first listener's unless another is named; one that is not configured is refused."""
    config = bridge.folder / "hl7bridge.toml"
    config.write_text(
        config.read_text()
        + '\n[[listeners]]\nname = "test"\nbind = "127.0.0.1:2599"\nprocessing_ids = ["T"]\nmax_block = "1 KiB"\n'
    )
    path = write(tmp_path, b"".join(feed(2)))
    code, row = load(bridge, path, "--listener", "test")
    assert (code, row["counts"]["rejected"]) == (1, 2)
    assert load(bridge, path)[1]["counts"]["applied"] == 2
    result = bridge.run("load", path, "--listener", "nobody")
    assert (result.exit_code, "no listener nobody" in result.stderr) == (1, True)


def test_a_bar_is_for_a_person_who_watches(monkeypatch, capsys):
    with _bar("reading x", 3) as advance:
        advance(1)
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with _bar("reading \x1bx", 3) as advance:
        advance(3)
    assert "reading \\x1bx" in capsys.readouterr().out


def test_the_wrong_use_of_options_is_told(bridge, tmp_path):
    path = write(tmp_path, feed(1)[0])
    assert bridge.run("load").exit_code == 2
    assert bridge.run("load", tmp_path / "none").exit_code == 2
    assert bridge.run("load", path, path, "--replies", tmp_path / "r").exit_code == 2
