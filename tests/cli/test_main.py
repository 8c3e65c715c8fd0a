"""The command as a whole: versions, help, which configuration it takes, and how it fails."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import types

import click
import pytest
from cli_samples import init_folder, run

from hl7bridge.cli import main as module
from hl7bridge.cli.common import CONFIG_PLACES, App, common_options
from hl7bridge.errors import BridgeError, ConfigError, NotFoundError, Problem


@pytest.fixture
def scratch(monkeypatch):
    """A command `scratch` whose body a test chooses."""

    def install(body):
        command = body if isinstance(body, click.Command) else click.command()(body)
        monkeypatch.setitem(sys.modules, "hl7bridge.cli.scratch", types.SimpleNamespace(command=command))
        monkeypatch.setitem(module.COMMANDS, "scratch", ("hl7bridge.cli.scratch:command", "A test."))

    return install


def test_the_version_is_of_program_schema_and_mapping_format():
    """What a person reports with a problem."""
    result = run("--version")
    assert result.stdout == "hl7bridge 0.1.0 (schema 5, mapping format 1)\n"
    assert result.exit_code == 0


def test_help_lists_every_command_without_importing_it():
    """Help is quick, and a command that cannot be imported does not take the others with it."""
    code = (
        "import sys; from hl7bridge.cli.main import main; main(['--help'], standalone_mode=False);"
        "slow = ('hl7bridge.cli.', 'twisted', 'sqlite_utils', 'sqlcipher3', 'pydantic', 'rich');"
        "print(sorted(name for name in sys.modules if name.startswith(slow)))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.splitlines()[-1] == "['hl7bridge.cli.main']"
    for name, (_, line) in module.COMMANDS.items():
        assert name in output
        assert line.split(",", maxsplit=1)[0] in output


@pytest.mark.parametrize("name", ["init", "check", "send", "status", "reload", "audit", "backup"])
def test_each_command_has_help(name):
    """And says what it does in its first line."""
    result = run(name, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: main {name}")


def test_the_table_of_commands_names_modules_that_are_in_the_package():
    """A name, a module, an attribute; a shell can complete the names."""
    assert module.main.list_commands(None) == list(module.COMMANDS)
    for name, (target, _) in module.COMMANDS.items():
        place, _, attribute = target.partition(":")
        assert place.startswith("hl7bridge.cli."), name
        assert attribute == "command"


def test_a_command_that_does_not_exist_is_wrong_use():
    """Exit 2, as click has it."""
    result = run("serv")
    assert result.exit_code == 2
    assert "No such command 'serv'" in result.stderr


def test_a_failure_that_can_be_explained_is_one_line_and_exit_1(scratch):
    """No traceback."""

    def body():
        raise BridgeError("the store is on fire")

    scratch(body)
    result = run("scratch")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "hl7bridge: the store is on fire\n")


def test_every_problem_of_a_configuration_is_a_line(scratch):
    """file:line: key: problem (hint)."""

    def body():
        raise ConfigError([Problem("a.toml", 1, "x", "is wrong"), Problem("a.toml", 2, "y", "is missing", "add it")])

    scratch(body)
    assert run("scratch").stderr.splitlines() == [
        "hl7bridge: a.toml:1: x: is wrong",
        "hl7bridge: a.toml:2: y: is missing (add it)",
    ]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (FileNotFoundError(2, "No such file or directory", "/x"), "hl7bridge: /x: No such file or directory\n"),
        (OSError(28, "No space left on device"), "hl7bridge: No space left on device\n"),
        (OSError("odd"), "hl7bridge: odd\n"),
    ],
)
def test_what_the_system_refuses_is_one_line(scratch, error, line):
    """A full disk, a missing file."""

    def body():
        raise error

    scratch(body)
    result = run("scratch")
    assert (result.exit_code, result.stderr) == (1, line)


def test_an_interrupted_command_says_nothing_and_exits_as_a_shell_expects(scratch):
    """128 + SIGINT."""

    def body():
        raise KeyboardInterrupt

    scratch(body)
    result = run("scratch")
    assert (result.exit_code, result.output) == (130, "")


def test_a_reader_that_goes_away_ends_a_command_quietly(tmp_path):
    """As in `hl7bridge audit list | head -1`."""
    config = init_folder(tmp_path / "d")
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "hl7bridge", "audit", "list", "--config", str(config)]
    ended = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (128 + signal.SIGPIPE, b"")


def test_the_module_can_be_run():
    """`python -m hl7bridge` is the command."""
    ended = subprocess.run([sys.executable, "-m", "hl7bridge", "--version"], capture_output=True, text=True, check=True)
    assert ended.stdout.startswith("hl7bridge 0.1.0")
    assert importlib.import_module("hl7bridge.__main__").main is module.main


def test_a_configuration_is_looked_for_here_and_then_in_etc(tmp_path, monkeypatch):
    """The one that is found first is taken; none is an error that names both places."""
    monkeypatch.chdir(tmp_path)
    assert str(CONFIG_PLACES[1]) == "/etc/hl7bridge/hl7bridge.toml"
    missing = run("status")
    assert missing.exit_code == 1
    assert missing.stderr == (
        "hl7bridge: there is neither hl7bridge.toml nor /etc/hl7bridge/hl7bridge.toml;"
        " name one with --config, or write one with 'hl7bridge init'\n"
    )
    init_folder(tmp_path)
    assert run("status").exit_code == 0


def test_a_configuration_that_is_named_and_missing_is_an_error(tmp_path):
    """Nothing else is taken in its place."""
    with pytest.raises(NotFoundError, match=r"there is no file .*none\.toml"):
        App(tmp_path / "none.toml").settings  # noqa: B018


def test_the_configuration_may_be_named_before_or_after_a_subcommand(scratch, tmp_path):
    """Before it counts for all that follow; the nearer one wins."""

    @click.group(invoke_without_command=True)
    @common_options
    def group(_app):
        pass

    @group.command("show")
    @common_options
    def show(app):
        click.echo(app.config_path.name)

    scratch(group)
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    one.touch()
    two.touch()
    assert run("scratch", "--config", one, "show").stdout == "one.toml\n"
    assert run("scratch", "show", "--config", two).stdout == "two.toml\n"
    assert run("scratch", "--config", one, "show", "--config", two).stdout == "two.toml\n"
