"""The inputs that the fuzzer found interesting, and cuts and changes of them: none breaks anything."""

import random
from pathlib import Path

import pytest
from fuzz.target import run_one

CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())
MARKS = (b"\x0b", b"\x1c", b"\r", b"\n", b"\x00", b"|", b"^", b"\\", b"MSH|", b"BHS|", b"\x1b$B", b"\xff")


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_an_interesting_input_breaks_nothing(path):
    """As it is, and under every set of switches, every limit and many splits."""
    data = path.read_bytes()
    run_one(data)
    for choice in range(128):
        run_one(bytes((choice, choice >> 3, choice * 2)) + data[3:])


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_an_interesting_input_with_chance_changes_breaks_nothing(path):
    """The same changes at every run: the seed is the file's name."""
    chance = random.Random(path.name)  # noqa: S311  (no secret)
    data = path.read_bytes()
    for _ in range(60):
        changed = bytearray(data)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(changed) + 1)
            changed[at : at + chance.randint(0, 3)] = chance.choice(MARKS)
        run_one(bytes(changed))


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x00\x00", b"\x7f\xff\xff"])
def test_next_to_nothing_breaks_nothing(data):
    """Fewer bytes than the choice of switches takes."""
    run_one(data)


def test_the_corpus_is_small_and_its_people_are_invented():
    """Each file fits on a page, and every name in a PID is that of a test patient."""
    assert 24 <= len(CORPUS) <= 100
    for path in CORPUS:
        assert path.stat().st_size <= 4096, path.name
