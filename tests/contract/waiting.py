"""The one way that a test waits for time to pass: asking again, for a bounded while."""

import time
from collections.abc import Callable


def until(holds: Callable[[], bool], seconds: float = 6.0) -> None:
    """Ask until it holds; AssertionError when it does not within so many seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.05)
