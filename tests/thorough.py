"""Whether a test of many rounds or examples runs all of them: TEST_THOROUGH=1, for a run by night or by hand."""

import os

THOROUGH = os.environ.get("TEST_THOROUGH") == "1"


def either(usual: int, thorough: int) -> int:
    """Return the number of rounds or examples of this run."""
    return thorough if THOROUGH else usual
