"""What commands share: tables and JSON, who runs them, and the store they open."""

from __future__ import annotations

import datetime as dt
import getpass
import io
import json
import sys
from decimal import Decimal
from enum import Enum
from pathlib import Path

import pytest
from cli_samples import init_folder, run

from hl7bridge.cli.common import App, cell_text, emit_json, emit_rows, open_input
from hl7bridge.errors import BridgeError, StoreError

AT = dt.datetime(2026, 1, 15, 10, 30, tzinfo=dt.timezone(dt.timedelta(hours=-6)))


class Kind(Enum):
    PAYMENT = "payment"


ROWS = [
    {"account": "42", "balance": Decimal("123.4"), "holds": ["dispute", "charity"], "extra": 1},
    {"account": "[bold]x[/] :smile:", "balance": Decimal(-5), "holds": None},
]


def test_a_row_is_one_json_object_on_a_line_with_all_that_it_has(capsys):
    """Money is text, so that nobody makes it a float."""
    assert emit_rows(ROWS, ["account"], as_json=True) == 2
    lines = capsys.readouterr().out.splitlines()
    assert json.loads(lines[0]) == {"account": "42", "balance": "123.40", "holds": ["dispute", "charity"], "extra": 1}
    assert json.loads(lines[1])["balance"] == "-5.00"


def test_rows_are_printed_as_they_come(capsys):
    """A million rows are never in memory at once."""

    def rows():
        yield {"a": 1}
        assert capsys.readouterr().out == '{"a": 1}\n'
        yield {"a": 2}

    assert emit_rows(rows(), ["a"], as_json=True) == 2


def test_times_days_enums_and_paths_have_a_form_in_json(capsys):
    """UTC, ISO 8601. What has none is a mistake of the program."""
    emit_json(
        {
            "at": AT,
            "on": AT.date(),
            "kind": Kind.PAYMENT,
            "for": dt.timedelta(seconds=90),
            "path": Path("/a"),
            "é": None,
        }
    )
    assert capsys.readouterr().out == (
        '{"at": "2026-01-15T16:30:00+00:00", "on": "2026-01-15", "kind": "payment", "for": 90.0,'
        ' "path": "/a", "é": null}\n'
    )
    with pytest.raises(TypeError, match="set has no JSON form here"):
        emit_json({"x": set()})


def test_a_table_that_is_piped_is_plain_and_nothing_in_it_is_cut(capsys):
    """No colour, no frame, no width; text is text, also where it looks like markup."""
    wide = "x" * 300
    emit_rows([*ROWS, {"account": wide, "balance": None, "holds": ()}], ["account", "balance", "holds"], as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["account", "balance", "holds"]
    assert lines[1].split(maxsplit=2) == ["42", "123.40", "dispute, charity"]
    assert lines[2].startswith("[bold]x[/] :smile: ")
    assert lines[2].endswith("-5.00")
    assert lines[3] == wide
    assert (
        len({line.find(text) + len(text) for line, text in zip(lines[:3], ("balance", "123.40", "-5.00"), strict=True)})
        == 1
    )


def test_a_table_on_a_terminal_is_as_wide_as_the_terminal(capsys, monkeypatch):
    """Long text goes on in the next line; it is never cut."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    emit_rows([{"account": "y" * 100}], ["account"], as_json=False)
    out = capsys.readouterr().out
    assert out.count("y") == 100
    assert max(map(len, out.splitlines())) <= 80


def test_a_list_is_cut_at_its_limit_and_says_so(capsys):
    """On stderr, so that what is piped is only rows."""
    rows = [{"a": number} for number in range(3)]
    assert emit_rows(rows, ["a"], as_json=False, limit=2) == 2
    assert capsys.readouterr().err == "The first 2; --limit 0 shows all.\n"
    assert emit_rows(rows, ["a"], as_json=False, limit=3) == 3
    assert emit_rows(rows, ["a"], as_json=False, limit=0) == 3
    assert emit_rows(rows, ["a"], as_json=True, limit=1) == 1
    assert capsys.readouterr().err == ""


def test_an_empty_list_says_so_on_stderr(capsys):
    """And prints no heading."""
    assert emit_rows([], ["a"], as_json=False, empty="Nothing yet.") == 0
    assert emit_rows([], ["a"], as_json=True, empty="Nothing yet.") == 0
    assert emit_rows([], ["a"], as_json=False) == 0
    assert capsys.readouterr() == ("", "Nothing yet.\n")


def test_a_cell_is_text_that_people_read():
    """Nothing for None, words for truth."""
    assert cell_text(None) == ""
    assert cell_text(True) == "yes"
    assert cell_text(False) == "no"
    assert cell_text(AT) == "2026-01-15T16:30:00+00:00"
    assert cell_text(Kind.PAYMENT) == "payment"
    assert cell_text({"a": 1, "b": Decimal(2)}) == "a 1, b 2.00"
    assert cell_text(7) == "7"


def test_who_runs_a_command_is_known_by_name_or_number(monkeypatch):
    """A container may give a user no name."""
    monkeypatch.setattr(getpass, "getuser", lambda: "aurelia")
    assert App().actor == "user:aurelia"

    def nobody():
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    monkeypatch.setattr("os.getuid", lambda: 4242)
    assert App().actor == "user:4242"


def test_the_time_is_utc():
    """Aware, always."""
    assert App().now().tzinfo is dt.UTC


def test_the_store_is_opened_with_its_key_and_closed_after(tmp_path):
    """What the database refuses inside the block is one line with the file's name."""
    app = App(init_folder(tmp_path / "d"))
    with app.open_store() as store:
        assert store.row("SELECT count(*) FROM audit") == (1,)
    with pytest.raises(StoreError, match=r"hl7bridge\.db: no such table: neverland"), app.open_store() as store:
        store.execute("SELECT * FROM neverland")


def test_the_store_is_opened_with_a_systemd_credential_when_there_is_one(tmp_path, monkeypatch):
    """The key file of the configuration may then be out of reach."""
    config = init_folder(tmp_path / "d")
    (tmp_path / "credentials").mkdir()
    (tmp_path / "d/secrets/store.key").rename(tmp_path / "credentials/store.key")
    assert run("audit", "verify", "--config", config).exit_code == 1
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    assert run("audit", "verify", "--config", config).exit_code == 0


def test_input_is_a_file_or_stdin(tmp_path, monkeypatch):
    """- is stdin; what cannot be read is one line."""
    file = tmp_path / "a.hl7"
    file.write_bytes(b"MSH")
    assert open_input(str(file)) == b"MSH"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff")))
    assert open_input("-") == b"\xff"
    with pytest.raises(BridgeError, match="cannot read: No such file"):
        open_input(str(tmp_path / "none"))
