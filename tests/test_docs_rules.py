"""docs/rules.md and the rules of placement say the same: facts, comparisons, holds, signals, every key of the file."""

from __future__ import annotations

from docs_reader import fenced, names, own_text, read, section, table

from hl7bridge.rules import spec_allocation, spec_examples
from hl7bridge.rules.evaluate import LOOK_AGAIN_DAYS
from hl7bridge.rules.evaluate_examples import try_examples
from hl7bridge.rules.facts import FACTS
from hl7bridge.rules.facts_payer import KINDS, USUAL_CODES
from hl7bridge.rules.holds import HOLDS, PLACED_BEFORE
from hl7bridge.rules.signals import SIGNALS
from hl7bridge.rules.spec import KEYS, RULE_KEYS, Joint, Mode, Op, compile_rules
from hl7bridge.rules.spec_dates import KINDS as ITEMIZATIONS
from hl7bridge.rules.spec_dates import Dates
from hl7bridge.rules.spec_reader import LEAST_PAYMENT, OPS, PAYMENT_FACTS
from hl7bridge.tomlfile import parse_toml

_IN_WORDS = {7: "seven"}


def test_the_table_of_facts_is_the_programs_own():
    """Name, kind, comparisons, meaning, source and when it is unknown, word for word."""
    rows = table(own_text(read("rules.md"), "Facts"))
    assert len(rows) == len(FACTS)
    for row, spec in zip(rows, FACTS.values(), strict=True):
        values = f": {', '.join(spec.values)}" if spec.values else ""
        comparisons = [op.value for op in OPS[spec.type]]
        assert names(row[0]) == [spec.name]
        assert names(row[2]) == comparisons
        assert [row[1], *row[3:]] == [f"{spec.type.value}{values}", spec.meaning, spec.source, spec.unknown]


def test_the_payments_that_may_be_left_out_and_the_kinds_of_payers_are_named():
    """Below the table of facts."""
    text = section(read("rules.md"), "Facts")
    assert all(f"`{name}`" in text for name in PAYMENT_FACTS)
    assert LEAST_PAYMENT in text
    assert "Kinds: " + ", ".join(f"`{kind}`" for kind in KINDS) in text
    assert {"CI", "BL", "HM", "MA", "MB", "MC", "WC", "AM", "LM", "CH", "VA"} <= USUAL_CODES.keys()
    words = ("Medicare", "Medicaid", "Commercial", "HMO", "PPO", "Tricare", "Auto", "Liability")
    assert all(word in text and word.upper() in USUAL_CODES for word in words)


def test_every_comparison_and_group_is_documented_for_the_kinds_of_facts_that_take_it():
    """So that a person can write a predicate from the tables alone."""
    rows = {names(row[0])[0]: row[1] for row in table(section(read("rules.md"), "Predicates"))}
    assert list(rows) == [*(op.value for op in Op), *(joint.value for joint in Joint)]
    for op in Op:
        takers = {kind.value for kind, ops in OPS.items() if op in ops}
        assert set(rows[op.value].split(", ")) == takers


def test_every_key_of_the_file_is_named():
    """Of the file, a rule, a share, the dates and an example."""
    text = read("rules.md")
    said = section(text, "Predicates").partition("Keys of the file:")[2]
    assert all(f"`{key}`" in said for key in (*KEYS, *RULE_KEYS, "require"))
    for heading, keys in (("Allocations", spec_allocation.KEYS), ("Examples", spec_examples.KEYS)):
        assert [names(row[0])[0] for row in table(section(text, heading))] == list(keys)


def test_the_dates_are_documented_with_their_defaults():
    """And every kind of itemization is named."""
    rows = {names(row[0])[0]: names(row[1])[0] for row in table(section(read("rules.md"), "Dates"))}
    usual = Dates()
    kinds = ", ".join(f'"{kind}"' for kind in usual.itemization)
    assert rows == {
        **{name: str(value) for name, value in usual._asdict().items()},
        "itemization": f"[{kinds}]",
        "recent_payment_least": f'"{usual.recent_payment_least}"',
    }
    assert all(kind in section(read("rules.md"), "Dates") for kind in ITEMIZATIONS)


def test_the_table_of_signals_is_the_programs_own():
    """Name, values, the values that hold, and meaning."""
    rows = table(section(read("rules.md"), "Signals"))
    expected = [
        [
            f"`{spec.name}`",
            spec.values_text,
            ", ".join(value for value in spec.values if value in spec.holding) or "never",
            spec.meaning,
        ]
        for spec in SIGNALS.values()
    ]
    assert rows == expected


def test_the_table_of_holds_is_the_programs_own():
    """When, from where, what it does to a live placement, and whether it may be off."""
    rows = table(section(read("rules.md"), "Holds"))
    expected = [
        [f"`{hold.name}`", hold.when, hold.source, hold.action.value, "yes" if hold.may_be_off else "no"]
        for hold in HOLDS.values()
    ]
    charity = next(row for row in expected if row[0] == "`charity`")
    charity[3] += "; recall once granted"
    assert rows == expected
    for status in PLACED_BEFORE:
        assert status.replace("paid_in_full", "paid") in section(read("rules.md"), "Holds")


def test_every_mode_of_a_rule_is_documented_and_the_example_does_what_it_says():
    """The example is a whole rules file, with an example of its own."""
    text = read("rules.md")
    for mode in Mode:
        assert f'mode = "{mode.value}"' in text
    (example,) = fenced(text, "toml")
    rules = compile_rules(parse_toml(example, "docs/rules.md"))
    assert [each.problem for each in try_examples(rules)] == [""]
    assert f"every {_IN_WORDS[LOOK_AGAIN_DAYS]} days" in text


def test_the_tables_of_the_file_that_are_shown_compile():
    """Allocations, codes of payers, holds: taken together with the rules of the example they are a file."""
    text = read("rules.md")
    shown = [
        "\n".join(line[4:] for line in section(text, heading).splitlines() if line.startswith("    "))
        for heading in ("Allocations", "Facts", "Holds")
    ]
    rule = '[[rules]]\nname = "one"\nallocation = "split"\nwhen = [{ fact = "has_address", is = true }]\n'
    rules = compile_rules(parse_toml("\n".join(("format = 1", rule, *shown)), "docs/rules.md"))
    assert rules.agencies == ("one", "two")
    assert (len(rules.holds), len(rules.payer_kinds)) == (2, 3)
