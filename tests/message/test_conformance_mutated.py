"""Whatever a message has become on its way, it is reported on, and no value of it is in the report."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from message_samples import CORPUS

from hl7bridge.cli.mllp_client import split_messages
from hl7bridge.errors import MessageError
from hl7bridge.message.conformance import check_message, check_strictly
from hl7bridge.message.definitions import VERSIONS
from hl7bridge.message.parse import parse_message
from hl7bridge.message.profile import check_profile, compile_profile
from hl7bridge.tomlfile import parse_toml

FOLDER = os.environ.get("HL7BRIDGE_CORPUS")
SAMPLES = {
    **CORPUS,
    **{path.name: path.read_bytes() for path in (sorted(Path(FOLDER).rglob("*.hl7")) if FOLDER else ())},
}
PROFILE = compile_profile(
    parse_toml(
        'format = 1\n[[require]]\npaths = ["PID-18.1", "FT1-4", "PV1"]\n'
        '[[allow]]\npath = "FT1-6"\nvalues = ["CG"]\n[[forbid]]\npaths = ["PID-19", "OBX", "PID-5(2)"]\n',
        "site.toml",
    )
)
CANARY = "QZXCANARY"


def report(data, version=""):
    """All that is said of some bytes."""
    try:
        message = parse_message(data)
    except MessageError as error:
        return str(error)
    found = check_message(message, version)
    return f"{found} {check_profile(PROFILE, message, found.version)}"


@st.composite
def mutated(draw):
    """A sample with pieces cut out, doubled, moved, or replaced by bytes that mean something to HL7."""
    data = bytearray(draw(st.sampled_from(sorted(CORPUS.values()))))
    for _ in range(draw(st.integers(1, 8))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 40)))
        piece = bytes(data[start:end])
        odd = draw(st.sampled_from([b"|", b"^", b"~", b"&", b"\\", b"\r", b'""', b"\rPID|", b"\x00", b"\xff", b"MSH"]))
        data[start:end] = draw(st.sampled_from([b"", piece * 2, odd, odd * 9, odd + piece]))
        if len(data) > 20_000:
            break
    return bytes(data)


@settings(max_examples=250, deadline=None)
@given(mutated(), st.sampled_from(["", *VERSIONS]))
@example(b"MSH|^~\\&|", "")
@example(b"MSH|^~\\&|||||||||||" + b"9" * 5000 + b"\r", "")
@example(b"MSH|^~\\&|||||||||||9.9.9.9\rOBX\rOBX|||||x\rPID|\rEVN\r", "")
def test_no_message_is_too_broken_to_be_reported_on(data, version):
    assert isinstance(report(data, version), str)
    assert isinstance(check_strictly(data.decode("latin-1"), "2.5.1"), list)


def with_canaries(data):
    """The message with every value but those of MSH-9, MSH-12 and MSH-18 replaced by one that is looked for later."""
    lines = []
    for line in parse_message(data).segments:
        fields = line.split("|")
        is_header = fields[0] == "MSH"
        for at in range(2 if is_header else 1, len(fields)):
            if not (is_header and at in (8, 11, 17)):
                fields[at] = f"{CANARY}&{CANARY}^{CANARY}~{CANARY}"
        lines.append("|".join(fields))
    return "\r".join([*lines, f"{CANARY}", f"{CANARY[:3]}|{CANARY}", f"Z{CANARY[:2]}|{CANARY}"]).encode()


@pytest.mark.parametrize("name", [name for name in SAMPLES if name != "own delimiters"])
@pytest.mark.parametrize("version", ["", "2.1", "2.8.2"])
def test_no_value_is_in_a_report(name, version):
    """Not even three letters of a line that is no segment."""
    for data in split_messages(SAMPLES[name]):
        told = report(with_canaries(data), version)
        assert "findings" in told
        assert CANARY[:3] not in told
        assert CANARY[:3] not in "".join(check_strictly(with_canaries(data).decode(), version or "2.5.1"))


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_reported_on_by_every_version(name):
    for data in split_messages(SAMPLES[name]):
        for version in VERSIONS:
            assert check_message(parse_message(data), version).version == version
