"""`init`: a configuration that works as it is, written once and never over anything."""

from __future__ import annotations

import stat

from cli_samples import init_folder, run

from hl7bridge.config import load_settings
from hl7bridge.shipped import read_shipped, read_shipped_mappings
from hl7bridge.storage.database import open_store, read_key


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_all_that_is_needed_is_written_and_the_next_command_said(tmp_path):
    """Configuration, rules, mappings, key, store, and the agency's folder."""
    folder = tmp_path / "a b"
    result = run("init", folder)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[-2:] == [
        f"Next: hl7bridge check --config '{folder}/hl7bridge.toml'",
        f"then: hl7bridge serve --config '{folder}/hl7bridge.toml'",
    ]
    names = ["hl7bridge.toml", "rules.toml", "secrets/store.key", "data/hl7bridge.db"]
    names += [f"mappings/{name}" for name in read_shipped_mappings()]
    assert {line.removeprefix("wrote  ") for line in lines[:-2]} == {str(folder / name) for name in names}
    assert (folder / "agencies/sample/outgoing").is_dir()
    settings = load_settings(folder / "hl7bridge.toml")
    assert settings.agencies[0].outgoing == folder / "agencies/sample/outgoing"


def test_nobody_else_can_read_the_key_the_store_or_what_the_agency_gets(tmp_path):
    """From the first moment on, whatever the umask."""
    init_folder(tmp_path)
    assert mode(tmp_path / "secrets/store.key") == 0o600
    assert mode(tmp_path / "data/hl7bridge.db") == 0o600
    for folder in ("secrets", "data", "agencies/sample/outgoing"):
        assert mode(tmp_path / folder) == 0o700


def test_the_key_opens_the_store_and_the_first_row_of_the_audit_log_says_who_made_it(tmp_path):
    """Each init makes its own key."""
    init_folder(tmp_path / "one")
    init_folder(tmp_path / "two")
    key = read_key(tmp_path / "one/secrets/store.key")
    assert key != read_key(tmp_path / "two/secrets/store.key")
    store = open_store(tmp_path / "one/data/hl7bridge.db", key)
    assert store.rows("SELECT id, action FROM audit") == [(1, "init")]
    store.close()


def test_a_folder_that_has_a_configuration_is_left_as_it_is(tmp_path):
    """Exit 1, and not a byte changed."""
    config = init_folder(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    result = run("init", tmp_path)
    assert result.exit_code == 1
    assert result.stderr == f"hl7bridge: {config} is there already, so nothing was written; name another folder\n"
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_files_that_are_there_are_kept_and_named(tmp_path):
    """A site's own rules survive, and a run that was broken off can be run again."""
    init_folder(tmp_path)
    (tmp_path / "hl7bridge.toml").unlink()
    (tmp_path / "rules.toml").write_text("# ours\n")
    key = (tmp_path / "secrets/store.key").read_text()
    result = run("init", tmp_path)
    assert result.exit_code == 0
    assert f"kept   {tmp_path}/rules.toml" in result.stdout
    assert f"kept   {tmp_path}/secrets/store.key" in result.stdout
    assert f"kept   {tmp_path}/data/hl7bridge.db" in result.stdout
    assert f"wrote  {tmp_path}/hl7bridge.toml" in result.stdout
    assert (tmp_path / "rules.toml").read_text() == "# ours\n"
    assert (tmp_path / "secrets/store.key").read_text() == key


def test_a_store_without_its_key_gets_no_new_key(tmp_path):
    """A new key would not open it, and would hide that the old one is needed."""
    config = init_folder(tmp_path)
    config.unlink()
    (tmp_path / "secrets/store.key").unlink()
    result = run("init", tmp_path)
    assert result.exit_code == 1
    assert "there is a store and not its key" in result.stderr
    assert not (tmp_path / "secrets/store.key").exists()


def test_the_folder_is_the_current_one_unless_named(tmp_path, monkeypatch):
    """`hl7bridge init` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    result = run("init")
    assert result.exit_code == 0
    assert "Next: hl7bridge check --config hl7bridge.toml" in result.stdout
    assert run("audit", "verify").exit_code == 0


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    """A file stands in its place, or above it."""
    (tmp_path / "file").touch()
    result = run("init", tmp_path / "file" / "d")
    assert result.exit_code == 1
    assert result.stderr.startswith("hl7bridge: ")
    assert result.stderr.count("\n") == 1
    assert run("init", tmp_path / "file").exit_code == 2


def test_what_ships_is_found_in_a_checkout_and_in_an_installed_package(monkeypatch):
    """Where the mappings are not a package of their own, they are beside it."""
    import hl7bridge.shipped as module

    beside = read_shipped_mappings()
    assert "generic.toml" in beside
    assert "[common]" in read_shipped("rules.toml")
    monkeypatch.setattr(module, "_MAPPINGS", "hl7bridge.nowhere")
    assert read_shipped_mappings() == beside
    monkeypatch.setattr(module, "_MAPPINGS", "hl7bridge.shipped")
    assert set(read_shipped_mappings()) == {"hl7bridge.toml", "rules.toml"}
