"""`config history`, `config diff` and `config rollback`: what was in force, what changed, and the way back."""

from __future__ import annotations

import json
import os
import signal
import stat
from types import SimpleNamespace

import pytest
from bridge_samples import Bridge
from cli_samples import run
from preview_samples import GENERIC, Site

from hl7bridge.cli.common import App
from hl7bridge.cli.pidfile import hold_pid_file, pid_path
from hl7bridge.versions import files_of, load_configuration


@pytest.fixture
def site(tmp_path):
    """Version 1: as `init` wrote it."""
    return Site(tmp_path / "d")


def test_a_configuration_is_kept_once_with_the_files_it_is_made_of(site):
    """The settings, the rules and the mappings in use; the same again is no new version."""
    assert site.take() is None
    site.configure("CHARGE", "FEE", GENERIC)
    assert site.take() == 2
    newest, oldest = site.rows("config", "history")
    assert (newest["version"], newest["reason"], newest["actor"], newest["in_force"]) == (2, "reload", "daemon", True)
    assert newest["changed"] == [GENERIC]
    assert (oldest["version"], oldest["reason"], oldest["in_force"]) == (1, "start", False)
    assert oldest["files"] == ["hl7bridge.toml", GENERIC, "rules.toml"]
    assert sorted(oldest["files"]) == sorted(oldest["changed"])
    assert "generic.toml" in site.run("config", "history").stdout
    first = ("daemon", "config.start", "configuration version 1")
    assert [row[:3] for row in site.audited()] == [("daemon", "config.reload", "configuration version 2"), first]
    assert site.audited()[0][3] == f"changed: {GENERIC}"


def test_keys_and_certificates_are_in_no_version(site):
    """Even where a setting by mistake names the key as rules: what is kept of a broken configuration leaves it out."""
    key = (site.folder / "secrets/store.key").read_text().strip()
    site.configure('file = "rules.toml"', 'file = "secrets/store.key"')
    assert site.run("config", "rollback", 1).exit_code == 0
    with site.store() as store:
        texts = [row[0] for row in store.execute("SELECT files FROM config_versions")]
    assert len(texts) == 2
    assert not any(key in text for text in texts)
    assert "secrets/store.key" not in site.rows("config", "history")[0]["files"]


def test_what_a_mapping_extends_and_its_tables_are_part_of_a_version(site):
    """A site's mapping of ten lines is nothing without what it stands on."""
    (site.folder / "mappings/site.toml").write_text(
        'format = 1\nname = "site"\nextends = "generic"\n[tables.entry_kind]\nfile = "codes/kinds.csv"\n'
    )
    (site.folder / "mappings/codes").mkdir()
    (site.folder / "mappings/codes/kinds.csv").write_text("code,value\nFEE,CG\n")
    site.configure('default = "generic"', 'default = "site"')
    files = list(files_of(load_configuration(site.config)))
    assert files == ["hl7bridge.toml", "mappings/codes/kinds.csv", GENERIC, "mappings/site.toml", "rules.toml"]


def test_a_diff_shows_each_file_that_changed_and_may_exit_1(site):
    """From the configuration in force to the files as they are, or between two versions."""
    same = site.run("config", "diff", "--exit-code")
    assert (same.exit_code, same.stdout, same.stderr) == (0, "", "Nothing differs.\n")
    site.configure('CHARGE = "CG"', 'CHARGE = "CG"\nFEE = "CG"', GENERIC)
    changed = site.run("config", "diff", "--exit-code")
    assert changed.exit_code == 1
    assert changed.stdout.startswith(f"--- {GENERIC} (version 1)\n+++ {GENERIC} (now)\n@@ ")
    assert '\n+FEE = "CG"\n' in changed.stdout
    site.take()
    assert site.run("config", "diff", "--exit-code").exit_code == 0
    assert site.run("config", "diff", 2, 1).exit_code == 0
    between = site.run("config", "diff", 2, 1, "--exit-code")
    assert between.exit_code == 1
    assert '\n-FEE = "CG"\n' in between.stdout
    (row,) = [json.loads(line) for line in site.run("config", "diff", 1, "--json").stdout.splitlines()]
    assert (row["file"], row["change"]) == (GENERIC, "changed")
    assert row["diff"].startswith("--- ")


def test_a_diff_tells_of_files_that_came_and_went_and_of_changes_that_cannot_be_seen(site):
    """Line ends count: the bytes are not the same."""
    text = (site.folder / GENERIC).read_text().replace('name = "generic"', 'name = "other"', 1)
    (site.folder / "mappings/other.toml").write_text(text)
    site.configure('default = "generic"', 'default = "other"')
    rules = site.folder / "rules.toml"
    rules.write_bytes(rules.read_bytes().replace(b"\n", b"\r\n"))
    site.take()
    rows = [json.loads(line) for line in site.run("config", "diff", 1, 2, "--json").stdout.splitlines()]
    assert {row["file"]: row["change"] for row in rows} == {
        "hl7bridge.toml": "changed", GENERIC: "removed", "mappings/other.toml": "added", "rules.toml": "changed",
    }  # fmt: skip
    assert rows[-1]["diff"] == "rules.toml: only line ends or the byte order mark differ"


def test_what_is_not_there_is_said(site, tmp_path):
    """A version, or any version at all."""
    assert "no version 7 of the configuration" in site.run("config", "diff", 7).stderr
    assert "no version 7 of the configuration" in site.run("config", "rollback", 7).stderr
    other = Bridge(tmp_path / "other")
    assert "no configuration has been kept yet" in other.run("config", "diff").stderr
    assert other.run("config", "history").stderr.startswith("None yet")


def test_a_rollback_writes_the_files_back_and_keeps_what_they_replace(site):
    """With owner, permissions and links as they were; the audit log has who and why."""
    mapping = site.folder / GENERIC
    before = mapping.read_bytes()
    real = site.folder / "mappings/real"
    mapping.rename(real)
    mapping.symlink_to("real")
    real.chmod(0o604)
    owner = (1234, 5678) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    os.chown(real, *owner)
    site.configure("CHARGE", "FEE", GENERIC)
    site.take()
    site.configure("[tables", "[[tables", GENERIC)  # broken by now
    broken = real.read_text()
    result = site.run("config", "rollback", 1, "--reason", "the tables are wrong")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [
        f"wrote {real}", "the files are those of version 1; what they were is version 3",
        "no daemon is running; the next start takes them",
    ]  # fmt: skip
    assert real.read_bytes() == before
    assert mapping.is_symlink()
    facts = real.stat()
    assert (stat.S_IMODE(facts.st_mode), facts.st_uid, facts.st_gid) == (0o604, *owner)
    newest, second, _ = site.rows("config", "history")
    assert newest["reason"] == "replaced by a rollback to version 1: the tables are wrong"
    assert (newest["in_force"], second["in_force"]) == (False, True)
    assert not list(site.folder.glob("**/.*"))
    with site.store() as store:
        assert json.loads(store.row("SELECT files FROM config_versions WHERE id = 3")[0])[GENERIC] == broken
    actor, action, subject, reason = site.audited()[0]
    assert (actor, action, subject) == (App().actor, "config.rollback", "configuration version 1")
    assert reason == "what it replaces is version 3; the tables are wrong"
    assert site.run("check").exit_code == 0


def test_a_rollback_of_files_that_are_the_same_writes_nothing(site):
    """And says so in JSON too."""
    result = site.run("config", "rollback", 1, "--json")
    assert json.loads(result.stdout) == {"version": 1, "kept": None, "written": [], "daemon": None}
    assert len(site.rows("config", "history")) == 1


def test_a_file_that_is_gone_is_written_anew_as_the_settings_file_is(site):
    """In its folder, which may be gone too."""
    (site.folder / GENERIC).unlink()
    for each in (site.folder / "mappings").iterdir():
        each.unlink()
    (site.folder / "mappings").rmdir()
    site.config.chmod(0o640)
    assert site.run("config", "rollback", 1).exit_code == 0
    assert stat.S_IMODE((site.folder / GENERIC).stat().st_mode) == 0o640
    assert site.run("config", "diff", "--exit-code").exit_code == 0


def test_settings_that_cannot_be_read_do_not_stand_in_the_way(site):
    """The store is found by its own section; a settings file that is no TOML is what a person goes back from."""
    good = site.config.read_bytes()
    site.config.write_bytes(good + b"\n[[[ \xff")
    result = site.run("config", "rollback", 1)
    assert result.exit_code == 0, result.stderr
    assert "hl7bridge.toml:" in result.stderr
    assert site.config.read_bytes() == good
    site.config.write_text(site.config.read_text().replace("[store]", "[store]\nbogus = 1", 1))
    refused = site.run("config", "history")
    assert refused.exit_code == 1
    assert "bogus" in refused.stderr


def test_a_version_that_does_not_load_any_more_is_refused_and_nothing_is_touched(site):
    """As one of which another release would make another thing."""
    with site.store() as store:
        text = store.row("SELECT files FROM config_versions")[0]
        with store.transaction():
            store.execute("UPDATE config_versions SET files = ?", (text.replace("format = 1", "format = 9"),))
    site.configure("CHARGE", "FEE", GENERIC)
    before = (site.folder / GENERIC).read_bytes()
    result = site.run("config", "rollback", 1)
    assert result.exit_code == 1
    assert "format" in result.stderr
    assert (site.folder / GENERIC).read_bytes() == before
    assert len(site.rows("config", "history")) == 1


def test_a_version_of_another_settings_file_is_refused(site):
    """Two configurations may share a store for a while."""
    other = site.config.with_name("other.toml")
    other.write_bytes(site.config.read_bytes())
    result = run("config", "rollback", 1, "--config", other)
    assert "version 1 is of another configuration: hl7bridge.toml" in result.stderr


def test_files_that_cannot_be_written_are_all_left_as_they_were(site, monkeypatch):
    """A disk that fills while they are made; the log says that it came to nothing."""
    site.configure("CHARGE", "FEE", GENERIC)
    site.configure('tier = "primary"', 'tier = "second"', "rules.toml")
    before = {name: (site.folder / name).read_bytes() for name in (GENERIC, "rules.toml")}
    made = []

    def full(descriptor):
        made.append(descriptor)
        if len(made) > 1:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("hl7bridge.versions.os.fsync", full)
    result = site.run("config", "rollback", 1)
    assert result.exit_code == 1
    assert "No space left on device" in result.stderr
    assert {name: (site.folder / name).read_bytes() for name in before} == before
    assert not list(site.folder.glob("**/.*"))
    assert site.audited()[0][1:3] == ("config.rollback_failed", "configuration version 1")


def test_an_owner_that_cannot_be_kept_is_a_reason_not_to_write(site, monkeypatch):
    """A file that the daemon's user owns must not become root's, or the other way."""
    site.configure("CHARGE", "FEE", GENERIC)
    before = (site.folder / GENERIC).read_bytes()

    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    def of_another(descriptor):
        found = real(descriptor)
        return SimpleNamespace(
            **{name: getattr(found, name) for name in dir(found) if name[:3] == "st_"} | {"st_uid": -1}
        )

    real = os.fstat
    monkeypatch.setattr("hl7bridge.versions.os.fstat", of_another)
    monkeypatch.setattr("hl7bridge.versions.os.fchown", refuse)
    result = site.run("config", "rollback", 1)
    assert "its owner could not be kept; run this as its owner, or as root" in result.stderr
    assert (site.folder / GENERIC).read_bytes() == before


def test_a_running_daemon_is_asked_to_take_what_was_written(site):
    """SIGHUP, as `reload` sends it."""
    got = []
    before = signal.signal(signal.SIGHUP, lambda *_: got.append("hup"))
    site.configure("CHARGE", "FEE", GENERIC)
    try:
        with hold_pid_file(pid_path(App(site.config).settings)):
            result = site.run("config", "rollback", 1)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert got == ["hup"]
    assert f"asked the daemon (process {os.getpid()})" in result.stdout
