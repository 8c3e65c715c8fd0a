"""The walk at the beginning of docs/mapping.md, gone step by step with the real commands: each prints what it says."""

from __future__ import annotations

import re

import pytest
from cli_samples import init_folder, run
from docs_reader import fenced, read, section

WALK = section(read("mapping.md"), "A feed in fifteen minutes")
(FEED,) = fenced(WALK, "hl7")
STEPS = re.findall(r"^```(toml|text)\n(.*?)^```$", WALK, re.MULTILINE | re.DOTALL)
SENDERS = 'senders = { "NGBILL|NORTHGATE" = "northgate" }'


@pytest.fixture
def config(tmp_path):
    """A folder that init made, with the feed and the mapping named for its sender."""
    config = init_folder(tmp_path / "d")
    (config.parent / "feed.hl7").write_text(FEED)
    text = config.read_text()
    assert SENDERS in WALK
    assert text.count("\n[mappings]\n") == 1
    config.write_text(text.replace("\n[mappings]\n", f"\n[mappings]\n{SENDERS}\n"))
    return config


def added(text, part):
    """Return a mapping with one more part: lines without a table stand below extends."""
    if part.startswith("["):
        return f"{text}\n{part}"
    head, line, rest = text.partition('extends = "generic"\n')
    return f"{head}{line}{part}{rest}" if line else part


def test_each_step_of_the_walk_prints_what_the_document_says(config):
    """In this order; a line may be cut at its end or its beginning, and lines may be left out."""
    mapping = ""
    for kind, text in STEPS:
        if kind == "toml":
            mapping = added(mapping, text)
            (config.parent / "mappings" / "northgate.toml").write_text(mapping)
            continue
        command, *said = text.splitlines()
        name, *arguments = command.removeprefix("$ hl7bridge ").split()
        files = [str(config.parent / each) for each in arguments]
        result = run(name, *files, "--config", config)
        printed = result.stdout.replace(f"{config.parent}/", "")
        assert printed, result.stderr
        at = 0
        for line in said:
            assert line in printed[at:], f"{command}: {line}"
            at = printed.index(line, at) + len(line)


def test_the_walk_goes_all_the_way():
    """From nothing of one's own to a mapping that is checked."""
    texts = [text for kind, text in STEPS if kind == "text"]
    assert [text.split()[2] for text in texts] == ["try", "try", "try", "try", "try", "check", "check"]
    assert "rejected" in texts[0]
    assert texts[-1].endswith("all is well\n")
