"""Mappings with an ``[outbound]`` section, and the forms and messages that they make."""

from __future__ import annotations

from mapping_samples import ACCOUNT, HEAD, checked, compiled, gathered, problems
from payment_samples import NOW, TODAY, make_payment

from hl7bridge.message.parse import parse_message
from hl7bridge.message.text import encode_text
from hl7bridge.payments.forms import outbound_problems
from hl7bridge.payments.message import Addressed, DestinationForm, build_message
from hl7bridge.payments.posting import Item

FEED = HEAD + '[events]\n"ADT^A04" = ["account"]\n' + ACCOUNT
ADDRESSED = Addressed(
    pid_3="100234^^^HOSP^MR",
    pid_5="TESTPATIENT^AURELIA^Q",
    pid_18="5027440^^^HOSP^AN",
    pv1_19="V889912^^^HOSP^VN",
    pv1_50="",
    patient_class="O",
    account_number="5027440",
    guarantor_number="70088",
    guarantor_name=("TESTGUARANTOR", "MARIUS"),
)


def outbound(text):
    """Return the compiled section of a mapping's text."""
    return compiled(FEED + text).outbound


def form_of(text):
    """Return the form of a mapping's section."""
    return DestinationForm.alone("ehr", outbound(text))


def said_of(text):
    """Return what is said against a section: that it cannot be read, as a person reads it."""
    return [problem.split(": ", 1)[1] for problem in problems(FEED + text)]


def example_problems(text):
    """Return what a check says of the messages that a section makes."""
    file = gathered(FEED + text)
    assert checked(FEED + text) == []
    found = outbound_problems("site", compiled(FEED + text).outbound, file)
    return [f"{problem.key}: {problem.problem}" for problem in found]


def make_item(payment=None, number=1, **changes):
    """Return a payment as a message posts it."""
    ids = f"A1B200000{number:03d}", "B260115001", TODAY, f"A1B2F0000{number:03d}"
    return Item(payment or make_payment(), *ids)._replace(**changes)


def build(form, *items, addressed=ADDRESSED, **options):
    """Return a message's text."""
    return build_message(form, items or [make_item()], addressed, "HBA1B2000000000071", at=NOW, **options)


def read(form, *items, **options):
    """Return a message, read by our own parser."""
    return parse_message(encode_text(build(form, *items, **options)))


def names(text):
    """Return the names of a message's segments."""
    return [segment[:3] for segment in text.split("\r")[:-1]]
