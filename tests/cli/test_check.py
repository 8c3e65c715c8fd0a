"""`check`: every problem of every file in one run, as file:line: key: problem (hint)."""

from __future__ import annotations

import os

import pytest
from cli_samples import Certificates, init_folder, run
from cryptography.hazmat.primitives.asymmetric import ec

from hl7bridge.cli import check as module


@pytest.fixture
def config(tmp_path):
    return init_folder(tmp_path / "d")


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def problems(config, **options):
    result = run("check", "--config", config, **options)
    lines = result.stdout.splitlines()
    assert result.exit_code == 1, result.output
    assert result.stderr == f"{len(lines)} problem{'s' if len(lines) > 1 else ''}\n"
    return lines


def test_what_init_wrote_is_right(config):
    """And says so."""
    result = run("check", "--config", config)
    assert (result.exit_code, result.stdout) == (0, f"{config}: all is well\n")


def test_every_value_in_effect_can_be_shown(config):
    """Defaults included; of the key only where it is."""
    result = run("check", "--show", "--config", config)
    assert result.exit_code == 0
    assert "listeners[1].block_timeout = 30 s" in result.stdout
    assert "destinations[1].retry.attempts = 10" in result.stdout
    assert f"store.key_file = {config.parent}/secrets/store.key" in result.stdout
    assert (config.parent / "secrets/store.key").read_text().strip() not in result.stdout


def test_mistakes_in_several_files_are_told_in_one_run(config):
    """Configuration, mapping, rules, key: nothing waits for another run."""
    folder = config.parent
    edit(config, 'bind = "127.0.0.1:2575"          #', 'bind = "127.0.0.1"\nbogus = 1  #')
    (folder / "mappings/broken.toml").write_text("x = \n")
    edit(folder / "rules.toml", 'fact = "balance"', 'fact = "balanse"')
    (folder / "secrets/store.key").chmod(0o644)
    found = problems(config)
    line = config.read_text().splitlines().index('bind = "127.0.0.1"') + 1
    assert found[0].startswith(
        f'{config}:{line}: listeners[1].bind: not an address with a port (write "127.0.0.1:2575"'
    )
    assert ": listeners[1].bogus: unknown key" in found[1]
    assert found[2].startswith(f"{folder}/mappings/broken.toml:1: (syntax): ")
    assert any(line.startswith(f"{folder}/rules.toml:") and "balanse" in line for line in found)
    assert any("others can read the key (chmod 600 " in line for line in found)


def test_a_section_that_cannot_be_read_is_not_guessed(config):
    """What depends on it is checked in the next run; no problem is made up."""
    edit(config, "[store]", "[store]\nx = 1")
    edit(config, "[rules]", "[rules]\nx = 1")
    edit(config, "\n[mappings]", "\n[mappings]\nx = 1")
    assert [line.split(" ")[1] for line in problems(config)] == ["store.x:", "rules.x:", "mappings.x:"]
    edit(config, 'outgoing = "agencies/sample/outgoing"', "outgoing = 5")
    assert len(problems(config)) == 4


def test_agencies_that_cannot_be_read_are_not_missed_in_the_rules(config):
    """The one that a rule names may be the one with the mistake."""
    edit(config, 'outgoing = "agencies/sample/outgoing"', "outgoing = 5")
    (found,) = problems(config)
    assert "agencies[1].outgoing: expected a path in quotes" in found


def test_a_mistake_of_syntax_in_the_configuration_is_the_only_problem(config):
    """There is nothing to go on with."""
    edit(config, "[store]", "[store")
    result = run("check", "--config", config)
    assert result.exit_code == 1
    assert f"{config}:" in result.stderr
    assert "(syntax)" in result.stderr


def test_a_mapping_that_is_named_and_not_there_is_told(config):
    """By default, by sender or by listener."""
    edit(config, 'default = "generic"', 'default = "none"\nsenders = { "A|B" = "lost" }')
    edit(config, 'bind = "127.0.0.1:2575"', 'bind = "127.0.0.1:2575"\nmapping = "gone"')
    found = problems(config)
    assert [line.split(" ")[1] for line in found] == [
        "mappings.default:",
        "mappings.senders.A|B:",
        "listeners[1].mapping:",
    ]
    mappings = sorted((config.parent / "mappings").glob("*.toml"))
    known = ", ".join(path.stem for path in mappings)
    assert all(line.endswith(f"there is no such mapping (there are: {known})") for line in found)
    for path in mappings:
        path.unlink()
    assert problems(config)[0].endswith("there is no such mapping (there are none)")


def test_a_mapping_is_named_as_its_file_is(config):
    """The configuration names the file."""
    (config.parent / "mappings/epic.toml").rename(config.parent / "mappings/other.toml")
    (found,) = problems(config)
    assert found.endswith(': name: a mapping is named as its file is (write name = "other", or rename the file)')


def test_an_example_that_its_mapping_does_not_meet_is_told(config):
    """An edit that changes what is read is found before a message is."""
    edit(config.parent / "mappings/generic.toml", 'number = "PID-18.1"', 'number = "PID-3.1"')
    assert any("examples" in line for line in problems(config))


def test_a_field_that_the_privacy_profile_does_not_allow_is_told(config):
    """A mapping cannot bring a diagnosis into the store."""
    edit(config.parent / "mappings/generic.toml", 'language = "PID-15.1"', 'language = "DG1-3.1"')
    assert any("DG1-3: the privacy profile does not allow" in line for line in problems(config))


def test_rules_that_are_missing_or_name_an_agency_that_is_not_there_are_told(config):
    """Nothing would be placed, or with nobody."""
    edit(config, 'name = "sample"', 'name = "other"')
    found = problems(config)
    assert len(found) == 3
    assert all(line.endswith(': no agency is named "sample" (there are: other)') for line in found)
    assert found[0].startswith(f"{config.parent}/rules.toml:")
    (config.parent / "rules.toml").unlink()
    assert problems(config) == [f"{config.parent}/rules.toml:1: (file): there is no such file"]


def test_rules_without_any_agency_are_told(tmp_path, config):
    """A configuration for intake alone has no rules that place."""
    text = config.read_text()
    start, end = text.index("[[agencies]]"), text.index("# [[facilities]]")
    config.write_text(text[:start] + text[end:])
    assert problems(config)[0].endswith('no agency is named "sample" (there are none)')


def test_a_key_that_is_missing_or_no_key_is_told_and_never_quoted(config):
    """The store could not be opened."""
    key = config.parent / "secrets/store.key"
    key.write_text("sesame")
    (found,) = problems(config)
    assert "store.key_file: " in found
    assert "not a key" in found
    assert "sesame" not in found
    key.unlink()
    assert "the key file is missing" in problems(config)[0]


def test_folders_that_cannot_be_written_are_told(config, monkeypatch):
    """The store's, or the nearest above it that is there, and each agency's."""
    (config.parent / "agencies/sample/outgoing").rmdir()
    (found,) = problems(config)
    assert found.endswith(f"there is no such folder (mkdir -p {config.parent}/agencies/sample/outgoing)")
    (config.parent / "agencies/sample/outgoing").mkdir()
    edit(config, 'path = "data/hl7bridge.db"', 'path = "new/deep/hl7bridge.db"')
    assert run("check", "--config", config).exit_code == 0
    monkeypatch.setattr(os, "access", lambda _path, mode: not mode & os.W_OK)  # tests may run as root
    found = problems(config)
    assert f"store.path: {config.parent}: cannot be written by this user" in found[0]
    assert f"agencies[1].outgoing: {config.parent}/agencies/sample/outgoing: cannot be written" in found[1]
    assert f"agencies[1].incoming: {config.parent}/agencies/sample/incoming: cannot be written" in found[2]


def test_a_form_that_breaks_the_standard_is_told(config, monkeypatch):
    """Each message that a destination would get is built and checked strictly."""
    said = {"ehr": ["payment: 2.5.1 is odd"]}  # and nothing of the shipped mappings
    monkeypatch.setattr("hl7bridge.payments.forms.check_form", lambda form: said.get(form.name, []))
    (found,) = problems(config)
    assert found.endswith(": destinations[1]: payment: 2.5.1 is odd")


def test_the_checks_are_listed_in_one_place():
    """What is added there is run."""
    assert [check.__name__ for check in module._checks()] == [
        "check_mappings",
        "check_rules",
        "check_certificates",
        "check_key",
        "check_folders",
        "check_agency_fields",
        "check_forms",
    ]


def with_tls(config, listener="", destination=""):
    if listener:
        edit(config, 'bind = "127.0.0.1:2575"', f'bind = "127.0.0.1:2575"\ntls = {{ {listener} }}')
    if destination:
        edit(config, 'connect = "127.0.0.1:2576"', f'connect = "127.0.0.1:2576"\ntls = {{ {destination} }}')


def test_certificates_that_are_right_are_taken(tmp_path, config):
    """A listener's, one that asks its clients for theirs, and a destination's."""
    authority = Certificates(tmp_path)
    certificate, key = authority.issue("server")
    with_tls(
        config,
        f'certificate = "{certificate}", key = "{key}", client_ca = "{authority.ca}"',
        f'ca = "{authority.ca}", certificate = "{certificate}", key = "{key}"',
    )
    assert run("check", "--config", config).exit_code == 0


def test_a_listener_may_ask_no_certificate_and_a_destination_may_show_none(tmp_path, config):
    """Plain TLS."""
    authority = Certificates(tmp_path)
    certificate, key = authority.issue("server")
    with_tls(config, f'certificate = "{certificate}", key = "{key}"', f'ca = "{authority.ca}"')
    assert run("check", "--config", config).exit_code == 0


def test_certificates_out_of_their_time_are_told(tmp_path, config):
    """Before a partner refuses them."""
    authority = Certificates(tmp_path)
    old, old_key = authority.issue("old", days=(-20, -10))
    new, new_key = authority.issue("new", days=(10, 200))
    with_tls(
        config,
        f'certificate = "{old}", key = "{old_key}"',
        f'ca = "{authority.ca}", certificate = "{new}", key = "{new_key}"',
    )
    found = problems(config)
    assert f"listeners[1].tls.certificate: {old}: expired on 20" in found[0]
    assert f"destinations[1].tls.certificate: {new}: not valid before 20" in found[1]
    assert found[1].endswith("(is the clock right?)")


def test_a_certificate_that_soon_expires_is_said_and_does_not_fail(tmp_path, config):
    """In time to renew it: a line with its place, from 30 days before; what has expired is a problem instead."""
    authority = Certificates(tmp_path)
    soon, key = authority.issue("soon", days=(-300, 29))
    later, later_key = authority.issue("later", days=(-300, 31))
    with_tls(
        config,
        f'certificate = "{soon}", key = "{key}"',
        f'ca = "{authority.ca}", certificate = "{later}", key = "{later_key}"',
    )
    result = run("check", "--config", config)
    line = next(at for at, text in enumerate(config.read_text().splitlines(), 1) if str(soon) in text)
    warning, verdict = result.stdout.splitlines()
    assert warning.startswith(f"{config}:{line}: listeners[1].tls.certificate: {soon}: expires on 20")
    assert warning.endswith(" (renew it)")
    assert (verdict, result.exit_code) == (f"{config}: nothing is wrong yet", 0)
    shown = run("check", "--show", "--config", config)
    assert (shown.stderr, shown.exit_code) == (f"{warning}\n", 0)
    edit(config, str(key), str(tmp_path / "none.key"))
    broken = run("check", "--config", config)
    assert (len(broken.stdout.splitlines()), broken.stderr, broken.exit_code) == (2, "1 problem\n", 1)


def test_a_key_of_another_certificate_is_told(tmp_path, config):
    """The two are a pair or nothing."""
    authority = Certificates(tmp_path)
    certificate, _ = authority.issue("server")
    _, key = authority.issue("other")
    with_tls(config, f'certificate = "{certificate}", key = "{key}"')
    assert problems(config)[0].endswith(f"listeners[1].tls.key: {key}: not the key of {certificate}")


def test_files_that_are_no_certificates_or_keys_are_told(tmp_path, config):
    """Missing, something else, locked, or open to everybody."""
    authority = Certificates(tmp_path)
    certificate, locked = authority.issue("server", password=b"sesame")
    everybody = authority.write_key("everybody.key", ec.generate_private_key(ec.SECP256R1()), mode=0o644)
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    junk.chmod(0o600)
    with_tls(config, f'certificate = "{tmp_path}/none.pem", key = "{locked}", client_ca = "{junk}"')
    with_tls(config, destination=f'ca = "{authority.ca}", certificate = "{certificate}", key = "{everybody}"')
    found = problems(config)
    assert found[0].endswith(f"certificate: {tmp_path}/none.pem: cannot read: No such file or directory")
    assert "the key is locked with a passphrase" in found[1]
    assert found[2].endswith(f"client_ca: {junk}: not a certificate (expected PEM: -----BEGIN CERTIFICATE-----)")
    assert found[3].endswith(f"everybody can read this key (chmod 600 {everybody})")
    edit(config, str(locked), str(junk))
    assert "not a private key" in problems(config)[1]
    _, right = authority.issue("right")
    edit(config, str(junk), str(right))
    assert len(problems(config)) == 3


def test_a_field_that_may_not_go_to_an_agency_is_named_with_its_line(config):
    """An agency's fields are checked against the allow-list before anything runs."""
    edit(config, "# fields = [...]", 'fields = ["client_account", "diagnosis"]  #')
    found = problems(config)
    line = config.read_text().splitlines().index(next(x for x in config.read_text().splitlines() if x[:6] == "fields"))
    assert any(each.startswith(f"{config}:{line + 1}: agencies[1].fields") for each in found)
    assert any("diagnos" in each for each in found)
