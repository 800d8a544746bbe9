"""A worker's handler of SIGINT and SIGTERM calls granian's own once: called more often, that one blocks the worker."""

import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest
from granian import _signals

from app.compat.granian import handle_end_signal_once

NUMBERS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Set the handlers as a worker does; return the signals that granian's own handler gets."""
    before, tracing = [signal.getsignal(number) for number in NUMBERS], sys.gettrace()
    monkeypatch.setattr(_signals, "set_main_signals", _signals.set_main_signals)
    handle_end_signal_once()
    seen: list[int] = []
    replaced: Any = _signals
    replaced.set_main_signals(lambda number, _frame: seen.append(number))
    yield seen
    sys.settrace(tracing)
    for number, handler in zip(NUMBERS, before, strict=True):
        signal.signal(number, handler)


def test_the_first_signal_is_passed_on_and_no_later_one(calls: list[int]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        signal.raise_signal(number)
    assert calls == [signal.SIGTERM]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("step", range(1, 6))
def test_a_signal_that_interrupts_the_handler_is_not_passed_on(
    calls: list[int], number: signal.Signals, step: int
) -> None:
    handler: Any = signal.getsignal(signal.SIGTERM)
    steps = 0

    def interrupt(frame: FrameType, _event: str, _argument: object) -> Any:
        nonlocal steps
        if frame.f_code is handler.__code__:
            steps += 1
            if steps == step:
                signal.raise_signal(number)
        return interrupt

    sys.settrace(interrupt)
    signal.raise_signal(signal.SIGTERM)
    sys.settrace(None)
    assert len(calls) == 1
