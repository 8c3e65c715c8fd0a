"""The shipped mapping: the events it takes, and what it makes of those that are unlike the others."""

import pytest
from feed_samples import GENERIC, ft1, generic_mapping, gt1, in1, message, pid
from mapping_samples import records

from hl7bridge.checks import check_event
from hl7bridge.errors import MessageError
from hl7bridge.mapping.compile import compile_mapping
from hl7bridge.message.parse import parse_message
from hl7bridge.tomlfile import parse_toml


def test_the_shipped_mapping_compiles():
    """It takes registrations, persons, entries, accounts, and numbers that become others."""
    mapping = compile_mapping(parse_toml(GENERIC, "generic.toml"))
    assert mapping.name == "generic"
    assert mapping.types == {"ADT", "DFT", "BAR"}
    taken = {
        "ADT": "A01 A03 A04 A05 A06 A07 A08 A11 A13 A18 A23 A24 A28 A29 A31 A34 A35 A36 A37 A38 A39 A40 A41 A42 A43"
        " A44 A45 A47 A49 A50 A51",
        "BAR": "P01 P02 P05 P06 P10 P12",
        "DFT": "P03 P11",
    }
    assert set(mapping.events) == {(kind, event) for kind, events in taken.items() for event in events.split()}
    nothing = {event for event, specs in mapping.events.items() if not specs}
    assert nothing == {("BAR", "P10"), ("BAR", "P12")}


def counted(event, *segments):
    """Return how many guarantors, coverages and entries a message makes."""
    made = records(generic_mapping(), message(event, "C1", pid(), *segments))
    return len(made.guarantors), len(made.coverages), len(made.entries)


def test_a_guarantor_after_a_charge_is_that_charges_own_in_p11_and_the_accounts_in_p03():
    """The order of P11 is patient, guarantor, insurance, and then each charge with what differs for it."""
    assert counted("DFT^P11", gt1(), in1(), ft1(), gt1(), in1(), ft1(), in1()) == (1, 1, 2)
    assert counted("DFT^P11", ft1(), gt1(), in1()) == (0, 0, 1)
    assert counted("DFT^P11", gt1(), in1()) == (1, 1, 0)
    assert counted("DFT^P03", ft1(), gt1(), in1(), in1()) == (1, 2, 1)


@pytest.mark.parametrize(
    ("event", "deleted"), [("A29", True), ("A01", False), ("A04", False), ("A05", False), ("A28", False), ("A08", None)]
)
def test_a_person_whom_the_sender_deleted_comes_back_with_a_registration(event, deleted):
    """Other events say nothing of it: one that is late brings nobody back."""
    assert records(generic_mapping(), message(f"ADT^{event}", "C1", pid())).patient.deleted is deleted


@pytest.mark.parametrize(
    ("event", "status"),
    [
        ("ADT^A11", "cancelled"),
        ("ADT^A23", "cancelled"),
        ("ADT^A38", "cancelled"),
        ("ADT^A01", "open"),
        ("ADT^A04", "open"),
        ("ADT^A05", "open"),
        ("ADT^A13", "open"),
        ("BAR^P02", "closed"),
        ("BAR^P06", "closed"),
        ("ADT^A08", None),
    ],
)
def test_what_an_event_says_of_the_account_is_its_status(event, status):
    """An event that says nothing leaves it as it was."""
    assert records(generic_mapping(), message(event, "C1", pid())).account.status == status


@pytest.mark.parametrize("event", ["P10", "P12"])
def test_procedures_and_diagnoses_make_nothing(event):
    """They are taken, and nothing of them is kept."""
    assert records(generic_mapping(), message(f"BAR^{event}", "C1", pid())) is None


def test_an_event_that_the_mapping_names_is_taken_whatever_the_listener_says_of_others():
    """``unmapped = "refuse"`` is for events that no mapping names."""
    check_event(generic_mapping(), parse_message(message("BAR^P12", "C1", pid())), refuse=True)
    with pytest.raises(MessageError, match="no mapping uses this event"):
        check_event(generic_mapping(), parse_message(message("ADT^A02", "C1", pid())), refuse=True)
