"""The ``[outbound]`` section of a mapping: what it may say, and what is said of what it may not."""

from __future__ import annotations

import pytest
from mapping_samples import compiled, problems
from outbound_samples import FEED, outbound, said_of

from hl7bridge.mapping.outbound import Part, Posting

WHOLE = """
[outbound]
version = "2.3"
charset = "8859/1"
batch = "account"
post_to = "guarantor"
pid_2 = "account"
[outbound.payment]
type = "PY"
sign = "negative"
code = "7001^Agency payment"
codes = { north = "7101", "north CHK" = "7102", "* CC" = "7003" }
[outbound.nsf]
methods = ["NSF", "RCK"]
[outbound.fields]
"FT1-24" = "BRIDGE"
"PV1-50" = ""
"FT1-13" = "{agency}^{method}"
[[outbound.segments]]
name = "ZPA"
fields = { 1 = "{transaction_id}", 2 = "{pid_18}" }
"""


def test_everything_that_a_section_may_say_is_read():
    """One of each."""
    made = outbound(WHOLE)
    assert (made.version, made.charset, made.batch, made.post_to) == ("2.3", "8859/1", "account", "guarantor")
    assert made.pid_2 == "account"
    rule = made.rule(Posting.PAYMENT)
    assert (rule.type, rule.sign, rule.code, rule.codes["* CC"]) == ("PY", "negative", "7001^Agency payment", "7003")
    assert made.rule(Posting.NSF).methods == {"NSF", "RCK"}
    assert made.rule(Posting.FEE).type is None
    assert {rule.field: rule.parts for rule in made.fields["FT1"]} == {
        24: (Part("BRIDGE", is_value=False),),
        13: (Part("agency", is_value=True), Part("method", is_value=True)),
    }
    assert made.fields["PV1"][0].parts == ()
    (segment,) = made.segments
    assert (segment.name, segment.after, [rule.field for rule in segment.fields]) == ("ZPA", "FT1", [1, 2])
    assert dict(made.named_at) == {"north": ("outbound", "payment", "codes", "north CHK")}


def test_a_mapping_that_says_nothing_of_payments_has_no_section():
    """Nor one that takes away what it inherits."""
    assert outbound("") is None
    base = {"base_toml": FEED.replace('"site"', '"base"') + '[outbound]\nversion = "2.3"\n'}
    assert compiled('format = 1\nname = "site"\nextends = "base"\n', **base).outbound.version == "2.3"
    assert compiled('format = 1\nname = "site"\nextends = "base"\noutbound = false\n', **base).outbound is None


def test_a_site_changes_one_code_of_what_it_inherits_and_takes_another_away():
    """Key by key, as elsewhere; examples of payments go with the other inherited examples."""
    inherited = WHOLE + '[[outbound.examples]]\nexpect = { "FT1-6" = "PY" }\n'
    base = {"base_toml": FEED.replace('"site"', '"base"') + inherited}
    own = (
        'format = 1\nname = "site"\nextends = "base"\ninherit_examples = false\n[outbound.payment]\ncode = "9"\n'
        'sign = false\n[outbound.fields]\n"FT1-24" = false\n[outbound]\npost_to = false\n'
    )
    made = compiled(own, **base).outbound
    rule = made.rule(Posting.PAYMENT)
    assert (rule.code, rule.type, rule.sign, len(rule.codes)) == ("9", "PY", None, 3)
    assert [rule.field for rule in made.fields["FT1"]] == [13]
    assert made.post_to is None
    wrong = own.replace('"FT1-24" = false', '"FT1-23" = false')
    assert [each.split(": ", 1)[1] for each in problems(wrong, **base)] == [
        "outbound.fields.FT1-23: nothing to take away: it is not inherited (did you mean 'FT1-24'?)"
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("outbound = 3\n[patient]", 'outbound: expected a table ([outbound] then version = "2.3")'),
        ('[outbound]\nversoin = "2.3"', "outbound.versoin: unknown key (did you mean 'version'?)"),
        ('[outbound]\nversion = "2.1"', "outbound.version: expected one of 2.3, 2.3.1, 2.4, 2.5, 2.5.1"),
        ("[outbound]\nbatch = 1", "outbound.batch: expected one of payment, account, remittance"),
        (
            '[outbound]\ncharset = "BIG-5"',
            'outbound.charset: not a character set that payments are written in (as in table 0211: "8859/1")',
        ),
        ("[outbound]\ncharset = 1", "outbound.charset: not a character set that payments are written in"),
        ("[outbound]\npayment = 1", 'outbound.payment: expected a table ([outbound.payment] then code = "CODE^Text")'),
        ("[outbound.payment]\nmethods = []", "outbound.payment.methods: unknown key"),
        ('[outbound.payment]\ntype = "py"', "outbound.payment.type: not a transaction type"),
        ('[outbound.payment]\ntype = "CG"', "outbound.payment.type: a charge, which would come back as a new one"),
        ('[outbound.payment]\nsign = "minus"', "outbound.payment.sign: expected one of positive, negative"),
        ('[outbound.payment]\ncode = "^x"', "outbound.payment.code: not a code"),
        ('[outbound.payment]\ncode = "a^b^c^d"', "outbound.payment.code: not a code"),
        ("[outbound.payment]\ncode = 7", "outbound.payment.code: not a code"),
        ("[outbound.payment]\ncodes = 7", "outbound.payment.codes: expected codes by agency and medium"),
        ('[outbound.payment]\ncodes = { "*" = "7" }', "outbound.payment.codes.*: not an agency or medium"),
        ("[outbound.payment]\ncodes = { north = 7 }", "outbound.payment.codes.north: not a code"),
        ('[outbound.fee]\nsign = "negative"', "outbound.fee: a fee needs a code of its own"),
        ('[outbound.nsf]\ncode = "7"', "outbound.nsf.methods: expected the agencies' codes of a bounced cheque"),
        ("[outbound.nsf]\nmethods = 7", "outbound.nsf.methods: expected the agencies' codes of a bounced cheque"),
        ("[outbound]\nfields = 7", "outbound.fields: expected fields"),
        ('[outbound.fields]\nFT1 = "x"', "outbound.fields.FT1: not a field of a payment's message"),
        ('[outbound.fields]\n"MSH-3" = "x"', "outbound.fields.MSH-3: not a field of a payment's message"),
        ('[outbound.fields]\n"FT1-2" = "x"', "outbound.fields.FT1-2: this field is not for a site to fill"),
        ('[outbound.fields]\n"FT1-24" = 7', "outbound.fields.FT1-24: expected a text"),
        ('[outbound.fields]\n"FT1-24" = "x{fee}"', "outbound.fields.FT1-24: a value is the whole of a component"),
        ('[outbound.fields]\n"FT1-24" = "{fees}"', "outbound.fields.FT1-24: unknown value (did you mean 'fee'?)"),
        (
            '[outbound.fields]\n"PID-4" = "{fee}"',
            "outbound.fields.PID-4: only FT1 and what follows it has values of a payment",
        ),
        (
            '[outbound.fields]\n"PID-4" = "{pid_18}^x"',
            "outbound.fields.PID-4: a number of the account is the whole of a field",
        ),
        (
            '[outbound.fields]\n"PID-18" = ""\n"PV1-19" = ""\n"PV1-50" = ""',
            "outbound.fields: nothing is left that tells the account",
        ),
        ("[outbound]\nsegments = 7", "outbound.segments: expected a list"),
        ("[outbound]\nsegments = [7]", "outbound.segments[1]: expected a table"),
        (
            '[[outbound.segments]]\nname = "ZPA"\nfields = { 1 = "x" }\nbehind = "FT1"',
            "outbound.segments[1].behind: unknown key",
        ),
        (
            '[[outbound.segments]]\nname = "NTE"\nfields = { 1 = "x" }',
            "outbound.segments[1].name: not a segment of a site's own",
        ),
        (
            '[[outbound.segments]]\nname = "ZPA"\nafter = "GT1"\nfields = { 1 = "x" }',
            "outbound.segments[1].after: expected one of PID, PV1, FT1",
        ),
        ('[[outbound.segments]]\nname = "ZPA"', "outbound.segments[1].fields: expected fields by number"),
        (
            '[[outbound.segments]]\nname = "ZPA"\nfields = { a = "x" }',
            "outbound.segments[1].fields.a: not the number of a field",
        ),
        (
            '[[outbound.segments]]\nname = "ZPA"\nfields = { 1 = "{x}" }',
            "outbound.segments[1].fields.1: unknown value",
        ),
        (
            '[[outbound.segments]]\nname = "ZPA"\nfields = { 1 = "x" }\n' * 2,
            "outbound.segments[2].name: this segment is there twice",
        ),
    ],
)
def test_each_mistake_is_told_at_its_place_with_a_hint(text, wanted):
    """And no other with it."""
    if text.startswith("outbound = 3"):
        found = [each.split(": ", 1)[1] for each in problems(FEED.replace("[events]", "outbound = 3\n[events]", 1))]
    else:
        found = said_of(text)
    assert len(found) == 1
    assert found[0].startswith(wanted)


def test_all_three_ids_may_go_where_the_guarantor_tells_the_account():
    """GT1 is enough for an EHR that posts there."""
    text = '[outbound]\npost_to = "guarantor"\n[outbound.fields]\n"PID-18" = ""\n"PV1-19" = ""\n"PV1-50" = ""\n'
    assert outbound(text).post_to == "guarantor"
