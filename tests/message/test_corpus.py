"""Every sample message is taken or refused, and answered so that a third party can read the answer.

HL7BRIDGE_CORPUS may name a folder of further messages (``*.hl7``); the invented ones are always read.
"""

from __future__ import annotations

import os
from pathlib import Path

import hl7
import pytest
from message_samples import CORPUS, NOW

from hl7bridge.errors import MessageError
from hl7bridge.message.ack import Outcome, build_acks
from hl7bridge.message.batch import split_batch
from hl7bridge.message.header import drop_opening, read_header
from hl7bridge.message.model import Empty
from hl7bridge.message.parse import parse_message

FOLDER = os.environ.get("HL7BRIDGE_CORPUS")
SAMPLES = {
    **CORPUS,
    **{path.name: path.read_bytes() for path in (sorted(Path(FOLDER).rglob("*.hl7")) if FOLDER else ())},
}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_message_is_read_whole_and_answered(name):
    data = SAMPLES[name]
    message = parse_message(data)
    for segment in message.segments:
        assert segment.split(message.delimiters.field) in message.fields(segment[:3]) or segment[:3] == "MSH"
    for path in ("PID-3.1", "PID-5.1.1", "PID-18.1", "PV1-19.1", "FT1-11.1.1", "GT1-3.1", "IN1-2.1", "MRG-1.1"):
        assert isinstance(message.get(path), str | Empty)
    acks = build_acks(message.header, Outcome(), control_id="HB1", now=NOW)
    for block in acks.blocks:
        reply = hl7.parse(block.decode(message.charset))
        assert str(reply.segment("MSA")[2]) == message.control_id


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_message_encodes_to_the_bytes_it_came_from(name):
    message = parse_message(SAMPLES[name])
    assert message.text.encode(message.charset) == drop_opening(SAMPLES[name])


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_message_comes_out_of_a_batch_with_the_same_segments(name):
    (message,) = split_batch(b"BHS|^~\\&|\r" + drop_opening(SAMPLES[name]) + b"\rBTS|1\r").messages
    assert parse_message(message).segments == parse_message(SAMPLES[name]).segments


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_message_cut_anywhere_is_still_answered(name):
    data = SAMPLES[name]
    for length in range(0, len(data), max(1, len(data) // 40)):
        error = None
        try:
            parse_message(data[:length])
        except MessageError as caught:
            error = caught
        header = read_header(data[:length])
        for block in build_acks(header, Outcome(error), control_id="HB1", now=NOW).blocks:
            assert hl7.parse(block.decode("latin-1")).segment("MSA")
