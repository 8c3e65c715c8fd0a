"""The mappings of the EHRs and their guides in docs/ehr: complete, tested examples, and lines that work as shown."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from cli_samples import init_folder, run
from dialects.scripted_day import guide_blocks, settings_block, site_mapping
from docs_reader import DOCS, ROOT, fenced, read

from hl7bridge.assemble import check_mapping_file
from hl7bridge.config.load import read_settings_text
from hl7bridge.payments.forms import check_form, sample_messages
from hl7bridge.payments.message import DestinationForm
from hl7bridge.payments.payment import PaymentKind
from hl7bridge.shipped import read_shipped_mappings

EHRS = sorted(path.stem for path in (ROOT / "mappings").glob("*.toml") if path.stem != "generic")


def folder_with(folder, **files):
    """Return a mappings folder as ``init`` writes it, with a site's own files."""
    for name, text in (read_shipped_mappings() | {f"{name}.toml": text for name, text in files.items()}).items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def own(ehr):
    """Return the text and the data of an EHR's mapping."""
    text = (ROOT / "mappings" / f"{ehr}.toml").read_text(encoding="utf-8")
    return text, tomllib.loads(text)


def settings_of(ehr):
    """Return the settings that an EHR's guide shows."""
    return read_settings_text(settings_block(ehr), Path("/srv/hl7bridge.toml"))


@pytest.mark.parametrize("ehr", EHRS)
def test_the_header_of_a_mapping_says_what_is_sourced_and_what_a_site_must_confirm(ehr):
    """Before the first key."""
    header = own(ehr)[0].partition("\nformat = 1")[0]
    assert all(line.startswith("#") or not line for line in header.splitlines())
    assert "Sourced" in header
    assert "To confirm at a site" in header
    assert f"docs/ehr/{ehr}.md" in header


@pytest.mark.parametrize("ehr", EHRS)
def test_every_example_of_a_mapping_is_met_and_there_are_at_least_eight(ehr):
    """As `hl7bridge check` runs them; of registrations, of money, of merges, and of something that is refused."""
    assert [str(problem) for problem in check_mapping_file(ROOT / "mappings", ehr)] == []
    examples = own(ehr)[1]["examples"]
    assert len(examples) >= 8
    kinds = {re.search(r"\|(ADT|DFT|BAR)\^", each["message"])[1] for each in examples}
    assert {"ADT", "DFT"} <= kinds
    expected = {key.partition(".")[0].partition("[")[0] for each in examples for key in each["expect"]}
    assert {"patient", "account", "entry", "identity", "refused"} <= expected


@pytest.mark.parametrize("ehr", EHRS)
def test_every_example_goes_through_try_on_a_folder_that_init_made(ehr, tmp_path):
    """Taken, but for what the example expects to be refused, or says of itself that it is; and in the order given."""
    config = init_folder(tmp_path / "site")
    text = config.read_text(encoding="utf-8").replace('default = "generic"', f'default = "{ehr}"')
    config.write_text(text, encoding="utf-8")
    examples = own(ehr)[1]["examples"]
    feed = tmp_path / "feed.hl7"
    feed.write_text("".join(each["message"] for each in examples), encoding="utf-8")
    result = run("try", feed, "--config", config, "--json")
    tried = [json.loads(line) for line in result.stdout.splitlines()]
    assert [each["mapping"] for each in tried] == [ehr] * len(examples)
    for example, outcome in zip(examples, tried, strict=True):
        expected = {"AE"} if "intake refuses" in example["name"] or "refused" in example["expect"] else {"AA", ""}
        assert outcome["ack_code"] in expected, (example["name"], outcome["reason"])


@pytest.mark.parametrize("ehr", EHRS)
def test_all_people_in_the_examples_are_invented_and_look_it(ehr):
    """PID-5 and GT1-3 begin with TEST in every message."""
    for example in own(ehr)[1]["examples"]:
        for line in example["message"].splitlines():
            fields = line.split("|")
            name = {"PID": 5, "GT1": 3}.get(fields[0], 0)
            if name and len(fields) > name and fields[name]:
                assert fields[name].startswith("TEST"), (example["name"], fields[name])


@pytest.mark.parametrize("ehr", EHRS)
def test_the_settings_of_a_guide_load_as_they_stand_there(ehr):
    """And name the site's own mapping for a sender; nothing goes unencrypted to another machine."""
    settings = settings_of(ehr)
    assert site_mapping(ehr)[0] in settings.mappings.senders.values()
    assert settings.facilities
    for part in (*settings.listeners, *settings.destinations):
        assert part.tls is not None


@pytest.mark.parametrize("ehr", EHRS)
def test_the_mapping_parts_of_a_guide_work_as_they_stand_there(ehr, tmp_path):
    """The site's own file, and what a site may have to add, each on top of the shipped mapping."""
    name, text = site_mapping(ehr)
    assert tomllib.loads(text)["extends"] == ehr
    part = f'format = 1\nname = "part"\nextends = "{ehr}"\ninherit_examples = false\n'
    for block in guide_blocks(ehr):
        if "[[listeners]]" not in block and block != text:
            assert [str(each) for each in check_mapping_file(folder_with(tmp_path, part=part + block), "part")] == []
    assert [str(each) for each in check_mapping_file(folder_with(tmp_path, **{name: text}), name)] == []


@pytest.mark.parametrize("ehr", EHRS)
def test_the_payment_that_a_guide_shows_is_the_one_that_its_settings_make(ehr):
    """Segment by segment; and it conforms to the version that it states."""
    (shown,) = fenced(read(f"ehr/{ehr}.md"), "hl7")
    (destination,) = settings_of(ehr).destinations
    form = DestinationForm.of(destination)
    assert check_form(form) == []
    assert shown.splitlines() == sample_messages(form)[PaymentKind.PAYMENT].split("\r")[:-1]


@pytest.mark.parametrize("ehr", EHRS)
def test_a_guide_says_what_to_ask_for_what_to_confirm_and_how_to_try_it(ehr):
    """The same sections in each, and only commands and files that there are."""
    text = (DOCS / "ehr" / f"{ehr}.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[0] == "What is known, and what is not"
    assert headings[1].startswith("What to ask the ")
    assert headings[2:4] == ["The settings", "The site's own mapping"]
    assert headings[4].startswith("What ")
    assert headings[5:] == ["Try it", "Before going live"]
    for name in re.findall(r"`((?:tests|mappings|docs)/[\w./-]*)`", text):
        assert (ROOT / name).exists() or name == f"mappings/{site_mapping(ehr)[0]}.toml", name
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert "://" in link or (DOCS / "ehr" / link).exists(), link
    for command in ("check", "try", "profile"):
        assert f"hl7bridge {command}" in text
