"""Canaries in every field that tells of a person or of a treatment: none is in any form of a profile's report."""

from __future__ import annotations

import datetime as dt

import pytest
from bridge_samples import Bridge
from feed_samples import message, segment
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mapping_samples import compiled
from profiling_samples import generic

from hl7bridge.cli.profile_html import encode_html
from hl7bridge.cli.profile_output import Overview, emit_report, encode_csv, print_report
from hl7bridge.errors import MessageError
from hl7bridge.message.parse import parse_message
from hl7bridge.profiling.counting import MappingCounts, note_refusal
from hl7bridge.profiling.needs import hold_needs
from hl7bridge.profiling.report import build_report, refusal_section

# Each is unlike anything that a report says by itself: words, numbers and days.
WORDS = ("QZXCANARY", "Qzxcanary O'Hara-Vogelsang", "ÖZXKANARIE", "QZX7751", "Z")
NUMBERS = ("7751777", "775-17-7751", "(775)177-7517", "18771225", "20991224", "17751.77", "QZX")
CANARIES = ("QZX", "Qzx", "ÖZX", "Vogelsang", "775", "1877", "1225", "2099", "1224")
# FT1-6, FT1-7 of payments and PV1-51 are codes, which a report is there to show; all others are a person's here.
FIELDS = {
    "EVN": range(2, 8),
    "PID": range(1, 40),
    "NK1": range(1, 10),
    "PV1": [each for each in range(1, 53) if each != 51],
    "GT1": range(1, 56),
    "IN1": range(1, 50),
    "FT1": [each for each in range(1, 32) if each != 6],
    "MRG": range(1, 8),
    "DG1": range(1, 8),
    "OBX": range(1, 8),
    "ZPX": range(1, 8),
    "QZX": range(1, 3),
}
value = st.sampled_from(WORDS + NUMBERS)
part = st.lists(value, min_size=1, max_size=4).flatmap(
    lambda parts: st.sampled_from(["^", "~", "&", " "]).map(lambda sign: sign.join(parts))
)
rows = st.sampled_from(sorted(FIELDS)).flatmap(
    lambda name: st.tuples(st.just(name), st.dictionaries(st.sampled_from(list(FIELDS[name])), part, max_size=8))
)
kinds = st.sampled_from(["ADT^A04", "DFT^P03", "ADT^A40", "BAR^P01", "ADT^Q22"])
feeds = st.lists(st.tuples(kinds, st.lists(rows, max_size=6), st.booleans()), min_size=1, max_size=4)


def reports(mapping, blocks, capsys):
    """Return every form of the report of messages."""
    counts = MappingCounts(mapping, dt.date(2026, 11, 21))
    unreadable = {}
    for block in blocks:
        try:
            counts.take(parse_message(block))
        except MessageError as error:
            note_refusal(unreadable, error)
    report = build_report(counts, list(hold_needs()))
    overview = Overview("(day)", "of a file", len(blocks), refusal_section(unreadable, "", ""), (report,))
    print_report(overview)
    emit_report(overview)
    return [capsys.readouterr().out, encode_csv(overview).decode(), encode_html(overview).decode()]


def built(feed):
    """Return messages of canaries, some with what an account and an entry cannot do without."""
    blocks = []
    for kind, each, is_whole in feed:
        needed = ["PID|1||1||||||||||||||1", "FT1|1|1||20260105||CG||||1|1.00"] if is_whole else []
        blocks.append(message(kind, "C1", *needed, *(segment(name, row) for name, row in each)))
    return blocks


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(feed=feeds)
def test_no_value_of_a_person_is_in_any_form_of_a_report(feed, capsys):
    """Whatever field it stands in, with whatever mapping refuses or ignores the message."""
    for said in reports(generic(), built(feed), capsys):
        assert not [canary for canary in CANARIES if canary in said]


TABLES = compiled(
    """format = 1
name = "site"
[events]
"ADT^A04" = ["patient"]
[patient]
facility = "MSH-4.1"
number = "PID-3.1"
given_name = { from = "PID-5.2", table = "t", invalid = "ignore" }
postal_code = { from = "PID-11.5", table = "t" }
birth_on = "PID-7"
[tables.t]
A = "x"
"""
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(feed=st.lists(st.tuples(st.just("ADT^A04"), st.lists(rows, max_size=4), st.just(value=True)), max_size=4))
def test_a_mapping_that_reads_a_name_through_a_table_shows_none(feed, capsys):
    """A mistake in a mapping is no way out for a value."""
    for said in reports(TABLES, built(feed), capsys):
        assert not [canary for canary in CANARIES if canary in said]


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_the_command_itself_shows_none(tmp_path, arguments):
    """Nor does the name of a file get into a report that is sent."""
    bridge = Bridge(tmp_path / "site")
    path = tmp_path / "VOGELSANG_AURELIA.hl7"
    everything = [segment(name, dict.fromkeys(numbers, "QZXCANARY^7751777")) for name, numbers in FIELDS.items()]
    path.write_bytes(message("ADT^A04", "C1", "PID|1||1", *everything) + message("DFT^P03", "C2", *everything))
    html, table = tmp_path / "report.html", tmp_path / "report.csv"
    result = bridge.run("profile", path, "--html", html, "--csv", table, *arguments)
    assert result.exit_code == 0, result.stderr
    for said in (result.stdout, html.read_text(), table.read_text()):
        assert not [canary for canary in (*CANARIES, "VOGELSANG") if canary in said]
