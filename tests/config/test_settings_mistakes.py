"""Mistakes in hl7bridge.toml: all in one run, each with its line and its fix, also those between keys."""

from __future__ import annotations

import pytest
from config_samples import AGENCY, DESTINATION, LISTENER, PLAINTEXT, problems, read

from hl7bridge.config import Settings


def test_every_mistake_is_told_in_one_run_in_the_order_of_the_file():
    """A person mends a file once, not once for each mistake."""
    assert problems(
        'bogus = 1\n[store]\npth = "x"\n[[listeners]]\nname = "ehr"\nbind = "0.0.0.0:2575"\nmax_block = 5\n'
        'processing_ids = ["P", "X"]\n[[listeners]]\nname = "ehr"\nidle_timeout = "5"\n'
        '[[destinations]]\nname = "e"\nconnect = "localhost:1"\nretry = { attempts = 0 }\n'
        '[reports]\ntime_zone = "Moon"\n'
    ) == [
        f"1: bogus: unknown key (known here: {', '.join(Settings.model_fields)})",
        "3: store.pth: unknown key (did you mean path?)",
        f"6: listeners[1].bind: {PLAINTEXT}",
        '7: listeners[1].max_block: expected text in quotes (write "16 MiB")',
        "8: listeners[1].processing_ids[2]: expected 'P', 'T' or 'D'",
        "9: listeners[2].bind: is missing",
        '10: listeners[2].name: "ehr" is used twice (also listeners[1])',
        '11: listeners[2].idle_timeout: not a duration (write "500 ms", "30 s", "5 min", "2 h" or "7 d")',
        "15: destinations[1].retry.attempts: should be greater than or equal to 1",
        '17: reports.time_zone: not a time zone (write an IANA name, as "America/New_York" or "UTC")',
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("listeners = 5\n", "1: listeners: expected a list"),
        ("[listeners]\n", "1: listeners: expected a list"),
        ("listeners = [5]\n", "1: listeners[1]: expected a table"),
        ("store = 5\n", "1: store: expected a table"),
        ("[store]\npath = 5\n", "2: store.path: expected a path in quotes"),
        ('[store]\npath = ""\n', "2: store.path: expected a path in quotes"),
        (LISTENER + "processing_ids = 5\n", "4: listeners[1].processing_ids: expected a list"),
        (LISTENER + 'max_block = "1 B"\n', "4: listeners[1].max_block: a block limit is 1 KiB to 1 GiB"),
        (LISTENER + 'max_block = "2 GiB"\n', "4: listeners[1].max_block: a block limit is 1 KiB to 1 GiB"),
        ('[store]\npath = "a\\u0000b"\n', "2: store.path: expected a path in quotes"),
        (LISTENER + "tsl = 1\n", "4: listeners[1].tsl: unknown key (did you mean tls?)"),
        (
            LISTENER + 'tls = { certificate = "c", key = "k", clientca = "x" }\n',
            "4: listeners[1].tls.clientca: unknown key (did you mean client_ca?)",
        ),
        (DESTINATION + "retry = { frist = 1 }\n", "4: destinations[1].retry.frist: unknown key (did you mean first?)"),
        (LISTENER + "tls = true\n", "4: listeners[1].tls: expected a table"),
        (LISTENER + 'tls = { certificate = "c" }\n', "4: listeners[1].tls.key: is missing"),
        (
            LISTENER + 'plaintext_off_loopback = "yes"\n',
            "4: listeners[1].plaintext_off_loopback: expected true or false",
        ),
        (LISTENER + 'reused_control_id = "no"\n', "4: listeners[1].reused_control_id: expected 'accept' or 'refuse'"),
        (LISTENER + 'allow = ["10.0.0.1/8"]\n', "4: listeners[1].allow[1]: an address with host bits"),
        (DESTINATION + 'retry = { attempts = "3" }\n', "4: destinations[1].retry.attempts: expected a whole number"),
        (DESTINATION + 'sending_application = "A|B"\n', "4: destinations[1].sending_application: a character that HL7"),
        (
            DESTINATION + 'codes = { payment_by_agency = { north = "7101" } }\n',
            '4: destinations[1].codes.payment_by_agency: no agency is named "north"',
        ),
        (DESTINATION + 'codes = { payment = "A\\rB" }\n', "4: destinations[1].codes.payment: a character that HL7"),
        (DESTINATION + 'facilities = [" "]\n', "4: destinations[1].facilities[1]: expected some text"),
        ("[mappings]\nsenders = 5\n", "2: mappings.senders: expected a table"),
        ('[mappings]\nsenders = { EPIC = "epic" }\n', "2: mappings.senders.EPIC: not a sender"),
        ('[mappings.senders]\n"A|B" = 5\n', "2: mappings.senders.A|B: expected text in quotes"),
        ('[[facilities]]\ncode = "N"\nname = 5\n', "3: facilities[1].name: expected text in quotes"),
        ("[rules]\nrun_at = 05:00:00\n", "2: rules.run_at: expected text in quotes"),
    ],
)
def test_a_wrong_value_is_named_with_its_line_key_and_what_was_expected(text, problem):
    """One mistake, one problem."""
    (found,) = problems(text)
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LISTENER * 2, ['5: listeners[2].name: "ehr" is used twice', "6: listeners[2].bind: 127.0.0.1:2575 is taken"]),
        (
            AGENCY * 2,
            ['5: agencies[2].name: "sample" is used twice', "6: agencies[2].outgoing: is the folder of another"],
        ),
        (AGENCY + 'incoming = "./out/"\n', ["4: agencies[1].incoming: is the same as outgoing (also agencies[1].out"]),
        (
            AGENCY + 'incoming = "in"\n' + AGENCY.replace("sample", "two").replace('"out"', '"in"'),
            ["7: agencies[2].outgoing: is the folder of another agency (also agencies[1].incoming)"],
        ),
        (AGENCY + 'client_number = "H 01"\n', ["4: agencies[1].client_number: not a name for files"]),
        (AGENCY + 'layout = "xml"\n', ["4: agencies[1].layout: expected 'csv', 'jsonl', 'aim' or 'tsi'"]),
        (AGENCY + 'keep_at_most = "11 y"\n', ["4: agencies[1].keep_at_most: not a duration"]),
        (
            AGENCY + 'stop_within = "1095 d"\n',
            ["4: agencies[1].stop_within: a duration is more than 0 and at most a y"],
        ),
        ('[[facilities]]\ncode = "N"\n' * 2, ['4: facilities[2].code: "N" is used twice (also facilities[1])']),
        (
            DESTINATION + DESTINATION.replace('"ehr"', '"two"'),
            ["4: destinations[2].facilities: all other facilities are taken by destinations[1] already"],
        ),
        (
            DESTINATION + 'facilities = ["A", "B"]\n' + DESTINATION.replace('"ehr"', '"two"') + 'facilities = ["B"]\n',
            ['8: destinations[2].facilities: facility "B" is taken by destinations[1] already'],
        ),
        (
            DESTINATION.replace("127.0.0.1", "10.0.0.1"),
            ["3: destinations[1].connect: patient data would cross the network unencrypted"],
        ),
        ('[[destinations]]\nname = "ehr"\n', ["1: destinations[1]: has neither connect nor lockbox"]),
        (
            DESTINATION + 'lockbox = { folder = "l" }\n',
            ["4: destinations[1].lockbox: has both connect and lockbox"],
        ),
        (
            DESTINATION + 'verdicts = { AX = "held", AR = "later" }\n',
            [
                "4: destinations[1].verdicts.AX: expected 'AA', 'AE', 'AR', 'CA', 'CE' or 'CR'",
                "4: destinations[1].verdicts.AR: expected 'accepted', 'held' or 'retry'",
            ],
        ),
        (DESTINATION + "window = 65\n", ["4: destinations[1].window: should be less than or equal to 64"]),
        (DESTINATION + 'retry = { first = "1 h" }\n', ["4: destinations[1].retry.first: retry.ceiling is shorter"]),
        (
            DESTINATION + 'retry = { first = "2 s", ceiling = "1 s" }\n',
            ["4: destinations[1].retry.ceiling: retry.ceiling is shorter than retry.first"],
        ),
        (DESTINATION + 'tls = { ca = "a", key = "k" }\n', ["4: destinations[1].tls.key: needs certificate too"]),
        (
            DESTINATION + 'tls = { ca = "a", certificate = "k" }\n',
            ["4: destinations[1].tls.certificate: needs key too"],
        ),
    ],
)
def test_what_does_not_go_together_is_told(text, expected):
    """Names, ports and folders used twice; plaintext off loopback; half a pair; a payment with two ways to go."""
    found = problems(text)
    assert [each[: len(start)] for each, start in zip(found, expected, strict=True)] == expected


def test_what_goes_together_is_taken():
    """Free ports, facilities shared out with one destination for all others, and plaintext that is asked for."""
    settings = read(
        LISTENER.replace("2575", "0")
        + LISTENER.replace("2575", "0").replace('"ehr"', '"lab"')
        + DESTINATION.replace("127.0.0.1", "10.0.0.1")
        + 'plaintext_off_loopback = true\nfacilities = ["A", "A"]\n'
        + DESTINATION.replace('"ehr"', '"rest"')
        + DESTINATION.replace('"ehr"', '"far"').replace("127.0.0.1", "ehr.example.org")
        + 'facilities = ["C"]\ntls = { ca = "ca.pem", certificate = "c", key = "k" }\n'
    )
    assert [each.name for each in settings.listeners] == ["ehr", "lab"]
    assert settings.destination_for("A") is settings.destinations[0]
    assert settings.destination_for("C") is settings.destinations[2]
    assert settings.destination_for("B") is settings.destinations[1]
    assert read("").destination_for("A") is None


def test_mistakes_of_type_do_not_hide_mistakes_between_keys():
    """Lists that are no lists, tables that are no tables, texts that are no texts."""
    found = problems(
        "[[listeners]]\nname = 5\nbind = 5\n[[destinations]]\nname = 'a'\nconnect = 'x'\nretry = 5\ntls = 5\n"
        "facilities = 5\n[[destinations]]\nname = 'b'\nconnect = 'h:1'\nfacilities = [5]\nretry = { first = 5 }\n"
        "[[agencies]]\nname = 'c'\noutgoing = 5\n"
    )
    assert "12: destinations[2].connect: patient data would cross the network unencrypted" in "\n".join(found)
    assert "10: destinations[1].facilities: expected a list" not in found
    assert any(each.startswith("9: destinations[1].facilities: expected a list") for each in found)


def test_a_mistake_of_syntax_is_the_only_one_told():
    """Nothing else can be trusted."""
    (found,) = problems("[store\nx = 1\n")
    assert found.startswith("1: (syntax): ")
