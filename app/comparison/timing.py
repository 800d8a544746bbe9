"""Measure how long an action takes, several times, as a cell."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import TypeVar

from app.comparison import phrases
from app.comparison.report import Cell

T = TypeVar("T")
SAMPLES = 15


def measure_time(action: Callable[[], T], good: Callable[[T], bool]) -> Cell:
    """Run the action SAMPLES times; return the median and the spread in milliseconds. Each result must be `good`."""
    taken, agrees = [], True
    for _ in range(SAMPLES):
        began = time.perf_counter()
        seen = action()
        taken.append((time.perf_counter() - began) * 1000)
        agrees = agrees and good(seen)
    spread = {"median_ms": round(median(taken), 3), "min_ms": round(min(taken), 3), "max_ms": round(max(taken), 3)}
    ends = {"median": f"{median(taken):.2f}", "least": f"{min(taken):.2f}", "most": f"{max(taken):.2f}"}
    return Cell(phrases.TIMING % ends, spread, agrees)
