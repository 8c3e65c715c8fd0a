"""One message read by two configurations: what each makes of it, in what they differ, and whom it touches."""

from __future__ import annotations

from decimal import Decimal

from feed_samples import adt, dft, ft1, generic_mapping, make_setup, message

from hl7bridge.groups import Group, Groups, Touched, chunked
from hl7bridge.mapping.records import Account, Entry, Identity, Patient, Records, Signal
from hl7bridge.reading import ONLY, Difference, Sample, account_keys, find_differences, patient_keys, read_twice
from hl7bridge.storage.messages import Disposition
from hl7bridge.storage.scratch import scratch_store
from hl7bridge.storage.traffic import count_from, first_since

FEE = generic_mapping(lambda text: text.replace('CHARGE = "CG"', 'CHARGE = "CG"\nFEE = "CG"'))


def records(account=None, patient=None, entries=(), **more):
    """Return records that say nothing but what is given."""
    return Records(account, patient, (), (), tuple(entries))._replace(**more)


def sample(data, listener="ehr"):
    """Return a message of a file."""
    return Sample(1, "1", "2026-01-15T00:00:00.000Z", listener, "", data)


def test_each_side_says_what_becomes_of_a_message():
    """Taken, left alone or refused, each by its own mapping and policy."""
    old, new = make_setup(), make_setup(FEE, refuse_unmapped=True, parks=True)
    pair = read_twice(sample(dft("D1", ft1(kind="FEE"))), old, new)
    assert (pair.event, pair.before.disposition, pair.after.disposition) == ("DFT^P03", "rejected", "applied")
    assert pair.after.records.entries[0].kind == "CG"
    pair = read_twice(sample(adt("A1", event="A02")), old, new)
    assert (pair.before.disposition, pair.after.disposition) == (Disposition.IGNORED, Disposition.PARKED)
    pair = read_twice(sample(message("ACK", "K1", "MSA|AA|X")), old, new)
    assert (pair.before.disposition, pair.after.disposition) == ("ignored", "ignored")
    pair = read_twice(sample(b"not a message"), old, new)
    assert (pair.event, pair.before.disposition, pair.after.disposition) == ("", "unreadable", "unreadable")
    pair = read_twice(sample(adt("A1"), "gone"), old, new)
    assert {each.reason for each in pair[1:]} == {"there is no such listener"}


def test_what_both_read_by_one_mapping_is_read_once():
    """The same object, and the same policy; with another policy the mapping alone is not all."""
    setup = make_setup()
    pair = read_twice(sample(adt("A1")), setup, setup._replace(default_mapping="generic"))
    assert pair.before is pair.after
    assert pair.before.disposition == Disposition.APPLIED
    other = make_setup(setup.mappings["generic"], processing_ids=frozenset({"T"}))
    assert read_twice(sample(adt("A1")), setup, other).after.disposition == Disposition.REJECTED


def test_fields_records_and_entries_that_differ_are_told_one_by_one():
    """A record that one side lacks is one difference; the same is none."""
    old = records(Account("F", "1", "open"), Patient("F", "P"), [Entry("CG", Decimal(1)), Entry("PY", Decimal(2))])
    new = records(Account("F", "2", "open"), None, [Entry("CG", Decimal(3))])
    assert list(find_differences(old, new)) == [
        Difference("account", "number", "1", "2"),
        Difference("patient", ONLY, Patient("F", "P"), None),
        Difference("entry", "amount", Decimal(1), Decimal(3)),
        Difference("entry", ONLY, Entry("PY", Decimal(2)), None),
    ]
    assert list(find_differences(old, old)) == []


def test_a_signal_differs_by_its_value_and_not_by_where_it_was_read():
    """By name, whatever the order."""
    old = records(signals=(Signal("dispute", "yes", "ZZZ-1"), Signal("charity", "no", "ZZZ-2")))
    moved = records(signals=(Signal("charity", "no", "ZZZ-3"), Signal("dispute", "yes", "ZZZ-4")))
    assert list(find_differences(old, moved)) == []
    new = records(signals=(Signal("dispute", "no", "ZZZ-1"),))
    assert list(find_differences(old, new)) == [
        Difference("signal", "charity", "no", None), Difference("signal", "dispute", "yes", "no"),
    ]  # fmt: skip


def test_every_number_that_a_message_names_is_a_way_to_an_account_or_a_person():
    """Its own, its visits', and both sides of a merge."""
    assert list(account_keys(None)) == list(patient_keys(None)) == []
    assert list(account_keys(records())) == list(patient_keys(records())) == []
    told = records(
        Account("F", "1", visit_number="V1"),
        Patient("F", "P1"),
        identities=(Identity("F", "P1", account_number="1", prior_account_number="2", prior_patient_number="P2"),),
    )
    assert set(account_keys(told)) == {("F", "1"), ("F", "V1"), ("F", "2")}
    assert set(patient_keys(told)) == {("F", "P1"), ("F", "P2")}


def touched(number, *accounts, patients=()):
    """Return a message that touches numbers of one facility."""
    keys = (frozenset(("F", each) for each in numbers) for numbers in (accounts, patients))
    return Touched(number, None, None, *keys)


def test_messages_that_share_a_number_are_one_group_and_others_are_not():
    """Over any number of messages between them, and by accounts or persons."""
    groups = Groups(None)
    for each in (
        touched(1, "A"),
        touched(2, "B"),
        touched(3, "C", patients="P"),
        touched(4, "A", "D"),
        touched(5, "D"),
    ):
        groups.add(each)
    groups.add(touched(6, patients="P"))
    groups.add(touched(7))
    found = [each.messages for each in groups.groups()]
    assert found == [{1, 4, 5}, {2}, {3, 6}, {7}]


def test_groups_are_taken_together_up_to_a_size():
    """None is ever split."""
    groups = [Group(frozenset(), frozenset(), frozenset({number})) for number in range(5)]
    assert [(size, len(each.messages)) for size, each in chunked(groups, 2)] == [(2, 2), (2, 2), (1, 1)]
    whole = Group(frozenset({1, 2, 3}), frozenset(), frozenset())
    assert [size for size, _ in chunked([whole, whole], 2)] == [1, 1]
    assert list(chunked([], 2)) == []


def test_the_first_message_of_a_time_is_found_among_gaps():
    """By halving, for times are not indexed."""
    with scratch_store() as store:
        assert (first_since(store, "2026"), count_from(store, 1)) == (1, 0)
        insert = (
            "INSERT INTO messages (id, received_at, listener, sending_application, sending_facility, message_type,"
            " trigger_event, control_id, digest, disposition, ack_code, reason, mapping, content, reply)"
            " VALUES (?, ?, 'ehr', '', '', 'ADT', 'A04', 'X', x'00', 'applied', 'AA', '', 'generic', '', x'')"
        )
        store.executemany(insert, [(number, f"2026-01-{number:02}") for number in (1, 2, 3, 10, 11, 30)])
        firsts = {day: first_since(store, f"2026-01-{day:02}") for day in (1, 2, 4, 11, 30, 31)}
        found = {
            day: store.row("SELECT min(id) FROM messages WHERE id >= ?", (each,))[0] for day, each in firsts.items()
        }
        assert found == {1: 1, 2: 2, 4: 10, 11: 11, 30: 30, 31: None}
        assert count_from(store, 3) == 28
