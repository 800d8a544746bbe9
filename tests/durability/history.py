"""Could one server, doing one thing at a time, have said all that many clients of many nodes heard?

Linearizability (Herlihy and Wing): each operation takes effect at one moment between its start and its end. A change
without an answer takes effect at any moment after its start, or never.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from math import inf

NEVER = inf  # when an operation ended that was never answered


class Heard(Enum):
    """The answer of an introspection."""

    LIVE = "active"
    BARE = "active without a scope"
    DEAD = "inactive"


@dataclass(frozen=True, eq=False)
class Operation:
    """What a client asked of a node, and how, as in "rotate"; `began` and `ended` are monotonic seconds.

    `ended` is NEVER when no answer came.
    """

    client: str
    node: str
    what: str
    began: float
    ended: float


@dataclass(frozen=True, eq=False)
class Change(Operation):
    """A right that was granted (`value` true) or removed."""

    register: str
    value: bool


@dataclass(frozen=True, eq=False)
class Question(Operation):
    """A question about a credential that was answered."""

    credential: str
    heard: Heard


@dataclass(frozen=True)
class Rests:
    """The registers that a credential rests on: it lives while all of `life` hold, and has its scope while `scope` do.

    A register holds nothing until its first change.
    """

    life: tuple[str, ...]
    scope: tuple[str, ...] = ()

    def says(self, held: frozenset[str]) -> Heard:
        """Return what an introspection says while these registers hold."""
        if not held.issuperset(self.life):
            return Heard.DEAD
        return Heard.LIVE if held.issuperset(self.scope) else Heard.BARE


History = Iterable[Operation]


def violations(history: History, credentials: Mapping[str, Rests]) -> list[str]:
    """Return a line for each answer that no order of the operations explains; none when there is such an order."""
    kept = list(history)
    return [line for name, rests in credentials.items() for line in _unexplained(_about(kept, name, rests), rests)]


def _about(history: list[Operation], credential: str, rests: Rests) -> list[Operation]:
    registers = {*rests.life, *rests.scope}
    return [
        done
        for done in history
        if (isinstance(done, Change) and done.register in registers)
        or (isinstance(done, Question) and done.credential == credential)
    ]


@dataclass(frozen=True)
class _World:
    """One way in which things may stand: what holds, and which begun operations have not taken effect yet."""

    held: frozenset[str] = frozenset()
    pending: frozenset[Change] = frozenset()
    unheard: frozenset[Question] = frozenset()

    def after(self, change: Change, rests: Rests) -> "_World":
        """Return the world in which the change takes effect now, and the questions that wait for it are answered."""
        held = self.held | {change.register} if change.value else self.held - {change.register}
        unheard = frozenset(asked for asked in self.unheard if asked.heard is not rests.says(held))
        return _World(held, self.pending - {change}, unheard)

    def ask(self, question: Question, rests: Rests) -> "_World":
        """Return the world in which the question has begun; it is answered at once if its answer is already true."""
        return self if question.heard is rests.says(self.held) else replace(self, unheard=self.unheard | {question})


def _unexplained(operations: list[Operation], rests: Rests) -> Iterator[str]:
    """Follow every world that may be, through all starts and ends; an answer that is true in none is a violation."""
    worlds = {_World()}
    for done, over in _starts_and_ends(operations):
        if isinstance(done, Change):
            worlds = _changed(worlds, done, rests) if over else {replace(w, pending=w.pending | {done}) for w in worlds}
        elif isinstance(done, Question) and not over:
            worlds = {world.ask(done, rests) for world in worlds}
        elif isinstance(done, Question):
            explained = _answered(worlds, done, rests)
            if not explained:
                yield _line(done, operations)
            worlds = explained or {replace(world, unheard=world.unheard - {done}) for world in worlds}


def _starts_and_ends(operations: list[Operation]) -> list[tuple[Operation, bool]]:
    """Return each operation's start and its end, if any, in order of time; equal times overlap."""
    moments = [(done.began, False, done) for done in operations]
    moments += [(done.ended, True, done) for done in operations if done.ended != NEVER]
    return [(done, over) for _, over, done in sorted(moments, key=lambda moment: moment[:2])]


def _changed(worlds: set[_World], change: Change, rests: Rests) -> set[_World]:
    """Return the worlds in which the change has taken effect."""
    return _reached(worlds, lambda world: change not in world.pending, rests)


def _answered(worlds: set[_World], question: Question, rests: Rests) -> set[_World]:
    """Return the worlds that explain the answer to the question."""
    return _reached(worlds, lambda world: question not in world.unheard, rests)


def _reached(worlds: set[_World], good: Callable[[_World], bool], rests: Rests) -> set[_World]:
    """Apply pending changes in any order, no further than needed."""
    seen, rest, reached = set(worlds), list(worlds), set()
    while rest:
        world = rest.pop()
        if good(world):
            reached.add(world)
            continue
        further = {world.after(change, rests) for change in _each_kind(world.pending)} - seen
        seen |= further
        rest += further
    return reached


def _each_kind(pending: frozenset[Change]) -> Iterable[Change]:
    """Keep only the first of several equal changes that were never answered."""
    in_time = sorted(pending, key=lambda change: change.began, reverse=True)
    return {(c.register, c.value, c if c.ended != NEVER else None): c for c in in_time}.values()


def _line(question: Question, operations: list[Operation]) -> str:
    changes = [done for done in operations if isinstance(done, Change) and done.began <= question.ended]
    told = "; ".join(
        f"{change.what}: {change.register}={change.value} at {change.node} {change.began:.4f}–{change.ended:.4f}"
        for change in sorted(changes, key=lambda change: change.began)
    )
    heard = f"heard by {question.what} that {question.credential} is {question.heard.value}"
    when = f"{question.began:.4f}–{question.ended:.4f}"
    return f"{question.client} at {question.node} {heard}, {when}, after {told or 'nothing'}"
