"""Many messages in one transaction: whatever fails among them, the ledger foots and every neighbour is whole."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

from feed_samples import Feed, adt, code, dft, ft1, gt1, in1
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hl7bridge.storage.accounts import find_account, read_coverages, read_guarantors
from hl7bridge.storage.database import open_store

KEY = bytes(range(32))


def test_what_a_new_account_got_stays_when_the_next_message_about_it_is_refused(feed):
    """Guarantor, coverage and entry of the first are not undone with the second."""
    first = adt("A1", gt1(), in1())
    replies = feed.receive(first, dft("D1"), dft("D2", ft1("7.00")), dft("D3", ft1("5.00", number="TTX5")))
    assert [code(reply) for reply in replies] == ["AA", "AA", "AE", "AA"]
    account = find_account(feed.store, "TACC1")
    assert account.balance == Decimal("105.00")
    assert len(read_guarantors(feed.store, account.id)) == len(read_coverages(feed.store, account.id)) == 1
    assert feed.count("entries") == 2


def test_what_a_new_account_got_stays_when_a_message_about_another_is_refused(feed):
    """The other account is known, and its message is refused only after it was read."""
    feed.take(dft("D1", account="TACC9"))
    replies = feed.receive(adt("A1", gt1(), in1()), dft("D2"), dft("D3", ft1("7.00"), account="TACC9"))
    assert [code(reply) for reply in replies] == ["AA", "AA", "AE"]
    account = find_account(feed.store, "TACC1")
    assert len(read_guarantors(feed.store, account.id)) == len(read_coverages(feed.store, account.id)) == 1
    assert feed.count("entries") == 2


def test_a_new_account_whose_message_is_refused_leaves_nothing_for_later(feed):
    """Its second entry contradicts its first."""
    replies = feed.receive(dft("D1", ft1(), ft1("7.00")), dft("D2", account="TACC2"))
    assert [code(reply) for reply in replies] == ["AE", "AA"]
    assert feed.count("entries") == 1
    assert feed.count("guarantors") == 0


blocks = st.builds(
    lambda account, control, number, amount, kind, guarantor: dft(
        f"D{control}", ft1(amount, kind, number, f3=""), *([gt1()] if guarantor else []), account=f"TACC{account}"
    ),
    st.integers(1, 3),
    st.integers(1, 6),
    st.sampled_from(["", "T1", "T2"]),
    st.sampled_from(["10.00", "-10.00", "25.50", "TEN"]),
    st.sampled_from(["CG", "PY", "AJ"]),
    st.booleans(),
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(made=st.lists(blocks, min_size=1, max_size=12), cuts=st.sets(st.integers(1, 11)))
def test_however_messages_are_batched_the_store_knows_the_same(tmp_path_factory, made, cuts):
    """One batch, or any cuts of it: the same dispositions, balances, guarantors and entries, and they foot."""
    found = []
    for edges in ([0, len(made)], sorted({0, len(made), *(cut for cut in cuts if cut < len(made))})):
        store = open_store(tmp_path_factory.mktemp("store") / "a.db", KEY, create=True)
        feed = Feed(store)
        for start, end in pairwise(edges):
            feed.receive(*made[start:end])
        feed.check_footing()
        found.append(
            [
                feed.dispositions(),
                store.rows("SELECT number, charges, payments, adjustments FROM accounts ORDER BY number"),
                store.rows("SELECT account_id, rank, family_name FROM guarantors ORDER BY account_id, rank"),
                sorted(store.rows("SELECT account_id, kind, amount, transaction_id, message_id FROM entries"), key=str),
            ]
        )
        store.close()
    assert found[0] == found[1]
