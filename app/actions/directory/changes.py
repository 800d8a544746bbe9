"""Apply the changes of a record to a row, field by field; a field left UNSET is not changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from enum import Enum
from typing import Any


class Unset(Enum):
    """Marks a field that a change leaves out, where None is a value of its own."""

    UNSET = "unset"


UNSET = Unset.UNSET


def changed_fields(changes: Any) -> list[str]:
    """List the names of the fields that a change holds."""
    return [field.name for field in dataclasses.fields(changes) if getattr(changes, field.name) is not UNSET]


def assign(row: object, changes: Any, *plain: str, **checked: Callable[[Any], object]) -> None:
    """Set the attributes of a row that a change holds: the `plain` ones as they are, others as their function returns.

    Fields that are not named here are not assigned.
    """
    for name in changed_fields(changes):
        if name in plain:
            setattr(row, name, getattr(changes, name))
        elif name in checked:
            setattr(row, name, checked[name](getattr(changes, name)))
