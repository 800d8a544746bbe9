"""Values per worker slot: a thread that answers a request takes one of a few slots, not always the same one."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

Value = TypeVar("Value")


class _Current(threading.local):
    """The slot of the current thread, None when it has none."""

    slot: int | None = None


_current = _Current()


def use_worker_slot(slot: int | None) -> None:
    """Set the slot of the current thread; None when it leaves its slot."""
    _current.slot = slot


class PerWorkerSlot(Generic[Value]):
    """A value per slot, and per thread without a slot: like a thread-local whose values outlive the thread."""

    def __init__(self) -> None:
        self._of_slot: dict[int, Value] = {}
        self._of_thread = threading.local()

    def get(self) -> Value | None:
        """Return the value of the current slot or thread, None when there is none yet."""
        slot = _current.slot
        if slot is not None:
            return self._of_slot.get(slot)
        return getattr(self._of_thread, "value", None)

    def set(self, value: Value) -> None:
        """Store a value for the current slot or thread."""
        slot = _current.slot
        if slot is not None:
            self._of_slot[slot] = value
        else:
            self._of_thread.value = value
