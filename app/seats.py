"""Worker seats: few threads of a process work at once, however many wait for a request's body."""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

Value = TypeVar("Value")


class _Here(threading.local):
    """The seat that the current thread has taken; None outside of a request."""

    seat: int | None = None


_here = _Here()


class Seats:
    """A fixed number of seats; each is held by one thread at a time."""

    def __init__(self, count: int) -> None:
        self._free: SimpleQueue[int] = SimpleQueue()  # in C: taking and giving back cost a tenth of a semaphore
        for seat in range(count):
            self._free.put(seat)
        self._take_at_once, self._put = self._free.get_nowait, self._free.put

    def take(self, patience: float) -> int | None:
        """Take a free seat for this thread; None when none was free within `patience` seconds."""
        try:
            seat = self._take_at_once()
        except Empty:
            try:
                seat = self._free.get(True, patience)
            except Empty:
                return None
        _here.seat = seat
        return seat

    def give_back(self, seat: int) -> None:
        """Free the seat that this thread took."""
        _here.seat = None
        self._put(seat)


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
