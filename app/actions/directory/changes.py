"""What a change leaves alone."""

from __future__ import annotations

from enum import Enum


class Unset(Enum):
    """Marks a field that a change does not name, where None is a value of its own."""

    UNSET = "unset"


UNSET = Unset.UNSET
