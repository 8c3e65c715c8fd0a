"""Who assigned an id counts in an event that changes identities: accounts are never mixed, people are never guessed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from feed_samples import dft, ft1, message, pid, pv1, refusal
from identity_samples import FIRST, SECOND, account_id, dump, exceptions, known, mrg, problems, told

from hl7bridge.storage.accounts import find_account, read_account

X_1, Y_1, X_2, Y_2 = "TACC1^^^CLINX", "TACC1^^^CLINY", "TACC2^^^CLINX", "TACC2^^^CLINY"
HERE, THERE = "PID^1^18^1^4", "MRG^1^3"
VISIT = pv1(f19="TVIS2")


def opened(account: str, number: str, at: str, event: str = "A04") -> bytes:
    """Return a message about an account of a patient."""
    return message(f"ADT^{event}", f"{event}{account}{at}", f"EVN|{event}", pid(account, number), VISIT, m7=at)


def owed(account: str, amount: str = "50.00", at: str = "20261120090000", visit: str = "TVIS2") -> bytes:
    """Return a charge."""
    line = ft1(amount, number=f"T{amount}")
    return message("DFT^P03", f"D{account}{at}", "EVN|P03", pid(account, "TMRN2"), pv1(f19=visit), line, m7=at)


TWO = (opened(X_1, "TMRN1", "20261120080000"), opened(X_2, "TMRN2", "20261120080100"), owed(X_2))
MERGE = told("A41", pid(X_1, "TMRN1"), mrg("TMRN1", X_2), at="20261120100000")


@pytest.mark.parametrize(
    ("event", "segments", "place"),
    [
        ("A41", (pid(X_1, "TMRN1"), mrg("TMRN1", Y_2)), THERE),
        ("A41", (pid(Y_1, "TMRN1"), mrg("TMRN1", X_2)), HERE),
        ("A41", (pid(X_1, "TMRN1"), mrg("TMRN1", Y_1)), THERE),
        ("A35", (pid(X_1, "TMRN1"), mrg("TMRN1", Y_2)), THERE),
        ("A49", (pid("TACC9^^^CLINY", "TMRN2"), mrg("TMRN2", Y_2)), THERE),
        ("A40", (pid(X_1, "TMRN1"), mrg("TMRN2", Y_2)), THERE),
        ("A36", (pid(Y_1, "TMRN1"), mrg("TMRN2", X_2)), HERE),
        ("A44", (pid(Y_2, "TMRN1"), mrg("TMRN2", Y_2)), HERE),
        ("A44", (pid("", "TMRN1"), mrg("TMRN2", Y_2)), THERE),
        ("A44", (pid("TACC9^^^CLINX", "TMRN1"), mrg("TMRN2", "TACC9^^^CLINY")), THERE),
        ("A45", (pid(X_1, "TMRN1"), mrg("TMRN2", Y_2, "TVIS2"), VISIT), THERE),
        ("A45", (pid(Y_1, "TMRN1"), mrg("TMRN2", X_2, "TVIS2"), VISIT), HERE),
        ("A50", (pid(Y_2, "TMRN2"), mrg("TMRN2", visit="TVIS1"), VISIT), HERE),
    ],
)
def test_a_number_of_another_authority_is_refused_and_nothing_is_done(feed, event, segments, place):
    """Known and told, and not the same: 205 at PID-18.4 or MRG-3."""
    feed.take(*TWO)
    before = dump(feed.store)
    assert refusal(feed.send(told(event, *segments))) == ("AE", "205", place)
    assert dump(feed.store) == before


@pytest.mark.parametrize("number", [X_1, "TACC1"])
@pytest.mark.parametrize("prior", [X_2, "TACC2"])
def test_an_authority_that_is_not_told_is_any(feed, number, prior):
    """The accounts are merged."""
    feed.take(*TWO, told("A41", pid(number, "TMRN1"), mrg("TMRN1", prior)))
    assert known(feed.store, "TACC2").charges == known(feed.store, "TACC1").charges == Decimal(50)
    assert find_account(feed.store, "TACC1").authority == "CLINX"


@pytest.mark.parametrize(
    "merge", [MERGE, told("A41", pid(X_1, "TMRN1"), mrg("TMRN1", "TACC2"), at="20261120100000")], ids=["told", "known"]
)
def test_a_number_that_was_merged_keeps_its_authority(feed, merge):
    """Neither a charge nor a merge under another's gets to the target."""
    feed.take(*TWO, merge, owed(X_2, "1.00", "20261120110000"), owed("TACC2", "2.00", "20261120110100"))
    before = dump(feed.store)
    assert refusal(feed.send(owed(Y_2, "4.00", "20261120120000"))) == ("AE", "205", HERE)
    other = told("A41", pid(Y_2, "TMRN1"), mrg("TMRN1", "TACC7"), at="20261120130000", control_id="M9")
    assert refusal(feed.send(other)) == ("AE", "205", HERE)
    assert dump(feed.store) == before
    assert known(feed.store, "TACC1").charges == Decimal(53)


def test_a_source_that_nobody_told_of_has_the_authority_of_mrg(feed):
    """Its number leads to the target; another authority's does not."""
    feed.take(TWO[0], MERGE, TWO[2])
    assert known(feed.store, "TACC1").charges == Decimal(50)
    assert refusal(feed.send(owed(Y_2, "4.00", "20261120120000"))) == ("AE", "205", HERE)
    assert replayed(feed, MERGE)


def replayed(feed, block: bytes) -> bool:
    """Return whether a message told again changes nothing."""
    before = dump(feed.store)
    feed.take(block.replace(b"|M", b"|N"))
    return dump(feed.store) == before


@pytest.mark.parametrize(
    "event",
    [
        told("A41", pid(X_1, "TMRN1"), mrg("TMRN1", "TACC7")),
        told("A44", pid("", "TMRN1"), mrg("TMRN2", X_1)),
        told("A45", pid(X_1, "TMRN1"), mrg("TMRN2", "TACC7", "TVIS2"), VISIT),
        told("A45", pid("TACC7", "TMRN1"), mrg("TMRN2", X_1, "TVIS2"), VISIT),
        told("A50", pid(X_1, "TMRN1"), mrg("TMRN1", visit="TVIS7"), VISIT),
    ],
    ids=["A41", "A44", "A45 to", "A45 from", "A50"],
)
@pytest.mark.parametrize("is_known", [True, False])
def test_an_account_without_an_authority_takes_the_one_that_an_event_tells(feed, event, is_known):
    """Whether a message told of it before or the event opens it; another authority's is refused from then on."""
    if is_known:
        feed.take(opened("TACC1", "TMRN1", "20261120080000"))
    feed.take(event)
    state = read_account(feed.store, account_id(feed.store, "TACC1"))
    assert (state.authority, state.pid_18) == ("CLINX", "TACC1" if is_known else X_1)
    assert replayed(feed, event)
    assert refusal(feed.send(opened(Y_1, "TMRN1", "20261120130000"))) == ("AE", "205", HERE)


def test_an_account_that_gets_its_number_by_a_merge_has_the_authority_that_is_told(feed):
    """The source's number was another authority's: both are echoed as told."""
    merge = told("A41", pid(X_1, "TMRN1"), mrg("TMRN1", Y_2), at="20261120085000")
    feed.take(opened(Y_2, "TMRN1", "20261120080100"), owed(Y_2), merge)
    state = find_account(feed.store, "TACC2")
    assert (state.number, state.authority, state.pid_18, state.balance) == ("TACC1", "CLINX", X_1, Decimal(50))
    feed.take(owed(Y_2, "1.00", "20261120110000"), owed(X_1, "2.00", "20261120110100"))
    assert known(feed.store, "TACC1").charges == Decimal(53)
    assert problems(feed.store) == []


def test_a_number_that_is_corrected_back_has_its_authority_again(feed):
    """Also when the message that says so leaves it out."""
    there = told("A49", pid("TACC9^^^CLINX", "TMRN2"), mrg("TMRN2", Y_2), at="20261120100000")
    back = told("A49", pid("TACC2", "TMRN2"), mrg("TMRN2", "TACC9"), at="20261120110000", control_id="M2")
    feed.take(opened(Y_2, "TMRN2", "20261120080100"), there, back)
    state = find_account(feed.store, "TACC2")
    assert (state.number, state.authority, state.pid_18) == ("TACC2", "CLINY", Y_2)


OTHER = message("ADT^A28", "P9", "EVN|A28", pid("", "TMRN1").replace("HOSP", "CLIN"), m7="20261120100000")
BARE_1 = pid("", "TMRN1").replace("^^^HOSP^MR", "")


@pytest.mark.parametrize(
    ("event", "segments"),
    [
        *((event, (pid("", "TMRN9"), "MRG|TMRN1")) for event in ("A18", "A34", "A39", "A40", "A47")),
        ("A40", (BARE_1, mrg("TMRN2"))),
        ("A36", (pid("TACC2", "TMRN2"), "MRG|TMRN1||TACC1")),
        ("A44", (BARE_1, mrg("TMRN2", "TACC2"))),
    ],
)
def test_an_id_of_two_people_changes_nothing_and_a_person_is_asked(feed, event, segments):
    """No authority says which of them it is: nothing is merged, and no number leads elsewhere."""
    feed.take(*FIRST, *SECOND, OTHER)
    before = {name: rows for name, rows in dump(feed.store).items() if name not in {"exceptions", "patients"}}
    feed.take(told(event, *segments, at="20261120130000"))
    after = dump(feed.store)
    assert {name: after[name] for name in before} == before
    assert exceptions(feed.store) == ["unclear"]
    assert "several patients have" in feed.store.row("SELECT reason FROM messages ORDER BY id DESC LIMIT 1")[0]
    assert [known(feed.store, number).patient for number in ("TACC1", "TACC2")] == ["TMRN1", "TMRN2"]


@pytest.mark.parametrize(("prior", "asked"), [("TACC7", []), ("TACC2", ["unclear"])])
def test_accounts_are_merged_though_the_patient_is_not_told_apart(feed, prior, asked):
    """Whose the target is stays; a person is asked when it is none of those who have the id."""
    target = "TACC1" if prior == "TACC7" else "TACC3"
    feed.take(*FIRST, *SECOND, OTHER, opened("TACC3", "TMRN3", "20261120080300"))
    bare = pid(target, "TMRN1").replace("^^^HOSP^MR", "")
    feed.take(told("A41", bare, f"MRG|TMRN1||{prior}"))
    assert known(feed.store, prior).number == target
    assert known(feed.store, target).patient == ("TMRN1" if prior == "TACC7" else "TMRN2")
    assert exceptions(feed.store) == asked


def test_one_person_under_two_authorities_is_told_apart_by_nobody(feed):
    """Both ids lead to one row after a merge: the number alone is enough then."""
    one = told("A40", pid("", "TMRN1"), "MRG|TMRN1^^^CLIN^MR", at="20261120110000")
    feed.take(*FIRST, *SECOND, OTHER, one, told("A40", pid("", "TMRN2"), "MRG|TMRN1", at="20261120130000"))
    assert known(feed.store, "TACC1").patient == "TMRN2"
    assert exceptions(feed.store) == []


def test_a_visit_moves_though_the_patient_is_not_told_apart(feed):
    """The accounts say what moves; the one that is opened for it is nobody's until a message tells."""
    feed.take(*FIRST, *SECOND, OTHER)
    move = told("A45", pid("TACC5", "TMRN1").replace("^^^HOSP^MR", ""), "MRG|TMRN1||TACC8||TVIS1", pv1(f19="TVIS1"))
    feed.take(move, dft("D9", ft1("1.00", number="T9"), account="TACC5"))
    assert exceptions(feed.store) == ["unclear"]
