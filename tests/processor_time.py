"""What a piece of code costs the processor, without the garbage collections that other tests' objects make long."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def at_most(seconds: float, what: object) -> Iterator[None]:
    """Assert that this thread spends at most so many seconds of CPU on the block; `what` names it in the failure."""
    gc.disable()  # one visits what all earlier tests of the process left, which took a second and more
    try:
        began = time.thread_time()
        yield
        took = time.thread_time() - began
    finally:
        gc.enable()
    assert took < seconds, (what, took)
