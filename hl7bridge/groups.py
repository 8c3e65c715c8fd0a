"""Messages and what they touch -> groups that have nothing to do with each other: each can be rebuilt alone."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import NamedTuple

from hl7bridge.reading import Key
from hl7bridge.storage.database import Store
from hl7bridge.storage.traffic import (
    accounts_by_number,
    accounts_of_patient,
    merged_with,
    patient_of,
    patients_by_number,
)


class Touched(NamedTuple):
    """A message, the stored account and patient it was applied to, and the numbers that either side reads in it."""

    number: int
    account_id: int | None
    patient_id: int | None
    accounts: frozenset[Key]
    patients: frozenset[Key]


class Group(NamedTuple):
    """Stored accounts and patients that hang together, and messages to be looked at with them."""

    accounts: frozenset[int]
    patients: frozenset[int]
    messages: frozenset[int]


class Groups:
    """Collects what is touched. With a store, what it knows of numbers, patients and merges joins groups too."""

    def __init__(self, store: Store | None) -> None:
        self._store = store
        self._parents: dict[Hashable, Hashable] = {}

    def add(self, touched: Touched) -> None:
        """Take a message with all that it touches."""
        nodes: list[Hashable] = [("message", touched.number)]
        accounts = {touched.account_id} if touched.account_id else set()
        patients = {touched.patient_id} if touched.patient_id else set()
        for key in touched.accounts:
            found = accounts_by_number(self._store, *key) if self._store else set()
            accounts |= found
            if not found:
                nodes.append(("number", *key))
        for key in touched.patients:
            found = patients_by_number(self._store, *key) if self._store else set()
            patients |= found
            if not found:
                nodes.append(("person", *key))
        nodes += self._family(accounts, patients)
        for node in nodes[1:]:
            self._join(nodes[0], node)
        self._root(nodes[0])

    def groups(self) -> Iterator[Group]:
        """Yield the groups, in the order of their first message."""
        members: dict[Hashable, dict[str, set[int]]] = {}
        for node in list(self._parents):
            if isinstance(node, tuple) and node[0] in {"account", "patient", "message"}:
                members.setdefault(self._root(node), {}).setdefault(node[0], set()).add(node[1])
        for found in members.values():
            yield Group(*(frozenset(found.get(kind, ())) for kind in ("account", "patient", "message")))

    def _family(self, accounts: Iterable[int], patients: Iterable[int]) -> list[Hashable]:
        """Return accounts and patients with all that the store has of the same people, and what was merged with it."""
        waiting: list[tuple[str, int]] = [("account", each) for each in accounts]
        waiting += [("patient", each) for each in patients]
        found: list[Hashable] = []
        seen: set[tuple[str, int]] = set()
        while waiting:
            node = waiting.pop()
            if node in seen:
                continue
            seen.add(node)
            found.append(node)
            if node in self._parents or self._store is None:  # its family has joined it already
                continue
            kind, each = node
            if kind == "patient":
                waiting += [("account", own) for own in accounts_of_patient(self._store, each)]
            else:
                patient = patient_of(self._store, each)
                waiting += [("patient", patient)] if patient else []
                waiting += [("account", other) for other in merged_with(self._store, each)]
        return found

    def _root(self, node: Hashable) -> Hashable:
        parent = self._parents.setdefault(node, node)
        while parent != node:
            above = self._parents[parent]
            self._parents[node] = above
            node, parent = parent, above
        return node

    def _join(self, one: Hashable, other: Hashable) -> None:
        self._parents[self._root(one)] = self._root(other)


def chunked(groups: Iterable[Group], most: int) -> Iterator[tuple[int, Group]]:
    """Yield groups joined into ones of about ``most`` accounts or messages, and how many each is made of.

    A scratch ledger has its price.
    """
    waiting: list[Group] = []
    size = 0
    for group in groups:
        waiting.append(group)
        size += max(len(group.accounts), len(group.messages))
        if size >= most:
            yield len(waiting), _union(waiting)
            waiting, size = [], 0
    if waiting:
        yield len(waiting), _union(waiting)


def _union(groups: list[Group]) -> Group:
    return Group(*(frozenset().union(*parts) for parts in zip(*groups, strict=True)))
