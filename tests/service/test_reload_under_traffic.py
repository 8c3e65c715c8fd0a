"""A broken reload leaves traffic flowing: every message of it is answered, by the last good configuration, and kept."""

from __future__ import annotations

import threading
from itertools import count

import pytest
from cli_samples import run
from feed_samples import dft, ft1
from listening import codes
from running_daemon import RunningDaemon, edit, make_folder

from hl7bridge.storage.audit import read_audit
from hl7bridge.storage.config_versions import list_versions, version_in_force

SITE = """format = 1
name = "site"
extends = "generic"
[tables.transaction_type]
file = "codes/types.csv"
"""


@pytest.fixture
def config(tmp_path):
    """A site's mapping of some lines, which extends the shipped one and has its codes in a CSV file."""
    made = make_folder(tmp_path / "d")
    (made.parent / "mappings/site.toml").write_text(SITE)
    (made.parent / "mappings/codes").mkdir()
    (made.parent / "mappings/codes/types.csv").write_text("code,value\nFARE,CG\n")
    edit(made, 'default = "generic"', 'default = "site"')
    return made


class Traffic:
    """One connection that sends charges without a pause, each once its predecessor is answered."""

    def __init__(self, daemon):
        self._daemon = daemon
        self._ends = threading.Event()
        self._moved = threading.Condition()
        self._thread = threading.Thread(target=self._send)
        self.answers = []

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ends.set()
        self._thread.join(30)

    def _send(self):
        with self._daemon.sender() as sender:
            for number in count(1):
                if self._ends.is_set():
                    return
                answer = codes(sender.ask(dft(f"T{number}", ft1(number=f"X{number}", kind="FARE"))))
                with self._moved:
                    self.answers += answer
                    self._moved.notify_all()

    def flows(self, more=20):
        """Wait until so many more messages have been answered."""
        with self._moved:
            until = len(self.answers) + more
            assert self._moved.wait_for(lambda: len(self.answers) >= until, 20)


def mistakes(folder):
    """(file, what it becomes, words of the problem) of files that a person broke; each would also take FEE."""
    csv = folder / "mappings/codes/types.csv"
    yield csv, "code,value\nFARE,CG\nFEE,CG\nFEE,CG\n", "this code is there twice"
    yield csv, "code;value\nFARE;CG\n", "expected the columns code and value"
    yield csv, None, "there is no such file"
    mapping = folder / "mappings/site.toml"
    yield mapping, SITE.replace("format = 1", "format = 7") + 'FEE = "CG"\n', "format"
    yield mapping, SITE + 'FEE = "CG"\n[[[', "site.toml"
    yield mapping, SITE.replace("generic", "nobody") + 'FEE = "CG"\n', "nobody.toml: there is no such file"
    rules = folder / "rules.toml"
    yield rules, rules.read_text().replace('agency = "sample"', 'agency = "other"'), 'no agency is named "other"'
    yield rules, "format = 1\n", "there is no rule"
    settings = folder / "hl7bridge.toml"
    yield settings, settings.read_text() + "\nbogus = 1\n", "unknown key"
    yield settings, b"\xff\xfe", "not UTF-8"


def test_whatever_file_is_broken_the_traffic_flows_on_by_the_last_good_configuration(config):
    """Ten mistakes, one after the other, while a sender sends: none of its messages waits, is refused or lost."""
    with RunningDaemon(config) as daemon, daemon.sender() as other, Traffic(daemon) as traffic:
        for number, (path, broken, words) in enumerate(mistakes(config.parent), 1):
            good = path.read_bytes()
            if broken is None:
                path.unlink()
            else:
                path.write_bytes(broken if isinstance(broken, bytes) else broken.encode())
            before = len(daemon.named("reload_refused"))
            refused = run("reload", "--config", config)  # says what is wrong, and does not ask the daemon
            assert refused.exit_code == 1, path
            assert words in refused.stderr
            daemon.signal(1)
            daemon.wait_for("reload_refused", before + 1)
            traffic.flows()
            assert any(words in event["problem"] for event in daemon.named("reload_refused")[before:]), words
            assert codes(other.ask(dft(f"F{number}", ft1(kind="FEE")))) == ["AE"]
            path.write_bytes(good)
        edit(config.parent / "mappings/codes/types.csv", "FARE,CG", "FARE,CG\nFEE,CG")
        assert run("reload", "--config", config).exit_code == 0
        daemon.wait_for("reloaded")
        traffic.flows()
        assert codes(other.ask(dft("F99", ft1(kind="FEE")))) == ["AA"]
        traffic.__exit__()
        assert set(traffic.answers) == {"AA"}
        daemon.stop()
    with_store = daemon.store()
    kept = with_store.rows("SELECT count(*) FROM messages WHERE control_id LIKE 'T%' AND disposition = 'applied'")
    entries = with_store.rows("SELECT count(*) FROM entries WHERE transaction_id LIKE 'X%'")
    assert kept == entries == [(len(traffic.answers),)]
    changes = list(list_versions(with_store))
    with_store.close()
    assert [(each.version.reason, each.version.actor) for each in changes] == [
        ("reload", "daemon"),
        ("start", "daemon"),
    ]
    assert changes[0].changed == ("mappings/codes/types.csv",)
    assert list(changes[1].version.files) == [
        "hl7bridge.toml", "mappings/codes/types.csv", "mappings/generic.toml", "mappings/site.toml", "rules.toml",
    ]  # fmt: skip


def test_a_rollback_under_traffic_is_taken_by_the_daemon(config):
    """Written back, asked for and in force, without a message that goes wrong."""
    with RunningDaemon(config) as daemon, Traffic(daemon) as traffic:
        edit(config.parent / "mappings/codes/types.csv", "FARE,CG", "FARE,CG\nFEE,CG")
        assert run("reload", "--config", config).exit_code == 0
        daemon.wait_for("reloaded")
        traffic.flows()
        result = run("config", "rollback", 1, "--reason", "FEE is no charge", "--config", config)
        assert f"asked the daemon (process {daemon.process.pid})" in result.stdout
        daemon.wait_for("reloaded", 2)
        traffic.flows()
        with daemon.sender() as other:
            assert codes(other.ask(dft("F1", ft1(kind="FEE")))) == ["AE"]
        traffic.__exit__()
        assert set(traffic.answers) == {"AA"}
        daemon.stop()
        store = daemon.store()
    in_force = version_in_force(store)
    changes = list(list_versions(store))
    rows = [(row["actor"].partition(":")[0], row["action"]) for row in read_audit(store)]
    store.close()
    assert (in_force.id, in_force.sha256) == (3, changes[2].version.sha256)
    assert [row for row in rows if row[1].startswith("config.")] == [
        ("daemon", "config.reload"), ("user", "config.rollback"),
        ("daemon", "config.reload"), ("daemon", "config.start"),
    ]  # fmt: skip


def test_a_start_with_the_same_files_keeps_no_new_version(config):
    """And a daemon that cannot keep one runs all the same."""
    for _ in range(2):
        with RunningDaemon(config) as daemon:
            daemon.stop()
    store = daemon.store()
    assert len(list(list_versions(store))) == 1
    with store.transaction():
        store.execute("DELETE FROM config_versions")
        store.execute(
            "CREATE TRIGGER full BEFORE INSERT ON config_versions BEGIN SELECT RAISE(ABORT, 'it is full'); END"
        )
    store.close()
    with RunningDaemon(config) as daemon, daemon.sender() as sender:
        assert daemon.wait_for("config_not_kept")["problem"] == "it is full"
        assert codes(sender.ask(dft("D1", ft1(kind="FARE")))) == ["AA"]
        daemon.stop()
