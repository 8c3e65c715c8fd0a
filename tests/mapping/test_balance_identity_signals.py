"""Balances, changes of identity and signals: what a mapping makes of PV1-46 to 49, of MRG, of a site's own codes."""

from __future__ import annotations

from decimal import Decimal

import pytest
from feed_samples import OWN_SIGNS, adt, dft, ft1, generic_mapping, message, pid, pv1
from mapping_samples import ACCOUNT, HEAD, compiled, problems, records

from hl7bridge.errors import MessageError
from hl7bridge.mapping.apply import apply_mapping
from hl7bridge.mapping.records import Balance, Identity, Signal
from hl7bridge.message.parse import parse_message

GENERIC = generic_mapping()
MERGE = f"""{HEAD}
[events]
"ADT^A40" = ["identity"]
[identity]
facility = "MSH-4.1"
patient_number = "PID-3.1"
patient_authority = "PID-3.4.1"
account_number = "PID-18.1"
visit_number = "PV1-19.1"
prior_patient_number = ["MRG-1.1", "PID[2]-3.1"]
prior_account_number = {{ from = "MRG-3.1", table = "renamed" }}
prior_visit_number = "MRG-5.1"
[tables.renamed]
BAD = "GOOD"
"*" = "OTHER"
"""


def balance_of(**fields):
    """Return the balance of a registration with these fields in PV1."""
    return records(GENERIC, message("ADT^A08", "C1", pid(), pv1(**fields))).balance


@pytest.mark.parametrize(
    ("fields", "balance"),
    [
        ({"f46": "10.00"}, Balance("account", Decimal("10.00"))),
        ({"f46": "10.00", "f51": "A"}, Balance("account", Decimal("10.00"))),
        ({"f49": "-3", "f51": "V"}, Balance("visit", payments=Decimal("-3.00"))),
        ({"f46": "TEN", "f47": "5"}, Balance("account", charges=Decimal("5.00"))),
        ({"f46": "TEN"}, None),
        ({"f46": '""', "f48": "1.00"}, Balance("account", adjustments=Decimal("1.00"))),
        ({"f46": '""'}, None),
        ({"f51": "V"}, None),
        ({}, None),
    ],
)
def test_a_balance_is_what_the_sender_asserts_of_the_account_or_the_visit(fields, balance):
    """An assertion that cannot be read, or is deleted, says nothing; with no amount there is none."""
    assert balance_of(**fields) == balance


def merged(*segments):
    return records(compiled(MERGE), message("ADT^A40", "M1", *segments)).identities


def test_an_identity_is_made_of_the_pid_before_each_mrg_and_the_pv1_after_it():
    """Several groups in a message, several MRG to a PID, a PV1 before its MRG that is of another group."""
    rows = [
        pid(number="T1"),
        "MRG|T2^^^HOSP||A2||V2",
        "MRG|T3||BAD",
        "PV1|1|O|||||||||||||||||V3",
        pid(number="T4", account="A4"),
        "PV1|1|O|||||||||||||||||V4",
        "MRG|T5",
        "PV1|1|O|||||||||||||||||V5",
        "PV1|1|O|||||||||||||||||V6",
    ]
    one = Identity("NORTHGATE", "T1", "HOSP", "TACC1")
    assert merged(*rows) == (
        one._replace(prior_patient_number="T2", prior_account_number="OTHER", prior_visit_number="V2"),
        one._replace(visit_number="V3", prior_patient_number="T3", prior_account_number="GOOD"),
        one._replace(patient_number="T4", account_number="A4", visit_number="V5", prior_patient_number="T5"),
    )


def test_a_message_without_mrg_is_one_group_of_its_first_pid():
    """A link names two patients by two PIDs."""
    assert merged(pid(number="T1"), pv1(f19="V1"), pid(number="T2")) == (
        Identity("NORTHGATE", "T1", "HOSP", "TACC1", "V1", prior_patient_number="T2"),
    )
    assert merged() == (Identity("NORTHGATE"),)


def test_an_mrg_before_any_pid_has_no_target():
    """It is for the ledger to refuse."""
    assert merged("MRG|T2", pid(number="T1")) == (Identity("NORTHGATE", prior_patient_number="T2"),)


def test_an_identifier_that_cannot_be_read_is_refused_at_its_own_segment():
    """As any field of any record."""
    text = MERGE.replace('"MRG-5.1"', '{ from = "MRG-5", convert = { name = "phone", form = "e164" } }')
    with pytest.raises(MessageError) as raised:
        apply_mapping(compiled(text), parse_message(message("ADT^A40", "M1", pid(), "MRG|T2", "MRG|T3||||X")))
    assert str(raised.value.location) == "MRG[2]-5"


def test_a_segment_that_only_begins_like_mrg_is_none():
    """MRGX is a line of its own; an MRG that is its name alone is one."""
    assert len(merged(pid(), "MRGX|1", "MRG|T2")) == 1
    assert len(merged(pid(), "MRG")) == 1


def test_nulls_and_own_signs_make_the_same_identities():
    """A null names nobody."""
    block = message("ADT^A40", "M1", pid(number="T1"), 'MRG|T2^^^HOSP||""')
    expected = (Identity("NORTHGATE", "T1", "HOSP", "TACC1", prior_patient_number="T2"),)
    assert records(compiled(MERGE), block).identities == expected
    translated = apply_mapping(compiled(MERGE), parse_message(block.translate(OWN_SIGNS)))
    assert translated.identities == expected


def test_a_refusal_in_a_group_names_that_groups_own_segment():
    """The second PID, the third MRG."""
    text = MERGE.replace('patient_number = "PID-3.1"\n', 'patient_number = { from = "PID-3.1", required = true }\n', 1)
    text = text.replace('\n"*" = "OTHER"', "")
    for rows, place in (
        ([pid(), "MRG|T2", pid(number=""), "MRG|T3"], "PID[2]-3.1"),
        ([pid(), "MRG|T2", "MRG|T3", "MRG|T4||A4"], "MRG[3]-3.1"),
    ):
        with pytest.raises(MessageError) as raised:
            apply_mapping(compiled(text), parse_message(message("ADT^A40", "M1", *rows)))
        assert str(raised.value.location) == place


SIGNALS = f"""{HEAD}
[events]
"ADT^A04" = ["account", "signals"]
"DFT^P03" = ["account?", "signals"]
{ACCOUNT}
[[signals]]
name = "charity"
each = "FT1"
from = ["FT1-7.1", "PV1-41.1"]
table = "charity"
[[signals]]
name = "military"
from = "ZMI-1"
convert = "flag"
[[signals]]
name = "first_statement"
from = "ZST-2"
convert = {{ name = "date", formats = ["%m/%d/%Y", "hl7"] }}
[[signals]]
name = "bankruptcy"
from = "ZBK-1"
value = "filed"
when = {{ events = ["ADT^A04"] }}
[[signals]]
name = "dispute"
from = "ZDI-1"
[[signals]]
name = "hold"
each = "FT1"
from = {{ path = "FT1-6.1", value = "yes", when = {{ path = "FT1-6.1", is = "HOLD" }} }}
[tables.charity]
CHPEND = "pending"
CHOK = "approved"
"""


def told(block, text=SIGNALS):
    return records(compiled(text.replace("from = {", "from = [{").replace('"HOLD" } }', '"HOLD" } }]')), block).signals


def test_signals_come_from_codes_flags_days_and_segments_of_a_sites_own():
    """Each with the place where it was read."""
    rows = ["ZMI|N", "ZST|1|01/31/2026", "ZBK|X", "ZDI|open"]
    assert told(adt("A1", *rows)) == (
        Signal("military", "no", "ZMI-1"),
        Signal("first_statement", "2026-01-31", "ZST-2"),
        Signal("bankruptcy", "filed", "ZBK-1"),
        Signal("dispute", "open", "ZDI-1"),
    )


def test_a_signal_may_be_a_number():
    """How many statements were sent: what is no whole number tells nothing, and a constant must be one."""
    text = '[[signals]]\nname = "statement_count"\nfrom = "ZST-3"\n'
    more = SIGNALS.replace("[tables.charity]", text + "[tables.charity]")
    assert told(adt("A1", "ZST|1||04"), more) == (Signal("statement_count", "4", "ZST-3"),)
    assert not told(adt("A1", "ZST|1||four"), more)
    wrong = BASE + text + 'value = "x"\n'
    assert any("signals[1].value: expected a whole number" in found for found in problems(wrong)), problems(wrong)


def test_a_signal_of_each_segment_names_the_one_it_was_read_from():
    """The third FT1; what is read from another segment keeps that one's place."""
    block = dft("D1", ft1(f7="X"), ft1(f7="CHPEND"), ft1(f7="CHOK"), ft1(f6="HOLD"))
    assert told(block) == (
        Signal("charity", "pending", "FT1[2]-7.1"),
        Signal("charity", "approved", "FT1[3]-7.1"),
        Signal("hold", "yes", "FT1[4]-6.1"),
    )
    elsewhere = dft("D1", pv1(f41="CHOK"), ft1(), ft1())
    assert told(elsewhere) == (Signal("charity", "approved", "PV1-41.1"),) * 2


def test_what_is_unknown_unlisted_unusable_or_deleted_tells_nothing():
    """No signal is made up, and nothing is refused for it."""
    assert told(adt("A1", "ZMI|MAYBE", "ZST|1|SOON", 'ZBK|""', "ZDI|perhaps")) == ()
    assert told(dft("D1", ft1(), "ZBK|X")) == ()


def test_a_signal_that_must_be_readable_refuses_what_is_not():
    """With invalid = refuse, as any field."""
    text = SIGNALS.replace('from = "ZMI-1"', 'from = "ZMI-1"\ninvalid = "refuse"')
    with pytest.raises(MessageError, match="ZMI-1: military: expected Y or N"):
        apply_mapping(compiled(text), parse_message(adt("A1", "ZMI|MAYBE")))


def test_a_table_with_a_default_tells_a_signal_of_every_code():
    """As in any field."""
    text = SIGNALS.replace('CHOK = "approved"', '"*" = "no"')
    assert records(compiled(text), dft()).signals[0] == Signal("charity", "no", "FT1-7.1")


BASE = f'{HEAD}[events]\n"ADT^A04" = ["account", "signals"]\n{ACCOUNT}'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '[[signals]]\nname = "charty"\nfrom = "ZZ1-1"',
            "signals[1].name.charty: unknown signal (did you mean 'charity'?)",
        ),
        ('[[signals]]\nfrom = "ZZ1-1"', "signals[1]: expected the name of a signal"),
        ('[[signals]]\nname = "hold"', 'signals[1]: expected a path (for example "PID-18.1")'),
        ('[[signals]]\nname = "hold"\nfrom = "ZZ1-1"\nvalue = "maybe"', "signals[1].value: hold cannot be that value"),
        (
            '[[signals]]\nname = "hold"\nfrom = "ZZ1-1"\ntable = "t"\n[tables.t]\nX = "maybe"',
            "tables.t.X: hold cannot be that value (one of: no, yes)",
        ),
        ('[[signals]]\nname = "hold"\nfrom = "ZZ1-1"\neach = "zz1"', "signals[1].each: expected a segment name"),
        ('[[signals]]\nname = "hold"\nfrom = "ZZ1[2]-1"\neach = "ZZ1"', "a signal is made of each ZZ1"),
        (
            '[[signals]]\nname = "hold"\nfrom = "ZZ1-1"\nconvert = "date"',
            "signals[1].convert: hold holds text, not date",
        ),
        ('[[signals]]\nname = "charity"\nfrom = "ZZ1-1"\nform = 1', "signals[1].form: unknown option of a signal"),
        ('[[signals]]\nname = "first_statement"\nfrom = "ZZ1-1"\nvalue = "x"', "signals[1].value: not a date"),
        ('[[signals]]\nname = "hold"\nfrom = false', "signals[1]: nothing to take away: no such signal is inherited"),
    ],
)
def test_a_mistake_in_a_signal_says_which_and_what_to_do(text, problem):
    """The line is that of the signal."""
    assert any(problem in found for found in problems(BASE + text)), problems(BASE + text)


def test_signals_that_are_no_list_are_one_problem():
    """And so is one that is no table."""
    top = BASE.replace("[events]", 'signals = "no"\n[events]')
    assert any(": signals: expected a list of signals ([[signals]])" in found for found in problems(top))
    text = BASE.replace("[events]", 'signals = ["no"]\n[events]')
    assert any(": signals[1]: expected a signal" in found for found in problems(text))


def test_what_belongs_to_an_account_needs_one_in_its_event():
    """Signals and balances too; an identity does not."""
    text = BASE.replace('["account", "signals"]', '["account"]\n"ADT^A08" = ["signals"]')
    found = problems(text + '[[signals]]\nname = "hold"\nfrom = "ZZ1-1"\n')
    assert found == [
        (
            "site.toml:5: events.ADT^A08: entry, guarantor, coverage, balance and signals belong to an account"
            ' (add "account")'
        )
    ]


def test_nothing_is_cleared_in_a_balance_or_an_identity():
    """So the option is a mistake there."""
    text = MERGE.replace('"MRG-5.1"', '{ from = "MRG-5.1", null = "clear" }')
    assert problems(text) == [
        (
            "site.toml:14: identity.prior_visit_number.null: nothing is cleared in a record of kind identity"
            " (leave this option out)"
        )
    ]
    assert problems(MERGE.replace('"MRG-5.1"', '{ from = "MRG-5.1", null = "keep" }')) == []


def test_a_balance_needs_an_amount():
    """A level alone asserts nothing."""
    text = f'{HEAD}[events]\n"ADT^A04" = ["account", "balance"]\n{ACCOUNT}[balance]\nlevel = "PV1-51"\n'
    assert problems(text) == ['site.toml:8: balance: no amount is mapped (balance = "PV1-46")']
