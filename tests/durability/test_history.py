"""The checker of histories: on made-up ones whose answer is known, and against trying every order out."""

from collections.abc import Iterator
from itertools import chain, combinations, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.durability.history import NEVER, Change, Heard, Operation, Question, Rests, violations

CREDENTIALS = {"pat": Rests(life=("pat", "user"), scope=("role",))}
LIVE, BARE, DEAD = Heard.LIVE, Heard.BARE, Heard.DEAD


def change(register: str, value: bool, began: float, ended: float) -> Change:
    return Change("writer", "node 0", "change", began, ended, register, value)


def asks(heard: Heard, began: float, ended: float) -> Question:
    return Question("reader", "node 1", "introspect", began, ended, "pat", heard)


GIVEN = [change("user", True, 0, 1), change("role", True, 0, 1), change("pat", True, 0, 1)]
REVOKED = change("pat", False, 2, 3)
EXPLAINED: list[tuple[str, list[Operation]]] = [
    ("live until somebody begins to take away", [asks(LIVE, 1.5, 1.9)]),
    ("dead after it", [REVOKED, asks(DEAD, 3.5, 4)]),
    ("either while it is being revoked", [REVOKED, asks(LIVE, 2.1, 2.2), asks(DEAD, 2.3, 2.4)]),
    ("either when the question began before the acknowledgement", [REVOKED, asks(LIVE, 2.9, 9)]),
    (
        "a revocation that was never answered",
        [change("pat", False, 2, NEVER), asks(LIVE, 5, 6), asks(DEAD, 7, 8)],
    ),
    ("without a scope while the role is gone", [change("role", False, 2, 3), asks(BARE, 4, 5)]),
    ("live again", [change("role", False, 2, 3), change("role", True, 4, 5), asks(LIVE, 6, 7)]),
    (
        "in the middle of two that overlap",
        [change("user", False, 2, 9), change("user", True, 3, 8), asks(DEAD, 4, 5)],
    ),
    (
        "of two at once either is the last",
        [change("user", True, 2, 4), change("user", False, 2, 4), asks(DEAD, 5, 6)],
    ),
]
REFUSED: list[tuple[str, list[Operation]]] = [
    ("active after the acknowledgement", [REVOKED, asks(LIVE, 3.1, 9)]),
    ("inactive though nobody took anything", [asks(DEAD, 2, 9)]),
    ("inactive before the revocation", [REVOKED, asks(DEAD, 1.1, 1.9)]),
    ("without its scope before the role is taken", [asks(BARE, 2, 9)]),
    ("with its scope after the role is taken", [change("role", False, 2, 3), asks(LIVE, 4, 5)]),
    ("inactive because a role is gone", [change("role", False, 2, 3), asks(DEAD, 4, 5)]),
    ("dead again", [change("user", False, 2, 3), change("user", True, 4, 5), asks(DEAD, 6, 7)]),
    ("live after somebody heard that it is dead", [REVOKED, asks(DEAD, 2.1, 2.2), asks(LIVE, 2.3, 2.4)]),
    (
        "an unanswered revocation that came and went",
        [change("pat", False, 2, NEVER), asks(DEAD, 5, 6), asks(LIVE, 7, 8)],
    ),
    ("before it was issued", [asks(LIVE, -2, -1)]),
]


@pytest.mark.parametrize("history", [one for _, one in EXPLAINED], ids=[name for name, _ in EXPLAINED])
def test_every_history_of_a_single_server_is_accepted(history: list[Operation]) -> None:
    assert violations(GIVEN + history, CREDENTIALS) == []


@pytest.mark.parametrize("history", [one for _, one in REFUSED], ids=[name for name, _ in REFUSED])
def test_what_no_one_server_could_have_said_is_one(history: list[Operation]) -> None:
    [line] = violations(GIVEN + history, CREDENTIALS)
    assert "reader at node 1 heard by introspect that pat is" in line


def test_each_stale_answer_is_reported() -> None:
    stale = [asks(LIVE, moment, moment + 0.5) for moment in range(4, 9)]
    assert len(violations([*GIVEN, REVOKED, asks(DEAD, 3.2, 3.4), *stale], CREDENTIALS)) == 5


def test_a_credential_is_judged_by_its_own_registers() -> None:
    others = [change("another", False, 2, 3), Question("reader", "node 1", "introspect", 4, 5, "another", LIVE)]
    assert violations([*GIVEN, *others, asks(LIVE, 6, 7)], CREDENTIALS) == []


TIMES = st.tuples(st.integers(0, 12), st.integers(0, 6)).map(lambda pair: (pair[0], pair[0] + pair[1]))
QUESTIONS = st.builds(lambda heard, when: asks(heard, *when), st.sampled_from(Heard), TIMES)
CHANGES = st.builds(
    lambda register, value, when, answered: change(register, value, when[0], when[1] if answered else NEVER),
    st.sampled_from(["pat", "role"]),
    st.booleans(),
    TIMES,
    st.booleans(),
)
USER = change("user", True, -2, -1)


@settings(deadline=None)
@given(st.lists(CHANGES, max_size=4), st.lists(QUESTIONS, max_size=3))
def test_it_finds_what_trying_every_order_finds(changes: list[Change], questions: list[Question]) -> None:
    history: list[Operation] = [*changes, *questions]
    assert (violations([USER, *history], CREDENTIALS) == []) == any(_explains(order) for order in _orders(history))


def _orders(history: list[Operation]) -> Iterator[tuple[Operation, ...]]:
    """Return every order of the completed changes and any subset of the unanswered ones."""
    lost = [done for done in history if done.ended == NEVER]
    parts = chain.from_iterable(combinations(lost, size) for size in range(len(lost) + 1))
    certain = [done for done in history if done.ended != NEVER]
    return (order for part in parts for order in permutations([*certain, *part]) if _in_time(order))


def _in_time(order: tuple[Operation, ...]) -> bool:
    return all(earlier.began <= later.ended for earlier, later in combinations(order, 2))


def _explains(order: tuple[Operation, ...]) -> bool:
    held = {"user"}
    for done in order:
        if isinstance(done, Change):
            (held.add if done.value else held.discard)(done.register)
        elif isinstance(done, Question) and done.heard is not CREDENTIALS["pat"].says(frozenset(held)):
            return False
    return True


MOMENTS = st.lists(
    st.tuples(st.sampled_from(["pat", "user", "role", "ask"]), st.booleans(), st.floats(0, 3), st.floats(0, 3)),
    min_size=20,
    max_size=120,
)


@settings(deadline=None)
@given(MOMENTS)
def test_one_server_that_many_ask_is_never_accused(moments: list[tuple[str, bool, float, float]]) -> None:
    assert violations(_said_by_one_server(moments), CREDENTIALS) == []


@settings(deadline=None)
@given(MOMENTS, st.sets(st.sampled_from(["pat", "user", "role"])), st.sampled_from(Heard))
def test_a_false_answer_without_concurrent_changes_is_detected(
    moments: list[tuple[str, bool, float, float]], held: set[str], heard: Heard
) -> None:
    quiet = [change(register, register in held, 1e6, 1e6 + 1) for register in ("pat", "user", "role")]
    history = [*_said_by_one_server(moments), *quiet, asks(heard, 1e6 + 2, 1e6 + 3)]
    assert len(violations(history, CREDENTIALS)) == (heard is not CREDENTIALS["pat"].says(frozenset(held)))


def _said_by_one_server(moments: list[tuple[str, bool, float, float]]) -> list[Operation]:
    """Do one thing a second, and let each begin up to three seconds before it and end up to three seconds after it."""
    held: set[str] = set()
    said: list[Operation] = []
    for second, (what, value, before, after) in enumerate(moments):
        if what == "ask":
            said.append(asks(CREDENTIALS["pat"].says(frozenset(held)), second - before, second + after))
            continue
        (held.add if value else held.discard)(what)
        said.append(change(what, value, second - before, second + after))
    return said
