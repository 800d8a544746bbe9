"""A costly result is computed once for all callers."""

from threading import Event, Thread

import pytest

from app.operations.shared_result import SharedResult


class Clock:
    """A monotonic clock that is moved by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_thousand_callers_cost_no_more_than_one_a_second() -> None:
    clock, made = Clock(), iter(range(10_000))
    shared = SharedResult(lambda: next(made), 3, clock)
    assert [shared() for _ in range(1000)] == [0, 1] + [2] * 998
    for _ in range(1000):
        clock.now += 0.01
        last = shared()
    assert last in (2 + 9, 2 + 10)
    clock.now += 1
    assert shared() == last + 1
    clock.now += 60
    assert [shared() for _ in range(5)] == [last + 2, last + 3, *[last + 4] * 3]


def test_while_one_is_made_other_callers_get_the_last_one() -> None:
    made, going_on, over = iter("abc"), Event(), Event()

    def make() -> str:
        one = next(made)
        if one == "b":
            going_on.set()
            assert over.wait(10)
        return one

    shared = SharedResult(make, 10)
    assert shared() == "a"
    thread = Thread(target=shared)
    thread.start()
    assert going_on.wait(10) and shared() == "a"
    over.set()
    thread.join()
    assert shared() == "c"


def test_what_fails_is_made_again() -> None:
    outcomes = iter([ZeroDivisionError, None])

    def make() -> str:
        if error := next(outcomes):
            raise error
        return "made"

    shared = SharedResult(make, 3)
    with pytest.raises(ZeroDivisionError):
        shared()
    assert shared() == "made"
