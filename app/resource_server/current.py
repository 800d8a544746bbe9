"""The credential of the request that is being answered, in whichever framework."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields
from typing import Any, cast

from .credential import Credential

FIELDS = frozenset(one.name for one in fields(Credential))
_current: ContextVar[Credential | None] = ContextVar("latchkey_credential", default=None)


@contextmanager
def use_credential(credential: Credential) -> Iterator[None]:
    """Make a credential the current one, for what runs inside."""
    token = _current.set(credential)
    try:
        yield
    finally:
        _current.reset(token)


def set_credential(credential: Credential | None) -> None:
    """Make a credential, or none, the current one of this context, where no block of code is all of a request."""
    _current.set(credential)


class _Current:
    """Stand for the current credential: each attribute is read from it."""

    def __getattr__(self, name: str) -> Any:
        if name not in FIELDS:
            raise AttributeError(f"A credential has no {name!r}.")
        credential = _current.get()
        if credential is None:
            raise RuntimeError("There is no current credential: the route is not protected by a scope.")
        return getattr(credential, name)

    def __repr__(self) -> str:
        return repr(_current.get())


current_credential = cast(Credential, _Current())
