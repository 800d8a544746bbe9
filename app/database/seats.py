"""Worker seats: few threads answer requests at once, and not always the same; what one keeps belongs to its seat."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

Value = TypeVar("Value")


class _Here(threading.local):
    """The seat that the current thread has taken; None when it has none."""

    seat: int | None = None


_here = _Here()


def occupy(seat: int | None) -> None:
    """Say which seat the current thread has taken; None when it leaves it."""
    _here.seat = seat


class PerSeat(Generic[Value]):
    """A value for each seat, and for each thread without one: like a thread-local that outlives the thread."""

    def __init__(self) -> None:
        self._of_seat: dict[int, Value] = {}
        self._of_thread = threading.local()

    def get(self) -> Value | None:
        """Return the value of the current seat or thread, None when there is none yet."""
        seat = _here.seat
        if seat is not None:
            return self._of_seat.get(seat)
        return getattr(self._of_thread, "value", None)

    def set(self, value: Value) -> None:
        """Keep a value for the current seat or thread."""
        seat = _here.seat
        if seat is not None:
            self._of_seat[seat] = value
        else:
            self._of_thread.value = value
