"""The documents and the program say the same: configuration, commands, log events, examples, links.

A test here fails when the program has something that the documents lack, and when they name what it has not.
"""

import ast
import re
import shlex
import tomllib

import click
import pytest
from docs_reader import DOCS, ROOT, fenced, first_names, names, own_text, read, section, table

from hl7bridge.cli.main import COMMANDS, main
from hl7bridge.config.describe import describe
from hl7bridge.config.load import read_settings_text
from hl7bridge.config.settings import Settings
from hl7bridge.delivery.delivery import DeliveryStatus
from hl7bridge.payments.payment import PaymentStatus
from hl7bridge.placement.state import Status
from hl7bridge.storage.messages import Disposition

README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
# The smallest configuration that has every section, so that every default can be seen.
EVERY_SECTION = """
[[listeners]]
name = "x"
bind = "127.0.0.1:1"
tls = { certificate = "c", key = "k" }
[[destinations]]
name = "x"
connect = "127.0.0.1:2"
tls = { ca = "c" }
[[destinations]]
name = "y"
facilities = ["Y"]
lockbox = { folder = "l" }
[[agencies]]
name = "x"
outgoing = "o"
[[facilities]]
code = "X"
"""


# ---- configuration.md -----------------------------------------------------------------------------------------------


def settings_sections():
    """(heading, model, path as `check --show` names it) of every table of the configuration."""
    from hl7bridge.config import settings as s

    return [
        ("[store]", s.StoreSettings, "store"),
        ("[[listeners]]", s.ListenerSettings, "listeners[1]"),
        ("[listeners.tls]", s.ListenerTls, "listeners[1].tls"),
        ("[[destinations]]", s.DestinationSettings, "destinations[1]"),
        ("[destinations.lockbox]", s.LockboxSettings, "destinations[2].lockbox"),
        ("[destinations.codes]", s.CodesSettings, "destinations[1].codes"),
        ("[destinations.retry]", s.RetrySettings, "destinations[1].retry"),
        ("[destinations.tls]", s.DestinationTls, "destinations[1].tls"),
        ("[[agencies]]", s.AgencySettings, "agencies[1]"),
        ("[[facilities]]", s.FacilitySettings, "facilities[1]"),
        ("[rules]", s.RulesSettings, "rules"),
        ("[mappings]", s.MappingsSettings, "mappings"),
        ("[reports]", s.ReportsSettings, "reports"),
    ]


def test_every_section_of_the_configuration_has_its_own_table():
    """No model of the settings is left out below, and no section is documented that does not exist."""
    from hl7bridge.config import settings as s

    models = {each for each in vars(s).values() if isinstance(each, type) and issubclass(each, s.Section)}
    assert {model for _, model, _ in settings_sections()} == models - {s.Section, Settings}
    assert {path.split("[")[0].split(".")[0] for _, _, path in settings_sections()} == set(Settings.model_fields)


@pytest.mark.parametrize(("heading", "model", "path"), settings_sections(), ids=str)
def test_every_key_of_the_configuration_stands_in_the_table_with_its_default(heading, model, path, tmp_path):
    """A key that is added, renamed or given another default fails here until the table says so."""
    rows = {names(row[0])[0]: row[1] for row in table(own_text(read("configuration.md"), heading))}
    assert list(rows) == list(model.model_fields)
    shown = dict(describe(read_settings_text(EVERY_SECTION, tmp_path / "hl7bridge.toml")))
    for key, said in rows.items():
        field = model.model_fields[key]
        default = shown.get(f"{path}.{key}", "").removeprefix(f"{tmp_path}/")
        if field.is_required():
            assert said == "required", key
        elif said not in {"see below", "none", "empty"}:
            assert said == f"`{default}`", key
        elif said != "see below" and key != "tls":
            assert default == {"none": "(none)", "empty": ""}[said], key


def test_the_shipped_configuration_names_every_key_there_is():
    """Whoever reads the file that `init` writes sees each key once, as it is or as a comment."""
    text = (ROOT / "hl7bridge" / "shipped" / "hl7bridge.toml").read_text(encoding="utf-8")
    for _, model, _ in settings_sections():
        for key in model.model_fields:
            assert re.search(rf"\b{key}\b", text), key


# ---- commands.md ----------------------------------------------------------------------------------------------------


def walk_commands():
    """(full name, click command) of every command and subcommand."""
    context = click.Context(main, info_name="hl7bridge")
    for name in COMMANDS:
        command = main.get_command(context, name)
        yield name, command
        if isinstance(command, click.Group):
            for sub in command.list_commands(context):
                yield f"{name} {sub}", command.get_command(context, sub)


ALL_COMMANDS = dict(walk_commands())


def test_the_headings_of_the_command_reference_are_the_commands_there_are():
    """In any order, each once."""
    headings = re.findall(r"^#+ hl7bridge (.+)$", read("commands.md"), re.MULTILINE)
    assert sorted(headings) == sorted(ALL_COMMANDS)


@pytest.mark.parametrize("name", ALL_COMMANDS)
def test_each_commands_section_names_its_options_and_no_others(name):
    """A new option fails here until it is documented; so does one that was documented and is gone."""
    text = own_text(read("commands.md"), f"hl7bridge {name}")
    known = {opt for each in ALL_COMMANDS[name].params if isinstance(each, click.Option) for opt in each.opts}
    also = re.search(r"^Also (.+)\.$", text, re.MULTILINE)
    told = set(first_names(text)) | {each.split()[0] for each in names(also[1] if also else "")}
    assert told == known


@pytest.mark.parametrize("name", ALL_COMMANDS)
def test_each_option_says_in_its_help_what_it_does(name):
    """`--help` is the first document that a person reads."""
    for each in ALL_COMMANDS[name].params:
        if isinstance(each, click.Option) and each.name != "kind":
            assert each.help, each.name
    assert ALL_COMMANDS[name].help


def test_the_columns_of_lists_are_among_the_json_keys_of_the_reference():
    """Tables show nothing that --json has not under the same name."""
    from hl7bridge.cli import accounts, decide, deliveries, messages, payments, placements, signals

    for module in (accounts, decide, deliveries, messages, payments, placements):
        name = module.__name__.rpartition(".")[2]
        keys = re.search(r"^JSON keys: (.+)\.$", own_text(read("commands.md"), f"hl7bridge {name}"), re.MULTILINE)
        assert set(module.COLUMNS) <= set(re.split(r"[,;] ", keys[1])), name
    assert set(signals.COLUMNS) <= set(re.findall(r"\w+", own_text(read("commands.md"), "hl7bridge signals list")))


@pytest.mark.parametrize(
    ("heading", "statuses"),
    [
        ("placements", [status for status in Status if status is not Status.ELIGIBLE]),
        ("payments", list(PaymentStatus)),
        ("deliveries", list(DeliveryStatus)),
        ("messages", list(Disposition)),
    ],
)
def test_every_status_is_named_where_its_list_is_described(heading, statuses):
    """Whoever filters by a status finds its word."""
    text = own_text(read("commands.md"), f"hl7bridge {heading}")
    for status in statuses:
        assert re.search(rf"\b{status.value}\b", text), status


# ---- operations.md --------------------------------------------------------------------------------------------------


def log_events():
    """Every event that the program logs, found in its text."""
    for path in (ROOT / "hl7bridge").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
                continue
            function = ast.unparse(node.func)
            if re.fullmatch(r"(self\.)?_?log(\.(debug|info|warning|error|critical))?", function):
                yield node.args[0].value


def test_every_log_event_is_explained_and_no_other():
    """An event that is added fails here until operations.md says what to do about it."""
    rows = table(section(read("operations.md"), "The log"))
    assert sorted(names(row[0])[0] for row in rows) == sorted(set(log_events()))


@pytest.mark.parametrize("status", ["queued", "held", "unknown"])
def test_what_a_person_does_about_a_delivery_that_waits_is_described(status):
    """The statuses out of which only a person, or time, moves a delivery."""
    assert f"**{status}**" in section(read("operations.md"), "Deliveries that wait for a person")


# ---- README, ARCHITECTURE, CHANGELOG, all ---------------------------------------------------------------------------


def test_the_first_two_commands_of_the_readme_are_the_demo_and_the_tests_and_the_gate_runs_both():
    """The gate takes them from here, so what a newcomer types is what is tested."""
    demo, tests = (block.strip() for block in fenced(README, "sh"))
    assert demo.endswith("hl7bridge demo")
    assert tests.endswith("python -m pytest")
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "readme_command 1" in gate
    assert "readme_command 2" in gate


def test_the_readme_stays_short_enough_to_be_read():
    """What is longer goes to docs/."""
    assert len(README.splitlines()) <= 200


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_and_every_file_that_a_document_names_exists(path):
    """Links to files, and tests named as proof."""
    text = path.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in link:
            assert (path.parent / link).exists(), link
    for name in re.findall(r"`((?:tests|benchmarks|mappings|docs)/[\w./-]*)`", text):
        assert (ROOT / name).exists(), name


def commands_in(text):
    """Each ``hl7bridge ...`` of an indented or inline example, as words."""
    for line in [
        *re.findall(r"^    (?:\S*/)?hl7bridge (.*)$", text, re.MULTILINE),
        *re.findall(r"`hl7bridge ([^`]*)`", text),
    ]:
        words = shlex.split(re.split(r" {3,}| &&| \(", line)[0].replace("'", ""))
        if words and not words[0].startswith(("-", "COMMAND")):
            yield words


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_that_an_example_types_exists_with_its_options(path):
    """An example that cannot be typed is worse than none."""
    for words in commands_in(path.read_text(encoding="utf-8")):
        two = " ".join(words[:2])
        name = two if two in ALL_COMMANDS else words[0]
        assert name in ALL_COMMANDS, words
        known = {opt for each in ALL_COMMANDS[name].params if isinstance(each, click.Option) for opt in each.opts}
        known |= {"--help"}
        assert {word for word in words if word.startswith("--")} <= known, words


def test_the_architecture_names_every_package_and_every_dependency():
    """Whoever adds one says there what it owns, or what it saves."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    told = {name for row in table(text) for name in names(row[0])}
    here = {
        path.stem for path in (ROOT / "hl7bridge").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert {name for name in here if not name.startswith("__")} <= told
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {re.match(r"[\w-]+(\[\w+\])?", each)[0] for each in project["dependencies"]}
    assert needed <= told


def test_the_changelog_has_this_version_with_the_headings_that_operators_look_for():
    """Added, and what changed in mappings and schema."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.split(r"^## ", text, flags=re.MULTILINE)[1]
    assert newest.startswith(f"[{project['version']}]")
    assert "### Added" in newest
    assert "### Mapping and schema" in newest
