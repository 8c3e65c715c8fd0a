"""Which files are a configuration, how they are named in a version of it, and which are never part of one."""

from __future__ import annotations

import pytest
from preview_samples import GENERIC, Site

from hl7bridge.errors import ConfigError
from hl7bridge.storage.config_versions import read_version
from hl7bridge.versions import load_configuration, load_version, read_present, share_mappings


@pytest.fixture
def site(tmp_path):
    """Version 1: as `init` wrote it."""
    return Site(tmp_path / "d")


def test_a_settings_file_that_cannot_be_read_is_said_as_always(site):
    """Its encoding, by the line."""
    site.config.write_bytes(b"[store]\n# \xff\n")
    with pytest.raises(ConfigError, match=r"hl7bridge\.toml:2: \(encoding\): not UTF-8"):
        load_configuration(site.config)


def test_certificates_and_their_keys_are_in_no_version(site):
    """Whatever a broken configuration takes them for."""
    (site.folder / "secrets/tls.key").write_text("INVENTED KEY")
    (site.folder / "secrets/tls.pem").write_text("INVENTED CERTIFICATE")
    site.configure(
        'bind = "127.0.0.1:2575"',
        'bind = "127.0.0.1:2575"\ntls = { certificate = "secrets/tls.pem", key = "secrets/tls.key" }',
    )
    site.configure('file = "rules.toml"', 'file = "secrets/tls.key"')
    assert list(read_present(site.config, {"secrets/tls.pem": "", "rules.toml": ""})) == [
        "hl7bridge.toml", GENERIC, "rules.toml",
    ]  # fmt: skip


def test_a_file_outside_the_settings_folder_is_kept_by_its_whole_path(site, tmp_path):
    """And is found again when the version is read."""
    rules = tmp_path / "elsewhere.toml"
    rules.write_bytes((site.folder / "rules.toml").read_bytes())
    site.configure('file = "rules.toml"', f'file = "{rules}"')
    assert site.take() == 2
    assert str(rules) in site.rows("config", "history")[0]["files"]
    good = rules.read_text()
    rules.write_text("broken")
    assert site.run("config", "rollback", 2).exit_code == 0
    assert rules.read_text() == good
    (site.folder / "rules.toml").unlink()
    with site.store() as store:
        version = read_version(store, 2)
    assert version.was_taken
    rules.unlink()
    assert load_version(version, site.folder).rules.version
    lacking = version._replace(files={name: text for name, text in version.files.items() if name != str(rules)})
    with pytest.raises(ConfigError, match="there is no such file"):
        load_version(lacking, site.folder)


def test_mappings_that_say_the_same_are_one_and_others_are_two(site):
    """Examples and comments apart: a message that such a mapping reads need not be read twice."""
    before = load_configuration(site.config)
    site.configure("# generic: ", "# also generic: ", GENERIC)
    alike = load_configuration(site.config)
    assert alike.setup.mappings["generic"] is not before.setup.mappings["generic"]
    assert share_mappings(before, alike).setup.mappings["generic"] is before.setup.mappings["generic"]
    site.configure('PY = "PY"', 'PY = "AJ"', GENERIC)
    other = load_configuration(site.config)
    assert share_mappings(before, other).setup.mappings == other.setup.mappings
    text = (site.folder / GENERIC).read_text().replace('name = "generic"', 'name = "other"', 1)
    (site.folder / "mappings/other.toml").write_text(text)
    site.configure('default = "generic"', 'default = "other"')
    assert list(share_mappings(before, load_configuration(site.config)).setup.mappings) == ["other"]
