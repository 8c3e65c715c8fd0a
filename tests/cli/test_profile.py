"""``profile``: what a feed says and lacks, of files of any framing, stdin and the store, in each form of report."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from bridge_samples import Bridge, charges, registration
from cli_samples import framed

from hl7bridge.cli.profile import _bar
from hl7bridge.cli.profile_output import CSV_COLUMNS
from hl7bridge.cli.profile_reading import input_bytes


@pytest.fixture(scope="module")
def bridge(tmp_path_factory):
    """A configured bridge without messages."""
    return Bridge(tmp_path_factory.mktemp("site"))


@pytest.fixture
def file(tmp_path):
    """Return a function that writes a file of bytes."""

    def write(*parts, name="in.hl7"):
        path = tmp_path / name
        path.write_bytes(b"".join(parts))
        return path

    return write


def profile(bridge, *arguments, code=0, **options):
    """Run the command, having checked its exit code."""
    result = bridge.run("profile", *arguments, **options)
    assert result.exit_code == code, result.stderr
    return result


def rows(bridge, section, *arguments, **options):
    """The rows of one section, as JSON."""
    found = [json.loads(line) for line in profile(bridge, "--json", *arguments, **options).stdout.splitlines()]
    return [row for row in found if row.pop("section") == section]


FEED = (
    registration("A1"),
    charges("D1"),
    charges("D2").replace(b"INSPAY", b"XINS"),
    registration("A2").replace(b"A04", b"A60"),
)


def test_the_table_says_what_is_needed_first_and_names_every_part(bridge, file):
    """A person reads from the top."""
    lines = profile(bridge, file(*FEED)).stdout.splitlines()
    assert re.fullmatch(r"4 messages of 1 file, on \d{4}-\d\d-\d\d\.", lines[0])
    assert lines[2] == "Mapping generic: 4 messages, 3 used, 0 of them refused"
    titles = [line for previous, line in pairwise(lines[3:]) if not previous]
    assert titles == [
        "What the agency and the rules need",
        "Fields that the mapping reads",
        "Codes that the mapping's tables do not have",
        "Dates that cannot be right",
        "Messages that the mapping refuses",
        "Events",
        "Segments of which the mapping reads nothing",
        "Fields of Z-segments",
    ]
    assert "The mapping refuses none." in lines


def test_each_row_is_a_json_object_with_its_mapping_and_section(bridge, file):
    """For whoever reads it by program."""
    path = file(*FEED)
    assert rows(bridge, "summary", path) == [{"mapping": "generic", "messages": 4, "used": 3, "refused": 0}]
    (code,) = rows(bridge, "codes", path)
    assert (code["mapping"], code["code"], code["seen"]) == ("generic", "XINS", 1)
    number = next(row for row in rows(bridge, "fields", path) if row["field"] == "account.number")
    assert (number["percent"], number["shapes"]) == ("100 %", ["100 % 9{7}"])
    assert {row["event"] for row in rows(bridge, "events", path) if row["mapping"] == "generic"} >= {"DFT^P03"}


def test_an_event_row_says_the_mapping_and_what_it_does_with_the_event(bridge, file):
    """Two things, under two keys."""
    events = {row["event"]: (row["mapping"], row["use"]) for row in rows(bridge, "events", file(*FEED))}
    assert events["ADT^A60"] == ("generic", "not used")
    assert events["DFT^P03"] == ("generic", "used")


@pytest.mark.parametrize(
    "feed",
    [
        b"".join(FEED),
        b"".join(FEED).replace(b"\r", b"\n"),
        b"".join(FEED).replace(b"\r", b"\r\n"),
        b"".join(map(framed, FEED)),
        b"FHS|^~\\&|X\rBHS|^~\\&|X\r" + b"".join(FEED) + b"BTS|4\rFTS|1\r",
        framed(b"BHS|^~\\&|X\r" + b"".join(FEED) + b"BTS|4\r"),
    ],
    ids=["CR", "LF", "CR LF", "MLLP", "batch", "batch in MLLP"],
)
def test_a_file_is_read_whatever_its_framing(bridge, file, feed):
    """As by `load`."""
    assert rows(bridge, "summary", file(feed))[0]["messages"] == 4


def test_several_files_and_stdin_are_counted_together(bridge, file):
    """In one report."""
    result = profile(bridge, file(FEED[0], name="a"), file(FEED[1], name="b"), "-", input=FEED[2])
    assert result.stdout.startswith("3 messages of 3 files, ")


def test_what_cannot_be_read_is_counted_by_place(bridge, file):
    """Half a block, bytes outside of one, signs that make no sense."""
    path = file(framed(FEED[0]), b"stray", framed(b"MSH|^|\rPID|1\r"), b"\x0bMSH|^~\\&|half")
    assert rows(bridge, "summary", path)[0]["messages"] == 1
    found = [(row["path"], row["why"], row["messages"]) for row in rows(bridge, "unreadable", path)]
    assert ("MSH", "the block was cut short", 1) in found
    assert ("MSH", "bytes outside a block", 1) in found
    assert sum(row[2] for row in found) == 3
    assert "Messages that cannot be read" in profile(bridge, path).stdout


def test_a_file_without_a_message_is_an_error(bridge, file):
    """So is one that is not there."""
    assert "no message here" in profile(bridge, file(b"\r\n"), code=1).stderr
    assert "No such file" in profile(bridge, "nowhere.hl7", code=1).stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "one of the two"),
        (("x.hl7", "--stored"), "one of the two"),
        (("x.hl7", "--days", "3"), "--days is for --stored"),
    ],
)
def test_what_makes_no_sense_is_wrong_use(bridge, arguments, said):
    """Exit 2, as everywhere."""
    assert said in profile(bridge, *arguments, code=2).stderr


def test_another_mapping_of_the_folder_can_be_asked_for(bridge, file):
    """Before it is anybody's."""
    text = (bridge.folder / "mappings" / "generic.toml").read_text()
    draft = text.replace('name = "generic"', 'name = "draft"').replace('INSPAY = "insurance"', 'XINS = "insurance"')
    (bridge.folder / "mappings" / "draft.toml").write_text(draft)
    found = rows(bridge, "codes", file(*FEED), "--mapping", "draft")
    assert [(row["mapping"], row["code"]) for row in found] == [("draft", "INSPAY")]
    assert "there is no such file" in profile(bridge, file(*FEED), "--mapping", "nobody", code=1).stderr


def test_each_sender_is_counted_for_its_own_mapping(tmp_path, file):
    """As the daemon would choose it."""
    bridge = Bridge(tmp_path / "two")
    text = (bridge.folder / "mappings" / "generic.toml").read_text()
    (bridge.folder / "mappings" / "draft.toml").write_text(text.replace('name = "generic"', 'name = "draft"'))
    bridge.configure('default = "generic"', 'default = "generic"\nsenders = { "BILL|NORTHGATE" = "draft" }')
    found = rows(bridge, "summary", file(*FEED))
    assert [(row["mapping"], row["messages"]) for row in found] == [("generic", 2), ("draft", 2)]
    assert "Mapping draft" in profile(bridge, file(*FEED)).stdout


def test_the_csv_has_a_line_for_every_row_under_one_header(bridge, file, tmp_path):
    """A spreadsheet filters by section."""
    path = file(*FEED, charges("D4").replace(b"500.00", b"MANY"))
    result = profile(bridge, path, "--csv", tmp_path / "report.csv")
    assert "bytes written" in result.stderr
    with (tmp_path / "report.csv").open(encoding="utf-8", newline="") as opened:
        found = list(csv.DictReader(opened))
    assert tuple(found[0]) == CSV_COLUMNS
    everything = [json.loads(line) for line in profile(bridge, path, "--json").stdout.splitlines()]
    assert len(found) == len(everything)
    assert {key for row in everything for key in row} == set(CSV_COLUMNS) - {"wrong"}
    (code,) = (row for row in found if row["section"] == "codes")
    assert (code["field"], code["code"], code["seen"]) == ("entry.payer", "XINS", "1")


class Page(HTMLParser):
    """Collects the tags of a page, and what would be loaded for it."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.tags = []
        self.loaded = []
        self.open = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loaded += [value for name, value in attrs if name in {"src", "href", "action", "data"}]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_html_stands_alone_without_script_and_can_be_printed(bridge, file, tmp_path):
    """It is mailed to people whose network loads nothing."""
    profile(bridge, file(*FEED), "--html", tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert page.open == []
    assert page.loaded == []
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text
    assert "@media print" in text
    assert page.tags.count("table") == text.count("<table>") >= 4
    assert 'class="bad"' in text


def test_what_a_sender_put_in_is_escaped(bridge, file, tmp_path):
    """Signs are kept in shapes, and a page must not obey them."""
    path = file(FEED[0] + b"ZFA|<b>&\"'|=1+1\r" + b"MSH|^|\r")
    profile(bridge, path, "--html", tmp_path / "report.html", "--csv", tmp_path / "report.csv")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "&lt;A&gt;&amp;&quot;&#x27;" in text
    assert "<A>" not in text
    assert "Messages that cannot be read" in text
    page = Page()
    page.feed(text)
    assert page.open == []


def test_two_reports_are_two_files_in_folders_that_there_are(bridge, tmp_path):
    """It is said before anything is read."""
    report = tmp_path / "report"
    assert "two files" in profile(bridge, "x", "--csv", report, "--html", report, code=2).stderr
    assert "no such folder" in profile(bridge, "x", "--csv", report / "x.csv", code=1).stderr


@pytest.mark.parametrize("option", ["--csv", "--html"])
def test_no_file_is_overwritten(bridge, file, tmp_path, option):
    """It is said before anything is read."""
    (tmp_path / "mine").write_text("mine")
    result = profile(bridge, "nowhere.hl7", option, tmp_path / "mine", code=1)
    assert "there is such a file already" in result.stderr
    assert (tmp_path / "mine").read_text() == "mine"


class Terminal(io.StringIO):
    """A stderr that a person watches."""

    def isatty(self):
        return True


@pytest.mark.parametrize("total", [3, None])
def test_a_person_who_watches_sees_a_bar_on_stderr(monkeypatch, total):
    """Stdout stays for the report; of a pipe nobody knows how long it is."""
    shown = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", shown)
    with _bar("reading", total) as advance:
        advance(1)
        advance(2)
    assert "reading" in shown.getvalue()


def test_how_much_there_is_to_read_is_known_of_plain_files_only(file, tmp_path):
    """A pipe has no end that could be told."""
    os.mkfifo(tmp_path / "pipe")
    path = str(file(b"12345"))
    assert input_bytes([path, path]) == 10
    assert input_bytes([path, str(tmp_path / "pipe")]) is None
    assert input_bytes([path, str(tmp_path / "nowhere")]) is None


def test_the_report_of_a_feed_does_not_grow_with_it(bridge, file):
    """Counts only; a hundred times as many messages have as many rows."""
    few = profile(bridge, file(*FEED), "--json").stdout
    many = profile(bridge, file(*FEED * 100), "--json").stdout
    assert len(few.splitlines()) == len(many.splitlines())
