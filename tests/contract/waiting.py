"""How a test waits for a condition: by checking it again, for a limited time."""

import time
from collections.abc import Callable


def until(holds: Callable[[], bool], seconds: float = 6.0) -> None:
    """Check until the condition holds. Raise AssertionError when it does not within so many seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.05)
