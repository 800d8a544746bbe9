"""Check the names in a request: return them in the spelling that is stored, or refuse the field."""

from __future__ import annotations

from collections.abc import Callable

from app.errors import Invalid
from app.models.names import BadName, normalize_email, normalize_name, normalize_username


def checked_name(name: str, field: str = "name") -> str:
    """Return the name as it is stored. Raises Invalid."""
    return _check_name(normalize_name, name, field)


def optional_name(name: str, field: str = "name") -> str:
    """Return the name as it is stored; it may be empty. Raises Invalid."""
    return checked_name(name, field) if name else ""


def checked_username(username: str, present: str | None = None) -> str:
    """Return the username as it is stored. Raises Invalid.

    An unchanged username is accepted even if the present rules would refuse it.
    """
    return username if username == present else _check_name(normalize_username, username, "username")


def checked_email(email: str | None, present: str | None = None) -> str | None:
    """Return the address as it is stored. Raises Invalid."""
    return email if email is None or email == present else _check_name(normalize_email, email, "email")


def _check_name(normalize: Callable[[str], str], text: str, field: str) -> str:
    try:
        return normalize(text)
    except BadName as error:
        raise Invalid.field(field, str(error)) from None
